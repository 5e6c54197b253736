#include "metrics/critical.h"

#include <algorithm>
#include <array>

#include "base/names.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::metrics {
namespace {
bool is_point(char32_t c) { return c == '.' || c == ','; }
// Characters that only separate thousands: non-breaking spaces, the Swiss apostrophe, and, in running text, a
// space.
bool separates_thousands(char32_t c) {
  return c == ' ' || c == '\'' || c == 0x2019 || c == 0xA0 || c == 0x202F || c == 0x2009;
}

// Runs of digits and the separators between them.
struct Digits {
  std::vector<std::string_view> groups;
  std::vector<char32_t> separators;  // one fewer than runs

  // Are the first `count` separators the same, and do they separate thousands?
  bool thousands(size_t count) const {
    if (groups[0].size() > 3 || groups[0][0] == '0') return false;
    for (size_t i = 0; i < count; ++i)
      if (separators[i] != separators[0] || groups[i + 1].size() != 3) return false;
    return true;
  }
  std::string joined(size_t count) const {
    std::string out;
    for (size_t i = 0; i < count; ++i) out += groups[i];
    return out;
  }
  void append_to(std::vector<std::string>& out) const {
    const size_t n = separators.size();
    const bool point = n > 0 && is_point(separators.back()) && (n == 1 || separators.back() != separators[0]);
    if (thousands(n))
      out.push_back(joined(n + 1));
    else if (point && (n == 1 || thousands(n - 1)))
      out.push_back(joined(n) + "." + std::string(groups.back()));
    else  // a date, a version, a list
      out.insert(out.end(), groups.begin(), groups.end());
  }
};
std::string_view digits_at(std::string_view line, size_t at) {
  size_t end = at;
  while (end < line.size() && is_digit(line[end])) ++end;
  return line.substr(at, end - at);
}

bool is_capital(std::string_view word) {
  const Character c = decode_utf8(word.data(), word.data() + word.size());
  if (c.code < 0x80) return c.code >= 'A' && c.code <= 'Z';
  const std::string_view first = word.substr(0, static_cast<size_t>(c.bytes));
  return category(c.code) == Category::letter && lower_case(first) != first;
}
bool begins_with_letter(std::string_view word) {
  return category(decode_utf8(word.data(), word.data() + word.size()).code) == Category::letter;
}
// May a sentence, or speech in it, begin after this?
bool begins_sentence(std::string_view between) {
  const char* const end = between.data() + between.size();
  for (const char* p = between.data(); p < end;) {
    const Character c = decode_utf8(p, end);
    static constexpr std::u32string_view marks =
        U".!?:\u2026\"\u201C\u201D\u201E\u00AB\u00BB\u2039\u203A(\u00BF\u00A1";
    if (marks.find(c.code) != std::u32string_view::npos) return true;
    p += c.bytes;
  }
  return false;
}
std::string_view without_possessive(std::string_view word) {
  for (const std::string_view ending : {"'s", "\u2019s"})
    if (word.ends_with(ending)) return word.substr(0, word.size() - ending.size());
  return word;
}
// visit(word in the form in which names are compared, does it begin a sentence?)
template <class Visit>
void each_form(std::string_view line, Language language, const Visit& visit) {
  const char* before = nullptr;  // the end of the previous word
  for (std::string_view word : words_in(line)) {
    bool begins = before == nullptr || begins_sentence({before, static_cast<size_t>(word.data() - before)});
    before = word.data() + word.size();
    if (language == Language::english) word = without_possessive(word);
    while (!word.empty()) {
      const size_t hyphen = std::min({word.find('-'), word.find("\u2010"), word.size()});
      visit(word.substr(0, hyphen), begins);
      begins = false;
      word.remove_prefix(hyphen);
      if (!word.empty()) word.remove_prefix(word[0] == '-' ? 1 : 3);
    }
  }
}
bool is_english_i(std::string_view word) {
  return word == "I" || word.starts_with("I'") || word.starts_with("I\u2019");
}

constexpr std::array<std::string_view, 12> kEnglishNegations = {"cannot", "neither", "never",   "no",
                                                                "no-one", "nobody",  "none",    "nor",
                                                                "not",    "nothing", "nowhere", "without"};
constexpr std::array<std::string_view, 23> kGermanNegations = {
    "kein",       "keine",       "keinem",    "keinen",   "keiner",    "keinerlei", "keines",  "keins",
    "keineswegs", "keinesfalls", "nein",      "nicht",    "nichts",    "nie",       "niemals", "niemand",
    "niemandem",  "niemanden",   "niemandes", "nirgends", "nirgendwo", "ohne",      "weder"};
constexpr NamedLanguage kLanguages[] = {{"en", Language::english, "English"},
                                        {"de", Language::german, "German"}};
}  // namespace

std::span<const NamedLanguage> languages() { return kLanguages; }
const NamedLanguage& language_named(std::string_view code) {
  return find_named(kLanguages, code, "language");
}

std::vector<std::string> numbers_in(std::string_view line) {
  std::vector<std::string> out;
  const char* const end = line.data() + line.size();
  for (size_t at = 0; at < line.size();) {
    if (!is_digit(line[at])) {
      ++at;
      continue;
    }
    Digits d;
    d.groups.push_back(digits_at(line, at));
    at += d.groups.back().size();
    while (at < line.size()) {
      const Character c = decode_utf8(line.data() + at, end);
      const std::string_view next = digits_at(line, at + static_cast<size_t>(c.bytes));
      if (next.empty() || !(is_point(c.code) || separates_thousands(c.code))) break;
      d.groups.push_back(next);
      d.separators.push_back(c.code);
      if (!is_point(c.code) && !d.thousands(d.separators.size())) {
        d.groups.pop_back();
        d.separators.pop_back();
        break;
      }
      at += static_cast<size_t>(c.bytes) + next.size();
    }
    d.append_to(out);
  }
  return out;
}

std::vector<std::string> names_in(std::string_view line, Language language) {
  std::vector<std::string> out;
  bool small = false;  // is there a word in lower case? if not, the line is a heading
  each_form(line, language, [&](std::string_view word, bool begins) {
    if (!is_capital(word))
      small |= begins_with_letter(word);
    else if (!begins && !(language == Language::english && is_english_i(word)))
      out.emplace_back(word);
  });
  if (!small) out.clear();
  return out;
}
std::vector<std::string> name_forms(std::string_view line, Language language) {
  std::vector<std::string> out;
  each_form(line, language, [&](std::string_view word, bool) { out.emplace_back(word); });
  return out;
}

bool negated(const std::vector<std::string>& words, Language language) {
  const auto in = [](const auto& list, std::string_view w) {
    return std::find(list.begin(), list.end(), w) != list.end();
  };
  return std::any_of(words.begin(), words.end(), [&](std::string_view w) {
    return language == Language::german
               ? in(kGermanNegations, w)
               : in(kEnglishNegations, w) || w.ends_with("n't") || w.ends_with("n\u2019t");
  });
}
}  // namespace rum::metrics
