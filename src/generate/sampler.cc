#include "generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/threads.h"
#include "tensor/backend.h"
#include "tensor/simd.h"

namespace rum {
namespace {
constexpr size_t kLanes = simd::kLanes<float>;

[[noreturn]] void fail_not_finite() {
  fail("the model's logits are not finite numbers: its weights may be damaged");
}
float highest(std::span<const float> z) {
  simd::Vec<float> top = simd::all(-INFINITY);
  size_t i = 0;
  for (; i + kLanes <= z.size(); i += kLanes) top = simd::max(top, simd::read(&z[i]));
  float out = simd::max(top);
  for (; i < z.size(); ++i) out = std::max(out, z[i]);
  return out;
}
// sum(exp((z - top) / temperature)); the terms go to `weights` when that is not null.
double sum_exp(std::span<const float> z, float top, float temperature, float* weights) {
  const float scale = 1 / temperature;
  simd::Vec<float> sum{};
  simd::each<float>(0, static_cast<int64_t>(z.size()), [&](int64_t i, auto n) {
    const simd::Vec<float> e = simd::exp((simd::get(z.data() + i, n) - top) * scale);
    sum += simd::first_lanes(e, n);
    if (weights) simd::put(weights + i, e, n);
  });
  return static_cast<double>(simd::sum(sum));
}
double log_sum_exp(std::span<const float> z, float top) {
  const double sum = std::log(sum_exp(z, top, 1, nullptr)) + static_cast<double>(top);
  if (!std::isfinite(sum)) fail_not_finite();
  return sum;
}
struct Likelier {  // by logit, then by the smaller id
  const float* z;
  bool operator()(Token a, Token b) const { return z[a] != z[b] ? z[a] > z[b] : a < b; }
};

void choose(const Tensor& logits, const Tensor& reads, const Sampling* sampling, Tensor& choices) {
  constexpr int64_t kPiece = 4;
  const int64_t n = reads.shape()[0];
  const auto each = static_cast<size_t>(choices.shape()[0] / n);
  parallel((n + kPiece - 1) / kPiece, [&](int64_t piece) {
    thread_local std::vector<float> copy;
    for (int64_t i = piece * kPiece; i < std::min(n, (piece + 1) * kPiece); ++i) {
      const Read& r = reads.data<Read>()[i];
      if (r.row < 0) continue;
      const std::span<const float> z = row_of(logits, r.row, copy);
      const std::span<Choice> to(choices.data<Choice>() + i * static_cast<int64_t>(each), each);
      if (sampling)
        to[0] = draw(z, *sampling, r.uniform);
      else
        best_tokens(z, to);
    }
  });
}
const bool provided = kernels::choose.provide(DeviceKind::cpu, choose);
}  // namespace

void check(const Sampling& s) {
  RUM_CHECK(s.temperature > 0 && std::isfinite(1 / s.temperature) && s.top_k >= 0 && s.top_p > 0 &&
                s.top_p <= 1 && s.min_p >= 0 && s.min_p <= 1,
            "sampling: temperature {} must be above 0 and enough to divide by, top-k {} at least 0, top-p {} "
            "over 0 and at most 1, min-p {} from 0 to 1",
            s.temperature, s.top_k, s.top_p, s.min_p);
}
std::span<const float> row_of(const Tensor& logits, int64_t row, std::vector<float>& copy) {
  const int64_t v = logits.shape()[1];
  const auto size = static_cast<size_t>(v);
  if (logits.dtype() == DType::f32) return {logits.data<float>() + row * v, size};
  copy.resize(size);
  by_type(logits.dtype(), [&]<class T> {
    for (size_t j = 0; j < size; ++j)
      copy[j] = static_cast<float>(logits.data<T>()[row * v + static_cast<int64_t>(j)]);
  });
  return copy;
}
void choose_tokens(const Tensor& logits, std::span<const Read> reads, const Sampling* sampling,
                   std::span<Choice> out) {
  if (reads.empty()) return;
  const auto room = [&](size_t n) {
    return Tensor::empty({static_cast<int64_t>(n), kChoiceWords}, DType::i32, logits.device());
  };
  const Tensor from = room(reads.size());
  Tensor to = room(out.size());
  Backend::of(logits.device()).upload(from.data<void>(), reads.data(), reads.size_bytes());
  kernels::choose(logits.device(), logits, from, sampling, to);
  fetch_choices(to, out);
}
void fetch_choices(const Tensor& choices, std::span<Choice> out) {
  Backend::of(choices.device()).download(out.data(), choices.data<void>(), out.size_bytes());
  for (const Choice& c : out)
    if (std::isnan(c.log_prob)) fail_not_finite();
}
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
    if (have == out.size() && static_cast<double>(simd::max(simd::read(&z[i]))) <= out[have - 1].log_prob)
      continue;
    for (size_t j = i; j < i + kLanes; ++j) offer(j);
  }
  for (; i < z.size(); ++i) offer(i);
  for (Choice& c : out) c.log_prob -= sum;
}

void allowed_tokens(std::span<const float> z, const Sampling& s, std::vector<Share>& out) {
  thread_local std::vector<Token> ids;
  thread_local std::vector<float> weights;
  const auto v = static_cast<int64_t>(z.size());
  const auto weight = [](Token t) { return static_cast<double>(weights[static_cast<size_t>(t)]); };
  weights.resize(z.size());
  double sum = sum_exp(z, highest(z), s.temperature, weights.data());  // the likeliest one's weight is 1
  if (!std::isfinite(sum)) fail_not_finite();
  out.clear();
  ids.resize(z.size());
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
    out.push_back({ids[i], weight(ids[i])});
    kept += out.back().probability;
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
