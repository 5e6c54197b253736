// The weights of a Hugging Face folder: one model.safetensors, or shards with an index. Tensors are read one
// by one, straight to where they belong in ours, so there is never a second copy of a model.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>

#include "checkpoint/safetensors.h"
#include "checkpoint/weights.h"
#include "huggingface/family.h"

namespace rum {
class HubWeights {
 public:
  // FileError: no weights, weights that are pickled, a shard that is missing or broken, an index that does
  // not fit its shards.
  explicit HubWeights(std::string folder);
  // One of our parameters, of this shape, in its own memory: bf16 where that is what the folder has, else
  // f32; f16 is widened. FileError: a tensor that is missing, has another shape or type, or numbers that are not
  // finite.
  Tensor read(const Family&, const GptConfig&, const std::string& ours, const Shape&);
  // FileError, when tensors are left that are neither constants of the family nor, of a tied model, its
  // embedding once more as the output layer: what they are for is not known here.
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
