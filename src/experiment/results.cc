#include "experiment/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "data/corpus.h"
#include "edits/targets.h"
#include "experiment/measures.h"
#include "metrics/bleu.h"
#include "run/folder.h"
#include "text/reader.h"
#include "text/words.h"

namespace rum::experiment {
namespace {
double number(const Json& j, const char* key, double otherwise = NAN) {
  double v = otherwise;
  if (const Json* x = j.find(key)) x->number(v);
  return v;
}
struct Evaluated {  // the contents of a test.jsonl
  std::vector<std::string> translations;
  metrics::Rows nll;
};
Evaluated read_evaluated(const std::string& path, size_t sentences) {
  Evaluated out{{}, {2, {}}};
  LineReader reader(path);
  for (std::string_view line; reader.next(line);) {
    const Json j = parse_json(line, fmt::format("{}: line {}", path, reader.line()));
    const Json* translation = j.find("translation");
    if (translation == nullptr || translation->text() == nullptr)
      throw FileError(fmt::format("{}: line {}: no \"translation\"", path, reader.line()));
    out.translations.push_back(*translation->text());
    out.nll.values.push_back(number(j, "nll"));
    out.nll.values.push_back(number(j, "tokens"));
  }
  if (out.translations.size() != sentences)
    throw FileError(
        fmt::format("{}: {} translations of {} sentences", path, out.translations.size(), sentences));
  return out;
}
int64_t parameters(const std::string& run_folder) {
  int64_t out = 0;
  const SafetensorsFile model(RunFolder(run_folder).model());
  for (const StoredTensor& t : model.tensors()) out += t.shape.size();
  return out;
}
Json read_json(const std::string& path) { return parse_json(Disk::real().read(path), path); }

class Gatherer {
 public:
  Gatherer(const ExperimentConfig& c, const ExperimentGraph& g, const Store& s)
      : config_(c),
        graph_(g),
        store_(s),
        test_(read_corpus(s.folder(g.split) + "/test.tsv", CorpusKind::pairs).texts),
        metrics_{nullptr, metrics::make_metric("chrf")} {
    out_.bleu_tokenizer = metrics::fitting_tokenizer(edits::sides(test_, &Pair::target));
    metrics_[0] = metrics::make_metric("bleu", {{"tokenize", out_.bleu_tokenizer}});
    metrics::Reference reference;
    for (const Pair& t : test_) reference.emplace_back(t.target);
    references_.push_back(std::move(reference));
    for (const auto& m : metrics_) out_.signatures.emplace_back(m->name(), metrics::signature(*m));
    resampling_.replicates = static_cast<int>(c.bootstrap);
    scores_ = {[this](std::span<const double> sum) { return metrics_[0]->score(sum); },
               [this](std::span<const double> sum) { return metrics_[1]->score(sum); },
               [](std::span<const double> sum) { return sum[0] / sum[1]; }};
  }
  ExperimentResults run() {
    out_.config = &config_;
    out_.students = trained_students(graph_);
    out_.test_sentences = static_cast<int64_t>(test_.size());
    std::set<std::pair<std::string_view, std::string_view>> different;
    for (const Pair& t : test_) different.emplace(t.source, t.target);
    out_.test_repeated = out_.test_sentences - std::ssize(different);
    corpus();
    arms();
    differences();
    targets();
    claims();
    gate();
    samples();
    costs();
    generated();
    out_.rankings = rankings(graph_, store_);
    out_.detectors = detectors(graph_, graph_.scored, store_);
    out_.tried = detectors(graph_, graph_.tried, store_);
    return std::move(out_);
  }

 private:
  // ---- corpus
  void corpus() {
    const Stage& split = graph_.graph.at(graph_.split);
    for (const auto& [key, path] :
         {std::pair{"train", &config_.data.train}, std::pair{"valid", &config_.data.valid},
          std::pair{"test", &config_.data.test}}) {
      const std::filesystem::path p = *path;
      out_.files.emplace_back((p.parent_path().filename() / p.filename()).string(),
                              JsonFields(split.parameters, split.label).text(key));
    }
    for (const char* set : {"seed", "pool", "judge", "valid", "test"}) {
      SetFacts facts{set, 0, 0, 0, 0};
      if (facts.name == "judge" && config_.data.judge_pairs == 0) continue;
      int64_t source = 0, target = 0;
      const std::string file = fmt::format("{}/{}.tsv", store_.folder(graph_.split), set);
      for (const Pair& p : read_corpus(file, CorpusKind::pairs).texts) {
        const auto length = static_cast<int64_t>(split_at_blanks(p.source).size());
        ++facts.pairs;
        facts.longest = std::max(facts.longest, length);
        source += length;
        target += static_cast<int64_t>(split_at_blanks(p.target).size());
      }
      facts.source_words = static_cast<double>(source) / static_cast<double>(facts.pairs);
      facts.target_words = static_cast<double>(target) / static_cast<double>(facts.pairs);
      out_.sets.push_back(facts);
    }
  }

  // ---- students
  void arms() {
    for (const StudentRun& run : graph_.students)
      for (const char* weights : {"last", "best"}) {
        const auto evaluated = run.evaluated.find(weights);
        if (evaluated == run.evaluated.end()) continue;
        ArmResult& arm = arm_of(run, weights);
        const Evaluated j = read_evaluated(store_.folder(evaluated->second) + "/test.jsonl", test_.size());
        translations_.emplace(std::pair{arm.name(), run.seed}, j.translations);
        for (size_t m = 0; m < metrics_.size(); ++m)
          arm.rows[m].push_back(count(*metrics_[m], j.translations, references_));
        arm.rows[2].push_back(j.nll);
        const auto n = static_cast<double>(arm.rows[0].size());
        const Json facts = store_.facts(run.student);
        arm.seconds += (number(facts, "seconds", 0) - arm.seconds) / n;
        const Json trained = read_json(store_.folder(run.student) + "/run/results.json");
        arm.steps += (number(trained, "step", 0) - arm.steps) / n;
        if (arm.parameters == 0) arm.parameters = parameters(store_.folder(run.student) + "/run");
        arm.curves.push_back(read_training(store_.folder(run.student) + "/run"));
        arm.epochs += (arm.curves.back().epochs - arm.epochs) / n;
        count_pairs(arm, run);
      }
    for (ArmResult& arm : out_.arms) {
      for (int64_t* pairs : {&arm.pool_pairs, &arm.different_pairs})
        *pairs = std::llround(static_cast<double>(*pairs) / static_cast<double>(arm.rows[0].size()));
      for (size_t m = 0; m < kScores.size(); ++m) {
        arm.replicates[m] = bootstrap(scores_[m], arm.rows[m], resampling_);
        arm.scores[m] = effect(arm.replicates[m]);
      }
    }
  }
  void count_pairs(ArmResult& arm, const StudentRun& run) {
    if (run.targets_stage.empty()) return;
    const double end = run.volume * static_cast<double>(config_.data.pool_pairs);
    const edits::TargetSet targets = edits::read_targets(store_.folder(run.targets_stage));
    std::set<std::pair<int64_t, std::string_view>> different;
    for (size_t i = 0; i < targets.ids.size(); ++i) {
      if (static_cast<double>(targets.ids[i]) >= end) continue;
      ++arm.pool_pairs;
      different.emplace(targets.ids[i], targets.texts[i].target);
    }
    arm.different_pairs += std::ssize(different);
  }
  ArmResult& arm_of(const StudentRun& run, const std::string& weights) {
    for (ArmResult& a : out_.arms)
      if (a.arm == run.arm && a.volume == run.volume && a.weights == weights) return a;
    ArmResult a;
    a.arm = run.arm;
    a.volume = run.volume;
    a.weights = weights;
    for (const std::string& targets : writers_of(*run.arm).targets)
      for (const Generator& g : config_.generators) {
        if (g.name != TargetsName(targets).generator || g.recipe.empty()) continue;
        const int64_t pairs =
            (g.pairs > 0 ? g.pairs : config_.data.seed_pairs) + (g.judge_set ? config_.data.judge_pairs : 0);
        if (std::find(a.seed_pairs.begin(), a.seed_pairs.end(), pairs) == a.seed_pairs.end())
          a.seed_pairs.push_back(pairs);
      }
    out_.arms.push_back(std::move(a));
    return out_.arms.back();
  }
  const ArmResult* find(const std::string& arm, const std::string& weights, double volume = 1) const {
    for (const ArmResult& a : out_.arms)
      if (a.arm->name == arm && a.weights == weights && a.volume == volume) return &a;
    return nullptr;
  }
  // Students of human targets of the same recipe, at the same volume, with the same start; judged by the same
  // kind of weights, or by the last where that was not asked for.
  const ArmResult* real(const ArmResult& beside) const {
    for (const std::string& weights : {beside.weights, std::string("last")})
      for (const ArmResult& a : out_.arms)
        if (a.arm->targets == "human" && (a.arm->apply.empty() || !a.arm->chain.empty()) &&
            a.weights == weights && a.volume == beside.volume &&
            recipe_of(config_, *a.arm) == recipe_of(config_, *beside.arm) &&
            a.arm->from == beside.arm->from && a.arm->chain.empty() == beside.arm->chain.empty() &&
            (a.arm->equal_steps == beside.arm->equal_steps || a.volume == 1))
          return &a;
    return nullptr;
  }
  void differences() {
    for (ArmResult& a : out_.arms) {
      const ArmResult* r = real(a);
      if (r == nullptr || r == &a) continue;
      a.against = r->name();
      for (size_t m = 0; m < kScores.size(); ++m) {
        a.to_real[m] = difference(a.replicates[m], r->replicates[m]);
        a.randomised[m] = randomisation_p(scores_[m], a.rows[m], r->rows[m], resampling_);
      }
    }
  }

  // ---- targets
  void targets() {
    std::vector<std::string> names;  // in the order of the arms
    const auto add_name = [&](const std::string& name) {
      if (graph_.measured.contains({name, 1}) && std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name);
    };
    for (const Arm& arm : config_.arms) {
      for (const AppliedOperation& o : arm.apply)
        for (const auto& [_, name] : o.targets) add_name(name);
      add_name(arm.targets);
      add_name(arm.name);
    }
    for (const Claim& claim : config_.claims) {
      add_name(claim.better);
      add_name(claim.worse);
    }
    for (const std::string& name : names) {
      TargetsResult t;
      t.name = name;
      for (int64_t seed = 1; seed <= config_.seeds; ++seed) {
        const auto at = graph_.measured.find({name, seed});
        if (at == graph_.measured.end()) continue;
        const Json j = read_json(store_.folder(at->second) + "/measures.json");
        if (seed == 1) {
          j.find("pairs")->whole(t.pairs);
          j.find("floor_sentences")->whole(t.doubled);
        }
        add(t.errors, j.find("errors"));
        add(t.floor, j.find("floor"));
        add(t.diversity, j.find("diversity"));
        notes(t, at->second, seed);
      }
      out_.targets.push_back(std::move(t));
    }
  }
  static void add(std::vector<MeasureResult>& to, const Json* from) {
    if (from == nullptr || from->object() == nullptr) return;
    for (const auto& measure : *from->object()) {
      const auto& [name, values] = measure;
      auto at = std::find_if(to.begin(), to.end(),
                             [&](const MeasureResult& m) { return m.measure == measure.first; });
      if (at == to.end()) at = to.insert(to.end(), {name, {}, {}, {}});
      at->values.push_back(number(values, "value"));
      at->human.push_back(number(values, "human"));
      for (const auto& [key, list] : {std::pair{"p", &at->p}, std::pair{"chances", &at->chances},
                                      std::pair{"human_chances", &at->human_chances}})
        if (values.find(key)) list->push_back(number(values, key));
    }
  }
  // The summaries of the operations that made these targets.
  void notes(TargetsResult& t, const std::string& measure, int64_t seed) {
    for (std::string id = graph_.graph.at(measure).input("targets"); !id.empty();) {
      const Stage& s = graph_.graph.at(id);
      const std::string path = store_.folder(id) + "/match.json";
      if (Disk::real().exists(path)) {
        const Json match = read_json(path);
        const Json* summary = match.find("summary");
        if (summary == nullptr || summary->text() == nullptr) throw FileError(path + ": no \"summary\"");
        t.notes.push_back({seed, s.kind, *summary->text()});
      }
      id = s.input("targets");
    }
  }

  // ---- claims
  void claims() {
    for (const Claim& claim : config_.claims) {
      ClaimResult r{&claim, {}};
      if (claim.kind == "students")
        of_students(r);
      else
        of_targets(r);
      out_.claims.push_back(std::move(r));
    }
    correct(false);
    correct(true);
    for (ClaimResult& c : out_.claims)
      for (size_t i = 0; i < c.rows.size(); ++i) {  // of students: by the score i
        ClaimResult::Row& row = c.rows[i];
        const bool students = c.claim->kind == "students";
        // One student tells nothing of the next; errors without a floor are compared with nothing.
        if (students ? config_.seeds < 2 : std::isnan(row.difference.value)) continue;
        const bool greater = students ? kHigherIsBetter[i] : measure_of(c.claim->kind, row.by).better > 0;
        row.verdict =
            verdict_of(row.difference, row.corrected, greater ? Direction::greater : Direction::less);
      }
  }
  // Holm's correction over all claims of the file that are judged by the same kind of number. One that waits
  // for its arms counts with p = 1, so a verdict does not depend on which arms are there. Claims that were
  // chosen after results had been seen are corrected over all, but do not count against the others.
  void correct(bool chosen_later) {
    std::map<std::string, std::vector<std::pair<ClaimResult::Row*, const Claim*>>> families;
    for (ClaimResult& c : out_.claims)
      for (ClaimResult::Row& row : c.rows)
        if (chosen_later || !c.claim->chosen_later)
          families[c.claim->kind == "students" ? row.by : c.claim->kind].emplace_back(&row, c.claim);
    for (const auto& [family, rows] : families) {
      std::vector<double> p;
      for (const auto& [row, _] : rows) p.push_back(row->difference.p);
      p.resize(comparisons(config_, rows.front().second->kind, chosen_later), 1);
      const std::vector<double> corrected = holm(p);
      for (size_t i = 0; i < rows.size(); ++i)
        if (rows[i].second->chosen_later == chosen_later) rows[i].first->corrected = corrected[i];
    }
  }
  void of_students(ClaimResult& r) {
    const Claim& c = *r.claim;
    std::vector<const ArmResult*> better_arms, worse_arms;
    const auto add = [&](const std::string& better, const std::string& worse) {
      const ArmResult *a = find(better, c.weights), *b = find(worse, weights_of(config_, c, worse));
      RUM_CHECK(a && b, "claim {}: the arms \"{}\" and \"{}\" are not judged with the weights \"{}\"", c.id,
                better, worse, c.weights);
      better_arms.push_back(a);
      worse_arms.push_back(b);
    };
    add(c.better, c.worse);
    if (const auto& [better, worse] = c.minus_with; !better.empty()) {
      add(better, worse);
      minus_the_other(r, better_arms, worse_arms);
      return;
    }
    for (const auto& [better, worse] : c.mean_with) add(better, worse);
    const ArmResult* top = c.ceiling.empty() ? nullptr : find(c.ceiling, "last");
    for (size_t m = 0; m < kScores.size(); ++m) {
      const Bootstrap a = mean_of(better_arms, m), b = mean_of(worse_arms, m);
      r.rows.push_back(
          {kScores[m], b.score, a.score, difference(a, b),
           randomisation_p(scores_[m], rows_of(better_arms, m), rows_of(worse_arms, m), resampling_), 1,
           Verdict::undecided});
      if (!top || !better(m, top->scores[m].value, b.score)) continue;
      r.rows.back().gap = gap_closed(top->replicates[m], b, a);
    }
  }
  // Swaps of translations would test that the arms of each pair are alike, not that the pairs differ alike.
  static void minus_the_other(ClaimResult& r, const std::vector<const ArmResult*>& better,
                              const std::vector<const ArmResult*>& worse) {
    for (size_t m = 0; m < kScores.size(); ++m) {
      const Bootstrap one = minus(better[0]->replicates[m], worse[0]->replicates[m]),
                      other = minus(better[1]->replicates[m], worse[1]->replicates[m]);
      r.rows.push_back(
          {kScores[m], other.score, one.score, difference(one, other), NAN, 1, Verdict::undecided});
    }
  }
  static Bootstrap mean_of(const std::vector<const ArmResult*>& arms, size_t score) {
    std::vector<const Bootstrap*> each;
    for (const ArmResult* a : arms) each.push_back(&a->replicates[score]);
    return experiment::mean_of(each);
  }
  // Of several arms as if they were further seeds: the mean over these is that of the arms.
  static SeedRows rows_of(const std::vector<const ArmResult*>& arms, size_t score) {
    SeedRows out;
    for (const ArmResult* a : arms) out.insert(out.end(), a->rows[score].begin(), a->rows[score].end());
    return out;
  }
  static bool better(size_t score, double a, double b) { return kHigherIsBetter[score] ? a > b : a < b; }
  // For errors and diversity: the mean difference over seeds, its range over seeds as the interval, and the
  // largest p of any seed: a claim about targets holds only if it holds for every trained generator.
  void of_targets(ClaimResult& r) {
    const bool human_better = r.claim->better == "human";
    const std::string& generated = human_better ? r.claim->worse : r.claim->better;
    std::vector<MeasureResult> measured;
    for (const TargetsResult& t : out_.targets)
      if (t.name == generated) measured = r.claim->kind == "errors" ? t.floor : t.diversity;
    for (const std::string& measure : r.claim->measures) {
      const auto found = std::find_if(measured.begin(), measured.end(),
                                      [&](const MeasureResult& m) { return m.measure == measure; });
      const MeasureResult m = found == measured.end() ? MeasureResult() : *found;
      const std::vector<double>&other = m.values, &human = m.human;
      Effect e;
      if (other.empty()) {  // the pool has no sentence that two people translated
        e.value = e.low = e.high = NAN;
        e.seeds = {NAN, NAN, NAN, NAN};
        r.rows.push_back({measure + " (no floor)", NAN, NAN, e, NAN, 1, Verdict::undecided});
        continue;
      }
      std::vector<double> d;
      for (size_t i = 0; i < other.size(); ++i)
        d.push_back(human_better ? human[i] - other[i] : other[i] - human[i]);
      e.seeds = spread(d);
      e.value = e.seeds.mean;
      e.low = e.seeds.low;
      e.high = e.seeds.high;
      e.p = std::isfinite(e.value) ? largest_p(m.p) : 1;  // not defined for every generator
      r.rows.push_back({measure, spread(human).mean, spread(other).mean, e, NAN, 1, Verdict::undecided});
      r.rows.back().few_chances = m.few_chances();
    }
  }
  void gate() {
    if (config_.gate.arm.empty()) return;
    ExperimentResults::GateResult g;
    if (const ArmResult* a = find(config_.gate.arm, "last")) g.bleu = a->scores[0].value;
    for (const ClaimResult& c : out_.claims)
      if (c.claim->id == config_.gate.claim && !c.rows.empty())
        g.half_width = (c.rows[0].difference.high - c.rows[0].difference.low) / 2;
    g.met = config_.seeds > 1 && g.bleu >= config_.gate.bleu && g.half_width <= config_.gate.half_width;
    out_.gate = g;
  }

  void samples() {
    // Spread over the test set, not chosen by how the arms translate them.
    const size_t wanted = 8, n = test_.size();
    for (size_t k = 0; k < std::min(wanted, n); ++k) {
      const size_t i = k * n / std::min(wanted, n);
      TranslationSample s{static_cast<int64_t>(i), test_[i].source, test_[i].target, {}};
      for (const ArmResult& a : out_.arms)
        if (a.volume == 1 && a.weights == "last")
          s.translations.emplace_back(a.name(), translations_.at({a.name(), 1})[i]);
      out_.samples.push_back(std::move(s));
    }
  }
  void costs() {
    std::set<std::string> builds;
    for (const Stage& s : graph_.graph.stages()) {
      const Json facts = store_.facts(s.id);
      auto at =
          std::find_if(out_.costs.begin(), out_.costs.end(), [&](const auto& c) { return c.kind == s.kind; });
      if (at == out_.costs.end()) at = out_.costs.insert(out_.costs.end(), {s.kind, 0, 0});
      ++at->stages;
      at->seconds += number(facts, "seconds", 0);
      if (const Json* b = facts.find("build"); b && b->text()) builds.insert(*b->text());
    }
    out_.builds.assign(builds.begin(), builds.end());
  }

  // "generator gpt-x, checkpoint https://..., decoding chat temperature 0 ..., seed 1, generation 1"
  static std::string written_by(const Json& from) {
    std::string out;
    for (const auto& [key, value] : *from.object())
      out +=
          fmt::format("{}{} {}", out.empty() ? "" : ", ", key, value.text() ? *value.text() : to_json(value));
    return out;
  }
  void generated() {
    for (const Stage& s : graph_.graph.stages()) {
      const std::string path = store_.folder(s.id) + "/counts.json";
      if ((s.kind != "generate" && s.kind != "import") || !Disk::real().exists(path)) continue;
      const Json json = read_json(path);
      const JsonFields counts(json, path);
      if (s.kind == "import") {
        const JsonFields p(s.parameters, s.label);
        out_.outside.push_back({p.text("name"), p.text("hash"), written_by(counts.at("from")),
                                counts.whole("sources"), counts.whole("left_out"),
                                counts.whole("unfinished")});
        continue;
      }
      out_.generated += counts.whole("sources");
      out_.unfinished += counts.whole("unfinished", 0);  // earlier versions did not count them
    }
    for (const auto& [of, stage] : graph_.generated)
      if (of.second == 2 && graph_.generated.at({of.first, 1}) == stage) out_.one_text.push_back(of.first);
  }

  const ExperimentConfig& config_;
  const ExperimentGraph& graph_;
  const Store& store_;
  std::vector<Pair> test_;
  std::vector<metrics::Reference> references_;
  std::array<std::unique_ptr<metrics::Metric>, 2> metrics_;
  std::array<metrics::Score, kScores.size()> scores_;
  Resampling resampling_;
  std::map<std::pair<std::string, int64_t>, std::vector<std::string>> translations_;
  ExperimentResults out_;
};
}  // namespace

bool MeasureResult::few_chances() const {
  const auto few = [](const std::vector<double>& of) {
    return std::ranges::any_of(of, [](double n) { return n < kFewChances; });
  };
  return few(chances) || few(human_chances);
}
std::string ArmResult::name() const {
  std::string out = arm->name;
  if (volume < 1) out += fmt::format(", {:g} % of the pool", 100 * volume);
  if (weights != "last") out += ", " + weights + " weights";
  return out;
}
size_t comparisons(const ExperimentConfig& c, const std::string& kind, bool chosen_later) {
  size_t out = 0;
  for (const auto* claims : {&c.claims, &c.waiting})
    for (const Claim& x : *claims)
      if (x.kind == kind && (chosen_later || !x.chosen_later))
        out += kind == "students" ? 1 : x.measures.size();
  return out;
}
std::vector<std::string> undecidable(const ExperimentConfig& c) {
  std::vector<std::string> out;
  for (const char* kind : {"students", "errors", "diversity"}) {
    const bool students = std::string_view(kind) == "students";
    const double smallest =
        students ? 2 / (static_cast<double>(c.bootstrap) + 1) : 1 / (static_cast<double>(kSwaps) + 1);
    for (const bool later : {false, true}) {
      const size_t n = comparisons(c, kind, later);
      if (static_cast<double>(n) * smallest < .05) continue;
      if (later && n == comparisons(c, kind, false)) continue;  // none was chosen later
      const std::string needs =
          students ? fmt::format("experiment.bootstrap of at least {}, not {}", 40 * n, c.bootstrap)
                   : fmt::format("more than the {} random swaps of lines", kSwaps);
      out.push_back(fmt::format(
          "Claims about {}{} stay undecided whatever the results: {} comparisons are corrected for together, "
          "which needs {}.",
          kind, later ? " that were chosen later" : "", n, needs));
      break;
    }
  }
  return out;
}
ExperimentResults gather(const ExperimentConfig& c, const ExperimentGraph& g, const Store& s) {
  int64_t missing = 0;
  for (const Stage& x : g.graph.stages()) missing += !s.finished(x.id);
  RUM_CHECK(missing == 0, "{} of {} stages are not made yet: `ruminate experiment run` makes them", missing,
            g.graph.stages().size());
  for (const Stage& x : g.graph.stages()) s.check(x);
  return Gatherer(c, g, s).run();
}
}  // namespace rum::experiment
