// `ruminate detect plan`: a plan for training (data/plan.h) in the order of resemblance to human text,
// filtered or weighted by it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/output.h"
#include "base/say.h"
#include "data/corpus.h"
#include "data/plan.h"
#include "detect/calibrate.h"
#include "detect/folds.h"
#include "edits/order.h"
#include "edits/weigh.h"
#include "text/unicode.h"
#include "tools/commands/detect.h"

namespace rum::detect_plan_command {
using namespace detect;
namespace {
struct PlanFlags {
  std::string detector, pool, human, provenance, output, order = "human-first";
  double keep = 1, exponent = 0;
  int64_t bins = 1;
  bool anyway = false;
};
std::vector<Text> texts_of(const Corpus& corpus, const std::string& path, Author author) {
  std::vector<Text> out;
  const auto file = std::make_shared<const std::string>(rum::shown(path));
  for (size_t i = 0; i < corpus.texts.size(); ++i)
    out.push_back({.id = std::to_string(corpus.lines[i]),
                   .source = corpus.texts[i].source,
                   .target = corpus.texts[i].target,
                   .author = author,
                   .file = file,
                   .line = corpus.lines[i]});
  return out;
}
// Who wrote each text of the pool, by the JSON lines that it was made from.
void add_provenance(std::vector<Text>& pool, const std::string& path, const std::string& pool_path) {
  Texts written;
  read_texts({path}, written);
  std::map<std::pair<std::string, std::string>, const Text*> by_pair;
  for (const Text& t : written.texts) by_pair.emplace(std::pair{nfc(t.source), nfc(t.target)}, &t);
  for (Text& t : pool) {
    const auto at = by_pair.find({t.source, t.target});
    if (at == by_pair.end())
      throw FileError(
          fmt::format("{}: line {} is not among the texts of {}; expected the JSON lines that the "
                      "pool was made from",
                      pool_path, t.id, path));
    t.generator = at->second->generator;
    t.decoding = at->second->decoding;
    t.checkpoint = at->second->checkpoint;
  }
}
struct Scored : MarkedScores {  // the pool
  std::vector<size_t> at;       // each one's place in it: the others cannot be judged
  std::vector<double> log_odds;
  std::optional<HeldOut> held_out;
};
// What is judged, and by what, with the files as detectors record them: read as they were to fit one, their
// hashes are of lines, whatever ends them.
Texts read_again(std::vector<Text> texts, uint64_t corpus, const PlanFlags& o) {
  Texts files;
  files.corpora.emplace_back(o.pool, corpus);
  for (const std::string& path : {o.pool, o.human})  // what is read only once has one hash
    if (!path.empty() && path != "-" && !is_device(path)) read_texts({path}, files);
  if (!o.provenance.empty()) read_texts({o.provenance}, files);
  files.texts = std::move(texts);
  return files;
}
Scored by_file(const std::vector<Text>& pool, uint64_t corpus, const PlanFlags& o) {
  const auto detector = load(o.detector);
  refuse_seen(*detector, o.detector, read_again(pool, corpus, o),
              "what it has memorised says nothing; --human FILE fits detectors that do not see what they "
              "judge");
  const Judged judged = judge(*detector, pool, "is left out");
  if (judged.unfit > 0) say("{}: {} of {} pairs are left out", o.pool, judged.unfit, pool.size());
  Scored out{{}, {}, {}, detector->origin.held_out};
  for (size_t i = 0; i < pool.size(); ++i) {
    if (std::isnan(judged.scores[i])) continue;
    out.at.push_back(i);
    out.scores.push_back(judged.scores[i]);
    out.white_box.push_back(judged.white_box[i]);
    if (const auto x = log_odds(detector->calibration, judged.scores[i])) out.log_odds.push_back(*x);
  }
  RUM_CHECK(!out.at.empty(), "{}: the detector can judge none of its pairs", o.pool);
  return out;
}
// No text is scored by a detector that saw its source. The pool comes first.
Scored by_folds(const DetectRecipe& recipe, const std::vector<Text>& all, size_t pool) {
  const auto [scores, own] =
      cross_fit(recipe.kind, all, recipe.parsed(), recipe.folds, static_cast<uint32_t>(recipe.seed));
  const Platt curve = fit_rising_platt(by_author(all, scores));
  const auto ours = static_cast<int64_t>(pool);
  Scored out{{{scores.begin(), scores.begin() + ours}, {own.begin(), own.begin() + ours}},
             std::vector<size_t>(pool),
             {},
             held_out(all, scores, recipe.folds)};
  std::iota(out.at.begin(), out.at.end(), size_t{0});
  for (const double s : out.scores) out.log_odds.push_back(curve.log_odds(s));
  return out;
}
// Those of `kept`, in the order in which a run without a plan would read the pool.
std::vector<int64_t> shuffled(const std::vector<int64_t>& kept, size_t pool, uint64_t corpus, uint32_t seed) {
  std::vector<bool> has(pool);
  for (const int64_t i : kept) has[static_cast<size_t>(i)] = true;
  const auto all = static_cast<int64_t>(pool);
  std::vector<int64_t> out;
  for (const PlanRow& row : shuffled_plan({&all, 1}, {&corpus, 1}, seed).rows)
    if (has[static_cast<size_t>(row.example)]) out.push_back(row.example);
  return out;
}
Plan plan_of(const Scored& scored, const Corpus& pool, const PlanFlags& o, uint32_t seed) {
  std::vector<double> human_like;  // best_first() puts the highest first
  for (const double s : scored.scores) human_like.push_back(-s);
  std::vector<Pair> judged;
  for (const size_t i : scored.at) judged.push_back(pool.texts[i]);
  const std::vector<int64_t> lengths = edits::source_lengths(judged),
                             ranked =
                                 edits::best_first(human_like, lengths, edits::length_edges(lengths, o.bins));
  std::vector<int64_t> order;  // of places in the pool
  for (const int64_t k : edits::top(ranked, o.keep))
    order.push_back(static_cast<int64_t>(scored.at[static_cast<size_t>(k)]));
  if (o.order == "human-last") std::reverse(order.begin(), order.end());
  if (o.order == "shuffled") order = shuffled(order, pool.texts.size(), pool.hash, seed);
  std::vector<double> scores(pool.texts.size()), weights(pool.texts.size(), 1.0);
  for (size_t k = 0; k < scored.at.size(); ++k) scores[scored.at[k]] = scored.scores[k];
  if (o.exponent > 0) {
    RUM_CHECK(scored.log_odds.size() == scored.at.size(),
              "weights need probabilities, and this detector has no calibration curve: fit it again");
    const auto each = edits::resampling_weights(scored.log_odds, 1, o.exponent);
    for (size_t k = 0; k < scored.at.size(); ++k) weights[scored.at[k]] = each[k];
    double sum = 0;
    for (const int64_t i : order) sum += weights[static_cast<size_t>(i)];
    for (double& w : weights) w *= static_cast<double>(order.size()) / sum;  // mean 1
  }
  Plan plan{{}, {pool.hash}, o.order == "shuffled"};
  if (plan.reshuffle) plan.seed = seed;
  for (const int64_t i : order) {
    const auto at = static_cast<size_t>(i);
    plan.rows.push_back(
        {static_cast<int32_t>(i), 0, static_cast<float>(scores[at]), static_cast<float>(weights[at])});
  }
  return plan;
}

int run(int argc, char** argv) {
  PlanFlags o;
  DetectRecipe recipe;
  Flags flags(
      "detect plan",
      "Orders, filters or weights generated pairs by how human they look, and writes the result as a plan "
      "for training (data.plan). Give either a detector, or human translations of the same sources: then "
      "no pair is judged by a detector that saw its source.");
  recipe.declare(flags, "the split into folds, and of the shuffled order");
  flags.add("--pool", o.pool, "the generated pairs, source<TAB>target", true)
      .add("--detector", o.detector, "a detector that was not fitted on them")
      .add("--human", o.human, "human pairs, source<TAB>target, to fit detectors on together with these")
      .add("--provenance", o.provenance,
           "the JSON lines (`ruminate translate --jsonl`) that they were made from, which say who wrote them")
      .choice("--order", o.order, "which pairs come first; shuffled: as --seed has it, anew in each epoch",
              {"human-first", "human-last", "shuffled"})
      .add("--keep", o.keep, "share of the pairs to keep, the most human-like ones")
      .add("--exponent", o.exponent, "weight each pair by (1 - probability)^EXPONENT; 0: equal weights")
      .add("--bins", o.bins,
           "rank within this many bins of source length, in words, or characters where there are no spaces",
           1, 1000)
      .add("--anyway", o.anyway, "order even by a detector that is no better than chance")
      .add("--output,-o", o.output, "where to write the plan", true)
      .footer(DetectRecipe::kinds() +
              "\nExample:\n  ruminate detect plan --pool generated.tsv --human judge.tsv --keep 0.5 -o "
              "plan.tsv\n");
  if (const auto status = flags.parse(argc, argv)) return *status;
  RUM_CHECK(o.detector.empty() != o.human.empty(), "expected either --detector FILE or --human FILE");
  RUM_CHECK(o.detector.empty() || !flags.given("--seed") || o.order == "shuffled",
            "--seed is for --order shuffled and for detectors that are fitted here, with --human");
  for (const char* flag : {"--kind", "--option", "--folds"})
    RUM_CHECK(o.detector.empty() || !flags.given(flag),
              "{} is for detectors that are fitted here, with --human; --detector is one already", flag);
  RUM_CHECK(o.keep > 0 && o.keep <= 1, "--keep {}: expected a share, more than 0 and at most 1", o.keep);
  RUM_CHECK(o.exponent >= 0, "--exponent {}: expected at least 0", o.exponent);
  std::vector<std::string> read = recipe.files();
  read.insert(read.end(), {o.pool, o.detector, o.human, o.provenance});
  check_output(o.output, read);
  OutputFile written(o.output);
  const Corpus corpus = read_corpus(o.pool, CorpusKind::pairs);
  std::vector<Text> pool = texts_of(corpus, o.pool, Author::machine);
  if (!o.provenance.empty()) add_provenance(pool, o.provenance, o.pool);
  Scored scored;
  if (o.human.empty()) {
    scored = by_file(pool, corpus.hash, o);
  } else {
    const std::vector<Text> human = texts_of(read_corpus(o.human, CorpusKind::pairs), o.human, Author::human);
    std::vector<Text> all = pool;
    all.insert(all.end(), human.begin(), human.end());
    if (recipe.kind == "combine") refuse_seen_by_members(recipe, read_again(all, corpus.hash, o));
    scored = by_folds(recipe, all, pool.size());
  }
  if (const auto why = why_white_box(scored.white_box))
    fail(fmt::format("this detector never orders this corpus: {}; order by a detector that asks other models",
                     *why));
  if (const auto why = why_not_order(scored.held_out)) {
    RUM_CHECK(o.anyway, "this detector may not order a corpus: {}; --anyway overrides this", *why);
    say("warning: {}", *why);
  }
  const Plan plan = plan_of(scored, corpus, o, static_cast<uint32_t>(recipe.seed));
  written.write(plan_text(plan));
  written.finish();
  const auto without =
      std::count_if(plan.rows.begin(), plan.rows.end(), [](const PlanRow& row) { return row.weight == 0; });
  put(beside_output(o.output),
      fmt::format(
          "{} of {} pairs, {}{}\n", plan.rows.size(), pool.size(), o.order,
          without == 0 ? "" : fmt::format("; {} of them have weight 0 and will be left out", without)));
  return 0;
}
const DetectVerb verb{{"plan", "plan training by how human each pair looks", run}};
}  // namespace
}  // namespace rum::detect_plan_command
