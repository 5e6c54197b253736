// hash64 against an independent XXH64's values, for lengths around the 32-byte stripe, whole and in pieces.
#include "base/hash.h"

#include <gtest/gtest.h>

namespace rum::hash_test {
namespace {
std::string bytes(size_t n) {  // i * 7 mod 256
  std::string out(n, '\0');
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<char>(i * 7 % 256);
  return out;
}
std::string rising(size_t n) {
  std::string out(n, '\0');
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<char>(i);
  return out;
}
struct Vector {
  std::string input;
  const char *seed_0, *seed_12345678901;
};
std::vector<Vector> vectors() {
  return {{"", "ef46db3751d8e999", "0518bc2785f03451"},
          {"a", "d24ec4f1a98c6e5b", "3453bda5d0d22a4f"},
          {"abc", "44bc2cf5ad770999", "27c37b0a1c089487"},
          {rising(31), "c346d2b59b4d8ee1", "4eff1c3e4ec4c99a"},
          {rising(32), "cbf59c5116ff32b4", "501e6eb9c8643973"},
          {rising(33), "0c535d1acafb8ead", "18b4931d4f16bd8b"},
          {bytes(1000), "25275608a9cfc168", "836bed94a2b019dc"}};
}
TEST(Hash, EqualsTheIndependentNumbers) {
  for (const auto& [input, plain, seeded] : vectors()) {
    EXPECT_EQ(hex64(hash64(input)), plain) << input.size();
    EXPECT_EQ(hex64(hash64(input, 12345678901u)), seeded) << input.size();
  }
}
TEST(Hash, PiecesMakeNoDifference) {
  const std::string all = bytes(300);
  for (size_t first = 0; first <= 70; ++first)
    for (size_t second = 0; second <= 70; ++second) {
      Hash64 hash;
      hash.add(std::string_view(all).substr(0, first));
      hash.add(std::string_view(all).substr(first, second));
      (void)hash.value();
      hash.add(std::string_view(all).substr(first + second));
      ASSERT_EQ(hash.value(), hash64(all)) << first << ", " << second;
    }
}
}  // namespace
}  // namespace rum::hash_test
