#include "metrics/diversity.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "base/threads.h"
#include "metrics/significance.h"

namespace rum::metrics {
namespace {
// The spectra that need only the count of each word.
void count_words(const ComparedCorpora& corpora, std::vector<int32_t> counts, unsigned needs,
                 DiversitySample& out) {
  out.spectra[0] = spectrum(counts);
  if (!(needs & kAttested)) return;
  for (size_t w = 0; w < counts.size(); ++w)
    if (w >= corpora.reference.size() || corpora.reference[w] == 0) counts[w] = 0;
  out.attested = spectrum(counts);
}
bool needs_order(unsigned needs, size_t n) { return needs & (n == 1 ? kWords | kAttested : 1u << (n - 1)); }
size_t longest_ngram(unsigned needs) {
  size_t n = kNgramOrders;
  while (n > 1 && !needs_order(needs, n)) --n;
  return n;
}

// Two corpora whose lines are swapped and recounted many times, so their n-grams are numbered beforehand.
class SwappedLines {
 public:
  using Sides = std::array<const NumberedLines*, 2>;
  SwappedLines(const ComparedCorpora& corpora, Sides words, unsigned needs)
      : corpora_(corpora),
        needs_(needs) {
    sides_[0] = words;
    for (size_t n = 2; n <= longest_ngram(needs); ++n) {
      longer_[n - 1] = longer_ngrams(words, n == 2 ? nullptr : &longer_[n - 2]);
      sides_[n - 1] = {&longer_[n - 1].corpora[0], &longer_[n - 1].corpora[1]};
      if (n > 2 && !needs_order(needs, n - 1)) longer_[n - 2].corpora.clear();  // needed only as a step
    }
  }
  // The corpus with line i from side marks[i], or from the opposite side with `other`.
  DiversitySample sample(std::span<const uint8_t> marks, bool other, std::vector<int32_t>& tokens) const {
    const auto line = [&](size_t n, size_t i) { return sides_[n - 1][(marks[i] != 0) != other]->line(i); };
    DiversitySample out;
    out.lines = static_cast<int64_t>(marks.size());
    out.size = corpora_.vocabulary.size();
    tokens.clear();
    for (size_t i = 0; i < marks.size(); ++i)
      tokens.insert(tokens.end(), line(1, i).begin(), line(1, i).end());
    out.tokens = tokens;
    for (size_t n = 1; n <= kNgramOrders; ++n) {
      if (!needs_order(needs_, n)) continue;
      std::vector<int32_t> counts(n == 1 ? out.size : longer_[n - 1].size);
      for (size_t i = 0; i < marks.size(); ++i)
        for (const int32_t t : line(n, i)) ++counts[static_cast<size_t>(t)];
      if (n == 1)
        count_words(corpora_, std::move(counts), needs_, out);
      else
        out.spectra[n - 1] = spectrum(counts);
    }
    return out;
  }

 private:
  const ComparedCorpora& corpora_;
  const unsigned needs_;
  std::array<SharedNgrams, kNgramOrders> longer_;
  std::array<Sides, kNgramOrders> sides_{};
};
}  // namespace

void ComparedCorpora::add(const std::vector<std::string>& lines) {
  parts.push_back({&lines, number_words(lines, vocabulary)});
}
void ComparedCorpora::add(NumberedLines words) { parts.push_back({nullptr, std::move(words)}); }
void ComparedCorpora::attest(std::span<const std::string> lines) {
  const NumberedLines words = number_words(lines, vocabulary);
  reference = count_tokens(words.tokens, vocabulary.size());
}

DiversitySample sample(const ComparedCorpora& corpora, size_t part, unsigned needs) {
  const ComparedCorpora::Part& from = corpora.parts[part];
  const NumberedLines* const words[] = {&from.words};
  DiversitySample out;
  out.tokens = from.words.tokens;
  out.size = corpora.vocabulary.size();
  out.lines = static_cast<int64_t>(from.words.lines());
  out.text = from.text;
  out.words = &from.words;
  if (needs_order(needs, 1)) count_words(corpora, count_tokens(out.tokens, out.size), needs, out);
  SharedNgrams ngrams;
  for (size_t n = 2; n <= longest_ngram(needs); ++n) {
    ngrams = longer_ngrams(words, n == 2 ? nullptr : &ngrams);
    if (needs_order(needs, n))
      out.spectra[n - 1] = spectrum(count_tokens(ngrams.corpora[0].tokens, ngrams.size));
  }
  return out;
}

double DifferenceTest::p() const {
  if (std::isnan(difference) || undefined() > 0) return kUndefined;
  const int64_t count = as_far(permuted, difference, std::max(std::abs(a), std::abs(b)));
  return exact ? static_cast<double>(count) / static_cast<double>(permuted.size())
               : p_value(count, permuted.size());
}
int64_t DifferenceTest::undefined() const {
  return std::count_if(permuted.begin(), permuted.end(), [](double d) { return std::isnan(d); });
}
Keep random_swaps(uint32_t seed) {
  return [random = Random{seed, Stream::bootstrap}](int64_t permutation, std::span<uint8_t> marks) {
    constexpr size_t kBits = 128;  // bits per draw
    for (size_t first = 0; first < marks.size(); first += kBits) {
      const Bits4 bits =
          random.bits({static_cast<uint32_t>(permutation), 0, 0, static_cast<uint32_t>(first / kBits)});
      for (size_t i = first; i < std::min(marks.size(), first + kBits); ++i)
        marks[i] = bits.at[(i - first) / 32] >> i % 32 & 1;
    }
  };
}

std::vector<DifferenceTest> permutation_test(const ComparedCorpora& corpora, size_t part_a, size_t part_b,
                                             std::span<const Measure> measures, int64_t permutations,
                                             const Keep& keep) {
  const NumberedLines &words_a = corpora.parts[part_a].words, &words_b = corpora.parts[part_b].words;
  const size_t lines = words_a.lines();
  RUM_CHECK(lines == words_b.lines(),
            "the paired test needs as many lines in both corpora; they have {} and {}", lines,
            words_b.lines());
  unsigned needs = 0;
  for (const Measure& m : measures) {
    RUM_CHECK(!(m.needs() & kText), "{}: too slow for a permutation test", m.name);
    needs |= m.needs();
  }
  const SwappedLines swapped(corpora, {&words_b, &words_a}, needs);
  std::vector<DifferenceTest> out(measures.size());
  for (DifferenceTest& t : out) t.permuted.resize(static_cast<size_t>(permutations));
  const auto differ = [&](std::span<const uint8_t> marks, auto&& result) {
    std::vector<int32_t> tokens[2];
    const DiversitySample first = swapped.sample(marks, false, tokens[0]),
                          second = swapped.sample(marks, true, tokens[1]);
    for (size_t m = 0; m < measures.size(); ++m) result(m, measures[m](first), measures[m](second));
  };
  differ(std::vector<uint8_t>(lines, 1), [&](size_t m, double x, double y) {
    out[m].a = x;
    out[m].b = y;
    out[m].difference = x - y;
  });
  parallel(permutations, [&](int64_t permutation) {
    std::vector<uint8_t> marks(lines);
    keep(permutation, marks);
    differ(marks,
           [&](size_t m, double x, double y) { out[m].permuted[static_cast<size_t>(permutation)] = x - y; });
  });
  return out;
}
std::vector<DifferenceTest> swap_test(const ComparedCorpora& corpora, size_t part_a, size_t part_b,
                                      std::span<const Measure> measures, int64_t permutations,
                                      uint32_t seed) {
  const NumberedLines &a = corpora.parts[part_a].words, &b = corpora.parts[part_b].words;
  std::vector<size_t> differ;
  for (size_t i = 0; i < std::min(a.lines(), b.lines()); ++i)
    if (!std::ranges::equal(a.line(i), b.line(i))) differ.push_back(i);
  if (differ.size() > kMostExact || int64_t{1} << differ.size() > permutations)
    return permutation_test(corpora, part_a, part_b, measures, permutations, random_swaps(seed));
  const auto each_way = [&](int64_t swaps, std::span<uint8_t> marks) {
    std::ranges::fill(marks, uint8_t{1});
    for (size_t i = 0; i < differ.size(); ++i) marks[differ[i]] = (swaps >> i & 1) == 0;
  };
  auto out = permutation_test(corpora, part_a, part_b, measures, int64_t{1} << differ.size(), each_way);
  for (DifferenceTest& t : out) t.exact = true;
  return out;
}
}  // namespace rum::metrics
