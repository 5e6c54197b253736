#include "experiment/targets.h"

#include <fmt/format.h>

#include <charconv>

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
Targets read_pool(const std::string& split_folder) {
  Targets out;
  out.texts = read_corpus(split_folder + "/pool.tsv", CorpusKind::pairs).texts;
  for (size_t i = 0; i < out.texts.size(); ++i) out.ids.push_back(static_cast<int64_t>(i));
  return out;
}
}  // namespace rum
