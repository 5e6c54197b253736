#include "train/language_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "checkpoint/weights.h"

namespace rum {
namespace {
LoaderConfig loader_config(const RunConfig& c) {
  return {batch_shape(c), c.micro_batches, c.model.context, c.target_tokens, c.epochs, c.windows};
}
int64_t wanted_steps(const RunConfig& c) { return c.target_tokens > 0 ? 0 : c.steps; }
}  // namespace

LanguageModel::LanguageModel(const RunConfig& c, bool resume, Progress& progress)
    : config_(c),
      texts_(training_corpora(c)),
      valid_(run_corpus(c, c.valid)),
      from_(starting_run(c, resume)),
      tokenizer_(run_tokenizer(c, texts_, from_.get(), resume, progress)),
      model_(c.model_kind, Params(params), model_config(c, tokenizer_.size())),
      loader_(lay_out()),
      validation_(evaluation_batches(valid_, tokenizer_, c, c.eval_texts)) {
  notes = loader_.notes();
  if (!validation_.note.empty()) notes.push_back(validation_.note);
  if (c.test.empty()) return;
  // Read once more at the end: here for what would stop it there.
  const std::string note = evaluation_batches(run_corpus(c, c.test), tokenizer_, c, 0).note;
  if (!note.empty()) notes.push_back(note);
}

// Of texts and plan a run needs no more than their tokens and their hashes.
Loader LanguageModel::lay_out() {
  const std::vector<Corpus> texts = std::exchange(texts_, {});
  const Plan plan = training_plan(config_, texts);
  plan_hash_ = plan_hash(plan);
  for (const Corpus& c : texts) train_.push_back(noted(c));
  return {plan, texts, tokenizer_, loader_config(config_), wanted_steps(config_)};
}

Packed LanguageModel::largest_batch(int64_t tokens) const {
  RunConfig c = config_;
  c.tokens = tokens, c.scored = std::min(c.scored, tokens);
  const BatchShape shape = batch_shape(c);
  const int64_t length = std::min(c.model.context, tokens);
  const Example longest{std::vector<Token>(static_cast<size_t>(length)),
                        static_cast<int32_t>(model_.encoder_decoder() ? length / 2 : 0)};
  std::vector<Example> texts{longest};
  while (fits(texts, shape)) texts.push_back(longest);
  texts.pop_back();
  return pack(texts, shape);
}

std::string LanguageModel::take_weights() {
  if (!from_) return "";
  set_weights(params, params.master(), named_weights(from_->params, from_->params.master()), "",
              from_->source);
  params.refresh_shadow();
  const std::string said =
      fmt::format("starts from {}, weights {}", from_->source, hex64(weights_hash(from_->params)));
  from_.reset();
  return said;
}

Evaluation LanguageModel::evaluate(const Stop& stop) const {
  const double loss = mean_nll(model_, validation_.batches, [&] { leave_if(stop); });
  return {loss, {}, fmt::format("validation loss {:.4f} (perplexity {:.2f})", loss, std::exp(loss))};
}

TestReport LanguageModel::test(Progress&, const Stop& stop) const {
  if (config_.test.empty()) return {};
  return test_loss(evaluation_batches(run_corpus(config_, config_.test), tokenizer_, config_, 0), stop);
}
TestReport LanguageModel::test_loss(const EvaluationBatches& test, const Stop& stop) const {
  const double loss = mean_nll(model_, test.batches, [&] { leave_if(stop); });
  return {{{"test_loss", loss}}, fmt::format("test loss: {:.4f}\n", loss)};
}

std::vector<Fingerprint> LanguageModel::fingerprints() const {
  return {{"train_hash", fmt::format("{}", fmt::join(config_.train, ", ")), corpora_hash(train_)},
          {"valid_hash", valid_.name, hex64(valid_.hash)},
          {kTokenizerHash, "tokenizer.json", hex64(tokenizer_.hash())},
          {"plan_hash", config_.plan.empty() ? "the order of the training texts" : config_.plan,
           hex64(plan_hash_)}};
}

void LanguageModel::write_files(const RunFolder& folder) const {
  tokenizer_.save(folder.tokenizer());
  Json::Array corpora;
  auto note = [&](const CorpusFile& c) {
    corpora.push_back(Json(Json::Object{{"file", c.name}, {"texts", c.texts}, {"hash", hex64(c.hash)}}));
  };
  std::for_each(train_.begin(), train_.end(), note);
  note(noted(valid_));
  Disk::real().replace_text(folder.file("data.json"), to_json(Json(std::move(corpora)), 2) + "\n");
}
}  // namespace rum
