// Attention against its definition (tests/formulas.cc); and its bits depend only on the text, not on the
// cache or the batch.
#include "ops/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "ops/pool.h"
#include "tests/error_of.h"
#include "tests/formulas.h"

namespace rum::attention_test {
namespace {
using Ints = std::vector<int32_t>;
Tensor ints(const Ints& v) { return Tensor::from<int32_t>(v, {static_cast<int64_t>(v.size())}, DType::i32); }
Tensor cast(const Tensor& t, DType to) {
  return Tensor::from<double>({t.data<double>(), static_cast<size_t>(t.size())}, t.shape(), to);
}
std::string row_bytes(const Tensor& t, int64_t begin, int64_t end) {
  const size_t row = static_cast<size_t>(t.shape()[-1]) * size_of(t.dtype());
  return {t.data<char>() + static_cast<size_t>(begin) * row, static_cast<size_t>(end - begin) * row};
}
std::string bytes(const Tensor& t) { return row_bytes(t, 0, t.shape()[0]); }

struct Case {
  Heads heads;
  int64_t d;
  Mask mask;
  float rope;
};
std::vector<Case> cases() {
  std::vector<Case> out;
  for (const Mask mask : {Mask::causal, Mask::full, Mask::prefix})
    for (const float rope : {0.0f, 10000.0f, 100.0f})
      for (const Heads h : {Heads{1, 1}, Heads{2, 2}, Heads{4, 2}, Heads{4, 1}})
        for (const int64_t d : {4, 6, 16, 32, 40}) out.push_back({h, d, mask, rope});
  out.push_back({{1, 1}, 128, Mask::causal, 10000});
  out.push_back({{2, 1}, 128, Mask::prefix, 0});
  out.push_back({{2, 2}, 5, Mask::causal, 0});  // odd width
  return out;
}
const Ints kOffsets{0, 4, 4, 25, 26, 92}, kPrefix{2, 0, 9, 1, 30};  // 5 texts, one empty; 3 rows in none
constexpr int kRows = 95;
Ints places(const Ints& offsets, int64_t rows) {
  Ints out(static_cast<size_t>(rows));
  for (size_t s = 0; s + 1 < offsets.size(); ++s)
    for (int32_t i = offsets[s]; i < offsets[s + 1]; ++i) out[static_cast<size_t>(i)] = i - offsets[s];
  return out;
}
Layout layout(Mask mask) { return {ints(kOffsets), ints(kPrefix), ints(places(kOffsets, kRows)), mask}; }

std::vector<double> numbers(const Tensor& t) { return {t.data<double>(), t.data<double>() + t.size()}; }
double furthest(const Tensor& y, const std::vector<double>& truth) {
  double out = 0;
  for (size_t i = 0; i < truth.size(); ++i)
    out = std::max(out, std::abs(y.at(static_cast<int64_t>(i)) - truth[i]) / (1 + std::abs(truth[i])));
  return out;
}
TEST(Attention, ValuesAgainstTheDefinition) {
  for (const Case& c : cases()) {
    const AttentionCase definition{.heads = c.heads.query,
                                   .kv_heads = c.heads.kv,
                                   .width = static_cast<int>(c.d),
                                   .offsets = kOffsets,
                                   .prefix = kPrefix,
                                   .mask = static_cast<int>(c.mask),
                                   .rope = static_cast<double>(c.rope),
                                   .restart = c.mask == Mask::prefix};
    Layout l = layout(c.mask);
    l.positions = ints(rum::places(definition, kRows));
    const Tensor qkv = noise({kRows, (c.heads.query + 2 * c.heads.kv) * c.d}, 9);
    EXPECT_LT(furthest(attention(qkv, c.heads, l, 0, c.rope),
                       attention_by_definition(definition, numbers(qkv), kRows)),
              1e-12)
        << c.heads.query << ":" << c.heads.kv << " heads of " << c.d << ", mask " << static_cast<int>(c.mask)
        << ", rope " << c.rope;
  }
}
TEST(Attention, CrossValuesAgainstTheDefinition) {
  const Ints from{0, 3, 3, 40, 41, 60}, to{0, 5, 9, 11, 30, 31};
  for (const Heads hs : {Heads{1, 1}, Heads{2, 2}, Heads{4, 2}, Heads{4, 1}})
    for (const int d : {3, 16, 24, 128}) {
      const Tensor q = noise({33, hs.query * d}, 1), m = noise({64, 2 * hs.kv * d}, 2);
      const Tensor y = cross_attention(q, m, hs, Layout{ints(to), {}, {}}, Layout{ints(from), {}, {}});
      EXPECT_LT(
          furthest(y, cross_attention_by_definition({hs.query, hs.kv, d, to, from}, numbers(q), numbers(m))),
          1e-12)
          << hs.query << ":" << hs.kv << " heads of " << d;
    }
}
// The whole text in one call, then the same text in several calls with a cache: several tokens at first, then
// one by one.
void decode(const Case& c, DType type) {
  const int64_t width = (c.heads.query + 2 * c.heads.kv) * c.d, kv = c.heads.kv * c.d;
  const Tensor qkv = cast(noise({kRows, width}, 9), type);
  const Tensor whole = attention(qkv, c.heads, layout(c.mask), 0, c.rope);
  Cache cache(2, 5, 70, kv, type, DeviceKind::cpu);
  const size_t row = static_cast<size_t>(width) * size_of(type);
  Ints done(5);
  for (int turn = 0; turn < 60; ++turn) {
    Ints offsets{0}, place, source, prefix(kPrefix);
    for (size_t s = 0; s < 5; ++s) {
      const int32_t n = kOffsets[s + 1] - kOffsets[s], left = n - done[s];
      int32_t take = std::min(left, turn == 0 ? kPrefix[s] + static_cast<int32_t>(s) : 1);
      if (turn == 3) take = std::min(left, 5);
      if (turn % 7 == 5 && s == 2) take = 0;  // a slot that rests
      for (int32_t i = 0; i < take; ++i)
        place.push_back(done[s] + i), source.push_back(kOffsets[s] + done[s] + i);
      offsets.push_back(static_cast<int32_t>(place.size()));
    }
    if (place.empty()) continue;
    Tensor part = Tensor::empty({static_cast<int64_t>(place.size()), width}, type, DeviceKind::cpu);
    for (size_t i = 0; i < source.size(); ++i)
      std::copy_n(qkv.data<char>() + static_cast<size_t>(source[i]) * row, row, part.data<char>() + i * row);
    const Layout l{ints(offsets), ints(prefix), ints(place), c.mask, &cache};
    const Tensor y = attention(part, c.heads, l, 1, c.rope);
    for (size_t i = 0; i < source.size(); ++i)
      ASSERT_EQ(row_bytes(y, static_cast<int64_t>(i), static_cast<int64_t>(i) + 1),
                row_bytes(whole, source[i], source[i] + 1))
          << "row " << source[i] << ", turn " << turn << ", heads of " << c.d;
    cache.advance(l.offsets);
    for (size_t s = 0; s < 5; ++s) done[s] += offsets[s + 1] - offsets[s];
  }
}
TEST(Attention, DecodingWithTheCacheGivesTheBitsOfTheWholeForward) {
  for (const Case& c : cases())
    if (c.mask != Mask::full && c.d != 6)
      for (const DType t : {DType::f32, DType::bf16}) decode(c, t);
  decode({{2, 1}, 8, Mask::prefix, 10000}, DType::f64);
}
TEST(Attention, ATextHasTheSameBitsAloneAndInABatch) {
  for (const Case& c : cases()) {
    const int64_t width = (c.heads.query + 2 * c.heads.kv) * c.d;
    const Tensor qkv = cast(noise({kRows, width}, 9), DType::f32);
    const Tensor all = attention(qkv, c.heads, layout(c.mask), 0, c.rope);
    for (size_t s = 0; s < 5; ++s) {
      const int32_t begin = kOffsets[s], n = kOffsets[s + 1] - begin;
      if (n == 0) continue;
      const Layout l{ints({0, n}), ints({kPrefix[s]}), ints(places({0, n}, n)), c.mask};
      ASSERT_EQ(bytes(attention(qkv.rows(begin, begin + n), c.heads, l, 0, c.rope)),
                row_bytes(all, begin, begin + n));
    }
  }
}
// slots[s] after reorder(parents) must continue as slot parents[s] would have.
TEST(Attention, ReorderedSlotsGoOnAsTheirParents) {
  const Heads hs{2, 1};
  const int64_t d = 20, width = 4 * d, slots = 6;
  for (const DType type : {DType::f32, DType::bf16, DType::f64}) {
    const Tensor first = cast(noise({60, width}, 1), type), next = cast(noise({1, width}, 2), type);
    auto filled = [&] {  // slot s holds 3 + 5 s tokens: within, on and beyond a panel
      Cache cache(2, slots, 40, d, type, DeviceKind::cpu);
      for (int32_t s = 0; s < slots; ++s) {
        Ints offsets(slots + 1, 0);
        const int32_t n = 3 + 5 * s;
        for (size_t i = static_cast<size_t>(s) + 1; i < offsets.size(); ++i) offsets[i] = n;
        Ints place(static_cast<size_t>(n));
        for (int32_t i = 0; i < n; ++i) place[static_cast<size_t>(i)] = i;
        const Layout l{ints(offsets), ints(Ints(slots)), ints(place), Mask::causal, &cache};
        for (int layer = 0; layer < 2; ++layer) attention(first.rows(2 * s, 2 * s + n), hs, l, layer, 100);
        cache.advance(l.offsets);
      }
      return cache;
    };
    auto step = [&](Cache& cache, int32_t slot) {  // one more token in that slot, in both layers
      Ints offsets(slots + 1, 0);
      for (size_t i = static_cast<size_t>(slot) + 1; i < offsets.size(); ++i) offsets[i] = 1;
      const Layout l{ints(offsets), ints(Ints(slots)), ints({cache.used.data<int32_t>()[slot]}), Mask::causal,
                     &cache};
      return bytes(attention(next, hs, l, 0, 100)) + bytes(attention(next, hs, l, 1, 100));
    };
    for (const Ints& parents : {Ints{0, 1, 2, 3, 4, 5}, Ints{1, 0, 2, 5, 3, 4}, Ints{5, 5, 0, 0, 1, 1},
                                Ints{3, 3, 3, 3, 3, 3}, Ints{1, 2, 3, 4, 5, 0}}) {
      Cache old = filled(), cache = filled();
      cache.reorder(parents);
      for (int32_t s = 0; s < slots; ++s) {
        const int32_t p = parents[static_cast<size_t>(s)];
        EXPECT_EQ(cache.used.data<int32_t>()[s], 3 + 5 * p);
        EXPECT_EQ(step(cache, s), step(old, p)) << "slot " << s << " from " << p;
      }
    }
    Cache cache = filled(), fresh(2, slots, 40, d, type, DeviceKind::cpu);
    cache.clear(2);
    EXPECT_EQ(step(cache, 2), step(fresh, 2));
    EXPECT_THROW(cache.reorder(Ints{0, 1}), Error);
    EXPECT_THROW(cache.reorder(Ints{0, 1, 2, 3, 4, 6}), Error);
    EXPECT_THROW(cache.clear(6), Error);
  }
}
TEST(Attention, RefusesOffsetsThatDoNotRiseFromZeroWithinTheRows) {
  const Tensor qkv = noise({9, 24}, 1), q = noise({9, 8}, 2), kv = noise({9, 16}, 3);
  const Heads hs{2, 2};
  const Layout right{ints({0, 4, 9}), {}, ints(Ints(9)), Mask::causal};
  struct Wrong {
    Ints offsets;
    std::string said;
  };
  for (const auto& [offsets, said] : std::vector<Wrong>{{{1, 4, 9}, "the first text begins at row 1, not 0"},
                                                        {{0, 10, 4}, "text 0 is rows 0..10 of 9"},
                                                        {{0, 6, 4}, "text 1 is rows 6..4 of 9"},
                                                        {{0, -1, 4}, "text 0 is rows 0..-1 of 9"}}) {
    Layout wrong = right;
    wrong.offsets = ints(offsets);
    EXPECT_EQ(error_of([&] { attention(qkv, hs, wrong, 0, 0); }), "attention: " + said);
    EXPECT_EQ(error_of([&] { cross_attention(q, kv, hs, wrong, right); }),
              "cross_attention, queries: " + said);
    EXPECT_EQ(error_of([&] { cross_attention(q, kv, hs, right, wrong); }),
              "cross_attention, memory: " + said);
    EXPECT_EQ(error_of([&] { pool(q, wrong, Pooling::mean); }), "pool: " + said);
  }
  Cache cache(1, 3, 20, 8, DType::f64, DeviceKind::cpu);
  Layout cached = right;
  cached.cache = &cache;
  EXPECT_EQ(error_of([&] { attention(qkv, hs, cached, 0, 0); }),
            "attention: 2 texts, but the cache has 3 slots");
}
// What is too short or of another type would be read beyond its end, or as other numbers.
TEST(Attention, RefusesLayoutsOfOtherTypesAndSizes) {
  const Tensor qkv = noise({9, 24}, 1), q = noise({9, 8}, 2), kv = noise({9, 16}, 3);
  const Heads hs{2, 2};
  const Layout right{ints({0, 4, 9}), ints({2, 3}), ints(Ints(9)), Mask::prefix};
  EXPECT_EQ(error_of([&] { attention(qkv, hs, right, 0, 0); }), "");
  for (const Tensor& offsets : {Tensor(), ints({0}), noise({3}, 4)}) {
    Layout wrong = right;
    wrong.offsets = offsets;
    const std::string said = ": the offsets must be i32 and name at least one text";
    EXPECT_EQ(error_of([&] { attention(qkv, hs, wrong, 0, 0); }), "attention" + said);
    EXPECT_EQ(error_of([&] { cross_attention(q, kv, hs, wrong, right); }), "cross_attention, queries" + said);
    EXPECT_EQ(error_of([&] { cross_attention(q, kv, hs, right, wrong); }), "cross_attention, memory" + said);
    EXPECT_EQ(error_of([&] { pool(q, wrong, Pooling::mean); }), "pool" + said);
  }
  for (const Tensor& prefix : {Tensor(), ints({2}), ints({2, 3, 0}), noise({2}, 4)}) {
    Layout wrong = right;
    wrong.prefix = prefix;
    expect_error([&] { attention(qkv, hs, wrong, 0, 0); }, "a prefix for each of 2 texts");
    wrong.mask = Mask::causal;  // does not look at it
    EXPECT_EQ(error_of([&] { attention(qkv, hs, wrong, 0, 0); }), "");
  }
  for (const Tensor& positions : {Tensor(), ints(Ints(8)), noise({9}, 4)}) {
    Layout wrong = right;
    wrong.positions = positions;
    expect_error([&] { attention(qkv, hs, wrong, 0, 0); }, "a position for each of 9 rows");
  }
}
TEST(Attention, RefusesWhatDoesNotFit) {
  const Layout l = layout(Mask::causal);
  EXPECT_THROW(attention(noise({kRows, 24}, 1), {3, 2}, l, 0), Error);
  EXPECT_THROW(attention(noise({kRows, 25}, 1), {2, 2}, l, 0), Error);
  // 3 is odd: it cannot be split into pairs
  EXPECT_THROW(attention(noise({kRows, 18}, 1), {2, 2}, l, 0, 100), Error);
  EXPECT_THROW(attention(noise({kRows + 1, 24}, 1), {2, 2}, l, 0), Error);
  Cache cache(1, 5, 20, 8, DType::f64, DeviceKind::cpu);
  Layout full = l;
  full.cache = &cache;
  EXPECT_THROW(attention(noise({kRows, 24}, 1), {2, 2}, full, 0), Error);  // 21 tokens, 20 places
  EXPECT_THROW(cross_attention(noise({kRows, 8}, 1), noise({kRows, 12}, 2), {2, 2}, l, l), Error);
  EXPECT_THROW(
      cross_attention(noise({kRows, 8}, 1), noise({kRows, 16}, 2), {2, 2}, l, Layout{ints({0, 1}), {}, {}}),
      Error);
}
}  // namespace
}  // namespace rum::attention_test
