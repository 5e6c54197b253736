#include "data/clean.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/threads.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum {
namespace {
bool joiner(char32_t c) { return c == 0x200C || c == 0x200D; }
constexpr std::string_view kZeroWidthSpace = "\u200B";
bool zero_width_space(char32_t c) { return c == 0x200B; }
// Calls f(code, bytes, class) for each character; marks and joiners are of the class of the letter before.
template <class F>
void each_classed(std::string_view s, F f) {
  CharClass kind = CharClass::other;
  each_character(s, [&](char32_t c, std::string_view bytes) {
    const bool clings = category(c) == Category::mark || joiner(c);
    if (!clings || kind == CharClass::space) kind = char_class(c);
    f(c, bytes, kind);
  });
}
bool invisible(char32_t c) {  // of no width: soft hyphen, joiners, marks of direction, byte-order mark
  return c == 0xAD || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x2064) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}
bool blank(char32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0) || char_class(c) == CharClass::space; }
bool in_word(char32_t c) {
  const Category k = category(c);
  return k == Category::letter || k == Category::mark;
}
// Does U+200C or U+200D say something between these two? Between letters it chooses their forms (Persian,
// Hindi), behind a virama too; U+200D makes one emoji of several. U+200B parts words that have no blanks
// between them (Thai, Khmer).
bool joins(char32_t before, char32_t which, char32_t after) {
  if (zero_width_space(which))
    return (is_unspaced(before) || category(before) == Category::mark) && is_unspaced(after);
  if (in_word(before) && (in_word(after) || is_virama(before))) return true;
  return which == 0x200D && is_emoji(before) && is_emoji(after);
}

std::string normalise_line(std::string_view s) {
  std::string out, waiting;  // a joiner waits for what it would join, and U+200B for what it would part
  char32_t before = ' ', which = 0;
  out.reserve(s.size());
  each_character(s, [&](char32_t c, std::string_view bytes) {
    if (joiner(c) || zero_width_space(c)) {
      waiting = bytes;
      which = c;
    }
    if (invisible(c)) return;
    if (!waiting.empty() && joins(before, which, c)) out += waiting;
    waiting.clear();
    before = c;
    if (!blank(c))
      out += bytes;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  });
  if (!waiting.empty() && joins(before, which, ' ')) out += waiting;
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return nfc(out);
}

// Calls f(word, glued) for what stands between spaces, parted further where the script has no blanks: then at
// most U+200B stands between `word` and the one before it.
template <class F>
void each_word(std::string_view s, F f) {
  std::vector<std::string_view> parts;
  for (size_t at = 0; at < s.size();) {
    const size_t end = std::min(s.find_first_of(" \n", at), s.size());
    parts.clear();
    if (end > at) part_unspaced(s.substr(at, end - at), parts);
    for (size_t i = 0; i < parts.size(); ++i)
      if (parts[i] != kZeroWidthSpace) f(parts[i], i > 0);
    at = end + 1;
  }
}
struct Measure {
  int64_t characters = 0, solid = 0, letters = 0, words = 0, longest = 0;
};
Measure measure(std::string_view s) {
  Measure m;
  each_classed(s, [&](char32_t c, std::string_view, CharClass kind) {
    ++m.characters;
    m.solid += c != ' ' && c != '\n';
    m.letters += kind == CharClass::letter;
  });
  each_word(s, [&](std::string_view word, bool) {
    int64_t length = 0;
    bool unspaced = false;  // then it may be a whole clause, where ICU has no dictionary
    each_character(word, [&](char32_t c, std::string_view) {
      ++length;
      unspaced = unspaced || is_unspaced(c);
    });
    ++m.words;
    if (!unspaced) m.longest = std::max(m.longest, length);
  });
  return m;
}

// Pieces of at most this many words: cut between lines where that will do, else between words.
void cut(const std::string& document, int64_t max_words, std::vector<Pair>& out) {
  if (max_words == 0 || measure(document).words <= max_words) return out.push_back({"", document});
  std::string piece;
  int64_t words = 0;
  auto close = [&] {
    if (!piece.empty()) out.push_back({"", std::move(piece)});
    piece.clear();
    words = 0;
  };
  for (size_t at = 0; at < document.size();) {
    const size_t end = std::min(document.find('\n', at), document.size());
    const std::string_view line = std::string_view(document).substr(at, end - at);
    if (words + measure(line).words > max_words) close();
    const char *between = "\n", *behind = nullptr;  // the word before
    each_word(line, [&](std::string_view word, bool glued) {
      if (words == max_words) close();
      if (!piece.empty()) piece += glued ? std::string_view(behind, word.data()) : between;
      piece += word;
      between = " ";
      behind = word.data() + word.size();
      ++words;
    });
    at = end + 1;
  }
  close();
}

// Adds the tokens of s to the count, and hashes of their lower-case forms to the types.
void count_tokens(std::string_view s, SideStats& stats, std::unordered_set<uint64_t>& types) {
  const auto take = [&](std::string_view token) {
    ++stats.tokens;
    types.insert(hash64(token));
  };
  const std::string lower = lower_case(s);
  std::string word;
  std::vector<std::string_view> parts;
  const auto close = [&] {
    parts.clear();
    if (!word.empty()) part_unspaced(word, parts);
    for (const std::string_view part : parts) take(part);
    word.clear();
  };
  each_classed(lower, [&](char32_t, std::string_view bytes, CharClass kind) {
    if (kind == CharClass::letter || kind == CharClass::number) {
      word += bytes;
      return;
    }
    close();
    if (kind != CharClass::space && bytes != kZeroWidthSpace) take(bytes);
  });
  close();
}
SideStats side_stats(const std::vector<Pair>& texts, std::string Pair::*side) {
  SideStats stats;
  std::unordered_set<uint64_t> types;
  for (const Pair& t : texts) count_tokens(t.*side, stats, types);
  stats.types = static_cast<int64_t>(types.size());
  stats.mean = texts.empty() ? 0 : static_cast<double>(stats.tokens) / static_cast<double>(texts.size());
  return stats;
}

// One text with what decides about it.
struct Entry {
  Pair text;
  Drop drop = Drop::none;
  uint64_t order = 0, source = 0, target = 0;  // hashes: of the text with the seed, of the folded sides
  uint64_t document = 0;                       // of what it is a piece of; until examine() 0: of nothing
};
void examine(Entry& e, const CleanRules& rules) {
  e.text = {normalise(e.text.source), normalise(e.text.target)};
  e.drop = reason_to_drop(e.text, rules);
  if (e.drop != Drop::none) return;
  e.order = hash64(e.text.source + '\t' + e.text.target, rules.seed);
  if (e.document == 0) e.document = e.order;
  e.target = hash64(fold(e.text.target));
  e.source = rules.kind == CorpusKind::pairs ? hash64(fold(e.text.source), 1) : e.target;
}

bool by_order(const Entry& a, const Entry& b) {
  return std::tie(a.order, a.text.source, a.text.target, a.document) <
         std::tie(b.order, b.text.source, b.text.target, b.document);
}
bool by_document(const Entry& a, const Entry& b) { return a.document < b.document; }

// Entries in the order of their hashes become test, then valid, then train. What shares a side with a text
// already held out goes nowhere: of several translations of one sentence, test has one. The pieces of a
// document stay in one part, and those that it has no room left for go nowhere, unless there is only one
// document.
void split(std::vector<Entry>& entries, Prepared& out) {
  const auto pieces = std::minmax_element(entries.begin(), entries.end(), by_document);
  const bool whole = out.rules.kind == CorpusKind::documents && !entries.empty() &&
                     by_document(*pieces.first, *pieces.second);
  if (whole) std::stable_sort(entries.begin(), entries.end(), by_document);
  const auto n = static_cast<int64_t>(entries.size());
  const auto held_out = [&](std::optional<int64_t> asked, int64_t usual, int64_t share) {
    return asked ? *asked : std::min(usual, std::max<int64_t>(n / share, 1));
  };
  std::unordered_set<uint64_t> held;  // folded sides of valid and test
  auto free = [&](const Entry& e) { return !held.count(e.source) && !held.count(e.target); };
  size_t at = 0;
  CleanRules& rules = out.rules;
  rules.test = held_out(rules.test, 2000, 10);
  rules.valid = held_out(rules.valid, 1000, 20);
  for (const auto& [part, wanted] : {std::pair{size_t{2}, *rules.test}, {size_t{1}, *rules.valid}}) {
    for (; at < entries.size() && static_cast<int64_t>(out.parts[part].texts.size()) < wanted; ++at) {
      Entry& e = entries[at];
      if (!free(e)) {
        ++out.dropped[static_cast<size_t>(Drop::held_out)];
        continue;
      }
      held.insert(e.source);
      held.insert(e.target);
      out.parts[part].texts.push_back(std::move(e.text));
    }
    for (; whole && at > 0 && at < entries.size() && entries[at].document == entries[at - 1].document; ++at)
      ++out.dropped[static_cast<size_t>(Drop::held_out)];
  }
  if (whole) std::sort(entries.begin() + static_cast<std::ptrdiff_t>(at), entries.end(), by_order);
  for (; at < entries.size(); ++at) {
    if (free(entries[at]))
      out.parts[0].texts.push_back(std::move(entries[at].text));
    else
      ++out.dropped[static_cast<size_t>(Drop::held_out)];
  }
}
}  // namespace

std::string normalise(std::string_view s) {
  std::string out;
  for (size_t at = 0; at < s.size();) {
    const size_t end = std::min(s.find('\n', at), s.size());
    const std::string line = normalise_line(s.substr(at, end - at));
    if (!line.empty()) out.append(out.empty() ? "" : "\n").append(line);
    at = end + 1;
  }
  return out;
}

int64_t count_words(std::string_view text) {
  const std::string line = normalise(text);
  int64_t words = 0;
  each_word(line, [&](std::string_view, bool) { ++words; });
  return words;
}

std::string fold(std::string_view s) {
  std::string out;
  const std::string lower = lower_case(s);
  each_classed(lower, [&](char32_t c, std::string_view bytes, CharClass kind) {
    if (joiner(c)) return;
    if (kind == CharClass::letter || kind == CharClass::number)
      out += bytes;
    else if (kind == CharClass::space && !out.empty() && out.back() != ' ')
      out += ' ';
  });
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out.empty() ? std::string(s) : out;
}

const char* drop_name(Drop d) {
  constexpr const char* names[kDrops] = {"kept",
                                         "empty side",
                                         "too few words",
                                         "too many words",
                                         "too many characters",
                                         "lengths too different",
                                         "too few letters",
                                         "a word too long",
                                         "source equals target",
                                         "duplicate",
                                         "a side is in valid or test"};
  return names[static_cast<size_t>(d)];
}

Drop reason_to_drop(const Pair& t, const CleanRules& rules) {
  const bool pair = rules.kind == CorpusKind::pairs;
  if (t.target.empty() || (pair && t.source.empty())) return Drop::empty;
  const Measure b = measure(t.target), a = pair ? measure(t.source) : b;
  if (std::min(a.words, b.words) < rules.min_words) return Drop::short_;
  if (pair && std::max(a.words, b.words) > rules.max_words) return Drop::long_;
  if (pair && std::max(a.characters, b.characters) > rules.max_characters) return Drop::characters;
  const auto x = static_cast<float>(a.characters + 10), y = static_cast<float>(b.characters + 10);
  if (std::max(x, y) > rules.ratio * std::min(x, y)) return Drop::ratio;
  for (const Measure& m : {a, b})
    if (static_cast<float>(m.letters) < rules.letters * static_cast<float>(m.solid)) return Drop::letters;
  if (std::max(a.longest, b.longest) > rules.word_characters) return Drop::word;
  return pair && t.source == t.target ? Drop::copy : Drop::none;
}

Prepared prepare(std::vector<Pair> raw, const CleanRules& rules) {
  Prepared out;
  out.rules = rules;
  out.read = static_cast<int64_t>(raw.size());
  std::vector<Entry> entries;
  if (rules.kind == CorpusKind::documents) {
    for (const Pair& t : raw) {
      const std::string document = normalise(t.target);
      std::vector<Pair> pieces;
      cut(document, rules.max_words, pieces);
      const uint64_t whole = pieces.size() > 1 ? hash64('\t' + document, rules.seed) : 0;
      for (Pair& piece : pieces) entries.push_back({std::move(piece), Drop::none, 0, 0, 0, whole});
    }
  } else {
    for (Pair& t : raw) entries.push_back({std::move(t), Drop::none, 0, 0, 0, 0});
  }
  out.texts = static_cast<int64_t>(entries.size());
  raw.clear();
  constexpr size_t kPiece = 1024;
  parallel(static_cast<int64_t>((entries.size() + kPiece - 1) / kPiece), [&](int64_t p) {
    const size_t first = static_cast<size_t>(p) * kPiece, last = std::min(first + kPiece, entries.size());
    for (size_t i = first; i < last; ++i) examine(entries[i], rules);
  });
  auto drop = [&](auto&& which) {
    const auto kept = std::remove_if(entries.begin(), entries.end(), which);
    entries.erase(kept, entries.end());
  };
  drop([&](const Entry& e) { return e.drop != Drop::none && ++out.dropped[static_cast<size_t>(e.drop)]; });
  std::sort(entries.begin(), entries.end(), by_order);
  const auto unique =
      std::unique(entries.begin(), entries.end(), [](auto& a, auto& b) { return a.text == b.text; });
  out.dropped[static_cast<size_t>(Drop::duplicate)] = entries.end() - unique;
  entries.erase(unique, entries.end());
  split(entries, out);
  std::string counts;
  for (size_t d = 1; d < kDrops; ++d)
    if (out.dropped[d] > 0)
      counts +=
          fmt::format("{}{} {}", counts.empty() ? "; left out: " : ", ", out.dropped[d], drop_name(Drop(d)));
  RUM_CHECK(
      !entries.empty(),
      "none of {} texts is left to train on after cleaning{}; `ruminate data prepare --help` has a flag "
      "for each limit",
      out.texts, counts);
  const auto texts = [&](size_t part) { return static_cast<int64_t>(out.parts[part].texts.size()); };
  RUM_CHECK(texts(0) > 0 && texts(1) == *out.rules.valid && texts(2) == *out.rules.test,
            "only {} of {} texts are left after cleaning, too few for at least 1 to train on, {} in valid "
            "(--valid) and {} in test (--test), none of which may share a side{} with another part{}",
            entries.size(), out.texts, *out.rules.valid, *out.rules.test,
            rules.kind == CorpusKind::documents ? " or a document" : "", counts);
  for (Part& part : out.parts) {
    out.dropped[0] += static_cast<int64_t>(part.texts.size());
    part.source = side_stats(part.texts, &Pair::source);
    part.target = side_stats(part.texts, &Pair::target);
    part.hash = hash64(corpus_bytes(part.texts, rules.kind));
  }
  return out;
}
}  // namespace rum
