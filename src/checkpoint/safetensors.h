// The safetensors format: an 8-byte length, a JSON header, one buffer. Read strictly, written byte for byte
// as the reference writer does. The header is read in one piece and each tensor straight into its own memory,
// after all sizes have been checked against the file's, so no header can claim more than the file holds.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "tensor/tensor.h"

namespace rum {
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

struct TensorFile {
  std::map<std::string, std::string> meta;  // __metadata__; "format": "pt" is added when writing
  NamedTensors tensors;                     // by name, on the CPU; f32, bf16, f64, i32, i8
  std::string header{};  // when read: the bytes before the first tensor, length and padding included
  bool half = false;     // to be written: tensors of bf16 hold the bits of F16, and are labelled F16
};
// The tensors in the order of the file. FileError: path, byte offset, what was expected, what was found.
TensorFile read_safetensors(const std::string& path, Disk& = Disk::real());
TensorFile parse_safetensors(std::string_view bytes, const std::string& name);  // for fuzzing

// A file whose tensors are read one by one, of any type of the format but those below a byte. The header is
// checked as above.
struct StoredTensor {
  std::string name, type;  // "F32", ...
  Shape shape;
  uint64_t begin = 0, end = 0;  // bytes after the header
};
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path, Disk& = Disk::real());
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& meta() const { return meta_; }
  void read(const StoredTensor&, uint64_t offset, std::span<std::byte> to);  // its bytes from `offset` on

 private:
  File file_;
  uint64_t body_ = 0;
  std::map<std::string, std::string> meta_;
  std::vector<StoredTensor> tensors_;
};

// Tensors of any device. Error: a name that appears twice, is "__metadata__", or a tensor without memory.
// Names and metadata are UTF-8; bytes that are not become U+FFFD.
void write_safetensors(const TensorFile&, const std::string& path, Disk& = Disk::real());

// The two halves of writing. Brings the tensors into the order of the file (wider types first, then by name)
// and to the CPU; then the header is what precedes their bytes.
TensorFile in_file_order(const TensorFile&);
std::string safetensors_header(const TensorFile& in_file_order);
Disk::Part bytes_of(const Tensor&);                   // of a tensor on the CPU
const char* type_name(DType);                         // in the file: "F32"
std::optional<DType> type_of(std::string_view name);  // that of a StoredTensor; none: not one of ours
}  // namespace rum
