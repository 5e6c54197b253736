// The measures of diversity by name, and the paired permutation test of any of them. A sample holds what they
// read, frequency spectra and numbered tokens, and each measure says which of it it needs: so the test builds
// just that for each permutation and never counts strings again.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/explain.h"
#include "metrics/lexical_diversity.h"
#include "metrics/sentence_diversity.h"

namespace rum {
struct Sample {
  std::span<const int32_t> tokens;  // words in order
  size_t size = 0;                  // each is less
  int64_t lines = 0;
  std::array<Spectrum, kNgramOrders> spectra;  // of n-grams, n = 1 to 4
  Spectrum attested;                           // of the types that a reference attests
  const std::vector<std::string>* text = nullptr;
  const NumberedLines* words = nullptr;
};
// What of a sample a measure reads. The test leaves out what needs the text itself: it would be too slow.
enum Needs : unsigned {
  kTokens = 0,
  kWords = 1,
  kBigrams = 2,
  kTrigrams = 4,
  kFourgrams = 8,
  kAttested = 16,
  kText = 32,
  kByOrder = 64,  // one of the four spectra: n is the parameter
};

struct MeasureKind {
  Explanation explanation;
  int64_t parameter;  // of names like mattr_50: its default; kNone: it has none; kCallers: to be given
  unsigned needs;
  double (*value)(const Sample&, int64_t parameter);
  static constexpr int64_t kNone = -1, kCallers = 0;
  static std::span<const MeasureKind> all();  // in the order of a table
};
struct Measure {
  std::string name;
  const MeasureKind* kind;
  int64_t parameter;
  unsigned needs() const;
  double operator()(const Sample& s) const { return kind->value(s, parameter); }
};
// "mtld", "mattr_50"; `tokens`: the parameter of a bare "expected_types". Error with a did-you-mean when
// nothing has this name, or with the range when its number does not fit.
Measure find_measure(std::string_view name, int64_t tokens);

// A corpus ready for measures.
struct Corpus {
  const std::vector<std::string>* text;
  std::array<NumberedLines, kNgramOrders> ngrams;  // [0]: words
};
// The sample of a whole corpus, with the spectra in `needs`; `sizes`: of the numbers of n-grams; `attests`:
// of each word, whether the reference has it (empty: there is none).
Sample sample(const Corpus&, const std::array<size_t, kNgramOrders>& sizes, const std::vector<bool>& attests,
              unsigned needs);

struct DifferenceTest {
  double a, b, difference;       // a - b
  std::vector<double> permuted;  // the difference in each permutation
  // (1 + #{|permuted| >= |difference|}) / (1 + permutations), equal within 1e-12; NaN for an undefined one.
  double p() const;
  int64_t undefined() const;  // permutations whose difference is; p() does not count them
};
// keep(permutation, marks): sets marks[i] to whether line i stays or goes to the other corpus.
using Keep = std::function<void(int64_t permutation, std::span<uint8_t> marks)>;
Keep random_swaps(uint32_t seed);  // each line with probability 1/2; Stream::bootstrap
// The paired swap-permutation test: under the null hypothesis the two corpora say the same things in the same
// way, so line i of one could as well stand in the other. Same bits for any number of threads. Error when the
// numbers of lines differ or a measure needs the text itself.
std::vector<DifferenceTest> permutation_test(const Corpus& a, const Corpus& b,
                                             const std::array<size_t, kNgramOrders>& sizes,
                                             const std::vector<bool>& attests, std::span<const Measure>,
                                             int64_t permutations, const Keep&);
}  // namespace rum
