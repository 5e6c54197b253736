// The results of an experiment's finished stages: scores of every arm, differences to the arm of human
// targets, verdicts on the claims, the gate of the scale. report.h and result_files.h only display them.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "experiment/arms.h"
#include "experiment/gap.h"
#include "experiment/ranking.h"
#include "experiment/statistics.h"
#include "experiment/training_curve.h"
#include "pipeline/store.h"

namespace rum::experiment {
// The scores of students. NLL: mean natural -log p per token of the human target.
inline constexpr std::array<const char*, 3> kScores{"BLEU", "chrF", "NLL"};
inline constexpr std::array<bool, kScores.size()> kHigherIsBetter{true, true, false};
using ByScore = std::array<Effect, kScores.size()>;

struct ArmResult {
  const Arm* arm = nullptr;
  double volume = 1;
  std::string weights;  // last, best
  // How many pairs each generator that wrote for it learned from, where it was trained here; equal numbers once.
  std::vector<int64_t> seed_pairs;
  // Pairs that the student saw, and those of them that differ: less where some are drawn several times.
  // On average over seeds.
  int64_t pool_pairs = 0, different_pairs = 0;
  std::array<SeedRows, kScores.size()> rows;
  std::array<Bootstrap, kScores.size()> replicates;
  ByScore scores;
  std::string against;  // name of the arm of human targets that it is compared with; empty: none is like it
  ByScore to_real;      // differences to that
  // p of that difference by approximate randomisation.
  std::array<double, kScores.size()> randomised{1, 1, 1};
  double steps = 0, seconds = 0, epochs = 0;  // per student, on average
  int64_t parameters = 0;                     // of the first student
  std::vector<TrainingCurve> curves;          // by seed
  std::string name() const;                   // with volume and weights unless they are the defaults
};
// A measure of targets and of the human ones, over seeds.
struct MeasureResult {
  std::string measure;
  std::vector<double> values, human;  // by seed; human is the same in each
  std::vector<double> p;              // for floor and diversity: by swapping lines, by seed
  // For errors: what each is a share of, by seed; human: of the second person's.
  std::vector<double> chances{}, human_chances{};
  bool few_chances() const;  // at some seed below kFewChances, so that a change in percent says nothing
};
struct TargetsResult {
  std::string name;
  // At the first seed: pairs compared, and those of them with two human translations.
  int64_t pairs = 0, doubled = 0;
  std::vector<MeasureResult> errors;  // against the human target of the same sentence
  std::vector<MeasureResult> floor;   // against the second human translation, where the pool has one
  std::vector<MeasureResult> diversity;
  struct Note {
    int64_t seed;
    std::string operation, says;
  };
  std::vector<Note> notes;  // what operations reached
};
struct ClaimResult {
  const Claim* claim = nullptr;
  struct Row {
    std::string by;  // a score or a measure
    // Students: worse, better, or the two differences of a claim with minus_with, its own last; targets:
    // human, generated. Means over seeds.
    double from = 0, to = 0;
    Effect difference;  // to - from, in the measure's unit; of targets better - worse
    // p-values: of the other test, NaN where there is none; of the bootstrap (or permutation) after Holm.
    double randomised = 1, corrected = 1;
    Verdict verdict = Verdict::undecided;
    std::optional<GapClosed> gap{};  // if the claim names a ceiling
    bool few_chances = false;        // of errors: see MeasureResult
  };
  std::vector<Row> rows;
};
struct TranslationSample {  // a test sentence as the students of seed 1 translate it
  int64_t id = 0;
  std::string source, reference;
  std::vector<std::pair<std::string, std::string>> translations;  // by arm
};
struct SetFacts {  // of one of the disjoint sets
  std::string name;
  int64_t pairs = 0, longest = 0;             // words of the longest source
  double source_words = 0, target_words = 0;  // per pair, on average
};
struct ExperimentResults {
  const ExperimentConfig* config = nullptr;
  std::vector<std::pair<std::string, std::string>> files;  // of the corpus: folder and name, hash
  std::vector<SetFacts> sets;
  int64_t students = 0;                           // trained ones
  int64_t test_sentences = 0, test_repeated = 0;  // repeated: pairs that repeat an earlier one
  std::vector<ArmResult> arms;
  std::vector<TargetsResult> targets;
  std::vector<RankingResult> rankings;
  std::vector<DetectorResult> detectors, tried;  // tried: those that order nothing
  std::vector<ClaimResult> claims;
  struct GateResult {
    double bleu = 0, half_width = 0;
    bool met = false;
  };
  std::optional<GateResult> gate;
  std::vector<TranslationSample> samples;
  struct Cost {
    std::string kind;
    int64_t stages = 0;
    double seconds = 0;
  };
  std::vector<Cost> costs;
  std::vector<std::string> builds;  // of the program that made the stages
  std::string made;                 // the day of the report
  // Of BLEU and chrF, as sacreBLEU prints them; with NLL there is nothing to choose.
  std::vector<std::pair<std::string, std::string>> signatures;
  // Sources that were translated, and translations of them that end where the generator's context does.
  int64_t generated = 0, unfinished = 0;
  // The text of a model that was run elsewhere, from its file.
  struct Outside {
    std::string name, hash;                             // of the file
    std::string from;                                   // who wrote it and how; empty: the file does not say
    int64_t sources = 0, left_out = 0, unfinished = 0;  // left out: they have no target
  };
  std::vector<Outside> outside;
  // Targets that are one text for all seeds: from outside, or of a given model that does not sample.
  std::vector<std::string> one_text;
  std::string bleu_tokenizer;  // metrics/tokenize.h
};
// Comparisons that Holm's correction counts together, whether their arms are made yet or not: of claims about
// students by one score, of the other kinds by all their measures. chosen_later: with claims that were chosen
// after looking; those are corrected over all, but do not count against the others.
size_t comparisons(const ExperimentConfig&, const std::string& kind, bool chosen_later);
// A sentence for each kind of claims that must stay undecided, whatever the results, because the smallest p
// that its resampling can give is too large for so many comparisons.
std::vector<std::string> undecidable(const ExperimentConfig&);
// Error if stages are missing: how many, and the command that makes them.
ExperimentResults gather(const ExperimentConfig&, const ExperimentGraph&, const Store&);
}  // namespace rum::experiment
