#include "edits/scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "base/utf8.h"
#include "text/reader.h"

namespace rum::edits {
namespace {
constexpr const char* kHeading = "id\tscore";
}  // namespace

void write_scores(const std::string& path, const Scores& scores) {
  RUM_CHECK(scores.ids.size() == scores.values.size(), "{}: {} ids for {} scores", path, scores.ids.size(),
            scores.values.size());
  std::string out = fmt::format("{}\n", kHeading);
  for (size_t i = 0; i < scores.ids.size(); ++i) {
    RUM_CHECK(i == 0 || scores.ids[i - 1] < scores.ids[i], "{}: id {} after {}; ids must rise", path,
              scores.ids[i], scores.ids[i - 1]);
    RUM_CHECK(std::isfinite(scores.values[i]), "{}: the score of id {} is {}", path, scores.ids[i],
              scores.values[i]);
    out += fmt::format("{}\t{}\n", scores.ids[i], scores.values[i]);
  }
  Disk::real().replace_text(path, out);
}

Scores read_scores(const std::string& path) {
  Scores out;
  LineReader reader(path);
  const auto refuse = [&](const std::string& expected, std::string_view found) {
    throw FileError(fmt::format("{}: line {}: expected {}, found \"{}\"", path, reader.line(), expected,
                                shortened(found, 80)));
  };
  std::string_view line;
  if (!reader.next(line)) throw FileError(fmt::format("{}: empty; expected scores, one line each", path));
  if (line != kHeading) refuse("the heading id<TAB>score", line);
  while (reader.next(line)) {
    const size_t tab = line.find('\t');
    if (tab == std::string_view::npos) refuse("id<TAB>score", line);
    const auto id = number_in<int64_t>(line.substr(0, tab));
    if (!id) refuse("a whole number as id", line.substr(0, tab));
    const auto value = number_in<double>(line.substr(tab + 1));
    if (!value || !std::isfinite(*value)) refuse("a finite number as score", line.substr(tab + 1));
    if (!out.ids.empty() && *id <= out.ids.back())
      refuse(fmt::format("an id above {}, the one before", out.ids.back()), line.substr(0, tab));
    out.ids.push_back(*id);
    out.values.push_back(*value);
  }
  return out;
}

std::vector<double> scores_of(const Scores& scores, std::span<const int64_t> ids, const std::string& path) {
  std::vector<double> out;
  int64_t missing = 0, first = 0;
  for (const int64_t id : ids) {
    const auto at = std::lower_bound(scores.ids.begin(), scores.ids.end(), id);
    if (at != scores.ids.end() && *at == id) {
      out.push_back(scores.values[static_cast<size_t>(at - scores.ids.begin())]);
    } else if (++missing == 1) {
      first = id;
    }
  }
  if (missing > 0)
    throw FileError(
        fmt::format("{}: {} of {} pairs have no score, first id {}; these are scores of another pool", path,
                    missing, ids.size(), first));
  if (out.size() > 1 && std::all_of(out.begin(), out.end(), [&](double v) { return v == out[0]; }))
    throw FileError(fmt::format("{}: all {} pairs have the score {}; nothing can be ordered by it", path,
                                out.size(), out[0]));
  return out;
}

int64_t tied(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  int64_t out = 0;
  for (size_t i = 0; i < sorted.size(); ++i)
    out += (i > 0 && sorted[i - 1] == sorted[i]) || (i + 1 < sorted.size() && sorted[i + 1] == sorted[i]);
  return out;
}
}  // namespace rum::edits
