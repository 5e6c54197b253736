#include "text/table.h"

#include <algorithm>

#include "base/error.h"
#include "text/unicode.h"

namespace rum {
namespace {
using Row = std::vector<std::string>;

std::string as_text(const TextTable& t, size_t width) {
  std::vector<size_t> widths(t.rows[0].size());
  for (const Row& row : t.rows)
    for (size_t c = 0; row.size() > 1 && c < row.size(); ++c)
      widths[c] = std::max(widths[c], characters(row[c]));
  std::string out;
  for (size_t from = 1, to = 1; from < widths.size() || from == 1; from = to) {
    size_t taken = widths[0];
    for (to = from; to < widths.size() && (to == from || taken + 2 + widths[to] <= width); ++to)
      taken += 2 + widths[to];
    if (from > 1) out += '\n';
    for (const Row& row : t.rows) {
      std::string line = row[0] + std::string(row.size() > 1 ? widths[0] - characters(row[0]) : 0, ' ');
      for (size_t c = from; c < std::min(to, row.size()); ++c)
        line += "  " + std::string(widths[c] - characters(row[c]), ' ') + row[c];
      out += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
    }
    if (to == 1) break;  // a table of names alone
  }
  return out;
}
std::string as_csv(const TextTable& t) {
  std::string out;
  for (const Row& row : t.rows) {
    if (row.size() < t.rows[0].size()) continue;
    for (size_t c = 0; c < row.size(); ++c) {
      if (c > 0) out += ',';
      out += csv_cell(row[c]);
    }
    out += '\n';
  }
  return out;
}
std::string escaped(const std::string& text, std::string_view signs) {
  std::string out;
  for (const char c : text) {
    if (signs.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}
std::string as_markdown(const TextTable& t) {
  const size_t columns = t.rows[0].size();
  std::string out;
  for (size_t r = 0; r < t.rows.size(); ++r) {
    out += '|';
    for (size_t c = 0; c < columns; ++c) {
      const bool heading = t.rows[r].size() == 1 && columns > 1;
      std::string cell = c < t.rows[r].size() ? escaped(t.rows[r][c], "|\\*_`<") : "";
      if (heading && c == 0) cell = "**" + cell + "**";
      out += ' ' + cell + " |";
    }
    out += '\n';
    if (r > 0) continue;
    out += '|';
    for (size_t c = 0; c < columns; ++c) out += c == 0 ? " :-- |" : " --: |";
    out += '\n';
  }
  return out;
}
std::string for_latex(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\')
      out += "\\textbackslash{}";
    else if (c == '~' || c == '^')
      out += std::string("\\") + c + "{}";
    else
      out += escaped(std::string(1, c), "&%$#_{}");
  }
  for (const auto& [sign, command] : {std::pair{"±", "$\\pm$"}, {"−", "$-$"}, {"μ", "$\\mu$"}})
    for (size_t at = 0; (at = out.find(sign, at)) != std::string::npos;
         at += std::string_view(command).size())
      out.replace(at, std::string_view(sign).size(), command);
  return out;
}
std::string as_latex(const TextTable& t) {  // with LaTeX's own rules: no package is needed
  const size_t columns = t.rows[0].size();
  std::string out = "\\begin{tabular}{l" + std::string(columns - 1, 'r') + "}\n\\hline\n";
  for (size_t r = 0; r < t.rows.size(); ++r) {
    const Row& row = t.rows[r];
    if (row.size() == 1 && columns > 1)
      out += "\\multicolumn{" + std::to_string(columns) + "}{l}{" + for_latex(row[0]) + "}";
    for (size_t c = 0; row.size() > 1 && c < row.size(); ++c) out += (c > 0 ? " & " : "") + for_latex(row[c]);
    if (columns == 1) out += for_latex(row[0]);
    out += " \\\\\n";
    if (r == 0) out += "\\hline\n";
  }
  return out + "\\hline\n\\end{tabular}\n";
}
}  // namespace

std::vector<std::string> table_formats() { return {"text", "csv", "md", "latex"}; }
std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + '"';
}
std::string counted(int64_t n) {
  std::string out = fmt::format("{}", n);
  const size_t first = n < 0 ? 1 : 0;
  for (size_t at = out.size(); at > first + 3; at -= 3) out.insert(at - 3, 1, ',');
  return out;
}
std::string written(const TextTable& t, std::string_view format, size_t width) {
  if (t.rows.empty()) return "";
  if (format == "csv") return as_csv(t);
  if (format == "md") return as_markdown(t);
  if (format == "latex") return as_latex(t);
  RUM_CHECK(format == "text", "a table as \"{}\": expected text, csv, md or latex", format);
  return as_text(t, width);
}
}  // namespace rum
