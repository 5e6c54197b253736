// The measures of diversity by name, and the paired permutation test of any of them. A sample holds what they
// read, frequency spectra and numbered tokens, and each measure declares which of these it needs, so the test
// builds only those for each permutation and never counts strings again.
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
#include "metrics/numbered.h"
#include "metrics/sentence_diversity.h"

namespace rum::metrics {
// Corpora that are measured together, with one numbering of words.
struct ComparedCorpora {
  struct Part {
    const std::vector<std::string>* text;  // lines; null when there are only tokens
    NumberedLines words;
  };
  Vocabulary vocabulary;
  std::vector<Part> parts;
  std::vector<int32_t> reference;  // count of each word in the reference text; empty without one

  // Cut by words_v2. Keeps a reference to the lines. Error when one is not UTF-8.
  void add(const std::vector<std::string>& lines);
  void add(NumberedLines words);                    // numbered by the vocabulary
  void attest(std::span<const std::string> lines);  // the reference text: sets `reference`
};
// What measures read from a corpus.
struct DiversitySample {
  std::span<const int32_t> tokens;  // words in order
  size_t size = 0;                  // every token is below this
  int64_t lines = 0;
  std::array<Spectrum, kNgramOrders> spectra;  // of n-grams, n = 1 to 4
  Spectrum attested;                           // of the types that the reference has
  const std::vector<std::string>* text = nullptr;
  const NumberedLines* words = nullptr;
};
// The parts of a sample that a measure reads. The test excludes measures that need the text itself: too slow.
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
  int64_t parameter;  // the default of names like mattr_50; kNone: it has none; kCallers: the caller gives it
  unsigned needs;
  double (*value)(const DiversitySample&, int64_t parameter);
  static constexpr int64_t kNone = -1, kCallers = 0;
  static std::span<const MeasureKind> all();  // in the order of a table
};
struct Measure {
  std::string name;
  const MeasureKind* kind;
  int64_t parameter;
  unsigned needs() const;
  double operator()(const DiversitySample& s) const { return kind->value(s, parameter); }
};
// "mtld", "mattr_50"; `tokens`: the parameter of a bare "expected_types". Error with a suggestion when there
// is no such measure, or with the range when its number is outside.
Measure find_measure(std::string_view name, int64_t tokens);

// The sample of a whole part, with the spectra in `needs`.
DiversitySample sample(const ComparedCorpora&, size_t part, unsigned needs);

struct DifferenceTest {          // of one measure
  double a, b, difference;       // a - b
  std::vector<double> permuted;  // the difference in each permutation
  bool exact = false;            // these are all possible permutations, including the identity
  // #{|permuted| >= |difference|} / permutations where that is exact, else (# + 1) / (permutations + 1), with
  // ties as significance.h counts them; undefined where the difference is, or that of any permutation, for it
  // cannot be said which of those are as far.
  double p() const;
  int64_t undefined() const;  // permutations with an undefined difference
};
// keep(permutation, marks): sets marks[i]: does line i stay, or go to the other corpus?
using Keep = std::function<void(int64_t permutation, std::span<uint8_t> marks)>;
Keep random_swaps(uint32_t seed);  // each line with probability 1/2; Stream::bootstrap
// The paired permutation test: under the null hypothesis the two corpora do not differ, so line i of one
// could equally be in the other. Same bits for any number of threads. Error when the numbers of lines differ
// or a measure needs the text itself.
std::vector<DifferenceTest> permutation_test(const ComparedCorpora&, size_t part_a, size_t part_b,
                                             std::span<const Measure>, int64_t permutations, const Keep&);
// The same with all possible swaps of the lines whose words differ if there are at most `permutations`, else
// with that many random ones.
std::vector<DifferenceTest> swap_test(const ComparedCorpora&, size_t part_a, size_t part_b,
                                      std::span<const Measure>, int64_t permutations, uint32_t seed);
}  // namespace rum::metrics
