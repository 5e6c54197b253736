#include "experiment/subset.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"

namespace rum::experiment {
namespace {
// What a claim needs: arms if it is about students, else targets, of which "human" always exists.
std::vector<std::string> needs(const Claim& c) {
  std::vector<std::string> out{c.better, c.worse};
  for (const auto& [better, worse] : c.mean_with) out.insert(out.end(), {better, worse});
  if (const auto& [better, worse] = c.minus_with; !better.empty()) out.insert(out.end(), {better, worse});
  if (!c.ceiling.empty()) out.push_back(c.ceiling);
  return out;
}
// Keeps these arms, and the claims and the gate that need no others.
void keep(ExperimentConfig& c, const std::set<std::string>& arms) {
  std::erase_if(c.arms, [&](const Arm& a) { return !arms.contains(a.name); });
  std::set<std::string> targets{"human"};
  for (const Arm& a : c.arms) {
    targets.insert(a.targets);
    targets.insert(a.name);
  }
  const auto first = std::stable_partition(c.claims.begin(), c.claims.end(), [&](const Claim& x) {
    const auto& there = x.kind == "students" ? arms : targets;
    const std::vector<std::string> all = needs(x);
    return std::all_of(all.begin(), all.end(), [&](const std::string& n) { return there.contains(n); });
  });
  c.waiting.insert(c.waiting.end(), first, c.claims.end());
  c.claims.erase(first, c.claims.end());
  const bool judged =
      std::any_of(c.claims.begin(), c.claims.end(), [&](const Claim& x) { return x.id == c.gate.claim; });
  if (!arms.contains(c.gate.arm) || !(judged || c.gate.claim.empty())) c.gate = {};
}
}  // namespace

ExperimentConfig only_groups(ExperimentConfig c, const std::vector<std::string>& groups) {
  std::set<std::string> groups_there, wanted(groups.begin(), groups.end()), arms;
  for (const Arm& a : c.arms)
    if (!a.group.empty()) groups_there.insert(a.group);
  const std::vector<std::string> known(groups_there.begin(), groups_there.end());
  for (const std::string& g : groups)
    RUM_CHECK(groups_there.contains(g), "no group \"{}\"{}", g, known_names(g, known));
  for (const Arm& a : c.arms)
    if (wanted.contains(a.group)) arms.insert(a.name);
  const std::set<std::string> asked = arms;
  for (const Claim& x : c.claims)
    if (x.kind == "students" && (asked.contains(x.better) || x.id == c.gate.claim))
      for (const std::string& name : needs(x)) arms.insert(name);
  if (!c.gate.arm.empty()) arms.insert(c.gate.arm);
  keep(c, arms);
  return c;
}

MadeSoFar made_so_far(const ExperimentConfig& c, const Store& store, FilesRead& read) {
  MadeSoFar out{c, {}};
  std::set<std::string> made;
  for (const Arm& a : c.arms) {
    ExperimentConfig alone = c;
    alone.arms = {a};
    alone.claims.clear();
    const ExperimentGraph g = experiment_graph(alone, &store, &read);
    const auto stages = g.graph.stages();
    if (std::all_of(stages.begin(), stages.end(), [&](const Stage& s) { return store.finished(s.id); }))
      made.insert(a.name);
    else
      out.waiting.push_back(a.name);
  }
  RUM_CHECK(!made.empty(), "no arm is finished yet: `ruminate experiment run` makes them");
  if (!out.waiting.empty()) keep(out.config, made);
  return out;
}
}  // namespace rum::experiment
