#include "edits/ibm1.h"

#include <algorithm>

#include "base/error.h"

namespace rum::edits {
namespace {
// The words of line i, then the empty word.
std::vector<int32_t> with_empty(const metrics::NumberedLines& given, size_t i, size_t empty) {
  std::vector<int32_t> out(given.line(i).begin(), given.line(i).end());
  out.push_back(static_cast<int32_t>(empty));
  return out;
}
}  // namespace

size_t TranslationTable::cell(int32_t made, int32_t given) const {
  const auto less = [](const Entry& e, int32_t word) { return e.made < word; };
  const std::span<const Entry> entries = of(given);
  const auto found = std::lower_bound(entries.begin(), entries.end(), made, less);
  return begins_[static_cast<size_t>(given)] + static_cast<size_t>(found - entries.begin());
}
float TranslationTable::p(int32_t made, int32_t given) const {
  const size_t c = cell(made, given);
  return c < begins_[static_cast<size_t>(given) + 1] && entries_[c].made == made ? entries_[c].p : 0;
}

TranslationTable ibm1(const metrics::NumberedLines& given, const metrics::NumberedLines& made,
                      size_t given_words, int iterations) {
  RUM_CHECK(given.lines() == made.lines(), "ibm1: {} sentences on one side, {} on the other", given.lines(),
            made.lines());
  // Which words co-occur: for each given word the lines that contain it, then all words of their
  // translations.
  std::vector<std::vector<size_t>> lines_of(given_words + 1);
  for (size_t i = 0; i < given.lines(); ++i)
    for (const int32_t e : with_empty(given, i, given_words))
      if (auto& lines = lines_of.at(static_cast<size_t>(e)); lines.empty() || lines.back() != i)
        lines.push_back(i);
  TranslationTable table;
  table.begins_.push_back(0);
  for (const auto& lines : lines_of) {
    std::vector<int32_t> met;
    for (const size_t i : lines) met.insert(met.end(), made.line(i).begin(), made.line(i).end());
    std::sort(met.begin(), met.end());
    met.erase(std::unique(met.begin(), met.end()), met.end());
    for (const int32_t f : met) table.entries_.push_back({f, 1.0f / static_cast<float>(met.size())});
    table.begins_.push_back(table.entries_.size());
  }

  std::vector<double> counts;
  std::vector<size_t> cells;  // of a word with all words that may have made it
  for (int round = 0; round < iterations; ++round) {
    counts.assign(table.entries_.size(), 0);
    for (size_t i = 0; i < made.lines(); ++i) {
      const std::vector<int32_t> makers = with_empty(given, i, given_words);
      for (const int32_t f : made.line(i)) {
        double all = 0;
        cells.clear();
        for (const int32_t e : makers) {
          cells.push_back(table.cell(f, e));
          all += table.entries_[cells.back()].p;
        }
        for (const size_t c : cells) counts[c] += table.entries_[c].p / all;
      }
    }
    for (size_t e = 0; e <= given_words; ++e) {
      double all = 0;
      for (size_t c = table.begins_[e]; c < table.begins_[e + 1]; ++c) all += counts[c];
      for (size_t c = table.begins_[e]; c < table.begins_[e + 1]; ++c)
        table.entries_[c].p = static_cast<float>(counts[c] / all);
    }
  }
  return table;
}
}  // namespace rum::edits
