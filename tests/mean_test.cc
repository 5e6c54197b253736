// Means and quantiles, by hand.
#include "base/mean.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace rum::mean_test {
namespace {
TEST(Mean, AndQuantiles) {
  EXPECT_EQ(mean(std::vector<double>{1, 2, 6}), 3);
  EXPECT_TRUE(std::isnan(mean({})));
  EXPECT_EQ(quantile(std::vector<int>{0, 10, 20, 30}, 0.25), 7.5);
  EXPECT_EQ(quantile(std::vector<double>{4}, 0.975), 4);
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
}
}  // namespace
}  // namespace rum::mean_test
