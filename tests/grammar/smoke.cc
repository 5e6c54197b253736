#include "tests/grammar/smoke.h"

#include <set>

#include "base/file.h"
#include "tests/grammar/grammar.h"
#include "text/json.h"

namespace rum {
void write_smoke_corpus(const std::string& folder) {
  std::vector<Pair> pairs = grammar_pairs(2000, 7);
  for (size_t i = 700; i < 1700; i += 10)  // a second human translation
    pairs[i + 1] = {pairs[i].source, "indeed " + pairs[i].target};
  std::string parts[3], outside;
  std::set<std::string> sides;
  int64_t pool = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    parts[i < 1700 ? 0 : i < 1800 ? 1 : 2] += pairs[i].source + "\t" + pairs[i].target + "\n";
    if (i < 700) sides.insert(pairs[i].source), sides.insert(pairs[i].target);
    if (i < 700 || i >= 1700 || sides.contains(pairs[i].source) || sides.contains(pairs[i].target) ||
        pool == 500)
      continue;
    outside +=
        to_json(Json(Json::Object{{"id", pool++}, {"target", pairs[i].target + " indeed"}, {"model", "x"}})) +
        "\n";
  }
  Disk& disk = Disk::real();
  disk.replace_text(folder + "/train.tsv", parts[0]), disk.replace_text(folder + "/valid.tsv", parts[1]);
  disk.replace_text(folder + "/test.tsv", parts[2]), disk.replace_text(folder + "/outside.jsonl", outside);
}
}  // namespace rum
