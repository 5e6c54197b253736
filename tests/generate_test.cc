// Generation against independent truths: a loop without a cache, exhaustive search, naive implementations of
// the definitions, and the chi-square distribution.
#include "generate/generate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "base/random.h"
#include "base/threads.h"
#include "generate/log_probs.h"
#include "generate/passage.h"
#include "generate/sampler.h"
#include "tests/error_of.h"

namespace rum::generate_test {
namespace {
struct Tiny {  // a small model with weights large enough that its softmax is far from uniform
  ParameterBlock block;
  Model model;
  explicit Tiny(GptConfig c, uint32_t seed = 3, float scale = 12, ModelKind kind = ModelKind::gpt)
      : model(kind, Params(block), c) {
    block.materialise(DeviceKind::cpu, DType::f32, seed);
    for (int64_t i = 0; i < block.decayed(); ++i) block.master().data<float>()[i] *= scale;
    block.changed();
  }
};
GptConfig small(int64_t vocab = 13, int64_t context = 24) {
  return {
      .vocab = vocab, .context = context, .layers = 2, .heads = 2, .kv_heads = 2, .width = 16, .inner = 32};
}
constexpr Token kEnd = 1;
const ModelKind kKinds[] = {ModelKind::gpt, ModelKind::encoder_decoder};

Tensor ints(const std::vector<int32_t>& v) {
  return Tensor::from<int32_t>(v, {static_cast<int64_t>(v.size())}, DType::i32);
}
// One text of n tokens at positions 0, 1, ...; from `again` on positions restart at 0.
Layout one_text(int32_t n, Mask mask, int32_t prefix = 0, int32_t again = 0) {
  std::vector<int32_t> positions;
  for (int32_t i = 0; i < n; ++i) positions.push_back(i >= again ? i - again : i);
  return {ints({0, n}), ints({prefix}), ints(positions), mask};
}
// log softmax for the token after `tokens`: a whole forward pass, one text, no cache, sums in double.
std::vector<double> next_log_probs(const Model& model, const std::vector<Token>& tokens, int32_t prefix) {
  auto n = static_cast<int32_t>(tokens.size());
  Tensor z;
  if (const EncoderDecoder* pair = model.encoder_decoder()) {
    const std::vector<Token> source(tokens.begin(), tokens.begin() + prefix),
        target(tokens.begin() + prefix - 1, tokens.end());
    n = static_cast<int32_t>(target.size());
    const Layout sources = one_text(prefix, Mask::full), targets = one_text(n, Mask::causal);
    const Memory memory{pair->encode(ints(source), sources), targets, sources};
    z = linear(pair->decode(ints(target), targets, memory), model.head());
  } else {
    const int32_t again = model.config().restart && prefix > 0 ? prefix - 1 : 0;
    z = model.gpt()->logits(ints(tokens), one_text(n, Mask::prefix, prefix, again));
  }
  std::vector<double> out;
  double sum = 0;
  for (int64_t v = 0; v < model.config().vocab; ++v) out.push_back(z.at((n - 1) * model.config().vocab + v));
  for (const double v : out) sum += std::exp(v);
  for (double& v : out) v -= std::log(sum);
  return out;
}
std::vector<Prompt> prompts(size_t count, int64_t vocab, bool translation, size_t longest = 9) {
  std::vector<Prompt> out;
  for (size_t i = 0; i < count; ++i) {
    Prompt& p = out.emplace_back();
    const size_t length = 1 + (i * 7 + i / 5) % longest;
    for (size_t j = 0; j < length; ++j)
      p.tokens.push_back(
          static_cast<Token>(2 + (i * i + 3 * j * j + i * j) % static_cast<size_t>(vocab - 2)));
    if (translation) p.prefix = static_cast<int32_t>(length);
  }
  return out;
}
bool same(const std::vector<std::vector<Hypothesis>>& a, const std::vector<std::vector<Hypothesis>>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].size() != b[i].size()) return false;
    for (size_t j = 0; j < a[i].size(); ++j) {
      const Hypothesis &x = a[i][j], &y = b[i][j];
      if (x.tokens != y.tokens || x.log_prob != y.log_prob || x.score != y.score || x.finished != y.finished)
        return false;
    }
  }
  return true;
}

// ---- the sampler
TEST(Sampler, BestTokensAreTheSortedOnes) {
  for (const size_t v : {1u, 5u, 16u, 33u, 1000u}) {
    std::vector<float> z(v);
    for (size_t i = 0; i < v; ++i) z[i] = static_cast<float>((i * 7919) % 101) / 10 - 5;  // with ties
    std::vector<Token> order(v);
    for (size_t i = 0; i < v; ++i) order[i] = static_cast<Token>(i);
    std::stable_sort(order.begin(), order.end(),
                     [&](Token a, Token b) { return z[static_cast<size_t>(a)] > z[static_cast<size_t>(b)]; });
    double sum = 0;
    for (const float x : z) sum += std::exp(static_cast<double>(x));
    for (const size_t k : {size_t{1}, size_t{3}, size_t{8}, v}) {
      if (k > v) continue;
      std::vector<Choice> got(k);
      best_tokens(z, got);
      for (size_t i = 0; i < k; ++i) {
        EXPECT_EQ(got[i].token, order[i]) << v << " " << k << " " << i;
        EXPECT_NEAR(got[i].log_prob, static_cast<double>(z[static_cast<size_t>(order[i])]) - std::log(sum),
                    1e-6);
      }
    }
  }
}
TEST(Sampler, LogSumExpAtTheEdges) {
  const float huge[] = {1000, 1000}, tiny[] = {-1000, -1000, -1000}, one[] = {-INFINITY, 3};
  EXPECT_NEAR(log_sum_exp(huge), 1000 + std::log(2), 1e-9);
  EXPECT_NEAR(log_sum_exp(tiny), -1000 + std::log(3), 1e-9);
  EXPECT_NEAR(log_sum_exp(one), 3, 1e-9);
  const float nan[] = {0, NAN, 1}, none[] = {-INFINITY, -INFINITY}, inf[] = {INFINITY, 0};
  EXPECT_THROW(log_sum_exp(nan), Error);
  EXPECT_THROW(log_sum_exp(none), Error);
  EXPECT_THROW(log_sum_exp(inf), Error);
}
std::map<Token, double> allowed(std::span<const float> z, const Sampling& s) {
  std::vector<Share> shares;
  allowed_tokens(z, s, shares);
  std::map<Token, double> out;
  for (const Share& x : shares) out[x.token] = x.probability;
  EXPECT_EQ(out.size(), shares.size());
  return out;
}
TEST(Sampler, SetsByTheirDefinitions) {
  // Probabilities 8 4 4 2 1 1 of 20 by design; token 5 is likeliest, 1 and 3 tie.
  const double p[] = {0.05, 0.2, 0.1, 0.2, 0.05, 0.4};
  float z[6];
  for (int i = 0; i < 6; ++i) z[i] = static_cast<float>(std::log(p[i]) + 2.5);
  auto expect = [&](const Sampling& s, std::map<Token, double> wanted) {
    const auto got = allowed(z, s);
    ASSERT_EQ(got.size(), wanted.size());
    for (auto [token, probability] : wanted) {
      ASSERT_TRUE(got.contains(token)) << token;
      EXPECT_NEAR(got.at(token), probability, 1e-6) << token;
    }
  };
  expect({}, {{0, .05}, {1, .2}, {2, .1}, {3, .2}, {4, .05}, {5, .4}});
  expect({.top_k = 1}, {{5, 1}});
  expect({.top_k = 2}, {{5, .4 / .6}, {1, .2 / .6}});  // of equals the smaller id
  expect({.top_k = 3}, {{5, .5}, {1, .25}, {3, .25}});
  expect({.top_k = 6}, {{0, .05}, {1, .2}, {2, .1}, {3, .2}, {4, .05}, {5, .4}});
  expect({.top_p = .3f}, {{5, 1}});
  expect({.top_p = .59f}, {{5, .4 / .6}, {1, .2 / .6}});
  expect({.top_p = .61f}, {{5, .5}, {1, .25}, {3, .25}});
  expect({.top_p = .85f}, {{5, .4 / .9}, {1, .2 / .9}, {3, .2 / .9}, {2, .1 / .9}});
  expect({.min_p = .24f}, {{5, .4 / .9}, {1, .2 / .9}, {3, .2 / .9}, {2, .1 / .9}});
  expect({.min_p = .26f}, {{5, .5}, {1, .25}, {3, .25}});
  expect({.min_p = 1}, {{5, 1}});
  // top-p looks at what top-k leaves, renormalised: .5 .25 .25
  expect({.top_k = 3, .top_p = .74f}, {{5, 2. / 3}, {1, 1. / 3}});
  expect({.top_k = 3, .top_p = .76f}, {{5, .5}, {1, .25}, {3, .25}});
  expect({.top_k = 3, .top_p = .76f, .min_p = .6f}, {{5, 1}});
  // temperature 2: square roots; temperature 1/2: squares
  double root = 0, square = 0;
  for (const double x : p) root += std::sqrt(x), square += x * x;
  EXPECT_NEAR(allowed(z, {.temperature = 2})[2], std::sqrt(.1) / root, 1e-6);
  EXPECT_NEAR(allowed(z, {.temperature = .5f})[5], .16 / square, 1e-6);
}
TEST(Sampler, TopPGoesBeyondItsFirstSort) {  // sorted in runs of 64 and more
  std::vector<float> z(3000);
  for (size_t i = 0; i < z.size(); ++i) z[i] = -static_cast<float>((i * 1009) % 3000) * 1e-3f;
  std::vector<Share> shares;
  allowed_tokens(z, {.top_p = .9f}, shares);
  double sum = 0, all = 0;
  for (size_t i = 0; i < z.size(); ++i) all += std::exp(-1e-3 * static_cast<double>(i));
  size_t wanted = 0;
  while (sum < .9 * all) sum += std::exp(-1e-3 * static_cast<double>(wanted++));
  EXPECT_NEAR(static_cast<double>(shares.size()), static_cast<double>(wanted), 1);
  for (size_t i = 1; i < shares.size(); ++i)
    ASSERT_GT(z[static_cast<size_t>(shares[i - 1].token)], z[static_cast<size_t>(shares[i].token)]);
}
TEST(Sampler, FrequenciesFollowTheSoftmax) {
  float z[20];
  double p[20], sum = 0;
  for (int i = 0; i < 20; ++i) z[i] = static_cast<float>(std::sin(i * 1.7) * 1.5);
  for (int i = 0; i < 20; ++i) sum += p[i] = std::exp(static_cast<double>(z[i]) / 0.8);
  std::array<int, 20> seen{};
  const int draws = 40000;
  for (uint32_t i = 0; i < draws; ++i) {
    const Bits4 b = Random{5, Stream::sample}.bits({i, 0, 0, 0});
    ++seen[static_cast<size_t>(draw(z, {.temperature = .8f}, b.at[0] * 0x1p-32).token)];
  }
  double chi = 0;
  for (size_t i = 0; i < 20; ++i) {
    const double expected = draws * p[i] / sum;
    chi += (seen[i] - expected) * (seen[i] - expected) / expected;
  }
  EXPECT_LT(chi, 43.8);  // 19 degrees of freedom: exceeded once in a thousand
  EXPECT_GT(chi, 5.4);   // and so is a value below this: not too even either
}
TEST(Sampler, DrawIsTheInverseOfTheRunningSum) {
  const float z[] = {std::log(.25f), std::log(.5f), std::log(.25f)};
  EXPECT_EQ(draw(z, {}, 0).token, 0);
  EXPECT_EQ(draw(z, {}, .2499).token, 0);
  EXPECT_EQ(draw(z, {}, .2501).token, 1);
  EXPECT_EQ(draw(z, {}, .7499).token, 1);
  EXPECT_EQ(draw(z, {}, .7501).token, 2);
  EXPECT_EQ(draw(z, {}, std::nextafter(1.0, 0.0)).token, 2);
  // the model's, not that of the draw
  EXPECT_NEAR(draw(z, {.temperature = 3}, .9).log_prob, std::log(.25), 1e-6);
  const float never[] = {0, -INFINITY};
  EXPECT_EQ(draw(never, {}, std::nextafter(1.0, 0.0)).token, 0);
}
TEST(Sampler, Refusals) {
  const float z[] = {0, 1};
  EXPECT_NO_THROW(check(Sampling{.temperature = .1f, .top_k = 2, .top_p = 1, .min_p = 1}));
  for (const Sampling& s : {Sampling{.temperature = 0}, Sampling{.temperature = -1}, Sampling{.top_k = -1},
                            Sampling{.top_p = 0}, Sampling{.top_p = 1.5f}, Sampling{.min_p = -.1f},
                            Sampling{.min_p = 1.1f}, Sampling{.temperature = NAN}, Sampling{.top_p = NAN},
                            Sampling{.temperature = 1e-40f}})  // its inverse is infinite
    EXPECT_THROW(check(s), Error);
  std::vector<Choice> three(3);
  EXPECT_THROW(best_tokens(z, three), Error);
}

// ---- whole texts
TEST(Generate, GreedyIsTheLoopWithoutACache) {
  int ended = 0, all = 0;
  enum Form { text, prefix_lm, encoder_decoder };
  for (const Form form : {text, prefix_lm, encoder_decoder})
    for (const Positions kind : {Positions::learned, Positions::rope})
      for (const Token end : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
        GptConfig c = small(11);
        c.positions = kind, c.restart = form == prefix_lm;
        const Tiny t(c, 3, 12, kKinds[form == encoder_decoder]);
        const auto in = prompts(8, c.vocab, form != text);
        const auto out = generate(t.model, in, end, {});
        for (size_t i = 0; i < in.size(); ++i) {
          std::vector<Token> text = in[i].tokens, written;
          double sum = 0;
          bool finished = false;
          const auto begin =  // where the decoder begins, and its context
              static_cast<int64_t>(form == encoder_decoder ? in[i].tokens.size() - 1 : 0);
          while (!finished && static_cast<int64_t>(text.size()) - begin < c.context) {
            const auto p = next_log_probs(t.model, text, in[i].prefix);
            const auto best = std::max_element(p.begin(), p.end());
            text.push_back(static_cast<Token>(best - p.begin())), sum += *best;
            finished = text.back() == end;
            if (!finished) written.push_back(text.back());
          }
          ASSERT_EQ(out[i].size(), 1u);
          EXPECT_EQ(out[i][0].tokens, written) << i;
          EXPECT_EQ(out[i][0].finished, finished) << i;
          EXPECT_NEAR(out[i][0].log_prob, sum, 1e-4) << i;
          ended += finished, ++all;
        }
      }
  EXPECT_GT(ended, all / 20);  // both ways of ending occur
  EXPECT_LT(ended, all - all / 20);
}
TEST(Generate, WideBeamIsExhaustiveSearch) {
  GptConfig c = small(5);
  const Tiny t(c, 4, 8);
  for (const float penalty : {0.f, 1.f, .6f}) {
    const Prompt p{{2, 4, 3}, 3};
    const int64_t limit = 4;
    struct Path {
      std::vector<Token> tokens;
      double log_prob;
      bool finished;
    };
    std::vector<Path> open{{{}, 0, false}}, all;
    for (int64_t step = 1; step <= limit; ++step) {
      std::vector<Path> next;
      for (const Path& x : open) {
        std::vector<Token> text = p.tokens;
        text.insert(text.end(), x.tokens.begin(), x.tokens.end());
        const auto probs = next_log_probs(t.model, text, p.prefix);
        for (Token v = 0; v < 5; ++v) {
          Path y{x.tokens, x.log_prob + probs[static_cast<size_t>(v)], v == kEnd};
          if (v != kEnd) y.tokens.push_back(v);
          (v == kEnd || step == limit ? all : next).push_back(y);
        }
      }
      open = next;
    }
    auto score = [&](const Path& x) {
      const double n = static_cast<double>(x.tokens.size()) + (x.finished ? 1 : 0);
      return x.log_prob / std::pow(n, static_cast<double>(penalty));
    };
    std::sort(all.begin(), all.end(), [&](const Path& a, const Path& b) {
      return a.finished != b.finished ? a.finished : score(a) > score(b);
    });
    Decoding d{.beam = 1000, .length_penalty = penalty, .best = 1000, .max_new = limit};
    const auto out = generate(t.model, {&p, 1}, kEnd, d)[0];
    ASSERT_EQ(out.size(), all.size());
    ASSERT_EQ(all.size(), 1u + 4 + 16 + 64 + 256);
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_NEAR(out[i].score, score(all[i]), 1e-4) << i;
      EXPECT_EQ(out[i].finished, all[i].finished);
      if (i < 5) {
        EXPECT_EQ(out[i].tokens, all[i].tokens) << i;
      }
    }
  }
}
// An independent implementation of the search in the header's comment, without a cache and without slots.
std::vector<Hypothesis> naive_beam(const Model& model, const Prompt& p, const Decoding& d) {
  struct Path {
    std::vector<Token> tokens;
    double log_prob;
  };
  const auto k = static_cast<size_t>(d.beam);
  std::vector<Path> live{{{}, 0}};
  std::vector<Hypothesis> ended;
  for (int64_t step = 1; !live.empty(); ++step) {
    const double norm = std::pow(static_cast<double>(step), static_cast<double>(d.length_penalty));
    std::vector<Path> all;
    for (const Path& x : live) {
      std::vector<Token> text = p.tokens;
      text.insert(text.end(), x.tokens.begin(), x.tokens.end());
      const auto probs = next_log_probs(model, text, p.prefix);
      for (size_t v = 0; v < probs.size(); ++v) {
        all.push_back({x.tokens, x.log_prob + probs[v]});
        all.back().tokens.push_back(static_cast<Token>(v));
      }
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const Path& a, const Path& b) { return a.log_prob > b.log_prob; });
    live.clear();
    for (size_t i = 0; i < std::min(all.size(), 2 * k) && live.size() < k; ++i) {
      Path& x = all[i];
      if (x.tokens.back() != kEnd) {
        if (step == d.max_new)
          ended.push_back({x.tokens, x.log_prob, x.log_prob / norm, false});
        else
          live.push_back(x);
      } else if (i < k) {
        x.tokens.pop_back();
        ended.push_back({x.tokens, x.log_prob, x.log_prob / norm, true});
      }
    }
    std::stable_sort(ended.begin(), ended.end(), [](const Hypothesis& a, const Hypothesis& b) {
      return a.finished != b.finished ? a.finished : a.score > b.score;
    });
    if (ended.size() > k) ended.resize(k);
    if (ended.size() == k && !live.empty() && live[0].log_prob / norm <= ended.back().score) live.clear();
  }
  ended.resize(std::min(ended.size(), static_cast<size_t>(d.best)));
  return ended;
}
TEST(Generate, BeamIsTheSearchWithoutACache) {
  const GptConfig c = small(17);
  const auto in = prompts(20, c.vocab, true);
  for (const ModelKind kind : kKinds)
    for (const int64_t beam : {2, 3, 5}) {
      const Tiny t(c, 3, 12, kind);
      const Decoding d{.beam = beam, .length_penalty = .8f, .best = beam, .max_new = 12, .batch = 32};
      const auto out = generate(t.model, in, kEnd, d);
      for (size_t i = 0; i < in.size(); ++i) {
        const auto wanted = naive_beam(t.model, in[i], d);
        ASSERT_EQ(out[i].size(), wanted.size());
        for (size_t j = 0; j < wanted.size(); ++j) {
          EXPECT_EQ(out[i][j].tokens, wanted[j].tokens) << beam << " " << i << " " << j;
          EXPECT_NEAR(out[i][j].score, wanted[j].score, 1e-4);
        }
      }
    }
}
TEST(Generate, BestAreSortedDistinctAndTheirLogProbsAreTheScorersOnes) {
  GptConfig c = small(17);
  c.smoothing = .1f;  // from training; it must have no effect
  const auto in = prompts(16, c.vocab, true);
  const Decoding search{.beam = 4, .best = 4}, draws{.sample = true, .best = 3};
  for (const auto& [kind, d] : {std::pair{ModelKind::gpt, search},
                                {ModelKind::gpt, draws},
                                {ModelKind::encoder_decoder, search},
                                {ModelKind::encoder_decoder, draws}}) {
    const Tiny t(c, 3, 12, kind);
    const auto out = generate(t.model, in, kEnd, d);
    for (size_t i = 0; i < in.size(); ++i) {
      std::vector<Example> examples;
      std::set<std::vector<Token>> distinct;
      for (size_t j = 0; j < out[i].size(); ++j) {
        const Hypothesis& h = out[i][j];
        Example& e = examples.emplace_back(Example{in[i].tokens, in[i].prefix});
        e.tokens.insert(e.tokens.end(), h.tokens.begin(), h.tokens.end());
        if (h.finished) e.tokens.push_back(kEnd);
        auto with_end = h.tokens;
        with_end.push_back(h.finished);
        distinct.insert(with_end);
        if (j > 0 && !d.sample && h.finished == out[i][j - 1].finished) {
          EXPECT_LE(h.score, out[i][j - 1].score);
        }
      }
      EXPECT_EQ(out[i].size(), static_cast<size_t>(d.best));
      if (!d.sample) {
        EXPECT_EQ(distinct.size(), out[i].size());
      }
      const auto scores = log_probs(t.model, examples);
      for (size_t j = 0; j < scores.size(); ++j)
        EXPECT_NEAR(scores[j], out[i][j].log_prob, 1e-5 * std::max(1.0, -scores[j])) << i << " " << j;
    }
  }
}
TEST(Generate, LogProbsAreTheLossOfTraining) {
  enum Form { text, prefix_lm, encoder_decoder };
  for (const Form form : {text, prefix_lm, encoder_decoder}) {
    const bool translation = form != text, pair = form == encoder_decoder;
    GptConfig c = small(17);
    c.restart = translation;
    const Tiny t(c, 3, 12, kKinds[pair]);
    std::vector<Example> examples;
    for (const Prompt& p : prompts(30, c.vocab, translation, 15)) {
      examples.push_back({p.tokens, translation ? (p.prefix + 1) / 2 : 0});
      examples.back().tokens.push_back(kEnd);
    }
    const auto got = log_probs(t.model, examples, 40);
    for (size_t i = 0; i < examples.size(); ++i) {
      const Example& e = examples[i];
      const Batch b = upload(pack({&e, 1}, {static_cast<int64_t>(e.tokens.size()), 1, 0,
                                            pair ? Mask::causal : Mask::prefix, c.restart, pair ? 20 : 0}));
      const HeadLoss loss = t.model.loss(b);
      double sum = 0, slow = 0;
      for (int64_t r = 0; r < loss.nll.size(); ++r)
        if (b.weights.at(r) > 0) sum -= loss.nll.at(r);
      for (size_t n = static_cast<size_t>(std::max(e.prefix, 1)); n < e.tokens.size(); ++n)
        slow += next_log_probs(t.model, {e.tokens.begin(), e.tokens.begin() + static_cast<std::ptrdiff_t>(n)},
                               e.prefix)[static_cast<size_t>(e.tokens[n])];
      EXPECT_NEAR(got[i], sum, 1e-5 * std::max(1.0, -sum)) << i;
      EXPECT_NEAR(got[i], slow, 1e-5 * std::max(1.0, -slow)) << i;
    }
    EXPECT_EQ(got, log_probs(t.model, examples, 1));  // one text a forward
  }
}
TEST(Generate, AWeightWithoutAFormInInt8IsNamed) {
  Tiny gpt(small(30, 16), 5, 8);
  const auto at = std::ranges::find_if(gpt.block.entries(),
                                       [](const auto& e) { return e.name.ends_with("1.feed.up.weight"); });
  ASSERT_NE(at, gpt.block.entries().end());
  at->value.data<float>()[3] = NAN;
  EXPECT_EQ(error_of([&] { gpt.block.quantize(); }), at->name + ": a weight is nan: it has no form in int8");
}
TEST(Generate, SameForEveryBatchAndThreads) {
  GptConfig c = small(300, 40);
  c.width = 32, c.inner = 80;
  const Tiny gpt(c, 5, 8), pair(c, 5, 8, ModelKind::encoder_decoder);
  Tiny gpt_int8(c, 5, 8), pair_int8(c, 5, 8, ModelKind::encoder_decoder);
  gpt_int8.block.quantize(), pair_int8.block.quantize();
  const Tiny* const models[] = {&gpt, &pair, &gpt_int8, &pair_int8};
  const auto in = prompts(50, c.vocab, true, 17);
  const int before = threads();
  const std::vector<Decoding> modes{
      {},
      {.beam = 4, .best = 2, .max_ratio = 1.5f},
      {.sample = true, .temperature = .9f, .best = 3, .seed = 7},
      {.sample = true, .temperature = 1.2f, .top_k = 20, .top_p = .9f, .min_p = .02f, .max_new = 9}};
  for (size_t m = 0; m < 4 * modes.size(); ++m) {
    const Tiny& t = *models[m / modes.size()];
    Decoding d = modes[m % modes.size()];
    d.batch = 64;
    set_threads(2);
    const auto wanted = generate(t.model, in, kEnd, d);
    for (size_t b = 0; b < 3; ++b) {  // each batch size with each number of threads in some modes
      constexpr int64_t kBatches[] = {1, 7, 64};
      d.batch = kBatches[b];
      const int n = 1 + static_cast<int>((m + b) % 3);
      set_threads(n);
      EXPECT_TRUE(same(generate(t.model, in, kEnd, d), wanted))
          << "mode " << m << " batch " << d.batch << " threads " << n;
    }
  }
  set_threads(before);
}
TEST(Generate, DrawsFollowTheModelAndTheSeed) {
  const GptConfig c = small(7);
  const Tiny t(c, 3, 10);
  const Prompt p{{3, 2}, 2};
  const Decoding d{.sample = true, .best = 5000, .max_new = 1, .batch = 5000};
  const auto out = generate(t.model, {&p, 1}, kEnd, d)[0];
  const auto probs = next_log_probs(t.model, p.tokens, p.prefix);
  std::vector<double> seen(7);
  for (const Hypothesis& h : out) ++seen[h.finished ? kEnd : static_cast<size_t>(h.tokens.at(0))];
  double chi = 0;
  for (size_t v = 0; v < 7; ++v) {
    const double expected = 5000 * std::exp(probs[v]);
    chi += (seen[v] - expected) * (seen[v] - expected) / expected;
  }
  EXPECT_LT(chi, 22.5);  // 6 degrees of freedom: exceeded once in a thousand
  Decoding few{.sample = true, .best = 4}, other = few;
  other.seed = 2;
  EXPECT_TRUE(same(generate(t.model, {&p, 1}, kEnd, few), generate(t.model, {&p, 1}, kEnd, few)));
  EXPECT_FALSE(same(generate(t.model, {&p, 1}, kEnd, few), generate(t.model, {&p, 1}, kEnd, other)));
  const Prompt twice[] = {p, p};  // each text has its own stream
  const auto pair = generate(t.model, twice, kEnd, {.sample = true, .best = 8});
  EXPECT_FALSE(same({pair[0]}, {pair[1]}));
}
TEST(Generate, Limits) {
  const GptConfig c = small(13, 10);
  const Tiny t(c);
  const Token never = 12345;  // no such token: nothing ends
  const Prompt p{{2, 3, 4}, 3}, full{{2, 3, 4, 5, 6, 7, 8, 9, 10}, 0};
  auto length = [&](const Prompt& q, const Decoding& d) {
    const auto h = generate(t.model, {&q, 1}, never, d)[0][0];
    EXPECT_FALSE(h.finished);
    return h.tokens.size();
  };
  EXPECT_EQ(length(p, {}), 7u);
  EXPECT_EQ(length(full, {}), 1u);
  EXPECT_EQ(length(p, {.max_new = 5}), 5u);
  EXPECT_EQ(length(p, {.beam = 3, .max_new = 5}), 5u);
  EXPECT_EQ(length(p, {.beam = 3, .max_new = 50}), 7u);
  const Tiny wide(small(13, 100));
  EXPECT_EQ(generate(wide.model, {&p, 1}, never, {.max_ratio = 1.5f})[0][0].tokens.size(), 14u);
  EXPECT_TRUE(generate(t.model, {}, kEnd, {}).empty());
}
TEST(Generate, Refusals) {
  const GptConfig c = small(13, 10);
  const Tiny t(c);
  auto message = [&](const std::vector<Prompt>& in, const Decoding& d) {
    return error_of([&] { generate(t.model, in, kEnd, d); });
  };
  const Prompt fine{{2, 3}, 2}, big{{2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 0};
  const std::string m = message({fine, fine, big}, {});
  EXPECT_NE(m.find("text 2 has 10 tokens"), std::string::npos) << m;
  EXPECT_NE(m.find("context holds 10"), std::string::npos) << m;
  EXPECT_NE(message({fine, {}}, {}).find("text 1 has an empty prompt"), std::string::npos);
  const auto refuses = [&](const Prompt& p, const Decoding& d, const char* says) {
    EXPECT_NE(message({p}, d).find(says), std::string::npos) << message({p}, d);
  };
  refuses({{2}, 2}, {}, "1 tokens and a prefix of 2");
  refuses(fine, {.beam = 0}, "beam 0, best 1");
  refuses(fine, {.beam = 2, .best = 3}, "3 best of 2 beams");
  refuses(fine, {.beam = 2, .sample = true}, "sample and beam 2 exclude each other");
  refuses(fine, {.sample = true, .temperature = 0}, "temperature 0 must be above 0");
  refuses(fine, {.sample = true, .temperature = 1e-40f}, "must be above 0 and enough to divide by");
  refuses(fine, {.batch = 0}, "batch 0");
  EXPECT_THROW(log_probs(t.model, std::vector<Example>{{std::vector<Token>(11, 2), 1}}), Error);
  const Tiny pair(c, 3, 12, ModelKind::encoder_decoder);
  auto refused = [&](const Prompt& p) { return error_of([&] { generate(pair.model, {&p, 1}, kEnd, {}); }); };
  EXPECT_EQ(refused(fine), "");
  EXPECT_NE(refused({{2, 3}, 0}).find("text 0 has no source"), std::string::npos);
  EXPECT_EQ(refused({big.tokens, 10}), "");  // the decoder has a context of its own
  EXPECT_NE(refused({std::vector<Token>(11, 2), 11}).find("context holds 10"), std::string::npos);
  EXPECT_THROW(log_probs(pair.model, std::vector<Example>{{{2, 3}, 0}}), Error);
  EXPECT_THROW(log_probs(pair.model, std::vector<Example>{{std::vector<Token>(13, 2), 11}}), Error);
  EXPECT_NO_THROW(log_probs(pair.model, std::vector<Example>{{std::vector<Token>(20, 2), 10}}));
  Tiny broken(c);
  broken.block.master().data<float>()[0] = NAN, broken.block.changed();
  const Prompt zero{{0, 2}, 0};
  EXPECT_THROW(generate(broken.model, {&zero, 1}, kEnd, {}), Error);
}
// Of a context of 24 each part reads the last 12 tokens; the first one the prompt.
TEST(Passages, ContinueFromTheLastHalfOfAContext) {
  const Tiny t(small());
  const std::vector<Token> prompt{2, 7, 3};
  const Token never = -1;
  std::vector<Token> expected = prompt;
  for (size_t read = prompt.size(); expected.size() < 63; read = 12) {
    const Prompt p{{expected.end() - static_cast<int64_t>(read), expected.end()}};
    const std::vector<Token> more = generate(t.model, {&p, 1}, never, {})[0][0].tokens;
    EXPECT_EQ(more.size(), 24 - read);
    expected.insert(expected.end(), more.begin(), more.end());
  }
  expected.resize(63);
  const auto passages = write_passages(t.model, prompt, never, {.max_new = 60}, 2);
  ASSERT_EQ(passages.size(), 2u);
  for (const std::vector<Token>& p : passages) EXPECT_EQ(p, expected);
}
TEST(Passages, TextIIsTheSameForAnyNumberOfTexts) {
  const Tiny t(small());
  const std::vector<Token> prompt{2, 7, 3};
  Decoding d{.sample = true, .max_new = 60, .seed = 5};
  const auto all = write_passages(t.model, prompt, kEnd, d, 20);
  std::set<size_t> lengths;
  for (uint32_t i = 0; i < 20; ++i) {
    d.first = i;
    EXPECT_EQ(write_passages(t.model, prompt, kEnd, d, 1)[0], all[i]) << i;
    lengths.insert(all[i].size());
  }
  EXPECT_GT(lengths.size(), 2u) << "some end, in one part or another";
  EXPECT_GT(*lengths.rbegin(), 24u);
}
TEST(Generate, TellsItsProgress) {
  const Tiny t(small());
  const auto in = prompts(20, 13, true);
  std::vector<int64_t> seen;
  generate(t.model, in, kEnd, {.batch = 3}, [&](int64_t n) { seen.push_back(n); });
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(seen.back(), 20);
  EXPECT_GT(seen.size(), 3u);
}
TEST(Cache, ReorderCopiesEvenInCircles) {  // full slots; Generate.Beam* has others
  for (int layers : {1, 3}) {
    Cache cache(layers, 4, 16, 2, DType::f32, DeviceKind::cpu);
    for (int s = 0; s < 4; ++s) cache.used.data<int32_t>()[s] = 16;
    for (auto* kv : {&cache.keys, &cache.values})
      for (Tensor& k : *kv)
        for (int64_t i = 0; i < k.size(); ++i) k.data<float>()[i] = static_cast<float>(i);
    const int32_t parents[] = {1, 2, 0, 2};
    cache.reorder(parents);
    for (int s = 0; s < 4; ++s) {
      ASSERT_EQ(cache.used.at(s), 16);
      for (auto* kv : {&cache.keys, &cache.values})
        for (Tensor& k : *kv)
          for (int j = 0; j < 32; ++j) ASSERT_EQ(k.at(s * 32 + j), parents[s] * 32 + j);
    }
    cache.used.data<int32_t>()[3] = 5;
    const int32_t last[] = {3, 1, 2, 3}, wrong[] = {0, 1, 2, 4};
    cache.reorder(last);
    EXPECT_EQ(cache.used.at(0), 5);
    EXPECT_THROW(cache.reorder(wrong), Error);
  }
}
}  // namespace
}  // namespace rum::generate_test
