// The README's first program prints what the README shows and what calculus gives.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

#define main hello
#include "tools/examples/hello.cc"
#undef main

TEST(Hello, PrintsTheGradients) {
  const auto gelu = [](double z) {
    return z / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (z + 0.044715 * z * z * z)));
  };
  const double z = 1 * 0.5 - 2 * 0.25 + 3 * 0.125, h = 1e-6, slope = (gelu(z + h) - gelu(z - h)) / (2 * h);
  const double x[] = {1, 2, 3}, w[] = {0.5, -0.25, 0.125};
  char line[100];
  std::snprintf(line, sizeof line, "y = gelu(x w') = %.4f\n", gelu(z));
  std::string expected = line;
  for (int i = 0; i < 3; ++i) {
    std::snprintf(line, sizeof line, "dy/dw[%d] = %.4f   dy/dx[%d] = %.4f\n", i, slope * x[i], i,
                  slope * w[i]);
    expected += line;
  }
  testing::internal::CaptureStdout();
  EXPECT_EQ(hello(), 0);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), expected);
}
