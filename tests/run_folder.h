// Run folders for tests: of an untrained model, whose weights are noise, large enough for different
// predictions, or of one that is trained for a few steps.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/weights.h"
#include "run/folder.h"
#include "run/run.h"
#include "tests/grammar/grammar.h"
#include "train/trainer.h"

namespace rum {
struct NoiseRun {
  CorpusKind kind = CorpusKind::pairs;
  ModelKind model = ModelKind::gpt;
  uint32_t seed = 1;
  int64_t vocab = 300, context = 64;
  std::string pattern = "gpt2";
};
inline void write_run(const std::string& path, const NoiseRun& r) {
  std::vector<Pair> pairs = grammar_pairs(200, 5);
  std::vector<std::string_view> texts;
  for (const Pair& p : pairs) texts.push_back(p.source), texts.push_back(p.target);
  RunConfig c;
  c.folder = path, c.seed = r.seed, c.kind = r.kind, c.model_kind = r.model;
  c.train = {"train.tsv"}, c.valid = "valid.tsv";
  c.model.layers = 2, c.model.width = 32, c.model.heads = 2, c.model.context = r.context;
  c.bpe.vocab = r.vocab, c.bpe.pattern = r.pattern;
  TokenizerConfig bpe = c.bpe;
  bpe.special = {kSep, kEos};
  const Tokenizer tokenizer = Tokenizer::train(texts, bpe);
  LoadedRun run(c, tokenizer, DeviceKind::cpu, DType::f32, c.seed);
  const Tensor all = run.params.master();
  for (int64_t i = 0; i < all.size(); ++i) all.data<float>()[i] *= 6;
  Disk::real().make_folders(path);
  const RunFolder folder{path};
  Disk::real().replace_text(folder.config(), to_toml(c));
  tokenizer.save(folder.tokenizer());
  write_safetensors({{}, named_weights(run.params, all)}, folder.model());
}
// A model trained on these texts, without a word; the config says the rest.
inline std::unique_ptr<LoadedRun> quietly_trained(RunConfig c, const std::vector<Pair>& texts) {
  c.train = {c.folder + ".txt"}, c.valid = c.train[0];
  Disk::real().replace_text(c.valid, corpus_bytes(texts, c.kind));
  testing::internal::CaptureStderr();
  Progress progress;
  Trainer(c, progress, false).run();
  testing::internal::GetCapturedStderr();
  return load_run(c.folder);
}
}  // namespace rum
