#include "metrics/lexical_diversity.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rum::metrics {
namespace {
double real(int64_t x) { return static_cast<double>(x); }
double quotient(double a, double b) { return b == 0 ? kUndefined : a / b; }
double second_moment(const Spectrum& s) {
  double sum = 0;
  for (const auto& [r, types] : s.classes) sum += real(r) * real(r) * real(types);
  return sum;
}
// The chance that a type with r of N tokens is not among n of them: C(N - r, n) / C(N, n), as a product of
// min(r, n) factors: exact up to rounding, while log-gammas would lose half their digits.
double absent(int64_t tokens, int64_t r, int64_t n) {
  if (r + n > tokens) return 0;
  double p = 1;
  for (int64_t i = 0, more = std::max(r, n); i < std::min(r, n) && p > 1e-30; ++i)
    p *= real(tokens - more - i) / real(tokens - i);
  return p;
}
}  // namespace

int64_t Spectrum::of(int64_t r) const {
  const auto at = std::lower_bound(classes.begin(), classes.end(), std::pair{r, int64_t{0}});
  return at != classes.end() && at->first == r ? at->second : 0;
}
Spectrum spectrum(std::span<const int32_t> counts) {
  constexpr int32_t kSmall = 1024;
  std::vector<int64_t> small(kSmall);
  std::vector<int32_t> large;
  Spectrum s;
  for (const int32_t c : counts) {
    s.tokens += c;
    s.types += c > 0;
    if (c < kSmall)
      ++small[static_cast<size_t>(c)];
    else
      large.push_back(c);
  }
  for (int32_t r = 1; r < kSmall; ++r)
    if (small[static_cast<size_t>(r)] > 0) s.classes.emplace_back(r, small[static_cast<size_t>(r)]);
  std::sort(large.begin(), large.end());
  for (const int32_t r : large) {
    if (s.classes.empty() || s.classes.back().first != r) s.classes.emplace_back(r, 0);
    ++s.classes.back().second;
  }
  return s;
}

double ttr(const Spectrum& s) { return quotient(real(s.types), real(s.tokens)); }
double rttr_guiraud(const Spectrum& s) { return quotient(real(s.types), std::sqrt(real(s.tokens))); }
double cttr_carroll(const Spectrum& s) { return quotient(real(s.types), std::sqrt(2 * real(s.tokens))); }
double herdan_c(const Spectrum& s) {
  return s.tokens < 2 ? kUndefined : std::log(real(s.types)) / std::log(real(s.tokens));
}
double summer_s(const Spectrum& s) {
  if (s.types < 2 || s.tokens < 2) return kUndefined;  // ln ln 1
  if (s.types == s.tokens) return 1;
  return std::log(std::log(real(s.types))) / std::log(std::log(real(s.tokens)));
}
double dugast_u(const Spectrum& s) {
  if (s.types == s.tokens) return kUndefined;
  const double n = std::log(real(s.tokens));
  return n * n / (n - std::log(real(s.types)));
}
double maas_a2(const Spectrum& s) {
  if (s.tokens < 2) return kUndefined;
  const double n = std::log(real(s.tokens));
  return (n - std::log(real(s.types))) / (n * n);
}
double yule_k(const Spectrum& s) {
  return quotient(1e4 * (second_moment(s) - real(s.tokens)), real(s.tokens) * real(s.tokens));
}
double yule_i(const Spectrum& s) {
  return quotient(real(s.types) * real(s.types), second_moment(s) - real(s.types));
}
double simpson_d(const Spectrum& s) {
  return quotient(second_moment(s) - real(s.tokens), real(s.tokens) * real(s.tokens - 1));
}
double herdan_vm(const Spectrum& s) {
  if (s.tokens == 0) return kUndefined;
  const double n = real(s.tokens);
  return std::sqrt(std::max(0.0, second_moment(s) / (n * n) - 1 / real(s.types)));
}
double honore_h(const Spectrum& s) {
  if (s.of(1) == s.types) return kUndefined;
  return 100 * std::log(real(s.tokens)) / (1 - real(s.of(1)) / real(s.types));
}
double sichel_s(const Spectrum& s) { return quotient(real(s.of(2)), real(s.types)); }
double brunet_w(const Spectrum& s) {
  return s.tokens == 0 ? kUndefined : std::pow(real(s.tokens), std::pow(real(s.types), -0.172));
}
double entropy(const Spectrum& s) {
  if (s.tokens == 0) return kUndefined;
  double sum = 0;
  for (const auto& [r, types] : s.classes) {
    const double p = real(r) / real(s.tokens);
    sum -= real(types) * p * std::log2(p);
  }
  return sum + 0.0;  // no -0
}
double entropy_miller_madow(const Spectrum& s) {
  return entropy(s) + quotient(real(s.types - 1), 2 * real(s.tokens)) / std::log(2.0);
}
double good_turing_coverage(const Spectrum& s) { return 1 - quotient(real(s.of(1)), real(s.tokens)); }
double chao1(const Spectrum& s) {
  if (s.tokens == 0) return kUndefined;
  return real(s.types) + real(s.of(1)) * real(s.of(1) - 1) / (2 * real(s.of(2) + 1));
}

double expected_types(const Spectrum& s, int64_t n, int64_t all) {
  if (n < 1 || n > all) return kUndefined;
  double sum = 0;
  for (const auto& [r, types] : s.classes) sum += real(types) * (1 - absent(all, r, n));
  return sum;
}
double hdd(const Spectrum& s, int64_t n) { return expected_types(s, n) / real(n); }

double vocd_exact(const Spectrum& s) {
  constexpr int64_t kFirst = 35, kLast = 50;
  if (s.tokens < kLast) return kUndefined;
  if (s.types == s.tokens) return std::numeric_limits<double>::infinity();
  double types[kLast + 1] = {};  // expected, by n
  for (const auto& [r, of_r] : s.classes) {
    double p = 1;  // absent from n tokens
    for (int64_t n = 1; n <= kLast; ++n) {
      p *= real(std::max<int64_t>(0, s.tokens - r - n + 1)) / real(s.tokens - n + 1);
      if (n >= kFirst) types[n] += real(of_r) * (1 - p);
    }
  }
  // Half the derivative of the sum of squares with respect to ln D: negative below the minimum, positive above it.
  const auto slope = [&](double log_d) {
    double sum = 0;
    for (int64_t n = kFirst; n <= kLast; ++n) {
      const double u = 2 * real(n) / std::exp(log_d), root = std::sqrt(1 + u);
      sum += (2 / (root + 1) - types[n] / real(n)) * u / (root * (root + 1) * (root + 1));
    }
    return sum;
  };
  double low = std::log(1e-9), high = std::log(1e15);
  if (slope(high) < 0) return std::numeric_limits<double>::infinity();
  for (int i = 0; i < 70; ++i) {
    const double middle = (low + high) / 2;
    (slope(middle) < 0 ? low : high) = middle;
  }
  return std::exp((low + high) / 2);
}

double msttr(std::span<const int32_t> tokens, size_t size, int64_t segment) {
  const auto w = static_cast<size_t>(segment);
  if (w == 0 || tokens.size() < w) return kUndefined;
  std::vector<uint32_t> seen(size);  // the last segment that has it
  int64_t types = 0;
  const size_t segments = tokens.size() / w;
  for (size_t i = 0; i < segments * w; ++i) {
    const auto now = static_cast<uint32_t>(i / w + 1);
    uint32_t& last = seen[static_cast<size_t>(tokens[i])];
    types += last != now;
    last = now;
  }
  return real(types) / (real(segment) * static_cast<double>(segments));
}
double mattr(std::span<const int32_t> tokens, size_t size, int64_t window) {
  const auto w = static_cast<size_t>(window);
  if (w == 0 || tokens.size() < w) return kUndefined;
  std::vector<int32_t> inside(size);
  int64_t types = 0, sum = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    types += inside[static_cast<size_t>(tokens[i])]++ == 0;
    if (i >= w) types -= --inside[static_cast<size_t>(tokens[i - w])] == 0;
    if (i + 1 >= w) sum += types;
  }
  return real(sum) / (real(window) * static_cast<double>(tokens.size() - w + 1));
}

double mtld(std::span<const int32_t> tokens, size_t size, MtldRule rule) {
  const auto one_way = [&](auto begin, auto end) {
    std::vector<uint32_t> seen(size);  // the last factor that has it
    uint32_t factor = 1;
    int64_t count = 0, types = 0;
    double factors = 0, ratio = 1;
    for (auto token = begin; token != end; ++token) {
      uint32_t& last = seen[static_cast<size_t>(*token)];
      ++count;
      types += last != factor;
      last = factor;
      ratio = real(types) / real(count);
      if (count < rule.min_tokens || ratio > rule.threshold ||
          (ratio == rule.threshold && !rule.at_threshold))
        continue;
      ++factors;
      ++factor;
      count = types = 0;
      ratio = 1;
    }
    factors += (1 - ratio) / (1 - rule.threshold);
    return quotient(static_cast<double>(tokens.size()), factors);
  };
  return (one_way(tokens.begin(), tokens.end()) + one_way(tokens.rbegin(), tokens.rend())) / 2;
}
}  // namespace rum::metrics
