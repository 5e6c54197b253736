// A text with the first occurrence of a part replaced; a text without it fails the test.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace rum {
inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << "not found: " << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}
}  // namespace rum
