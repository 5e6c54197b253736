// Operations that choose the target of each pool sentence: a smaller pool, human targets for some sentences,
// several generators, the targets of others.
#include <algorithm>
#include <map>

#include "base/random.h"
#include "edits/operation.h"
#include "edits/targets.h"

namespace rum::edits {
namespace {
// The beginning of the pool, which is in random order: smaller shares are subsets of larger ones.
void subset(const StageContext& x) {
  const double part = x.parameters().number("share");
  const auto pool = static_cast<double>(read_pool(x.input("split")).texts.size());
  const TargetSet all = read_targets(x.input("targets"));
  std::vector<int64_t> rows;
  for (size_t i = 0; i < all.ids.size(); ++i)
    if (static_cast<double>(all.ids[i]) < part * pool) rows.push_back(static_cast<int64_t>(i));
  write_targets(x.folder, picked(all, rows));
}

// `count` sentences of the pool from `first` on.
void part(const StageContext& x) {
  const int64_t first = x.parameters().whole("first"), count = x.parameters().whole("count");
  const TargetSet all = read_targets(x.input("targets"));
  std::vector<int64_t> rows;
  for (size_t i = 0; i < all.ids.size(); ++i)
    if (all.ids[i] >= first && all.ids[i] < first + count) rows.push_back(static_cast<int64_t>(i));
  write_targets(x.folder, picked(all, rows));
}

// All ids, in an order that depends only on the seed and `use`.
std::vector<int64_t> drawn_order(const std::vector<int64_t>& ids, uint32_t seed, uint32_t use) {
  const Random random{seed, Stream::shuffle};
  std::vector<std::pair<uint32_t, int64_t>> drawn;
  for (const int64_t id : ids)
    drawn.emplace_back(random.bits({0, 0, use, static_cast<uint32_t>(id)}).at[0], id);
  std::sort(drawn.begin(), drawn.end());
  std::vector<int64_t> out;
  for (const auto& [_, id] : drawn) out.push_back(id);
  return out;
}
std::multimap<int64_t, const Pair*> by_id(const TargetSet& t) {
  std::multimap<int64_t, const Pair*> out;
  for (size_t i = 0; i < t.ids.size(); ++i) out.emplace(t.ids[i], &t.texts[i]);
  return out;
}
void add(TargetSet& to, int64_t id, const Pair& pair) {
  to.ids.push_back(id);
  to.texts.push_back(pair);
}

// Before the source of a generated pair, so that a student can tell it from a human one; it translates sources
// without it (Caswell et al. 2019, "Tagged back-translation").
constexpr const char* kTag = "\u00a4 ";
// Human targets for a random share of the pool, the given ones for the rest. With real_last, students read
// the human ones at the end of every epoch.
void mix(const StageContext& x) {
  const double real = x.parameters().number("real");
  const TargetSet human = read_targets(x.input("human")), given = read_targets(x.input("targets"));
  std::vector<int64_t> chosen = drawn_order(human.ids, x.seed(), 0x4d49580a);
  chosen.resize(static_cast<size_t>(real * static_cast<double>(chosen.size()) + 0.5));
  std::sort(chosen.begin(), chosen.end());
  const auto generated = by_id(given);
  const std::string tag = x.parameters().has("tagged") ? kTag : "";
  TargetSet out, last;
  out.ordered = x.parameters().has("real_last");
  for (size_t h = 0; h < human.ids.size(); ++h) {
    const int64_t id = human.ids[h];
    if (std::binary_search(chosen.begin(), chosen.end(), id)) {
      add(out.ordered ? last : out, id, human.texts[h]);
      continue;
    }
    for (auto [at, end] = generated.equal_range(id); at != end; ++at)
      add(out, id, {tag + at->second->source, at->second->target});
  }
  for (size_t i = 0; i < last.ids.size(); ++i) add(out, last.ids[i], last.texts[i]);
  write_targets(x.folder, out);
}

// Gives each pool sentence the target of one of several generators, all equally often.
void alternate(const StageContext& x) {
  std::vector<std::string> folders = x.inputs("with");
  folders.insert(folders.begin(), x.input("targets"));
  std::vector<TargetSet> all;
  for (const std::string& f : folders) all.push_back(read_targets(f));
  const std::vector<int64_t> order = drawn_order(read_pool(x.input("split")).ids, x.seed(), 0x414c5421);
  std::vector<size_t> writer(order.size());
  for (size_t i = 0; i < order.size(); ++i) writer[static_cast<size_t>(order[i])] = i % all.size();
  std::vector<std::multimap<int64_t, const Pair*>> maps;
  for (const TargetSet& t : all) maps.push_back(by_id(t));
  TargetSet out;
  for (size_t id = 0; id < writer.size(); ++id) {
    const auto key = static_cast<int64_t>(id);
    for (auto [at, end] = maps[writer[id]].equal_range(key); at != end; ++at) add(out, key, *at->second);
  }
  write_targets(x.folder, out);
}

// Concatenates several sets of targets: several translations of each sentence.
void join(const StageContext& x) {
  TargetSet out = read_targets(x.input("targets"));
  for (const std::string& folder : x.inputs("with")) {
    const TargetSet more = read_targets(folder);
    for (size_t i = 0; i < more.ids.size(); ++i) add(out, more.ids[i], more.texts[i]);
  }
  write_targets(x.folder, out);
}

// Gives each line the target that others have for its sentence, the first one if there are several: human
// targets of sentences that were chosen, or put in order, by what a generator wrote. Lines for which others
// have none are left out.
void replace(const StageContext& x) {
  const TargetSet given = read_targets(x.input("targets")), others = read_targets(x.input("with"));
  const auto by = by_id(others);
  std::vector<int64_t> rows;
  for (size_t i = 0; i < given.ids.size(); ++i)
    if (by.contains(given.ids[i])) rows.push_back(static_cast<int64_t>(i));
  TargetSet out = picked(given, rows);
  for (size_t i = 0; i < out.ids.size(); ++i)
    out.texts[i].target = by.lower_bound(out.ids[i])->second->target;
  write_targets(x.folder, out);
}

using Key = OperationKey;
const OperationKey kWith{.name = "with", .type = Key::targets, .required = true, .several = true};
const Operation kPart("part", 1, false,
                      {{"first", Key::whole, true, 0, 1e9}, {"count", Key::whole, true, 1, 1e9}}, part),
    kSubset("subset", 1, false, {{"share", Key::number, true, 1e-6, 1}}, subset),
    kMix("mix", 1, true,
         {{"real", Key::number, true, 1e-6, 1},
          {.name = "real_last", .arranges = true, .scatters = true},
          {"tagged"}},
         mix, Operation::nothing),
    kAlternate("alternate", 1, false, {kWith}, alternate, Operation::nothing),
    kJoin("join", 1, false,
          {{.name = "with", .type = Key::targets, .required = true, .several = true, .scatters = true}}, join,
          Operation::nothing),
    kReplace("replace", 1, false, {{"with", Key::targets, true}}, replace, Operation::arrangement);
}  // namespace
}  // namespace rum::edits
