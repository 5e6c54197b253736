#include "train/language_model.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/hash.h"
#include "run/environment.h"

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
      tokenizer_(run_tokenizer(c, texts_, from_ ? &from_->tokenizer : nullptr, resume, progress)),
      model_(make_model()),
      loader_(lay_out()),
      validation_(evaluation_batches(valid_, tokenizer_, c, c.eval_texts)) {
  notes = loader_.notes();
  if (!validation_.note.empty()) notes.push_back(validation_.note);
  note_if_learned("data.valid", valid_);
  if (c.test.empty()) return;
  // Read now only to fail early; the test reads it again.
  const Corpus test = run_corpus(c, c.test);
  const std::string note = evaluation_batches(test, tokenizer_, c, 0).note;
  if (!note.empty()) notes.push_back(note);
  note_if_learned("data.test", test);
}

void LanguageModel::note_if_learned(const char* key, const Corpus& corpus) {
  for (const CorpusFile& learned : train_)
    if (learned.hash == corpus.hash)
      notes.push_back(
          fmt::format("warning: {}: {} holds what is trained on, {}: its figures say nothing of other texts",
                      key, corpus.name, learned.name));
}

// A run keeps only the tokens and hashes of its texts and plan.
Loader LanguageModel::lay_out() {
  std::vector<Corpus> texts = std::exchange(texts_, {});
  Plan plan = training_plan(config_, texts);
  plan_hash_ = plan_hash(plan);
  for (const Corpus& c : texts) train_.push_back(corpus_file(c));
  const auto forget = [&](const Corpus& corpus, size_t first, size_t last) {
    std::vector<Pair>& pairs = texts[static_cast<size_t>(&corpus - texts.data())].texts;
    for (size_t i = first; i < last; ++i)
      const Pair gone = std::move(pairs[i]);  // = {} would keep its memory
    malloc_trim(0);                           // what was freed goes back to the system
  };
  return {std::move(plan), texts, tokenizer_, loader_config(config_), wanted_steps(config_), forget};
}

int64_t LanguageModel::frozen_bytes() const {
  const Tensor& all = frozen_.master();
  return all ? static_cast<int64_t>(all.bytes()) : 0;
}

Packed LanguageModel::largest_batch(int64_t tokens) const {
  RunConfig c = config_;
  c.tokens = tokens;
  c.scored = std::min(c.scored, tokens);
  const BatchShape shape = batch_shape(c);
  const int64_t length = std::min(c.model.context, tokens);
  const Example longest{std::vector<Token>(static_cast<size_t>(length)),
                        static_cast<int32_t>(model_.encoder_decoder() ? length / 2 : 0)};
  const Load each = load_of(longest, shape);
  std::vector<Example> texts;
  for (Load all = each; all.fits(shape); all = all + each) texts.push_back(longest);
  return pack(texts, shape);
}

// With [lora] the weights of train.from are read into memory of their own, which no optimizer knows of, and
// what is trained are the adapters beside them.
Model LanguageModel::make_model() {
  const GptConfig c = model_config(config_, tokenizer_.size());
  const LoraConfig& lora = config_.lora;
  if (lora.rank == 0) return Model(config_.model_kind, Params(params), c);
  const DeviceKind device = pick_device(config_.device);
  std::vector<float> scale(static_cast<size_t>(lora.rank * lora.rank));
  for (int64_t i = 0; i < lora.rank; ++i) scale[static_cast<size_t>(i * (lora.rank + 1))] = lora.scale();
  adapters_.emplace(Adapters{params, lora.rank, lora.targets,
                             Tensor::from<float>(scale, {lora.rank, lora.rank}, config_.dtype, device)});
  Model model(config_.model_kind, Params(frozen_, "", &*adapters_), c);
  frozen_hash_ = hex64(weights_hash(frozen_, from_->weights));
  frozen_.materialise_to_read(device, config_.dtype);
  load_weights(frozen_, from_->weights, config_.dtype);
  return model;
}

std::string LanguageModel::take_weights() {
  if (!from_) return "";
  const std::string source = from_->weights.path();
  if (adapters_)
    return fmt::format("trains adapters of rank {} beside {}, weights {}, {} numbers that stay as they are",
                       adapters_->rank, source, frozen_hash_, frozen_.numbers());
  load_weights(params, from_->weights, DType::f32);
  from_.reset();
  return fmt::format("starts from {}, weights {}", source, hex64(weights_hash(params)));
}

Evaluation LanguageModel::evaluate(const Stop& stop) const {
  const double loss = mean_nll(model_, validation_, stop);
  return {loss, {}, fmt::format("validation loss {:.4f} (perplexity {:.2f})", loss, std::exp(loss))};
}

TestReport LanguageModel::test(Progress&, const Stop& stop) const {
  if (config_.test.empty()) return {};
  return test_loss(evaluation_batches(run_corpus(config_, config_.test), tokenizer_, config_, 0), stop);
}
TestReport LanguageModel::test_loss(const EvaluationBatches& test, const Stop& stop) const {
  const double loss = mean_nll(model_, test, stop);
  return {{{"test_loss", loss}}, fmt::format("test loss: {:.4f}\n", loss)};
}

std::vector<Fingerprint> LanguageModel::fingerprints() const {
  std::vector<Fingerprint> out{
      {"train_hash", fmt::format("{}", fmt::join(config_.train, ", ")), corpora_hash(train_), "data.train"},
      {"valid_hash", valid_.name, hex64(valid_.hash), "data.valid"},
      {kTokenizerHash, "tokenizer.json", hex64(tokenizer_.hash())},
      {"plan_hash", config_.plan.empty() ? "the order of the training texts" : config_.plan,
       hex64(plan_hash_), "data.plan"}};
  if (adapters_) out.push_back({kBaseHash, config_.from, frozen_hash_, "train.from"});
  return out;
}

void LanguageModel::write_files(const RunFolder& folder) const {
  tokenizer_.save(folder.tokenizer());
  Json::Array corpora;
  const auto noted = [](const CorpusFile& c) {
    return Json::Object{{"file", c.name}, {"texts", c.texts}, {"hash", hex64(c.hash)}};
  };
  for (size_t i = 0; i < train_.size(); ++i) {
    Json::Object c = noted(train_[i]);
    if (config_.kind == CorpusKind::pairs) c.emplace_back(kSourceWords, loader_.longest_sources()[i]);
    corpora.push_back(std::move(c));
  }
  corpora.push_back(noted(corpus_file(valid_)));
  Disk::real().replace_text(folder.data(), to_json(Json(std::move(corpora)), 2) + "\n");
}
}  // namespace rum
