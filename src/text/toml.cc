#include "text/toml.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#define NDEBUG  // toml++ 3.3 has assertions that a malformed file trips; without them it reports an error
#include <toml++/toml.h>

namespace rum {
namespace {
Json convert(const toml::node& v, const std::string& path, Toml& out) {
  const auto line = static_cast<int64_t>(v.source().begin.line);
  out.lines[path] = line;
  if (const auto* table = v.as_table()) {
    Json::Object object;
    std::vector<std::pair<int64_t, size_t>> order;  // toml++ sorts by name
    for (const auto& [k, sub] : *table) {
      const std::string key(k.str());
      order.emplace_back(static_cast<int64_t>(k.source().begin.line), object.size());
      object.emplace_back(key, convert(sub, path.empty() ? key : path + "." + key, out));
    }
    std::stable_sort(order.begin(), order.end());
    Json::Object sorted;
    for (const auto& [l, i] : order) sorted.push_back(std::move(object[i]));
    return Json(std::move(sorted));
  }
  if (const auto* array = v.as_array()) {
    Json::Array items;
    for (const toml::node& item : *array)
      items.push_back(convert(item, fmt::format("{}[{}]", path, items.size()), out));
    return Json(std::move(items));
  }
  if (const auto* s = v.as_string()) return Json(s->get());
  if (const auto* i = v.as_integer()) return Json(int64_t{i->get()});
  if (const auto* d = v.as_floating_point()) return Json(d->get());
  if (const auto* b = v.as_boolean()) return Json(b->get());
  throw FileError(
      fmt::format("{}:{}: {} is a date or a time; expected a number, a text, true or false, or a list",
                  out.name, line, path));
}
}  // namespace

std::string Toml::place(const std::string& path) const {
  const auto at = lines.find(path);
  return at == lines.end() ? name + ": " : fmt::format("{}:{}: ", name, at->second);
}
Toml parse_toml(std::string_view text, const std::string& name) {
  Toml out{name, {}, {}};
  try {
    out.tree = convert(toml::parse(text, name), "", out);
  } catch (const toml::parse_error& e) {
    throw FileError(fmt::format("{}:{}: {}", name, e.source().begin.line, e.description()));
  }
  return out;
}
}  // namespace rum
