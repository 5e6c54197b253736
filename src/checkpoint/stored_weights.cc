#include "checkpoint/stored_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "base/error.h"
#include "base/hash.h"
#include "checkpoint/checkpoint.h"
#include "model/lora.h"
#include "ops/gemm.h"
#include "ops/int8.h"

namespace rum {
namespace {
Tensor without_numbers(const Shape& shape, DType type) {
  Tensor t = Tensor::declared(shape);
  t.body()->dtype = type;
  return t;
}
Tensor rows_like(const Tensor& t, int64_t rows, DType type) {
  Shape s = t.shape();
  s.axis[0] = rows;
  return Tensor::empty(s, type, DeviceKind::cpu);
}
void convert(const Tensor& from, Tensor& to) {
  by_type(from.dtype(), [&]<class F> {
    by_type(to.dtype(), [&]<class T> {
      for (int64_t i = 0; i < to.size(); ++i)
        to.data<T>()[i] = static_cast<T>(static_cast<Stats<T>>(from.data<F>()[i]));
    });
  });
}
const Tensor& find(const NamedTensors& tensors, const std::string& name, const std::string& path) {
  for (const auto& [n, t] : tensors)
    if (n == name) return t;
  throw FileError(fmt::format("{}: no tensor \"{}\"; this file belongs to another model", path, name));
}
// f(begin, end) for all rows of a tensor, some at a time.
void by_pieces(const Shape& shape, const std::function<void(int64_t, int64_t)>& f) {
  const int64_t some = rows_of_a_piece(shape);
  for (int64_t row = 0; row < shape[0]; row += some) f(row, std::min(shape[0], row + some));
}
}  // namespace

StoredWeights::StoredWeights(const std::string& path) : path_(path) {
  if (path.ends_with(".ckpt")) {
    Checkpoint c = load(path);
    meta_ = std::move(c.meta);
    for (auto& [name, t] : c.tensors) {
      if (is_moment(name)) continue;
      tensors_.emplace_back(name, without_numbers(t.shape(), t.dtype()));
      checkpoint_[name] = std::move(t);
    }
    return;
  }
  model_ = std::make_shared<SafetensorsFile>(path);
  meta_ = model_->meta();
  std::map<std::string, const StoredTensor*> in_int8;  // by the name of its scales
  for (const StoredTensor& t : model_->tensors())
    if (t.type == type_name(DType::i8)) in_int8[t.name + kScaleOf] = &t;
  quantized_ = !in_int8.empty();
  const auto bad = [&](const StoredTensor& t, const std::string& what) {
    throw FileError(fmt::format(
        "{}: \"{}\" {}; the file is damaged or was not written by `ruminate quantize`", path, t.name, what));
  };
  for (const StoredTensor& t : model_->tensors()) {
    if (const auto of = in_int8.find(t.name); of != in_int8.end()) {
      const StoredTensor& q = *of->second;
      if (q.shape.rank != 2 || t.type != type_name(DType::f32) || t.shape != Shape({q.shape[0]}))
        bad(q, fmt::format("is {} and its scales are {} of {}", str(q.shape), str(t.shape), t.type));
      in_int8.erase(of);
      continue;
    }
    const std::optional<DType> type = type_of(t.type);
    if (!type)
      throw FileError(
          fmt::format("{}: \"{}\": weights of the type {} are not supported", path, t.name, t.type));
    tensors_.emplace_back(t.name, without_numbers(t.shape, *type == DType::i8 ? DType::f32 : *type));
  }
  for (const auto& [scale, t] : in_int8) bad(*t, fmt::format("is in int8 and has no \"{}\"", scale));
}

const StoredTensor& StoredWeights::stored(const std::string& name) const {
  const auto& all = model_->tensors();
  const auto at = std::find_if(all.begin(), all.end(), [&](const StoredTensor& t) { return t.name == name; });
  RUM_CHECK(at != all.end(), "{}: no tensor \"{}\"", path_, name);
  return *at;
}
void StoredWeights::read_stored(const std::string& name, int64_t begin, Tensor& to) const {
  if (!model_) {
    const Tensor& all = checkpoint_.at(name);
    return to.copy_from(all.rows(begin, begin + to.shape()[0]));
  }
  const StoredTensor& t = stored(name);
  const uint64_t row = (t.end - t.begin) / static_cast<uint64_t>(t.shape[0]);
  model_->read(t, row * static_cast<uint64_t>(begin),
               std::as_writable_bytes(std::span(to.data<char>(), bytes_of(to).size())));
}
// The q are those of these scales: what is damaged there would compute, with other numbers.
Tensor StoredWeights::restored(const std::string& name, int64_t begin, int64_t rows) const {
  const int64_t columns = stored(name).shape[1];
  Int8Matrix m{Tensor::empty({rows, columns}, DType::i8, DeviceKind::cpu),
               Tensor::empty({rows}, DType::f32, DeviceKind::cpu)};
  read_stored(name, begin, m.q);
  read_stored(name + kScaleOf, begin, m.scale);
  const auto bad = [&](const std::string& what) {
    throw FileError(fmt::format(
        "{}: \"{}\" {}; the file is damaged or was not written by `ruminate quantize`", path_, name, what));
  };
  Tensor out = Tensor::empty({rows, columns}, DType::f32, DeviceKind::cpu);
  dequantize(m, out);
  for (int64_t i = 0; i < out.size(); ++i)
    if (!std::isfinite(out.data<float>()[i])) bad(fmt::format("has the number {}", out.data<float>()[i]));
  const Int8Matrix again = quantize(out);
  const auto same = [](const Tensor& a, const Tensor& b) {
    return std::memcmp(a.data<char>(), b.data<char>(), bytes_of(a).size()) == 0;
  };
  if (!same(again.q, m.q) || !same(again.scale, m.scale)) bad("does not have the scales of its numbers");
  return out;
}

void StoredWeights::read(const std::string& name, int64_t begin, Tensor& to) const {
  const int64_t rows = to.shape()[0];
  const auto adapter = adapters_.find(name);
  const bool in_int8 = model_ && stored(name).type == type_name(DType::i8);
  DType type = DType::f32;  // of what is stored, int8 restored
  if (!model_)
    type = checkpoint_.at(name).dtype();
  else if (!in_int8)
    type = *type_of(stored(name).type);
  if (adapter == adapters_.end() && !in_int8 && type == to.dtype()) return read_stored(name, begin, to);
  Tensor part = in_int8 ? restored(name, begin, rows) : rows_like(to, rows, type);
  if (!in_int8) read_stored(name, begin, part);
  if (adapter != adapters_.end()) {
    Tensor sum = rows_like(to, rows, DType::f32), low = rows_like(to, rows, DType::f32);
    convert(part, sum);
    gemm(adapter->second.b.rows(begin, begin + rows), adapter->second.a, low);
    for (int64_t i = 0; i < sum.size(); ++i) sum.data<float>()[i] += scale_ * low.data<float>()[i];
    part = sum;
  }
  convert(part, to);
}
Tensor StoredWeights::read(const std::string& name) const {
  const Tensor& t = find(tensors_, name, path_);
  const Tensor out = Tensor::empty(t.shape(), t.dtype(), DeviceKind::cpu);
  by_pieces(t.shape(), [&](int64_t begin, int64_t end) {
    Tensor rows = out.rows(begin, end);
    read(name, begin, rows);
  });
  return out;
}

void StoredWeights::add(const StoredWeights& adapters, float scale) {
  RUM_CHECK(adapters_.empty(), "{}: has adapters already", path_);
  const std::string end_a = std::string(".") + kAdapterA, end_b = std::string(".") + kAdapterB;
  for (const auto& adapter : adapters.tensors_) {
    const std::string& name = adapter.first;
    const Tensor& a = adapter.second;
    if (name.ends_with(end_b)) continue;
    const auto refuse = [&](const std::string& what) {
      throw FileError(fmt::format("{}: \"{}\" {}; these adapters belong to another model than {}",
                                  adapters.path_, name, what, path_));
    };
    if (!name.ends_with(end_a)) refuse("is no adapter");
    const std::string layer = name.substr(0, name.size() - end_a.size()), weight = layer + ".weight";
    const auto at =
        std::find_if(tensors_.begin(), tensors_.end(), [&](const auto& t) { return t.first == weight; });
    if (at == tensors_.end()) refuse(fmt::format("belongs to \"{}\", which is not there", weight));
    const Tensor b = find(adapters.tensors_, layer + end_b, adapters.path_);
    const Shape wanted = at->second.shape();
    if (a.shape().rank != 2 || b.shape() != Shape({wanted[0], a.shape()[0]}) || a.shape()[1] != wanted[1])
      refuse(fmt::format("is {} and B {}, the weight is {}", str(a.shape()), str(b.shape()), str(wanted)));
    at->second = without_numbers(wanted, DType::f32);
    adapters_[weight] = {adapters.read(name), adapters.read(layer + end_b)};
  }
  scale_ = scale;
  path_ = adapters.path_;
  for (const auto& [key, value] : adapters.meta_) meta_[key] = value;
}

void load_weights(ParameterBlock& block, const StoredWeights& from, DType type) {
  check_weights(block, DType::f32, from.tensors(), "", from.path());
  const auto rows = [&](const ParameterBlock::Entry& e, int64_t begin, int64_t end) {
    Tensor part = rows_like(e.value, end - begin, DType::f32);
    from.read(e.name, begin, part);
    return part;
  };
  const Tensor all = block.master();
  for (const ParameterBlock::Entry& e : block.entries()) {
    if (type == DType::i8 && e.multiplies()) continue;
    const Tensor whole = e.part_of(all);
    by_pieces(e.shape, [&](int64_t begin, int64_t end) {
      Tensor to = whole.rows(begin, end);
      if (to.device() == DeviceKind::cpu) return from.read(e.name, begin, to);
      Tensor part = rows_like(to, end - begin, to.dtype());
      from.read(e.name, begin, part);
      to.copy_from(part);
    });
  }
  block.refresh_shadow();
  if (type == DType::i8) block.quantize(rows);
}
uint64_t weights_hash(const ParameterBlock& declared, const StoredWeights& from) {
  check_weights(declared, DType::f32, from.tensors(), "", from.path());
  Hash64 hash;
  for (const ParameterBlock::Entry& e : declared.entries()) {
    hash.add(e.name + str(e.shape));
    by_pieces(e.shape, [&](int64_t begin, int64_t end) {
      Tensor part = rows_like(e.value, end - begin, DType::f32);
      from.read(e.name, begin, part);
      hash.add({part.data<char>(), bytes_of(part).size()});
    });
  }
  return hash.value();
}
}  // namespace rum
