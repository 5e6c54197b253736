// Lexical diversity of a list of tokens. Most measures need only its frequency spectrum: how many types occur
// r times. Those that read the tokens in order take them as numbers. Nothing is sampled: where the literature
// draws at random (vocd-D, rarefaction), the expected value is computed. Undefined values are NaN, never 0.
//
// Symbols: N tokens, V types, V_r types that occur r times.
#pragma once
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace rum::metrics {
constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
struct Spectrum {
  int64_t tokens = 0, types = 0;                     // N, V
  std::vector<std::pair<int64_t, int64_t>> classes;  // (r, V_r), r ascending, V_r > 0
  int64_t of(int64_t r) const;                       // V_r
};
Spectrum spectrum(std::span<const int32_t> counts);  // of each type; zeros are not types

double ttr(const Spectrum&);                   // V / N
double rttr_guiraud(const Spectrum&);          // V / sqrt N
double cttr_carroll(const Spectrum&);          // V / sqrt 2N
double herdan_c(const Spectrum&);              // ln V / ln N
double summer_s(const Spectrum&);              // ln ln V / ln ln N
double dugast_u(const Spectrum&);              // ln^2 N / (ln N - ln V)
double maas_a2(const Spectrum&);               // (ln N - ln V) / ln^2 N
double yule_k(const Spectrum&);                // 10^4 (sum r^2 V_r - N) / N^2
double yule_i(const Spectrum&);                // V^2 / (sum r^2 V_r - V)
double simpson_d(const Spectrum&);             // sum r (r - 1) V_r / N (N - 1)
double herdan_vm(const Spectrum&);             // sqrt (sum r^2 V_r / N^2 - 1 / V)
double honore_h(const Spectrum&);              // 100 ln N / (1 - V_1 / V)
double sichel_s(const Spectrum&);              // V_2 / V
double brunet_w(const Spectrum&);              // N^(V^-0.172)
double entropy(const Spectrum&);               // bits
double entropy_miller_madow(const Spectrum&);  // bits; + (V - 1) / 2N nats
double good_turing_coverage(const Spectrum&);  // 1 - V_1 / N
double chao1(const Spectrum&);                 // V + V_1 (V_1 - 1) / 2 (V_2 + 1)

// Types expected among n tokens drawn without replacement: sum V_r (1 - C(N - r, n) / C(N, n)). `all`: the
// number of tokens, since the spectrum may hold only some of their types. Undefined when n > all.
double expected_types(const Spectrum&, int64_t n, int64_t all);
inline double expected_types(const Spectrum& s, int64_t n) { return expected_types(s, n, s.tokens); }
double hdd(const Spectrum&, int64_t n = 42);  // expected_types / n
// vocd-D: the D for which TTR(n) = D / n (sqrt(1 + 2n / D) - 1) best fits, by least squares, the exact
// expected TTR at n = 35..50. Infinite when no type occurs twice, undefined below 50 tokens.
double vocd_exact(const Spectrum&);

// From tokens in order, each below `size`. Johnson 1944; Covington and McFall 2010 (a moving window);
// McCarthy and Jarvis 2010.
double msttr(std::span<const int32_t> tokens, size_t size, int64_t segment);  // a shorter tail is left out
double mattr(std::span<const int32_t> tokens, size_t size, int64_t window);
struct MtldRule {
  double threshold = 0.72;
  bool at_threshold = false;  // a factor also closes when the TTR just reaches it
  int64_t min_tokens = 10;    // in a factor
};
double mtld(std::span<const int32_t> tokens, size_t size, MtldRule = {});
}  // namespace rum::metrics
