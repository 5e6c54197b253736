// Configs of experiments: what is read, what is refused, and those that ship.
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "experiment/config.h"
#include "experiment/measures.h"
#include "experiment/results.h"
#include "experiment/subset.h"
#include "tests/error_of.h"
#include "tests/program.h"
#include "tests/replaced.h"

namespace rum::experiment_config_test {
using namespace metrics;
using namespace experiment;
namespace {
namespace fs = std::filesystem;

TEST(ExperimentConfig, TheScalesAreRead) {
  for (const std::string& name : Disk::real().list("data/configs/experiments")) {
    const std::string path = "data/configs/experiments/" + name;
    const ExperimentConfig c = read_experiment(path);
    EXPECT_GE(c.arms.size(), 4u) << path;
    EXPECT_GE(c.claims.size(), 4u) << path;
    if (name != "smoke.toml") {
      EXPECT_GE(c.seeds, 3) << path;
    }
  }
}
TEST(ExperimentConfig, TargetsAreNamedByAGeneratorAndADecoding) {
  const TargetsName generated("self/greedy"), human("human");
  EXPECT_EQ(generated.generator, "self");
  EXPECT_EQ(generated.decoding, "greedy");
  EXPECT_EQ(human.generator, "human");
  EXPECT_EQ(human.decoding, "");  // even where a decoding has that name
}
// By hand from remedies.toml: F's arms, those that their claims name (one is D's), and what the gate needs.
TEST(ExperimentPart, AGroupComesWithWhatItIsComparedWith) {
  const ExperimentConfig all = read_experiment("data/configs/experiments/remedies.toml"),
                         f = only_groups(all, {"F"});
  std::vector<std::string> arms, claims;
  for (const Arm& a : f.arms) arms.push_back(a.name);
  for (const Claim& c : f.claims) claims.push_back(c.id);
  EXPECT_EQ(arms, (std::vector<std::string>{"human", "self, greedy", "a random half",
                                            "most human half by the detector", "resampled by the detector"}));
  EXPECT_EQ(claims, (std::vector<std::string>{"C1", "C8 half", "C8 resampled"}));
  EXPECT_EQ(f.gate.claim, "C1");
  expect_error([&] { only_groups(all, {"f"}); }, "no group \"f\"; known: A, D, E, F");
}
TEST(ExperimentPart, AClaimNeedsBothOfItsDifferences) {
  ExperimentConfig all;
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    Arm& arm = all.arms.emplace_back();
    arm.name = name, arm.group = std::string(name) == "a" ? "X" : "Y";
  }
  Claim more;
  more.kind = "students", more.better = "a", more.worse = "b", more.minus_with = {"c", "d"};
  all.claims = {more};
  const ExperimentConfig x = only_groups(all, {"X"});
  std::vector<std::string> arms;
  for (const Arm& a : x.arms) arms.push_back(a.name);
  EXPECT_EQ(arms, (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_EQ(x.claims.size(), 1u);
}
// Whose text it is, read off what the operations of smoke.toml do.
TEST(ExperimentConfig, WhoWroteWhatAnArmLearnsFrom) {
  std::map<std::string, Writers> of;
  for (const Arm& a : read_experiment("data/configs/experiments/smoke.toml").arms) of[a.name] = writers_of(a);
  using Names = std::vector<std::string>;
  for (const auto& [arm, text, targets] : std::vector<std::tuple<const char*, const char*, Names>>{
           {"human", "human", {"human"}},
           {"human, 25 %", "human", {"human"}},
           {"self, greedy", "self/greedy", {"self/greedy"}},
           {"best half by dual cross-entropy", "self/greedy", {"self/greedy"}},
           {"human, worst first by dual cross-entropy of the generated", "human", {"human"}},
           {"mixed, 50 % human", "self/greedy, 50 % human", {"self/greedy", "human"}},
           {"two generators", "self/greedy in turn with low/greedy", {"self/greedy", "low/greedy"}},
           {"two translations of each source",
            "self/greedy and self/sampled",
            {"self/greedy", "self/sampled"}},
           {"human, errors injected", "human, inject", {"human"}},
           {"self, errors repaired", "self/greedy, repair", {"self/greedy"}},
           {"accumulate, a quarter fresh, generation 1",
            "generation 0/beam, 25 % human, and all of generation 0",
            {"generation 0/beam", "human"}}}) {
    EXPECT_EQ(of.at(arm).text, text) << arm;
    EXPECT_EQ(of.at(arm).targets, targets) << arm;
  }
}
TEST(ExperimentConfig, SaysWhatIsWrongAndWhere) {
  const std::string good = slurp("data/configs/experiments/smoke.toml");
  const auto refuse = [&](const char* from, const char* to, const char* part) {
    expect_error([&] { parse_experiment(replaced(good, from, to), "x.toml"); }, part);
  };
  const auto averaged = [&](const char* with, const char* part) {
    refuse("mean_with = [[\"best half by several scores in turn\", \"self, greedy\"]]", with, part);
  };
  averaged("mean_with = [[\"self, greedy\"]]", "claim[4].mean_with: expected a list of pairs");
  averaged("mean_with = [[\"self, greedy\", \"human, 2 %\"]]", "no arm \"human, 2 %\"; did you mean");
  for (const char* pair : {"\"best half by dual cross-entropy\", \"self, greedy\"",
                           "\"self, greedy\", \"best half by dual cross-entropy\"",
                           "\"human\", \"self, greedy\"], [\"human\", \"self, greedy\""})
    averaged(fmt::format("mean_with = [[{}]]", pair).c_str(), "twice: name each pair once");
  averaged("mean_with = [[\"human\", \"human\"]]", "claim C6 compares \"human\" with itself");
  refuse("kind = \"errors\"", "kind = \"errors\"\nmean_with = [[\"human\", \"self, greedy\"]]",
         "mean_with names arms: it is for a claim of kind \"students\"");
  refuse("kind = \"errors\"", "kind = \"errors\"\nminus_with = [\"human\", \"self, greedy\"]",
         "minus_with names arms: it is for a claim of kind \"students\"");
  // C1 is about human against self, greedy, C6 names a ceiling and others to average with.
  const auto minus = [&](const char* with, const char* part) {
    refuse("text = \"real beats regurgitated\"", fmt::format("text = \"x\"\nminus_with = {}", with).c_str(),
           part);
  };
  minus("[\"human\"]", "claim[0].minus_with: expected a pair");
  minus("[[\"human\", \"self, greedy\"]]", "claim[0].minus_with: expected a pair");
  minus("[\"human\", \"self, greedi\"]", "no arm \"self, greedi\"; did you mean \"self, greedy\"?");
  minus("[\"human\", \"human\"]", "claim C1 compares \"human\" with itself");
  for (const char* pair : {"[\"human\", \"self, greedy\"]", "[\"self, greedy\", \"human\"]"})
    minus(pair, "twice: name each pair once");
  minus("[\"self, greedy\", \"human\"]\nweights = \"best\"",
        "arm \"self, greedy\" is not judged by its best weights");
  refuse("mean_with = [[\"best half by several scores in turn\", \"self, greedy\"]]",
         "minus_with = [\"best half by several scores in turn\", \"self, greedy\"]",
         "claim C6 is about a difference minus another, which closes no gap");
  refuse("mean_with = [[", "minus_with = [\"human\", \"self, greedy\"]\nmean_with = [[",
         "give one of mean_with and minus_with");
  refuse("folder = \"runs/experiments/smoke\"", "folder = \"\"",
         "x.toml:4: experiment.folder: expected a text that is not empty, found \"\"");
  refuse("folder = \"runs/experiments/smoke\"", "folder = \"./\"",
         "x.toml:4: experiment.folder = \"./\" is not a folder of its own");
  refuse("student = \"student\"", "student = \"\"",
         "experiment.student: expected a text that is not empty, found \"\"");
  refuse("seeds = 2", "seed = 2", "x.toml:5: unknown key experiment.seed; did you mean \"seeds\"?");
  refuse("seeds = 2", "seeds = 0", "experiment.seeds: expected a whole number from 1");
  refuse("seeds = 2", "seeds = \"2\"", "experiment.seeds: expected a whole number, found \"2\"");
  refuse("seeds = 2", "seeds = 2.5", "experiment.seeds: expected a whole number, found 2.5");
  EXPECT_EQ(parse_experiment(replaced(good, "seeds = 2", "seeds = 2.0"), "x.toml").seeds,
            2);  // as in a config
  refuse("layers = 1", "layers = \"1\"", "layers: expected integer, without quotes; found \"1\"");
  refuse("pool_pairs = 500\n", "", "data.pool_pairs is missing");
  refuse("targets = \"self/greedy\"", "targets = \"slef/greedy\"",
         "no generator \"slef\"; did you mean \"self\"?");
  refuse("targets = \"self/greedy\"", "targets = \"self/gredy\"",
         "no decoding \"gredy\"; did you mean \"greedy\"?");
  for (const char* name : {"targets = \"outside/greedy\"", "targets = \"outside/\""})
    refuse("targets = \"outside\"", name, "has no decoding here");
  refuse("student = \"student\"", "student = \"studnt\"", "no recipe \"studnt\"; did you mean \"student\"?");
  refuse("width = 32", "widht = 32", "did you mean \"model.width\"?");
  refuse("better = \"human\"", "better = \"humna\"", "no arm \"humna\"; did you mean \"human\"?");
  refuse("kind = \"students\"", "kind = \"student\"", "did you mean \"students\"?");
  refuse("pairs = 200", "pairs = 2000",
         "generator low asks for 2000 pairs, the seed set has data.seed_pairs = 700");
  refuse("judge_pairs = 300\n", "", "generator informed learns from the judge set: set data.judge_pairs");
  refuse("outside.jsonl\"", "outside.jsonl\"\njudge_set = true",
         "generator outside learns from the judge set: give it a recipe");
  refuse("pairs = 200", "pairs = 200\ndtype = \"int\"", "no type \"int\"; did you mean \"int8\"?");
  const std::string typed = replaced(good, "pairs = 200", "pairs = 200\ndtype = \"int8\"");
  for (const Generator& g : parse_experiment(typed, "x.toml").generators)
    EXPECT_EQ(g.dtype, g.name == "low" ? "int8" : "f32");
  refuse("name = \"self, sampled\"", "name = \"self, greedy\"", "two arms are named \"self, greedy\"");
  refuse("name = \"self, sampled\"", "name = \"human\"", "arm \"human\" has the name of targets, but is not");
  refuse("name = \"self, sampled\"", "name = \"self\\ntouch ran\"", "name: expected a text without control");
  refuse("volumes = [0.5, 1.0]", "volumes = [0.5, 1.5]", "numbers from 1e-06 to 1");
  refuse("[recipe.student.model]", "[recipe.student.run]\nfolder = \"x\"\n[recipe.student.model]",
         "recipe.student.run.folder is set by the experiment itself");
  refuse("[recipe.student.tokenizer]", "[recipe.student.tokenizer]\nbegin = \"<s>\"",
         "recipe.student.tokenizer.begin has no meaning for models that translate");
  refuse("[recipe.classifier.train]", "[recipe.classifier.tokenizer]\nvocab = 300\n[recipe.classifier.train]",
         "recipe.classifier.tokenizer: all models share the tokenizer that recipe.student describes");
  refuse("[recipe.student.tokenizer]", "[recipe.student.tokenizer]\npattern = \"characters\"",
         "recipe.student.tokenizer.pattern = \"characters\" knows only the characters of the seed set");
  EXPECT_EQ(read_experiment("data/configs/experiments/paper.toml").recipes.at("large").dtype, DType::bf16);
  refuse("[data]", "[data]\nlanguages = [\"de\", \"fr\"]",
         "no language by whose rules errors are counted \"fr\"; known: en, de");
  refuse("[data]", "[data]\nlanguages = [\"de\", \"de\"]",
         "data.languages: expected two, of source and target, found \"de\" twice");
  refuse("[data]", "[data]\nlanguages = [\"de\"]", "data.languages: expected a pair");
  // What a training refuses is refused before the first stage, hours earlier.
  refuse("heads = 2", "headz = 2",
         ": recipe.student: unknown key model.headz; did you mean \"model.heads\"?");
  refuse("heads = 2", "heads = 3", ": recipe.student: model.heads = 3 does not divide model.width = 32");
  refuse("context = 96", "context = 2", ": recipe.student: model.context = 2 has no room for a pair");
  refuse("tokens = 256", "tokens = 3", ": recipe.student: batch.tokens = 3 have no room for a pair");
  refuse("bleu_texts = 20", "bleu_texts = 0", ": recipe.by-bleu: train.best = \"bleu\" needs translations");
  refuse("epochs = 1", "average = 50", ": recipe.classifier: train.average = 50 needs as many checkpoints");
  refuse("epochs = 1", "steps = 5",
         "x.toml:50: recipe.classifier.train.steps is not read beside train.target_tokens = 16000");
  EXPECT_EQ(parse_experiment(replaced(good, "epochs = 1", "steps = 50\ntarget_tokens = 0"), "x.toml")
                .recipes.at("classifier")
                .steps,
            50);
  refuse("choose = \"channel\"", "choose = \"chanel\"",
         "no way to choose \"chanel\"; did you mean \"channel\"?");
  refuse("utility = \"chrf1\"", "utility = \"chrf\"",
         "x.toml:89: utility: there is no \"chrf\"; did you mean");
  refuse("of = [\"sampled\"]", "of = [\"channel\"]", "no decoding of one translation \"channel\"");
  refuse("of = [\"sampled\"]\n", "", "decoding.channel.of: expected the decodings");
  refuse("op = \"inject\"", "op = \"injekt\"", "no operation \"injekt\"; did you mean \"inject\"?");
  refuse("op = \"mix\"", "op = \"judge\"", "no operation \"judge\"");
  refuse("real = 0.5", "reel = 0.5", "real is missing");
  refuse("with = \"human\" }", "with = \"humna\" }", "no generator \"humna\"");
  refuse("{ op = \"replace\", with = \"human\" }", "{ op = \"replace\" }", "with is missing");
  refuse(
      "[{ op = \"order\", by = \"dual\", first = \"worst\" }, { op = \"replace\"",
      "[{ op = \"replace\", with = \"human\" }, { op = \"filter\", by = \"detector\", keep = 0.5 }, { op = "
      "\"replace\"",
      "scorer detector (linear) judges a generator's own texts, and \"replace\" before it");
  refuse("sample = true\ndraws = 2", "draws = 2", "decoding.twice draws nothing: several draws need sample");
  refuse("draws = 2", "draws = 0", "decoding.twice.draws: expected a whole number from 1");
  refuse("[decoding.greedy]\nbeam = 1", "[judging]\ndraws = 2\n[decoding.greedy]\nbeam = 1",
         "unknown key judging.draws");
  refuse("of = [\"sampled\", \"greedy\"]", "of = [\"twice\"]",
         "no decoding of one translation \"twice\"; known: beam, greedy, sampled");
  refuse("decoding = \"beam\"\nkeep", "decoding = \"twice\"\nkeep",
         "no decoding of one translation \"twice\"");
  refuse("decoding = \"sampled\"", "decoding = \"twice\"",
         "no sampling decoding of one translation \"twice\"");
  refuse("targets = \"self/twice\"",
         "targets = \"self/twice\"\napply = [{ op = \"filter\", by = \"random\", keep = 0.5 }]",
         "scorer random gives a sentence one score, but \"self/twice\" are 2 translations of each");
  refuse("targets = \"self/twice\"", "targets = \"self/twice\"\napply = [{ op = \"mix\", real = 0.5 }]",
         "\"self/twice\" are 2 translations of each: name a decoding of one");
  for (const auto& [before, mended] :
       {std::pair{"{ op = \"subset\", share = 0.5 }", "after \"subset\": put \"mix\" first"},
        std::pair{"{ op = \"part\", first = 0, count = 9 }", "after \"part\": put \"mix\" first"},
        std::pair{"{ op = \"filter\", by = \"dual\", keep = 0.5 }", "after \"filter\": put \"mix\" first"},
        std::pair{"{ op = \"drop_copies\" }", "after \"drop_copies\": put \"mix\" first"},
        std::pair{"{ op = \"resample\", by = \"detector\" }", "after \"resample\": put \"mix\" first"},
        std::pair{"{ op = \"join\", with = [\"self/sampled\"] }", "after \"join\": put \"mix\" first"},
        std::pair{"{ op = \"alternate\", with = [\"self/twice\"] }",
                  "after \"alternate\": put \"mix\" first"},
        std::pair{"{ op = \"mix\", real = 0.2 }", "after \"mix\": give one \"mix\" the whole share"}})
    refuse("[{ op = \"mix\", real = 0.5", fmt::format("[{}, {{ op = \"mix\", real = 0.5", before).c_str(),
           mended);
  for (const char* before : {"{ op = \"repair\" }", "{ op = \"alternate\", with = [\"low/greedy\"] }"})
    EXPECT_NO_THROW(parse_experiment(replaced(good, "[{ op = \"mix\", real = 0.5",
                                              fmt::format("[{}, {{ op = \"mix\", real = 0.5", before)),
                                     "x.toml"));
  refuse("kind = \"agreement\"\nwith = \"low/greedy\"", "kind = \"agreement\"",
         "scorer.second.with is missing");
  refuse("kind = \"consistency\"\ndecoding = \"sampled\"", "kind = \"consistency\"",
         "scorer.consistency.decoding is missing");
  refuse("kind = \"density\"", "kind = \"density\"\ndecoding = \"nonsense\"",
         "scorer.density.decoding: a scorer of kind density does not read it; only consistency");
  refuse("kind = \"confidence\"", "kind = \"confidence\"\nrecipe = \"student\"",
         "scorer.confidence.recipe: a scorer of kind confidence does not read it; only fluency, forward, ");
  refuse("outside.jsonl\"", "outside.jsonl\"\npairs = 5", "generator outside learns from no pairs");
  refuse("outside.jsonl\"", "outside.jsonl\"\ndtype = \"bf16\"", "generator outside computes nothing");
  refuse("[decoding.greedy]", "[decoding.greedy]\ntemperature = 0.7",
         "decoding.greedy.temperature needs sample = true");
  refuse("[decoding.greedy]", "[decoding.greedy]\nlength_penalty = 0.7",
         "decoding.greedy.length_penalty needs a beam above 1");
  refuse("kind = \"oracle\"", "kind = \"oracle\"\nanyway = true",
         "a scorer of kind oracle does not read it; only linear, classifier, states, density");
  refuse("of = [\"confidence\", ", "of = [\"detector\", ",
         "no scorer to learn a quality from \"detector\"; ");
  refuse("of = [\"confidence\", ", "of = [\"oracle\", ", "no scorer to learn a quality from \"oracle\"; ");
  refuse("of = [\"confidence\"", "of = []\n# \"confidence\"",
         "scorer.quality.of: expected the scorers that it learns from");
  refuse("kind = \"density\"", "kind = \"density\"\nof = [\"length\"]",
         "scorer.density.of: a scorer of kind density does not read it; only quality");
  refuse("op = \"resample\", by = \"detector\"", "op = \"resample\", by = \"oracle\"",
         "\"resample\" reads log odds of a human author, and scorer oracle (oracle) gives none: name a "
         "detector");
  refuse("op = \"weigh\", by = \"density\"", "op = \"weigh\", by = \"confidence\"", "name a detector");
  refuse("with = \"low/greedy\"\n[scorer", "with = \"self/oracle\"\n[scorer", "and an oracle chose by them");
  refuse("with = \"low/greedy\"\n[scorer", "with = \"self/twice\"\n[scorer",
         "scorer.second.with: \"self/twice\" are 2 translations of each sentence: name a decoding of one");
  refuse("of = [\"confidence\", ", "of = [\"confidence\", \"confidence\", ",
         "scorer.quality.of: the same value stands there twice");
  refuse("weights = [\"last\", \"best\"]", "judge = [\"last\", \"best\"]", "].judge; known: name, group, ");
  for (const char* weights : {"[]", "[\"best\"]"})
    refuse("targets = \"self/greedy\"\nvolumes",
           fmt::format("targets = \"self/greedy\"\nweights = {}\nvolumes", weights).c_str(),
           "].weights: expected \"last\", by which arms are compared, alone or with \"best\"");
  refuse("weights = \"best\"", "model = \"best\"", "].model; known: id, text, ");
  refuse("targets = \"self/greedy\"\napply = [{ op = \"resample\"",
         "targets = \"self/greedy\"\nvolumes = [1.0, 0.5, 1.0]\napply = [{ op = \"resample\"",
         "volumes: the same value stands there twice");
  refuse("[{ op = \"drop_copies\" }", "[{ op = \"alternate\", with = [] }", "expected the names of targets");
  refuse("better = \"human\"\nworse = \"self, greedy\"", "better = \"human\"\nworse = \"human\"",
         "compares \"human\" with itself");
  refuse("share = 0.25", "share = 1.25", "share: expected a number from");
  refuse(
      "[{ op = \"mix\"", "[{ op = \"weigh\", by = \"density\" }, { op = \"mix\"",
      "\"mix\" would undo the order or the weights that \"weigh\" before it gave the targets: put it first");
  refuse("[{ op = \"drop_copies\" }, { op = \"filter\", by = \"dual\"",
         "[{ op = \"alternate\", with = [\"low/greedy\"] }, { op = \"filter\", by = \"confidence\"",
         "scorer confidence (confidence) judges a generator's own texts, and \"alternate\" before it puts "
         "others in their place: put it first");
  for (const auto& [scattering, op] :
       {std::pair{"{ op = \"order\", by = \"dual\", first = \"worst\" }", "order"},
        std::pair{"{ op = \"join\", with = [\"self/sampled\"] }", "join"},
        std::pair{"{ op = \"resample\", by = \"detector\" }", "resample"},
        std::pair{"{ op = \"alternate\", with = [\"self/twice\"] }", "alternate"},
        std::pair{"{ op = \"mix\", real = 0.1, real_last = true }", "mix"}})
    refuse("[{ op = \"drop_copies\" }", ("[" + std::string(scattering)).c_str(),
           ("in the order of the pool, and after \"" + std::string(op) +
            "\" they no longer are: put \"filter\" first")
               .c_str());
  // The pool has 500 pairs; of a part from 250 on, none is in its first half.
  const auto of_part = [&](const char* operations, const char* part) {
    refuse("[{ op = \"drop_copies\" }", fmt::format("[{}", operations).c_str(), part);
  };
  of_part(
      "{ op = \"part\", first = 500, count = 9 }",
      "\"part\" leaves nothing of the pool, which has data.pool_pairs = 500: the places asked for, counted "
      "from 0, begin at 500 and end before 500");
  of_part(
      "{ op = \"part\", first = 250, count = 9 }, { op = \"subset\", share = 0.5 }",
      "\"subset\" leaves nothing of the pool, which has data.pool_pairs = 500: the places asked for, counted "
      "from 0, begin at 250 and end before 250");
  EXPECT_NO_THROW(parse_experiment(
      replaced(good, "[{ op = \"drop_copies\" }",
               "[{ op = \"part\", first = 249, count = 9 }, { op = \"subset\", share = 0.5 }"),
      "x.toml"));
  refuse(
      "targets = \"self/greedy\"\nvolumes = [0.5, 1.0]",
      "targets = \"self/greedy\"\nvolumes = [0.5, 1.0]\napply = [{ op = \"part\", first = 250, count = 9 }]",
      "volumes: the first 0.5 of the pool holds nothing that \"apply\" leaves, which begins at place 250");
  // A regression on its eight scores.
  refuse("judge_pairs = 300", "judge_pairs = 11",
         "scorer.quality learns from 8 scores, which needs data.judge_pairs of at least 12, not 11");
  expect_error(
      [&] {
        parse_experiment(good +
                             "[[arm]]\nname = \"x\"\ntargets = \"outside\"\napply = [{ op = \"filter\", by = "
                             "\"confidence\", keep = 0.5 }]\n",
                         "x.toml");
      },
      "scorer confidence (confidence) asks the generator that wrote the targets, but no generator trained "
      "here "
      "wrote \"outside\": name a scorer of another kind");
  refuse("better = \"human\"\nworse = \"self/greedy\"", "better = \"low/greedy\"\nworse = \"self/greedy\"",
         "a claim about targets compares generated ones with human ones");
  refuse("outside.jsonl\"", "outside.jsonl\"\nseed = 2",
         "generator outside has nothing to draw: a seed needs a recipe");
  refuse("[{ op = \"repair\"", "[{ op = \"mix\", real = 0.1, real_last = true }, { op = \"repair\"",
         "\"repair\" would undo the order or the weights that \"mix\" before it gave the targets");
  refuse("op = \"repair\"", "op = \"repair\", like = \"self/greedy\"", "unknown key arm[15].apply[0].like");
  refuse("above_human = true", "above_humans = true", "did you mean \"above_human\"?");
  refuse("by = \"dual\", keep", "by = \"duel\", keep", "no scorer \"duel\"; did you mean \"dual\"?");
  refuse("judge_pairs = 300\n", "", "learns from the judge set: set data.judge_pairs");
  refuse("with = \"low/greedy\"\n[scorer", "with = \"human\"\n[scorer", "may see its human targets");
  refuse("targets = \"self/greedy\"\napply = [{ op = \"resample\"",
         "targets = \"human\"\napply = [{ op = \"resample\"",
         "scorer detector (linear) asks the generator that wrote the targets, but no generator trained here "
         "wrote \"human\"");
  refuse("ceiling = \"human\"", "ceiling = \"people\"", "no arm \"people\"");
  refuse("ceiling = \"human\"", "ceiling = \"human\"\nweights = \"best\"",
         "arm \"best half by dual cross-entropy\" is not judged by its best weights: add \"best\" to its "
         "weights");
  refuse("weights = \"best\"", "weights = \"beest\"", "no kind of weights \"beest\"; did you mean \"best\"?");
  refuse("volumes = [0.5, 1.0]", "volumes = [0.5]", "arm \"human\" has no students of the whole pool");
  refuse("weights = \"best\"", "measures = [\"ter\"]", "students are judged by their scores");
  refuse("measures = [\"ter\"]", "weights = \"best\"", "only students have weights");
  refuse("measures = [\"ter\"]", "measures = [\"invented_word\"]",
         "no measure of errors \"invented_word\"; did you mean \"invented_words\"?");
  refuse("\"mtld\"", "\"mtdl\"", "no measure of diversity \"mtdl\"; did you mean \"mtld\"?");
  refuse("\"mtld\"", "\"ter\"", "no measure of diversity \"ter\"");
  refuse("\"mtld\"", "\"tokens\"", "tokens is neither better higher nor better lower");
  refuse("[\"ter\"]", "[\"length_ratio\"]", "length_ratio is neither better higher nor better lower");
  refuse("[\"ter\"]", "[\"ter\", \"ter\"]", "measures: the same value stands there twice");
  refuse("worse = \"self/greedy\"\nmeasures = [\"expected", "worse = \"self/twice\"\nmeasures = [\"expected",
         "\"self/twice\" are 2 translations of each sentence, and the diversity of so much text");
  refuse("worse = \"self/greedy\"\nmeasures", "worse = \"low/sampled\"\nmeasures",
         "no arm learns from \"low/sampled\"");
  refuse("arm = \"human\"\nbleu", "bleu", "gate.arm is missing");
  refuse("claim = \"C1\"", "claim = \"C5\"", "no claim about students \"C5\"; ");
  refuse("claim = \"C1\"\n", "", "gate.half_width is of the interval of a claim: name one as gate.claim");
  refuse("targets = \"none\"\nfrom = \"self\"", "targets = \"none\"",
         "\"none\" judges a generator as it is: give `from`");
  refuse("targets = \"human\"\nfrom = \"self\"", "targets = \"human\"\nfrom = \"outside\"",
         "no generator trained here \"outside\"; ");
  refuse("targets = \"human\"\nfrom = \"self\"",
         "targets = \"human\"\nfrom = \"self\"\nstudent = \"encoder-decoder\"",
         "generator self has model.kind = \"gpt\", recipe encoder-decoder has \"encoder_decoder\"; only a "
         "model of the "
         "same shape");
  refuse("[recipe.student.train]", "[recipe.student.train]\nfrom = \"x\"",
         ": recipe.student.train.from is set by the experiment itself");
  refuse("keep = true", "keeps = true", "unknown key chain[1].keeps; did you mean \"keep\"?");
  refuse("generations = 2\ndecoding", "generations = 3\ndecoding",
         "give them the same number of generations");
  refuse("detector = \"tried\"", "detector = \"oracle\"", "no detector \"oracle\"");
  refuse("name = \"replace\"", "name = \"re/place\"", "must not contain \"/\"");
  refuse("[experiment]", "[experiment", "x.toml:2: Error while parsing table header: expected ']'");
}

// A claim without measures has those of C4 and C5 in laptop.toml.
TEST(ExperimentConfig, AClaimWithoutMeasuresHasTheStandardOnes) {
  const auto measures = [](const std::string& text) {
    std::map<std::string, std::set<std::string>> out;
    for (const Claim& c : parse_experiment(text, "x.toml").claims)
      if (c.kind != "students") out[c.id] = {c.measures.begin(), c.measures.end()};
    return out;
  };
  const std::string laptop = slurp("data/configs/experiments/laptop.toml");
  const auto named = measures(laptop);
  EXPECT_EQ(named.at("C4").size(), 6u);
  EXPECT_EQ(named.at("C5").size(), 7u);
  EXPECT_EQ(measures(replaced(replaced(laptop, "measures = [\"ter\"", "# [\"ter\""),
                              "measures = [\"expected_types\"", "# [\"expected_types\"")),
            named);
}
// By hand: a p of B replicates is at least 2 / (B + 1), and .05 is reached by 40 m of them for m comparisons.
TEST(ExperimentConfig, SaysWhichClaimsNothingCanDecide) {
  const ExperimentConfig smoke = read_experiment("data/configs/experiments/smoke.toml");  // C1, C6; C3 later
  const auto said = [&](int64_t replicates) {
    ExperimentConfig c = smoke;
    c.bootstrap = replicates;
    return fmt::format("{}", fmt::join(undecidable(c), "|"));
  };
  EXPECT_EQ(comparisons(smoke, "students", false), 2u);
  EXPECT_EQ(comparisons(smoke, "students", true), 3u);
  EXPECT_EQ(comparisons(smoke, "diversity", true), 3u);
  EXPECT_EQ(said(120), "");
  EXPECT_EQ(
      said(119),
      "Claims about students that were chosen later stay undecided whatever the results: 3 "
      "comparisons are corrected for together, which needs experiment.bootstrap of at least 120, not 119.");
  EXPECT_EQ(said(79),
            "Claims about students stay undecided whatever the results: 2 comparisons are corrected for "
            "together, which needs experiment.bootstrap of at least 80, not 79.");
  ExperimentConfig many = smoke;
  many.bootstrap = 2000;
  Claim diversity;
  diversity.kind = "diversity", diversity.measures.assign(47, "mtld");
  many.waiting = {diversity};  // 50 / 1001 is below .05, 51 / 1001 is not
  EXPECT_TRUE(undecidable(many).empty());
  many.waiting[0].measures.push_back("mtld");
  ASSERT_EQ(undecidable(many).size(), 1u);
  EXPECT_TRUE(undecidable(many)[0].starts_with("Claims about diversity stay undecided"))
      << undecidable(many)[0];
}
std::set<std::string> known(const std::string& wrong_config) {  // what the refusal of an unknown name lists
  const std::string said = error_of([&] { parse_experiment(wrong_config, "x.toml"); }), mark = "; known: ";
  std::set<std::string> out;
  std::istringstream list(said.substr(said.find(mark) + mark.size()));
  for (std::string name; std::getline(list >> std::ws, name, ',');) out.insert(name);
  return out;
}
TEST(ExperimentConfig, SmokeCoversEveryOperationScorerAndWayToChoose) {
  const std::string text = slurp("data/configs/experiments/smoke.toml");
  const ExperimentConfig c = parse_experiment(text, "smoke.toml");
  std::set<std::string> operations, scorers, ways;
  for (const Arm& a : c.arms)
    for (const AppliedOperation& o : a.apply) {
      operations.insert(o.op);
      for (const auto& [_, scorer] : o.scores) scorers.insert(c.scorers.at(scorer).kind);
    }
  for (const auto& [_, r] : c.rerankings) ways.insert(r.how);
  EXPECT_EQ(operations, known(replaced(text, "op = \"mix\"", "op = \"xxxxxxxxx\"")));
  EXPECT_EQ(scorers, known(replaced(text, "kind = \"fluency\"", "kind = \"xxxxxxxxx\"")));
  EXPECT_EQ(ways, known(replaced(text, "choose = \"mbr\"", "choose = \"xxxxxxxxx\"")));
  EXPECT_TRUE(operations.contains("mix") && scorers.contains("fluency") && ways.contains("mbr"));
}
}  // namespace
}  // namespace rum::experiment_config_test
