// Reads the CSV files that tests check: cells by row, a cell in quotes may hold commas and doubled quotes.
#pragma once
#include <map>
#include <string>
#include <vector>

namespace rum {
// Each row below the first, by the names in the first.
inline std::vector<std::map<std::string, std::string>> read_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows{{""}};
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') {
      if (!quoted && !rows.back().back().empty()) rows.back().back() += '"';  // the second of two
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      rows.back().emplace_back();
    } else if (c == '\n' && !quoted) {
      rows.push_back({""});
    } else {
      rows.back().back() += c;
    }
  }
  rows.pop_back();
  std::vector<std::map<std::string, std::string>> out;
  for (size_t i = 1; i < rows.size(); ++i)
    for (size_t k = 0; k < rows[i].size(); ++k) {
      if (k == 0) out.emplace_back();
      out.back()[k < rows[0].size() ? rows[0][k] : "beyond the head"] = rows[i][k];
    }
  return out;
}
}  // namespace rum
