// What a query sees is always a beginning of its text: up to itself, the whole text, or at least the prefix.
#include "ops/attention.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/threads.h"

namespace rum {
namespace {
struct Span {  // the rows of one text, and how many tokens of it the cache already holds
  int64_t begin, length, before, prefix;
  Mask mask;
  int64_t seen_by(int64_t i) const {
    const int64_t at = before + i;
    const int64_t all = before + length;  // a prefix must come whole, in the first call
    return mask == Mask::full ? all : mask == Mask::prefix && at < prefix ? std::min(prefix, all) : at + 1;
  }
};
Span span_of(const Layout& l, int64_t s) {
  const int32_t* o = l.offsets.data<int32_t>();
  return {o[s], o[s + 1] - o[s], l.cache ? l.cache->used.data<int32_t>()[s] : 0,
          l.mask == Mask::prefix ? l.prefix.data<int32_t>()[s] : 0, l.mask};
}
template <class S>
void rotate(S* row, int64_t d, int64_t position, float base, S sign) {
  for (int64_t j = 0; j < d / 2; ++j) {
    const S angle =
        static_cast<S>(position) * std::pow(static_cast<S>(base), -2 * static_cast<S>(j) / static_cast<S>(d));
    const S c = std::cos(angle), s = sign * std::sin(angle), a = row[j], b = row[j + d / 2];
    row[j] = a * c - b * s, row[j + d / 2] = a * s + b * c;
  }
}
// One head of the query, key or value as (length, d), rotated, then rounded to T as the cache would: so that
// writing with a cache gives the bits of the whole forward.
template <class T, class S = Stats<T>>
std::vector<S> gather(const Tensor& t, int64_t width, int64_t column, const Span& r, int64_t d,
                      const Layout& l, float rope) {
  std::vector<S> out(static_cast<size_t>(r.length * d));
  for (int64_t i = 0; i < r.length; ++i) {
    const T* from = t.data<T>() + (r.begin + i) * width + column;
    for (int64_t j = 0; j < d; ++j) out[static_cast<size_t>(i * d + j)] = static_cast<S>(from[j]);
    if (rope > 0)
      rotate(&out[static_cast<size_t>(i * d)], d, l.positions.data<int32_t>()[r.begin + i], rope, S{1});
  }
  for (S& v : out) v = static_cast<S>(static_cast<T>(v));
  return out;
}
template <class S>
S dot(const S* a, const S* b, int64_t d) {
  S sum = 0;
  for (int64_t j = 0; j < d; ++j) sum += a[j] * b[j];
  return sum;
}

void forward(const Tensor& qkv, Heads hs, const Layout& l, int layer, float rope, const Tensor& y,
             const Tensor& lse) {
  by_type(qkv.dtype(), [&]<class T> {
    using S = Stats<T>;
    const int heads = hs.query;
    const int64_t c = y.shape()[1], d = c / heads, texts = l.offsets.size() - 1, h = heads;
    const S scale = 1 / std::sqrt(static_cast<S>(d));
    const int64_t end = l.offsets.data<int32_t>()[texts];
    std::fill(y.data<T>() + end * c, y.data<T>() + y.size(), T{});
    parallel(texts * heads, [&](int64_t piece) {
      const int64_t s = piece / h, at = piece % h * d;
      const Span r = span_of(l, s);
      if (r.length == 0) return;
      RUM_CHECK(!l.cache || r.before + r.length <= l.cache->keys[0].shape()[1],
                "attention: slot {} of the cache holds {} tokens, {} more do not fit into {}", s, r.before,
                r.length, l.cache->keys[0].shape()[1]);
      std::vector<S> q = gather<T>(qkv, 3 * c, at, r, d, l, rope),
                     k = gather<T>(qkv, 3 * c, c + at, r, d, l, rope),
                     v = gather<T>(qkv, 3 * c, 2 * c + at, r, d, l, 0),
                     p(static_cast<size_t>(r.before + r.length)), o(static_cast<size_t>(d));
      if (l.cache) {  // append, then read everything the slot holds
        const Tensor &ks = l.cache->keys[static_cast<size_t>(layer)],
                     &vs = l.cache->values[static_cast<size_t>(layer)];
        const int64_t length = ks.shape()[1], total = r.before + r.length;
        T *kc = ks.data<T>() + s * length * c + at, *vc = vs.data<T>() + s * length * c + at;
        for (int64_t i = 0; i < r.length; ++i)
          for (int64_t j = 0; j < d; ++j) {
            kc[(r.before + i) * c + j] = static_cast<T>(k[static_cast<size_t>(i * d + j)]);
            vc[(r.before + i) * c + j] = static_cast<T>(v[static_cast<size_t>(i * d + j)]);
          }
        k.resize(static_cast<size_t>(total * d)), v.resize(k.size());
        for (int64_t i = 0; i < total; ++i)
          for (int64_t j = 0; j < d; ++j) {
            k[static_cast<size_t>(i * d + j)] = static_cast<S>(kc[i * c + j]);
            v[static_cast<size_t>(i * d + j)] = static_cast<S>(vc[i * c + j]);
          }
      }
      for (int64_t i = 0; i < r.length; ++i) {
        const int64_t n = r.seen_by(i);
        S top = -INFINITY, sum = 0;
        for (int64_t j = 0; j < n; ++j)
          top = std::max(top, p[static_cast<size_t>(j)] = scale * dot(&q[static_cast<size_t>(i * d)],
                                                                      &k[static_cast<size_t>(j * d)], d));
        std::fill(o.begin(), o.end(), S{0});
        for (int64_t j = 0; j < n; ++j) {
          const S w = std::exp(p[static_cast<size_t>(j)] - top);
          sum += w;
          for (int64_t e = 0; e < d; ++e) o[static_cast<size_t>(e)] += w * v[static_cast<size_t>(j * d + e)];
        }
        for (int64_t e = 0; e < d; ++e)
          y.data<T>()[(r.begin + i) * c + at + e] = static_cast<T>(o[static_cast<size_t>(e)] / sum);
        lse.data<S>()[(r.begin + i) * h + at / d] = top + std::log(sum);
      }
    });
  });
}

void backward(const Tensor& qkv, Heads hs, const Layout& l, float rope, const Tensor& y, const Tensor& lse,
              const Tensor& dy, const Grad& dqkv) {
  by_type(qkv.dtype(), [&]<class T> {
    using S = Stats<T>;
    const int heads = hs.query;
    const int64_t c = y.shape()[1], d = c / heads, texts = l.offsets.size() - 1, h = heads;
    const S scale = 1 / std::sqrt(static_cast<S>(d));
    T* out = dqkv.to().data<T>();
    const bool add = dqkv.add();
    if (!add) std::fill(out + l.offsets.data<int32_t>()[texts] * 3 * c, out + qkv.size(), T{});
    parallel(texts * heads, [&](int64_t piece) {
      const int64_t at = piece % h * d;
      const Span r = span_of(l, piece / h);
      const auto q = gather<T>(qkv, 3 * c, at, r, d, l, rope),
                 k = gather<T>(qkv, 3 * c, c + at, r, d, l, rope),
                 v = gather<T>(qkv, 3 * c, 2 * c + at, r, d, l, 0), o = gather<T>(y, c, at, r, d, l, 0),
                 g = gather<T>(dy, c, at, r, d, l, 0);
      std::vector<S> dq(q.size()), dk(q.size()), dv(q.size());
      for (int64_t i = 0; i < r.length; ++i) {
        const S *qi = &q[static_cast<size_t>(i * d)], *gi = &g[static_cast<size_t>(i * d)];
        const S whole = dot(gi, &o[static_cast<size_t>(i * d)], d),
                z = lse.data<S>()[(r.begin + i) * h + at / d];
        for (int64_t j = 0; j < r.seen_by(i); ++j) {
          const S *kj = &k[static_cast<size_t>(j * d)], p = std::exp(scale * dot(qi, kj, d) - z);
          const S ds = p * (dot(gi, &v[static_cast<size_t>(j * d)], d) - whole) * scale;
          for (int64_t e = 0; e < d; ++e) {
            dq[static_cast<size_t>(i * d + e)] += ds * kj[e];
            dk[static_cast<size_t>(j * d + e)] += ds * qi[e];
            dv[static_cast<size_t>(j * d + e)] += p * gi[e];
          }
        }
      }
      for (int part = 0; part < 3; ++part)
        for (int64_t i = 0; i < r.length; ++i) {
          S* row = &(part == 0 ? dq : part == 1 ? dk : dv)[static_cast<size_t>(i * d)];
          if (part < 2 && rope > 0) rotate(row, d, l.positions.data<int32_t>()[r.begin + i], rope, S{-1});
          T* to = out + (r.begin + i) * 3 * c + part * c + at;
          for (int64_t e = 0; e < d; ++e)
            to[e] = static_cast<T>(row[e] + (add ? static_cast<S>(to[e]) : S{0}));
        }
    });
  });
}
const bool provided = kernels::attention_forward.provide(DeviceKind::cpu, forward) &&
                      kernels::attention_backward.provide(DeviceKind::cpu, backward);

std::vector<Sample> samples() {
  auto ints = [](std::vector<int32_t> v) {
    return Tensor::from<int32_t>(v, {static_cast<int64_t>(v.size())}, DType::i32);
  };
  auto with = [&](Mask m, float rope, std::vector<int32_t> offsets) {
    Layout l{ints(std::move(offsets)), ints({2, 3, 0, 0}), ints({0, 1, 2, 3, 0, 1, 2, 3, 4, 0}), m};
    return [l, rope](std::span<const Tensor> in) { return attention(in[0], {2, 2}, l, 0, rope); };
  };
  const std::vector<int32_t> three{0, 4, 9, 10, 10}, rest{0, 4, 9, 9, 9};
  const std::vector<Tensor> in{noise({10, 24}, 1)};
  return {{"causal", in, with(Mask::causal, 0, three)},
          {"causal, RoPE", in, with(Mask::causal, 10000, three)},
          {"full", in, with(Mask::full, 0, three)},
          {"prefix, RoPE", in, with(Mask::prefix, 100, three)},
          {"rows in no text", in, with(Mask::prefix, 0, rest)}};
}
const Op op{"attention", "y = softmax(q k' / sqrt(d) + mask) v per head and text", samples};
}  // namespace

Cache::Cache(int64_t layers, int64_t slots, int64_t length, int64_t width, DType t, DeviceKind d)
    : used(Tensor::empty({slots}, DType::i32, d)) {
  Backend::of(d).fill(used.data<void>(), 0, static_cast<size_t>(slots) * 4);
  for (int64_t i = 0; i < layers; ++i)
    keys.push_back(Tensor::empty({slots, length, width}, t, d)), values.push_back(Tensor::like(keys.back()));
}
void Cache::advance(const Tensor& offsets) {
  const int32_t* o = offsets.data<int32_t>();
  for (int64_t s = 0; s < used.size(); ++s) used.data<int32_t>()[s] += o[s + 1] - o[s];
}
void Cache::reorder(std::span<const int32_t> parents) {
  RUM_CHECK(static_cast<int64_t>(parents.size()) == used.size(), "Cache::reorder: {} parents for {} slots",
            parents.size(), used.size());
  int32_t* const n = used.data<int32_t>();
  std::vector<size_t> moved;
  for (size_t s = 0; s < parents.size(); ++s) {
    RUM_CHECK(parents[s] >= 0 && parents[s] < used.size(), "Cache::reorder: parent {} of slot {}", parents[s],
              s);
    if (parents[s] != static_cast<int32_t>(s)) moved.push_back(s);
  }
  if (moved.empty()) return;
  const auto layers = static_cast<int64_t>(keys.size());
  parallel(2 * layers, [&](int64_t piece) {  // read all first: a parent may itself be overwritten
    const Tensor& t = (piece < layers ? keys : values)[static_cast<size_t>(piece % layers)];
    const size_t row = static_cast<size_t>(t.shape()[2]) * size_of(t.dtype()),
                 slot = row * static_cast<size_t>(t.shape()[1]);
    std::vector<std::vector<char>> read;
    for (const size_t s : moved) {
      const char* from = t.data<char>() + static_cast<size_t>(parents[s]) * slot;
      read.emplace_back(from, from + row * static_cast<size_t>(n[parents[s]]));
    }
    for (size_t i = 0; i < moved.size(); ++i)
      std::copy(read[i].begin(), read[i].end(), t.data<char>() + moved[i] * slot);
  });
  const std::vector<int32_t> before(n, n + used.size());
  for (const size_t s : moved) n[s] = before[static_cast<size_t>(parents[s])];
}

Tensor attention(const Tensor& qkv, Heads hs, const Layout& l, int layer, float rope) {
  const int heads = hs.query;
  RUM_CHECK(hs.query == hs.kv, "attention: grouped queries are not here yet");
  const int64_t n = qkv.shape().rows(), c = qkv.shape()[-1] / 3;
  RUM_CHECK(qkv.shape().rank == 2 && qkv.shape()[1] == 3 * c && heads > 0 && c % (2 * heads) == 0,
            "attention: qkv {} in {} heads of even width", str(qkv.shape()), heads);
  RUM_CHECK(l.positions.size() == n, "attention: {} rows, {} positions", n, l.positions.size());
  Tensor y = Tensor::empty({n, c}, qkv.dtype(), qkv.device());
  Tensor lse = Tensor::empty({n, heads}, stats_type(qkv.dtype()), qkv.device());
  kernels::attention_forward(qkv.device(), qkv, hs, l, layer, rope, y, lse);
  RUM_CHECK(!(l.cache && Tape::current() && Tape::current()->wants(qkv)),
            "attention: a cache is for reading alone");
  record(op, {y}, {qkv}, [qkv, y, lse, l, hs, rope](Tensors dy, Grads d) {
    kernels::attention_backward(qkv.device(), qkv, hs, l, rope, y, lse, dy[0], d[0]);
  });
  return y;
}
}  // namespace rum
