// Attention against its definition (tests/formulas.cc): every mask, rotary positions or none, grouped
// queries, ragged and empty texts; and a cache that gives the bits of the whole forward.
#include "ops/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "formulas.h"

using namespace rum;
namespace {
Tensor ints(const std::vector<int>& v) {
  return Tensor::from<int32_t>(std::vector<int32_t>(v.begin(), v.end()), {static_cast<int64_t>(v.size())},
                               DType::i32);
}
Layout layout(const AttentionCase& c, int rows) {
  Layout l;
  l.offsets = ints(c.offsets), l.prefix = ints(c.prefix), l.positions = ints(places(c, rows));
  l.mask = c.mask == 0 ? Mask::causal : c.mask == 1 ? Mask::full : Mask::prefix;
  return l;
}
TEST(Attention, EqualsItsDefinition) {
  double worst = 0;
  int count = 0;
  struct Form {
    int heads, kv, width;
  };
  struct Cut {
    int rows;
    std::vector<int> offsets, prefix;
  };
  const std::vector<Cut> cuts{{10, {0, 4, 9, 10, 10}, {2, 3, 0, 0}},
                              {1, {0, 1}, {1}},
                              {150, {0, 3, 3, 73, 149, 150}, {2, 0, 40, 76, 0}}};
  for (const Form f : {Form{2, 2, 4}, Form{4, 2, 6}, Form{3, 1, 2}, Form{2, 1, 34}})
    for (const Cut& cut : cuts)
      for (const int mask : {0, 1, 2})
        for (const double rope : {0.0, 10000.0, 50.0}) {
          const AttentionCase c{f.heads, f.kv, f.width, cut.offsets, cut.prefix, mask, rope, mask == 2};
          const Tensor qkv = noise({cut.rows, (f.heads + 2 * f.kv) * f.width}, 9);
          std::vector<double> numbers;
          for (int64_t i = 0; i < qkv.size(); ++i) numbers.push_back(qkv.at(i));
          const std::vector<double> truth = attention_by_definition(c, numbers, cut.rows);
          const Tensor y = attention(qkv, {f.heads, f.kv}, layout(c, cut.rows), 0, static_cast<float>(rope));
          ASSERT_EQ(static_cast<size_t>(y.size()), truth.size());
          for (int64_t i = 0; i < y.size(); ++i) {
            const double t = truth[static_cast<size_t>(i)];
            worst = std::max(worst, std::abs(y.at(i) - t) / (1 + std::abs(t)));
          }
          ++count;
        }
  EXPECT_LT(worst, 1e-12);
  std::printf("  %d forms of attention, worst %.1e\n", count, worst);
}
TEST(Attention, OfRowsInNoTextIsZero) {
  const AttentionCase c{2, 2, 4, {0, 3, 5}, {0, 0}, 0, 0, false};
  const Tensor y = attention(noise({8, 24}, 1), {2, 2}, layout(c, 8), 0, 0);
  for (int64_t i = 5 * 8; i < y.size(); ++i) EXPECT_EQ(y.at(i), 0);
}
// One text: its first tokens in one call, the others one by one; each row must have the whole forward's bits.
TEST(Attention, WithACacheHasTheBitsOfTheWhole) {
  const int heads = 4, kv = 2, d = 8, rows = 13, prefix = 5, all = (heads + 2 * kv) * d;
  for (const DType t : {DType::f32, DType::bf16, DType::f64})
    for (const int mask : {0, 2}) {
      std::vector<double> v;
      const Tensor from = noise({rows, all}, 3);
      for (int64_t i = 0; i < from.size(); ++i) v.push_back(from.at(i));
      const Tensor qkv = Tensor::from<double>(v, {rows, all}, t);
      const AttentionCase c{heads, kv, d, {0, rows}, {prefix}, mask, 100, false};
      const Tensor whole = attention(qkv, {heads, kv}, layout(c, rows), 0, 100);
      Cache cache(1, 1, rows, kv * d, t, DeviceKind::cpu);
      for (int at = 0; at < rows;) {
        const int n = at == 0 ? prefix : 1;
        Layout l;
        std::vector<int> place;
        for (int i = 0; i < n; ++i) place.push_back(at + i);
        l.offsets = ints({0, n}), l.prefix = ints({prefix}), l.positions = ints(place);
        l.mask = mask == 0 ? Mask::causal : Mask::prefix, l.cache = &cache;
        const Tensor y = attention(qkv.rows(at, at + n).clone(), {heads, kv}, l, 0, 100);
        cache.advance(l.offsets);
        EXPECT_EQ(std::memcmp(y.data<char>(), whole.rows(at, at + n).data<char>(),
                              static_cast<size_t>(y.size()) * size_of(t)),
                  0)
            << "rows from " << at << ", type " << static_cast<int>(t);
        at += n;
      }
      Layout more;
      more.offsets = ints({0, 1}), more.prefix = ints({prefix}), more.positions = ints({rows});
      more.cache = &cache;
      EXPECT_THROW(attention(qkv.rows(0, 1).clone(), {heads, kv}, more, 0, 100), Error);  // the slot is full
    }
}
TEST(Attention, RefusesHeadsThatDoNotFit) {
  const AttentionCase c{2, 2, 4, {0, 3}, {0}, 0, 0, false};
  const Tensor qkv = noise({3, 24}, 1);
  EXPECT_THROW(attention(qkv, {3, 2}, layout(c, 3), 0, 0), Error);
  EXPECT_THROW(attention(qkv, {0, 1}, layout(c, 3), 0, 0), Error);
  EXPECT_THROW(attention(qkv, {5, 5}, layout(c, 3), 0, 0), Error);
  EXPECT_THROW(attention(noise({4, 24}, 1), {2, 2}, layout(c, 3), 0, 0), Error);
}
}  // namespace
