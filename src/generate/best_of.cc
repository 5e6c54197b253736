#include "generate/best_of.h"

#include <cmath>
#include <memory>

#include "base/error.h"
#include "base/hash.h"
#include "checkpoint/weights.h"
#include "generate/translate.h"
#include "text/unicode.h"

namespace rum {
namespace {
using Done = std::function<void(int64_t)>;
std::vector<std::vector<Candidate>> write(const LoadedRun& run, std::span<const std::string> sources,
                                          const Decoding& d, const Done& done) {
  std::vector<Prompt> prompts;
  for (const std::string& s : sources) prompts.push_back(source_prompt(s, run.tokenizer));
  std::vector<std::vector<Candidate>> out;
  for (const auto& hypotheses : generate(run.model, prompts, run.tokenizer.end(), d, done)) {
    out.emplace_back();
    for (const Hypothesis& h : hypotheses)
      out.back().push_back({one_line(run.tokenizer.decode(h.tokens)), h.log_prob,
                            static_cast<int64_t>(h.tokens.size()) + h.finished, h.finished});
  }
  return out;
}
// The same of a model that is asked by an instruction: what it writes after its first line is
// not written at all.
std::vector<std::vector<Candidate>> write(const LoadedRun& run, std::span<const std::string> sources,
                                          const Decoding& d, const Instruction& instruction,
                                          const Done& done) {
  std::vector<Prompt> prompts;
  Token end = -1;
  for (const std::string& s : sources) {
    ChatPrompt p = instructed(run.tokenizer, instruction, s, run.config.chat);
    prompts.push_back(std::move(p.prompt));
    end = p.end;
  }
  const auto draws = static_cast<size_t>(d.best);
  std::vector<std::string> written(prompts.size() * draws);
  const Follower follower{[&](size_t text, int32_t draw, Token t) {
                            std::string& so_far = written[text * draws + static_cast<size_t>(draw)];
                            so_far += run.tokenizer.decode({&t, 1}, prompts[text].tokens);
                            return t != run.tokenizer.end() && !has_first_line(so_far);
                          },
                          {}};
  std::vector<std::vector<Candidate>> out;
  for (const auto& hypotheses : generate(run.model, prompts, end, d, done, &follower)) {
    out.emplace_back();
    for (const Hypothesis& h : hypotheses) {
      const std::string all = run.tokenizer.decode(h.tokens);
      const bool finished =
          h.finished || has_first_line(all) || (!h.tokens.empty() && h.tokens.back() == run.tokenizer.end());
      out.back().push_back({one_line(first_line(all)), h.log_prob,
                            static_cast<int64_t>(h.tokens.size()) + h.finished, finished});
    }
  }
  return out;
}
}  // namespace

std::string describe(const BestOf& best_of, const Decoding& d) {
  Decoding drawn = d;
  drawn.sample = true;
  return fmt::format("best of greedy and {} x {} by {}", best_of.samples, describe(drawn), best_of.how);
}

BestOf best_by_mbr(int64_t samples, const std::string& utility) {
  const std::shared_ptr<const metrics::Metric> metric = make_utility(utility);
  return {samples, "mbr " + utility,
          [metric](std::span<const Candidates> c) { return choose_mbr(*metric, c); }};
}

BestOf best_by_channel(int64_t samples, const LoadedRun& reverse, const LoadedRun* lm,
                       const ChannelWeights& weights) {
  RUM_CHECK(reverse.translation(),
            "{} is a plain-text model; the noisy channel needs one that translates "
            "from target to source",
            reverse.source);
  RUM_CHECK(lm == nullptr || !lm->translation(),
            "{} translates; the noisy channel needs a plain-text model there", lm->source);
  RUM_CHECK((lm == nullptr) == (weights.lm == 0),
            "the noisy channel: the language model has a weight of {}{}", weights.lm,
            lm == nullptr ? ", but there is none" : "");
  const auto hash = [](const LoadedRun& run) { return hex64(weights_hash(run.params)); };
  std::string how = fmt::format("channel reverse {} x {}", hash(reverse), weights.reverse);
  if (lm) how += fmt::format(" lm {} x {}", hash(*lm), weights.lm);
  return {samples, std::move(how), [&reverse, lm, weights](std::span<const Candidates> candidates) {
            std::vector<int64_t> out;
            for (const auto& terms : channel_terms(reverse, lm, candidates)) {
              std::vector<double> scores;
              for (const ChannelTerms& t : terms) scores.push_back(channel_score(t, weights));
              out.push_back(best(scores));
            }
            return out;
          }};
}

std::vector<std::vector<ChannelTerms>> channel_terms(const LoadedRun& reverse, const LoadedRun* lm,
                                                     std::span<const Candidates> sources) {
  std::vector<Pair> reversed, texts;
  for (const Candidates& source : sources)
    for (const Candidate& c : source.all) {
      if (c.text.empty()) continue;
      reversed.push_back({c.text, source.source});
      texts.push_back({"", c.text});
    }
  const std::vector<double> back = log_prob_per_token(reverse.model, reverse.tokenizer, reversed);
  std::vector<double> fluency(texts.size());
  if (lm) fluency = log_prob_per_token(lm->model, lm->tokenizer, texts);
  std::vector<std::vector<ChannelTerms>> out;
  size_t k = 0;
  for (const Candidates& source : sources) {
    out.emplace_back();
    for (const Candidate& c : source.all) {
      ChannelTerms& t = out.back().emplace_back();
      t.forward = -INFINITY;
      if (c.text.empty()) continue;
      const double r = back[k], l = fluency[k];
      ++k;
      if (std::isnan(r) || std::isnan(l)) continue;
      t = {c.log_prob / static_cast<double>(c.tokens), r, l};
    }
  }
  return out;
}

std::vector<std::vector<Candidate>> translations(const LoadedRun& run, std::span<const std::string> sources,
                                                 const Decoding& decoding, const BestOf* best_of,
                                                 const Instruction* instruction, const Done& done) {
  const auto written = [&](const Decoding& d) {
    return instruction ? write(run, sources, d, *instruction, done) : write(run, sources, d, done);
  };
  if (best_of == nullptr) return written(decoding);
  Decoding drawn = decoding, greedy = decoding;
  drawn.sample = true;
  greedy.sample = false;
  drawn.beam = greedy.beam = greedy.best = 1;
  drawn.best = best_of->samples;
  std::vector<Candidates> all;
  for (const std::string& s : sources) all.push_back({s, {}});
  for (const Decoding& d : {drawn, greedy}) {
    const auto more = written(d);
    for (size_t i = 0; i < all.size(); ++i)
      all[i].all.insert(all[i].all.end(), more[i].begin(), more[i].end());
  }
  const std::vector<int64_t> kept = best_of->choose(all);
  std::vector<std::vector<Candidate>> out;
  for (size_t i = 0; i < all.size(); ++i) out.push_back({all[i].all[static_cast<size_t>(kept[i])]});
  return out;
}
}  // namespace rum
