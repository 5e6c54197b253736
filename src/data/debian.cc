#include "data/debian.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

#include "text/unicode.h"

namespace rum {
namespace {
using Views = std::vector<std::string_view>;

bool starts(std::string_view s, std::string_view with) { return s.substr(0, with.size()) == with; }
bool space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
bool digit(char c) { return c >= '0' && c <= '9'; }
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

// ---- package descriptions
// -------------------------------------------------------------------------------------
struct Description {
  std::string synopsis;
  std::vector<std::vector<std::string>> paragraphs;  // of blocks: running text, or the items of a list
};

// Length of a bullet with the spaces after it ("* ", "- ", "1. ", "a) "), or 0.
size_t bullet(std::string_view s) {
  size_t n = 0;
  for (std::string_view mark : {"*", "-", "+", "•", "·", "o"})
    if (starts(s, mark) && s.size() > mark.size() && s[mark.size()] == ' ') n = mark.size();
  if (n == 0) {
    while (n < s.size() && n < 2 && digit(s[n])) ++n;
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
      hanging = item ? indent + 1 : indent > 0 ? indent : 99;
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
    md5 = synopsis = {}, lines.clear(), inside = false;
  };
  each_line(index, [&](std::string_view line) {
    if (line.empty()) return record();
    if (line[0] == ' ' || line[0] == '\t') {
      if (inside) lines.push_back(line);
      return;
    }
    const size_t colon = line.find(':');
    std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
    while (!value.empty() && space(value.front())) value.remove_prefix(1);
    inside = false;
    if (starts(line, "Description-md5:"))
      md5 = value;
    else if (starts(line, "Description-") || starts(line, "Description:"))
      synopsis = value, inside = true;
  });
  record();
}

// ---- sentences
// --------------------------------------------------------------------------------------------------
constexpr std::array kAbbreviations = {
    "bzw",  "usw",  "etc", "ca",  "evtl", "ggf", "inkl", "vgl",     "sog", "zB",  "Dr",  "Nr",   "Abb",
    "bspw", "allg", "max", "min", "Mr",   "Mrs", "vs",   "e.g",     "i.e", "No",  "Inc", "Corp", "Fig",
    "Vol",  "resp", "cf",  "St",  "Kap",  "Abs", "engl", "einschl", "u.a", "d.h", "z.B", "u.U",  "o.ä"};

// Where the sentence that ends with the punctuation before `at` may end: not after an abbreviation, a number
// or a single letter, and only before something that can begin a sentence.
bool sentence_ends(std::string_view s, size_t stop, size_t next) {
  if (next >= s.size()) return true;
  const char first = s[next];
  const bool begins = upper(first) || digit(first) || static_cast<unsigned char>(first) >= 0x80 ||
                      first == '"' || first == '(' || first == '\'';
  if (!begins) return false;
  if (s[stop] != '.') return true;
  size_t from = stop;
  while (from > 0 && !space(s[from - 1]) && s[from - 1] != '(') --from;
  const std::string_view word = s.substr(from, stop - from);
  if (word.size() < 2 || std::all_of(word.begin(), word.end(), digit)) return false;
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
        if (starts(s.substr(next), close)) next += close.size();
      if (next < s.size() && s[next] != ' ') continue;
      const size_t end = next;
      while (next < s.size() && s[next] == ' ') ++next;
      if (!sentence_ends(s, i, next)) continue;
      out.push_back(s.substr(from, end - from));
    } else {
      continue;
    }
    from = next, i = next - 1;
  }
  if (from < s.size()) out.push_back(s.substr(from));
  std::erase_if(out, [](std::string_view v) { return std::all_of(v.begin(), v.end(), space); });
  return out;
}

// ---- html
// -------------------------------------------------------------------------------------------------------
// Resolves the entity at text[at] == '&' and returns where it ends; an unknown one is kept as it stands.
size_t entity(std::string_view text, size_t at, std::string& out) {
  const size_t end = text.substr(at, 12).find(';');
  const std::string_view name = end == std::string_view::npos ? "" : text.substr(at + 1, end - 1);
  constexpr std::pair<std::string_view, std::string_view> known[] = {
      {"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"apos", "'"}, {"nbsp", " "}};
  for (const auto& [key, value] : known)
    if (name == key) return out += value, at + end + 1;
  if (name.size() > 1 && name[0] == '#') {
    const bool hex = name[1] == 'x' || name[1] == 'X';
    const std::string digits(name.substr(hex ? 2 : 1));
    char* stop = nullptr;
    const unsigned long c = std::strtoul(digits.c_str(), &stop, hex ? 16 : 10);
    if (!digits.empty() && *stop == 0 && c > 0 && c < 0x110000 && (c < 0xD800 || c > 0xDFFF))
      return append_utf8(out, static_cast<char32_t>(c)), at + end + 1;
  }
  return out += '&', at + 1;
}

struct Tag {
  std::string_view name, inside;  // inside: all between < and >
  bool closes = false;
  bool has(std::string_view text) const { return inside.find(text) != std::string_view::npos; }
  std::string_view attribute(std::string_view key) const {  // key with `="`
    const size_t at = inside.find(key);
    if (at == std::string_view::npos) return {};
    const size_t from = at + key.size(), to = inside.find('"', from);
    return to == std::string_view::npos ? std::string_view() : inside.substr(from, to - from);
  }
};

class Page {
 public:
  std::vector<Paragraph> read(std::string_view html) {
    const size_t area = html.find("id=\"DisplayArea\"");
    if (area != std::string_view::npos) {
      html = html.substr(std::min(html.find('>', area), html.size() - 1) + 1);
      html = html.substr(0, html.find("<div id=\"SearchFrame\""));
    }
    for (size_t at = 0; at < html.size();) {
      if (html[at] == '<') {
        const size_t end = html.find('>', at);
        if (end == std::string_view::npos) break;
        at = tag(html, at, end + 1);
      } else if (html[at] == '&') {
        at = entity(html, at, text_);
      } else {
        text_ += space(html[at]) ? ' ' : html[at];
        ++at;
      }
    }
    flush();
    return std::move(out_);
  }

 private:
  // Handles html[at .. after), a tag, and returns where to go on.
  size_t tag(std::string_view html, size_t at, size_t after) {
    if (starts(html.substr(at), "<!--")) {
      const size_t end = html.find("-->", at);
      return end == std::string_view::npos ? html.size() : end + 3;
    }
    Tag t{{}, html.substr(at + 1, after - at - 2), false};
    if (starts(t.inside, "/")) t.closes = true, t.inside.remove_prefix(1);
    t.name = t.inside.substr(0, t.inside.find_first_of(" \t\n\r/"));
    for (std::string_view hidden : {"script", "style", "pre", "head"})
      if (t.name == hidden && !t.closes) return flush(), past(html, after, hidden);
    if (t.name == "br") {
      text_ += '\n';
    } else if (t.name == "span") {
      return span(t, html, after);
    } else if (block(t.name)) {
      flush();
      if (!t.closes) id_ = t.attribute("id=\""), code_ = starts(t.attribute("class=\""), "code");
    }
    return after;
  }
  // Text for other systems is there in several variants: the first stays that is not the Mac's.
  size_t span(const Tag& t, std::string_view html, size_t after) {
    if (t.closes) {
      if (!spans_.empty()) spans_.pop_back();
      return after;
    }
    const bool variant = t.has("hidden=\"true\"");
    if (variant && !spans_.empty() && (t.has("class=\"MAC\"") || spans_.back() > 0))
      return past_span(html, after);
    if (variant && !spans_.empty()) ++spans_.back();
    spans_.push_back(0);
    return after;
  }
  static size_t past(std::string_view html, size_t at, std::string_view name) {
    const size_t end = html.find("</" + std::string(name), at);
    return end == std::string_view::npos ? html.size() : std::min(html.find('>', end), html.size() - 1) + 1;
  }
  static size_t past_span(std::string_view html, size_t at) {
    for (int depth = 1; depth > 0;) {
      at = html.find('<', at);
      if (at == std::string_view::npos) return html.size();
      if (starts(html.substr(at), "<span")) ++depth;
      if (starts(html.substr(at), "</span")) --depth;
      ++at;
    }
    return std::min(html.find('>', at), html.size() - 1) + 1;
  }
  static bool block(std::string_view name) {
    constexpr std::string_view all[] = {"p",  "h1", "h2", "h3", "h4", "h5",    "h6",    "li",
                                        "td", "th", "dt", "dd", "ul", "table", "title", "div"};
    return std::find(std::begin(all), std::end(all), name) != std::end(all);
  }
  void flush() {
    std::string tidy;
    for (char c : text_) {
      if (c == '\n') {
        while (!tidy.empty() && tidy.back() == ' ') tidy.pop_back();
        if (!tidy.empty() && tidy.back() != '\n') tidy += '\n';
      } else if (c != ' ' || (!tidy.empty() && tidy.back() != ' ' && tidy.back() != '\n')) {
        tidy += c;
      }
    }
    while (!tidy.empty() && space(tidy.back())) tidy.pop_back();
    if (!tidy.empty() && !code_) out_.push_back({std::string(id_), std::move(tidy)});
    text_.clear(), id_ = {}, code_ = false;
  }
  std::vector<Paragraph> out_;
  std::string text_;
  std::string_view id_;
  bool code_ = false;
  std::vector<int> spans_;  // open ones: how many variants each showed
};

std::string spaced(std::string_view s) {
  std::string out(s);
  std::replace_if(out.begin(), out.end(), space, ' ');
  return out;
}

// Digits of the numbers in a text, their separators (which the languages swap) left out, sorted.
std::vector<std::string> numbers(std::string_view s) {
  std::vector<std::string> out;
  for (size_t i = 0; i < s.size(); ++i) {
    if (!digit(s[i])) continue;
    std::string n;
    for (; i < s.size(); ++i) {
      if (digit(s[i]))
        n += s[i];
      else if ((s[i] != '.' && s[i] != ',') || i + 1 == s.size() || !digit(s[i + 1]))
        break;
    }
    out.push_back(std::move(n));
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Adds what looks like a translation: German that is German, and the same numbers on both sides.
void add_pair(std::string_view german, std::string_view english, std::vector<Text>& out) {
  if (untranslated(german)) return;
  const size_t first = out.size();
  split_alike(german, english, out);
  out.erase(std::remove_if(out.begin() + static_cast<ptrdiff_t>(first), out.end(),
                           [](const Text& t) { return numbers(t.source) != numbers(t.target); }),
            out.end());
}

// A paragraph with an id and those without one that follow it: the unit in which two pages are compared.
using Run = std::vector<Paragraph>;
std::vector<Run> runs(std::vector<Paragraph> page) {
  std::vector<Run> out;
  for (Paragraph& p : page) {
    if (out.empty() || !p.id.empty()) out.emplace_back();
    out.back().push_back(std::move(p));
  }
  return out;
}
}  // namespace

void split_alike(std::string_view german, std::string_view english, std::vector<Text>& out) {
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

std::vector<Text> pair_descriptions(std::string_view german_index, std::string_view english_index) {
  std::unordered_map<std::string_view, Description> german;
  each_description(german_index, [&](std::string_view md5, std::string_view synopsis, const Views& lines) {
    german.try_emplace(md5, parse_description(synopsis, lines));
  });
  std::vector<Text> out;
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

std::vector<Paragraph> html_paragraphs(std::string_view html) { return Page().read(html); }

std::vector<Text> pair_pages(std::string_view german_html, std::string_view english_html) {
  const auto de = runs(html_paragraphs(german_html)), en = runs(html_paragraphs(english_html));
  std::unordered_map<std::string_view, const Run*> by_id;
  std::unordered_set<std::string_view> twice;
  for (const Run& r : en)
    if (!by_id.try_emplace(r[0].id, &r).second) twice.insert(r[0].id);
  for (std::unordered_set<std::string_view> seen; const Run& r : de)
    if (!seen.insert(r[0].id).second) twice.insert(r[0].id);
  std::vector<Text> out;
  for (const Run& a : de) {
    const auto found = by_id.find(a[0].id);
    if (found == by_id.end() || twice.count(a[0].id)) continue;
    const Run& b = *found->second;
    const size_t paired = a.size() == b.size() ? a.size() : 1;
    for (size_t i = a[0].id.empty() && paired == 1 ? 1 : 0; i < paired; ++i)
      add_pair(a[i].text, b[i].text, out);
  }
  return out;
}
}  // namespace rum
