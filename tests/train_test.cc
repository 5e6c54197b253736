// A run from its config to its model: it learns, resumes to the same bits from every step with any number of
// threads, and refuses anything that would lose work.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/threads.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/weights.h"
#include "generate/translate.h"
#include "run/environment.h"
#include "run/folder.h"
#include "run/idle_keys.h"
#include "run/resume.h"
#include "run/run.h"
#include "tests/error_of.h"
#include "tests/grammar/grammar.h"
#include "tests/run_folder.h"
#include "tests/sanitizer.h"
#include "tests/scratch.h"
#include "tests/stopped_run.h"
#include "text/json.h"
#include "train/data.h"
#include "train/evaluate.h"
#include "train/trainer.h"

namespace rum::train_test {
namespace fs = std::filesystem;
namespace {
void write_pairs(const std::string& path, std::span<const Pair> pairs) {
  std::ofstream out(path);
  for (const Pair& t : pairs) out << t.source << '\t' << t.target << '\n';
}

struct Scene {  // corpora of the grammar and a config that learns them in seconds
  Scratch scratch;
  RunConfig config;
  Progress progress;
  explicit Scene(int64_t steps = 60) {
    const std::vector<Pair> pairs = grammar_pairs(460, 7);
    write_pairs(file("train.tsv"), std::span(pairs).first(400));
    write_pairs(file("valid.tsv"), std::span(pairs).subspan(400, 30));
    write_pairs(file("test.tsv"), std::span(pairs).subspan(430));
    config.folder = file("run");
    config.train = {file("train.tsv")}, config.valid = file("valid.tsv");
    config.bpe.vocab = 320;
    config.model = {
        .context = 96, .layers = 2, .heads = 2, .kv_heads = 0, .width = 16, .inner = 32, .dropout = 0.1f};
    config.tokens = 256;
    config.schedule = {.peak = 5e-3f, .warmup = 5};
    config.steps = steps, config.eval_every = 20, config.save_every = 10, config.keep = 2,
    config.bleu_texts = 4;
    config.log_every = 5;
    testing::internal::CaptureStderr();
  }
  ~Scene() { testing::internal::GetCapturedStderr(); }
  std::string file(const std::string& name) const { return scratch.path + "/" + name; }
};

// A hash of everything that determines how a run continues: weights and moments, in order of their names.
uint64_t fingerprint(const std::string& folder, int64_t step) {
  const Checkpoint c = load(checkpoint_path(RunFolder{folder}.checkpoints(), step));
  uint64_t h = 0;
  for (const auto& [name, t] : c.tensors)
    h = hash64({t.data<char>(), static_cast<size_t>(t.size()) * size_of(t.dtype())}, h ^ hash64(name));
  return h;
}
Outcome train(const RunConfig& c, Progress& p, bool resume = false,
              const std::function<bool(int64_t)>& stop = {}) {
  return Trainer(c, p, resume).run(stop);
}

TEST(Train, ResumesToTheSameBitsFromEveryStep) {
  Scene s(24);
  write_pairs(s.file("train.tsv"), grammar_pairs(80, 7));
  s.config.save_every = 1, s.config.keep = 25;
  ASSERT_TRUE(train(s.config, s.progress).finished);
  const std::string log = Disk::real().read(RunFolder{s.config.folder}.metrics());
  EXPECT_GT(std::stod(log.substr(log.rfind("\"epoch\":") + 8)), 1) << "it continues into a second epoch";
  // One step after each resume: equal bits at one step give equal bits at the next, and so on to the end.
  for (int64_t from = 0; from < 24; from += kSanitized ? 5 : 1) {
    RunConfig again = stopped_run(s.config, from, s.file("again"));
    again.save_every = 100, again.keep = 1;
    const uint64_t next = fingerprint(s.config.folder, from + 1);
    ASSERT_NE(next, fingerprint(s.config.folder, from));
    train(again, s.progress, true, [&](int64_t step) { return step > from; });
    ASSERT_EQ(fingerprint(again.folder, from + 1), next) << "resumed from step " << from;
  }
}

TEST(Train, StoppedAndResumedEqualsWhole) {
  Scene s(30);
  ASSERT_TRUE(train(s.config, s.progress).finished);
  RunConfig halted = s.config;
  halted.folder = s.file("halted");
  Outcome out = train(halted, s.progress, false, [](int64_t step) { return step == 13; });
  EXPECT_FALSE(out.finished);
  EXPECT_EQ(out.step, 13);
  out = train(resumed_config(halted.folder), s.progress, true, [](int64_t step) { return step == 17; });
  EXPECT_EQ(out.step, 17);
  EXPECT_TRUE(train(resumed_config(halted.folder), s.progress, true).finished);
  EXPECT_EQ(fingerprint(halted.folder, 30), fingerprint(s.config.folder, 30));
  // The log has each step once, in order.
  int64_t last = 0;
  std::ifstream metrics(RunFolder{halted.folder}.metrics());
  for (std::string line; std::getline(metrics, line);) {
    int64_t step = 0;
    ASSERT_TRUE(parse_json(line, "metrics").find("step")->whole(step));
    EXPECT_GE(step, last);
    last = step;
  }
  EXPECT_EQ(last, 30);
}

TEST(Train, AnEvaluationThatWasInterruptedIsMadeUpFor) {
  Scene s(60);
  ASSERT_TRUE(train(s.config, s.progress).finished);
  RunConfig halted = s.config;
  halted.folder = s.file("halted");
  for (const int64_t at : {20, 60}) {  // in the middle of a run, and at its end
    int asked = 0;
    const Outcome out = train(at == 20 ? halted : resumed_config(halted.folder), s.progress, at != 20,
                              [&](int64_t step) { return step == at && ++asked > 1; });
    EXPECT_FALSE(out.finished);
    EXPECT_EQ(out.step, at);
  }
  EXPECT_TRUE(train(resumed_config(halted.folder), s.progress, true).finished);
  const auto evaluations = [](const RunConfig& c) {
    std::string out;
    std::ifstream metrics(RunFolder{c.folder}.metrics());
    for (std::string line; std::getline(metrics, line);)
      if (line.find("valid_loss") != std::string::npos) out += line + '\n';
    return out;
  };
  EXPECT_EQ(evaluations(halted), evaluations(s.config));
  EXPECT_EQ(Disk::real().read(RunFolder{halted.folder}.results()),
            Disk::real().read(RunFolder{s.config.folder}.results()));
}

TEST(Train, ThreadsDoNotMatter) {
  Scene s(20);
  uint64_t first = 0;
  const int before = threads();
  for (const int64_t n : {1, 2, 3, 8}) {
    s.config.threads = n, s.config.folder = s.file("run" + std::to_string(n));
    train(s.config, s.progress);
    const uint64_t h = fingerprint(s.config.folder, 20);
    if (n == 1) first = h;
    EXPECT_EQ(h, first) << n << " threads";
  }
  set_threads(before);
}

TEST(Train, LearnsTheGrammarAndLeavesAModel) {
  Scene s(400);
  s.config.model.width = 48, s.config.model.inner = 96, s.config.model.dropout = 0;
  s.config.eval_every = 100, s.config.average = 2, s.config.test = s.file("test.tsv");
  const Outcome out = train(s.config, s.progress);
  EXPECT_LT(out.loss, 2.0);  // log 320 is 5.8
  EXPECT_NE(out.results.find("test BLEU"), std::string::npos);
  const auto run = load_run(s.config.folder);
  EXPECT_TRUE(run->source.ends_with("model.safetensors"));
  const Corpus valid = read_corpus(s.config.valid, CorpusKind::pairs);
  const EvaluationBatches batches = evaluation_batches(valid, run->tokenizer, run->config, 0);
  const Json results = parse_json(Disk::real().read(RunFolder{s.config.folder}.results()), "results");
  double noted = 0;
  ASSERT_TRUE(results.find("valid_loss")->number(noted));
  EXPECT_NEAR(mean_nll(run->model, batches), noted, 1e-6);  // the file holds the model that was measured
  EXPECT_NEAR(out.valid_loss, noted, 1e-9);                 // the mean of two checkpoints, not the best one
  for (const char* name :
       {"config.toml", "environment.json", "data.json", "metrics.jsonl", "log.txt", "samples.txt"})
    EXPECT_TRUE(fs::exists(s.config.folder + "/" + name)) << name;
}

TEST(Train, AnEncoderDecoderFromItsConfigToItsModel) {
  Scene s(400);
  s.config.model_kind = ModelKind::encoder_decoder, s.config.model.positions = Positions::rope;
  s.config.model.width = 48, s.config.model.inner = 96, s.config.model.dropout = 0;
  s.config.eval_every = 100, s.config.average = 2, s.config.test = s.file("test.tsv");
  const Estimate estimate = Trainer(s.config, s.progress, false).estimate();
  EXPECT_EQ(estimate.steps, 400);
  const Outcome out = train(s.config, s.progress);
  EXPECT_LT(out.loss, 2.3);  // log 320 is 5.8
  EXPECT_NE(out.results.find("test BLEU"), std::string::npos);
  const auto run = load_run(s.config.folder);
  ASSERT_TRUE(run->model.encoder_decoder());
  const Corpus valid = read_corpus(s.config.valid, CorpusKind::pairs);
  const Json results = parse_json(Disk::real().read(RunFolder{s.config.folder}.results()), "results");
  double noted = 0;
  ASSERT_TRUE(results.find("valid_loss")->number(noted));
  // The same number from single sentences.
  double log_prob = 0, tokens = 0;
  for (const SentenceScore& one : sentence_scores(run->model, run->tokenizer, valid.texts))
    log_prob += one.log_prob, tokens += static_cast<double>(one.tokens);
  EXPECT_NEAR(-log_prob / tokens, noted, 1e-5);
  // Translations one at a time and all at once.
  std::vector<std::string> sources;
  for (const Pair& t : valid.texts) sources.push_back(t.source);
  const auto all = translate(run->model, run->tokenizer, sources, {.beam = 2});
  int64_t written = 0;
  for (size_t i = 0; i < sources.size(); ++i) {
    EXPECT_EQ(translate(run->model, run->tokenizer, {&sources[i], 1}, {.beam = 2})[0], all[i]);
    written += !all[i].empty();
  }
  EXPECT_GT(written, 20);
}

TEST(Train, AnEncoderDecoderResumesToTheSameBits) {
  Scene s(30);
  s.config.model_kind = ModelKind::encoder_decoder, s.config.micro_batches = 2;
  ASSERT_TRUE(train(s.config, s.progress).finished);
  RunConfig halted = s.config;
  halted.folder = s.file("halted"), halted.threads = 1;
  EXPECT_EQ(train(halted, s.progress, false, [](int64_t step) { return step == 13; }).step, 13);
  EXPECT_TRUE(train(resumed_config(halted.folder), s.progress, true).finished);
  EXPECT_EQ(fingerprint(halted.folder, 30), fingerprint(s.config.folder, 30));
  RunConfig other = resumed_config(halted.folder);
  other.model_kind = ModelKind::gpt;
  const std::string e = error_of([&] { train(other, s.progress, true); });
  EXPECT_NE(e.find("another model"), std::string::npos) << e;
  other.model_kind = ModelKind::encoder_decoder, other.kind = CorpusKind::documents;
  EXPECT_NE(error_of([&] { check_config(other); }).find("plain text has no source"), std::string::npos);
}

// Texts of two files in the order and with the weights of a plan.
TEST(Train, FollowsAPlanFile) {
  Scene s(20);
  s.config.train = {s.file("train.tsv"), s.file("test.tsv")};
  const std::vector<Corpus> corpora = training_corpora(s.config);
  run_tokenizer(s.config, corpora, nullptr, false, s.progress).save(s.file("tokenizer.json"));
  s.config.tokenizer = s.file("tokenizer.json");
  auto with = [&](const char* name, const Plan* plan) {
    RunConfig c = s.config;
    c.folder = s.file(name);
    if (plan) save_plan(*plan, c.plan = s.file(name) + ".plan");
    train(c, s.progress);
    return fingerprint(c.folder, 20);
  };
  Plan plan = training_plan(s.config, corpora);
  ASSERT_EQ(plan.rows.size(), 430u);
  const uint64_t shuffled = with("shuffled", nullptr);
  EXPECT_EQ(with("same", &plan), shuffled);  // the plan of a run without one
  std::reverse(plan.rows.begin(), plan.rows.end());
  const uint64_t reversed = with("reversed", &plan);
  EXPECT_NE(reversed, shuffled);
  for (size_t i = 0; i < plan.rows.size(); i += 2) plan.rows[i].weight = 0;
  const uint64_t weighted = with("weighted", &plan);
  EXPECT_NE(weighted, reversed);
  Plan odd = plan;  // what has no weight might as well not be there
  std::erase_if(odd.rows, [](const PlanRow& r) { return r.weight == 0; });
  ASSERT_EQ(odd.rows.size(), 215u);
  EXPECT_EQ(with("odd", &odd), weighted);
  EXPECT_NE(Disk::real().read(s.file("weighted/log.txt")).find("215 of 430 rows of the plan have weight 0"),
            std::string::npos);
  // A plan of the even rows alone trains on those, in that order, and on nothing else.
  Plan even = plan;
  even.rows.clear();
  for (size_t i = 0; i < plan.rows.size(); i += 2)
    even.rows.push_back({.example = plan.rows[i].example, .source = plan.rows[i].source});
  RunConfig c = s.config;
  save_plan(even, c.plan = s.file("even.plan"));
  const std::vector<PlanRow> read = training_plan(c, corpora).rows;
  ASSERT_EQ(read.size(), 215u);
  for (size_t i = 0; i < read.size(); ++i) {
    EXPECT_EQ(read[i].example, even.rows[i].example);
    EXPECT_EQ(read[i].source, even.rows[i].source);
  }
  // Refusals: another number of corpora, other contents, a plan that has changed under a run.
  c.train = {s.file("train.tsv")};
  EXPECT_NE(error_of([&] { Trainer(c, s.progress, false); }).find("for 2 corpora, data.train names 1"),
            std::string::npos);
  c.train = {s.file("train.tsv"), s.file("valid.tsv")};
  EXPECT_NE(error_of([&] { Trainer(c, s.progress, false); }).find("valid.tsv: the plan was made for"),
            std::string::npos);
  c = resumed_config(s.file("reversed"));
  save_plan(even, c.plan);
  EXPECT_NE(error_of([&] { train(c, s.progress, true); }).find("reversed.plan has changed"),
            std::string::npos);
}

TEST(Train, ForSoManyTargetTokens) {
  Scene s(30);
  RunConfig few = s.config;
  few.folder = s.file("few"), few.target_tokens = 1, few.schedule.warmup = 10;
  EXPECT_NE(error_of([&] {
              Trainer(few, s.progress, false);
            }).find("schedule.warmup = 10 is more than the steps that train.target_tokens = 1 makes, 1"),
            std::string::npos);
  RunConfig wanted = s.config;
  wanted.folder = s.file("wanted"), wanted.target_tokens = 3000, wanted.steps = 1;
  const Outcome out = train(wanted, s.progress);
  const RunConfig resolved = resumed_config(wanted.folder);
  EXPECT_EQ(resolved.steps, out.step);
  EXPECT_EQ(resolved.target_tokens, 0);
  int64_t seen = 0;
  const Json results = parse_json(Disk::real().read(RunFolder{wanted.folder}.results()), "results");
  ASSERT_TRUE(results.find("target_tokens")->whole(seen));
  EXPECT_GE(seen, 3000);
  EXPECT_LT(seen, 3000 + batch_shape(wanted).scored);
  // The run with these steps in its config is the same run.
  s.config.steps = out.step;
  train(s.config, s.progress);
  EXPECT_EQ(fingerprint(s.config.folder, out.step), fingerprint(wanted.folder, out.step));
  wanted.schedule.warmup = out.step + 1;
  EXPECT_NE(error_of([&] { Trainer(wanted, s.progress, false); }).find("schedule.warmup"), std::string::npos);
}

TEST(Train, PlainTextToo) {
  Scene s(40);
  std::ofstream text(s.file("train.txt"));
  for (const Pair& t : grammar_pairs(300, 3)) text << t.target << "\n\n";  // documents end with an empty line
  text.close();
  fs::copy(s.file("train.txt"), s.file("valid.txt"));
  s.config.kind = CorpusKind::documents;
  s.config.train = {s.file("train.txt")}, s.config.valid = s.file("valid.txt");
  const Outcome out = train(s.config, s.progress);
  EXPECT_TRUE(out.finished);
  EXPECT_LT(out.valid_loss, std::log(320.0) - 1);
}

TEST(Train, StopsEarlyWhenNothingImproves) {
  Scene s(60);
  s.config.schedule.peak = 0, s.config.patience = 2, s.config.eval_every = 5;
  const Outcome out = train(s.config, s.progress);
  EXPECT_TRUE(out.finished);
  EXPECT_EQ(out.step, 15);  // the first evaluation is a best one, two more are not better
  // Resumed, it repeats its end alone, and keeps its model until then.
  const auto read = [&](const std::string& path) { return Disk::real().read(path); };
  const std::string model = RunFolder{s.config.folder}.model(), bytes = read(model);
  const auto log = [&] { return read(s.config.folder + "/log.txt"); };
  EXPECT_EQ(train(resumed_config(s.config.folder), s.progress, true).step, 15);
  EXPECT_EQ(read(model), bytes);
  EXPECT_EQ(log().find("is removed"), std::string::npos) << log();
  RunConfig more = resumed_config(s.config.folder);
  more.patience = 4;
  EXPECT_EQ(train(more, s.progress, true).step, 25);
  EXPECT_NE(log().find("is removed: the run continues"), std::string::npos) << log();
  more.patience = 0;
  EXPECT_EQ(train(more, s.progress, true).step, 60);
}
// The newest by its number is not the newest that is whole.
TEST(Train, WhatWasJustSavedIsKeptBesideADamagedCheckpoint) {
  Scene s(40);
  ASSERT_TRUE(train(s.config, s.progress).finished);
  const auto path = [&](int64_t step) {
    return checkpoint_path(RunFolder{s.config.folder}.checkpoints(), step);
  };
  std::string bytes = Disk::real().read(path(40));
  bytes[bytes.size() - 100] ^= 1;
  Disk::real().replace_text(path(40), bytes);
  RunConfig again = resumed_config(s.config.folder);
  EXPECT_EQ(train(again, s.progress, true, [](int64_t step) { return step == 33; }).step, 33);
  EXPECT_EQ(load(path(33)).step, 33);
  EXPECT_EQ(train(again, s.progress, true, [](int64_t) { return true; }).step, 34);
}
// By the batches themselves, of both parts of a run that changed its batch.
TEST(Train, TargetTokensAreCountedAsTheyWereTrained) {
  Scene s(20);
  train(s.config, s.progress, false, [](int64_t step) { return step == 12; });
  RunConfig other = resumed_config(s.config.folder);
  other.tokens = 160;
  ASSERT_TRUE(train(other, s.progress, true).finished);
  const std::vector<Corpus> corpora = training_corpora(other);
  const Tokenizer tokenizer = run_tokenizer(other, corpora, nullptr, true, s.progress);
  int64_t wanted = 0, found = 0, otherwise = 0;
  const auto count = [&](const RunConfig& c, int64_t first, int64_t last, int64_t& sum) {
    const Loader loader(training_plan(c, corpora), corpora, tokenizer, {batch_shape(c), 1, c.model.context},
                        20);
    for (int64_t step = first; step < last; ++step)
      for (const Packed& b : loader.at(step))
        sum += std::count_if(b.weights.begin(), b.weights.end(), [](float w) { return w > 0; });
  };
  count(s.config, 0, 12, wanted), count(other, 12, 20, wanted), count(other, 0, 20, otherwise);
  const Json results = parse_json(Disk::real().read(RunFolder{other.folder}.results()), "results");
  ASSERT_TRUE(results.find("target_tokens")->whole(found));
  EXPECT_EQ(found, wanted);
  EXPECT_NE(wanted, otherwise);
}

// Evaluations of a run, by step, out of its log: validation loss and BLEU.
std::map<int64_t, std::pair<double, double>> evaluations(const std::string& folder) {
  std::map<int64_t, std::pair<double, double>> out;
  std::ifstream metrics(RunFolder{folder}.metrics());
  for (std::string line; std::getline(metrics, line);) {
    const Json j = parse_json(line, "metrics");
    int64_t step = 0;
    j.find("step")->whole(step);
    if (const Json* loss = j.find("valid_loss")) {
      loss->number(out[step].first);
      j.find("valid_bleu")->number(out[step].second);
    }
  }
  return out;
}
uint64_t weights_at(const std::string& file) {  // load_run() of a checkpoint or a model file
  return weights_hash(load_run(file)->params);
}
TEST(Train, TheBestIsChosenByWhatTheConfigSays) {
  // Validation texts whose second half is reversed: the better the model translates the first half, the less
  // likely the second is to it. So the loss is lowest early, and BLEU, computed on the first half, is highest
  // late.
  std::map<Best, int64_t> chosen;
  for (const Best by : {Best::loss, Best::score, Best::last}) {
    Scene s(160);
    auto valid = grammar_pairs(460, 7);
    valid.erase(valid.begin(), valid.begin() + 400);
    for (size_t i = 30; i < valid.size(); ++i) std::reverse(valid[i].target.begin(), valid[i].target.end());
    write_pairs(s.file("valid.tsv"), valid);
    s.config.best = by, s.config.bleu_texts = 30, s.config.model.dropout = 0, s.config.schedule.peak = 2e-2f;
    s.config.save_every = 20, s.config.keep = 20;
    s.config.schedule.floor = 1;
    ASSERT_TRUE(train(s.config, s.progress).finished);
    const auto seen = evaluations(s.config.folder);
    ASSERT_EQ(seen.size(), 8u);
    int64_t expected = by == Best::last ? 160 : 20;
    for (const auto& [step, e] : seen) {
      if (by == Best::loss && e.first < seen.at(expected).first) expected = step;
      if (by == Best::score && e.second > seen.at(expected).second) expected = step;
    }
    chosen[by] = expected;
    EXPECT_EQ(weights_at(s.config.folder + "/model.safetensors"),
              weights_at(checkpoint_path(RunFolder{s.config.folder}.checkpoints(), expected)))
        << static_cast<int>(by);
    const std::string results = Disk::real().read(RunFolder{s.config.folder}.results());
    EXPECT_NE(results.find("valid_bleu"), std::string::npos);
    const std::string why = by == Best::last    ? "the last"
                            : by == Best::score ? "chosen by validation BLEU"
                                                : "chosen by validation loss";
    EXPECT_NE(results.find(fmt::format("model: step {} of 160, {}; ", expected, why)), std::string::npos)
        << results;
    const bool early = results.find("weights of so early a step often translate badly") != std::string::npos;
    EXPECT_EQ(early, by == Best::loss && expected < 80) << expected;
  }
  EXPECT_LT(chosen[Best::loss], 80);
  EXPECT_LT(chosen[Best::loss], chosen[Best::score]);
}
// One sentence is learned by heart, and so the other texts become less and less likely.
TEST(Train, AChoiceByTheLossNamesTheStepThatTranslatesBetter) {
  for (const Best by : {Best::loss, Best::score}) {
    Scene s(20);
    std::vector<Pair> same, valid, learned;
    for (const char* number : {"eins", "zwei", "drei", "vier", "acht"})
      same.push_back({std::string("alt ") + number, "the old man sees twelve ships ."});
    valid = same;
    for (int i = 0; i < 9; ++i)
      for (const Pair& p : same) valid.push_back({p.source, "qqq zzz qqq zzz qqq zzz"});
    write_pairs(s.file("valid.tsv"), valid);
    for (int i = 0; i < 32; ++i) learned.insert(learned.end(), same.begin(), same.end());
    write_pairs(s.file("train.tsv"), learned);
    s.config.best = by, s.config.bleu_texts = 5, s.config.model.dropout = 0;
    s.config.schedule = {.decay = Decay::constant, .peak = 2e-2f, .warmup = 5};
    s.config.eval_every = s.config.save_every = 5, s.config.keep = 20;
    const std::string results = train(s.config, s.progress).results;
    const auto seen = evaluations(s.config.folder);
    int64_t likeliest = 5, best = 5;
    for (const auto& [step, e] : seen) {
      if (e.first < seen.at(likeliest).first) likeliest = step;
      if (e.second > seen.at(best).second) best = step;
    }
    ASSERT_LT(seen.at(likeliest).second, 50);
    ASSERT_NEAR(seen.at(best).second, 100, 1e-6);
    const std::string warning =
        fmt::format("step {} had bleu 100.0: train.best = \"bleu\" would have chosen it\n", best);
    EXPECT_EQ(results.find(warning) != std::string::npos, by == Best::loss) << results;
    EXPECT_EQ(results.find("would have chosen it") != std::string::npos, by == Best::loss) << results;
  }
}
// Summed here in double; the moments of the optimizer are no weights.
TEST(Train, TheModelIsTheMeanOfTheLastCheckpoints) {
  Scene s(30);
  s.config.average = 3, s.config.keep = 3, s.config.best = Best::last;
  ASSERT_TRUE(train(s.config, s.progress).finished);
  const RunFolder folder{s.config.folder};
  std::map<std::string, std::vector<double>> sums;
  for (const int64_t step : {10, 20, 30})
    for (const auto& [name, t] : load(checkpoint_path(folder.checkpoints(), step)).tensors) {
      sums[name].resize(static_cast<size_t>(t.size()));
      for (size_t i = 0; i < sums[name].size(); ++i) sums[name][i] += t.at(static_cast<int64_t>(i));
    }
  const TensorFile model = read_safetensors(folder.model());
  EXPECT_EQ(3 * model.tensors.size(), sums.size());
  for (const auto& [name, t] : model.tensors)
    for (int64_t i = 0; i < t.size(); ++i)
      ASSERT_EQ(t.at(i), static_cast<double>(static_cast<float>(sums.at(name)[static_cast<size_t>(i)] / 3)))
          << name;
}
// As long as no word is right, BLEU is 0 throughout, and what is learned shows in the loss alone.
TEST(Train, OfEqualBleuTheLowerLossIsBest) {
  Scene s(60);
  s.config.best = Best::score, s.config.bleu_texts = 10, s.config.patience = 1,
  s.config.schedule.peak = 1e-4f;
  ASSERT_TRUE(train(s.config, s.progress).finished);
  const auto seen = evaluations(s.config.folder);
  ASSERT_EQ(seen.size(), 3u);  // it did not stop early
  for (const auto& [step, e] : seen) ASSERT_EQ(e.second, 0) << step;
  ASSERT_LT(seen.at(60).first, seen.at(20).first);
  EXPECT_NE(Disk::real().read(RunFolder{s.config.folder}.results()).find("model: step 60 of 60"),
            std::string::npos);
}
TEST(Train, BleuCountsCharactersWhereWordsAreNotParted) {
  const Scratch scratch;
  write_run(scratch.path, {});
  const auto run = load_run(scratch.path);
  const auto tokenizer = [&](const std::string& target) {
    const std::vector<Pair> text{{"one two", target}};
    return translate_and_score(run->model, run->tokenizer, text, {.max_new = 3}).tokenizer;
  };
  EXPECT_EQ(tokenizer("\u79c1\u306f\u6628\u65e5\u6620\u753b\u3092\u898b\u307e\u3057\u305f\u3002"), "char");
  EXPECT_EQ(tokenizer("I saw a film yesterday."), "13a");
}
TEST(Train, PatienceGoesByBleuToo) {
  Scene s(60);
  s.config.schedule.peak = 0, s.config.patience = 2, s.config.eval_every = 5, s.config.best = Best::score;
  const Outcome out = train(s.config, s.progress, false, [](int64_t step) { return step == 7; });
  EXPECT_FALSE(out.finished);
  EXPECT_EQ(train(resumed_config(s.config.folder), s.progress, true).step, 15);
  s.config.bleu_texts = 0;
  EXPECT_NE(error_of([&] { check_config(s.config); }).find("needs translations to judge"), std::string::npos);
  s.config.best = Best::last;
  EXPECT_NE(error_of([&] { check_config(s.config); }).find("compares nothing"), std::string::npos);
}

TEST(Train, StartsFromTheWeightsOfAnotherRun) {
  Scene s(60);
  train(s.config, s.progress);
  const auto source = load_run(s.config.folder);
  RunConfig c = s.config;
  c.folder = s.file("tuned"), c.from = s.config.folder, c.seed = 5;
  write_pairs(s.file("other.tsv"), grammar_pairs(100, 99));
  c.train = {s.file("other.tsv")};
  c.model.dropout = 0, c.steps = 10, c.log_every = 1, c.save_every = 1, c.keep = 20;
  train(c, s.progress, false, [](int64_t step) { return step == 3; });

  // Step 0 has the source's weights, to the last bit, and so its loss; the optimizer's moments are 0.
  const std::string first = checkpoint_path(RunFolder{c.folder}.checkpoints(), 0);
  const auto start = load_run(first);
  EXPECT_EQ(weights_hash(start->params), weights_hash(source->params));
  const Corpus valid = read_corpus(c.valid, c.kind);
  const EvaluationBatches batches = evaluation_batches(valid, source->tokenizer, c, 0);
  EXPECT_EQ(mean_nll(start->model, batches), mean_nll(source->model, batches));
  for (const auto& [name, t] : load(first).tensors)
    for (int64_t i = 0; name.starts_with("adamw.") && i < t.size(); ++i) ASSERT_EQ(t.at(i), 0) << name;
  EXPECT_EQ(start->tokenizer.hash(), source->tokenizer.hash());

  // The first step's loss in the log is that of the source's weights on its batch.
  const Corpus other = read_corpus(c.train[0], c.kind);
  const Loader loader(training_plan(c, {&other, 1}), {&other, 1}, source->tokenizer,
                      {batch_shape(c), 1, c.model.context, 0}, c.steps);
  double noted = 0;
  std::ifstream metrics(RunFolder{c.folder}.metrics());
  std::string line;
  std::getline(metrics, line);
  ASSERT_TRUE(parse_json(line, "metrics").find("loss")->number(noted)) << line;
  const Packed packed = loader.at(0)[0];
  Arena arena(DeviceKind::cpu);
  Tape tape(arena, Tape::Mode::forward_only);
  Batch batch = upload(packed);
  const double sum = source->model.loss(batch, false).loss.at(0);
  EXPECT_NEAR(noted, sum / packed.total_weight, 1e-5);

  // It continues where it stopped, even if the source is gone.
  fs::remove_all(s.config.folder);
  EXPECT_TRUE(train(resumed_config(c.folder), s.progress, true).finished);
}
TEST(Train, StartsFromNothingOfAnotherShapeOrTokenizer) {
  Scene s(10);
  train(s.config, s.progress);
  RunConfig c = s.config;
  c.folder = s.file("tuned"), c.from = s.config.folder;
  const auto refused = [&](const RunConfig& with) {
    const std::string e = error_of([&] { train(with, s.progress); });
    EXPECT_FALSE(fs::exists(c.folder));
    return e;
  };
  RunConfig other = c;
  other.model.width = 32;
  EXPECT_NE(refused(other).find("has model.width = 16, this config 32"), std::string::npos);
  other = c, other.model.heads = 1;  // the same tensors, but another model
  EXPECT_NE(refused(other).find("has model.heads = 2, this config 1"), std::string::npos);
  other = c, other.model_kind = ModelKind::encoder_decoder;
  EXPECT_NE(refused(other).find("model.kind"), std::string::npos);
  RunConfig small = s.config;
  small.folder = s.file("small"), small.bpe.vocab = 300;
  train(small, s.progress);
  other = c, other.tokenizer = RunFolder{small.folder}.tokenizer();
  EXPECT_NE(refused(other).find("has another tokenizer than"), std::string::npos);
  other = c, other.bpe.vocab = 350;
  EXPECT_NE(refused(other).find("brings its own tokenizer: leave tokenizer.vocab = 350 out"),
            std::string::npos);
  other = c, other.from = s.file("nowhere");
  EXPECT_NE(refused(other).find("not a run folder"), std::string::npos);
}

TEST(Train, NonFiniteStepsAreNamedAndEndTheRun) {
  Scene s(30);
  s.config.schedule.peak = 10, s.config.schedule.warmup = 0, s.config.adamw.clip = 0;
  s.config.schedule.decay = Decay::constant;
  // Weights that overflow: the first checkpoint's, made huge.
  train(s.config, s.progress, false, [](int64_t step) { return step == 1; });
  Checkpoint c = load(checkpoint_path(RunFolder{s.config.folder}.checkpoints(), 1));
  for (auto& [name, t] : c.tensors)
    if (name == "tokens")
      for (int64_t i = 0; i < t.size(); ++i) t.data<float>()[i] = 1e30f;
  for (const char* ours : {"step", "ruminate", "header_hash", "body_hash"}) c.meta.erase(ours);
  save(c, checkpoint_path(RunFolder{s.config.folder}.checkpoints(), 1));
  const std::string error = error_of([&] { train(resumed_config(s.config.folder), s.progress, true); });
  EXPECT_NE(error.find("three steps in a row"), std::string::npos) << error;
  // Its weights are finite, but gave no finite loss.
  EXPECT_NE(error.find("the last good checkpoint is " +
                       checkpoint_path(RunFolder{s.config.folder}.checkpoints(), 0)),
            std::string::npos)
      << error;
  const std::string log = Disk::real().read(s.config.folder + "/log.txt");
  EXPECT_NE(log.find("step 2: loss"), std::string::npos) << log;
  EXPECT_NE(log.find("is skipped"), std::string::npos);
}

TEST(Train, RefusesWhatWouldLoseARun) {
  Scene s(10);
  train(s.config, s.progress);
  std::string e = error_of([&] { train(s.config, s.progress); });
  EXPECT_NE(e.find("holds a run at step 10"), std::string::npos) << e;
  expect_error([&] { resumed_config(s.file("nowhere")); },
               "nowhere: not a run folder, there is nothing of that name; start without --resume");
  expect_error([&] { resumed_config(s.config.folder + "/model.safetensors"); },
               "model.safetensors: not a run folder but a file; name the folder of its run");
  Disk::real().make_folders(s.file("empty"));
  expect_error([&] { resumed_config(s.file("empty")); },
               "empty: not a run folder, there is no config.toml in it; start without --resume");
  fs::remove_all(RunFolder{s.config.folder}.checkpoints());
  fs::remove(RunFolder{s.config.folder}.model());
  e = error_of([&] { train(resumed_config(s.config.folder), s.progress, true); });
  EXPECT_NE(e.find("never saved"), std::string::npos) << e;
}

TEST(Train, InBf16ItLearnsAndResumesToTheSameBits) {
  Scene s(20);
  s.config.dtype = DType::bf16;
  const Outcome whole = train(s.config, s.progress, false);
  const uint64_t bits = fingerprint(s.config.folder, 20);
  s.config.folder = s.file("again");
  train(s.config, s.progress, false, [](int64_t step) { return step == 7; });
  const Outcome resumed = train(resumed_config(s.config.folder), s.progress, true);
  EXPECT_EQ(fingerprint(s.config.folder, 20), bits);
  EXPECT_EQ(resumed.valid_loss, whole.valid_loss);
  EXPECT_LT(whole.valid_loss, std::log(320.0) - 0.5);
}
TEST(Train, NoticesAChangedCorpusAndAnotherModel) {
  Scene s(20);
  train(s.config, s.progress, false, [](int64_t step) { return step == 5; });
  RunConfig other = resumed_config(s.config.folder);
  other.model.width = 32;
  std::string e = error_of([&] { train(other, s.progress, true); });
  EXPECT_NE(e.find("another model"), std::string::npos) << e;
  std::ofstream(s.config.train[0], std::ios::app) << "Haus\thouse\n";
  e = error_of([&] { train(resumed_config(s.config.folder), s.progress, true); });
  EXPECT_NE(e.find("has changed since this run began"), std::string::npos) << e;
}

TEST(Config, SaysWhatIsWrongWhere) {
  auto error = [](const char* toml) { return error_of([&] { parse_config(toml, "c.toml"); }); };
  EXPECT_EQ(error("[model]\nwidht = 128\n"),
            "c.toml:2: unknown key model.widht; did you mean \"model.width\"?");
  EXPECT_EQ(error("[model]\nlayers = 0\n"),
            "c.toml:2: model.layers: expected a whole number from 1 to 1024, found 0");
  EXPECT_EQ(error("[model]\ndropout = 1.5\n"),
            "c.toml:2: model.dropout: expected a number from 0 to 0.9, found 1.5");
  EXPECT_NE(error("[model]\nnorm = \"rmsnrom\"\n").find("did you mean \"rmsnorm\"?"), std::string::npos);
  EXPECT_NE(error("[model]\ntied = 3\n").find("expected true or false"), std::string::npos);
  EXPECT_NE(error("[model\n").find("c.toml:1"), std::string::npos);
  EXPECT_EQ(error("[model]\nlayers = \"1\"\n"),
            "c.toml:2: model.layers: expected integer, without quotes; found \"1\"");
  for (const char* other : {"run]\nfolder = 5", "run]\nfolder = true", "data]\ntrain = 5", "data]\nkind = 1",
                            "model]\ntied = \"true\"", "model]\ndropout = \"0.1\"", "model]\nwidth = true"})
    EXPECT_NE(error(fmt::format("[{}\n", other).c_str()).find(": expected "), std::string::npos) << other;
  EXPECT_NE(error("[model]\nlayers = [1]\n").find("c.toml:2"), std::string::npos);
  EXPECT_NE(error("[data]\ntrain = [1]\n").find("c.toml:2: data.train: expected a text, or several"),
            std::string::npos);
  EXPECT_NE(error("[data]\nvalid = [\"a\"]\n").find("c.toml:2: data.valid is a list"), std::string::npos);
  for (const char* odd : {"ä = 1", "seed = ä", "\uFCFF = 1", "seed = 1 \uFCFF", "seed = \u3007"})
    EXPECT_NE(error(fmt::format("[run]\n{}\n", odd).c_str()).find("c.toml:2: "), std::string::npos) << odd;
  EXPECT_EQ(error("[run]\n\nseed = \"\xE4\"\n"), "c.toml:3: not UTF-8");
  for (const char* nothing :
       {"[model]\nlayers = {}\n", "[optimizer]\nlearning_rate = {}\n", "[model.width]\n"})
    EXPECT_NE(error(nothing).find(": expected "), std::string::npos) << nothing;
  EXPECT_EQ(error("[model]\n[modle]\n").find("c.toml:2: unknown key modle"), 0u);
  EXPECT_EQ(error("[model]\n[train]\n"), "");
  EXPECT_EQ(error("[model]\nwidth = \"\"\n"),
            "c.toml:2: model.width: expected a whole number from 2 to 65536, found an empty text");
  EXPECT_NE(error("[optimizer]\nclip = 1e-300\n").find("found 1e-300, which is 0 in single precision"),
            std::string::npos);
  RunConfig c;
  c.train = {"a"}, c.valid = "b", c.model.heads = 5;
  EXPECT_EQ(error_of([&] { check_config(c); }), "model.heads = 5 does not divide model.width = 384");
  c.model.heads = 6, c.folder = "run", c.kind = CorpusKind::pairs, c.model.layers = 500;
  EXPECT_EQ(error_of([&] { check_config(c); }), "");
  c.model_kind = ModelKind::encoder_decoder;
  EXPECT_EQ(error_of([&] { check_config(c); }),
            "model.layers = 500: an encoder-decoder has at most 499 blocks of each kind");
  c.model.layers = 499;  // 998 dropout sites of the encoder, from 1; the decoder's begin at 999
  EXPECT_EQ(error_of([&] { check_config(c); }), "");
}
// By hand, of the shortest pair, "a <sep> b <eos>": a prefix LM holds all four tokens, with restarting
// positions the three from <sep> on; encoder and decoder read two each.
TEST(Config, TheShortestPairMustHaveRoom) {
  RunConfig c;
  c.train = {"a"}, c.valid = "b";
  const auto least_context = [&] {
    for (c.model.context = 2; !error_of([&] { check_config(c); }).empty(); ++c.model.context)
      if (c.model.context > 10) return int64_t{-1};
    return c.model.context;
  };
  c.model.restart = true;
  EXPECT_EQ(least_context(), 3);
  c.model.restart = false;
  EXPECT_EQ(least_context(), 4);
  c.model_kind = ModelKind::encoder_decoder;
  EXPECT_EQ(least_context(), 2);
  c.model_kind = ModelKind::gpt, c.model.context = 2;
  EXPECT_EQ(
      error_of([&] { check_config(c); }),
      "model.context = 2 has no room for a pair: even one token to translate and one to translate it with "
      "need 4, with <sep> and <eos>");
  c.kind = CorpusKind::documents;
  EXPECT_EQ(error_of([&] { check_config(c); }), "");
  c.kind = CorpusKind::pairs, c.model.context = 64, c.tokens = 3;
  EXPECT_EQ(error_of([&] { check_config(c); }).find("batch.tokens = 3 have no room for a pair"), 0u);
  c.tokens = 4;
  EXPECT_EQ(error_of([&] { check_config(c); }), "");
  c.scored = 1;
  EXPECT_EQ(error_of([&] { check_config(c); }).find("batch.tokens = 4 with batch.scored = 1 have no room"),
            0u);
}

TEST(Config, KeysThatNothingReadsBesideOthersAreNamed) {
  using Set = std::vector<std::pair<const char*, const char*>>;
  const auto idle = [](const Set& set) {
    RunConfig c;
    for (const auto& [name, value] : set) set_key(c, name, value);
    return fmt::format("{}", fmt::join(keys_without_effect(c), "|"));
  };
  const std::pair<Set, const char*> cases[] = {
      {{}, ""},
      {{{"tokenizer.vocab", "300"}, {"lora.alpha", "3"}, {"lora.rank", "2"}}, ""},
      {{{"tokenizer.vocab", "300"}, {"tokenizer.file", "t.json"}},
       "tokenizer.vocab = 300 has no effect: tokenizer.file brings its own"},
      {{{"tokenizer.pattern", "characters"}}, ""},
      {{{"tokenizer.pattern", "characters"}, {"tokenizer.split_digits", "true"}},
       "tokenizer.split_digits = true has no effect: tokenizer.pattern = \"characters\" makes each character "
       "a "
       "token"},
      {{{"model.rope_base", "5000"}, {"model.rope_low", "2"}, {"model.positions", "rope"}},
       "model.rope_low = 2.0 has no effect: it is for model.rope_factor above 1"},
      {{{"model.rope_base", "5000"}, {"model.positions", "learned"}},
       "model.rope_base = 5000.0 has no effect: it is for model.positions = \"rope\""},
      {{{"schedule.floor", "0.1"}}, ""},
      {{{"schedule.floor", "0.1"}, {"schedule.decay", "constant"}},
       "schedule.floor = 0.1 has no effect: it is for schedule.decay = \"cosine\" and \"linear\""},
      {{{"train.steps", "7"}, {"train.target_tokens", "100"}},
       "train.steps = 7 has no effect: train.target_tokens says how many steps there are"},
      {{{"lora.alpha", "3"}}, "lora.alpha = 3.0 has no effect: it is for lora.rank above 0"},
      {{{"eval.beam", "2"}, {"data.kind", "text"}},
       "eval.beam = 2 has no effect: it is for data.kind = \"translation\""}};
  for (const auto& [set, expected] : cases) EXPECT_EQ(idle(set), expected);
  for (const char* shipped : {"shakespeare", "text", "translate"})
    EXPECT_TRUE(keys_without_effect(read_config(fmt::format("data/configs/{}.toml", shipped))).empty())
        << shipped;
}
TEST(Config, WhatIsNoPlainFileIsRefused) {
  for (const char* device : {"/dev/zero", "/dev/null"})  // one without end, one that would give the defaults
    EXPECT_NE(error_of([&] { read_config(device); }).find("is not a regular file"), std::string::npos)
        << device;
}
TEST(Config, GpusAreCountedByTheirNames) {
  EXPECT_EQ(
      count_gpus(std::vector<std::string>{"null", "nvidia-uvm", "nvidia2", "nvidia3", "nvidiactl", "tty"}),
      2u);
  EXPECT_EQ(count_gpus(std::vector<std::string>{"nvidia", "nvidia-caps", "nvidia0p"}), 0u);
}
TEST(Config, DeviceIsPickedOrRefusedInOneSentence) {
  EXPECT_EQ(pick_device("cpu"), DeviceKind::cpu);
  EXPECT_EQ(error_of([] {
              parse_config("[run]\ndevice = \"gpu\"\n", "c.toml");
            }).find("c.toml:2: run.device: expected"),
            0u);
  const std::string missing = Backend::missing(DeviceKind::cuda);
  EXPECT_EQ(pick_device("auto"), missing.empty() ? DeviceKind::cuda : DeviceKind::cpu);
  for (const char* odd : {"cuda:", "cuda:x", "cuda:-1", "cuda:1000", "gpu"})
    EXPECT_EQ(error_of([&] { pick_device(odd); }),
              fmt::format("expected auto, cpu, cuda, or one of several GPUs as cuda:1, found \"{}\"", odd));
  RunConfig several;
  set_key(several, "run.device", "cuda:1");
  EXPECT_EQ(several.device, "cuda:1");
  if (missing.empty()) GTEST_SKIP() << "a GPU is here";
  EXPECT_EQ(error_of([] { pick_device("cuda"); }), missing);
  EXPECT_EQ(error_of([] { pick_device("cuda:1"); }), "cuda:1: this process works on another GPU already");
  EXPECT_NE(missing.find("--device cpu"), std::string::npos) << missing;
}

TEST(Config, WritesWhatItReads) {
  RunConfig c;
  set_key(c, "model.width", "96");
  set_key(c, "optimizer.learning_rate", "0.00025");
  set_key(c, "data.train", "a \"b\"\\c.tsv");
  const RunConfig again = parse_config(to_toml(c), "again");
  EXPECT_EQ(to_toml(again), to_toml(c));
  EXPECT_EQ(again.model.width, 96);
  EXPECT_EQ(again.train, std::vector<std::string>{"a \"b\"\\c.tsv"});
  EXPECT_EQ(again.schedule.peak, 0.00025f);
  using List = std::vector<std::string>;
  for (const List& files : {List{}, List{""}, List{"a", "b"}, List{"[a"}, List{"a, \"b\"", "[\"c\"]"}}) {
    c.train = files;
    EXPECT_EQ(parse_config(to_toml(c), "again").train, files);
  }
  set_key(c, "data.train", R"(["a.tsv", "b.tsv"])");
  EXPECT_EQ(c.train, (List{"a.tsv", "b.tsv"}));
  for (const char* wrong : {"[a", "[1]", "[\"a\", 2]", "[\"a\"]\nb = 1\n["})
    EXPECT_THROW(set_key(c, "data.train", wrong), Error) << wrong;
  const std::string name = "Sätze \uFCFF \U0001F642.tsv";  // in a comment, in quotes, and written again
  const RunConfig odd = parse_config("\uFEFF# ä \uFCFF\n[data]\ntrain = \"" + name + "\" # ö\n", "odd");
  EXPECT_EQ(odd.train, List{name});
  EXPECT_EQ(parse_config(to_toml(odd), "again").train, List{name});
}

// Behind --set, as in a file where that is meant: what is quoted or in brackets as a whole, and numbers.
TEST(Config, ArgumentsAreReadAsInAFile) {
  RunConfig c;
  const auto given = [&](const char* key, const char* text) -> const RunConfig& {
    set_argument(c, key, text);
    return c;
  };
  const auto refused = [&](const char* key, const char* text) {
    return error_of([&] { set_argument(c, key, text); });
  };
  EXPECT_EQ(given("run.folder", R"("my \"run\"")").folder, "my \"run\"");
  EXPECT_EQ(given("run.folder", "'one'").folder, "one");
  for (const char* plain :
       {"my run", "2024", "1e3", "true", "2024-01-01", "a\"b\"", "\"a\", b", "[a]", "", "]"})
    EXPECT_EQ(given("run.folder", plain).folder, plain);
  EXPECT_NE(refused("run.folder", R"(["a", "b"])").find("run.folder is a list"), std::string::npos);
  for (const char* half : {R"("a" and "b")", R"("a" # ")", R"("a\n")"})
    EXPECT_NE(refused("run.folder", half).find("expected a text without quotes"), std::string::npos) << half;
  EXPECT_EQ(given("data.train", R"(["a", "b c"])").train, (std::vector<std::string>{"a", "b c"}));
  EXPECT_EQ(given("data.train", R"("a")").train, std::vector<std::string>{"a"});
  EXPECT_EQ(given("tokenizer.pattern", "\"gpt4\"").bpe.pattern, "gpt4");
  EXPECT_EQ(given("train.steps", "1e3").steps, 1000);
  EXPECT_EQ(given("train.steps", "2_000").steps, 2000);
  EXPECT_EQ(given("train.target_tokens", "1e12").target_tokens, 1'000'000'000'000);
  EXPECT_EQ(given("train.target_tokens", "007").target_tokens, 7);
  EXPECT_EQ(given("optimizer.clip", ".5").adamw.clip, 0.5f);
  for (const char* odd : {"1.5", "1e-3", "\"5\"", "[5]", "5 # x", "5, 6", "", "1e999"})
    EXPECT_NE(refused("train.steps", odd), "") << odd;
  const RunConfig file = parse_config("[train]\nsteps = 1e3\ntarget_tokens = 1e12\n", "c");
  EXPECT_EQ(file.steps, 1000);
  EXPECT_EQ(file.target_tokens, 1'000'000'000'000);
}
TEST(Config, AKeyIsNamedWithoutItsSection) {
  RunConfig c;
  const auto said = [&](const std::string& key) { return error_of([&] { set_argument(c, key, "5"); }); };
  EXPECT_EQ(said("steps"), "unknown key steps; did you mean \"train.steps\"?");
  EXPECT_EQ(said("model.steps"), "unknown key model.steps; did you mean \"train.steps\"?");
  EXPECT_EQ(said("modle.kind"), "unknown key modle.kind; did you mean \"model.kind\"?");
  EXPECT_EQ(said("kind"), "unknown key kind; did you mean \"data.kind\" or \"model.kind\"?");
  EXPECT_EQ(said("nonsense"), "unknown key nonsense");
  EXPECT_EQ(said(""), "unknown key \"\"");
}

TEST(Schedule, FollowsItsFormulas) {
  Schedule s{.decay = Decay::cosine, .peak = 2, .warmup = 10, .floor = 0.1f};
  const auto at = [&](int64_t step) { return learning_rate(s, step, 110); };
  EXPECT_FLOAT_EQ(at(0), 0.2f);
  EXPECT_FLOAT_EQ(at(9), 2);
  EXPECT_FLOAT_EQ(at(60), 2 * (0.1f + 0.9f * 0.5f));
  EXPECT_FLOAT_EQ(at(110), 0.2f);
  s.decay = Decay::linear;
  EXPECT_FLOAT_EQ(at(35), 2 * (0.1f + 0.9f * 0.75f));
  s.decay = Decay::inverse_sqrt;
  EXPECT_FLOAT_EQ(at(39), 1);
  s.decay = Decay::constant;
  EXPECT_FLOAT_EQ(at(1000), 2);
}
}  // namespace
}  // namespace rum::train_test
