#include "generate/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace rum {
namespace {
constexpr size_t kLanes =
    16;  // partial sums and block maxima: a fixed order that compilers turn into vectors

// exp for x <= 0, relative error below 2e-7; 0 under -87. Branch-free, so that loops over it become vectors.
inline float exp_negative(float x) {
  const float y = std::max(x, -87.0f) * 1.44269504f;
  const float n = (y + 12582912.0f) - 12582912.0f;  // to the nearest whole number
  const float r = (std::max(x, -87.0f) - n * 0.693359375f) + n * 2.12194440e-4f;
  const float p = (((((r / 720 + 1.0f / 120) * r + 1.0f / 24) * r + 1.0f / 6) * r + 0.5f) * r + 1) * r + 1;
  const float power = std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
  return x < -87.0f ? 0.0f : p * power;
}
float block_max(const float* z) {
  float m = z[0];
  for (size_t j = 1; j < kLanes; ++j) m = std::max(m, z[j]);
  return m;
}
float highest(std::span<const float> z) {
  float lanes[kLanes];
  std::fill(lanes, lanes + kLanes, -INFINITY);
  size_t i = 0;
  for (; i + kLanes <= z.size(); i += kLanes)
    for (size_t j = 0; j < kLanes; ++j) lanes[j] = std::max(lanes[j], z[i + j]);
  for (; i < z.size(); ++i) lanes[0] = std::max(lanes[0], z[i]);
  return block_max(lanes);
}
// sum(exp((z - top) / temperature)); the terms go to `weights` when that is not null.
double sum_exp(std::span<const float> z, float top, float temperature, float* weights) {
  const float scale = 1 / temperature;
  float lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= z.size(); i += kLanes) {
    float e[kLanes];
    for (size_t j = 0; j < kLanes; ++j) e[j] = exp_negative((z[i + j] - top) * scale), lanes[j] += e[j];
    if (weights) std::copy(e, e + kLanes, weights + i);
  }
  double sum = 0;
  for (; i < z.size(); ++i) {
    const float e = exp_negative((z[i] - top) * scale);
    sum += static_cast<double>(e);
    if (weights) weights[i] = e;
  }
  for (const float v : lanes) sum += static_cast<double>(v);
  return sum;
}
double log_sum_exp(std::span<const float> z, float top) {
  const double sum = std::log(sum_exp(z, top, 1, nullptr)) + static_cast<double>(top);
  RUM_CHECK(std::isfinite(sum), "the model's logits are not finite numbers: its weights may be damaged");
  return sum;
}
struct Likelier {  // by logit, then by the smaller id
  const float* z;
  bool operator()(Token a, Token b) const { return z[a] != z[b] ? z[a] > z[b] : a < b; }
};
}  // namespace

double log_sum_exp(std::span<const float> logits) { return log_sum_exp(logits, highest(logits)); }

void best_tokens(std::span<const float> z, std::span<Choice> out) {
  RUM_CHECK(!out.empty() && out.size() <= z.size(), "{} best tokens of a vocabulary of {}", out.size(),
            z.size());
  const double sum = log_sum_exp(z);
  size_t have = 0;
  auto offer = [&](size_t i) {  // tokens come in order of id: an equal one stays behind
    const double v = static_cast<double>(z[i]);
    if (have == out.size() && !(v > out[have - 1].log_prob)) return;
    size_t at = have < out.size() ? have++ : have - 1;
    for (; at > 0 && v > out[at - 1].log_prob; --at) out[at] = out[at - 1];
    out[at] = {static_cast<Token>(i), v};
  };
  size_t i = 0;
  for (; i + kLanes <= z.size(); i += kLanes) {
    if (have == out.size() && static_cast<double>(block_max(&z[i])) <= out[have - 1].log_prob) continue;
    for (size_t j = i; j < i + kLanes; ++j) offer(j);
  }
  for (; i < z.size(); ++i) offer(i);
  for (Choice& c : out) c.log_prob -= sum;
}

void allowed_tokens(std::span<const float> z, const Sampling& s, std::vector<Share>& out) {
  RUM_CHECK(s.temperature > 0 && s.top_k >= 0 && s.top_p > 0 && s.top_p <= 1 && s.min_p >= 0 && s.min_p <= 1,
            "sampling: temperature {} must be over 0, top-k {} at least 0, top-p {} over 0 and at most 1, "
            "min-p {} from 0 to 1",
            s.temperature, s.top_k, s.top_p, s.min_p);
  thread_local std::vector<Token> ids;
  thread_local std::vector<float> weights;
  const auto v = static_cast<int64_t>(z.size());
  const auto weight = [](Token t) { return static_cast<double>(weights[static_cast<size_t>(t)]); };
  weights.resize(z.size());
  double sum = sum_exp(z, highest(z), s.temperature, weights.data());  // the likeliest one's weight is 1
  RUM_CHECK(std::isfinite(sum), "the model's logits are not finite numbers: its weights may be damaged");
  out.clear(), ids.resize(z.size());
  std::iota(ids.begin(), ids.end(), 0);
  const bool few = s.top_k > 0 && s.top_k < v;
  if (!few && s.top_p >= 1 && s.min_p <= 0) {
    for (const Token t : ids) out.push_back({t, weight(t) / sum});
    return;
  }
  const Likelier likelier{z.data()};
  if (few) {
    std::nth_element(ids.begin(), ids.begin() + s.top_k, ids.end(), likelier);
    ids.resize(static_cast<size_t>(s.top_k));
    std::sort(ids.begin(), ids.end(), likelier);
    sum = 0;
    for (const Token t : ids) sum += weight(t);
  }
  const double enough = static_cast<double>(s.top_p) * sum;
  std::erase_if(ids, [&](Token t) { return weight(t) < static_cast<double>(s.min_p); });
  size_t sorted = 0;  // top-p seldom needs many: sort on only as far as it goes
  double kept = 0;
  for (size_t i = 0; i < ids.size() && (i == 0 || s.top_p >= 1 || kept < enough); ++i) {
    if (i == sorted) {
      sorted = std::min(ids.size(), std::max<size_t>(64, 4 * sorted));
      const auto at = [](size_t n) { return ids.begin() + static_cast<std::ptrdiff_t>(n); };
      std::partial_sort(at(i), at(sorted), ids.end(), likelier);
    }
    out.push_back({ids[i], weight(ids[i])}), kept += out.back().probability;
  }
  for (Share& share : out) share.probability /= kept;
}

Choice draw(std::span<const float> z, const Sampling& s, double uniform) {
  thread_local std::vector<Share> shares;
  allowed_tokens(z, s, shares);
  double sum = 0;
  Token token = -1;
  for (const Share& share : shares) {
    if (share.probability > 0) token = share.token;  // rounding may leave the sum just under 1: the last one
    if ((sum += share.probability) > uniform) break;
  }
  return {token, static_cast<double>(z[static_cast<size_t>(token)]) - log_sum_exp(z)};
}
}  // namespace rum
