// What the Error that a call throws says.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/error.h"

namespace rum {
// The message of an error of this kind, or "" if the call throws none.
template <class Kind = Error>
std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Kind& e) {
    return e.what();
  }
  return "";
}
inline void expect_error(const std::function<void()>& f, const std::string& part) {
  const std::string said = error_of(f);
  EXPECT_NE(said.find(part), std::string::npos) << "said: " << said << "\nexpected: " << part;
}
}  // namespace rum
