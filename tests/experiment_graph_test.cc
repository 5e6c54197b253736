// The stages that a config of an experiment asks for.
#include <algorithm>
#include <filesystem>
#include <list>
#include <map>
#include <set>

#include "base/error.h"
#include "experiment/arms.h"
#include "tests/error_of.h"
#include "tests/program.h"
#include "tests/replaced.h"
#include "tests/run_folder.h"
#include "tests/scratch.h"

namespace rum::experiment_graph_test {
using namespace experiment;
namespace {
namespace fs = std::filesystem;

// A graph reads its corpora for hashes and line counts alone.
struct Graphs {
  Scratch scratch;
  Graphs() {
    std::string lines;
    for (int i = 0; i < 110'000; ++i) lines += "a\tb\n";
    for (const char* file : {"train.tsv", "valid.tsv", "test.tsv"})
      Disk::real().replace_text(scratch.path + "/" + file, lines);
  }
  ExperimentConfig config(const std::string& scale) const {
    ExperimentConfig c = read_experiment("data/configs/experiments/" + scale + ".toml");
    c.data.train = scratch.path + "/train.tsv", c.data.valid = scratch.path + "/valid.tsv",
    c.data.test = scratch.path + "/test.tsv";
    return c;
  }
};
const StudentRun& student(const ExperimentGraph& g, std::string_view arm, double volume = 1) {
  for (const StudentRun& run : g.students)
    if (run.arm->name == arm && run.seed == 1 && run.volume == volume) return run;
  throw Error("no student of " + std::string(arm));
}
std::set<std::string> trained(const ExperimentGraph& g) {
  std::set<std::string> out;
  for (const Stage& s : g.graph.stages())
    if (s.kind == "train") out.insert(s.id);
  return out;
}
std::vector<std::string> both(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::vector<std::string> out;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}
// By hand, five seeds each: the generators and models of the judge set, then the students, that two configs
// have in common.
TEST(ExperimentGraph, ConfigsOfOneFolderShareTheirStages) {
  const Graphs at;
  std::map<std::string, std::set<std::string>> ids;
  const auto add = [&](const char* scale) {
    const ExperimentConfig c = at.config(scale);
    EXPECT_EQ(c.folder, "runs/experiments/remedies");
    EXPECT_EQ(c.report, scale == std::string("remedies") ? "" : std::string("runs/experiments/") + scale);
    // The format when stages were first made: another one would make them all again.
    EXPECT_EQ(*Json(recipe_json(c.recipes.at("student"))).find("model.bias")->text(), "false");
    ids[scale] = trained(experiment_graph(c));
  };
  // The remedies are one experiment in six parts, of 29 arms: what they share is trained once.
  std::set<std::string> remedies;
  for (const char* part : {"remedies", "remedies-quality", "remedies-choice", "remedies-channel",
                           "remedies-mixing", "remedies-rate"}) {
    add(part);
    remedies.insert(ids[part].begin(), ids[part].end());
  }
  EXPECT_EQ(remedies.size(), 5u * (5 + 4 + 29));
  EXPECT_EQ(both(ids["remedies"], ids["remedies-quality"]).size(), 5u * (2 + 3));
  EXPECT_EQ(both(ids["remedies"], ids["remedies-choice"]).size(), 5u * (1 + 3));
  EXPECT_EQ(both(ids["remedies"], ids["remedies-channel"]).size(), 5u * (2 + 2));
  EXPECT_EQ(both(ids["remedies"], ids["remedies-mixing"]).size(), 5u * (2 + 2));
  EXPECT_EQ(both(ids["remedies"], ids["remedies-rate"]).size(), 5u * (2 + 2));
  EXPECT_EQ(both(ids["remedies-quality"], ids["remedies-choice"]).size(), 5u * (2 + 3));
  EXPECT_EQ(both(ids["remedies-quality"], ids["remedies-channel"]).size(), 5u * (3 + 2));
  for (const char* scale :
       {"finetune", "map", "mechanisms", "growing", "growing-generators", "growing-models", "orders",
        "filters", "fraction", "mixing-seeds", "mixing-recipes", "map-decodings"})
    add(scale);
  EXPECT_EQ(both(ids["remedies-mixing"], ids["finetune"]).size(), 5u * 3);
  EXPECT_EQ(both(ids["remedies-mixing"], ids["map"]).size(), 5u * (3 + 2));
  EXPECT_EQ(both(ids["remedies"], ids["mechanisms"]).size(), 5u * (1 + 2));
  EXPECT_EQ(both(ids["finetune"], ids["map"]).size(), 5u * 3);
  EXPECT_EQ(both(ids["remedies-rate"], ids["orders"]).size(), 5u * (2 + 5));
  EXPECT_EQ(both(ids["remedies"], ids["filters"]).size(), 5u * (2 + 4));
  // Students are stopped by BLEU there, but those of a part of the generated targets.
  EXPECT_EQ(both(ids["remedies"], ids["fraction"]).size(), 5u * (1 + 2));
  EXPECT_EQ(both(ids["growing"], ids["fraction"]).size(), 5u * (1 + 3));
  EXPECT_EQ(both(ids["remedies"], ids["growing"]).size(), 5u * (2 + 7));
  EXPECT_EQ(both(remedies, ids["growing-generators"]).size(), 5u * (2 + 6));
  EXPECT_EQ(both(ids["growing"], ids["growing-generators"]).size(), 5u * (1 + 5));
  EXPECT_EQ(both(remedies, ids["growing-models"]).size(), 5u * (4 + 5));
  EXPECT_EQ(both(ids["growing"], ids["growing-models"]).size(), 5u * (2 + 5));  // dual has its reverse model
  EXPECT_EQ(both(ids["remedies"], ids["mixing-seeds"]).size(), 5u * (1 + 2));
  EXPECT_EQ(both(ids["remedies-mixing"], ids["mixing-recipes"]).size(), 5u * (4 + 4));
  EXPECT_EQ(both(ids["map"], ids["mixing-recipes"]).size(), 5u * (3 + 4));
  EXPECT_EQ(both(ids["map"], ids["map-decodings"]).size(), 5u * (2 + 5));
  const ExperimentConfig debian = at.config("remedies-debian"), more = at.config("remedies-debian-more");
  EXPECT_EQ(debian.folder, more.folder);
  EXPECT_EQ(both(trained(experiment_graph(debian)), trained(experiment_graph(more))).size(), 5u * (2 + 3));
}
// Errors are counted by the rules of the language: what does so is another stage in German, and what does
// not, the same.
TEST(ExperimentGraph, ALanguageIsThatOfWhatCountsErrors) {
  const Graphs at;
  ExperimentConfig c = at.config("filters");
  const auto kinds = [&](const ExperimentGraph& g) {
    std::map<std::string, std::set<std::string>> out;
    for (const Stage& s : g.graph.stages()) out[s.kind].insert(s.id);
    return out;
  };
  const auto english = kinds(experiment_graph(c));
  c.data.source = "en", c.data.target = "de";
  const auto german = kinds(experiment_graph(c));
  ASSERT_EQ(english.size(), german.size());
  for (const auto& [kind, ids] : english)
    EXPECT_EQ(both(ids, german.at(kind)).size(), kind == "measure" ? 0 : ids.size()) << kind;
}
// Graphs of parts of an experiment are made one after another: no file is read twice.
TEST(ExperimentGraph, AFileIsReadOnce) {
  const Graphs at;
  const ExperimentConfig c = at.config("finetune");
  FilesRead read;
  const std::string split = experiment_graph(c, nullptr, &read).split;
  EXPECT_EQ(read.size(), 3u);
  EXPECT_EQ(read.at(c.data.train).lines, 110'000);
  Disk::real().replace_text(c.data.valid, "changed\tsince\n");
  EXPECT_EQ(experiment_graph(c, nullptr, &read).split, split);
}
// A given model is the same at every seed, so its output without sampling is generated only once.
TEST(ExperimentGraph, AGivenModelIsItsFilesAndWhatItIsTold) {
  const Graphs at;
  const std::string run = at.scratch.path + "/told";
  write_run(run, {.kind = CorpusKind::documents});
  std::list<ExperimentConfig> configs;  // graphs point into theirs
  const auto graph = [&](const std::string& generator) {
    ExperimentConfig& c = configs.emplace_back(
        parse_experiment(slurp("data/configs/experiments/smoke.toml") + "[generator.told]\n" + generator +
                             "[[arm]]\nname = \"told\"\ntargets = \"told/greedy\"\n"
                             "[[arm]]\nname = \"drawn\"\ntargets = \"told/sampled\"\n",
                         "x.toml"));
    c.data.train = at.scratch.path + "/train.tsv", c.data.valid = at.scratch.path + "/valid.tsv",
    c.data.test = at.scratch.path + "/test.tsv";
    for (Generator& g : c.generators)
      if (g.name == "outside") g.file = c.data.test;
    return experiment_graph(c);
  };
  const auto targets = [&](const ExperimentGraph& g, const char* arm, int64_t seed) {
    for (const StudentRun& r : g.students)
      if (r.arm->name == arm && r.seed == seed) return r.targets_stage;
    throw Error("no student of " + std::string(arm));
  };
  const std::string model = "model = \"" + run + "\"\n", told = "template = \"say {source}\"\n";
  const ExperimentGraph g = graph(model + told);
  const std::string id = targets(g, "told", 1);
  EXPECT_EQ(targets(g, "told", 2), id);
  EXPECT_NE(targets(g, "drawn", 2), targets(g, "drawn", 1));
  EXPECT_EQ(g.graph.at(id).input("generator"), "");
  EXPECT_NE(targets(graph(model + "template = \"tell {source}\"\n"), "told", 1), id);
  EXPECT_NE(targets(graph(model + told + "chat = true\n"), "told", 1), id);
  EXPECT_NE(targets(graph(model + told + "dtype = \"int8\"\n"), "told", 1), id);
  fs::rename(run, run + " elsewhere");
  EXPECT_EQ(targets(graph("model = \"" + run + " elsewhere\"\n" + told), "told", 1), id);
  expect_error([&] { graph(model + told); }, "told: not a run folder");
  write_run(run, {.kind = CorpusKind::documents, .seed = 2});
  EXPECT_NE(targets(graph(model + told), "told", 1), id);
  expect_error([&] { graph(model); }, "generator told: " + run + " is a plain-text model: give a template");
  write_run(run, {});
  expect_error([&] { graph(model + told); },
               "is a translation model, which needs no prompt: leave out template");
  EXPECT_NO_THROW(graph(model));
  expect_error([&] { graph(model + "template = \"say\"\n"); }, "must hold {source} once");
  expect_error([&] { graph(model + "chat = true\n"); }, "chat = true a template");
  expect_error([&] { graph(model + "recipe = \"student\"\n"); }, "give one of recipe");
  expect_error([&] { graph("recipe = \"student\"\n" + told); }, "a template needs a model");
}
// What only a training would say, hours later, is said of the graph: recipes that are fine, but not for this.
TEST(ExperimentGraph, ARecipeThatItsTrainingWouldRefuse) {
  const Graphs at;
  const std::string smoke = slurp("data/configs/experiments/smoke.toml");
  const auto graph = [&](const std::string& toml) {
    ExperimentConfig c = parse_experiment(toml, "x.toml");
    c.data.train = at.scratch.path + "/train.tsv", c.data.valid = at.scratch.path + "/valid.tsv",
    c.data.test = at.scratch.path + "/test.tsv";
    for (Generator& g : c.generators)
      if (g.name == "outside") g.file = c.data.test;
    experiment_graph(c);
  };
  const std::string
      adapters = smoke +
                 "[recipe.adapters]\nlike = \"student\"\n[recipe.adapters.lora]\nrank = 4\n"
                 "[[arm]]\nname = \"x\"\ntargets = \"human\"\nstudent = \"adapters\"\n",
      lora =
          ": lora.rank = 4 trains beside the weights of a model: name it (train.from, or `from` of "
          "an experiment's arm), or leave lora.rank at 0";
  expect_error([&] { graph(adapters); }, "recipe.adapters cannot train \"student x, seed 1\"" + lora);
  EXPECT_NO_THROW(graph(adapters + "from = \"self\"\n"));
  expect_error(
      [&] {
        graph(adapters +
              "from = \"self\"\n[generator.y]\nrecipe = \"adapters\"\n[[arm]]\nname = \"y\"\n"
              "targets = \"y/greedy\"\n");
      },
      "recipe.adapters cannot train \"generator y, seed 1\"" + lora);
  expect_error([&] { graph(replaced(smoke, "recipe = \"by-bleu\"", "recipe = \"encoder-decoder\"")); },
               "recipe.encoder-decoder cannot train \"target language model of the judge set, seed 1\": "
               "model.kind = \"encoder_decoder\" needs data.kind = \"translation\"");
  expect_error(
      [&] { graph(replaced(smoke, "kind = \"encoder_decoder\"", "vocab = 399")); },
      "recipe.encoder-decoder cannot train \"student human, encoder-decoder, seed 1\": model.vocab = "
      "399, but the tokenizer has 400 tokens");
  expect_error(
      [&] {
        graph(replaced(smoke, "like = \"student\"\n[recipe.classifier.train]",
                       "like = \"student\"\nmodel.width = 48\n[recipe.classifier.train]"));
      },
      "recipe.classifier cannot train \"scorer classifier\": classifier: width = 48: expected a "
      "multiple of 32");
}
// A greedy translation costs 1 / 1,500 s: of 500 validation pairs, beside a judge set of 20,000.
TEST(ExperimentGraph, TranslatingASetCostsWhatItsSizeSays) {
  const Graphs at;
  const auto cost = [&](const char* scale, const std::string& set) {
    const ExperimentConfig c = at.config(scale);
    const ExperimentGraph g = experiment_graph(c);
    for (const Stage& s : g.graph.stages())
      if (s.label == "self/greedy, seed 1: translating the " + set) return s.cost;
    throw Error("no translation of the set " + set);
  };
  EXPECT_DOUBLE_EQ(cost("remedies-channel", "valid"), 500. / 1500);
  EXPECT_DOUBLE_EQ(cost("remedies", "judge"), 20000. / 1500);
}
TEST(ExperimentGraph, FineTuningGoesOnFromTheGeneratorsOwnWeights) {
  const Graphs at;
  const ExperimentConfig c = at.config("finetune");
  const ExperimentGraph g = experiment_graph(c);
  const StudentRun &start = student(g, "not tuned further"), &own = student(g, "tuned on its own");
  EXPECT_EQ(start.targets_stage, "");
  const Stage& trained = g.graph.at(own.student);
  EXPECT_EQ(trained.input("from"), start.student);
  EXPECT_EQ(g.graph.at(own.targets_stage).input("generator"), start.student);
  EXPECT_EQ(g.graph.at(start.student).input("from"), "");
  EXPECT_EQ(g.graph.at(start.evaluated.at("last")).input("student"), start.student);
}
// By hand from chain.toml: parts of 13,500; each generation's text is written by the previous one.
TEST(ExperimentGraph, AGenerationLearnsFromWhatTheOneBeforeMadeOfNewSources) {
  const Graphs at;
  const ExperimentConfig c = at.config("chain");
  const ExperimentGraph g = experiment_graph(c);
  EXPECT_EQ(g.students.size(), 5u * (1 + 3 * 5));
  const auto whole = [&](const Stage& s, const char* key) {
    int64_t v = -1;
    if (const Json* j = s.parameters.find(key)) j->whole(v);
    return v;
  };
  std::string before = student(g, "generation 0").student;
  EXPECT_EQ(whole(g.graph.at(student(g, "generation 0").targets_stage), "count"), 13500);
  for (int64_t n = 1; n <= 5; ++n) {
    const StudentRun& run = student(g, fmt::format("replace, generation {}", n));
    const Stage& text = g.graph.at(run.targets_stage);
    EXPECT_EQ(text.kind, "generate");
    EXPECT_EQ(text.input("generator"), before);
    EXPECT_EQ(whole(text, "first"), 13500 * n);
    EXPECT_EQ(whole(text, "count"), 13500);
    EXPECT_EQ(whole(text, "generation"), n == 1 ? -1 : n);
    before = run.student;
  }
  // Accumulating: the text of the fifth generation is joined with all earlier text, down to the human
  // targets.
  std::string id = student(g, "accumulate, generation 5").targets_stage;
  for (int64_t n = 5; n >= 1; --n) {
    const Stage& joined = g.graph.at(id);
    ASSERT_EQ(joined.kind, "join");
    EXPECT_EQ(whole(g.graph.at(joined.input("targets")), "first"), 13500 * n);
    id = joined.input("with");
  }
  EXPECT_EQ(id, student(g, "generation 0").targets_stage);
  // Fresh human targets are for the same part.
  const Stage& mixed = g.graph.at(
      g.graph.at(student(g, "accumulate, a tenth fresh, generation 2").targets_stage).input("targets"));
  EXPECT_EQ(mixed.kind, "mix");
  EXPECT_EQ(whole(g.graph.at(mixed.input("human")), "first"), 27000);
  EXPECT_EQ(g.tried.size(), 5u * (1 + 3 * 4));  // the first generation's text is that of all chains
}
TEST(ExperimentGraph, GeneratorsOfOneRecipeDifferByTheirSeed) {
  const Graphs at;
  ExperimentConfig c = at.config("remedies");
  const auto trainings = [&] {
    std::set<std::string> out;
    const ExperimentGraph g = experiment_graph(c);
    for (const Stage& s : g.graph.stages())
      if (s.kind == "train" && s.label.starts_with("generator ")) out.insert(s.id);
    return out.size();
  };
  const size_t before = trainings();
  const auto other = std::find_if(c.generators.begin(), c.generators.end(),
                                  [](const Generator& g) { return g.name == "other"; });
  other->pairs = 0;  // now it is `self` under another name
  EXPECT_EQ(trainings(), before - 5);
  other->seed = 1;
  EXPECT_EQ(trainings(), before);
}
TEST(ExperimentGraph, SeveralDrawsAreTargetsTogether) {
  const Graphs at;
  const ExperimentConfig c = at.config("mixing-seeds");
  const ExperimentGraph g = experiment_graph(c);
  const Stage &one = g.graph.at(student(g, "one drawn translation").targets_stage),
              &four = g.graph.at(student(g, "four drawn translations").targets_stage);
  int64_t draws = 0;
  four.parameters.find("draws")->whole(draws);
  EXPECT_EQ(draws, 4);
  EXPECT_EQ(one.parameters.find("draws"), nullptr);
  EXPECT_EQ(to_json(*one.parameters.find("decoding")), to_json(*four.parameters.find("decoding")));
  EXPECT_EQ(one.input("generator"), four.input("generator"));
}
TEST(ExperimentGraph, AtEqualStepsASmallVolumeLearnsAsLong) {
  const Graphs at;
  const ExperimentConfig c = at.config("laptop");
  const ExperimentGraph g = experiment_graph(c);
  const auto volume = [&](const StudentRun& run) {
    double v = 0;
    g.graph.at(run.student).parameters.find("data")->find("volume")->number(v);
    return v;
  };
  EXPECT_EQ(volume(student(g, "human", .25)), .25);
  const StudentRun& quarter = student(g, "human, equal steps", .25);
  EXPECT_EQ(volume(quarter), 1);
  EXPECT_EQ(quarter.student, student(g, "human, 25 %").student);  // group B has it at equal tokens
  EXPECT_EQ(student(g, "human, equal steps", 1).student, student(g, "human").student);
}

// By hand: laptop's 29 arms and volumes but for six that are another arm's students; of finetune's six arms
// one is the generator as it is.
TEST(ExperimentGraph, StudentsOfTwoArmsAreTrainedOnceAndAGeneratorIsNone) {
  const Graphs at;
  const ExperimentConfig laptop = at.config("laptop"), finetune = at.config("finetune");
  EXPECT_EQ(trained_students(experiment_graph(laptop)), 23 * laptop.seeds);
  EXPECT_EQ(trained_students(experiment_graph(finetune)), 5 * finetune.seeds);
}
}  // namespace
}  // namespace rum::experiment_graph_test
