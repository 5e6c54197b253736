// A model's weights as they are on disk, read some rows at a time, so that loading them elsewhere
// needs no second copy of a model: the file of a finished one, or a checkpoint, which is
// checked as a whole first.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "checkpoint/safetensors.h"
#include "checkpoint/weights.h"

namespace rum {
class StoredWeights {
 public:
  // FileError: as read_safetensors() and load(); or numbers in int8 that `ruminate quantize` has not written.
  explicit StoredWeights(const std::string& path);
  const std::string& path() const { return path_; }
  const std::map<std::string, std::string>& meta() const { return meta_; }
  // Names, shapes and types, without numbers. What is stored in int8 is f32 here; moments are left out.
  const NamedTensors& tensors() const { return tensors_; }
  bool quantized() const { return quantized_; }  // is any of it in int8?
  // Rows begin .. begin + to.shape()[0] of a tensor into `to`, on the CPU: f32, or bf16 as stored or rounded.
  void read(const std::string& name, int64_t begin, Tensor& to) const;
  Tensor read(const std::string& name) const;  // all of it, in the type that tensors() says

  // These weights with what was trained beside them: layer.weight + scale B A for each pair of layer.lora_a
  // and layer.lora_b. Afterwards path() and the meta data are those of `adapters`, in addition. FileError:
  // they belong to another model.
  void add(const StoredWeights& adapters, float scale);

 private:
  struct Pair {
    Tensor a, b;  // f32
  };
  const StoredTensor& stored(const std::string& name) const;
  void read_stored(const std::string& name, int64_t begin, Tensor& to) const;   // in its type
  Tensor restored(const std::string& name, int64_t begin, int64_t rows) const;  // of int8
  std::string path_;                                                            // what messages call it
  std::map<std::string, std::string> meta_;
  NamedTensors tensors_;
  bool quantized_ = false;
  std::shared_ptr<SafetensorsFile> model_;
  std::map<std::string, Tensor> checkpoint_;  // or these, all in memory
  std::map<std::string, Pair> adapters_;      // by the name of the weight
  float scale_ = 0;
};

// Into the block, for products of this type: i8 into a block that was materialised to be read. FileError:
// these are not the weights of its model.
void load_weights(ParameterBlock&, const StoredWeights&, DType);
// That of the block once it has them in f32.
uint64_t weights_hash(const ParameterBlock& declared, const StoredWeights&);
}  // namespace rum
