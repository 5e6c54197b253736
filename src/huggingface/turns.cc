#include "huggingface/turns.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "text/json.h"
#include "text/words.h"

namespace rum {
namespace {
// What tells one template from another.
struct Print {
  std::vector<std::string>
      texts;  // that it writes, in order: its literals but for roles, keys and complaints
  int strips = 0;
  bool plain = true;  // nothing but blanks stands outside of {{ }} and {% %}
  friend bool operator==(const Print&, const Print&) = default;
};
constexpr std::string_view kNames[] = {"role", "content", "system", "user", "assistant"};

// The literal that begins at text[at], a quotation mark; `at` goes behind it.
std::string literal(std::string_view text, size_t& at) {
  const char quote = text[at++];
  std::string out;
  for (; at < text.size() && text[at] != quote; ++at) {
    if (text[at] == '\\' && at + 1 < text.size()) {
      ++at;
      out += text[at] == 'n' ? '\n' : text[at] == 't' ? '\t' : text[at];
    } else {
      out += text[at];
    }
  }
  ++at;
  return out;
}
void read_tag(std::string_view tag, Print& print) {
  for (size_t at = 0; at < tag.size();) {
    const std::string_view rest = tag.substr(at);
    if (tag[at] == '\'' || tag[at] == '"') {
      const std::string_view before = without_trailing_blanks(tag.substr(0, at));
      const bool complaint = before.ends_with("raise_exception(");
      std::string text = literal(tag, at);
      if (!complaint && std::find(std::begin(kNames), std::end(kNames), text) == std::end(kNames))
        print.texts.push_back(std::move(text));
      continue;
    }
    if (rest.starts_with("strip(") || rest.starts_with("trim")) ++print.strips;
    ++at;
  }
}
Print print_of(std::string_view jinja) {
  Print print;
  for (size_t at = 0; at < jinja.size();) {
    const size_t open = std::min(jinja.find('{', at), jinja.size());
    print.plain = print.plain && blank_line(jinja.substr(at, open - at));
    if (open == jinja.size()) break;
    const char kind = open + 1 < jinja.size() ? jinja[open + 1] : ' ';
    const char* const close = kind == '{' ? "}}" : kind == '%' ? "%}" : kind == '#' ? "#}" : "";
    const size_t end = jinja.find(close, open + 2);
    if (*close == 0 || end == std::string_view::npos) return {{}, 0, false};
    if (kind != '#') read_tag(jinja.substr(open + 2, end - open - 2), print);
    at = end + 2;
  }
  return print;
}
}  // namespace

Turns turns_of(std::string_view jinja) {
  const std::pair<Print, Turns> known[] = {
      {{{"<<SYS>>\n", "\n<</SYS>>\n\n", "[INST] ", " [/INST]", " ", " "}, 2}, Turns::llama2},
      {{{"[INST] ", " [/INST]", " "}}, Turns::mistral01},
      {{{"[INST] ", " [/INST]"}}, Turns::mistral02},
      {{{" [INST] ", "\n\n", " [/INST]", " [INST] ", " [/INST]", " "}}, Turns::mistral}};
  const Print found = print_of(jinja);
  for (const auto& [print, turns] : known)
    if (print == found) return turns;
  return Turns::tokens;
}

Turns turns_of_folder(const std::string& folder) {
  Disk& disk = Disk::real();
  if (const std::string path = folder + "/chat_template.jinja"; disk.exists(path))
    return turns_of(disk.read(path));
  const std::string path = folder + "/tokenizer_config.json";
  if (!disk.exists(path)) return Turns::tokens;
  const Json root =
      parse_json(disk.read(path), path, {.depth = 16, .bytes = size_t{1} << 26, .values = size_t{1} << 20});
  if (!root.object()) throw FileError(path + ": expected an object");
  const Json* found = root.find("chat_template");
  if (found && found->text()) return turns_of(*found->text());
  for (const Json& one : found && found->array() ? *found->array() : Json::Array{}) {  // several, with names
    const Json *name = one.find("name"), *text = one.find("template");
    if (name && name->text() && *name->text() == "default" && text && text->text())
      return turns_of(*text->text());
  }
  return Turns::tokens;
}
}  // namespace rum
