#include "detect/ngrams.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/names.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::detect {
namespace {
struct Name {
  Analyzer analyzer;
  const char* name;
};
constexpr Name kNames[] = {{Analyzer::chars, "char"},
                           {Analyzer::chars_in_words, "char_wb"},
                           {Analyzer::words, "word"},
                           {Analyzer::word_pairs, "pair"}};

uint32_t rotate(uint32_t x, int by) { return x << by | x >> (32 - by); }
uint32_t mixed(uint32_t block) { return rotate(block * 0xCC9E2D51u, 15) * 0x1B873593u; }
template <class Number>
Number loaded(const char* p) {
  Number n;
  std::memcpy(&n, p, sizeof n);
  return n;
}
// The last bytes from `at` on, fewer than four. Without a loop, since most n-grams have such a rest.
uint32_t tail(std::string_view bytes, size_t at) {
  const size_t n = bytes.size() - at;
  if (n == 0) return 0;
  if (at > 0) return loaded<uint32_t>(bytes.data() + bytes.size() - 4) >> (8 * (4 - n));
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])); };
  if (n == 1) return byte(0);
  const uint32_t two = loaded<uint16_t>(bytes.data());
  return n == 2 ? two : two | byte(2) << 16;
}

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; });
}
std::string lower(const std::string& text) {
  if (!is_ascii(text)) return lower_case(text);
  std::string out = text;
  for (char& c : out) c = static_cast<char>(c + 32 * (c >= 'A' && c <= 'Z'));
  return out;
}
int character_bytes(char first) {
  const auto b = static_cast<uint8_t>(first);
  if (b < 0x80) return 1;
  if (b < 0xE0) return 2;
  return b < 0xF0 ? 3 : 4;
}
// Where the characters of a text begin.
class Characters {
 public:
  void of(std::string_view text, bool ascii) {
    ascii_ = ascii;
    count_ = text.size();
    if (ascii) return;  // each is a byte
    offsets_.clear();
    for (size_t i = 0; i < text.size(); i += static_cast<size_t>(character_bytes(text[i])))
      offsets_.push_back(i);
    count_ = offsets_.size();
    offsets_.push_back(text.size());
  }
  size_t count() const { return count_; }
  size_t offset(size_t character) const { return ascii_ ? character : offsets_[character]; }

 private:
  bool ascii_ = true;
  size_t count_ = 0;
  std::vector<size_t> offsets_;  // of each character, then the end
};
bool is_word_character(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  const Category k = category(c);
  return k == Category::letter || k == Category::number;
}
std::vector<std::string_view> long_words(std::string_view text) {
  std::vector<std::string_view> out;
  size_t begin = 0;
  int run = 0;
  for (size_t i = 0; i <= text.size();) {
    const Character c =
        i < text.size() ? decode_utf8(text.data() + i, text.data() + text.size()) : Character{' ', 1};
    if (is_word_character(c.code)) {
      if (run++ == 0) begin = i;
    } else {
      if (run >= 2) out.push_back(text.substr(begin, i - begin));
      run = 0;
    }
    i += static_cast<size_t>(c.bytes);
  }
  return out;
}
}  // namespace

int32_t murmur3(std::string_view bytes, uint32_t seed) {
  uint32_t h = seed;
  size_t i = 0;
  for (; i + 4 <= bytes.size(); i += 4)
    h = rotate(h ^ mixed(loaded<uint32_t>(bytes.data() + i)), 13) * 5 + 0xE6546B64u;
  h ^= mixed(tail(bytes, i)) ^ static_cast<uint32_t>(bytes.size());
  h = (h ^ h >> 16) * 0x85EBCA6Bu;
  h = (h ^ h >> 13) * 0xC2B2AE35u;
  return static_cast<int32_t>(h ^ h >> 16);
}

std::vector<Ngrams> parse_ngrams(const std::string& text) {
  std::vector<Ngrams> out;
  for (size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
    end = text.find(',', begin);
    const std::string item = text.substr(begin, end - begin), name = item.substr(0, item.find(':'));
    Ngrams n{find_named(kNames, name, "kind of n-grams").analyzer, 1, 1};
    int read = 0;
    const std::string range = item.substr(std::min(item.size(), name.size() + 1));
    if (n.analyzer == Analyzer::word_pairs) {
      RUM_CHECK(item == name, "n-grams \"{}\": pairs have no length", item);
    } else {
      const bool fits = std::sscanf(range.c_str(), "%d-%d%n", &n.low, &n.high, &read) == 2 &&
                        static_cast<size_t>(read) == range.size() && 1 <= n.low && n.low <= n.high &&
                        n.high <= 100;
      RUM_CHECK(fits, "n-grams \"{}\": expected lengths such as {}:2-5", item, name);
    }
    out.push_back(n);
  }
  return out;
}
std::string to_string(std::span<const Ngrams> kinds) {
  std::string out;
  for (const Ngrams& n : kinds) {
    if (!out.empty()) out += ",";
    for (const Name& name : kNames)
      if (name.analyzer == n.analyzer) out += name.name;
    if (n.analyzer != Analyzer::word_pairs) out += fmt::format(":{}-{}", n.low, n.high);
  }
  return out;
}
Lowered::Lowered(const Text& t) : source(lower(t.source)), target(lower(t.target)) {}

namespace {
// All character n-grams of `piece`, where piece[pad] is byte `at` of the target.
template <class Each>
void of_characters(std::string_view piece, size_t pad, size_t at, size_t at_end, const Ngrams& n,
                   bool whole_if_short, const Characters& characters, Each&& each) {
  const size_t count = characters.count();
  for (auto length = static_cast<size_t>(n.low); length <= static_cast<size_t>(n.high); ++length) {
    if (count < length && !(whole_if_short && count > 0)) break;
    const size_t last = count > length ? count - length : 0;
    for (size_t i = 0; i <= last; ++i) {
      const size_t begin = characters.offset(i), end = characters.offset(std::min(i + length, count));
      const auto in_target = [&](size_t x) { return std::min(at + (x > pad ? x - pad : 0), at_end); };
      each(Ngram{piece.substr(begin, end - begin), in_target(begin), in_target(end)});
    }
    if (whole_if_short && last == 0) break;  // a short word counts once
  }
}
template <class Each>
void chars(const std::string& target, const Ngrams& n, Each&& each) {
  std::string squeezed;        // runs of blanks become one space; a single blank stays as it is
  std::vector<size_t> origin;  // where each of its bytes is in the target
  size_t blanks = 0, run = 0;
  for (size_t i = 0; i < target.size();) {
    const Character c = decode_utf8(target.data() + i, target.data() + target.size());
    const auto bytes = static_cast<size_t>(c.bytes);
    blanks = is_blank(c.code) ? blanks + 1 : 0;
    if (blanks == 1) run = squeezed.size();
    if (blanks < 2) {
      squeezed.append(target, i, bytes);
      for (size_t k = 0; k < bytes; ++k) origin.push_back(i + k);
    } else {
      squeezed.resize(run + 1);
      squeezed[run] = ' ';
      origin.resize(run + 1);
    }
    i += bytes;
  }
  origin.push_back(target.size());
  Characters characters;
  characters.of(squeezed, is_ascii(squeezed));
  of_characters(squeezed, 0, 0, squeezed.size(), n, false, characters, [&](const Ngram& g) {
    each(Ngram{g.bytes, origin[g.begin], origin[g.end]});
  });
}
template <class Each>
void chars_in_words(const std::string& target, const Ngrams& n, Each&& each) {
  std::string padded;
  Characters characters;
  const bool ascii = is_ascii(target);
  for (const std::string_view word : split_at_blanks(target)) {
    const auto at = static_cast<size_t>(word.data() - target.data()), end = at + word.size();
    std::string_view piece;
    if (at > 0 && end < target.size() && target[at - 1] == ' ' && target[end] == ' ')
      piece = std::string_view(target).substr(at - 1, word.size() + 2);  // it is between spaces already
    else
      piece = padded.assign(1, ' ').append(word).append(1, ' ');
    characters.of(piece, ascii);
    of_characters(piece, 1, at, end, n, true, characters, each);
  }
}
template <class Each>
void words_of(const std::string& target, const Ngrams& n, Each&& each) {
  const std::vector<std::string_view> words = long_words(target);
  std::string joined;
  for (auto length = static_cast<size_t>(n.low); length <= static_cast<size_t>(n.high); ++length)
    for (size_t i = 0; i + length <= words.size(); ++i) {
      const char *begin = words[i].data(), *end = begin + words[i].size();
      bool as_it_stands = true;  // with one space between words, as in most texts
      for (size_t k = i + 1; k < i + length; ++k) {
        as_it_stands = as_it_stands && words[k].data() == end + 1 && *end == ' ';
        end = words[k].data() + words[k].size();
      }
      std::string_view bytes(begin, static_cast<size_t>(end - begin));
      if (!as_it_stands) {
        joined.assign(words[i]);
        for (size_t k = i + 1; k < i + length; ++k) joined.append(1, ' ').append(words[k]);
        bytes = joined;
      }
      each(
          Ngram{bytes, static_cast<size_t>(begin - target.data()), static_cast<size_t>(end - target.data())});
    }
}
template <class Each>
void word_pairs(const Lowered& text, Each&& each) {
  const std::vector<std::string_view> sources = long_words(text.source);
  std::string pair;
  for (const std::string_view t : long_words(text.target))
    for (const std::string_view s : sources) {
      pair.assign(s).append(1, '\t').append(t);
      const auto at = static_cast<size_t>(t.data() - text.target.data());
      each(Ngram{pair, at, at + t.size()});
    }
}
template <class Each>
void hash_each(const Lowered& text, const Ngrams& n, uint32_t columns, Each&& each) {
  const uint32_t mask = (columns & (columns - 1)) == 0 ? columns - 1 : 0;
  const auto hashed = [&](const Ngram& g) {
    const int32_t h = murmur3(g.bytes),
                  minus = h >> 31;  // half are negative, so a branch would be mispredicted
    const uint32_t size = static_cast<uint32_t>(h ^ minus) - static_cast<uint32_t>(minus);
    each(g, mask != 0 ? size & mask : size % columns, minus | 1);
  };
  switch (n.analyzer) {
    case Analyzer::chars:
      return chars(text.target, n, hashed);
    case Analyzer::chars_in_words:
      return chars_in_words(text.target, n, hashed);
    case Analyzer::words:
      return words_of(text.target, n, hashed);
    case Analyzer::word_pairs:
      return word_pairs(text, hashed);
  }
}
}  // namespace

// The signs of all n-grams, each with its column. A column's data is rarely in the cache, so it is prefetched
// while the next n-grams are cut; otherwise waiting for it would dominate.
void Hasher::hash(const Lowered& text, const Ngrams& n, std::span<const double> weights) {
  signs_.clear();
  hash_each(text, n, columns_, [&](const Ngram&, uint32_t column, int sign) {
    signs_.push_back({column, sign});
    __builtin_prefetch(&count_[column], 1);
    if (!weights.empty()) __builtin_prefetch(&weights[column]);
  });
}
std::span<const Hasher::Hashed> Hasher::count(const Lowered& text, const Ngrams& n) {
  hash(text, n, {});
  out_.clear();  // several n-grams may share a column; it is listed once
  for (const auto& [column, sign] : signs_) count_[column] += sign;
  for (const auto& [column, _] : signs_) {
    if (count_[column] == kTaken) continue;
    out_.push_back({column, count_[column]});
    count_[column] = kTaken;
  }
  for (const auto& [column, _] : signs_) count_[column] = 0;
  return out_;
}
double Hasher::dot(const Lowered& text, const Ngrams& n, std::span<const double> weights) {
  hash(text, n, weights);
  double sum = 0;
  int64_t squares = 0;
  for (const auto& [column, sign] : signs_) {
    int32_t& c = count_[column];
    squares += 2 * sign * c + 1;  // (c + sign)^2 - c^2
    c += sign;
    sum += sign * weights[column];
  }
  for (const auto& [column, _] : signs_) count_[column] = 0;
  if (squares == 0) return 0;
  return sum / std::sqrt(static_cast<double>(squares));
}
void for_each_ngram(const Lowered& text, const Ngrams& n, uint32_t columns,
                    const std::function<void(const Ngram&, uint32_t, int)>& each) {
  hash_each(text, n, columns, each);
}
double length(std::span<const Hasher::Hashed> counts) {
  double squares = 0;
  for (const auto& c : counts) squares += static_cast<double>(c.count) * c.count;
  return std::sqrt(squares);
}
}  // namespace rum::detect
