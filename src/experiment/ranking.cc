#include "experiment/ranking.h"

#include <fmt/format.h>

#include <functional>
#include <tuple>

#include "base/error.h"
#include "edits/order.h"
#include "edits/scorers.h"
#include "edits/scores.h"
#include "edits/targets.h"

namespace rum::experiment {
namespace {
using Correlation = std::optional<double>;

// Validity tables of all seeds: the mean of each correlation over the seeds that define it.
class Mean {
 public:
  void add(const Correlation& r) {
    if (r) {
      sum_ += *r;
      ++n_;
    }
  }
  Correlation value() const { return n_ == 0 ? Correlation() : Correlation(sum_ / n_); }

 private:
  double sum_ = 0, n_ = 0;
};
Correlation mean_over(const std::vector<std::vector<edits::Validity>>& seeds,
                      const std::function<Correlation(const std::vector<edits::Validity>&)>& of) {
  Mean mean;
  for (const auto& seed : seeds) mean.add(of(seed));
  return mean.value();
}
std::vector<edits::Validity> means(const std::vector<std::vector<edits::Validity>>& seeds) {
  std::vector<edits::Validity> out = seeds.front();
  for (size_t i = 0; i < out.size(); ++i) {
    for (const auto field : {&edits::Validity::quality, &edits::Validity::length, &edits::Validity::rarity})
      out[i].*field = mean_over(seeds, [&](const auto& s) { return s[i].*field; });
    for (size_t j = 0; j < out.size(); ++j)
      out[i].others[j] = mean_over(seeds, [&](const auto& s) { return s[i].others[j]; });
    int64_t tied = 0;
    for (const auto& s : seeds) tied += s[i].tied;
    out[i].tied = tied / static_cast<int64_t>(seeds.size());
  }
  return out;
}

detect::Scores read_held_out(const std::string& path) {
  const Json kept = parse_json(Disk::real().read(path), path);
  detect::Scores out;
  for (const auto& [author, to] : {std::pair{"human", &out.human}, std::pair{"machine", &out.machine}}) {
    const Json* scores = kept.find(author);
    RUM_CHECK(scores && scores->array(), "{}: no list \"{}\"", path, author);
    for (const Json& s : *scores->array()) s.number(to->emplace_back());
  }
  return out;
}

// The scorers of one generator's targets at one seed.
using Ranked = std::vector<std::pair<std::string, std::string>>;  // name, stage
std::vector<edits::Validity> validities(const Ranked& scorers, const ExperimentGraph& g, const Store& store) {
  const Stage& first = g.graph.at(scorers.front().second);
  const std::string split = store.folder(g.split);
  const edits::TargetSet targets = edits::read_targets(store.folder(first.input("targets"))),
                         pool = edits::read_pool(split);
  const std::vector<std::string> sources = edits::sides(targets.texts, &Pair::source);
  std::vector<std::string> human;
  for (const int64_t id : targets.ids) human.push_back(pool.texts[static_cast<size_t>(id)].target);
  const std::vector<int64_t> lengths = edits::source_lengths(targets.texts);
  std::vector<edits::NamedScores> scores;
  for (const auto& [name, stage] : scorers)
    scores.push_back({name, edits::read_scores(store.folder(stage) + "/scores.tsv").values});
  return edits::validity(
      scores, edits::agreement(targets.texts, human), std::vector<double>(lengths.begin(), lengths.end()),
      edits::rarity(sources, edits::sides(edits::read_pool(split, "seed").texts, &Pair::source)));
}
}  // namespace

std::vector<RankingResult> rankings(const ExperimentGraph& g, const Store& store) {
  std::map<std::string, std::map<int64_t, Ranked>> ranked;  // by targets and seed
  for (const auto& [key, stage] : g.scored) {
    const auto& [scorer, targets, seed] = key;
    ranked[targets][seed].emplace_back(scorer, stage);
  }
  std::vector<RankingResult> out;
  for (const auto& [targets, seeds] : ranked) {
    std::vector<std::vector<edits::Validity>> tables;
    for (const auto& [_, scorers] : seeds) tables.push_back(validities(scorers, g, store));
    const std::string& stage = seeds.begin()->second.front().second;
    const auto pairs = edits::read_targets(store.folder(g.graph.at(stage).input("targets"))).ids.size();
    out.push_back({targets, static_cast<int64_t>(pairs), means(tables)});
  }
  return out;
}

std::vector<DetectorResult> detectors(const ExperimentGraph& g,
                                      const decltype(ExperimentGraph::scored)& scored, const Store& store) {
  std::vector<DetectorResult> out;
  for (const auto& [key, stage] : scored) {
    const std::string match = store.folder(stage) + "/match.json",
                      kept = store.folder(stage) + "/held_out.json";
    if (!Disk::real().exists(match)) continue;
    const Json facts = parse_json(Disk::real().read(match), match);
    DetectorResult d;
    std::tie(d.scorer, d.targets, d.seed) = key;
    for (const auto& [name, to] :
         {std::pair{"auroc", &d.auroc}, std::pair{"low", &d.low}, std::pair{"high", &d.high}})
      if (const Json* j = facts.find(name)) j->number(*to);
    if (Disk::real().exists(kept)) d.log_odds = read_held_out(kept);
    // Its models learned from all of the judge set.
    if (!g.graph.at(stage).input("held_out").empty()) d.tried_on = "valid";
    out.push_back(std::move(d));
  }
  return out;
}
}  // namespace rum::experiment
