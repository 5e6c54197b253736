// BLEU (Papineni et al. 2002) with the tokenizations and smoothings of sacreBLEU (Post 2018).
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
  std::string smooth = "exp";    // exp, none
  bool lowercase = false;
  bool effective_order = false;  // for sentences
};
struct BleuStats {  // sums over sentences: they add up, so resampling never recounts
  std::array<int64_t, 4> matches{}, totals{};
  int64_t hyp_len = 0, ref_len = 0;
  BleuStats& operator+=(const BleuStats&);
};
struct Bleu {
  double score = 0, brevity_penalty = 0;  // score in 0..100
  std::array<double, 4> precisions{};     // in 0..100
  int64_t hyp_len = 0, ref_len = 0;
};
std::string tokenize_13a(std::string_view line);
BleuStats bleu_stats(std::string_view hypothesis, std::span<const std::string> references,
                     const BleuConfig& = {});
Bleu bleu(const BleuStats&, const BleuConfig& = {});
Bleu corpus_bleu(std::span<const std::string> hypotheses, std::span<const std::string> references,
                 const BleuConfig& = {});
std::string bleu_signature(const BleuConfig&, int references);
}  // namespace rum
