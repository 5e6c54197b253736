// JSON that strangers write, read strictly: duplicate keys, depth and size are refused while reading. Objects
// keep the order of their keys. json.cc is the one file that includes nlohmann-json.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace rum {
struct Json {
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;
  std::variant<std::nullptr_t, bool, int64_t, uint64_t, double, std::string, Array, Object> value = nullptr;

  Json() = default;
  Json(bool v) : value(v) {}
  Json(int v) : value(int64_t{v}) {}
  Json(int64_t v) : value(v) {}
  Json(uint64_t v) : value(v) {}
  Json(double v) : value(v) {}
  Json(const char* v) : value(std::string(v)) {}
  Json(std::string v) : value(std::move(v)) {}
  Json(std::string_view v) : value(std::string(v)) {}
  Json(Array v) : value(std::move(v)) {}
  Json(Object v) : value(std::move(v)) {}

  bool is_null() const { return value.index() == 0; }
  const Array* array() const { return std::get_if<Array>(&value); }
  const Object* object() const { return std::get_if<Object>(&value); }
  const std::string* text() const { return std::get_if<std::string>(&value); }
  const bool* boolean() const { return std::get_if<bool>(&value); }
  bool whole(int64_t& out) const;            // an integer that fits
  bool number(double& out) const;            // any number
  const Json* find(std::string_view) const;  // of an object; null when absent
};
struct JsonLimits {
  int depth = 32;
  size_t bytes = size_t{1} << 30;
  size_t values = SIZE_MAX;  // numbers, strings, arrays, objects: each takes some 100 bytes of memory
};
// FileError: `name`, byte offset, what was expected, what was found.
Json parse_json(std::string_view text, const std::string& name, JsonLimits = {});
// indent < 0: one line. Numbers round-trip; infinite ones become "inf" and "-inf", NaN null; bytes that are
// not UTF-8 become U+FFFD.
std::string to_json(const Json&, int indent = -1);
}  // namespace rum
