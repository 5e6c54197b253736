// Reading the JSON head of a detector's file: every key must be there and of its type, or FileError.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "text/json.h"

namespace rum::detect {
inline const Json& member(const Json& head, const char* key, const std::string& path) {
  const Json* found = head.find(key);
  if (!found) throw FileError(fmt::format("{}: the detector's head has no \"{}\"", path, key));
  return *found;
}
[[noreturn]] inline void wrong_type(const char* key, const char* expected, const std::string& path) {
  throw FileError(fmt::format("{}: \"{}\" in the detector's head: expected {}", path, key, expected));
}
inline int64_t whole(const Json& head, const char* key, const std::string& path) {
  int64_t n = 0;
  if (!member(head, key, path).whole(n)) wrong_type(key, "an integer", path);
  return n;
}
inline double real(const Json& head, const char* key, const std::string& path) {
  double x = 0;
  if (!member(head, key, path).number(x) || !std::isfinite(x)) wrong_type(key, "a number", path);
  return x;
}
template <class T>
const T& as(const Json& head, const char* key, const std::string& path) {
  if (const T* found = std::get_if<T>(&member(head, key, path).value)) return *found;
  wrong_type(key, "another type", path);
}
inline std::vector<double> reals(const Json& head, const char* key, const std::string& path) {
  std::vector<double> out;
  for (const Json& item : as<Json::Array>(head, key, path)) {
    double x = 0;
    if (!item.number(x)) wrong_type(key, "numbers", path);
    out.push_back(x);
  }
  return out;
}
}  // namespace rum::detect
