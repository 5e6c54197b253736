#include "checkpoint/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "ops/int8.h"

namespace rum {
// Without a copy on the device first: a run saves when its memory is exhausted, too.
static Tensor copy_on_cpu(const Tensor& t) {
  return t.device() == DeviceKind::cpu ? t.clone() : t.to(DeviceKind::cpu);
}
NamedTensors named_weights(const ParameterBlock& block, const Tensor& flat, const std::string& prefix) {
  NamedTensors out;
  for (const ParameterBlock::Entry& e : block.entries())
    out.emplace_back(prefix + e.name, copy_on_cpu(e.part_of(flat)));
  return out;
}

static Tensor widened(const Tensor& t) {
  const Tensor out = Tensor::empty(t.shape(), DType::f32, DeviceKind::cpu);
  std::copy_n(t.data<bf16>(), t.size(), out.data<float>());
  return out;
}
NamedTensors quantized_weights(const ParameterBlock& block) {
  NamedTensors out;
  for (auto& weight : named_weights(block, block.master())) {
    const std::string& name = weight.first;
    const Tensor& t = weight.second;
    const auto e = std::find_if(block.entries().begin(), block.entries().end(),
                                [&](const ParameterBlock::Entry& x) { return x.name == name; });
    if (!e->multiplies()) {
      out.emplace_back(name, t);
      continue;
    }
    const Int8Matrix m = quantize(t);
    out.emplace_back(name, m.q);
    out.emplace_back(name + kScaleOf, m.scale);
  }
  return out;
}

namespace {
std::map<std::string, const Tensor*> checked(const ParameterBlock& block, DType type,
                                             const NamedTensors& from, const std::string& prefix,
                                             const std::string& file) {
  std::map<std::string, const Tensor*> by_name;
  for (const auto& [name, tensor] : from)
    if (name.starts_with(prefix)) by_name[name.substr(prefix.size())] = &tensor;
  std::set<std::string> parts;
  for (const ParameterBlock::Entry& e : block.entries()) {
    parts.insert(e.name);
    const auto at = by_name.find(e.name);
    if (at == by_name.end())
      throw FileError(
          fmt::format("{}: no tensor \"{}{}\"; this file belongs to another model", file, prefix, e.name));
    const Tensor& t = *at->second;
    if (t.dtype() != type && !(t.dtype() == DType::bf16 && type == DType::f32))
      throw FileError(
          fmt::format("{}: \"{}{}\" has numbers of type {}, a model here has {}; convert the file", file,
                      prefix, e.name, type_name(t.dtype()), type_name(type)));
    if (t.shape() != e.shape)
      throw FileError(
          fmt::format("{}: \"{}{}\" is {}, the model's config says {}; this file belongs to another model",
                      file, prefix, e.name, str(t.shape()), str(e.shape)));
  }
  for (const auto& [name, tensor] : by_name)
    if (!is_moment(name) && !parts.contains(name))
      throw FileError(fmt::format(
          "{}: tensor \"{}\" is not part of the model; this file belongs to another model", file, name));
  return by_name;
}
}  // namespace
void check_weights(const ParameterBlock& block, DType type, const NamedTensors& from,
                   const std::string& prefix, const std::string& file) {
  checked(block, type, from, prefix, file);
}
void set_weights(const ParameterBlock& block, Tensor& flat, const NamedTensors& from,
                 const std::string& prefix, const std::string& file) {
  const auto by_name = checked(block, flat.dtype(), from, prefix, file);
  for (const ParameterBlock::Entry& e : block.entries()) {
    const Tensor& stored = *by_name.at(e.name);
    e.part_of(flat).copy_from(stored.dtype() == flat.dtype() ? stored : widened(stored));
  }
}

uint64_t weights_hash(const ParameterBlock& block) {
  Hash64 hash;
  for (const ParameterBlock::Entry& e : block.entries()) {
    hash.add(e.name + str(e.shape));
    const Int8Weights* const in_int8 =
        e.multiplies() && e.value.version() != 0 ? int8_weights(e.value) : nullptr;
    std::vector<float> row(static_cast<size_t>(in_int8 ? in_int8->inputs : 0));
    for (int64_t o = 0; in_int8 && o < in_int8->outputs; ++o) {
      int8_row(*in_int8, o, row.data());
      hash.add({reinterpret_cast<const char*>(row.data()), row.size() * sizeof(float)});
    }
    if (in_int8) continue;
    Tensor t = e.part_of(block.master()).to(DeviceKind::cpu);
    if (t.dtype() == DType::bf16) t = widened(t);
    hash.add({t.data<char>(), bytes_of(t).size()});
  }
  return hash.value();
}

NamedTensors mean_weights(const std::vector<std::string>& checkpoints) {
  NamedTensors mean;
  std::vector<std::vector<double>> sums;
  for (const std::string& path : checkpoints) {
    size_t at = 0;
    for (auto& [name, tensor] : load(path).tensors) {
      if (is_moment(name)) continue;
      if (path == checkpoints.front()) {
        sums.emplace_back(static_cast<size_t>(tensor.size()));
        mean.emplace_back(name, tensor);
      }
      if (at == mean.size() || mean[at].first != name || mean[at].second.shape() != tensor.shape())
        throw FileError(
            fmt::format("{}: its tensor \"{}\" {} is none of {}: only checkpoints of one run have a mean",
                        path, name, str(tensor.shape()), checkpoints.front()));
      std::vector<double>& sum = sums[at++];
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(tensor.data<float>()[i]);
    }
    if (at < mean.size())
      throw FileError(
          fmt::format("{}: the tensor \"{}\" of {} is missing", path, mean[at].first, checkpoints.front()));
  }
  for (size_t at = 0; at < mean.size(); ++at) {
    for (double& w : sums[at]) w /= static_cast<double>(checkpoints.size());
    mean[at].second = Tensor::from<double>(sums[at], mean[at].second.shape(), DType::f32);
  }
  return mean;
}
}  // namespace rum
