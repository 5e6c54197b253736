#include "edits/thin.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/threads.h"
#include "edits/edit_rates.h"
#include "edits/ibm1.h"
#include "edits/spelling.h"
#include "metrics/lexical_diversity.h"
#include "metrics/numbered.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::edits {
namespace {
constexpr float kFloor = 1e-7f;  // the smallest weight of a link
constexpr size_t kKeep = 32;     // paraphrases kept for a word in its line
constexpr int kStay = 6;         // one in six types, the most frequent ones, are never replaced
constexpr int kStem = 5;         // characters of a source word that count

// Truncated words, so that "Gefahr" and "Gefahren" are one pivot.
std::vector<std::string> stems(std::string_view line) {
  std::vector<std::string> out = words(line);
  for (std::string& word : out) {
    size_t bytes = 0;
    for (int i = 0; i < kStem && bytes < word.size(); ++i)
      bytes += static_cast<size_t>(decode_utf8(word.data() + bytes, word.data() + word.size()).bytes);
    word.resize(bytes);
  }
  return out;
}

bool has_digit(std::string_view word) {
  return std::any_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

struct Link {
  int32_t word;
  float weight;
};
using Links = std::vector<std::vector<Link>>;  // from each source word to target words

// A corpus for thinning: its words as numbers, and for each the paraphrases that its sentence allows.
class Thinner {
 public:
  Thinner(std::span<const std::string> sources, std::span<const std::string> targets)
      : source_(metrics::number_lines(sources, source_words_, stems)),
        target_(metrics::number_words(targets, target_words_)) {
    counts_ = metrics::count_tokens(target_.tokens, target_words_.size());
    rank_by_count();
    find_paraphrases(find_links());
    rank_by_paraphrase();
  }
  // The target side when the first `types` of the order are replaced.
  std::vector<int32_t> replaced(size_t types) const {
    std::vector<int32_t> out = target_.tokens;
    for (size_t t = 0; t < out.size(); ++t)
      if (goes(out[t], types))
        for (size_t i = begins_[t]; i < begins_[t + 1]; ++i)
          if (!goes(paraphrases_[i].word, types)) {
            out[t] = paraphrases_[i].word;
            break;
          }
    return out;
  }
  const metrics::NumberedLines& target() const { return target_; }
  const metrics::Vocabulary& vocabulary() const { return target_words_; }
  const std::string& word(int32_t w) const { return target_words_.word(w); }
  size_t replaceable() const { return order_.size(); }

 private:
  bool goes(int32_t word, size_t types) const { return rank_[static_cast<size_t>(word)] < types; }
  void rank_by_count();
  Links find_links() const;
  void find_paraphrases(const Links&);
  void rank_by_paraphrase();

  metrics::Vocabulary source_words_, target_words_;
  metrics::NumberedLines source_, target_;
  std::vector<int32_t> counts_;
  std::vector<size_t> begins_{0};  // where each target token's paraphrases begin
  std::vector<Link> paraphrases_;  // best first
  std::vector<int32_t> order_;     // types in the order in which they are replaced
  std::vector<size_t> rank_;       // of each type in that order
};

void Thinner::rank_by_count() {
  order_.resize(counts_.size());
  std::iota(order_.begin(), order_.end(), 0);
  const auto frequency = [&](int32_t w) { return counts_[static_cast<size_t>(w)]; };
  std::stable_sort(order_.begin(), order_.end(),
                   [&](int32_t a, int32_t b) { return frequency(a) < frequency(b); });
  order_.resize(order_.size() - order_.size() / kStay);
}
Links Thinner::find_links() const {
  TranslationTable source_of, target_of;
  parallel(2, [&](int64_t direction) {
    if (direction == 0)
      source_of = ibm1(target_, source_, target_words_.size());
    else
      target_of = ibm1(source_, target_, source_words_.size());
  });
  Links links(source_words_.size());
  parallel(static_cast<int64_t>(links.size()), [&](int64_t piece) {
    const auto f = static_cast<int32_t>(piece);
    for (const auto& [e, p] : target_of.of(f))
      if (const float link = p * source_of.p(f, e); link >= kFloor && !has_digit(target_words_.word(e)))
        links[static_cast<size_t>(f)].push_back({e, link});
  });
  return links;
}
void Thinner::find_paraphrases(const Links& links) {
  std::vector<char> may_go(counts_.size());
  for (const int32_t w : order_) may_go[static_cast<size_t>(w)] = 1;
  const auto frequency = [&](int32_t w) { return counts_[static_cast<size_t>(w)]; };
  std::vector<float> weight(counts_.size());
  for (size_t line = 0; line < target_.lines(); ++line) {
    const std::span<const int32_t> here = target_.line(line);
    for (const int32_t e1 : here) {
      std::vector<Link> found;
      for (const int32_t f :
           may_go[static_cast<size_t>(e1)] ? source_.line(line) : std::span<const int32_t>()) {
        const std::vector<Link>& all = links[static_cast<size_t>(f)];
        const auto pivot = std::find_if(all.begin(), all.end(), [&](const Link& l) { return l.word == e1; });
        if (pivot == all.end()) continue;
        for (const Link& l : all)
          if (frequency(l.word) > frequency(e1)) {
            if (weight[static_cast<size_t>(l.word)] == 0) found.push_back(l);
            weight[static_cast<size_t>(l.word)] += pivot->weight * l.weight;
          }
      }
      for (Link& l : found) l.weight = std::exchange(weight[static_cast<size_t>(l.word)], 0.0f);
      std::erase_if(found, [&](const Link& l) {  // words already in the line translate something else
        return std::find(here.begin(), here.end(), l.word) != here.end();
      });
      std::sort(found.begin(), found.end(), [](const Link& a, const Link& b) {
        return a.weight != b.weight ? a.weight > b.weight : a.word < b.word;
      });
      found.resize(std::min(found.size(), kKeep));
      paraphrases_.insert(paraphrases_.end(), found.begin(), found.end());
      begins_.push_back(paraphrases_.size());
    }
  }
}
// Rarest first; of equally rare types, those with the most probable paraphrases first. Types without
// paraphrases are left out.
void Thinner::rank_by_paraphrase() {
  std::vector<double> sure(counts_.size());
  for (size_t t = 0; t < target_.tokens.size(); ++t)
    if (begins_[t] < begins_[t + 1])
      sure[static_cast<size_t>(target_.tokens[t])] += paraphrases_[begins_[t]].weight;
  std::erase_if(order_, [&](int32_t w) { return sure[static_cast<size_t>(w)] == 0; });
  std::stable_sort(order_.begin(), order_.end(), [&](int32_t a, int32_t b) {
    const auto i = static_cast<size_t>(a), j = static_cast<size_t>(b);
    return counts_[i] != counts_[j] ? counts_[i] < counts_[j] : sure[i] > sure[j];
  });
  rank_.assign(counts_.size(), counts_.size());
  for (size_t i = 0; i < order_.size(); ++i) rank_[static_cast<size_t>(order_[i])] = i;
}

}  // namespace

double types_expected(std::span<const int32_t> tokens, const metrics::Vocabulary& words, int64_t sample,
                      const metrics::HumanText* attesting) {
  std::vector<int32_t> counts = metrics::count_tokens(tokens, words.size());
  for (size_t w = 0; attesting && w < counts.size(); ++w)
    if (!attesting->attests(words.word(static_cast<int32_t>(w)))) counts[w] = 0;
  return metrics::expected_types(metrics::spectrum(counts), sample, static_cast<int64_t>(tokens.size()));
}

Thinned thin(std::span<const std::string> sources, std::span<const std::string> targets, double wanted,
             int64_t sample, const metrics::HumanText* attesting) {
  RUM_CHECK(sources.size() == targets.size(), "thin: {} source lines, {} target lines", sources.size(),
            targets.size());
  RUM_CHECK(
      wanted >= 1 && sample >= 1,
      "thin: the diversity to imitate is {:.3g} types in {} tokens; expected 1 or more; a generator that "
      "writes so few words must be trained longer first",
      wanted, sample);
  const Thinner corpus(sources, targets);
  const metrics::NumberedLines& human = corpus.target();
  const auto words = static_cast<int64_t>(human.tokens.size());
  RUM_CHECK(words >= sample, "thin: diversity is to be measured on {} words, but the targets have only {}",
            sample, words);

  size_t few = 0, many = corpus.replaceable();  // diversity(few) > wanted >= diversity(many), if possible
  const auto diversity = [&](std::span<const int32_t> tokens) {
    return types_expected(tokens, corpus.vocabulary(), sample, attesting);
  };
  const auto distance = [&](size_t types) { return diversity(corpus.replaced(types)) - wanted; };
  while (few + 1 < many) {
    const size_t middle = few + (many - few) / 2;
    (distance(middle) > 0 ? few : many) = middle;
  }
  const size_t types = std::abs(distance(few)) <= std::abs(distance(many)) ? few : many;

  Thinned out{.lines = {}, .wanted = wanted, .before = diversity(human.tokens)};
  const std::vector<int32_t> now = corpus.replaced(types);
  out.got = diversity(now);
  out.words = words;
  const Spelling spelling(targets);
  for (size_t line = 0; line < targets.size(); ++line) {
    const size_t begin = human.begins[line], length = human.begins[line + 1] - begin;
    out.lines.push_back(spelling.exchange(targets[line], [&](size_t i) {
      return now[begin + i] == human.tokens[begin + i] ? std::string() : corpus.word(now[begin + i]);
    }));
    for (size_t t = begin; t < begin + length; ++t) out.words_replaced += now[t] != human.tokens[t];
  }
  out.cost = edit_rates(out.lines, targets);
  return out;
}
}  // namespace rum::edits
