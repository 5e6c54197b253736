// Operations that change texts, for the causal arms: errors injected into targets, their diversity thinned,
// errors repaired. Each matches what was measured on other targets (`like`), and match.json says how close it
// came.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "edits/inject.h"
#include "edits/operation.h"
#include "edits/repair.h"
#include "edits/targets.h"
#include "edits/thin.h"
#include "metrics/numbered.h"
#include "metrics/sentence_diversity.h"

namespace rum::edits {
namespace {
void finish(const StageContext& x, TargetSet targets, const std::vector<std::string>& lines,
            std::string summary, Json::Object numbers) {
  for (size_t i = 0; i < lines.size(); ++i) targets.texts[i].target = lines[i];
  write_targets(x.folder, targets);
  write_summary(x, std::move(summary), std::move(numbers));
}
bool on(const StageContext& x, const char* flag) { return x.parameters().has(flag); }
Json json(const EditRates& r) {
  return Json(Json::Object{{"insertions", r.insertions},
                           {"deletions", r.deletions},
                           {"substitutions", r.substitutions},
                           {"shifts", r.shifts}});
}
std::string text(const EditRates& r) {
  return fmt::format("{:.1f} (missing {:.1f}, too many {:.1f}, wrong {:.1f}, moved {:.1f})", 100 * r.total(),
                     100 * r.insertions, 100 * r.deletions, 100 * r.substitutions, 100 * r.shifts);
}

EditRates less(EditRates a, const EditRates& b) {  // for each kind, never below 0
  for (double EditRates::*kind :
       {&EditRates::insertions, &EditRates::deletions, &EditRates::substitutions, &EditRates::shifts})
    a.*kind = std::max(0.0, a.*kind - b.*kind);
  return a;
}
// The rates of `like` against the human targets, or what exceeds the rates of a second human translation of
// the same sentences.
EditRates wanted_rates(const StageContext& x, const TargetSet& all_human) {
  const TargetSet all_like = read_targets(x.input("like"));
  if (!on(x, "above_human")) {
    const auto [like, human] = aligned(all_like, all_human);
    return edit_rates(sides(like.texts, &Pair::target), sides(human.texts, &Pair::target));
  }
  const TranslatedTwice t = translated_twice(all_like, all_human);
  RUM_CHECK(!t.sources.empty(),
            "{}: above_human needs sources with two human translations, and the pool has none: leave it out",
            x.stage.label);
  return less(edit_rates(t.targets, t.references), edit_rates(t.second, t.references));
}

void inject(const StageContext& x) {
  TargetSet targets = read_targets(x.input("targets"));
  const TargetSet human = read_targets(x.input("human"));
  // Existing differences between the targets and the human ones (from thinning, say) count towards the wanted
  // rates.
  const auto [now, people] = aligned(targets, human);
  const EditRates there = edit_rates(sides(now.texts, &Pair::target), sides(people.texts, &Pair::target)),
                  wanted = less(wanted_rates(x, human), there);
  const Injected done =
      edits::inject(sides(targets.texts, &Pair::target), wanted, x.seed(), on(x, "repeated"));
  finish(x, std::move(targets), done.lines,
         fmt::format("edits per 100 words: wanted {}, got {}", text(done.wanted), text(done.got)),
         {{"wanted", json(done.wanted)}, {"got", json(done.got)}});
}

void thin(const StageContext& x) {
  TargetSet targets = read_targets(x.input("targets"));
  const TargetSet like = read_targets(x.input("like"));
  // The generators learned from the seed set, so its words are not their inventions.
  std::optional<metrics::HumanText> seed;
  if (on(x, "attested"))
    seed.emplace().add(
        sides(read_corpus(x.input("split") + "/seed.tsv", CorpusKind::pairs).texts, &Pair::target));
  const metrics::HumanText* attesting = seed ? &*seed : nullptr;
  const std::vector<std::string> lines = sides(targets.texts, &Pair::target);
  metrics::Vocabulary vocabulary;
  const metrics::NumberedLines goal = number_words(sides(like.texts, &Pair::target), vocabulary),
                               now = number_words(lines, vocabulary);
  const auto sample = static_cast<int64_t>(std::min(goal.tokens.size(), now.tokens.size()));
  const double wanted = types_expected(goal.tokens, vocabulary, sample, attesting);
  const Thinned done = edits::thin(sides(targets.texts, &Pair::source), lines, wanted, sample, attesting);
  finish(x, std::move(targets), done.lines,
         fmt::format("{}types in {} words: wanted {:.0f}, got {:.0f} (before {:.0f}); {:.1f} % of the words "
                     "replaced, {:.1f} edits per 100 words",
                     attesting ? "attested " : "", sample, done.wanted, done.got, done.before,
                     100 * static_cast<double>(done.words_replaced) / static_cast<double>(done.words),
                     100 * done.cost.total()),
         {{"sample", sample},
          {"wanted", done.wanted},
          {"got", done.got},
          {"before", done.before},
          {"cost", json(done.cost)}});
}

void repair(const StageContext& x) {
  const auto [targets, human] = aligned(read_targets(x.input("targets")), read_targets(x.input("human")));
  metrics::HumanText people;
  people.add(sides(read_corpus(x.input("split") + "/seed.tsv", CorpusKind::pairs).texts, &Pair::target));
  people.add(sides(human.texts, &Pair::target));
  const Repaired done = edits::repair(sides(targets.texts, &Pair::source), sides(human.texts, &Pair::target),
                                      sides(targets.texts, &Pair::target), {people, target_language(x)});
  std::string rates;
  Json::Object numbers;
  for (const char* name : {"number_mismatch", "name_mismatch", "negation_mismatch", "copied_words",
                           "invented_words", "repeated_bigrams", "under_translation"}) {
    const metrics::ErrorMeasure& m = metrics::error_measure(name);
    const double before = 100 * m.value(done.before).value_or(0),
                 after = 100 * m.value(done.after).value_or(0);
    rates += fmt::format("{}{} {:.2f} to {:.2f}", rates.empty() ? "" : ", ", name, before, after);
    numbers.emplace_back(name, Json(Json::Array{before, after}));
  }
  finish(x, targets, done.lines,
         fmt::format("{} of {} lines changed; percent: {}", done.lines_changed, done.lines.size(), rates),
         std::move(numbers));
}
using Key = OperationKey;
const OperationKey kLike{"like", Key::targets, true};
const Operation kInject("inject", 3, true, {kLike, {"above_human", Key::flag}, {"repeated", Key::flag}},
                        inject, Operation::arrangement),
    kThin("thin", 1, false, {kLike, {"attested", Key::flag}}, thin, Operation::arrangement),
    kRepair("repair", 2, true, {}, repair, Operation::nothing);
}  // namespace
}  // namespace rum::edits
