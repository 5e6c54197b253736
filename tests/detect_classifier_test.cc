// The transformer classifier and the head over decoder states: toy texts that can and that cannot be told
// apart, scores and parts against plain forwards of the text alone.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/hash.h"
#include "base/random.h"
#include "base/threads.h"
#include "checkpoint/weights.h"
#include "detect/folds.h"
#include "edits/scores.h"
#include "edits/targets.h"
#include "pipeline/stage.h"
#include "tests/error_of.h"
#include "tests/run_folder.h"
#include "tests/scratch.h"
#include "train/classification.h"
#include "train/learn.h"

namespace rum::detect::detect_classifier_test {
namespace {
// Two targets per source; a machine writes "quite" where a person writes "rather". By chance: independent of
// the author.
std::vector<Text> lines(int sources, bool by_chance = false) {
  const std::vector<std::string> common{"we", "saw", "the", "old", "house", "near", "river", "with", "them"};
  const Random random{7, Stream::init};
  std::vector<Text> out;
  for (uint32_t i = 0; i < 2 * static_cast<uint32_t>(sources); ++i) {
    Text t;
    t.id = std::to_string(i + 1), t.source = "der alte Fluss " + std::to_string(i / 2);
    t.author = i % 2 ? Author::machine : Author::human;
    const bool marked = by_chance ? random.bits({i, 99}).at[0] % 2 == 1 : i % 2 == 1;
    const uint32_t words = 4 + random.bits({i, 98}).at[0] % 4;
    for (uint32_t w = 0; w < words; ++w) {
      if (w == 2) t.target += marked ? "quite " : "rather ";
      t.target += common[random.bits({i, w}).at[0] % common.size()] + (w + 1 < words ? " " : "");
    }
    out.push_back(t);
  }
  return out;
}
Json::Object small(Json::Object more = {}) {
  Json::Object out{{"width", 32},   {"layers", 1},  {"context", 48},        {"vocab", 300},
                   {"tokens", 512}, {"epochs", 12}, {"learning_rate", 3e-3}};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}
struct Runs : Scratch {
  std::string translate = path + "/translate", encoder = path + "/encoder", text = path + "/text";
  Runs() {
    write_run(translate, {.seed = 1});
    write_run(encoder, {.model = ModelKind::encoder_decoder, .seed = 2});
    write_run(text, {.kind = CorpusKind::documents, .seed = 3});
  }
};
const Runs& runs() {
  static const Runs all;
  return all;
}
void expect_chance(const std::string& kind, const Json::Object& options) {
  const std::vector<Text> texts = lines(120, true);
  const HeldOut h = held_out(texts, cross_fit(kind, texts, options, 2, 1).scores, 2);
  EXPECT_NEAR(h.auroc, 0.5, 3.5 * h.error) << kind;
  EXPECT_LT(h.error, 0.05);
}
// The scores are the same when fitted with one thread, with two, and after reading back.
std::vector<double> expect_same_bits(const std::string& kind, const Json::Object& options) {
  const std::vector<Text> texts = lines(30);
  const int before = threads();
  const Scratch scratch;
  std::vector<std::vector<double>> scores;
  for (const int n : {1, 2}) {
    set_threads(n);
    const auto d = fit(kind, texts, options);
    scores.push_back(d->score(texts));
    save(*d, scratch.path + "/d");
    scores.push_back(load(scratch.path + "/d")->score(texts));
  }
  set_threads(before);
  for (const auto& s : scores) EXPECT_EQ(s, scores[0]) << kind;
  return scores[0];
}
void expect_parts_to_add_up(const Detector& d, const Text& t) {
  const Explanation e = d.explain(t);
  double sum = e.constant;
  size_t at = 0;
  for (const Contribution& c : e.parts) {
    EXPECT_EQ(c.begin, at);
    at = c.end, sum += c.adds;
  }
  EXPECT_EQ(at, t.target.size());
  const double score = d.score({&t, 1})[0];
  EXPECT_NEAR(sum, score, 1e-9 * (1 + std::abs(score)));
}
Tensor named(const Saved& s, const std::string& name) {
  for (const auto& [key, tensor] : s.tensors)
    if (key == name) return tensor;
  fail("no tensor " + name);
}

// ---- learning in memory
const std::vector<Corpus>& two_classes() {
  static const std::vector<Corpus> classes = [] {
    std::vector<Corpus> out;
    for (const char* word : {"rather", "quite"}) {
      std::vector<Pair> texts;
      for (int i = 0; i < 20; ++i) texts.push_back({"", fmt::format("{} {}", i, word)});
      out.push_back(make_corpus(word, std::move(texts), CorpusKind::documents));
    }
    return out;
  }();
  return classes;
}
RunConfig tiny() {
  RunConfig c;
  c.kind = CorpusKind::documents, c.tokens = 64, c.steps = 40, c.eval_every = 4;
  c.model.layers = 1, c.model.width = 32, c.model.heads = 1, c.model.context = 16;
  c.schedule.warmup = 2;
  return c;
}
Tokenizer bytes() {
  const std::string_view none;
  return Tokenizer::train({&none, 1}, {.vocab = 258, .special = {kEos, kSep}});
}
struct Scripted : Classification {  // with prescribed held-out losses
  std::vector<double> losses;
  mutable std::vector<double> weight;  // one of its numbers, at each evaluation
  Scripted(const RunConfig& c, std::vector<double> l)
      : Classification(c, Pooling::mean, two_classes(), two_classes(), bytes(), nullptr),
        losses(std::move(l)) {}
  Evaluation evaluate(const Stop&) const override {
    weight.push_back(params.master().at(40));
    return {losses.at(weight.size() - 1), {}, ""};
  }
};
TEST(Learn, KeepsTheBestWeightsAndStopsWhenNothingImproves) {
  RunConfig c = tiny();
  c.patience = 3;
  Progress progress;
  Scripted task(c, {5, 3, 4, 6, 3});  // the fifth is no better, the third time in a row
  const Learned best = learn(task, c, progress);
  EXPECT_EQ(best.step, 8);
  EXPECT_EQ(best.loss, 3);
  EXPECT_EQ(task.weight.size(), 5u);
  EXPECT_NE(task.weight[1], task.weight[4]);
  EXPECT_EQ(task.params.master().at(40), task.weight[1]);
}
TEST(Learn, WhatIsNotFiniteStops) {
  Progress progress;
  Scripted task(tiny(), {5, NAN});
  EXPECT_NE(error_of([&] { learn(task, tiny(), progress); }).find("not finite at step 8"), std::string::npos);
}
TEST(Learn, ClassesThatDiffer) {
  Progress progress;
  Classification task(tiny(), Pooling::last, two_classes(), two_classes(), bytes(), nullptr);
  EXPECT_LT(learn(task, tiny(), progress).loss, 0.2);
  EXPECT_NEAR(task.evaluate({}).loss, learn(task, tiny(), progress).loss, 1e-12);  // and again the same
}

// ---- the classifier
TEST(DetectClassifier, TextsThatDifferByAWord) {
  const std::vector<Text> texts = lines(150);
  const auto all = std::span(texts);
  for (const char* pooling : {"mean", "last"}) {
    const auto d = fit("classifier", all.first(220), small({{"pooling", pooling}}));
    EXPECT_TRUE(d->needs_source());
    const auto unseen = all.subspan(220);
    EXPECT_EQ(auroc(by_author(unseen, d->score(unseen))).value, 1) << pooling;
    expect_parts_to_add_up(*d, unseen[3]);
  }
}
TEST(DetectClassifier, LabelsByChance) { expect_chance("classifier", small({{"epochs", 2}})); }

// The score against the model's own logits, of each text alone.
TEST(DetectClassifier, ScoresAreDifferencesOfLogits) {
  const std::vector<Text> texts = lines(20);
  for (const bool source : {true, false})
    for (const char* pooling : {"mean", "last"}) {
      const auto d =
          fit("classifier", texts, small({{"pooling", pooling}, {"source", source}, {"epochs", 1}}));
      EXPECT_EQ(d->needs_source(), source);
      const Saved saved = d->saved();
      const Json settings(saved.settings);
      const RunConfig c = parse_config(*settings.find("config")->text(), "config");
      const Tokenizer tokenizer = Tokenizer::parse(*settings.find("tokenizer")->text(), "tokenizer");
      const bool last = std::string_view(pooling) == "last";
      ParameterBlock params;
      const Classifier model(Params(params), model_config(c, tokenizer.size()), 2,
                             last ? Pooling::last : Pooling::mean);
      params.materialise(DeviceKind::cpu, DType::f32, 1);
      set_weights(params, params.master(), saved.tensors, "", "saved");
      params.refresh_shadow();
      const std::vector<double> scores = d->score(texts);
      for (size_t i = 0; i < 6; ++i) {
        const Example e = to_example(Pair{source ? texts[i].source : "", texts[i].target}, tokenizer);
        const auto n = static_cast<int64_t>(e.tokens.size());
        const Batch b =
            upload(rum::pack({&e, 1}, {.tokens = n, .texts = 1, .mask = last ? Mask::prefix : Mask::full}));
        const Tensor z = model.logits(b.ids, b.layout);
        EXPECT_NEAR(scores[i], z.at(1) - z.at(0), 1e-5) << pooling;
        EXPECT_EQ(scores[i], d->score({&texts[i], 1})[0]);  // whatever the other texts are
        expect_parts_to_add_up(*d, texts[i]);
      }
    }
}
TEST(DetectClassifier, SameBitsForAnyNumberOfThreadsAndFromItsFile) {
  const std::vector<double> scores = expect_same_bits("classifier", small({{"epochs", 2}, {"seed", 5}}));
  const std::vector<Text> texts = lines(30);
  EXPECT_NE(fit("classifier", texts, small({{"epochs", 2}, {"seed", 6}}))->score(texts), scores);
}
TEST(DetectClassifier, BeginsAsARunOfOurs) {
  const std::vector<Text> texts = lines(20);
  for (const std::string& from : {runs().text, runs().translate, runs().encoder}) {
    const auto d =
        fit("classifier", texts, {{"from", from}, {"steps", 1}, {"learning_rate", 1e-8}, {"tokens", 128}});
    const auto run = load_run(from);
    const std::string body = run->model.encoder_decoder() ? "encoder." : "";
    const NamedTensors weights = named_weights(run->params, run->params.master());
    const Saved saved = d->saved();
    size_t taken = 0;
    for (const auto& [name, tensor] : weights) {
      if (!name.starts_with(body)) continue;
      const Tensor ours = named(saved, name.substr(body.size()));
      ASSERT_EQ(ours.shape(), tensor.shape());
      for (int64_t i = 0; i < tensor.size(); ++i) ASSERT_NEAR(ours.at(i), tensor.at(i), 1e-7) << name;
      ++taken;
    }
    EXPECT_EQ(taken + 1, saved.tensors.size());  // and the classes
    EXPECT_EQ(Tokenizer::parse(*Json(saved.settings).find("tokenizer")->text(), "").hash(),
              run->tokenizer.hash());
  }
}
TEST(DetectClassifier, OfALongTextTheBeginningIsRead) {
  const std::vector<Text> texts = lines(20);
  const auto d = fit("classifier", texts, small({{"epochs", 1}}));
  Text t = texts[0], longer = texts[0];
  for (int i = 0; i < 40; ++i) t.target += " die Brücke";
  longer.target = t.target + " and more";
  const std::vector<double> scores = d->score(std::vector<Text>{t, longer});
  EXPECT_EQ(scores[0], scores[1]);
  const Explanation e = d->explain(longer);
  EXPECT_GT(e.parts.back().end, texts[0].target.size());
  EXPECT_LT(e.parts.back().end, t.target.size());
  for (int i = 0; i < 40; ++i) longer.source += " der Fluss";
  EXPECT_TRUE(std::isfinite(d->score({&longer, 1})[0]));
  EXPECT_LT(d->explain(longer).parts.size(), e.parts.size());  // half of the context is for the source
}
TEST(DetectClassifier, Refuses) {
  const std::vector<Text> texts = lines(20);
  const auto refused = [&](Json::Object options, std::vector<Text> on) {
    return error_of([&] { fit("classifier", on, options); });
  };
  const auto says = [](const std::string& said, const char* what) {
    EXPECT_NE(said.find(what), std::string::npos) << said;
  };
  says(refused({{"pooling", "max"}}, texts), "expected mean or last");
  says(refused({{"width", 40}}, texts), "expected a multiple of 32");
  says(refused({{"learning_rate", 0}}, texts), "learning_rate = 0: expected 1e-08 to 1");
  says(refused({{"widht", 64}}, texts), "did you mean \"width\"");
  says(refused({{"epochs", 0}}, texts), "epochs = 0: expected 1 to 1000");
  says(refused({{"from", runs().text}, {"layers", 1}}, texts), "\"layers\" has no use beside \"from\"");
  says(refused({{"from", runs().path}}, texts), "not a run folder");
  says(refused({}, lines(9)), "18 texts; expected at least 20");
  std::vector<Text> bad = texts;
  bad[2].source = "";
  says(refused({}, bad), "text 3 has no source");
  bad = texts, bad[4].target = "";
  says(refused({}, bad), "text 5 is empty");
  bad = texts;
  for (Text& t : bad) t.author = Author::human;
  says(refused({}, bad), "fitted on both");
  bad = texts;
  for (size_t i = 0; i < bad.size(); ++i) bad[i].source = std::to_string(i % 5);
  says(refused({}, bad), "5 sources for 10 folds");
}
TEST(DetectClassifier, AFileThatClaimsMoreThanItHas) {
  const std::vector<Text> texts = lines(20);
  Saved saved = pack(*fit("classifier", texts, small({{"epochs", 1}})));
  for (auto& [key, value] : saved.settings)
    if (key == "settings")
      for (auto& [name, setting] : std::get<Json::Object>(value.value))
        if (name == "config") {
          std::string config = *setting.text();
          const size_t at = config.find("width = 32");
          ASSERT_NE(at, std::string::npos);
          setting = Json(config.replace(at, 10, "width = 65536"));
        }
  const std::string said = error_of([&] { unpack(saved, "d"); });  // before it allocates memory
  EXPECT_EQ(said.find("d: "), 0u) << said;
  EXPECT_NE(said.find("65536"), std::string::npos) << said;
}

// ---- the head over decoder states
// Means over the target's tokens of the embedding and of each block's output.
std::vector<double> plain_means(const LoadedRun& run, const Text& t) {
  const Example e = to_example(Pair{t.source, t.target}, run.tokenizer);
  const auto n = static_cast<int64_t>(e.tokens.size());
  const int64_t prefix = e.prefix, words = n - prefix - 1;
  std::vector<Tensor> states;
  int64_t first = prefix;
  if (const Gpt* gpt = run.model.gpt()) {
    const Batch b = upload(
        rum::pack({&e, 1}, {.tokens = n, .texts = 1, .mask = Mask::prefix, .restart = gpt->config.restart}));
    states.push_back(embedding(b.ids, gpt->tokens) + embedding(b.layout.positions, gpt->positions));
    for (const Block& block : gpt->blocks) states.push_back(block({states.back()}, b.layout).sum());
  } else {
    const EncoderDecoder& m = *run.model.encoder_decoder();
    const Batch b = upload(rum::pack({&e, 1}, {.tokens = n - prefix, .texts = 1, .sources = prefix}));
    const std::vector<Tensor> read = m.encode(b.source_ids, b.source);
    states.push_back(embedding(b.ids, m.encoder.tokens) + embedding(b.layout.positions, m.positions));
    for (size_t l = 0; l < m.blocks.size(); ++l)
      states.push_back(m.blocks[l]({states.back()}, b.layout, read[l], b.layout, b.source).sum());
    first = 1;
  }
  std::vector<double> out;
  for (const Tensor& s : states) {
    const int64_t width = s.shape()[1];
    for (int64_t j = 0; j < width; ++j) {
      double sum = 0;
      for (int64_t k = first; k < first + words; ++k) sum += s.at(k * width + j);
      out.push_back(sum / static_cast<double>(words));
    }
  }
  return out;
}
TEST(DetectStates, ScoresAreWeightsTimesMeanStates) {
  const std::vector<Text> texts = lines(25);
  for (const std::string& path : {runs().translate, runs().encoder}) {
    const auto run = load_run(path);
    const auto d = fit("states", texts, {{"model", path}});
    EXPECT_TRUE(d->needs_source());
    // so for its own texts it is a white box
    EXPECT_EQ(d->models(), std::vector{hex64(weights_hash(run->params))});
    const Saved saved = d->saved();
    const Tensor weights = named(saved, "weights"), layers = named(saved, "layers");
    EXPECT_EQ(layers.size(), 3);  // the embedding and two blocks
    const std::vector<double> scores = d->score(texts);
    for (size_t i = 0; i < texts.size(); i += 7) {
      const std::vector<double> means = plain_means(*run, texts[i]);
      double expected = named(saved, "constant").at(0);
      for (size_t k = 0; k < means.size(); ++k) expected += weights.at(static_cast<int64_t>(k)) * means[k];
      EXPECT_NEAR(scores[i], expected, 1e-4 * (1 + std::abs(expected))) << path;
      expect_parts_to_add_up(*d, texts[i]);
    }
  }
}
// |w|^2 / 2 + |s|^2 / 2 + C sum of the losses, with the columns brought to mean 0 and deviation 1: gradient
// descent from the fitted weights finds nothing lower.
TEST(DetectStates, NeitherWeightsNorLayersCanDoBetter) {
  const std::vector<Text> texts = lines(60, true);
  const double C = 0.3;
  const auto run = load_run(runs().translate);
  const Saved saved = fit("states", texts, {{"model", runs().translate}, {"C", C}})->saved();
  const size_t layers = 3, width = 32, columns = layers * width;
  const auto n = static_cast<double>(texts.size());
  std::vector<std::vector<double>> z;
  for (const Text& t : texts) z.push_back(plain_means(*run, t));
  std::vector<double> s, w, folded;
  double b = named(saved, "constant").at(0);
  for (size_t l = 0; l < layers; ++l) s.push_back(named(saved, "layers").at(static_cast<int64_t>(l)));
  for (size_t k = 0; k < columns; ++k) {
    const double weight = named(saved, "weights").at(static_cast<int64_t>(k));
    double mean = 0, square = 0;
    for (const auto& row : z) mean += row[k] / n;
    for (auto& row : z) row[k] -= mean, square += row[k] * row[k] / n;
    for (auto& row : z) row[k] /= std::sqrt(square);
    folded.push_back(weight * std::sqrt(square));
    b += weight * mean;
  }
  for (size_t j = 0; j < width; ++j) w.push_back(folded[j] / s[0]);
  for (size_t k = 0; k < columns; ++k) EXPECT_NEAR(folded[k], s[k / width] * w[k % width], 1e-4);
  double first = 0, objective = 0;
  for (int step = 0; step < 2000; ++step) {
    std::vector<double> by_s = s, by_w = w;
    double by_b = 0;
    objective = 0;
    for (const double x : s) objective += x * x / 2;
    for (const double x : w) objective += x * x / 2;
    for (size_t i = 0; i < texts.size(); ++i) {
      double score = b;
      for (size_t k = 0; k < columns; ++k) score += s[k / width] * w[k % width] * z[i][k];
      const bool machine = texts[i].author == Author::machine;
      objective += C * std::log1p(std::exp(machine ? -score : score));
      const double r = C * (1 / (1 + std::exp(-score)) - machine);
      for (size_t k = 0; k < columns; ++k) {
        by_s[k / width] += r * w[k % width] * z[i][k];
        by_w[k % width] += r * s[k / width] * z[i][k];
      }
      by_b += r;
    }
    if (step == 0) first = objective;
    for (size_t l = 0; l < layers; ++l) s[l] -= 0.005 * by_s[l];
    for (size_t j = 0; j < width; ++j) w[j] -= 0.005 * by_w[j];
    b -= 0.005 * by_b;
  }
  EXPECT_LE(objective, first * (1 + 1e-12));
  EXPECT_GT(objective, first * (1 - 1e-3));
  EXPECT_LT(first, 0.9 * C * n * std::log(2.));  // and it is lower than with no weights at all
}
TEST(DetectStates, TellsApartWhatDiffersAndNothingElse) {
  const std::vector<Text> texts = lines(100);
  const auto all = std::span(texts);
  const auto d = fit("states", all.first(140), {{"model", runs().translate}});
  const auto unseen = all.subspan(140);
  EXPECT_GT(auroc(by_author(unseen, d->score(unseen))).value, 0.995);
  expect_chance("states", {{"model", runs().translate}});
}
TEST(DetectStates, SameBitsForAnyNumberOfThreadsAndFromItsFile) {
  expect_same_bits("states", {{"model", runs().encoder}});
}
TEST(DetectStates, Refuses) {
  const std::vector<Text> texts = lines(10);
  const auto says = [](const std::string& said, const char* what) {
    EXPECT_NE(said.find(what), std::string::npos) << said;
  };
  says(error_of([&] { fit("states", texts); }), "option \"model\"");
  says(error_of([&] { fit("states", texts, {{"model", runs().text}}); }), "expected one that translates");
  says(error_of([&] { fit("states", texts, {{"model", runs().encoder}, {"C", 0}}); }), "C = 0");
  std::vector<Text> bad = texts;
  bad[5].source = "";
  says(error_of([&] { fit("states", bad, {{"model", runs().encoder}}); }), "text 6 has no source");
  bad = texts;
  for (Text& t : bad) t.author = Author::machine;
  says(error_of([&] { fit("states", bad, {{"model", runs().encoder}}); }), "fitted on both");
  // A model with another vocabulary has replaced the one that it was fitted with.
  const Scratch scratch;
  const std::string run = scratch.path + "/run", file = scratch.path + "/d";
  write_run(run, {.seed = 4});
  save(*fit("states", texts, {{"model", run}}), file);
  write_run(run, {.seed = 4, .vocab = 290});
  says(error_of([&] { load(file); }), "other weights");
}

// ---- as scorers of an experiment
TEST(DetectorScorers, WhatLooksLikeAPersonsRanksFirst) {
  const Scratch scratch;
  const std::vector<Text> texts = lines(120);
  const auto folder = [&](const char* name) {
    Disk::real().make_folders(scratch.path + "/" + name);
    return scratch.path + "/" + name;
  };
  edits::TargetSet judged,
      pool;  // the judge set as the generator has translated it; half of the pool's look human
  std::string humans;
  for (size_t i = 0; i < texts.size(); i += 2) {
    const auto id = static_cast<int64_t>(i / 2);
    if (id < 80) {
      humans += texts[i].source + "\t" + texts[i].target + "\n";
      judged.ids.push_back(id), judged.texts.push_back({texts[i + 1].source, texts[i + 1].target});
    } else {
      const Text& t = texts[i + id % 2];
      pool.ids.push_back(id), pool.texts.push_back({t.source, t.target});
    }
  }
  Disk::real().replace_text(folder("split") + "/judge.tsv", humans);
  edits::write_targets(folder("judge"), judged), write_targets(folder("targets"), pool);
  write_run(folder("surrogate/run"), {.seed = 1});
  std::filesystem::rename(scratch.path + "/surrogate/run/model.safetensors",
                          scratch.path + "/surrogate/run/last.safetensors");
  for (const char* kind : {"linear", "classifier", "states"}) {
    Json::Object parameters{{"kind", kind}, {"seed", 3}};
    if (kind == std::string("classifier")) parameters.emplace_back("options", small());
    Stage stage{"score-1", "score", kind, Json(std::move(parameters)), {}, {}};
    std::vector<std::string> folders;
    for (const char* name : {"split", "judge", "targets", "surrogate"}) {
      stage.inputs.push_back({name, name});
      folders.push_back(folder(name));
    }
    Progress progress;
    const std::function<bool()> stop = [] { return false; };
    StageKind::named("score").run({stage, folders, folder(kind), progress, stop});
    const auto scores = edits::read_scores(folder(kind) + "/scores.tsv");
    ASSERT_EQ(scores.ids, pool.ids);
    Scores by;  // ids that are even are people's
    for (size_t k = 0; k < scores.ids.size(); ++k)
      (scores.ids[k] % 2 ? by.machine : by.human).push_back(-scores.values[k]);
    EXPECT_GT(auroc(by).value, 0.99) << kind;
  }
}
// The gate: if the machine writes as people do, no detector orders anything, unless told to.
TEST(DetectorScorers, OneNoBetterThanChanceOrdersNothing) {
  const Scratch scratch;
  const std::vector<Text> texts = lines(200, true);
  const auto folder = [&](const std::string& name) {
    Disk::real().make_folders(scratch.path + "/" + name);
    return scratch.path + "/" + name;
  };
  edits::TargetSet generated;
  std::string humans;
  for (size_t i = 0; i < 200; i += 2) {
    humans += texts[i].source + "\t" + texts[i + 200].target + "\n";
    generated.ids.push_back(static_cast<int64_t>(i / 2));
    generated.texts.push_back({texts[i].source, texts[i].target});
  }
  for (const char* set : {"/valid.tsv", "/judge.tsv"})
    Disk::real().replace_text(folder("split") + set, humans);
  for (const char* name : {"judge", "held_out", "targets"}) edits::write_targets(folder(name), generated);
  for (const uint32_t seed : {1u, 2u}) {
    const std::string run = folder(seed == 1 ? "human_model" : "generated_model") + "/run";
    write_run(run, {.seed = seed});
    std::filesystem::rename(run + "/model.safetensors", run + "/last.safetensors");
  }
  const auto scored = [&](const char* into, Json::Object parameters) {
    Stage stage{"score-1", "score", "a detector of self", Json(std::move(parameters)), {}, {}};
    std::vector<std::string> folders;
    for (const char* name : {"split", "judge", "held_out", "targets", "human_model", "generated_model"}) {
      stage.inputs.push_back({name, name});
      folders.push_back(folder(name));
    }
    Progress progress;
    const std::function<bool()> stop = [] { return false; };
    StageKind::named("score").run({stage, folders, folder(into), progress, stop});
  };
  for (const char* kind : {"density", "linear"}) {
    const std::string refusal = error_of([&] { scored("refused", {{"kind", kind}}); });
    EXPECT_NE(refusal.find("a detector of self: nothing is ordered or weighed by it: on sources that it had "
                           "not seen its AUROC is"),
              std::string::npos)
        << kind << ": " << refusal;
    EXPECT_FALSE(std::filesystem::exists(scratch.path + "/refused/scores.tsv"));
    scored(kind, {{"kind", kind}, {"anyway", true}});
    EXPECT_EQ(edits::read_scores(scratch.path + "/" + kind + "/scores.tsv").ids, generated.ids);
  }
}
}  // namespace
}  // namespace rum::detect::detect_classifier_test
