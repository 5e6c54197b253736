// One way to read a number.
#include "base/number.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

namespace rum::number_test {
namespace {
TEST(Number, IsTheWholeTextOrNone) {
  EXPECT_EQ(number_in<double>("-2.5e-1"), -0.25);
  EXPECT_EQ(number_in<double>("1e308"), 1e308);
  EXPECT_EQ(number_in<int64_t>("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(number_in<uint64_t>("ffffffffffffffff", 16), UINT64_MAX);
  EXPECT_TRUE(std::isinf(number_in<double>("inf").value()) && std::isnan(number_in<double>("nan").value()));
  for (const char* none : {"", " 1", "1 ", "+1", "1,5", "1.5x", "abc", "0x10", "1e999", "-1e999", "."})
    EXPECT_FALSE(number_in<double>(none)) << none;
  for (const char* none : {"", " 1", "1 ", "+1", "1.0", "1e3", "0x10", "9223372036854775808"})
    EXPECT_FALSE(number_in<int64_t>(none)) << none;
  EXPECT_FALSE(number_in<uint32_t>("-1"));
}
}  // namespace
}  // namespace rum::number_test
