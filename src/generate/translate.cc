#include "generate/translate.h"

#include <cmath>

#include "data/tokens.h"
#include "generate/log_probs.h"
#include "generate/scoring_batch.h"

namespace rum {
std::vector<SentenceScore> sentence_scores(const Model& model, const Tokenizer& tokenizer,
                                           std::span<const Pair> texts) {
  std::vector<Example> fitting;
  std::vector<size_t> of;
  for (size_t i = 0; i < texts.size(); ++i) {
    Example e = to_example(texts[i], tokenizer);
    if (positions_needed(model, e) > model.config().context) continue;
    fitting.push_back(std::move(e));
    of.push_back(i);
  }
  const std::vector<double> log_prob = log_probs(model, fitting);
  std::vector<SentenceScore> out(texts.size());
  for (size_t k = 0; k < of.size(); ++k) out[of[k]] = {log_prob[k], load_of(fitting[k], {}).scored};
  return out;
}

std::vector<double> log_prob_per_token(const Model& model, const Tokenizer& tokenizer,
                                       std::span<const Pair> texts) {
  std::vector<double> out;
  for (const SentenceScore& s : sentence_scores(model, tokenizer, texts))
    out.push_back(s.tokens == 0 ? NAN : s.log_prob / static_cast<double>(s.tokens));
  return out;
}

Prompt source_prompt(std::string_view source, const Tokenizer& tokenizer) {
  Prompt p;
  tokenizer.encode(source, p.tokens);
  p.tokens.push_back(tokenizer.special(kSep));
  p.prefix = static_cast<int32_t>(p.tokens.size());
  return p;
}

Prompt text_prompt(std::string_view text, const Tokenizer& tokenizer) {
  Prompt p;
  if (tokenizer.begin() >= 0) p.tokens.push_back(tokenizer.begin());
  tokenizer.encode(text, p.tokens);
  return p;
}

std::vector<std::string> translate(const Model& model, const Tokenizer& tokenizer,
                                   std::span<const std::string> sources, const Decoding& decoding,
                                   const std::function<void(int64_t)>& done) {
  std::vector<Prompt> prompts;
  std::vector<size_t> of;
  for (size_t i = 0; i < sources.size(); ++i) {
    Prompt p = source_prompt(sources[i], tokenizer);
    if (room(model, p) <= 0) continue;
    prompts.push_back(std::move(p));
    of.push_back(i);
  }
  std::vector<std::string> out(sources.size());
  const auto written = generate(model, prompts, tokenizer.end(), decoding, done);
  for (size_t i = 0; i < of.size(); ++i)
    if (!written[i].empty()) out[of[i]] = tokenizer.decode(written[i].front().tokens);
  return out;
}

ScoredTranslations translate_and_score(const Model& model, const Tokenizer& tokenizer,
                                       std::span<const Pair> texts, const Decoding& decoding,
                                       const std::function<void(int64_t)>& done) {
  std::vector<std::string> sources, references;
  for (const Pair& t : texts) {
    sources.push_back(t.source);
    references.push_back(t.target);
  }
  ScoredTranslations out;
  out.translations = translate(model, tokenizer, sources, decoding, done);
  out.tokenizer = metrics::fitting_tokenizer(references);
  out.bleu = metrics::corpus_bleu(out.translations, references, {.tokenize = out.tokenizer});
  return out;
}
}  // namespace rum
