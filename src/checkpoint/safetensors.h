// The safetensors format: an 8-byte length, a JSON header, one buffer. Read strictly, written byte for byte
// as the reference writer does.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "tensor/tensor.h"

namespace rum {
struct TensorFile {
  std::map<std::string, std::string> meta;              // __metadata__; "format": "pt" is added when writing
  std::vector<std::pair<std::string, Tensor>> tensors;  // by name, on the CPU; f32, bf16, f64, i32
};
// FileError: path, byte offset, what was expected, what was found.
TensorFile read_safetensors(const std::string& path, Disk& = Disk::real());
TensorFile parse_safetensors(std::string_view bytes, const std::string& name);
void write_safetensors(const TensorFile&, const std::string& path, Disk& = Disk::real());
}  // namespace rum
