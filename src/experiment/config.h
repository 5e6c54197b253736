// The description of an experiment: one TOML file of corpora, recipes, generators, decodings, arms and claims.
// data/configs/experiments/ has one for each scale. The README's glossary explains these words.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "generate/instruction.h"
#include "run/config.h"
#include "run/decoding.h"
#include "text/toml.h"

namespace rum::experiment {
// Generators learn from the seed set and translate the pool; students learn from the pool with one choice of
// targets, an arm. All sets are disjoint on both sides.
struct ExperimentData {
  std::string train, valid, test;            // source<TAB>target files
  std::string source = "de", target = "en";  // their languages (`languages`), of those of metrics/critical.h
  int64_t seed_pairs = 0;                    // first in `train`: the seed set
  int64_t pool_pairs = 0;                    // in `train` after the seed set
  // In `train` after the pool: whatever ranks the pool learns only from these.
  int64_t judge_pairs = 0;
  int64_t valid_pairs = 0, test_pairs = 0;  // first in `valid` and `test`; 0: all
};
// A model whose translations of the pool are targets.
struct Generator {
  std::string name;
  std::string recipe;         // trained here on the first `pairs` of the seed set
  int64_t pairs = 0;          // 0: all of it
  int64_t seed = 0;           // generators that differ in it alone have other initial weights and orders
  bool judge_set = false;     // and on the judge set: a control for remedies that learn from that
  std::string file;           // or: an external model's translations of the pool (TSV or JSON lines)
  std::string model;          // or: a run folder, such as `ruminate import` makes
  Instruction told;           // that model's prompt, if it is a plain-text model
  std::string dtype = "f32";  // the type of its matrix products in translation: f32, bf16 or int8
  // Or the student of an arm in a chain: it translates `count` sources of the pool from `first` on;
  // `generation` is that of its text.
  std::string arm;
  int64_t first = 0, count = 0, generation = 1;
};
// A decoding that keeps one of several translations of each source (generate/choose.h): "mbr", minimum Bayes
// risk; "channel", a noisy channel of models trained on the judge set, with weights fitted on the validation
// set; "oracle", the one closest to the human target, a ceiling and not a remedy.
struct Reranking {
  std::string how;
  std::vector<std::string> of;  // decodings whose translations are the candidates
  int64_t best_of = 16;         // draws from each of these that samples
  // For mbr, oracle and the fit of the channel's weights: as in best_by_mbr.
  std::string utility = "chrf1";
};
// What the name of targets says: GENERATOR/DECODING; "human" or an external model's name has no decoding.
struct TargetsName {
  std::string generator, decoding;
  explicit TargetsName(const std::string& name);
};
// A score of generated pairs by which operations order, filter or weigh them. Its models are trained only on
// the judge set, but a detector that reads states reads those of a model trained on the seed set.
struct Scorer {
  std::string name, kind;  // a ScorerKind's
  std::string recipe;      // of the models that it trains; empty: the students', or a classifier's default
  std::string with;        // agreement: the second generator's targets
  std::string decoding;    // consistency: how the generator samples
  int64_t draws = 8;       // consistency
  std::vector<std::string> of;  // quality: the scorers whose scores its regression is fitted on
  bool anyway = false;          // detectors: even if the held-out AUROC is not above .5 by its error
};
// An operation as an arm applies it, such as {op = "mix", real = 0.25} (edits/operation.h).
struct AppliedOperation {
  std::string op;
  Json::Object parameters;
  std::vector<std::pair<std::string, std::string>> targets;  // key and the targets that it names
  std::vector<std::pair<std::string, std::string>> scores;   // key and the scorer that it names
};
// One choice of targets for the pool, and the students that learn from it.
struct Arm {
  std::string name, group;
  std::string targets;                       // "human", GENERATOR/DECODING, or "none": `from` as it is
  std::string from;                          // generator from whose weights its students start; empty: random
  std::vector<AppliedOperation> apply;       // in order
  std::vector<double> volumes{1};            // shares of the pool; target tokens in proportion
  bool equal_steps = false;                  // instead: the steps of the whole pool at every volume
  std::string student;                       // recipe of its students; empty: that of the experiment
  std::vector<std::string> weights{"last"};  // those that are judged: last, and best (on validation) if named
  std::string chain;                         // the chain that it belongs to
  int64_t generation = 0;                    // generation of the text that it learns from; 0: human
  std::string joined;                        // an arm whose targets are added to its own
  // Scorer that measures how well its targets can be told from human ones.
  std::string detector;
};
// A sentence about two arms, or two sets of targets, that the results confirm, refute or leave open.
struct Claim {
  std::string id, text;       // "C1", "real beats regurgitated"
  std::string kind;           // students: scores of two arms; errors, diversity: measures of two targets
  std::string better, worse;  // arms, or targets; the claim is that `better` is better
  std::string ceiling;        // an arm: what share of the gap from `worse` to it does `better` close?
  std::string weights = "last";
  std::vector<std::string>
      measures;               // of errors or diversity (measures.h); none in the file: the standard ones
  bool chosen_later = false;  // after looking at results
  // Further pairs of arms, better and worse: then the claim is about the mean of the differences. Over the
  // sizes of a growing set that is how far one curve lies above the other.
  std::vector<std::pair<std::string, std::string>> mean_with{};
  // Or one other pair, better and worse, empty if there is none: then the claim is about the difference
  // between `better` and `worse` minus that of this pair, how much more is gained there.
  std::pair<std::string, std::string> minus_with{};
};
struct Gate {  // of the scale: if not met, the sizes are wrong, not the claims
  std::string arm, claim;
  double bleu = 0, half_width = 1.5;
};
struct ExperimentConfig {
  std::string folder, title;
  std::string report;  // folder of its tables and pages, if configs share stages; else `folder`
  int64_t seeds = 3, jobs = 1;
  ExperimentData data;
  std::map<std::string, RunConfig> recipes;
  std::string student;  // the recipe of students
  std::vector<Generator> generators;
  std::map<std::string, Decoding> decodings;    // `best` is the number of draws of each source
  std::map<std::string, Reranking> rerankings;  // in one name space with the decodings
  std::map<std::string, Scorer> scorers;
  Decoding test_decoding{.beam = 1, .max_ratio = 2};  // how students translate the test set
  std::vector<Arm> arms;
  std::vector<Arm> defined;  // all arms of the file: those that run may build on others
  std::vector<Claim> claims;
  std::vector<Claim> waiting;  // whose arms are left out (subset.h); the correction counts them all the same
  Gate gate;
  int64_t bootstrap = 2000;  // replicates
  std::string text;          // the file's text, for the record
};
const std::string& recipe_of(const ExperimentConfig&, const Arm&);  // of its students
// The weights by which a claim judges the students of an arm: its own, or the last where the arm lacks those.
std::string weights_of(const ExperimentConfig&, const Claim&, const std::string& arm);
// FileError: file, line, key, what was expected, what was found; unknown keys and names with a suggestion.
ExperimentConfig parse_experiment(std::string_view toml, const std::string& name);
ExperimentConfig read_experiment(const std::string& path);
// Whose text an arm's students learn from, after the operations that put other texts in the place of its
// targets.
struct Writers {
  std::string text;                  // "human"; "self/greedy, 25 % human"; "human, inject"
  std::vector<std::string> targets;  // the names of all that are in it: "self/greedy", "human"
};
Writers writers_of(const Arm&);
// Were targets of this name chosen by their likeness to the human ones?
bool chosen_by_oracle(const ExperimentConfig&, const std::string& targets);
}  // namespace rum::experiment
