#include "text/json.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/error.h"
#include "base/utf8.h"

namespace rum {
namespace {
// Builds the tree while reading, so that what is refused is refused before it is stored.
class Builder {
 public:
  using Base = nlohmann::json;
  Builder(const std::string& name, JsonLimits limits) : name_(name), limits_(limits) {}
  bool null() { return put(Json()); }
  bool boolean(bool v) { return put(Json(v)); }
  bool number_integer(int64_t v) { return put(Json(v)); }
  bool number_unsigned(uint64_t v) {
    return put(v <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ? Json(static_cast<int64_t>(v))
                                                                               : Json(v));
  }
  bool number_float(double v, const std::string&) { return put(Json(v)); }
  bool string(std::string& v) { return put(Json(std::move(v))); }
  bool binary(Base::binary_t&) { return false; }
  bool start_object(size_t) { return open(Json(Json::Object())); }
  bool start_array(size_t) { return open(Json(Json::Array())); }
  bool key(std::string& k) {
    if (!keys_.back().insert(k).second)
      throw FileError(fmt::format("{}: the key \"{}\" appears twice in one object", name_, shortened(k, 80)));
    std::get<Json::Object>(stack_.back().value).emplace_back(std::move(k), Json());
    return true;
  }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool parse_error(size_t at, const std::string& token, const Base::exception& e) {
    std::string what = e.what();
    if (const size_t colon = what.rfind("; expected "); colon != std::string::npos)
      what = what.substr(colon + 2);
    else if (what.find("invalid string: surrogate") != std::string::npos)
      what = kHalfSurrogate;
    else
      what = "not JSON";
    const std::string_view read(token);
    size_t from = read.size() > 40 ? read.size() - 40 : 0;
    from -= unfinished_character(read.substr(0, from));
    const std::string_view found = read.substr(from);
    throw FileError(fmt::format("{}: byte {}: {}, found {}", name_, at, what,
                                found.empty() ? "the end" : to_json(Json(found))));
  }
  Json result;

 private:
  bool put(Json v) {
    if (++values_ > limits_.values)
      throw FileError(fmt::format("{}: more than {} values", name_, limits_.values));
    if (stack_.empty()) {
      result = std::move(v);
    } else if (auto* a = std::get_if<Json::Array>(&stack_.back().value)) {
      a->push_back(std::move(v));
    } else {
      std::get<Json::Object>(stack_.back().value).back().second = std::move(v);
    }
    return true;
  }
  bool open(Json v) {
    if (static_cast<int>(stack_.size()) >= limits_.depth)
      throw FileError(fmt::format("{}: more than {} levels of brackets", name_, limits_.depth));
    stack_.push_back(std::move(v));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    Json v = std::move(stack_.back());
    stack_.pop_back();
    keys_.pop_back();
    return put(std::move(v));
  }
  const std::string& name_;
  JsonLimits limits_;
  size_t values_ = 0;
  std::vector<Json> stack_;
  std::vector<std::unordered_set<std::string>> keys_;
};

void write(const Json& j, int indent, int depth, std::string& out) {
  auto line = [&](int d) {
    if (indent >= 0) {
      out += '\n';
      out.append(static_cast<size_t>(indent * d), ' ');
    }
  };
  if (const auto* a = j.array()) {
    out += '[';
    for (size_t i = 0; i < a->size(); ++i) {
      if (i) out += ',';
      line(depth + 1);
      write((*a)[i], indent, depth + 1, out);
    }
    if (!a->empty()) line(depth);
    out += ']';
  } else if (const auto* o = j.object()) {
    out += '{';
    for (size_t i = 0; i < o->size(); ++i) {
      if (i) out += ',';
      line(depth + 1);
      write(Json((*o)[i].first), -1, 0, out);
      out += indent >= 0 ? ": " : ":";
      write((*o)[i].second, indent, depth + 1, out);
    }
    if (!o->empty()) line(depth);
    out += '}';
  } else if (const auto* t = j.text()) {
    out += nlohmann::json(*t).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  } else if (const auto* b = j.boolean()) {
    out += *b ? "true" : "false";
  } else if (const auto* d = std::get_if<double>(&j.value)) {
    if (std::isnan(*d))
      out += "null";
    else if (std::isinf(*d))
      out += fmt::format("\"{}\"", *d);
    else
      out += fmt::format("{}", *d);
  } else if (const auto* i = std::get_if<int64_t>(&j.value)) {
    out += fmt::format("{}", *i);
  } else if (const auto* u = std::get_if<uint64_t>(&j.value)) {
    out += fmt::format("{}", *u);
  } else {
    out += "null";
  }
}
std::string shown(const Json& j) { return shortened(to_json(j), 100); }  // for messages
}  // namespace

Json::Json() = default;
Json::Json(bool v) : value(v) {}
Json::Json(int v) : value(int64_t{v}) {}
Json::Json(int64_t v) : value(v) {}
Json::Json(uint64_t v) : value(v) {}
Json::Json(double v) : value(v) {}
Json::Json(const char* v) : value(std::string(v)) {}
Json::Json(std::string v) : value(std::move(v)) {}
Json::Json(std::string_view v) : value(std::string(v)) {}
Json::Json(Array v) : value(std::move(v)) {}
Json::Json(Object v) : value(std::move(v)) {}
Json::Json(const Json&) = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(const Json&) = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;

bool Json::whole(int64_t& out) const {
  const auto* i = std::get_if<int64_t>(&value);
  if (i) out = *i;
  return i != nullptr;
}
bool Json::number(double& out) const {
  if (const auto* d = std::get_if<double>(&value)) {
    out = *d;
    return true;
  }
  if (const auto* u = std::get_if<uint64_t>(&value)) {
    out = static_cast<double>(*u);
    return true;
  }
  int64_t i = 0;
  if (!whole(i)) return false;
  out = static_cast<double>(i);
  return true;
}
const Json* Json::find(std::string_view key) const {
  if (const Object* o = object())
    for (const auto& [k, v] : *o)
      if (k == key) return &v;
  return nullptr;
}
JsonFields::JsonFields(const Json& object, std::string name) : object_(object), name_(std::move(name)) {
  if (!object.object())
    throw FileError(fmt::format("{}: expected an object, found {}", name_, shown(object)));
}
const Json& JsonFields::at(std::string_view key) const {
  if (const Json* found = object_.find(key)) return *found;
  throw FileError(fmt::format("{}: \"{}\" is missing", name_, key));
}
void JsonFields::refuse(std::string_view key, std::string_view expected) const {
  throw FileError(fmt::format("{}: \"{}\": expected {}, found {}", name_, key, expected, shown(at(key))));
}
JsonFields JsonFields::object(std::string_view key) const {
  return {at(key), fmt::format("{}: \"{}\"", name_, key)};
}
const Json::Array& JsonFields::array(std::string_view key) const {
  if (const Json::Array* found = at(key).array()) return *found;
  refuse(key, "an array");
}
std::vector<JsonFields> JsonFields::objects(std::string_view key) const {
  std::vector<JsonFields> out;
  for (const Json& item : array(key))
    out.emplace_back(item, fmt::format("{}: \"{}\"[{}]", name_, key, out.size()));
  return out;
}
std::vector<double> JsonFields::numbers(std::string_view key) const {
  std::vector<double> out;
  for (const Json& item : array(key)) {
    double v = 0;
    if (!item.number(v) || !std::isfinite(v)) refuse(key, "numbers");
    out.push_back(v);
  }
  return out;
}
const std::string& JsonFields::text(std::string_view key) const {
  if (const std::string* found = at(key).text()) return *found;
  refuse(key, "a text");
}
bool JsonFields::boolean(std::string_view key) const {
  if (const bool* found = at(key).boolean()) return *found;
  refuse(key, "true or false");
}
int64_t JsonFields::whole(std::string_view key) const {
  int64_t v = 0;
  if (!at(key).whole(v)) refuse(key, "a whole number");
  return v;
}
double JsonFields::number(std::string_view key) const {
  double v = 0;
  if (!at(key).number(v) || !std::isfinite(v)) refuse(key, "a number");
  return v;
}

Json parse_json(std::string_view text, const std::string& name, JsonLimits limits) {
  if (text.size() > limits.bytes)
    throw FileError(
        fmt::format("{}: {} bytes of JSON, at most {} are read", name, text.size(), limits.bytes));
  // The library takes a NUL for the end, so that anything could follow it.
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos)
    throw FileError(fmt::format("{}: byte {}: a NUL byte, which JSON never holds", name, nul));
  // Newer versions of the library have another sentence for a text with nothing in it.
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    throw FileError(
        fmt::format("{}: byte {}: expected '[', '{{', or a literal, found the end", name, text.size() + 1));
  Builder builder(name, limits);
  nlohmann::json::sax_parse(text, &builder);
  return std::move(builder.result);
}
std::string to_json(const Json& j, int indent) {
  std::string out;
  write(j, indent, 0, out);
  return out;
}
}  // namespace rum
