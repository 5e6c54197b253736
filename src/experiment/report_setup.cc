// How students were made and judged: what a paper's first table says.
#include <fmt/format.h>

#include <cmath>
#include <set>

#include "experiment/measures.h"
#include "experiment/report_page.h"
#include "metrics/critical.h"

namespace rum::experiment {
namespace {
// "3,863" or "3,861 to 3,873": of the students with this recipe, over arms.
std::string range_of(const ExperimentResults& r, const std::string& recipe, double (*of)(const ArmResult&)) {
  std::set<int64_t> values;
  for (const ArmResult& a : r.arms)
    if (recipe_of(*r.config, *a.arm) == recipe && of(a) > 0) values.insert(std::llround(of(a)));
  if (values.empty()) return "–";
  const std::string least = page::counted(*values.begin()), most = page::counted(*values.rbegin());
  return least == most ? least : least + " to " + most;
}

void how_it_was_judged(page::Page& page, const ExperimentResults& r) {
  const ExperimentConfig& c = *r.config;
  page::Table t{"Languages, decoding and judging.", "claims.json", {{"what"}, {"choice"}}};
  t.words = true;
  const auto row = [&](const std::string& what, const std::string& choice) {
    t.rows.push_back({what, escape_html(choice)});
  };
  row("languages", fmt::format("{} to {}, by whose rules errors are counted",
                               metrics::language_named(c.data.source).in_english,
                               metrics::language_named(c.data.target).in_english));
  std::string seeds = fmt::format("{}, of generators, students and whatever is sampled", c.seeds);
  if (!r.one_text.empty()) seeds += fmt::format("; one text for all: {}", fmt::join(r.one_text, ", "));
  row("seeds", seeds);
  for (const auto& [name, decoding] : c.decodings)
    row("generators write, " + escape_html(name), describe(decoding));
  for (const auto& o : r.outside)
    row("written elsewhere, " + escape_html(o.name),
        fmt::format("{}; file {}", o.from.empty() ? "the file does not say by whom" : o.from, o.hash));
  row("students translate the test set", describe(c.test_decoding));
  for (const auto& [score, signature] : r.signatures) row(score, signature);
  row("NLL", "nats a token of the human target");
  row("bootstrap replicates", page::counted(c.bootstrap) + ", and as many swaps in randomisation");
  row("swaps of lines, measures of targets", page::counted(kSwaps));
  page.table(t);
}
// A row for each key that is always of interest or not at its default, a column for each recipe.
void recipes(page::Page& page, const ExperimentResults& r) {
  const std::set<std::string> always{"model.kind",      "model.layers",        "model.width",
                                     "model.heads",     "model.dropout",       "tokenizer.vocab",
                                     "batch.tokens",    "train.target_tokens", "optimizer.learning_rate",
                                     "schedule.warmup", "schedule.decay",      "train.average",
                                     "train.best"};
  const ExperimentConfig& c = *r.config;
  std::set<std::string> used, other;
  for (const Arm& a : c.arms) used.insert(recipe_of(c, a));
  for (const Generator& g : c.generators)
    if (!g.recipe.empty()) used.insert(g.recipe);
  page::Table t{
      "Recipes of models: keys of a training config that differ from their defaults or matter most. "
      "Parameters "
      "and steps: of the students.",
      "",
      {{"key"}}};
  for (const std::string& name : used) {
    t.head.push_back({name});
    for (const auto& [key, _] : recipe_json(c.recipes.at(name))) other.insert(key);
  }
  const auto row = [&](const std::string& what, const auto& value_of) {
    t.rows.push_back({what});
    for (const std::string& name : used) t.rows.back().push_back(value_of(name));
  };
  for (const Key& k : keys())
    if (always.contains(k.name) || other.contains(k.name))
      row(k.name, [&](const std::string& name) { return escape_html(k.get(c.recipes.at(name))); });
  row("parameters", [&](const std::string& name) {
    return range_of(r, name, [](const ArmResult& a) { return static_cast<double>(a.parameters); });
  });
  row("steps",
      [&](const std::string& name) { return range_of(r, name, [](const ArmResult& a) { return a.steps; }); });
  page.table(t);
}
}  // namespace

void put_setup(page::Page& page, const ExperimentResults& r) {
  page.section("Set-up");
  how_it_was_judged(page, r);
  recipes(page, r);
}
}  // namespace rum::experiment
