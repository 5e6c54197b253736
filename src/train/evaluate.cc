#include "train/evaluate.h"

#include <algorithm>

namespace rum {
std::vector<Packed> evaluation_batches(const Corpus& corpus, const Tokenizer& tokenizer,
                                       const BatchShape& shape, int64_t count) {
  const auto n = static_cast<int64_t>(corpus.texts.size());
  std::vector<Packed> out;
  std::vector<Example> open;
  for (int64_t i = 0; i < (count > 0 ? std::min(count, n) : n); ++i) {
    Example e = to_example(corpus.texts[static_cast<size_t>(i)], tokenizer);
    if (!fits({&e, 1}, shape)) continue;
    open.push_back(std::move(e));
    if (fits(open, shape)) continue;
    Example last = std::move(open.back());
    open.pop_back();
    out.push_back(pack(open, shape));
    open.assign(1, std::move(last));
  }
  if (!open.empty()) out.push_back(pack(open, shape));
  return out;
}

double mean_nll(const Model& model, std::span<const Packed> batches) {
  Arena arena(model.tokens().device());
  double sum = 0, weight = 0;
  for (const Packed& p : batches) {
    Batch b = upload(p, model.tokens().device());
    Tape tape(arena, Tape::Mode::forward_only);
    sum += model.loss(b, false).loss.at(0), weight += p.total_weight;
  }
  return weight > 0 ? sum / weight : 0;
}

std::vector<SentenceScore> sentence_scores(const Model& model, const Tokenizer& tokenizer,
                                           std::span<const Text> texts) {
  std::vector<Example> examples;
  for (const Text& t : texts) examples.push_back(to_example(t, tokenizer));
  const std::vector<double> log_prob = log_probs(model, examples);
  std::vector<SentenceScore> out;
  for (size_t i = 0; i < examples.size(); ++i) out.push_back({log_prob[i], load_of(examples[i], {}).scored});
  return out;
}

Prompt source_prompt(std::string_view source, const Tokenizer& tokenizer) {
  Prompt p;
  tokenizer.encode(source, p.tokens);
  p.tokens.push_back(tokenizer.special(kSep));
  p.prefix = static_cast<int32_t>(p.tokens.size());
  return p;
}

std::vector<std::string> translate(const Model& model, const Tokenizer& tokenizer,
                                   std::span<const std::string> sources, const Decoding& decoding,
                                   const std::function<void(int64_t)>& done) {
  std::vector<Prompt> prompts;
  std::vector<size_t> of;
  for (size_t i = 0; i < sources.size(); ++i) {
    Prompt p = source_prompt(sources[i], tokenizer);
    if (room(model, p) <= 1) continue;
    prompts.push_back(std::move(p)), of.push_back(i);
  }
  std::vector<std::string> out(sources.size());
  const auto written = generate(model, prompts, tokenizer.special(kEos), decoding, done);
  for (size_t i = 0; i < of.size(); ++i)
    if (!written[i].empty()) out[of[i]] = tokenizer.decode(written[i].front().tokens);
  return out;
}

Judged judge_translations(const Model& model, const Tokenizer& tokenizer, std::span<const Text> texts,
                          const Decoding& decoding, const std::function<void(int64_t)>& done) {
  std::vector<std::string> sources, references;
  for (const Text& t : texts) sources.push_back(t.source), references.push_back(t.target);
  Judged j;
  j.translations = translate(model, tokenizer, sources, decoding, done);
  j.bleu = corpus_bleu(j.translations, references);
  return j;
}
}  // namespace rum
