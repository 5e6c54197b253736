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

  // None of these is inline: what a variant of eight does is compiled once, in json.cc, and
  // not by every reader.
  Json();
  Json(bool);
  Json(int);
  Json(int64_t);
  Json(uint64_t);
  Json(double);
  Json(const char*);
  Json(std::string);
  Json(std::string_view);
  Json(Array);
  Json(Object);
  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  ~Json();

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
// What the FileError of a text that ends in the middle of a character says; some programs cut texts so.
inline constexpr const char* kHalfSurrogate = "half of a surrogate pair, which is no character";
// FileError: `name`, byte offset, what was expected, what was found.
Json parse_json(std::string_view text, const std::string& name, JsonLimits = {});
// An object whose fields are read by key. What is missing, or of another type, is a FileError: `name` (a
// file, and where in it), the key, what was expected and what was found.
class JsonFields {
 public:
  JsonFields(const Json& object, std::string name);  // the object outlives this
  const std::string& name() const { return name_; }
  bool has(std::string_view key) const { return object_.find(key) != nullptr; }
  const Json& at(std::string_view key) const;
  JsonFields object(std::string_view key) const;
  const Json::Array& array(std::string_view key) const;
  std::vector<JsonFields> objects(std::string_view key) const;  // of an array
  std::vector<double> numbers(std::string_view key) const;      // of an array
  const std::string& text(std::string_view key) const;
  bool boolean(std::string_view key) const;
  int64_t whole(std::string_view key) const;
  double number(std::string_view key) const;  // finite
  int64_t whole(std::string_view key, int64_t otherwise) const { return has(key) ? whole(key) : otherwise; }
  double number(std::string_view key, double otherwise) const { return has(key) ? number(key) : otherwise; }
  // FileError about a field that has the right type and a wrong value.
  [[noreturn]] void refuse(std::string_view key, std::string_view expected) const;

 private:
  const Json& object_;
  std::string name_;
};
// indent < 0: one line. Numbers round-trip; infinite ones become "inf" and "-inf", NaN null; bytes that are
// not UTF-8 become U+FFFD.
std::string to_json(const Json&, int indent = -1);
}  // namespace rum
