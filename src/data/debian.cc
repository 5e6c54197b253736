// Package descriptions, sentences, and what both kinds of pairs share. Pages: debian_pages.cc.
#include "data/debian.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

#include "text/unicode.h"

namespace rum {
namespace {
using Views = std::vector<std::string_view>;

bool upper(char c) { return c >= 'A' && c <= 'Z'; }

// Calls f(line) for each line, without its line end.
template <class F>
void each_line(std::string_view text, F f) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    f(line);
    at = end + 1;
  }
}

// ---- package descriptions ---------------------------------------------------------------------------------
struct Description {
  std::string synopsis;
  std::vector<std::vector<std::string>> paragraphs;  // of blocks: running text, or the items of a list
};

// Length of a bullet with the spaces after it ("* ", "- ", "1. ", "a) "), or 0.
size_t bullet(std::string_view s) {
  size_t n = 0;
  for (std::string_view mark : {"*", "-", "+", "•", "·", "o"})
    if (s.starts_with(mark) && s.size() > mark.size() && s[mark.size()] == ' ') n = mark.size();
  if (n == 0) {
    while (n < s.size() && n < 2 && is_digit(s[n])) ++n;
    if (n == 0 || n + 1 >= s.size() || (s[n] != '.' && s[n] != ')') || s[n + 1] != ' ') return 0;
    ++n;
  }
  while (n < s.size() && s[n] == ' ') ++n;
  return n;
}

// `lines` are those after the first, each still with the space in front that deb822 puts there.
Description parse_description(std::string_view synopsis, const Views& lines) {
  Description d{std::string(synopsis), {}};
  bool fresh = true;    // the next line begins a paragraph
  size_t hanging = 99;  // a line indented less than this does not go on with the item before it
  for (std::string_view line : lines) {
    if (line == " ." || line.size() < 2) {
      fresh = true;
      continue;
    }
    line.remove_prefix(1);
    const size_t indent = std::min(line.find_first_not_of(" \t"), line.size());
    line.remove_prefix(indent);
    if (fresh) d.paragraphs.emplace_back();
    auto& blocks = d.paragraphs.back();
    const size_t mark = bullet(line);
    const bool item = mark > 0 && (indent > 0 || fresh || hanging < 99);
    const bool goes_on =
        !item && !fresh && !blocks.empty() && (hanging < 99 ? indent >= hanging : indent == 0);
    if (goes_on) {
      blocks.back().append(1, ' ').append(line);
    } else {
      blocks.emplace_back(line.substr(item ? mark : 0));
      if (item)
        hanging = indent + 1;
      else
        hanging = indent > 0 ? indent : 99;
    }
    fresh = false;
  }
  return d;
}

// Calls f(md5, synopsis, lines) for each record that has both.
template <class F>
void each_description(std::string_view index, F f) {
  std::string_view md5, synopsis;
  Views lines;
  bool inside = false;  // of the description
  auto record = [&] {
    if (!md5.empty() && !synopsis.empty()) f(md5, synopsis, lines);
    md5 = synopsis = {};
    lines.clear();
    inside = false;
  };
  each_line(index, [&](std::string_view line) {
    if (line.empty()) return record();
    if (line[0] == ' ' || line[0] == '\t') {
      if (inside) lines.push_back(line);
      return;
    }
    const size_t colon = line.find(':');
    std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
    while (!value.empty() && html_space(value.front())) value.remove_prefix(1);
    inside = false;
    if (line.starts_with("Description-md5:"))
      md5 = value;
    else if (line.starts_with("Description-") || line.starts_with("Description:")) {
      synopsis = value;
      inside = true;
    }
  });
  record();
}

// ---- sentences --------------------------------------------------------------------------------------------
constexpr std::array kAbbreviations = {
    "bzw",  "usw",  "etc", "ca",  "evtl", "ggf", "inkl", "vgl",     "sog", "zB",  "Dr",  "Nr",   "Abb",
    "bspw", "allg", "max", "min", "Mr",   "Mrs", "vs",   "e.g",     "i.e", "No",  "Inc", "Corp", "Fig",
    "Vol",  "resp", "cf",  "St",  "Kap",  "Abs", "engl", "einschl", "u.a", "d.h", "z.B", "u.U",  "o.ä"};

// Where the sentence that ends with the punctuation before `at` may end: not after an abbreviation, a number
// or a single letter, and only before something that can begin a sentence.
bool sentence_ends(std::string_view s, size_t stop, size_t next) {
  if (next >= s.size()) return true;
  const char first = s[next];
  const bool begins = upper(first) || is_digit(first) || static_cast<unsigned char>(first) >= 0x80 ||
                      first == '"' || first == '(' || first == '\'';
  if (!begins) return false;
  if (s[stop] != '.') return true;
  size_t from = stop;
  while (from > 0 && !html_space(s[from - 1]) && s[from - 1] != '(') --from;
  const std::string_view word = s.substr(from, stop - from);
  if (word.size() < 2 || std::all_of(word.begin(), word.end(), is_digit)) return false;
  return std::find(kAbbreviations.begin(), kAbbreviations.end(), word) == kAbbreviations.end();
}

Views sentences(std::string_view s) {
  Views out;
  size_t from = 0;
  for (size_t i = 0; i < s.size(); ++i) {
    size_t next = i + 1;
    if (s[i] == '\n') {
      out.push_back(s.substr(from, i - from));
    } else if (s[i] == '.' || s[i] == '!' || s[i] == '?') {
      for (std::string_view close : {"\"", "'", ")", "”", "“", "«", "»", "’"})
        if (s.substr(next).starts_with(close)) next += close.size();
      if (next < s.size() && s[next] != ' ') continue;
      const size_t end = next;
      while (next < s.size() && s[next] == ' ') ++next;
      if (!sentence_ends(s, i, next)) continue;
      out.push_back(s.substr(from, end - from));
    } else {
      continue;
    }
    from = next;
    i = next - 1;
  }
  if (from < s.size()) out.push_back(s.substr(from));
  std::erase_if(out, [](std::string_view v) { return std::all_of(v.begin(), v.end(), html_space); });
  return out;
}

std::string spaced(std::string_view s) {
  std::string out(s);
  std::replace_if(out.begin(), out.end(), html_space, ' ');
  return out;
}

// Digits of the numbers in a text, their separators (which the languages swap) left out, sorted.
std::vector<std::string> numbers(std::string_view s) {
  std::vector<std::string> out;
  for (size_t i = 0; i < s.size(); ++i) {
    if (!is_digit(s[i])) continue;
    std::string n;
    for (; i < s.size(); ++i) {
      if (is_digit(s[i]))
        n += s[i];
      else if ((s[i] != '.' && s[i] != ',') || i + 1 == s.size() || !is_digit(s[i + 1]))
        break;
    }
    out.push_back(std::move(n));
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

void split_alike(std::string_view german, std::string_view english, std::vector<Pair>& out) {
  const Views a = sentences(german), b = sentences(english);
  bool alike = a.size() == b.size();
  for (size_t i = 0; alike && i < a.size(); ++i) {
    const size_t x = a[i].size() + 10, y = b[i].size() + 10;
    alike = x <= 2 * y && y <= 2 * x;
  }
  if (!alike) return out.push_back({spaced(german), spaced(english)});
  for (size_t i = 0; i < a.size(); ++i) out.push_back({spaced(a[i]), spaced(b[i])});
}

bool untranslated(std::string_view s) {
  static const std::unordered_set<std::string_view> english = {"the",  "of",   "and",  "to",  "is",  "for",
                                                               "with", "this", "from", "are", "you", "that",
                                                               "be",   "by",   "it",   "or"},
                                                    german = {"der",   "die",  "das",    "und", "ist",  "für",
                                                              "ein",   "eine", "mit",    "von", "den",  "dem",
                                                              "zu",    "des",  "auf",    "im",  "oder", "Sie",
                                                              "nicht", "wird", "werden", "Der", "Die",  "Das",
                                                              "Ein",   "Eine", "als",    "aus"};
  int of_english = 0;
  for (size_t at = 0; at < s.size();) {
    const size_t end = std::min(s.find_first_of(" ,.;:()\n", at), s.size());
    const std::string_view word = s.substr(at, end - at);
    if (german.count(word)) return false;
    of_english += english.count(word) > 0;
    at = end + 1;
  }
  return of_english >= 2;
}

void add_pair(std::string_view german, std::string_view english, std::vector<Pair>& out) {
  if (untranslated(german)) return;
  const size_t first = out.size();
  split_alike(german, english, out);
  out.erase(std::remove_if(out.begin() + static_cast<ptrdiff_t>(first), out.end(),
                           [](const Pair& t) { return numbers(t.source) != numbers(t.target); }),
            out.end());
}

std::vector<Pair> pair_descriptions(std::string_view german_index, std::string_view english_index) {
  std::unordered_map<std::string_view, Description> german;
  each_description(german_index, [&](std::string_view md5, std::string_view synopsis, const Views& lines) {
    german.try_emplace(md5, parse_description(synopsis, lines));
  });
  std::vector<Pair> out;
  each_description(english_index, [&](std::string_view md5, std::string_view synopsis, const Views& lines) {
    const auto found = german.find(md5);
    if (found == german.end()) return;
    const Description de = std::move(found->second), en = parse_description(synopsis, lines);
    german.erase(found);  // a text that several packages share comes once
    add_pair(de.synopsis, en.synopsis, out);
    if (de.paragraphs.size() != en.paragraphs.size()) return;
    for (size_t p = 0; p < de.paragraphs.size(); ++p) {
      const auto &a = de.paragraphs[p], &b = en.paragraphs[p];
      if (a.size() != b.size()) continue;
      for (size_t i = 0; i < a.size(); ++i) add_pair(a[i], b[i], out);
    }
  });
  return out;
}

}  // namespace rum
