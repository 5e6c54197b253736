// The attention kernels beyond the ops' samples: every head size, mask and tile boundary, packed texts of any
// length, non-finite numbers, the cache. The reference is the CPU in double precision on the same (rounded)
// numbers. Outside a tape, so that each tensor has its own memory and the checker sees an access past its
// end.
#include "ops/attention.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "../error_of.h"
#include "base/error.h"
#include "parity.h"

namespace rum::test::attention_test {
namespace {
constexpr DeviceKind kCpu = DeviceKind::cpu;
constexpr DType kTypes[] = {DType::f32, DType::bf16};
using Ints = std::vector<int32_t>;
Tensor ints(const Ints& v, DeviceKind d) {
  return Tensor::from<int32_t>(v, {static_cast<int64_t>(v.size())}, DType::i32, d);
}
struct Texts {
  int64_t rows;  // rows after the last offset are in no text
  Ints offsets, prefix;
};
const Texts kRagged{150, {0, 1, 1, 71, 85, 140}, {1, 0, 33, 100, 5}}, kWhole{129, {0, 129}, {75}},
    kOneRow{1, {0, 1}, {0}}, kNone{70, {0, 0, 0}, {0, 0}},
    kShort{66, {0, 17, 33, 33, 34, 50, 50, 66, 66, 66}, {0, 16, 0, 1, 2, 0, 16, 0, 0}};
Layout layout(const Texts& t, Mask mask, DeviceKind d) {
  Ints place(static_cast<size_t>(t.rows));
  for (size_t s = 0; s + 1 < t.offsets.size(); ++s)
    for (int32_t i = t.offsets[s]; i < t.offsets[s + 1]; ++i)
      place[static_cast<size_t>(i)] = i - t.offsets[s];
  return {ints(t.offsets, d), ints(t.prefix, d), ints(place, d), mask};
}
struct Form {
  Heads heads;
  int64_t d;
  Mask mask = Mask::causal;
  float rope = 0;
  int64_t width() const { return (heads.query + 2 * heads.kv) * d; }
};

struct Side {  // one device, with a call's tensors
  DeviceKind device;
  DType type;
  Tensor y = {}, lse = {};
  GradSlot first = {}, second = {};
  Tensor put(const Tensor& t) const { return cast(t, type).to(device).clone(); }
  void make_room(int64_t rows, const Form& f) {
    y = Tensor::empty({rows, f.heads.query * f.d}, type, device);
    lse = Tensor::empty({rows, f.heads.query}, stats_type(type), device);
  }
  Grad start(GradSlot& slot, const Tensor& before, bool add) const {  // a gradient that starts as `before`
    const Tensor grad = put(before);
    slot = GradSlot::of(grad);
    slot.grad = grad, slot.fixed = true, slot.written = add;
    return Grad(&slot);
  }
};
Tensor columns(const Tensor& t, int64_t first, int64_t count) {
  const Tensor from = t.to(kCpu), out = Tensor::empty({t.shape()[0], count}, t.dtype(), kCpu);
  by_type(t.dtype(), [&]<class T> {
    for (int64_t i = 0; i < t.shape()[0]; ++i)
      std::copy_n(from.data<T>() + i * t.shape()[1] + first, count, out.data<T>() + i * count);
  });
  return out;
}
double most(DType t, const Form& f) { return t == DType::bf16 && f.rope > 0 ? 4e-2 : limit(t); }
// The reference rotates queries and keys without rounding them; in bf16 they are rounded once more, as in the
// cache, and `most` is higher. The mean square is bounded, too.
void expect(const std::string& kernel, DType t, const Tensor& got, const Tensor& truth, double most) {
  EXPECT_LE(error(kernel, t, got, truth), most) << kernel << " " << name(t);
  const Tensor a = columns(got, 0, got.shape()[1]), b = columns(truth, 0, truth.shape()[1]);
  double square = 0, all = 0;
  for (int64_t i = 0; i < a.size(); ++i)
    square += std::pow(a.at(i) - b.at(i), 2), all += std::pow(b.at(i), 2);
  const double nmse = square / std::max({all, 1e-2 * static_cast<double>(b.size()), 1e-9});
  EXPECT_LE(nmse, t == DType::bf16 ? 1e-4 : 1e-10) << kernel << " " << name(t);
}
void expect_parts(const std::string& kernel, DType t, const Tensor& got, const Tensor& truth, const Form& f,
                  std::string_view parts) {
  int64_t first = 0;
  for (const char part : parts) {
    const int64_t count = (part == 'q' ? f.heads.query : f.heads.kv) * f.d;
    expect(kernel + " d" + part, t, columns(got, first, count), columns(truth, first, count), most(t, f));
    first += count;
  }
}
std::string bytes(const Tensor& t) {
  const Tensor on_cpu = t.to(kCpu);
  return {on_cpu.data<char>(), static_cast<size_t>(on_cpu.size()) * size_of(t.dtype())};
}

void attention_case(const Texts& t, const Form& f, DType type, bool add) {
  SCOPED_TRACE(fmt::format("{} rows, {}:{} heads of {}, mask {}, rope {}, {}, add {}", t.rows, f.heads.query,
                           f.heads.kv, f.d, static_cast<int>(f.mask), f.rope, name(type), add));
  const Tensor x = cast(noise({t.rows, f.width()}, 1), type),
               dy = cast(noise({t.rows, f.heads.query * f.d}, 2), type),
               before = cast(noise({t.rows, f.width()}, 3), type);
  Side sides[] = {{kCuda, type}, {kCpu, DType::f64}};
  for (Side& s : sides) {
    const Layout l = layout(t, f.mask, s.device);
    s.make_room(t.rows, f);
    kernels::attention_forward(s.device, s.put(x), f.heads, l, 0, f.rope, s.y, s.lse);
  }
  expect("attention_forward", type, sides[0].y, sides[1].y, most(type, f));
  // both start backward from the same y, which is stored in bf16
  sides[1].y = sides[1].put(sides[0].y.to(kCpu));
  for (Side& s : sides)
    kernels::attention_backward(s.device, s.put(x), f.heads, layout(t, f.mask, s.device), f.rope, s.y, s.lse,
                                s.put(dy), s.start(s.first, before, add));
  expect_parts("attention_backward", type, sides[0].first.grad, sides[1].first.grad, f, "qkv");
}
TEST(CudaAttention, EveryHeadSize) {
  for (const int64_t d : {1, 5, 8, 20, 32, 48, 64, 72, 96, 112, 128})
    for (const DType type : kTypes)
      attention_case(kRagged, {{2, 1}, d, Mask::prefix, d % 2 == 0 ? 100.0f : 0.0f}, type, false);
}
TEST(CudaAttention, EveryMaskAndLength) {
  for (const DType type : kTypes)
    for (const Mask mask : {Mask::causal, Mask::full, Mask::prefix})
      for (const Texts& t : {kRagged, kWhole, kOneRow, kNone, kShort})
        attention_case(t, {{2, 2}, 32, mask, 10000}, type, mask == Mask::full);
}
TEST(CudaAttention, GroupsOfHeadsAndLongTexts) {
  for (const DType type : kTypes) {
    attention_case(kRagged, {{4, 1}, 64, Mask::causal, 10000}, type, true);
    attention_case(kRagged, {{6, 2}, 24, Mask::full, 0}, type, true);
    // Texts of 128 rows and more: tiles of 128 queries, the last one partial.
    attention_case({300, {0, 3, 297}, {0, 100}}, {{1, 1}, 64, Mask::prefix, 10000}, type, false);
    attention_case({277, {0, 277}, {0}}, {{2, 1}, 32, Mask::causal, 0}, type, false);
    attention_case({277, {0, 20, 277}, {0, 0}}, {{1, 1}, 40, Mask::full, 0}, type, false);
    attention_case({128, {0, 128}, {0}}, {{1, 1}, 24, Mask::causal, 100}, type, false);
  }
}
TEST(CudaAttention, AFarPositionIsTurnedAsExactly) {  // where a f32 angle would be off by 1e-2
  const Form f{{1, 1}, 64, Mask::full, 10000};
  const Tensor x = cast(noise({20, f.width()}, 1), DType::f32);
  Side sides[] = {{kCuda, DType::f32}, {kCpu, DType::f64}};
  for (Side& s : sides) {
    Layout l = layout({20, {0, 20}, {0}}, Mask::full, s.device);
    Ints far(20);
    for (int32_t i = 0; i < 20; ++i) far[static_cast<size_t>(i)] = i * 9973;
    l.positions = ints(far, s.device);
    s.make_room(20, f);
    kernels::attention_forward(s.device, s.put(x), f.heads, l, 0, f.rope, s.y, s.lse);
  }
  expect("attention_forward", DType::f32, sides[0].y, sides[1].y, kF32);
}
TEST(CudaAttention, HeadsTooWideAreRefused) {
  for (const DType type : kTypes) {
    const Form f{{1, 1}, 256};
    Side s{kCuda, type};
    s.make_room(1, f);
    const Tensor x = s.put(noise({1, f.width()}, 1));
    const std::string said = error_of([&] {
      kernels::attention_forward(kCuda, x, f.heads, layout(kOneRow, Mask::causal, kCuda), 0, 0, s.y, s.lse);
    });
    EXPECT_EQ(
        said,
        "attention: the GPU kernels support heads of at most 128 numbers, but this model has heads of 256: "
        "run it on the CPU (--device cpu), or train a model with more, narrower heads");
  }
}

// to: rows of the queries' texts, from: of the memory's; -1: that gradient is not needed.
void cross_case(const Texts& to, const Texts& from, const Form& f, DType type, bool add, bool dq = true,
                bool dkv = true) {
  SCOPED_TRACE(fmt::format("{} on {} rows, {}:{} heads of {}, {}, add {}", to.rows, from.rows, f.heads.query,
                           f.heads.kv, f.d, name(type), add));
  const int64_t c = f.heads.query * f.d, kv = f.heads.kv * f.d;
  const Tensor q = cast(noise({to.rows, c}, 1), type), m = cast(noise({from.rows, 2 * kv}, 2), type),
               dy = cast(noise({to.rows, c}, 3), type);
  Side sides[] = {{kCuda, type}, {kCpu, DType::f64}};
  const auto layouts = [&](DeviceKind on) {
    return std::pair{Layout{ints(to.offsets, on), {}, {}}, Layout{ints(from.offsets, on), {}, {}}};
  };
  for (Side& s : sides) {
    const auto [a, b] = layouts(s.device);
    s.make_room(to.rows, f);
    kernels::cross_attention_forward(s.device, s.put(q), s.put(m), f.heads, a, b, s.y, s.lse);
  }
  expect("cross_attention_forward", type, sides[0].y, sides[1].y, limit(type));
  sides[1].y = sides[1].put(sides[0].y.to(kCpu));
  for (Side& s : sides) {
    const auto [a, b] = layouts(s.device);
    kernels::cross_attention_backward(s.device, s.put(q), s.put(m), f.heads, a, b, s.y, s.lse, s.put(dy),
                                      dq ? s.start(s.first, q, add) : Grad(),
                                      dkv ? s.start(s.second, m, add) : Grad());
  }
  if (dq) expect_parts("cross_attention_backward", type, sides[0].first.grad, sides[1].first.grad, f, "q");
  if (dkv)
    expect_parts("cross_attention_backward", type, sides[0].second.grad, sides[1].second.grad, f, "kv");
}
TEST(CudaAttention, Cross) {
  const Texts few{7, {0, 1, 2, 3, 4, 5}, {}}, memory{150, {0, 0, 5, 77, 78, 149}, {}};
  for (const DType type : kTypes) {
    for (const Heads hs : {Heads{2, 2}, Heads{4, 2}}) cross_case(kRagged, memory, {hs, 32}, type, hs.kv == 1);
    cross_case(memory, kRagged, {{1, 1}, 64}, type, true);
    cross_case(few, memory, {{2, 1}, 20}, type, false);
    cross_case(few, memory, {{1, 1}, 64}, type, true, true, false);
    cross_case(few, memory, {{1, 1}, 16}, type, true, false, true);
    cross_case(kOneRow, kOneRow, {{1, 1}, 8}, type, false);
    cross_case(kShort, {0, Ints(10), {}}, {{1, 1}, 8}, type, false);  // no keys at all
  }
}

TEST(CudaAttention, WhatIsNotFiniteStaysInItsText) {
  const Form f{{2, 1}, 32, Mask::full, 100};
  for (const DType type : kTypes) {
    const Tensor x = cast(noise({kRagged.rows, f.width()}, 1), type),
                 dy = cast(noise({kRagged.rows, 64}, 2), type), bad = x.clone();
    for (int64_t i = 0; i < f.width(); ++i) {  // a row of text 2 and a row of no text
      const float value = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
      for (const int64_t row : {70, 141})
        if (type == DType::f32)
          bad.data<float>()[row * f.width() + i] = value;
        else
          bad.data<bf16>()[row * f.width() + i] = bf16(value);
    }
    std::string y[2], dx[2];
    for (const bool spoilt : {false, true}) {
      Side s{kCuda, type};
      const Layout l = layout(kRagged, f.mask, kCuda);
      const Tensor in = (spoilt ? bad : x).to(kCuda);
      s.make_room(kRagged.rows, f);
      kernels::attention_forward(kCuda, in, f.heads, l, 0, f.rope, s.y, s.lse);
      kernels::attention_backward(kCuda, in, f.heads, l, f.rope, s.y, s.lse, s.put(dy),
                                  s.start(s.first, x, false));
      y[spoilt] = bytes(s.y), dx[spoilt] = bytes(s.first.grad);
    }
    auto differ = [&](const std::string(&two)[2]) {  // rows
      const size_t row = two[0].size() / static_cast<size_t>(kRagged.rows);
      std::vector<int64_t> out;
      for (size_t i = 0; i < two[0].size() / row; ++i)
        if (two[0].compare(i * row, row, two[1], i * row, row) != 0) out.push_back(static_cast<int64_t>(i));
      return out;
    };
    for (const auto& rows : {differ(y), differ(dx)}) {
      EXPECT_EQ(rows.size(), 70u);  // all of that text, so that it cannot be missed
      for (const int64_t i : rows) EXPECT_TRUE(i >= 1 && i < 71) << i;
    }
  }
}
TEST(CudaAttention, EqualBitsAgainAndInOtherCompany) {
  const Form f{{4, 2}, 48, Mask::prefix, 10000};
  for (const DType type : kTypes) {
    const Tensor x = cast(noise({kRagged.rows, f.width()}, 1), type),
                 dy = cast(noise({kRagged.rows, 4 * 48}, 2), type);
    auto run = [&](int64_t first, int64_t end, const Texts& t) {  // bits of these rows
      Side s{kCuda, type};
      const Layout l = layout(t, f.mask, kCuda);
      const Tensor in = s.put(x.rows(first, end));
      s.make_room(end - first, f);
      kernels::attention_forward(kCuda, in, f.heads, l, 0, f.rope, s.y, s.lse);
      kernels::attention_backward(kCuda, in, f.heads, l, f.rope, s.y, s.lse, s.put(dy.rows(first, end)),
                                  s.start(s.first, x.rows(first, end), false));
      const int64_t a = first == 1 ? 0 : 1;  // where text 2 begins
      return bytes(s.y.to(kCpu).rows(a, a + 70)) + bytes(s.first.grad.to(kCpu).rows(a, a + 70));
    };
    const std::string all = run(0, 150, kRagged);
    EXPECT_EQ(run(0, 150, kRagged), all);
    EXPECT_EQ(run(1, 71, {70, {0, 70}, {33}}), all);
    EXPECT_EQ(run(1, 71, {70, {0, 70, 70, 70}, {33, 0, 0}}), all);  // room for more texts
  }
}

// Texts generated piece by piece with a cache, on both devices: a prompt, then token by token, with slots
// that pause, are cleared, and continue as copies of others.
void decode(const Form& f, DType type) {
  SCOPED_TRACE(fmt::format("{}:{} heads of {}, mask {}, {}", f.heads.query, f.heads.kv, f.d,
                           static_cast<int>(f.mask), name(type)));
  constexpr int kSlots = 5, kLength = 90;
  const int64_t kv = f.heads.kv * f.d;
  const DType on_cpu = type == DType::f32 ? DType::f64 : type;  // a cache rounds
  Cache caches[] = {Cache(2, kSlots, kLength, kv, type, kCuda), Cache(2, kSlots, kLength, kv, on_cpu, kCpu)};
  Ints held(kSlots);
  for (int turn = 0; turn < 9; ++turn) {
    if (turn == 3)
      for (Cache& c : caches) c.clear(1);
    if (turn == 3) held[1] = 0;
    if (turn == 4 || turn == 6) {  // a cycle, a slot that two continue from, one that stays
      const Ints parents = turn == 4 ? Ints{1, 2, 0, 0, 4} : Ints{4, 0, 1, 2, 3}, old = held;
      for (Cache& c : caches) c.reorder(parents);
      for (size_t s = 0; s < kSlots; ++s) held[s] = old[static_cast<size_t>(parents[s])];
    }
    Ints offsets{0}, place, prefix(kSlots, 9);
    for (size_t s = 0; s < kSlots; ++s) {
      const int32_t take = turn == 0   ? Ints{70, 9, 1, 0, 33}[s]
                           : turn == 5 ? 3
                                       : (turn + static_cast<int>(s)) % 4 != 0;
      for (int32_t i = 0; i < take; ++i) place.push_back(held[s] + i);
      offsets.push_back(static_cast<int32_t>(place.size()));
    }
    const auto rows = static_cast<int64_t>(place.size()) + 1;  // one in no text
    place.push_back(0);
    Tensor y[2][2];
    for (int side = 0; side < 2; ++side) {
      const DeviceKind d = side == 0 ? kCuda : kCpu;
      const Layout l{ints(offsets, d), ints(prefix, d), ints(place, d), f.mask, &caches[side]};
      for (int layer = 0; layer < 2; ++layer) {
        const Tensor x = cast(noise({rows, f.width()}, static_cast<uint32_t>(2 * turn + layer)), type);
        y[layer][side] = attention(cast(x, side == 0 ? type : on_cpu).to(d), f.heads, l, layer, f.rope);
      }
      caches[side].advance(l.offsets);
    }
    for (const auto& layer : y) expect("attention_forward, cache", type, layer[0], layer[1], limit(type));
    for (size_t s = 0; s < kSlots; ++s) {
      held[s] += offsets[s + 1] - offsets[s];
      EXPECT_EQ(caches[0].used.at(static_cast<int64_t>(s)), held[s]);
    }
  }
}
TEST(CudaAttention, DecodingOverTheCache) {
  for (const DType type : kTypes) {
    decode({{2, 2}, 32, Mask::causal, 10000}, type);
    decode({{4, 2}, 64, Mask::prefix, 10000}, type);
    decode({{2, 1}, 20, Mask::causal, 0}, type);
    decode({{1, 1}, 5, Mask::full, 0}, type);
    decode({{1, 1}, 128, Mask::causal, 100}, type);
    decode({{4, 1}, 96, Mask::full, 0}, type);
    decode({{3, 3}, 8, Mask::causal, 100}, type);  // half a head is less than 16 bytes in bf16
  }
}
// A call with a few new rows a text, all of whose numbers are known: slots 0 .. 5 hold `held` tokens each and
// take 1, 0, 3, 1, 2, 1 more, of which slots 3 and 4 have no room for the last; one row is in no text.
struct FewRows {
  static constexpr int64_t kSlots = 6, kLength = 70;
  const Ints held{40, 33, 7, 70, 69, 0}, offsets{0, 1, 1, 4, 5, 7, 8}, prefix{0, 50, 12, 0, 3, 0};
  Form f;
  DType type;
  Tensor x, keys, values;  // new rows; what the slots hold, random
  FewRows(const Form& form, DType t)
      : f(form),
        type(t),
        x(cast(noise({9, f.width()}, 1), t)),
        keys(cast(noise({kSlots, 80, f.heads.kv * f.d}, 2), t)),
        values(cast(noise({kSlots, kLength, f.heads.kv * f.d}, 3), t)) {}
  Cache cache() const {
    Cache c(1, kSlots, kLength, f.heads.kv * f.d, type, kCuda);
    c.keys[0].copy_from(keys), c.values[0].copy_from(values), c.used.copy_from(ints(held, kCpu));
    return c;
  }
  int32_t place(size_t s, int32_t row) const { return held[s] + row - offsets[s]; }
  Ints places() const {
    Ints p(9);
    for (size_t s = 0; s < kSlots; ++s)
      for (int32_t i = offsets[s]; i < offsets[s + 1]; ++i) p[static_cast<size_t>(i)] = place(s, i);
    return p;
  }
  // Number j of head h in row i of x, from column `first` on, turned to place p; rounded as the cache does.
  double turned(int64_t i, int64_t first, int64_t h, int64_t j, int32_t p) const {
    const int64_t at = i * f.width() + first + h * f.d, half = f.d / 2;
    if (f.rope == 0) return x.at(at + j);
    const double angle =
        p * std::pow(f.rope, -2.0 * static_cast<double>(j % half) / static_cast<double>(f.d));
    const double other = j < half ? -x.at(at + j + half) : x.at(at + j - half);
    return x.at(at + j) * std::cos(angle) + other * std::sin(angle);
  }
};
void few_rows(const Form& f, DType type) {
  SCOPED_TRACE(fmt::format("{}:{} heads of {}, mask {}, rope {}, {}", f.heads.query, f.heads.kv, f.d,
                           static_cast<int>(f.mask), f.rope, name(type)));
  const FewRows few(f, type);
  Cache cache = few.cache();
  Side side{kCuda, type};
  side.make_room(9, f);
  const Layout l{ints(few.offsets, kCuda), ints(few.prefix, kCuda), ints(few.places(), kCuda), f.mask,
                 &cache};
  kernels::attention_forward(kCuda, side.put(few.x), f.heads, l, 0, f.rope, side.y, side.lse);
  const int64_t kv = f.heads.kv * f.d, first = f.heads.query * f.d;
  const Tensor want_keys = cast(few.keys, DType::f64), want_values = few.values.clone(),
               y = Tensor::empty({9, first}, DType::f64, kCpu),
               lse = Tensor::empty({9, f.heads.query}, DType::f64, kCpu);
  for (int64_t s = 0; s < FewRows::kSlots; ++s) {
    const auto slot = static_cast<size_t>(s);
    for (int32_t i = few.offsets[slot]; i < few.offsets[slot + 1]; ++i) {
      const int32_t p = few.place(slot, i);
      for (int64_t e = 0; p < FewRows::kLength && e < kv; ++e) {
        want_keys.data<double>()[(s * 80 + p) * kv + e] = few.turned(i, first, e / f.d, e % f.d, p);
        std::copy_n(
            few.x.data<char>() + (i * f.width() + first + kv + e) * static_cast<int64_t>(size_of(type)),
            size_of(type),
            want_values.data<char>() +
                ((s * FewRows::kLength + p) * kv + e) * static_cast<int64_t>(size_of(type)));
      }
    }
  }
  EXPECT_EQ(bytes(cache.values[0]), bytes(want_values));
  const Tensor keys = cache.keys[0].to(kCpu);
  for (int64_t e = 0; e < keys.size(); ++e) {
    const double want = want_keys.at(e),
                 most = type == DType::bf16 ? std::max(std::abs(want), 1e-1) / 256 : 1e-6;
    ASSERT_NEAR(keys.at(e), want, f.rope == 0 ? 0 : most) << e;
  }
  for (int64_t i = 0; i < y.size(); ++i) y.data<double>()[i] = 0;
  for (int64_t i = 0; i < lse.size(); ++i) lse.data<double>()[i] = 0;
  for (int64_t s = 0; s < FewRows::kSlots; ++s) {
    const auto slot = static_cast<size_t>(s);
    const int32_t count = few.offsets[slot + 1] - few.offsets[slot],
                  all = std::min<int32_t>(few.held[slot] + count, FewRows::kLength);
    for (int32_t i = few.offsets[slot]; i < few.offsets[slot + 1]; ++i) {
      const int32_t p = few.place(slot, i), least = f.mask == Mask::full     ? all
                                                    : f.mask == Mask::prefix ? few.prefix[slot]
                                                                             : 0;
      const int32_t sees = std::min(all, std::max(p + 1, least));
      for (int64_t h = 0; h < f.heads.query; ++h) {
        const int64_t column = h / (f.heads.query / f.heads.kv) * f.d;
        double sum = 0;
        std::vector<double> o(static_cast<size_t>(f.d));
        for (int64_t t = 0; t < sees; ++t) {
          double dot = 0;
          for (int64_t j = 0; j < f.d; ++j)
            dot += few.turned(i, 0, h, j, p) * keys.at((s * 80 + t) * kv + column + j);
          const double weight = std::exp(dot / std::sqrt(static_cast<double>(f.d)));
          sum += weight;
          for (int64_t j = 0; j < f.d; ++j)
            o[static_cast<size_t>(j)] +=
                weight * want_values.at((s * FewRows::kLength + t) * kv + column + j);
        }
        for (int64_t j = 0; j < f.d; ++j)
          y.data<double>()[i * first + h * f.d + j] = o[static_cast<size_t>(j)] / sum;
        lse.data<double>()[i * f.heads.query + h] = std::log(sum);
      }
    }
  }
  expect("attention_forward, few rows", type, side.y, y, most(type, f));
  EXPECT_LE(distance(side.lse, lse), most(type, f));
}
TEST(CudaAttention, AFewNewRowsJoinTheCache) {
  for (const DType type : kTypes) {
    few_rows({{2, 2}, 64, Mask::causal, 0}, type);
    few_rows({{4, 2}, 32, Mask::prefix, 10000}, type);
    few_rows({{2, 1}, 96, Mask::full, 100}, type);
    few_rows({{1, 1}, 128, Mask::causal, 10000}, type);
    few_rows({{3, 1}, 48, Mask::prefix, 0}, type);
    few_rows({{2, 1}, 10, Mask::prefix, 100}, type);  // not whole 16 bytes
  }
}
TEST(CudaAttention, AFewNewRowsHaveEqualBitsInOtherCompany) {
  const Form f{{4, 2}, 64, Mask::prefix, 10000};
  for (const DType type : kTypes) {
    const FewRows few(f, type);
    auto run = [&](const Ints& offsets, int64_t from) {  // slot 2's rows of y and its part of the cache
      Cache cache = few.cache();
      Side side{kCuda, type};
      const int64_t rows = offsets.back() + 1;
      Ints places(static_cast<size_t>(rows));
      for (size_t s = 0; s < FewRows::kSlots; ++s)
        for (int32_t i = offsets[s]; i < offsets[s + 1]; ++i)
          places[static_cast<size_t>(i)] = few.held[s] + i - offsets[s];
      Tensor x = cast(noise({rows, f.width()}, 9), type);
      x.rows(from, from + 3).copy_from(few.x.rows(1, 4));
      side.make_room(rows, f);
      const Layout l{ints(offsets, kCuda), ints(few.prefix, kCuda), ints(places, kCuda), f.mask, &cache};
      kernels::attention_forward(kCuda, side.put(x), f.heads, l, 0, f.rope, side.y, side.lse);
      auto slot = [](const Tensor& t) {
        return bytes(t.to(kCpu).as({FewRows::kSlots, t.size() / FewRows::kSlots}).rows(2, 3));
      };
      return bytes(side.y.to(kCpu).rows(from, from + 3)) + bytes(side.lse.to(kCpu).rows(from, from + 3)) +
             slot(cache.keys[0]) + slot(cache.values[0]);
    };
    const std::string all = run(few.offsets, 1);
    EXPECT_EQ(run({0, 0, 0, 3, 3, 3, 3}, 0), all);
    EXPECT_EQ(run({0, 2, 6, 9, 9, 9, 12}, 6), all);
  }
}
// the host cannot know that; nothing else may be overwritten
TEST(CudaAttention, AFullSlotDropsWhatDoesNotFit) {
  const Form f{{1, 1}, 16};
  Cache cache(1, 2, 20, 16, DType::f32, kCuda);
  const Tensor x = cast(noise({30, f.width()}, 1), DType::f32).to(kCuda);
  const Layout l{ints({0, 25, 30}, kCuda), ints({0, 0}, kCuda), ints(Ints(30), kCuda), Mask::causal, &cache};
  const Tensor y = attention(x, f.heads, l, 0, 0).to(kCpu), keys = cache.keys[0].to(kCpu);
  for (int64_t i = 0; i < 5 * 16; ++i)  // slot 1: rows 25 .. 30
    ASSERT_EQ(keys.at(keys.size() / 2 + i), x.at((25 + i / 16) * f.width() + 16 + i % 16));
  for (int64_t i = 0; i < y.size(); ++i) ASSERT_TRUE(std::isfinite(y.at(i)));
}
TEST(CudaAttention, ReorderCopiesAsTheCpuDoes) {
  for (const int64_t width : {3, 16})
    for (const Ints& parents : {Ints{0, 1, 2, 3, 4, 5}, Ints{1, 0, 2, 5, 3, 4}, Ints{5, 5, 0, 0, 1, 1},
                                Ints{3, 3, 3, 3, 3, 3}, Ints{1, 2, 0, 4, 5, 3}}) {
      const int64_t layers = width == 3 ? 50 : 2;  // more than one launch takes, and fewer
      Cache cache(layers, 6, 10, width, DType::f32, kCuda);
      const Tensor values = cast(noise({6, 10, width}, 1), DType::f32);
      const Ints used{0, 3, 10, 5, 1, 9};
      cache.used.copy_from(ints(used, kCpu));
      for (Tensor& v : cache.values) v.copy_from(values);
      cache.reorder(parents);
      for (const Tensor& v : cache.values) {
        const Tensor now = v.to(kCpu);
        for (int64_t s = 0; s < 6; ++s) {
          const int32_t p = parents[static_cast<size_t>(s)], n = used[static_cast<size_t>(p)];
          EXPECT_EQ(cache.used.at(s), n);
          EXPECT_EQ(
              bytes(now.as({6, 10 * width}).rows(s, s + 1)).substr(0, static_cast<size_t>(n * width * 4)),
              bytes(values.as({6, 10 * width}).rows(p, p + 1)).substr(0, static_cast<size_t>(n * width * 4)));
        }
      }
    }
}
}  // namespace
}  // namespace rum::test::attention_test
