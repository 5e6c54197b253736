#include "text/json_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace rum {
bool whole_number(const Json& j, int64_t& to) {
  constexpr double kExact = 0x1p53;
  if (j.whole(to)) return true;
  double v = 0;
  if (!j.number(v) || v != std::floor(v) || std::abs(v) > kExact) return false;
  to = static_cast<int64_t>(v);
  return true;
}
const Json* JsonKeys::find(const std::string& key) {
  known_.push_back(key);
  if (object_ == nullptr) return nullptr;
  for (const auto& [name, value] : *object_)
    if (name == key) return null_is_missing_ && value.is_null() ? nullptr : &value;
  return nullptr;
}
bool JsonKeys::read(const std::string& key, std::string& to) {
  const Json* found = find(key);
  if (found == nullptr) return false;
  if (found->text() == nullptr) wrong(key, "a text", *found);
  to = *found->text();
  return true;
}
bool JsonKeys::read(const std::string& key, bool& to) {
  const Json* found = find(key);
  if (found == nullptr) return false;
  if (found->boolean() == nullptr) wrong(key, "true or false", *found);
  to = *found->boolean();
  return true;
}
bool JsonKeys::read(const std::string& key, int64_t& to, int64_t low, int64_t high) {
  const Json* found = find(key);
  if (found == nullptr) return false;
  int64_t v = 0;
  if (!whole_number(*found, v)) wrong(key, "a whole number", *found);
  if (v < low || v > high) wrong(key, fmt::format("a whole number from {} to {}", low, high), *found);
  to = v;
  return true;
}
bool JsonKeys::read(const std::string& key, double& to, double low, double high) {
  const Json* found = find(key);
  if (found == nullptr) return false;
  double v = 0;
  if (!found->number(v)) wrong(key, "a number", *found);
  if (!(v >= low && v <= high)) wrong(key, fmt::format("a number from {:g} to {:g}", low, high), *found);
  to = v;
  return true;
}
bool JsonKeys::read(const std::string& key, std::vector<std::string>& to, bool one_alone) {
  const Json* found = find(key);
  if (found == nullptr) return false;
  const char* const expected = one_alone ? "a text or a list of texts" : "a list of texts";
  std::vector<std::string> out;
  if (one_alone && found->text() != nullptr) {
    out.push_back(*found->text());
  } else {
    if (found->array() == nullptr) wrong(key, expected, *found);
    for (const Json& item : *found->array()) {
      if (item.text() == nullptr) wrong(key, expected, *found);
      out.push_back(*item.text());
    }
  }
  to = std::move(out);
  return true;
}
const std::string* JsonKeys::unknown() const {
  if (object_ == nullptr) return nullptr;
  for (const auto& [key, value] : *object_)
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) return &key;
  return nullptr;
}
}  // namespace rum
