// Stages of the causal arms: errors injected into targets, their diversity thinned, errors repaired. Each
// matches what was measured of other targets (`like`) and says in match.json how near it came.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "experiment/inject.h"
#include "experiment/repair.h"
#include "experiment/stage.h"
#include "experiment/targets.h"
#include "experiment/thin.h"
#include "metrics/numbered.h"
#include "metrics/sentence_diversity.h"

namespace rum {
namespace {
enum Input : size_t { kTargets, kHuman, kSplit, kLike };  // in the order of the inputs

std::vector<std::string> sides(const std::vector<Text>& texts, std::string Text::*side) {
  std::vector<std::string> out;
  for (const Text& t : texts) out.push_back(t.*side);
  return out;
}
// The two sets where both have the sentence, line by line.
std::pair<Targets, Targets> aligned(const Targets& a, const Targets& b) {
  std::pair<Targets, Targets> out;
  for (size_t i = 0, j = 0; i < a.ids.size() && j < b.ids.size();) {
    if (a.ids[i] == b.ids[j]) {
      out.first.ids.push_back(a.ids[i]), out.first.texts.push_back(a.texts[i]);
      out.second.ids.push_back(b.ids[j]), out.second.texts.push_back(b.texts[j]);
    }
    a.ids[i]<b.ids[j] ? ++i : a.ids[i]> b.ids[j] ? ++j : (++i, ++j);
  }
  return out;
}
void finish(const StageContext& x, Targets targets, const std::vector<std::string>& lines,
            std::string summary, Json::Object numbers) {
  for (size_t i = 0; i < lines.size(); ++i) targets.texts[i].target = lines[i];
  write_targets(x.folder, targets);
  numbers.insert(numbers.begin(), {"summary", std::move(summary)});
  Disk::real().replace_text(x.folder + "/match.json", to_json(Json(std::move(numbers)), 1) + "\n");
}
void need_like(const StageContext& x) {
  RUM_CHECK(x.inputs.size() > kLike, "{}: expected `like`, the targets whose rates are to be matched",
            x.stage.label);
}
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

void inject(const StageContext& x) {
  need_like(x);
  Targets targets = read_targets(x.inputs[kTargets]);
  const auto [like, human] = aligned(read_targets(x.inputs[kLike]), read_targets(x.inputs[kHuman]));
  EditRates wanted = edit_rates(sides(like.texts, &Text::target), sides(human.texts, &Text::target));
  // What the targets differ from the human ones already (thinned, say) is part of what is wanted.
  const auto [now, people] = aligned(targets, read_targets(x.inputs[kHuman]));
  const EditRates there = edit_rates(sides(now.texts, &Text::target), sides(people.texts, &Text::target));
  for (double EditRates::*kind :
       {&EditRates::insertions, &EditRates::deletions, &EditRates::substitutions, &EditRates::shifts})
    wanted.*kind = std::max(0.0, wanted.*kind - there.*kind);
  int64_t seed = 1;
  x.stage.parameters.find("seed")->whole(seed);
  const Injected done = rum::inject(sides(targets.texts, &Text::target), wanted, static_cast<uint32_t>(seed));
  finish(x, std::move(targets), done.lines,
         fmt::format("edits per 100 words: wanted {}, got {}", text(done.wanted), text(done.got)),
         {{"wanted", json(done.wanted)}, {"got", json(done.got)}});
}

void thin(const StageContext& x) {
  need_like(x);
  Targets targets = read_targets(x.inputs[kTargets]);
  const Targets like = read_targets(x.inputs[kLike]);
  const auto spectrum_of = [](const std::vector<std::string>& lines) {
    Vocabulary vocabulary;
    const NumberedLines words = number_words(lines, vocabulary);
    return spectrum(count_tokens(words.tokens, vocabulary.size()));
  };
  const std::vector<std::string> lines = sides(targets.texts, &Text::target);
  const Spectrum goal = spectrum_of(sides(like.texts, &Text::target));
  const int64_t sample = std::min(goal.tokens, spectrum_of(lines).tokens);
  const Thinned done =
      rum::thin(sides(targets.texts, &Text::source), lines, expected_types(goal, sample), sample);
  finish(x, std::move(targets), done.lines,
         fmt::format("types in {} words: wanted {:.0f}, got {:.0f} (before {:.0f}); {:.1f} % of the words "
                     "replaced, {:.1f} "
                     "edits per 100 words",
                     sample, done.wanted, done.got, done.before,
                     100 * static_cast<double>(done.words_replaced) / static_cast<double>(done.words),
                     100 * done.cost.total()),
         {{"sample", sample},
          {"wanted", done.wanted},
          {"got", done.got},
          {"before", done.before},
          {"cost", json(done.cost)}});
}

void repair(const StageContext& x) {
  const auto [targets, human] = aligned(read_targets(x.inputs[kTargets]), read_targets(x.inputs[kHuman]));
  HumanText people;
  people.add(sides(read_corpus(x.inputs[kSplit] + "/seed.tsv", CorpusKind::pairs).texts, &Text::target));
  people.add(sides(human.texts, &Text::target));
  const Repaired done = rum::repair(sides(targets.texts, &Text::source), sides(human.texts, &Text::target),
                                    sides(targets.texts, &Text::target), {people, Language::english});
  std::string rates;
  Json::Object numbers;
  for (const char* name : {"number_mismatch", "name_mismatch", "negation_mismatch", "copied_words",
                           "invented_words", "repeated_bigrams", "under_translation"}) {
    const ErrorMeasure& m = error_measure(name);
    const double before = 100 * m.value(done.before).value_or(0),
                 after = 100 * m.value(done.after).value_or(0);
    rates += fmt::format("{}{} {:.2f} to {:.2f}", rates.empty() ? "" : ", ", name, before, after);
    numbers.emplace_back(name, Json(Json::Array{before, after}));
  }
  finish(x, targets, done.lines,
         fmt::format("{} of {} lines changed; percent: {}", done.lines_changed, done.lines.size(), rates),
         std::move(numbers));
}
const StageKind kinds[] = {
    {"inject", 1, false, inject}, {"thin", 1, false, thin}, {"repair", 1, false, repair}};
}  // namespace
}  // namespace rum
