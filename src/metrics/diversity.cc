#include "metrics/diversity.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/random.h"
#include "base/threads.h"

namespace rum {
namespace {
constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
unsigned need_of_order(size_t n) { return 1u << (n - 1); }

// Lines picked from corpus a or b, counted; what a measure does not need stays empty.
struct Counting {
  const std::array<size_t, kNgramOrders>& sizes;
  const std::vector<bool>& attests;
  unsigned needs;

  template <class Pick>  // pick(i): the corpus that line i comes from
  Sample count(size_t lines, Pick&& pick, std::vector<int32_t>& tokens) const {
    Sample out;
    out.lines = static_cast<int64_t>(lines), out.size = sizes[0];
    tokens.clear();
    for (size_t i = 0; i < lines; ++i) {
      const auto line = pick(i).ngrams[0].line(i);
      tokens.insert(tokens.end(), line.begin(), line.end());
    }
    out.tokens = tokens;
    std::vector<int32_t> counts;
    for (size_t n = kNgramOrders; n >= 1; --n) {  // words last: `attested` needs their counts
      if (!(needs & (n == 1 ? kWords | kAttested : need_of_order(n)))) continue;
      counts.assign(sizes[n - 1], 0);
      for (size_t i = 0; i < lines; ++i)
        for (const int32_t t : pick(i).ngrams[n - 1].line(i)) ++counts[static_cast<size_t>(t)];
      out.spectra[n - 1] = spectrum(counts);
    }
    if (!(needs & kAttested)) return out;
    for (size_t w = 0; w < counts.size(); ++w)
      if (!attests[w]) counts[w] = 0;
    out.attested = spectrum(counts);
    return out;
  }
};
}  // namespace

Sample sample(const Corpus& corpus, const std::array<size_t, kNgramOrders>& sizes,
              const std::vector<bool>& attests, unsigned needs) {
  std::vector<int32_t> copy;
  Sample out = Counting{sizes, attests, needs}.count(
      corpus.ngrams[0].lines(), [&](size_t) -> const Corpus& { return corpus; }, copy);
  out.tokens = corpus.ngrams[0].tokens;
  out.text = corpus.text, out.words = &corpus.ngrams[0];
  return out;
}

double DifferenceTest::p() const {
  if (std::isnan(difference)) return kUndefined;
  int64_t extreme = 0;
  for (const double d : permuted) extreme += std::abs(d) >= std::abs(difference) - 1e-12;
  return static_cast<double>(1 + extreme) / static_cast<double>(1 + permuted.size());
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

std::vector<DifferenceTest> permutation_test(const Corpus& a, const Corpus& b,
                                             const std::array<size_t, kNgramOrders>& sizes,
                                             const std::vector<bool>& attests,
                                             std::span<const Measure> measures, int64_t permutations,
                                             const Keep& keep) {
  const size_t lines = a.ngrams[0].lines();
  RUM_CHECK(lines == b.ngrams[0].lines(),
            "the paired test needs as many lines in both corpora; they have {} and {}", lines,
            b.ngrams[0].lines());
  Counting counting{sizes, attests, 0};
  for (const Measure& m : measures) {
    RUM_CHECK(!(m.needs() & kText), "{}: too slow for a permutation test", m.name);
    counting.needs |= m.needs();
  }
  std::vector<DifferenceTest> out(measures.size());
  for (DifferenceTest& t : out) t.permuted.resize(static_cast<size_t>(permutations));
  const auto differ = [&](std::span<const uint8_t> marks, auto&& result) {
    const Corpus* sides[2] = {&b, &a};
    std::vector<int32_t> tokens[2];
    const Sample first = counting.count(
        lines, [&](size_t i) -> const Corpus& { return *sides[marks[i]]; }, tokens[0]);
    const Sample second = counting.count(
        lines, [&](size_t i) -> const Corpus& { return *sides[!marks[i]]; }, tokens[1]);
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
