// A table of an experiment's TOML file, read key by key: each value is checked, and a key that was never read
// is reported as unknown.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/utf8.h"
#include "text/json_keys.h"
#include "text/toml.h"

namespace rum::experiment {
class Section : public JsonKeys {
 public:
  Section(const Toml& file, const Json* node, std::string path)
      : JsonKeys(node ? node->object() : nullptr),
        file_(file),
        node_(node),
        path_(std::move(path)) {
    if (node_ && node_->object() == nullptr) wrong("", "a table", *node_);
  }
  explicit operator bool() const { return node_ != nullptr; }
  Section table(const std::string& key) { return Section(file_, find(key), path(key)); }
  std::vector<Section> tables(const std::string& key) {
    std::vector<Section> out;
    const Json* list = find(key);
    if (list == nullptr) return out;
    if (list->array() == nullptr) wrong(key, "a list of tables", *list);
    for (size_t i = 0; i < list->array()->size(); ++i)
      out.emplace_back(file_, &(*list->array())[i], fmt::format("{}[{}]", path(key), i));
    return out;
  }
  using JsonKeys::read;
  void read(const std::string& key, std::string& to, bool required) {
    if (!read(key, to) && required) missing(key);
    if (required && to.empty()) wrong(key, "a text that is not empty", Json(to));
  }
  template <class T>
  requires std::is_arithmetic_v<T>
  void read(const std::string& key, T& to, double low, double high, bool required = false) {
    using Wide = std::conditional_t<std::is_integral_v<T>, int64_t, double>;
    Wide v = 0;
    if (JsonKeys::read(key, v, static_cast<Wide>(low), static_cast<Wide>(high)))
      to = static_cast<T>(v);
    else if (required)
      missing(key);
  }
  void read(const std::string& key, std::vector<double>& to, double low, double high) {
    const Json* j = find(key);
    if (j == nullptr) return;
    if (j->array() == nullptr || j->array()->empty()) wrong(key, "a list of numbers", *j);
    to.clear();
    for (const Json& x : *j->array()) {
      double v = 0;
      if (!x.number(v) || !(v >= low && v <= high))
        wrong(key, fmt::format("numbers from {} to {}", low, high), x);
      to.push_back(v);
    }
  }
  void read(const std::string& key, std::vector<std::pair<std::string, std::string>>& to) {
    const Json* j = find(key);
    if (j == nullptr) return;
    const char* const expected = "a list of pairs [\"...\", \"...\"]";
    if (j->array() == nullptr || j->array()->empty()) wrong(key, expected, *j);
    for (const Json& x : *j->array()) to.push_back(pair(key, expected, x));
  }
  void read(const std::string& key, std::pair<std::string, std::string>& to) {
    if (const Json* j = find(key)) to = pair(key, "a pair [\"...\", \"...\"]", *j);
  }
  void done() const {  // FileError: a key that was never read
    if (const std::string* key = unknown())
      throw FileError(file_.place(path(*key)) + "unknown key " + path(*key) + known_names(*key, known()));
  }
  std::vector<std::string> keys() const {
    std::vector<std::string> out;
    if (node_)
      for (const auto& [key, _] : *node_->object()) out.push_back(key);
    return out;
  }
  const Json* node() const { return node_; }
  std::string path(const std::string& key) const {
    if (path_.empty()) return key;
    return key.empty() ? path_ : path_ + "." + key;
  }
  std::string place(const std::string& key) const { return file_.place(path(key)); }
  [[noreturn]] void wrong(const std::string& key, const std::string& expected,
                          const Json& found) const override {
    throw FileError(fmt::format("{}{}: expected {}, found {}", place(key), path(key), expected,
                                shortened(to_json(found), 80)));
  }

 private:
  std::pair<std::string, std::string> pair(const std::string& key, const char* expected,
                                           const Json& x) const {
    const Json::Array* two = x.array();
    if (two == nullptr || two->size() != 2 || !two->at(0).text() || !two->at(1).text())
      wrong(key, expected, x);
    return {*two->at(0).text(), *two->at(1).text()};
  }
  [[noreturn]] void missing(const std::string& key) const {
    throw FileError(fmt::format("{}{} is missing", file_.place(path_), path(key)));
  }
  const Toml& file_;
  const Json* node_;
  std::string path_;
};

template <class Map>
std::vector<std::string> keys_of(const Map& map) {
  std::vector<std::string> out;
  for (const auto& [key, _] : map) out.push_back(key);
  return out;
}
// FileError with a suggestion unless the name is known.
template <class Names>
void check_name(const std::string& place, const char* what, const std::string& name, const Names& known) {
  if (std::find(known.begin(), known.end(), name) != known.end()) return;
  const std::vector<std::string> names(known.begin(), known.end());
  throw FileError(fmt::format("{}no {} \"{}\"{}", place, what, name, known_names(name, names)));
}
}  // namespace rum::experiment
