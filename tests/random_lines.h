// Random text for tests that compare a fast implementation with a slow one.
#pragma once
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace rum {
using Tokens = std::vector<int32_t>;
inline Tokens random_tokens(size_t n, int types, uint32_t seed) {  // Zipf-like
  std::mt19937 random(seed);
  Tokens out;
  for (size_t i = 0; i < n; ++i)
    out.push_back(static_cast<int32_t>(random() % (1 + random() % static_cast<uint32_t>(types))));
  return out;
}
inline std::vector<std::string> random_lines(size_t n, size_t longest, int types, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::string> out;
  for (size_t i = 0; i < n; ++i) {
    std::string line;
    for (const int32_t t : random_tokens(random() % (longest + 1), types, static_cast<uint32_t>(random())))
      line += (line.empty() ? "w" : " w") + std::to_string(t);
    out.push_back(line);
  }
  return out;
}
}  // namespace rum
