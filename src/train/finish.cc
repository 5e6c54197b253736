// How good the model is, every so often and at the end.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/weights.h"
#include "generate/translate.h"
#include "train/state.h"

namespace rum {
std::optional<Judged> Trainer::State::judge_validation() const {
  const auto some = std::min<int64_t>(config.bleu_texts, static_cast<int64_t>(valid.texts.size()));
  if (config.kind != CorpusKind::pairs || some == 0) return {};
  Decoding greedy = config.decoding;
  greedy.beam = 1;
  return judge_translations(model, tokenizer, std::span(valid.texts).first(static_cast<size_t>(some)),
                            greedy);
}

bool Trainer::State::evaluate() {
  const double loss = mean_nll(model, validation);
  Json::Object line{{"step", done}, {"valid_loss", loss}};
  std::vector<Scalar> scalars{{"loss/valid", static_cast<float>(loss)}};
  std::string text =
      fmt::format("step {}: validation loss {:.4f} (perplexity {:.2f})", done, loss, std::exp(loss));
  bool higher_bleu = false;
  if (const auto judged = judge_validation()) {
    const double bleu = judged->bleu.score;
    higher_bleu = bleu > best_bleu;
    if (higher_bleu) best_bleu = bleu, best_bleu_step = done;
    line.emplace_back("valid_bleu", bleu);
    scalars.push_back({"bleu/valid", static_cast<float>(bleu)});
    text += fmt::format(", BLEU {:.1f} on {} texts", bleu, judged->translations.size());
    std::string samples = fmt::format("step {}\n", done);
    for (size_t i = 0; i < std::min<size_t>(judged->translations.size(), 3); ++i)
      samples += fmt::format("  {}\n  = {}\n  > {}\n", valid.texts[i].source, valid.texts[i].target,
                             judged->translations[i]);
    Disk::real().append(folder.file("samples.txt"), samples);
  }
  progress.line(text);
  note_metrics(std::move(line));
  events->write(done, scalars);
  bool better = true;  // the last weights always are
  if (config.best == Best::loss) better = loss < best_loss;
  if (config.best == Best::bleu) better = higher_bleu;
  if (better) {
    best_loss = loss, best_step = done, stale = 0;
  } else if (++stale; config.patience > 0 && stale >= config.patience) {
    progress.line(fmt::format("no better validation {} in {} evaluations: stopped early; step {} was best",
                              config.best == Best::bleu ? "BLEU" : "loss", stale, best_step));
    return true;
  }
  return false;
}

std::vector<int64_t> Trainer::State::averaged_steps() const {
  std::vector<int64_t> out;
  for (int64_t s = done; s > 0 && static_cast<int64_t>(out.size()) < config.average; --s)
    if (scheduled(s) || s == done) out.push_back(s);
  return out;
}

// The mean of several checkpoints' weights, summed in double (Vaswani et al. 2017, section 6.1).
void Trainer::State::average_into_block(const std::vector<int64_t>& steps) {
  std::vector<double> sum(static_cast<size_t>(params.master().size()));
  for (const int64_t s : steps) {
    const std::string path = checkpoint_path(folder.checkpoints(), s);
    set_weights(params, params.master(), load(path).tensors, "", path);
    const Tensor weights = params.master().to(DeviceKind::cpu);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(weights.data<float>()[i]);
  }
  for (double& w : sum) w /= static_cast<double>(steps.size());
  params.master().copy_from(Tensor::from<double>(sum, params.master().shape(), DType::f32));
  params.refresh_shadow();
}

bool Trainer::State::worse_than_best(double loss) const {
  if (config.best == Best::loss) return loss > best_loss;
  if (config.best == Best::bleu) return judge_validation()->bleu.score < best_bleu;
  return false;
}

// Of the averaged weights and the best checkpoint, the better one becomes the model.
std::string Trainer::State::finish() {
  const std::vector<int64_t> steps = averaged_steps();
  average_into_block(steps);
  double loss = mean_nll(model, validation);
  std::string source = steps.size() > 1 ? fmt::format("mean of the last {} checkpoints", steps.size())
                                        : fmt::format("step {}", done);
  if (worse_than_best(loss)) {
    average_into_block({best_step});
    loss = best_loss, source = fmt::format("step {}", best_step);
  }
  Json::Object results{{"step", done},
                       {"target_tokens", loader->target_tokens(done)},
                       {"model", source},
                       {"valid_loss", loss}};
  std::string text = fmt::format("model: {}, validation loss {:.4f}\n", source, loss);
  if (const auto judged = judge_validation()) {
    const double bleu = judged->bleu.score;
    results.emplace_back("valid_bleu", bleu);
    text += fmt::format("validation BLEU: {:.1f} on {} texts\n", bleu, judged->translations.size());
    if (bleu < best_bleu - 1)
      text += fmt::format("step {} had validation BLEU {:.1f}: train.best = \"bleu\" would have chosen it\n",
                          best_bleu_step, best_bleu);
  }
  if (!config.test.empty()) {
    const Corpus test = read_corpus(config.test, config.kind);
    const double nll = mean_nll(model, evaluation_batches(test, tokenizer, batch_shape(config), 0));
    results.emplace_back("test_loss", nll);
    text += fmt::format("test loss: {:.4f}\n", nll);
    if (config.kind == CorpusKind::pairs) {
      const auto n = static_cast<int64_t>(test.texts.size());
      const Judged judged = judge_translations(model, tokenizer, test.texts, config.decoding, [&](int64_t k) {
        progress.status(fmt::format("translating the test set: {} of {}", k, n));
      });
      results.emplace_back("test_bleu", judged.bleu.score);
      results.emplace_back("test_signature", signature(*make_bleu()));
      text += fmt::format("test BLEU: {:.2f} on {} texts, beam {} ({})\n", judged.bleu.score, n,
                          config.decoding.beam, signature(*make_bleu()));
      for (size_t i = 0; i < std::min<size_t>(test.texts.size(), 5); ++i)
        text += fmt::format("\n  source       {}\n  reference    {}\n  translation  {}\n",
                            test.texts[i].source, test.texts[i].target, judged.translations[i]);
    }
  }
  write_safetensors(
      {{{"config", to_toml(config)}, {"source", source}}, named_weights(params, params.master())},
      folder.model());
  results.emplace_back("report", text);
  Disk::real().replace_text(folder.results(), to_json(Json(std::move(results)), 2) + "\n");
  return text;
}
}  // namespace rum
