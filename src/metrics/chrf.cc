#include "metrics/chrf.h"

#include <algorithm>

#include "base/error.h"
#include "metrics/explain.h"
#include "metrics/ngrams.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::metrics {
namespace {
bool is_mark(char32_t c) {  // Python's string.punctuation
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}
// A text as characters, and as words with one punctuation mark split off: the last character, or else the
// first.
struct Text {
  std::vector<uint32_t> characters;
  std::vector<std::string_view> words;
};
void cut(std::string_view line, bool whitespace, bool words, Text& out) {
  out.characters.clear();
  out.words.clear();
  const char *const end = line.data() + line.size(), *word = nullptr;
  const auto close = [&](const char* stop) {
    const std::string_view w(word, static_cast<size_t>(stop - word));
    word = nullptr;
    if (decode_utf8(w.data(), stop).bytes == static_cast<int>(w.size())) return out.words.push_back(w);
    size_t at = w.size();  // where a mark at the end, or else at the beginning, is cut off
    if (is_mark(static_cast<uint8_t>(w.back())))
      at = w.size() - 1;
    else if (is_mark(static_cast<uint8_t>(w[0])))
      at = 1;
    out.words.push_back(w.substr(0, at));
    if (at < w.size()) out.words.push_back(w.substr(at));
  };
  for (const char* p = line.data(); p < end;) {
    const Character c = decode_utf8(p, end);
    const bool blank = is_blank(c.code);
    if (whitespace || !blank) out.characters.push_back(c.code);
    if (words && !blank && word == nullptr) word = p;
    if (words && blank && word != nullptr) close(p);
    p += c.bytes;
  }
  if (word != nullptr) close(end);
}

struct Scratch {  // one per thread
  Text text;
  std::vector<uint32_t> words;
  WordNumbers numbers;
  std::vector<int64_t> matches;
};
struct Prepared {     // a reference
  std::string lower;  // must outlive the words, which point into it
  size_t characters = 0, words = 0;
  WordNumbers numbers;
  NgramTrie of_characters, of_words;
};

class Chrf : public Metric {
 public:
  explicit Chrf(const ChrfConfig& c)
      : config_(c),
        chars_(static_cast<size_t>(c.char_order)),
        words_(static_cast<size_t>(c.word_order)) {
    RUM_CHECK(c.char_order >= 0 && c.word_order >= 0 && c.char_order + c.word_order > 0,
              "chrf: char_order {} and word_order {}; expected one of them above 0", c.char_order,
              c.word_order);
    RUM_CHECK(c.beta > 0, "chrf: beta {}; expected 1 or more", c.beta);
  }
  std::string name() const override {
    return fmt::format("chrF{}{}", config_.beta, std::string(words_, '+'));
  }
  std::string settings() const override {
    return fmt::format("case:{}|eff:{}|nc:{}|nw:{}|space:{}", config_.lowercase ? "lc" : "mixed",
                       config_.eps_smoothing ? "no" : "yes", config_.char_order, config_.word_order,
                       config_.whitespace ? "yes" : "no");
  }
  std::vector<std::string> columns() const override {
    std::vector<std::string> out;
    for (size_t n = 0; n < chars_ + words_; ++n)
      for (const char* what : {"hyp", "ref", "match"})
        out.push_back(n < chars_ ? fmt::format("{}_char_{}", what, n + 1)
                                 : fmt::format("{}_word_{}", what, n - chars_ + 1));
    return out;
  }
  void count(std::span<const std::string_view> hypotheses, std::span<const std::string_view> references,
             std::span<double> rows) const override {
    static thread_local Scratch at;
    static thread_local std::vector<Prepared> refs;
    refs.resize(std::max(refs.size(), references.size()));
    for (size_t r = 0; r < references.size(); ++r) prepare(references[r], at, refs[r]);
    const size_t columns = 3 * (chars_ + words_);
    std::vector<double> row(columns);
    at.matches.resize(std::max(chars_, words_));
    for (size_t s = 0; s < hypotheses.size(); ++s) {
      std::string lower;
      cut(lowered(hypotheses[s], lower), config_.whitespace, words_ > 0, at.text);
      double best = -1;
      for (Prepared& ref : std::span(refs).first(references.size())) {
        ref.of_characters.match(at.text.characters, std::span(at.matches).first(chars_));
        fill(chars_, at.text.characters.size(), ref.characters, at.matches, row.data());
        at.words.clear();
        for (const std::string_view w : at.text.words) at.words.push_back(ref.numbers.find(w));
        ref.of_words.match(at.words, std::span(at.matches).first(words_));
        fill(words_, at.words.size(), ref.words, at.matches, row.data() + 3 * chars_);
        if (const double f = score(row); f > best)
          best = f,
          std::copy(row.begin(), row.end(), rows.begin() + static_cast<std::ptrdiff_t>(s * columns));
      }
    }
  }
  // Computed in the order of the reference tool, for the same rounding.
  double score(std::span<const double> sum) const override {
    constexpr double kEps = 1e-16;
    const double factor = config_.beta * config_.beta;
    double f = 0, precision = 0, recall = 0;
    int orders = 0;
    for (size_t i = 0; i < sum.size(); i += 3) {
      const double hyp = sum[i], ref = sum[i + 1], match = sum[i + 2];
      const double p = hyp > 0 ? match / hyp : kEps, r = ref > 0 ? match / ref : kEps, both = factor * p + r;
      f += both > 0 ? (1 + factor) * p * r / both : kEps;
      if (hyp > 0 && ref > 0) {
        precision += p;
        recall += r;
        ++orders;
      }
    }
    if (config_.eps_smoothing) return 100 * f / static_cast<double>(chars_ + words_);
    if (orders == 0 || precision + recall == 0) return 0;
    precision /= orders;
    recall /= orders;
    return 100 * ((1 + factor) * precision * recall / (factor * precision + recall));
  }
  Json::Object fields(std::span<const double> sum) const override {
    return {{"score", score(sum)},
            {"char_order", config_.char_order},
            {"word_order", config_.word_order},
            {"beta", config_.beta}};
  }

 private:
  std::string_view lowered(std::string_view line, std::string& keep) const {
    return config_.lowercase ? std::string_view(keep = lower_case(line)) : line;
  }
  void prepare(std::string_view line, Scratch& at, Prepared& ref) const {
    cut(lowered(line, ref.lower), config_.whitespace, words_ > 0, at.text);
    ref.characters = at.text.characters.size();
    ref.words = at.text.words.size();
    ref.of_characters.clear(ref.characters, chars_);
    ref.of_characters.add(at.text.characters);
    ref.numbers.clear(ref.words);
    at.words.clear();
    for (const std::string_view w : at.text.words) at.words.push_back(ref.numbers.add(w));
    ref.of_words.clear(ref.words, words_);
    ref.of_words.add(at.words);
  }
  static void fill(size_t orders, size_t hyp, size_t ref, std::span<const int64_t> matches, double* row) {
    for (size_t n = 0; n < orders; ++n) {
      const size_t of_hyp = hyp > n ? hyp - n : 0, of_ref = ref > n ? ref - n : 0;
      *row++ = static_cast<double>(of_ref > 0 ? of_hyp : 0);
      *row++ = static_cast<double>(of_ref);
      *row++ = static_cast<double>(matches[n]);
    }
  }
  ChrfConfig config_;
  size_t chars_, words_;
};

constexpr const char* kDefinition =
    "100 x (1 + b^2) P R / (b^2 P + R), b = 2. P and R are the means, over the orders that both texts reach, "
    "of matched n-grams over those of the translation and of the reference, summed over sentences. n-grams "
    "of 1 to 6 characters without spaces; chrF++ adds those of 1 and 2 words, where one mark at the edge of "
    "a word stands apart. n-grams of the translation do not count where the reference has none of that "
    "order. Of several references, each sentence takes the one with the best F.";
constexpr const char* kDisagreements =
    "chrF++.py, Moses and NLTK average F over all orders instead (option eps_smoothing); the original splits "
    "marks off in another way when a word has them on both sides.";
const Explanation chrf("chrf", "chrF, character n-gram F score", kDefinition,
                       "Popovic 2015; conventions of sacreBLEU 2.6.0", kDisagreements);
const Explanation chrf_plus("chrf++", "chrF++, character and word n-gram F score", kDefinition,
                            "Popovic 2017; conventions of sacreBLEU 2.6.0", kDisagreements);
}  // namespace

std::unique_ptr<Metric> make_chrf(const ChrfConfig& c) { return std::make_unique<Chrf>(c); }
}  // namespace rum::metrics
