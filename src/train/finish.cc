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
bool Trainer::State::evaluate() {
  const double loss = mean_nll(model, validation);
  Json::Object line{{"step", done}, {"valid_loss", loss}};
  std::vector<Scalar> scalars{{"loss/valid", static_cast<float>(loss)}};
  std::string text =
      fmt::format("step {}: validation loss {:.4f} (perplexity {:.2f})", done, loss, std::exp(loss));
  const auto some = std::min<int64_t>(config.bleu_texts, static_cast<int64_t>(valid.texts.size()));
  if (config.kind == CorpusKind::pairs && some > 0) {
    Decoding greedy = config.decoding;
    greedy.beam = 1;
    const auto texts = std::span(valid.texts).first(static_cast<size_t>(some));
    const Judged judged = judge_translations(model, tokenizer, texts, greedy);
    line.emplace_back("valid_bleu", judged.bleu.score);
    scalars.push_back({"bleu/valid", static_cast<float>(judged.bleu.score)});
    text += fmt::format(", BLEU {:.1f} on {} texts", judged.bleu.score, some);
    std::string samples = fmt::format("step {}\n", done);
    for (size_t i = 0; i < std::min<size_t>(texts.size(), 3); ++i)
      samples +=
          fmt::format("  {}\n  = {}\n  > {}\n", texts[i].source, texts[i].target, judged.translations[i]);
    Disk::real().append(folder.file("samples.txt"), samples);
  }
  progress.line(text);
  note_metrics(std::move(line));
  events->write(done, scalars);
  if (loss < best_loss) {
    best_loss = loss, best_step = done, stale = 0;
  } else if (++stale; config.patience > 0 && stale >= config.patience) {
    progress.line(fmt::format("no better validation loss in {} evaluations: stopped early; step {} was best",
                              stale, best_step));
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

// Of the averaged weights and the best checkpoint, the one with the lower validation loss becomes the model.
std::string Trainer::State::finish() {
  const std::vector<int64_t> steps = averaged_steps();
  average_into_block(steps);
  double loss = mean_nll(model, validation);
  std::string source = steps.size() > 1 ? fmt::format("mean of the last {} checkpoints", steps.size())
                                        : fmt::format("step {}", done);
  if (loss > best_loss) {
    average_into_block({best_step});
    loss = best_loss, source = fmt::format("step {}", best_step);
  }
  Json::Object results{{"step", done},
                       {"target_tokens", loader->target_tokens(done)},
                       {"model", source},
                       {"valid_loss", loss}};
  std::string text = fmt::format("model: {}, validation loss {:.4f}\n", source, loss);
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
