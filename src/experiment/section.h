// A table of an experiment's TOML file, read key by key: each value is checked, and a key that nobody asked for
// is an unknown one.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "text/toml.h"

namespace rum {
class Section {
 public:
  Section(const Toml& file, const Json* node, std::string path)
      : file_(file),
        node_(node),
        path_(std::move(path)) {
    if (node_ && node_->object() == nullptr) wrong("", "a table", *node_);
  }
  explicit operator bool() const { return node_ != nullptr; }
  const Json* find(const std::string& key) {
    known_.push_back(key);
    return node_ ? node_->find(key) : nullptr;
  }
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
  void read(const std::string& key, std::string& to, bool required = false) {
    const Json* j = value(key, required);
    if (j == nullptr) return;
    if (j->text() == nullptr) wrong(key, "a text", *j);
    to = *j->text();
  }
  void read(const std::string& key, bool& to) {
    const Json* j = value(key, false);
    if (j == nullptr) return;
    if (j->boolean() == nullptr) wrong(key, "true or false", *j);
    to = *j->boolean();
  }
  template <class T>
  void read(const std::string& key, T& to, double low, double high, bool required = false) {
    const Json* j = value(key, required);
    if (j == nullptr) return;
    double v = 0;
    int64_t whole = 0;
    if (std::is_integral_v<T> ? !j->whole(whole) : !j->number(v))
      wrong(key, std::is_integral_v<T> ? "a whole number" : "a number", *j);
    if (std::is_integral_v<T>) v = static_cast<double>(whole);
    if (!(v >= low && v <= high)) wrong(key, fmt::format("a number from {} to {}", low, high), *j);
    to = static_cast<T>(v);
  }
  void read(const std::string& key, std::vector<std::string>& to) {
    const Json* j = value(key, false);
    if (j == nullptr) return;
    if (j->array() == nullptr) wrong(key, "a list of texts", *j);
    to.clear();
    for (const Json& x : *j->array()) {
      if (x.text() == nullptr) wrong(key, "a list of texts", *j);
      to.push_back(*x.text());
    }
  }
  void read(const std::string& key, std::vector<double>& to, double low, double high) {
    const Json* j = value(key, false);
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
  void done() const {
    if (node_ == nullptr) return;
    for (const auto& [key, _] : *node_->object())
      if (std::find(known_.begin(), known_.end(), key) == known_.end())
        throw FileError(file_.place(path(key)) + "unknown key " + path(key) + did_you_mean(key, known_));
  }
  std::vector<std::string> keys() const {
    std::vector<std::string> out;
    if (node_)
      for (const auto& [key, _] : *node_->object()) out.push_back(key);
    return out;
  }
  const Json* node() const { return node_; }
  std::string path(const std::string& key) const {
    return path_.empty() ? key : key.empty() ? path_ : path_ + "." + key;
  }
  std::string place(const std::string& key) const { return file_.place(path(key)); }
  [[noreturn]] void wrong(const std::string& key, const std::string& expected, const Json& found) const {
    throw FileError(fmt::format("{}{}: expected {}, found {}", place(key), path(key), expected,
                                to_json(found).substr(0, 80)));
  }

 private:
  const Json* value(const std::string& key, bool required) {
    const Json* j = find(key);
    if (j == nullptr && required)
      throw FileError(fmt::format("{}{} is missing", file_.place(path_), path(key)));
    return j;
  }
  const Toml& file_;
  const Json* node_;
  std::string path_;
  std::vector<std::string> known_;
};

template <class Map>
std::vector<std::string> keys_of(const Map& map) {
  std::vector<std::string> out;
  for (const auto& [key, _] : map) out.push_back(key);
  return out;
}
// FileError with a did-you-mean unless the name is one of those that are known.
template <class Names>
void check_name(const std::string& place, const char* what, const std::string& name, const Names& known) {
  if (std::find(known.begin(), known.end(), name) != known.end()) return;
  const std::vector<std::string> names(known.begin(), known.end());
  throw FileError(fmt::format("{}no {} \"{}\"{}; there are {}", place, what, name, did_you_mean(name, names),
                              fmt::join(names, ", ")));
}
}  // namespace rum
