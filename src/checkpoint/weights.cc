#include "checkpoint/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "base/error.h"
#include "base/free_memory.h"
#include "base/hash.h"
#include "checkpoint/safetensors.h"
#include "ops/int8.h"

namespace rum {
uint64_t weights_hash(const ParameterBlock& block) {
  Hash64 hash;
  for (const auto& [name, t] : named_weights(block, block.master())) {
    hash.add(name + str(t.shape()));
    hash.add({t.data<char>(), static_cast<size_t>(t.size()) * size_of(t.dtype())});
  }
  return hash.value();
}

// Without a copy on the device first: a run saves when its memory is exhausted, too.
static Tensor copy_on_cpu(const Tensor& t) {
  return t.device() == DeviceKind::cpu ? t.clone() : t.to(DeviceKind::cpu);
}
NamedTensors named_weights(const ParameterBlock& block, const Tensor& flat, const std::string& prefix) {
  NamedTensors out;
  for (const ParameterBlock::Entry& e : block.entries())
    out.emplace_back(prefix + e.name,
                     copy_on_cpu(flat.rows(e.offset, e.offset + e.shape.size()).as(e.shape)));
  return out;
}

constexpr const char* kScale = ".scale";
NamedTensors quantized_weights(const ParameterBlock& block) {
  NamedTensors out;
  for (auto& [name, t] : named_weights(block, block.master())) {
    const auto e = std::find_if(block.entries().begin(), block.entries().end(),
                                [&](const ParameterBlock::Entry& x) { return x.name == name; });
    if (!e->multiplies()) {
      out.emplace_back(name, t);
      continue;
    }
    const Int8Matrix m = quantize(t);
    out.emplace_back(name, m.q);
    out.emplace_back(name + kScale, m.scale);
  }
  return out;
}
namespace {
// One of its matrices as f32.
Tensor restored(const std::string& name, const Int8Matrix& m, const std::string& file) {
  const auto bad = [&](const std::string& what) {
    throw FileError(
        fmt::format("{}: \"{}\" {}; the file is damaged or not of `ruminate quantize`", file, name, what));
  };
  const Tensor &q = m.q, &scale = m.scale;
  if (!scale) bad(fmt::format("is in int8 and has no \"{}{}\"", name, kScale));
  if (q.shape().rank != 2 || scale.dtype() != DType::f32 || scale.shape() != Shape({q.shape()[0]}))
    bad(fmt::format("is {} and its scales are {} of {}", str(q.shape()), str(scale.shape()),
                    type_name(scale.dtype())));
  const Tensor out = Tensor::empty(q.shape(), DType::f32, DeviceKind::cpu);
  dequantize(m, out);
  for (int64_t i = 0; i < out.size(); ++i)
    if (!std::isfinite(out.data<float>()[i])) bad(fmt::format("has the number {}", out.data<float>()[i]));
  const Int8Matrix again = quantize(out);
  const auto same = [](const Tensor& a, const Tensor& b) {
    return std::memcmp(a.data<char>(), b.data<char>(), bytes_of(a).size()) == 0;
  };
  if (!same(again.q, q) || !same(again.scale, scale)) bad("does not have the scales of its numbers");
  return out;
}
}  // namespace
bool dequantize(NamedTensors& tensors, const std::string& file) {
  std::map<std::string, Tensor> scales;  // by name; of each matrix in int8
  double bytes = 0;
  for (const auto& [name, t] : tensors) {
    if (t.dtype() != DType::i8) continue;
    scales[name + kScale];
    bytes += static_cast<double>(t.size()) * sizeof(float);
  }
  if (scales.empty()) return false;
  check_memory(file, bytes);
  NamedTensors out;
  for (const auto& [name, t] : tensors)
    if (const auto at = scales.find(name); at != scales.end()) at->second = t;
  for (const auto& [name, t] : tensors)
    if (!scales.contains(name))
      out.emplace_back(name, t.dtype() == DType::i8 ? restored(name, {t, scales[name + kScale]}, file) : t);
  tensors = std::move(out);
  return true;
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
          fmt::format("{}: no tensor \"{}{}\"; this file is of another model", file, prefix, e.name));
    const Tensor& t = *at->second;
    if (t.dtype() != type && !(t.dtype() == DType::bf16 && type == DType::f32))
      throw FileError(
          fmt::format("{}: \"{}{}\" has numbers of type {}, a model here has {}; convert the file", file,
                      prefix, e.name, type_name(t.dtype()), type_name(type)));
    if (t.shape() != e.shape)
      throw FileError(
          fmt::format("{}: \"{}{}\" is {}, the model's config says {}; this file is of another model", file,
                      prefix, e.name, str(t.shape()), str(e.shape)));
  }
  for (const auto& [name, tensor] : by_name)
    if (!name.starts_with("adamw.") && !parts.contains(name))
      throw FileError(fmt::format("{}: tensor \"{}\" is no part of the model; this file is of another model",
                                  file, name));
  return by_name;
}
}  // namespace
void check_weights(const ParameterBlock& block, DType type, const NamedTensors& from,
                   const std::string& prefix, const std::string& file) {
  checked(block, type, from, prefix, file);
}
static Tensor widened(const Tensor& t) {
  const Tensor out = Tensor::empty(t.shape(), DType::f32, DeviceKind::cpu);
  std::copy_n(t.data<bf16>(), t.size(), out.data<float>());
  return out;
}
void set_weights(const ParameterBlock& block, const Tensor& flat, const NamedTensors& from,
                 const std::string& prefix, const std::string& file) {
  const auto by_name = checked(block, flat.dtype(), from, prefix, file);
  for (const ParameterBlock::Entry& e : block.entries()) {
    const Tensor& stored = *by_name.at(e.name);
    const Tensor t = stored.dtype() == flat.dtype() ? stored : widened(stored);
    Backend::of(flat.device())
        .upload(flat.data<char>() + static_cast<size_t>(e.offset) * size_of(flat.dtype()), t.data<char>(),
                static_cast<size_t>(t.size()) * size_of(t.dtype()));
  }
}
}  // namespace rum
