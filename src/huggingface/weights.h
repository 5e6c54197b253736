// The weights of a Hugging Face folder: one model.safetensors, or shards with an index. Tensors are read one
// by one, directly into our memory, so there is never a second copy of a model.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>

#include "checkpoint/safetensors.h"
#include "checkpoint/weights.h"
#include "huggingface/family.h"

namespace rum {
// FileError: the file is a pointer of Git LFS, as a clone without git-lfs has it in place of a large file.
void refuse_pointer(const std::string& path);

class HubWeights {
 public:
  // FileError: no weights, pickled weights, a missing or damaged shard, or an index that does not match its
  // shards.
  explicit HubWeights(std::string folder);
  // One of our parameters, of this shape, in its own memory: bf16 if the folder has bf16, else f32; f16 is
  // widened. FileError: a missing tensor, a wrong shape or type, or numbers that are not finite.
  Tensor read(const Family&, const GptConfig&, const std::string& ours, const Shape&);
  // FileError if unread tensors remain. Constants of the family may, and in a tied model a copy of the
  // embedding as the output layer.
  void check_all_read(const Family&, const GptConfig&) const;
  // Are all tensors that were read F16?
  bool half() const { return half_; }

 private:
  struct Place {
    SafetensorsFile* file;
    const std::string* path;
    const StoredTensor* tensor;
  };
  void open(const std::string& file);
  void open_shards(const std::string& index);
  [[noreturn]] void refuse_others() const;
  void check_tied(const Family&, const GptConfig&) const;
  const Place& find(const Family&, const std::string& name) const;
  std::string folder_;
  std::map<std::string, std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, Place> tensors_;
  std::set<std::string> read_;
  bool half_ = true;
};
}  // namespace rum
