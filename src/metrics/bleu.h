// BLEU (Papineni et al. 2002) with the tokenizations and smoothings (Chen and Cherry 2014) of sacreBLEU (Post
// 2018), number for number. Sentences give counts that add up; the score is computed from their sum.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rum {
struct BleuConfig {
  std::string tokenize = "13a";  // 13a, none
  std::string smooth = "exp";    // exp, floor, add-k, none: what an order without a match counts
  double smooth_value = -1;      // of floor and add-k; negative: 0.1 and 1
  bool lowercase = false;        // all of Unicode
  bool effective_order = false;  // leave out orders that no n-gram of the hypothesis reaches: for sentences
};
struct BleuStats {  // sums over sentences: they add up, so resampling never recounts
  std::array<int64_t, 4> matches{}, totals{};  // n-grams of the hypotheses, n = 1 to 4
  int64_t hyp_len = 0, ref_len = 0;            // tokens; of each sentence's closest reference
  BleuStats& operator+=(const BleuStats&);
};
struct Bleu {
  double score = 0, brevity_penalty = 0;  // score in 0..100
  std::array<double, 4> precisions{};     // in 0..100, smoothed
  int64_t hyp_len = 0, ref_len = 0;
};
std::string tokenize_13a(std::string_view line);  // that of mteval-v13a.pl, tokens joined by one space

// Error: no reference, an unknown tokenization or smoothing; with `lowercase` also text that is not UTF-8.
BleuStats bleu_stats(std::string_view hypothesis, std::span<const std::string> references,
                     const BleuConfig& = {});
Bleu bleu(const BleuStats&, const BleuConfig& = {});

// references[r][i]: what reference r says for hypotheses[i]. Sentence by sentence, on all threads. Error when
// the counts of lines differ.
std::vector<BleuStats> bleu_sentences(std::span<const std::string> hypotheses,
                                      std::span<const std::vector<std::string>> references,
                                      const BleuConfig& = {});
Bleu corpus_bleu(std::span<const std::string> hypotheses,
                 std::span<const std::vector<std::string>> references, const BleuConfig& = {});
Bleu corpus_bleu(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references,
                 const BleuConfig& = {});  // one reference

// "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:...", sacreBLEU's keys with our own version.
std::string bleu_signature(const BleuConfig&, size_t references);
// "54.4/26.6/14.9/8.7 (BP = 1.000 ratio = 1.026 hyp_len = 62880 ref_len = 61287)"
std::string bleu_details(const Bleu&);
}  // namespace rum
