// Reading rows of logits on the device against the CPU: the likeliest tokens, and draws of every kind. Both
// get the same uniform numbers, so they must choose the same tokens.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "generate/sampler.h"
#include "parity.h"

namespace rum::test::choose_test {
namespace {
// Coarse: few distinct logits, so that many tokens are equally likely.
Tensor logits_of(int64_t rows, int64_t v, DType t, bool coarse) {
  const Tensor z = noise({rows, v}, 7, 2);
  if (coarse)
    for (int64_t i = 0; i < z.size(); ++i) z.data<double>()[i] = std::round(z.data<double>()[i]);
  return cast(z, t);
}
std::vector<Read> reads_of(int64_t rows, int64_t n) {  // not in order, some rows more than once
  std::vector<Read> out;
  for (int64_t i = 0; i < n; ++i)
    out.push_back({static_cast<int32_t>(i * 5 % rows),
                   Random{11, Stream::sample}.bits({0, 0, 0, static_cast<uint32_t>(i)}).at[0] * 0x1p-32});
  return out;
}
std::vector<Choice> choose(const Tensor& z, std::span<const Read> reads, const Sampling* s, size_t each) {
  std::vector<Choice> out(reads.size() * each);
  choose_tokens(z, reads, s, out);
  return out;
}
void expect_equal(const std::vector<Choice>& got, const std::vector<Choice>& truth) {
  for (size_t i = 0; i < truth.size(); ++i) {
    EXPECT_EQ(got[i].token, truth[i].token) << i;
    EXPECT_NEAR(got[i].log_prob, truth[i].log_prob, 1e-5 * (1 + std::abs(truth[i].log_prob))) << i;
  }
}
TEST(CudaChoose, LikeliestTokens) {
  for (int64_t v : {1, 3, 64, 509, 5000})
    for (DType t : kTypes)
      for (bool coarse : {false, true})
        for (size_t each : {1, 2, 8}) {
          if (static_cast<int64_t>(each) > v) continue;
          SCOPED_TRACE(fmt::format("{} of {} {} coarse {}", each, v, name(t), coarse));
          const Tensor z = logits_of(4, v, t, coarse);
          const std::vector<Read> reads = reads_of(4, 6);
          expect_equal(choose(z.to(kCuda), reads, nullptr, each), choose(z, reads, nullptr, each));
        }
}
TEST(CudaChoose, Draws) {
  const Sampling kinds[] = {{},
                            {.temperature = 0.7f},
                            {.top_k = 1},
                            {.top_k = 7},
                            {.top_p = 0.9f},
                            {.top_p = 1e-4f},
                            {.min_p = 0.2f},
                            {.temperature = 1.5f, .top_k = 20, .top_p = 0.8f},
                            {.temperature = 2, .top_k = 30, .top_p = 0.95f, .min_p = 0.05f},
                            {.top_p = 0.99f, .min_p = 0.5f}};
  for (int64_t v : {1, 37, 1030})
    for (DType t : kTypes)
      for (bool coarse : {false, true}) {
        const Tensor z = logits_of(4, v, t, coarse);
        const std::vector<Read> reads = reads_of(4, 3);
        for (const Sampling& s : kinds) {
          SCOPED_TRACE(fmt::format("{} {} coarse {} temperature {} top-k {} top-p {} min-p {}", v, name(t),
                                   coarse, s.temperature, s.top_k, s.top_p, s.min_p));
          expect_equal(choose(z.to(kCuda), reads, &s, 1), choose(z, reads, &s, 1));
        }
      }
}
TEST(CudaChoose, AReadOfNoRowLeavesItsChoiceAlone) {
  const std::vector<int32_t> marks(12, 7);
  const Read reads[] = {{1, 0.3}, {-1, 0}, {0, 0.9}};
  const Sampling plain;
  for (const Sampling* s : {static_cast<const Sampling*>(nullptr), &plain})
    for (const DeviceKind d : {kCpu, kCuda}) {
      const Tensor z = logits_of(2, 37, DType::f32, false).to(d),
                   from = Tensor::empty({3, kChoiceWords}, DType::i32, d);
      Tensor to = Tensor::empty({3, kChoiceWords}, DType::i32, d);
      to.copy_from(marks), Backend::of(d).upload(from.data<void>(), reads, sizeof reads);
      kernels::choose(d, z, from, s, to);
      const Read there[] = {reads[0], reads[2]};
      const std::vector<Choice> truth = choose(z, there, s, 1);
      for (const size_t i : {0, 2}) EXPECT_EQ(to.at(static_cast<int64_t>(i) * 4), truth[i / 2].token);
      for (int64_t word = 4; word < 8; ++word) EXPECT_EQ(to.at(word), 7);
    }
}
TEST(CudaChoose, ForbiddenTokensAndBrokenLogits) {
  const std::vector<double> some{-INFINITY, 1, -INFINITY, 2, 0, -INFINITY};
  const Tensor z = Tensor::from<double>(some, {1, 6}, DType::f32, kCuda);
  for (double u : {0.0, 0.5, 0.999999})
    for (const Sampling& s : {Sampling{}, {.top_k = 5}, {.top_p = 0.99f}, {.min_p = 0.01f}}) {
      const Read read[] = {{0, u}};
      const int32_t token = choose(z, read, &s, 1)[0].token;
      EXPECT_TRUE(token == 1 || token == 3 || token == 4) << token;
    }
  const Read read[] = {{0, 0.5}};
  const Sampling cold{.temperature = 0};
  EXPECT_THROW(choose(z, read, &cold, 1), Error);
  for (double bad : {NAN, INFINITY}) {
    std::vector<double> v = some;
    v[4] = bad;
    const Tensor broken = Tensor::from<double>(v, {1, 6}, DType::f32, kCuda);
    const Sampling plain;
    EXPECT_THROW(choose(broken, read, nullptr, 2), Error);
    EXPECT_THROW(choose(broken, read, &plain, 1), Error);
  }
}
}  // namespace
}  // namespace rum::test::choose_test
