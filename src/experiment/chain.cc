#include "experiment/chain.h"

#include "experiment/scorer.h"

namespace rum::experiment {
namespace {
struct Chain {
  std::string name, decoding = "greedy", detector;
  int64_t generations = 5;
  bool keep = false;  // does the text of all earlier generations come along?
  double fresh = 0;   // share of human targets in each generation's part of the pool
};
Chain chain_of(Section& s, const ExperimentConfig& c) {
  Chain x;
  s.read("name", x.name, true);
  s.read("generations", x.generations, 1, 100);
  s.read("decoding", x.decoding);
  s.read("keep", x.keep);
  s.read("fresh", x.fresh, 0, 1);
  s.read("detector", x.detector);
  s.done();
  check_name(s.place("decoding"), "decoding of one translation", x.decoding, single_decodings(c));
  if (x.name.find('/') != std::string::npos)
    throw FileError(s.place("name") + "a chain's name must not contain \"/\"");
  if (c.data.pool_pairs <= x.generations)
    throw FileError(s.place("generations") + "data.pool_pairs has fewer pairs than generations");
  if (x.detector.empty()) return x;
  std::vector<std::string> detectors;
  for (const auto& [name, scorer] : c.scorers)
    if (ScorerKind::named(scorer.kind).is(ScorerKind::detector)) detectors.push_back(name);
  check_name(s.place("detector"), "detector", x.detector, detectors);
  return x;
}
// Makes a generator of the student of an arm: it translates the part of the pool that this generation learns
// from.
void add_generator(ExperimentConfig& c, const std::string& place, const std::string& arm, int64_t generation,
                   int64_t count) {
  for (const Generator& g : c.generators)
    if (g.name == arm) throw FileError(fmt::format("{}two generators are named \"{}\"", place, arm));
  Generator g;
  g.name = g.arm = arm;
  g.first = generation * count;
  g.count = count;
  g.generation = generation;
  c.generators.push_back(std::move(g));
}
const std::string kStart = "generation 0";
Arm link(std::string name, std::string targets, const std::string& chain) {
  Arm a;
  a.name = std::move(name);
  a.targets = std::move(targets);
  a.chain = chain;
  a.group = "G";
  return a;
}
void add_start(ExperimentConfig& c, const std::string& place, const std::string& chain, int64_t count) {
  Arm human = link(kStart, "human", chain);
  human.apply.push_back({"part", {{"first", int64_t{0}}, {"count", count}}, {}, {}});
  add_arm(c, place, std::move(human));
  add_generator(c, place, kStart, 1, count);
}
}  // namespace

std::vector<std::string> single_decodings(const ExperimentConfig& c) {
  std::vector<std::string> out;
  for (const auto& [name, d] : c.decodings)
    if (d.best == 1) out.push_back(name);
  return out;
}

void add_arm(ExperimentConfig& c, const std::string& place, Arm arm) {
  for (const Arm& other : c.arms)
    if (other.name == arm.name) throw FileError(fmt::format("{}two arms are named \"{}\"", place, arm.name));
  c.arms.push_back(std::move(arm));
}

void read_chain(Section& s, ExperimentConfig& c) {
  const Chain chain = chain_of(s, c);
  const int64_t count = c.data.pool_pairs / (chain.generations + 1);
  const Generator* start = nullptr;
  for (const Generator& g : c.generators)
    if (g.arm == kStart) start = &g;
  if (start == nullptr) {
    add_start(c, s.place("name"), chain.name, count);
  } else if (start->count != count) {
    throw FileError(s.place("generations") +
                    "all chains share generation 0: give them the same number of generations");
  }
  std::string before = kStart;
  for (int64_t g = 1; g <= chain.generations; ++g) {
    Arm a = link(fmt::format("{}, generation {}", chain.name, g),
                 fmt::format("{}/{}", before, chain.decoding), chain.name);
    a.generation = g;
    a.detector = chain.detector;
    if (chain.fresh > 0) a.apply.push_back({"mix", {{"real", chain.fresh}}, {}, {}});
    if (chain.keep) a.joined = before;
    before = a.name;
    add_arm(c, s.place("name"), std::move(a));
    if (g < chain.generations) add_generator(c, s.place("name"), before, g + 1, count);
  }
}
}  // namespace rum::experiment
