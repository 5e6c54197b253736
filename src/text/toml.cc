#include "text/toml.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/terminal.h"
#include "base/utf8.h"
#include "text/unicode.h"
#define NDEBUG  // toml++ 3.3 has assertions that a malformed file trips; without them it reports an error
#include <toml++/toml.h>

namespace rum {
namespace {
// toml++ 3.3 runs off the end of its table of spaces when some characters (U+00E4, U+FCFF) stand outside
// of quotes. So it is given each byte beyond ASCII as the private character U+10FF00 + byte, and its
// texts are turned back.
std::string hide(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (const auto byte = static_cast<uint8_t>(c); byte < 0x80)
      out += c;
    else
      append_utf8(out, char32_t{0x10FF00} + byte);
  return out;
}
std::string show(std::string_view text) {
  std::string out;
  for (const char *p = text.data(), *end = p + text.size(); p < end;) {
    const Character c = decode_utf8(p, end);
    if (c.code >= 0x10FF80 && c.code < kNotUtf8)
      out += static_cast<char>(c.code & 0xFF);
    else
      out.append(p, static_cast<size_t>(c.bytes));
    p += c.bytes;
  }
  return out;
}
// toml++ and what walks its tree go down once for each part of a dotted key. The line of a key of more than
// kDeepest parts, or 0.
constexpr int kDeepest = 64;
int64_t line_of_deep_key(std::string_view text) {
  int64_t line = 1;
  int dots = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' || c == '\'') {  // a text: to its closing quotes
      const bool three = text.substr(i, 3) == std::string(3, c);
      const std::string quotes(three ? 3 : 1, c);
      for (i += quotes.size(); i < text.size() && text.substr(i, quotes.size()) != quotes; ++i) {
        if (!three && text[i] == '\n') break;
        i += c == '"' && text[i] == '\\';
        line += i < text.size() && text[i] == '\n';
      }
      i += three ? 2 : 0;
    } else if (c == '#') {
      i = std::min(text.find('\n', i), text.size()) - 1;
    } else if (c == '.') {
      if (++dots >= kDeepest) return line;
    } else if (c == '\n' || c == '=' || c == ',' || c == '[' || c == ']' || c == '{' || c == '}') {
      dots = 0;
      line += c == '\n';
    }
    if (i < text.size() && text[i] == '\n' && c != '\n') {
      dots = 0;
      ++line;
    }
  }
  return 0;
}
// Keys and texts become names of folders, arms and the like, which appear in messages, logs and scripts.
void check_text(const std::string& text, int64_t line, const std::string& path, const Toml& file) {
  if (!has_controls(text)) return;
  throw FileError(fmt::format("{}:{}: {}: expected a text without control characters, found {}", file.name,
                              line, path, shortened(to_json(Json(text)), 80)));
}
Json convert(const toml::node& v, const std::string& path, Toml& out) {
  const auto line = static_cast<int64_t>(v.source().begin.line);
  out.lines[path] = line;
  if (const auto* table = v.as_table()) {
    Json::Object object;
    std::vector<std::pair<int64_t, size_t>> order;  // toml++ sorts by name
    for (const auto& [k, sub] : *table) {
      const std::string key = show(k.str());
      check_text(key, static_cast<int64_t>(k.source().begin.line), path.empty() ? "a key" : path, out);
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
  if (const auto* s = v.as_string()) {
    std::string text = show(s->get());
    check_text(text, line, path, out);
    return Json(std::move(text));
  }
  if (const auto* i = v.as_integer()) return Json(int64_t{i->get()});
  if (const auto* d = v.as_floating_point()) {
    if (!std::isfinite(d->get()))
      throw FileError(
          fmt::format("{}:{}: {}: expected a finite number, found {}", out.name, line, path, d->get()));
    return Json(d->get());
  }
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
  if (const auto why = other_encoding(text)) throw FileError(fmt::format("{}: {}", name, *why));
  if (const size_t bad = find_invalid_utf8(text); bad != std::string::npos)
    throw FileError(
        fmt::format("{}:{}: not UTF-8", name,
                    1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(bad), '\n')));
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // a byte order mark
  if (const int64_t line = line_of_deep_key(text))
    throw FileError(fmt::format("{}:{}: a key of more than {} parts", name, line, kDeepest));
  Toml out{name, {}, {}};
  try {
    out.tree = convert(toml::parse(hide(text), name), "", out);
  } catch (const toml::parse_error& e) {
    throw FileError(fmt::format("{}:{}: {}", name, e.source().begin.line, show(e.description())));
  }
  return out;
}
}  // namespace rum
