#include "metrics/diversity.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/random.h"
#include "base/threads.h"
#include "metrics/significance.h"

namespace rum {
namespace {
constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// Lines picked from parts of the corpora, counted; what no measure needs stays empty.
struct Counting {
  const ComparedCorpora& corpora;
  unsigned needs;

  template <class Pick>  // pick(i): the part that line i comes from
  DiversitySample count(size_t lines, Pick&& pick, std::vector<int32_t>& tokens) const {
    DiversitySample out;
    out.lines = static_cast<int64_t>(lines), out.size = corpora.types(1);
    tokens.clear();
    for (size_t i = 0; i < lines; ++i) {
      const auto line = pick(i).ngrams[0].line(i);
      tokens.insert(tokens.end(), line.begin(), line.end());
    }
    out.tokens = tokens;
    std::vector<int32_t> counts;
    for (size_t n = kNgramOrders; n >= 1; --n) {  // words last: `attested` needs their counts
      if (!(needs & (n == 1 ? kWords | kAttested : 1u << (n - 1)))) continue;
      counts.assign(corpora.types(n), 0);
      for (size_t i = 0; i < lines; ++i)
        for (const int32_t t : pick(i).ngrams[n - 1].line(i)) ++counts[static_cast<size_t>(t)];
      out.spectra[n - 1] = spectrum(counts);
    }
    if (!(needs & kAttested)) return out;
    for (size_t w = 0; w < counts.size(); ++w)
      if (w >= corpora.reference.size() || corpora.reference[w] == 0) counts[w] = 0;
    out.attested = spectrum(counts);
    return out;
  }
};
}  // namespace

void ComparedCorpora::add(const std::vector<std::string>& lines) {
  add(number_words(lines, vocabulary));
  parts.back().text = &lines;
}
void ComparedCorpora::add(NumberedLines words) {
  parts.push_back({nullptr, ngrams_.number(std::move(words), longest)});
}
void ComparedCorpora::attest(std::span<const std::string> lines) {
  const NumberedLines words = number_words(lines, vocabulary);
  reference = count_tokens(words.tokens, vocabulary.size());
}

size_t longest_ngram(unsigned needs) {
  size_t n = kNgramOrders;
  while (n > 1 && !(needs & 1u << (n - 1))) --n;
  return n;
}
DiversitySample sample(const ComparedCorpora& corpora, size_t part, unsigned needs) {
  RUM_CHECK(longest_ngram(needs) <= corpora.longest, "diversity: {}-grams were not numbered",
            longest_ngram(needs));
  const ComparedCorpora::Part& from = corpora.parts[part];
  std::vector<int32_t> copy;
  DiversitySample out = Counting{corpora, needs}.count(
      from.ngrams[0].lines(), [&](size_t) -> const ComparedCorpora::Part& { return from; }, copy);
  out.tokens = from.ngrams[0].tokens, out.text = from.text, out.words = &from.ngrams[0];
  return out;
}

double DifferenceTest::p() const {
  if (std::isnan(difference)) return kUndefined;
  return p_value(as_far(permuted, difference, std::max(std::abs(a), std::abs(b))), permuted.size());
}
int64_t DifferenceTest::undefined() const {
  return std::count_if(permuted.begin(), permuted.end(), [](double d) { return std::isnan(d); });
}
Keep random_swaps(uint32_t seed) {
  return [random = Random{seed, Stream::bootstrap}](int64_t permutation, std::span<uint8_t> marks) {
    constexpr size_t kBits = 128;  // of one draw
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
  const ComparedCorpora::Part* const sides[2] = {&corpora.parts[part_b], &corpora.parts[part_a]};
  const size_t lines = sides[0]->ngrams[0].lines();
  RUM_CHECK(lines == sides[1]->ngrams[0].lines(),
            "the paired test needs as many lines in both corpora; they have {} and {}",
            sides[1]->ngrams[0].lines(), lines);
  Counting counting{corpora, 0};
  for (const Measure& m : measures) {
    RUM_CHECK(!(m.needs() & kText), "{}: too slow for a permutation test", m.name);
    counting.needs |= m.needs();
  }
  RUM_CHECK(longest_ngram(counting.needs) <= corpora.longest, "diversity: {}-grams were not numbered",
            longest_ngram(counting.needs));
  std::vector<DifferenceTest> out(measures.size());
  for (DifferenceTest& t : out) t.permuted.resize(static_cast<size_t>(permutations));
  const auto differ = [&](std::span<const uint8_t> marks, auto&& result) {
    std::vector<int32_t> tokens[2];
    const auto first = counting.count(
        lines, [&](size_t i) -> const auto& { return *sides[marks[i]]; }, tokens[0]);
    const auto second = counting.count(
        lines, [&](size_t i) -> const auto& { return *sides[!marks[i]]; }, tokens[1]);
    for (size_t m = 0; m < measures.size(); ++m) result(m, measures[m](first), measures[m](second));
  };
  differ(std::vector<uint8_t>(lines, 1),
         [&](size_t m, double x, double y) { out[m].a = x, out[m].b = y, out[m].difference = x - y; });
  parallel(permutations, [&](int64_t permutation) {
    std::vector<uint8_t> marks(lines);
    keep(permutation, marks);
    differ(marks,
           [&](size_t m, double x, double y) { out[m].permuted[static_cast<size_t>(permutation)] = x - y; });
  });
  return out;
}
}  // namespace rum
