// Attention against its definition (tests/formulas.cc): every mask, rotary positions or none, grouped
// queries, ragged and empty texts; and a cache that gives the bits of the whole forward.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "formulas.h"
#include "ops/attention.h"

namespace rum::attention_forms_test {
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
TEST(AttentionForms, EqualTheDefinition) {
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
}  // namespace
}  // namespace rum::attention_forms_test
