// A model's weights by name: between the flat block that computes with them and the files that store them.
// A checkpoint has them three times: the weights, and AdamW's moments behind these prefixes.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/safetensors.h"
#include "model/params.h"

namespace rum {
inline constexpr const char *kFirstMoment = "adamw.first.", *kSecondMoment = "adamw.second.";
inline bool is_moment(std::string_view name) {
  return name.starts_with(kFirstMoment) || name.starts_with(kSecondMoment);
}
// Copies on the CPU of the parameters in `flat` (the block's master, or moments laid out like it), each
// name after `prefix`.
NamedTensors named_weights(const ParameterBlock&, const Tensor& flat, const std::string& prefix = "");
inline constexpr const char* kScaleOf = ".scale";  // after a matrix's name: its scales
// A model's weights in a quarter of the space: each matrix used in products in int8, with its scales
// (ops/int8.h), everything else as it is.
NamedTensors quantized_weights(const ParameterBlock&);
// Whether a model can take them, before it has any memory: names and shapes. FileError as set_weights.
void check_weights(const ParameterBlock&, DType, const NamedTensors& from, const std::string& prefix,
                   const std::string& file);
// The reverse: the tensors of `from` whose name begins with `prefix`. FileError, with `file` for the message:
// a tensor that is missing, is not part of the model, or has another shape or type. Where f32 is asked
// for, bf16 is widened.
void set_weights(const ParameterBlock&, Tensor& flat, const NamedTensors& from, const std::string& prefix,
                 const std::string& file);
// Of names, shapes and numbers, those of bf16 and int8 in f32: the same in any file.
uint64_t weights_hash(const ParameterBlock&);
// The mean of the weights in these checkpoints of one run, summed in double (Vaswani et al. 2017, section 6.1),
// without what the optimizer keeps. FileError as load(), and for one with other tensors than the first.
NamedTensors mean_weights(const std::vector<std::string>& checkpoints);
}  // namespace rum
