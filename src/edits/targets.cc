#include "edits/targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "text/reader.h"
#include "text/unicode.h"

namespace rum::edits {
namespace {
// One number per line.
template <class T>
std::vector<T> read_numbers(const std::string& path) {
  std::vector<T> out;
  LineReader reader(path);
  for (std::string_view line; reader.next(line);) {
    const auto v = number_in<T>(line);
    if (!v || !(*v >= 0))
      throw FileError(fmt::format("{}: line {}: expected a number, found \"{}\"", path, reader.line(), line));
    out.push_back(*v);
  }
  return out;
}
}  // namespace

TargetSet read_targets(const std::string& folder) {
  TargetSet out;
  out.texts = read_corpus(folder + "/targets.tsv", CorpusKind::pairs).texts;
  out.ids = read_numbers<int64_t>(folder + "/ids.txt");
  out.ordered = Disk::real().exists(folder + "/ordered");
  if (const std::string weights = folder + "/weights.txt"; Disk::real().exists(weights))
    out.weights = read_numbers<float>(weights);
  if (out.ids.size() != out.texts.size())
    throw FileError(fmt::format("{}: {} ids for {} pairs", folder, out.ids.size(), out.texts.size()));
  if (!out.weights.empty() && out.weights.size() != out.texts.size())
    throw FileError(fmt::format("{}: {} weights for {} pairs", folder, out.weights.size(), out.texts.size()));
  return out;
}
void write_targets(const std::string& folder, const TargetSet& t) {
  std::vector<Pair> kept;
  std::string ids, weights;
  for (size_t i = 0; i < t.texts.size(); ++i) {
    if (t.texts[i].source.empty() || t.texts[i].target.empty()) continue;
    kept.push_back({t.texts[i].source, one_line(t.texts[i].target)});
    ids += fmt::format("{}\n", t.ids[i]);
    if (!t.weights.empty()) weights += fmt::format("{}\n", t.weights[i]);
  }
  RUM_CHECK(!kept.empty(), "{}: no pair has a target, so there is nothing to learn from", folder);
  Disk::real().replace_text(folder + "/targets.tsv", corpus_bytes(kept, CorpusKind::pairs));
  Disk::real().replace_text(folder + "/ids.txt", ids);
  if (!t.weights.empty()) Disk::real().replace_text(folder + "/weights.txt", weights);
  if (t.ordered) Disk::real().replace_text(folder + "/ordered", "");
}
std::pair<TargetSet, TargetSet> aligned(const TargetSet& a, const TargetSet& b) {
  std::map<int64_t, size_t> in_b;
  for (size_t i = 0; i < b.ids.size(); ++i) in_b.try_emplace(b.ids[i], i);
  std::vector<size_t> rows(a.ids.size());
  std::iota(rows.begin(), rows.end(), size_t{0});
  std::ranges::stable_sort(rows, {}, [&](size_t i) { return a.ids[i]; });
  std::pair<TargetSet, TargetSet> out;
  for (const size_t i : rows) {
    const auto j = in_b.find(a.ids[i]);
    if (j == in_b.end()) continue;
    out.first.ids.push_back(a.ids[i]);
    out.first.texts.push_back(a.texts[i]);
    out.second.ids.push_back(a.ids[i]);
    out.second.texts.push_back(b.texts[j->second]);
  }
  return out;
}
TargetSet picked(const TargetSet& t, std::span<const int64_t> rows) {
  TargetSet out;
  out.ordered = t.ordered;
  for (const int64_t row : rows) {
    const auto i = static_cast<size_t>(row);
    out.ids.push_back(t.ids[i]);
    out.texts.push_back(t.texts[i]);
    if (!t.weights.empty()) out.weights.push_back(t.weights[i]);
  }
  return out;
}
std::vector<std::string> sides(const std::vector<Pair>& texts, std::string Pair::*side) {
  std::vector<std::string> out;
  for (const Pair& t : texts) out.push_back(t.*side);
  return out;
}
TranslatedTwice translated_twice(const TargetSet& targets, const TargetSet& human) {
  TranslatedTwice out;
  std::map<std::string, size_t> first;
  std::multimap<int64_t, const std::string*> by_id;
  for (size_t i = 0; i < targets.ids.size(); ++i) by_id.emplace(targets.ids[i], &targets.texts[i].target);
  for (size_t i = 0; i < human.ids.size(); ++i) {
    const Pair& t = human.texts[i];
    const auto [at, fresh] = first.try_emplace(t.source, i);
    const std::string& reference = human.texts[at->second].target;
    if (fresh || reference == t.target) continue;
    const auto [begin, end] = by_id.equal_range(human.ids[at->second]);
    for (auto target = begin; target != end; ++target) {
      out.sources.push_back(t.source);
      out.references.push_back(reference);
      out.second.push_back(t.target);
      out.targets.push_back(*target->second);
    }
  }
  return out;
}
TargetSet read_pool(const std::string& split_folder, const std::string& set) {
  TargetSet out;
  out.texts = read_corpus(fmt::format("{}/{}.tsv", split_folder, set), CorpusKind::pairs).texts;
  for (size_t i = 0; i < out.texts.size(); ++i) out.ids.push_back(static_cast<int64_t>(i));
  return out;
}
}  // namespace rum::edits
