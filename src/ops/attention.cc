// Self-attention: CPU kernels, cache, gradient and samples. What a query sees is always the beginning of its
// text: up to itself, all of it, or at least the prefix.
#include "ops/attention.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/round_up.h"
#include "base/threads.h"
#include "ops/attend.h"

namespace rum {
namespace {
constexpr int64_t kLargestPanel = 16;  // tokens: a cache has room for whole panels of keys on any processor

struct Span {  // the rows of one text, and how many tokens of it the cache already holds
  int64_t begin, length, before, prefix;
  Mask mask;
  int64_t seen_by(int64_t i) const {
    const int64_t at = before + i;
    const int64_t all = before + length;  // a prefix must come whole, in the first call
    if (mask == Mask::full) return all;
    if (mask == Mask::prefix && at < prefix) return std::min(prefix, all);
    return at + 1;
  }
};
Span span_of(const Layout& l, int64_t s) {
  const int32_t* o = l.offsets.data<int32_t>();
  return {o[s], o[s + 1] - o[s], l.cache ? l.cache->used.data<int32_t>()[s] : 0,
          l.mask == Mask::prefix ? l.prefix.data<int32_t>()[s] : 0, l.mask};
}
template <class T, class S = Stats<T>>
void forward_piece(const Tensor& qkv, Heads hs, const Layout& l, int layer, const Rotation<S>& rotation,
                   int64_t s, int64_t g, const Tensor& y, const Tensor& lse) {
  constexpr int64_t lanes = simd::kLanes<S>;
  const int64_t c = y.shape()[1], d = c / hs.query, width = qkv.shape()[1], kv = hs.kv * d;
  const int64_t group = hs.query / hs.kv, step = padded<S>(d);
  const Span r = span_of(l, s);
  if (r.length == 0) return;
  const int64_t total = r.before + r.length, wide = padded<S>(total);
  Scratch<S> scratch(wide * d + total * step + (2 * r.length + kMicroRows) * step + kMicroRows * wide);
  const T* first = qkv.data<T>() + r.begin * width;
  const int32_t* positions = l.positions.data<int32_t>() + r.begin;
  const MatrixView<const T> new_keys{first + c + g * d, width}, new_values{first + c + kv + g * d, width};
  S *p = scratch.take(kMicroRows * wide), *o = scratch.take(kMicroRows * step);
  MatrixView<const S> keys, values;
  if (l.cache) {  // append, then read everything the slot holds
    const Tensor &ks = l.cache->keys[static_cast<size_t>(layer)],
                 &vs = l.cache->values[static_cast<size_t>(layer)];
    T* kc = ks.data<T>() + s * ks.shape()[1] * kv + g * d * lanes;
    T* vc = vs.data<T>() + s * vs.shape()[1] * kv + g * d;
    {
      Scratch<S> again = scratch;  // a copy: what it takes is free again at the brace
      fill_panels(head_rows<T>(new_keys, r.length, d, again, &rotation, positions), r.length, d, kc,
                  kv * lanes, r.before);
    }
    for (int64_t i = 0; i < r.length; ++i)
      std::copy_n(new_values.data + i * width, d, vc + (r.before + i) * kv);
    values = head_rows<T>({vc, kv}, total, d, scratch);
    if constexpr (std::is_same_v<T, S>) {
      keys = {kc, lanes, kv * lanes};
    } else {
      S* copy = scratch.take(wide * d);
      for (int64_t i = 0; i < wide / lanes; ++i)
        for (int64_t e = 0; e < d * lanes; ++e)
          copy[i * d * lanes + e] = static_cast<S>(kc[i * kv * lanes + e]);
      keys = {copy, lanes, d * lanes};
    }
  } else {
    values = head_rows<T>(new_values, r.length, d, scratch);
    keys =
        panels_of(head_rows<T>(new_keys, r.length, d, scratch, &rotation, positions), r.length, d, scratch);
  }
  for (int64_t h = g * group; h < (g + 1) * group; ++h) {
    Scratch<S> again = scratch;
    const MatrixView<const S> q =
        head_rows<T>({first + h * d, width}, r.length, d, again, &rotation, positions);
    attend(
        broadcast(q), keys, values, r.length, d, [&](int64_t i) { return r.seen_by(i); }, p, wide, o,
        [&](int64_t i, const S* row, S factor, S z) {
          put_row(y.data<T>() + (r.begin + i) * c + h * d, row, factor, d);
          lse.data<S>()[(r.begin + i) * hs.query + h] = z;
        });
  }
}

void forward(const Tensor& qkv, Heads hs, const Layout& l, int layer, Rope rope, Tensor& y, Tensor& lse) {
  by_type(qkv.dtype(), [&]<class T> {
    const int64_t c = y.shape()[1], texts = l.offsets.size() - 1, end = l.offsets.data<int32_t>()[texts];
    std::fill(y.data<T>() + end * c, y.data<T>() + y.size(), T{});
    for (int64_t s = 0; l.cache && s < texts; ++s) {
      const Span r = span_of(l, s);
      RUM_CHECK(r.length == 0 || r.before + r.length <= l.cache->values[0].shape()[1],
                "attention: slot {} of the cache holds {} tokens, {} more do not fit into {}", s, r.before,
                r.length, l.cache->values[0].shape()[1]);
    }
    const Rotation<Stats<T>> rotation(l.positions, c / hs.query, rope);
    parallel(texts * hs.kv, [&](int64_t piece) {
      forward_piece<T>(qkv, hs, l, layer, rotation, piece / hs.kv, piece % hs.kv, y, lse);
    });
  });
}

// The gradients of one head are derived in ops/attend.h, for queries and keys as they met: turned by the
// rotary embedding. Turning is a linear map R, so the gradient goes through its transpose, dq = R' d(R q); a
// rotation's transpose turns back, as emit() does, and so for keys. Several query heads that read the same
// keys and values add to the same dk and dv.
template <class T, class S = Stats<T>>
void backward_piece(const Tensor& qkv, Heads hs, const Layout& l, const Rotation<S>& rotation, int64_t s,
                    int64_t g, const Tensor& y, const Tensor& lse, const Tensor& dy, T* out, bool add) {
  const int64_t c = y.shape()[1], d = c / hs.query, width = qkv.shape()[1], kv = hs.kv * d;
  const int64_t group = hs.query / hs.kv, step = padded<S>(d);
  const Span r = span_of(l, s);
  const int64_t n = r.length, wide = padded<S>(n);
  if (n == 0) return;
  Scratch<S> scratch(2 * wide * d + 7 * n * step + 2 * kBlock * wide + kMicroRows * step);
  const T* first = qkv.data<T>() + r.begin * width;
  T* to = out + r.begin * width;
  const int32_t* positions = l.positions.data<int32_t>() + r.begin;
  S *p = scratch.take(kBlock * wide), *ds = scratch.take(kBlock * wide),
    *dq = scratch.take(kMicroRows * step), *dk = scratch.take(n * step), *dv = scratch.take(n * step);
  std::fill(dk, dk + n * step, S{0});
  std::fill(dv, dv + n * step, S{0});
  const MatrixView<const S> keys =
      head_rows<T>({first + c + g * d, width}, n, d, scratch, &rotation, positions);
  const MatrixView<const S> key_panels = panels_of(keys, n, d, scratch);
  const MatrixView<const S> values = head_rows<T>({first + c + kv + g * d, width}, n, d, scratch);
  const MatrixView<const S> value_panels = panels_of(values, n, d, scratch);
  auto emit = [&](S* row, int64_t i, int64_t column, bool turned) {
    if (turned && rotation.on()) rotation.turn(row, positions[i], S{-1});
    put_gradient(to + i * width + column, row, d, add);
  };
  for (int64_t h = g * group; h < (g + 1) * group; ++h) {
    Scratch<S> again = scratch;
    const Piece<S> piece{head_rows<T>({first + h * d, width}, n, d, again, &rotation, positions),
                         keys,
                         key_panels,
                         value_panels,
                         head_rows<T>({y.data<T>() + r.begin * c + h * d, c}, n, d, again),
                         head_rows<T>({dy.data<T>() + r.begin * c + h * d, c}, n, d, again),
                         lse.data<S>() + r.begin * hs.query + h,
                         hs.query,
                         n,
                         n,
                         d};
    attend_backward(
        piece, [&](int64_t i) { return r.seen_by(i); }, p, ds, dq, dk, dv,
        [&](int64_t i, S* row) { emit(row, i, h * d, true); });
  }
  for (int64_t i = 0; i < n; ++i) {
    emit(dk + i * step, i, c + g * d, true);
    emit(dv + i * step, i, c + kv + g * d, false);
  }
}

void backward(const Tensor& qkv, Heads hs, const Layout& l, Rope rope, const Tensor& y, const Tensor& lse,
              const Tensor& dy, const Grad& dqkv) {
  by_type(qkv.dtype(), [&]<class T> {
    const int64_t texts = l.offsets.size() - 1, width = qkv.shape()[1];
    T* out = dqkv.to().data<T>();
    const bool add = dqkv.add();
    if (!add) std::fill(out + l.offsets.data<int32_t>()[texts] * width, out + qkv.size(), T{});
    const Rotation<Stats<T>> rotation(l.positions, y.shape()[1] / hs.query, rope);
    parallel(texts * hs.kv, [&](int64_t piece) {
      backward_piece<T>(qkv, hs, l, rotation, piece / hs.kv, piece % hs.kv, y, lse, dy, out, add);
    });
  });
}
void advance(const Tensor& offsets, Tensor& used) {
  const int32_t* o = offsets.data<int32_t>();
  for (int64_t s = 0; s < used.size(); ++s) used.data<int32_t>()[s] += o[s + 1] - o[s];
}
void reorder(Cache& cache, std::span<const Cache::Copy> copies) {
  const auto layers = static_cast<int64_t>(cache.keys.size());
  int32_t* const used = cache.used.data<int32_t>();
  parallel(2 * layers, [&](int64_t piece) {
    const bool panels = piece < layers;  // keys stand in panels: these are copied whole
    const Tensor& t = (panels ? cache.keys : cache.values)[static_cast<size_t>(piece % layers)];
    const int64_t row = t.shape()[2] * static_cast<int64_t>(size_of(t.dtype())), slot = row * t.shape()[1];
    std::vector<char> spare;
    for (const auto& [to, from] : copies) {
      std::span<const char> source(spare);
      if (from >= 0) {
        const int64_t held = panels ? round_up(used[from], kLargestPanel) : used[from];
        source = {t.data<char>() + from * slot, static_cast<size_t>(held * row)};
      }
      if (to < 0)
        spare.assign(source.begin(), source.end());
      else
        std::copy(source.begin(), source.end(), t.data<char>() + to * slot);
    }
  });
  int32_t spare = 0;
  for (const auto& [to, from] : copies) {
    const int32_t held = from < 0 ? spare : used[from];
    (to < 0 ? spare : used[to]) = held;
  }
}
const bool provided = kernels::attention_forward.provide(DeviceKind::cpu, forward) &&
                      kernels::attention_backward.provide(DeviceKind::cpu, backward) &&
                      kernels::cache_advance.provide(DeviceKind::cpu, advance) &&
                      kernels::cache_reorder.provide(DeviceKind::cpu, reorder);

std::vector<Sample> samples() {
  auto sample = [&](const char* label, const Tensor& qkv, Heads hs, Mask m, Rope rope,
                    const std::vector<int32_t>& offsets, const std::vector<int32_t>& prefix) -> Sample {
    std::vector<int32_t> positions(static_cast<size_t>(qkv.shape()[0]));
    for (size_t s = 0; s + 1 < offsets.size(); ++s)
      for (int32_t i = offsets[s]; i < offsets[s + 1]; ++i)
        positions[static_cast<size_t>(i)] = i - offsets[s];
    const Layout l{Tensor::ints(offsets), Tensor::ints(prefix), Tensor::ints(positions), m};
    return {label,
            {qkv},
            [l, rope, hs](std::span<const Tensor> in) {
              return attention(in[0], hs, l.to(in[0].device()), 0, rope);
            },
            {},
            {{"heads", {static_cast<double>(hs.query), static_cast<double>(hs.kv)}},
             {"mask", {static_cast<double>(m)}},
             {"rope", {rope.base, rope.factor, rope.context}},
             {"offsets", {offsets.begin(), offsets.end()}},
             {"prefix", {prefix.begin(), prefix.end()}}}};
  };
  const std::vector<int32_t> three{0, 4, 9, 10, 10}, rest{0, 4, 9, 9, 9}, some{2, 3, 0, 0};
  const Tensor in = noise({10, 24}, 1);
  Rope scaled = 100;  // of 3 pairs, one is unchanged, one blended, one slowed
  scaled.factor = 4;
  scaled.context = 20;
  return {sample("causal", in, {2, 2}, Mask::causal, 0, three, some),
          sample("causal, RoPE", in, {2, 2}, Mask::causal, 10000, three, some),
          sample("full", in, {2, 2}, Mask::full, 0, three, some),
          sample("prefix, RoPE", in, {2, 2}, Mask::prefix, 100, three, some),
          sample("causal, scaled RoPE", noise({10, 36}, 9), {2, 2}, Mask::causal, scaled, three, some),
          sample("rows in no text", in, {2, 2}, Mask::prefix, 0, rest, some),
          sample("4:2 heads, RoPE", noise({10, 16}, 2), {4, 2}, Mask::causal, 10000, three, some),
          sample("4:1 heads, prefix", noise({10, 18}, 3), {4, 1}, Mask::prefix, 0, three, some),
          sample("odd head", noise({10, 15}, 4), {1, 1}, Mask::causal, 0, three, some),
          sample("one row", noise({1, 12}, 5), {1, 1}, Mask::causal, 10000, {0, 1}, {0}),
          sample("wide head", noise({5, 384}, 6), {1, 1}, Mask::prefix, 10000, {0, 5}, {2}),
          sample("beyond a block", noise({71, 54}, 7), {1, 1}, Mask::prefix, 10000, {0, 71}, {20}),
          sample("long", noise({530, 128}, 8, 0.5), {2, 1}, Mask::causal, 10000, {0, 530}, {0})};
}
const Op op{"attention", "y = softmax(q k' / sqrt(d) + mask) v per head and text", samples};
}  // namespace

Cache::Cache(int64_t layers, int64_t slots, int64_t length, int64_t width, DType t, DeviceKind d)
    : used(Tensor::empty({slots}, DType::i32, d)) {
  used.zero();
  for (int64_t i = 0; i < layers; ++i) {
    keys.push_back(Tensor::empty({slots, round_up(length, kLargestPanel), width}, t, d));
    values.push_back(Tensor::empty({slots, length, width}, t, d));
    keys.back().zero();
  }
}
void Cache::advance(const Tensor& offsets) { kernels::cache_advance(used.device(), offsets, used); }
void Cache::reorder(std::span<const int32_t> parents) {
  const auto slots = static_cast<int32_t>(used.size());
  RUM_CHECK(static_cast<int32_t>(parents.size()) == slots, "Cache::reorder: {} parents for {} slots",
            parents.size(), slots);
  auto parent = [&](int32_t s) { return parents[static_cast<size_t>(s)]; };
  std::vector<int> readers(parents.size());  // of what a slot holds now
  auto waiting = [&](int32_t s) -> int& { return readers[static_cast<size_t>(s)]; };
  for (int32_t s = 0; s < slots; ++s) {
    RUM_CHECK(parent(s) >= 0 && parent(s) < slots, "Cache::reorder: parent {} of slot {}", parent(s), s);
    if (parent(s) != s) ++waiting(parent(s));
  }
  std::vector<Copy> copies;
  std::vector<bool> done(parents.size());
  // Fills s, which nobody waits for, then its parent if that has become free, and so on.
  auto fill_from = [&](int32_t s) {
    while (parent(s) != s && waiting(s) == 0 && !done[static_cast<size_t>(s)]) {
      copies.push_back({s, parent(s)}), done[static_cast<size_t>(s)] = true;
      s = parent(s);
      --waiting(s);
    }
  };
  for (int32_t s = 0; s < slots; ++s) fill_from(s);
  for (int32_t s = 0; s < slots; ++s) {  // what is left are cycles: one slot of each is saved first
    if (parent(s) == s || done[static_cast<size_t>(s)]) continue;
    copies.push_back({-1, s});
    waiting(s) = 0;
    fill_from(s);
    copies.back().from = -1;
  }
  if (!copies.empty()) kernels::cache_reorder(used.device(), *this, copies);
}
void Cache::clear(int64_t slot) {
  RUM_CHECK(slot >= 0 && slot < used.size(), "Cache::clear: slot {} of {}", slot, used.size());
  used.rows(slot, slot + 1).zero();
}

Layout Layout::to(DeviceKind d) const {
  auto there = [&](const Tensor& t) { return t ? t.to(d) : t; };
  return {there(offsets), there(prefix), there(positions), mask, cache};
}
void check_offsets(const char* op, const Tensor& offsets, const Tensor& x) {
  RUM_CHECK(offsets && offsets.dtype() == DType::i32 && offsets.size() >= 2,
            "{}: the offsets must be i32 and name at least one text", op);
  RUM_CHECK(offsets.device() == x.device(),
            "{}: the layout is on another device: Layout::to() brings it to that of x", op);
  if (offsets.device() != DeviceKind::cpu) return;
  const int32_t* o = offsets.data<int32_t>();
  RUM_CHECK(o[0] == 0, "{}: the first text begins at row {}, not 0", op, o[0]);
  for (int64_t s = 0; s + 1 < offsets.size(); ++s)
    RUM_CHECK(o[s] <= o[s + 1] && o[s + 1] <= x.shape()[0], "{}: text {} is rows {}..{} of {}", op, s, o[s],
              o[s + 1], x.shape()[0]);
}
Tensor attention(const Tensor& qkv, Heads hs, const Layout& l, int layer, Rope rope) {
  check_inputs("attention", {qkv});
  check_heads("attention", hs);
  const int64_t n = qkv.shape()[0], all = hs.query + 2 * hs.kv, d = qkv.shape()[-1] / all;
  RUM_CHECK(
      qkv.shape().rank == 2 && qkv.shape()[1] == all * d && d > 0 && (!rope.on() || d % 2 == 0),
      "attention: qkv {} does not split into {} query and 2 x {} key and value heads of the same{} width",
      str(qkv.shape()), hs.query, hs.kv, rope.on() ? ", even" : "");
  check_offsets("attention", l.offsets, qkv);
  const int64_t texts = l.offsets.size() - 1;
  auto ints = [&](const Tensor& t, int64_t count) {
    return t && t.dtype() == DType::i32 && t.size() == count && t.device() == qkv.device();
  };
  RUM_CHECK(ints(l.positions, n), "attention: expected a position for each of {} rows, i32 as the offsets",
            n);
  RUM_CHECK(l.mask != Mask::prefix || ints(l.prefix, texts),
            "attention: expected a prefix for each of {} texts, i32 as the offsets", texts);
  RUM_CHECK(!l.cache || l.cache->used.device() == qkv.device(),
            "attention: the cache is not on the device of qkv");
  RUM_CHECK(!(l.cache && Tape::current() && Tape::current()->wants(qkv)),
            "attention: a cache is for inference; this call needs gradients");
  RUM_CHECK(!l.cache || l.cache->used.size() == texts, "attention: {} texts, but the cache has {} slots",
            texts, l.cache->used.size());
  Tensor y = Tensor::empty({n, hs.query * d}, qkv.dtype(), qkv.device());
  Tensor lse = Tensor::empty({n, hs.query}, stats_type(qkv.dtype()), qkv.device());
  kernels::attention_forward(qkv.device(), qkv, hs, l, layer, rope, y, lse);
  record(op, {y}, {qkv}, [qkv, y, lse, l, hs, rope](Tensors dy, Grads d) {
    kernels::attention_backward(qkv.device(), qkv, hs, l, rope, y, lse, dy[0], d[0]);
  });
  return y;
}
}  // namespace rum
