// What a query sees is always a beginning of its text: up to itself, the whole text, or at least the prefix.
#include "ops/attention.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/threads.h"
#include "ops/micro.h"

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
// cos and sin of the angles of all positions, in double and rounded once: (position, d / 2).
template <class S>
class Rotation {
 public:
  Rotation(const Layout& l, int64_t d, float base) : half_(d / 2), on_(base > 0) {
    if (!on_) return;
    const int32_t* at = l.positions.data<int32_t>();
    const int64_t count = *std::max_element(at, at + l.positions.size()) + 1;
    static std::map<std::pair<float, int64_t>, std::vector<S>>
        tables;  // built by the thread that has the tape
    std::vector<S>& t = tables[{base, d}];
    for (int64_t i = static_cast<int64_t>(t.size()) / d; i < count; ++i)
      for (int64_t j = 0; j < d; ++j) {
        const double angle =
            static_cast<double>(i) * std::pow(static_cast<double>(base),
                                              -2.0 * static_cast<double>(j % half_) / static_cast<double>(d));
        t.push_back(static_cast<S>(j < half_ ? std::cos(angle) : std::sin(angle)));
      }
    table_ = t.data();
  }
  bool on() const { return on_; }
  void turn(S* row, int64_t position, S sign) const {  // planes (j, j + d / 2)
    const S* t = table_ + position * 2 * half_;
    for (int64_t j = 0; j < half_; ++j) {
      const S c = t[j], s = sign * t[half_ + j], a = row[j], b = row[half_ + j];
      row[j] = a * c - b * s, row[half_ + j] = a * s + b * c;
    }
  }

 private:
  int64_t half_;
  bool on_;
  const S* table_ = nullptr;
};

// Memory of one thread for one piece of work; what take() gives is overwritten by the next piece.
template <class S>
class Scratch {
 public:
  explicit Scratch(int64_t numbers) {
    static thread_local std::vector<S> memory;
    const auto need = static_cast<size_t>(numbers) + 64;
    if (memory.size() < need) memory.resize(need);
    at_ = memory.data();
    at_ += (64 - reinterpret_cast<uintptr_t>(at_) % 64) % 64 / sizeof(S);
  }
  S* take(int64_t numbers) { return std::exchange(at_, at_ + numbers); }

 private:
  S* at_;
};
template <class S>
int64_t padded(int64_t n) {  // to whole vectors
  return (n + simd::kLanes<S> - 1) / simd::kLanes<S> * simd::kLanes<S>;
}

// Rows of one head, `n` x `d`, as numbers to calculate with: where they are, when they can be read there as
// whole vectors; else a copy, rotated and then rounded to T as the cache would: so that writing with a cache
// gives the bits of the whole forward.
template <class T, class S = Stats<T>>
Rows<const S> head_rows(Rows<const T> from, int64_t n, int64_t d, Scratch<S>& scratch,
                        const Rotation<S>* rotation = nullptr, const int32_t* positions = nullptr) {
  const bool turned = rotation && rotation->on();
  if constexpr (std::is_same_v<T, S>)
    if (!turned && d % simd::kLanes<S> == 0) return {from.data, from.step, simd::kLanes<S>};
  const int64_t step = padded<S>(d);
  S* to = scratch.take(n * step);
  for (int64_t i = 0; i < n; ++i) {
    S* row = to + i * step;
    for (int64_t j = 0; j < step; ++j) row[j] = j < d ? static_cast<S>(from.data[i * from.step + j]) : S{0};
    if (!turned) continue;
    rotation->turn(row, positions[i], S{1});
    for (int64_t j = 0; j < d; ++j) row[j] = static_cast<S>(static_cast<T>(row[j]));
  }
  return {to, step, simd::kLanes<S>};
}
template <class S>
Rows<const S> broadcast(Rows<const S> r) {  // the same rows as the left factor: numbers side by side
  return {r.data, r.step, 1};
}
// Panels of kLanes keys, d vectors each: key j's number e stands at panel j / kLanes, vector e, lane j %
// kLanes. As a right factor, rows are e and columns are keys. `first`: the number of the first key.
template <class T, class S>
void fill_panels(Rows<const S> rows, int64_t n, int64_t d, T* panels, int64_t panel, int64_t first = 0) {
  constexpr int64_t lanes = simd::kLanes<S>;
  for (int64_t i = 0; i < n;) {
    const int64_t lane = (first + i) % lanes, count = std::min(n - i, lanes - lane);
    T* to = panels + (first + i) / lanes * panel + lane;
    const S* from = rows.data + i * rows.step;
    if constexpr (std::is_same_v<T, S>) {
      transpose_into(from, rows.step, count, d, to, lanes);
    } else {
      for (int64_t r = 0; r < count; ++r)
        for (int64_t e = 0; e < d; ++e) to[e * lanes + r] = static_cast<T>(from[r * rows.step + e]);
    }
    i += count;
  }
}
template <class S>
Rows<const S> panels_of(Rows<const S> rows, int64_t n, int64_t d, Scratch<S>& scratch) {
  constexpr int64_t lanes = simd::kLanes<S>;
  S* to = scratch.take(padded<S>(n) * d);
  if (n % lanes != 0) std::fill(to + n / lanes * lanes * d, to + padded<S>(n) * d, S{0});
  fill_panels(rows, n, d, to, d * lanes);
  return {to, lanes, d * lanes};
}

// One head of one text: m queries, each of which sees the first seen(i) keys; seen never falls.
// p: kMicroRows x `wide` numbers, o: kMicroRows x padded d.
template <class S, class Seen, class Emit>
void attend(Rows<const S> q, Rows<const S> key_panels, Rows<const S> values, int64_t m, int64_t d,
            Seen&& seen, S* p, int64_t wide, S* o, Emit&& emit) {
  constexpr int64_t lanes = simd::kLanes<S>;
  const S scale = 1 / std::sqrt(static_cast<S>(d));
  const int64_t step = padded<S>(d);
  by_rows(0, m, [&]<int R>(int64_t i) {
    const int64_t most = seen(i + R - 1);
    small_product<S, R>({q.at(i, 0), q.step}, key_panels, padded<S>(most), d, {p, wide}, false);
    S tops[R], sums[R];
    for (int r = 0; r < R; ++r) {
      S* row = p + r * wide;
      const int64_t n = seen(i + r), whole = n / lanes * lanes;
      simd::Vec<S> top = simd::all<S>(-INFINITY), sum{};
      for (int64_t j = 0; j < whole; j += lanes) top = simd::max(top, simd::read(row + j));
      tops[r] = simd::max(top);
      for (int64_t j = whole; j < n; ++j) tops[r] = std::max(tops[r], row[j]);
      tops[r] *= scale;
      for (int64_t j = 0; j < whole; j += lanes) {
        const simd::Vec<S> e = simd::exp(scale * simd::read(row + j) - tops[r]);
        simd::write(row + j, e), sum += e;
      }
      if (whole < n) {
        const simd::Vec<S> e =
            simd::first_lanes(simd::exp(scale * simd::read(row + whole) - tops[r]), n - whole);
        simd::write(row + whole, e), sum += e;
      }
      std::fill(row + padded<S>(n), row + padded<S>(most), S{0});
      sums[r] = simd::sum(sum);
    }
    small_product<S, R>({p, wide}, values, step, most, {o, step}, false);
    for (int r = 0; r < R; ++r) emit(i + r, o + r * step, 1 / sums[r], tops[r] + std::log(sums[r]));
  });
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
  const Rows<const T> new_keys{first + c + g * d, width}, new_values{first + c + kv + g * d, width};
  S *p = scratch.take(kMicroRows * wide), *o = scratch.take(kMicroRows * step);
  Rows<const S> keys, values;
  if (l.cache) {  // append, then read everything the slot holds
    const Tensor &ks = l.cache->keys[static_cast<size_t>(layer)],
                 &vs = l.cache->values[static_cast<size_t>(layer)];
    T* kc = ks.data<T>() + s * ks.shape()[1] * kv + g * d * lanes;
    T* vc = vs.data<T>() + s * vs.shape()[1] * kv + g * d;
    {
      Scratch<S> again = scratch;  // for the moment only
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
    const Rows<const S> q = head_rows<T>({first + h * d, width}, r.length, d, again, &rotation, positions);
    attend(
        broadcast(q), keys, values, r.length, d, [&](int64_t i) { return r.seen_by(i); }, p, wide, o,
        [&](int64_t i, const S* row, S factor, S z) {
          T* to = y.data<T>() + (r.begin + i) * c + h * d;
          simd::each<S>(0, d,
                        [&](int64_t e, auto n) { simd::put(to + e, factor * simd::get(row + e, n), n); });
          lse.data<S>()[(r.begin + i) * hs.query + h] = z;
        });
  }
}

void forward(const Tensor& qkv, Heads hs, const Layout& l, int layer, float rope, const Tensor& y,
             const Tensor& lse) {
  by_type(qkv.dtype(), [&]<class T> {
    const int64_t c = y.shape()[1], texts = l.offsets.size() - 1, end = l.offsets.data<int32_t>()[texts];
    std::fill(y.data<T>() + end * c, y.data<T>() + y.size(), T{});
    for (int64_t s = 0; l.cache && s < texts; ++s) {
      const Span r = span_of(l, s);
      RUM_CHECK(r.length == 0 || r.before + r.length <= l.cache->values[0].shape()[1],
                "attention: slot {} of the cache holds {} tokens, {} more do not fit into {}", s, r.before,
                r.length, l.cache->values[0].shape()[1]);
    }
    const Rotation<Stats<T>> rotation(l, c / hs.query, rope);
    parallel(texts * hs.kv, [&](int64_t piece) {
      forward_piece<T>(qkv, hs, l, layer, rotation, piece / hs.kv, piece % hs.kv, y, lse);
    });
  });
}

// One head of one text, backward. dk and dv (n rows of padded d) are added to; emit(i, row) gets dq.
constexpr int64_t kBlock = 8 * kMicroRows;  // queries whose weights are kept at once
template <class S>
struct Piece {
  Rows<const S> q, keys, key_panels, value_panels, o, dy;
  const S* lse;
  int64_t lse_step, m, n, d;
};
template <class S, class Seen, class Emit>
void attend_backward(const Piece<S>& x, Seen&& seen, S* p, S* ds, S* dq, S* dk, S* dv, Emit&& emit) {
  constexpr int64_t lanes = simd::kLanes<S>;
  const int64_t step = padded<S>(x.d), wide = padded<S>(x.n), d = x.d;
  const S scale = 1 / std::sqrt(static_cast<S>(d));
  for (int64_t b = 0; b < x.m; b += kBlock) {
    const int64_t rows = std::min(kBlock, x.m - b), most = padded<S>(seen(b + rows - 1));
    by_rows(0, rows, [&]<int R>(int64_t i) {
      const int64_t some = padded<S>(seen(b + i + R - 1));
      small_product<S, R>({x.q.at(b + i, 0), x.q.step}, x.key_panels, some, d, {p + i * wide, wide}, false);
      small_product<S, R>({x.dy.at(b + i, 0), x.dy.step}, x.value_panels, some, d, {ds + i * wide, wide},
                          false);
      for (int r = 0; r < R; ++r) {
        S *pr = p + (i + r) * wide, *dr = ds + (i + r) * wide;
        const int64_t at = b + i + r, n = seen(at), whole = n / lanes * lanes;
        simd::Vec<S> products{};
        simd::each<S>(0, d, [&](int64_t e, auto count) {
          products += simd::get(x.o.at(at, 0) + e, count) * simd::get(x.dy.at(at, 0) + e, count);
        });
        const S mean = simd::sum(products), z = x.lse[at * x.lse_step];
        for (int64_t j = 0; j < n; j += lanes) {
          simd::Vec<S> w = simd::exp(scale * simd::read(pr + j) - z);
          if (j >= whole) w = simd::first_lanes(w, n - whole);
          simd::write(pr + j, w);
          simd::write(dr + j, scale * w * (simd::read(dr + j) - mean));
        }
        std::fill(pr + padded<S>(n), pr + most, S{0}), std::fill(dr + padded<S>(n), dr + most, S{0});
      }
      small_product<S, R>({ds + i * wide, wide}, x.keys, step, seen(b + i + R - 1), {dq, step}, false);
      for (int r = 0; r < R; ++r) emit(b + i + r, dq + r * step);
    });
    const int64_t n = seen(b + rows - 1);
    const auto at_block = [&](Rows<const S> all) {
      return Rows<const S>{all.data + b * all.step, all.step, lanes};
    };
    small_product<S>({p, 1, wide}, at_block(x.dy), n, step, rows, {dv, step}, true);
    small_product<S>({ds, 1, wide}, at_block(x.q), n, step, rows, {dk, step}, true);
  }
}

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
  std::fill(dk, dk + n * step, S{0}), std::fill(dv, dv + n * step, S{0});
  const Rows<const S> keys = head_rows<T>({first + c + g * d, width}, n, d, scratch, &rotation, positions);
  const Rows<const S> key_panels = panels_of(keys, n, d, scratch);
  const Rows<const S> values = head_rows<T>({first + c + kv + g * d, width}, n, d, scratch);
  const Rows<const S> value_panels = panels_of(values, n, d, scratch);
  auto emit = [&](S* row, int64_t i, int64_t column, bool turned) {
    if (turned && rotation.on()) rotation.turn(row, positions[i], S{-1});
    T* place = to + i * width + column;
    simd::each<S>(0, d, [&](int64_t e, auto lanes) {
      simd::Vec<S> v = simd::get(row + e, lanes);
      if (add) v += simd::get(place + e, lanes);
      simd::put(place + e, v, lanes);
    });
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
  for (int64_t i = 0; i < n; ++i)
    emit(dk + i * step, i, c + g * d, true), emit(dv + i * step, i, c + kv + g * d, false);
}

void backward(const Tensor& qkv, Heads hs, const Layout& l, float rope, const Tensor& y, const Tensor& lse,
              const Tensor& dy, const Grad& dqkv) {
  by_type(qkv.dtype(), [&]<class T> {
    const int64_t texts = l.offsets.size() - 1, width = qkv.shape()[1];
    T* out = dqkv.to().data<T>();
    const bool add = dqkv.add();
    if (!add) std::fill(out + l.offsets.data<int32_t>()[texts] * width, out + qkv.size(), T{});
    const Rotation<Stats<T>> rotation(l, y.shape()[1] / hs.query, rope);
    parallel(texts * hs.kv, [&](int64_t piece) {
      backward_piece<T>(qkv, hs, l, rotation, piece / hs.kv, piece % hs.kv, y, lse, dy, out, add);
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
  for (int64_t i = 0; i < layers; ++i) {
    keys.push_back(Tensor::empty({slots, (length + 15) / 16 * 16, width}, t, d));  // whole panels
    values.push_back(Tensor::empty({slots, length, width}, t, d));
    Backend::of(d).fill(keys.back().data<void>(), 0, static_cast<size_t>(keys.back().size()) * size_of(t));
  }
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
  check_inputs("attention", {qkv});
  RUM_CHECK(hs.query > 0 && hs.kv > 0 && hs.query % hs.kv == 0,
            "attention: {} query heads cannot share {} key heads evenly", hs.query, hs.kv);
  const int64_t n = qkv.shape().rows(), all = hs.query + 2 * hs.kv, d = qkv.shape()[-1] / all;
  RUM_CHECK(qkv.shape().rank == 2 && qkv.shape()[1] == all * d && (rope <= 0 || d % 2 == 0),
            "attention: qkv {} for {} query and 2 x {} key and value heads of {} width", str(qkv.shape()),
            hs.query, hs.kv, rope > 0 ? "even" : "equal");
  RUM_CHECK(l.positions.size() == n, "attention: {} rows, {} positions", n, l.positions.size());
  RUM_CHECK(!(l.cache && Tape::current() && Tape::current()->wants(qkv)),
            "attention: a cache is for reading alone");
  Tensor y = Tensor::empty({n, hs.query * d}, qkv.dtype(), qkv.device());
  Tensor lse = Tensor::empty({n, hs.query}, stats_type(qkv.dtype()), qkv.device());
  kernels::attention_forward(qkv.device(), qkv, hs, l, layer, rope, y, lse);
  record(op, {y}, {qkv}, [qkv, y, lse, l, hs, rope](Tensors dy, Grads d) {
    kernels::attention_backward(qkv.device(), qkv, hs, l, rope, y, lse, dy[0], d[0]);
  });
  return y;
}
}  // namespace rum
