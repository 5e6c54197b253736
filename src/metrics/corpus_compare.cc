#include "metrics/corpus_compare.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "metrics/explain.h"
#include "metrics/lexical_diversity.h"

namespace rum::metrics {
namespace {
const Explanation explanations[] = {
    {"js_divergence_bits", "Jensen-Shannon divergence of words",
     "sum_w p/2 log2(2p / (p + q)) + q/2 log2(2q / (p + q)) over types, p and q their shares in reference "
     "and text; 0: the same, 1: no word in common",
     "Lin 1991.", "Some packages print its root, the distance."},
    {"jaccard", "Jaccard index of vocabularies", "types in both over types in either", "Jaccard 1912.", ""},
    {"type_coverage", "Types covered", "share of the reference's types that the text has", "This program.",
     ""},
    {"token_coverage", "Tokens covered", "share of the reference's tokens whose type the text has",
     "This program.", ""},
    {"oov_rate", "Unattested tokens", "share of the text's tokens whose type the reference lacks",
     "This program.", ""},
    {"coverage_ref_freq", "Types covered, by frequency",
     "type_coverage among the reference's types that occur 1, 2, 3 to 5, 6 to 10, 11 to 100, more times "
     "there",
     "Vanmassenhove et al. 2021 cut into bands likewise.", ""},
    {"lfp", "Lexical frequency profile",
     "shares of the text's tokens whose type is among the 1000 most frequent of the reference, the next "
     "1000, or neither; equally frequent types rank by code points",
     "Laufer and Nation 1995, whose lists are of general English."},
};
double share(int64_t part, int64_t whole) {
  return whole == 0 ? kUndefined : static_cast<double>(part) / static_cast<double>(whole);
}
int64_t total(std::span<const int32_t> counts) {
  int64_t sum = 0;
  for (const int32_t c : counts) sum += c;
  return sum;
}
double js_divergence(std::span<const int32_t> ref, std::span<const int32_t> sys) {
  const int64_t ref_total = total(ref), sys_total = total(sys);
  double sum = ref_total && sys_total ? 0 : kUndefined;
  for (size_t w = 0; w < ref.size(); ++w) {
    const double p = share(ref[w], ref_total), q = share(sys[w], sys_total);
    if (p > 0) sum += p / 2 * std::log2(2 * p / (p + q));
    if (q > 0) sum += q / 2 * std::log2(2 * q / (p + q));
  }
  return sum;
}
}  // namespace

Comparison compare(std::span<const int32_t> ref, std::span<const int32_t> sys, const Vocabulary& words) {
  const int64_t ref_total = total(ref), sys_total = total(sys);
  int64_t either = 0, both = 0, ref_types = 0, ref_covered = 0, sys_new = 0;
  std::vector<int32_t> ranked;  // words of the reference
  std::array<int64_t, 6> in_band{}, covered{};
  for (size_t w = 0; w < ref.size(); ++w) {
    either += ref[w] || sys[w];
    both += ref[w] && sys[w];
    if (ref[w] == 0) {
      sys_new += sys[w];
      continue;
    }
    ++ref_types;
    ranked.push_back(static_cast<int32_t>(w));
    if (sys[w]) ref_covered += ref[w];
    for (size_t b = 0; b < kFrequencyBands.size(); ++b)
      if (ref[w] >= kFrequencyBands[b].first && ref[w] <= kFrequencyBands[b].second) {
        ++in_band[b];
        covered[b] += sys[w] > 0;
      }
  }
  std::sort(ranked.begin(), ranked.end(), [&](int32_t a, int32_t b) {
    const int32_t x = ref[static_cast<size_t>(a)], y = ref[static_cast<size_t>(b)];
    return x != y ? x > y : words.word(a) < words.word(b);  // UTF-8 bytes sort in the order of code points
  });
  std::array<int64_t, 3> ref_profile{}, sys_profile{0, 0, sys_new};
  for (size_t rank = 0; rank < ranked.size(); ++rank) {
    const auto w = static_cast<size_t>(ranked[rank]);
    const size_t level = std::min<size_t>(rank / 1000, 2);
    ref_profile[level] += ref[w];
    sys_profile[level] += sys[w];
  }
  Comparison out{js_divergence(ref, sys),
                 share(both, either),
                 share(both, ref_types),
                 share(ref_covered, ref_total),
                 share(sys_new, sys_total),
                 {},
                 {},
                 {}};
  for (size_t b = 0; b < in_band.size(); ++b) out.bands[b] = share(covered[b], in_band[b]);
  for (size_t l = 0; l < 3; ++l) {
    out.profile_reference[l] = share(ref_profile[l], ref_total);
    out.profile_system[l] = share(sys_profile[l], sys_total);
  }
  return out;
}
}  // namespace rum::metrics
