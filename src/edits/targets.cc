#include "edits/targets.h"

#include <fmt/format.h>

#include <charconv>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "text/reader.h"
#include "text/unicode.h"

namespace rum {
Targets read_targets(const std::string& folder) {
  Targets out;
  out.texts = read_corpus(folder + "/targets.tsv", CorpusKind::pairs).texts;
  LineReader reader(folder + "/ids.txt");
  for (std::string_view line; reader.next(line);) {
    int64_t id = -1;
    const auto [end, bad] = std::from_chars(line.data(), line.data() + line.size(), id);
    if (bad != std::errc() || end != line.data() + line.size() ||
        id <= (out.ids.empty() ? -1 : out.ids.back()))
      throw FileError(fmt::format("{}/ids.txt: line {}: expected a rising number, found \"{}\"", folder,
                                  reader.line(), line));
    out.ids.push_back(id);
  }
  if (out.ids.size() != out.texts.size())
    throw FileError(fmt::format("{}: {} ids for {} pairs", folder, out.ids.size(), out.texts.size()));
  return out;
}
void write_targets(const std::string& folder, const Targets& t) {
  Targets kept;
  std::string ids;
  for (size_t i = 0; i < t.texts.size(); ++i) {
    if (t.texts[i].source.empty() || t.texts[i].target.empty()) continue;
    kept.texts.push_back({t.texts[i].source, one_line(t.texts[i].target)});
    ids += fmt::format("{}\n", t.ids[i]);
  }
  RUM_CHECK(!kept.texts.empty(), "{}: not one pair with a target: there is nothing to learn from", folder);
  Disk::real().replace_text(folder + "/targets.tsv", corpus_bytes(kept.texts, CorpusKind::pairs));
  Disk::real().replace_text(folder + "/ids.txt", ids);
}
std::pair<Targets, Targets> aligned(const Targets& a, const Targets& b) {
  std::pair<Targets, Targets> out;
  for (size_t i = 0, j = 0; i < a.ids.size() && j < b.ids.size();) {
    if (a.ids[i] < b.ids[j]) {
      ++i;
    } else if (a.ids[i] > b.ids[j]) {
      ++j;
    } else {
      out.first.ids.push_back(a.ids[i]), out.first.texts.push_back(a.texts[i++]);
      out.second.ids.push_back(b.ids[j]), out.second.texts.push_back(b.texts[j++]);
    }
  }
  return out;
}
std::vector<std::string> sides(const std::vector<Pair>& texts, std::string Pair::*side) {
  std::vector<std::string> out;
  for (const Pair& t : texts) out.push_back(t.*side);
  return out;
}
TranslatedTwice translated_twice(const Targets& targets, const Targets& human) {
  TranslatedTwice out;
  std::map<std::string, size_t> first;
  std::map<int64_t, const std::string*> by_id;
  for (size_t i = 0; i < targets.ids.size(); ++i) by_id[targets.ids[i]] = &targets.texts[i].target;
  for (size_t i = 0; i < human.ids.size(); ++i) {
    const Pair& t = human.texts[i];
    const auto [at, fresh] = first.try_emplace(t.source, i);
    const std::string& reference = human.texts[at->second].target;
    const auto target = by_id.find(human.ids[at->second]);
    if (fresh || reference == t.target || target == by_id.end()) continue;
    out.sources.push_back(t.source), out.references.push_back(reference);
    out.second.push_back(t.target), out.targets.push_back(*target->second);
  }
  return out;
}
Targets read_pool(const std::string& split_folder) {
  Targets out;
  out.texts = read_corpus(split_folder + "/pool.tsv", CorpusKind::pairs).texts;
  for (size_t i = 0; i < out.texts.size(); ++i) out.ids.push_back(static_cast<int64_t>(i));
  return out;
}
}  // namespace rum
