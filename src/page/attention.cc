#include "page/attention.h"

#include <fmt/format.h>

#include <algorithm>

#include "page/png.h"
#include "text/html.h"

namespace rum::page {
namespace {
constexpr double kCell = 14, kLabel = 96;  // sizes in an opened picture, in its own units

// Each row relative to its largest weight, so that rows with spread-out attention are visible, too.
std::vector<float> by_row(const std::vector<float>& weights, size_t columns) {
  std::vector<float> out = weights;
  for (size_t from = 0; from < out.size(); from += columns) {
    const auto row = out.begin() + static_cast<std::ptrdiff_t>(from);
    const float most = *std::max_element(row, row + static_cast<std::ptrdiff_t>(columns));
    for (size_t c = 0; most > 0 && c < columns; ++c) out[from + c] /= most;
  }
  return out;
}
// The labels of a layer, drawn once and reused by all its heads.
std::string axes(const AttentionPicture& p, const std::string& id) {
  std::string out = fmt::format("<svg width=\"0\" height=\"0\" class=\"hidden\"><defs><g id=\"{}\">", id);
  for (size_t r = 0; r < p.rows.size(); ++r)
    out += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"end\">{}</text>", kLabel - 4,
                       kLabel + kCell * (static_cast<double>(r) + .75), escape_html(p.rows[r]));
  for (size_t c = 0; c < p.columns.size(); ++c)
    out +=
        fmt::format("<text transform=\"translate({:.1f} {:.0f}) rotate(-60)\">{}</text>",
                    kLabel + kCell * (static_cast<double>(c) + .75), kLabel - 4, escape_html(p.columns[c]));
  return out + "</g></defs></svg>\n";
}
std::string head_html(const AttentionPicture& p, size_t head, const std::string& axis) {
  const auto columns = static_cast<int64_t>(p.columns.size()), rows = static_cast<int64_t>(p.rows.size());
  const double width = kCell * static_cast<double>(columns), height = kCell * static_cast<double>(rows);
  const std::string id = fmt::format("{}-{}", axis, head);
  const std::string small = fmt::format(
      "<svg viewBox=\"0 0 {0} {1}\" role=\"img\" aria-label=\"attention of {2}, head {3}\" "
      "preserveAspectRatio=\"none\"><image id=\"{4}\" href=\"{5}\" width=\"{0}\" height=\"{1}\" "
      "preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\"/></svg>",
      columns, rows, escape_html(p.name), head + 1, id,
      png_uri(rows, columns, by_row(p.heads[head], p.columns.size())));
  const std::string large = fmt::format(
      "<svg viewBox=\"0 0 {0:.0f} {1:.0f}\" style=\"--w:{0:.0f}px\"><use href=\"#{2}\" "
      "transform=\"translate({3} {3}) scale({4})\"/><use href=\"#{5}\"/></svg>",
      kLabel + width + 40, kLabel + height + 4, id, kLabel, kCell, axis);
  return fmt::format("<details><summary>head {}{}</summary>{}</details>\n", head + 1, small, large);
}
}  // namespace

std::string attention_html(const std::string& id, std::span<const AttentionPicture> layers) {
  std::string out;
  for (size_t l = 0; l < layers.size(); ++l) {
    const std::string axis = fmt::format("{}-{}", id, l);
    out += fmt::format("<h3>{}</h3>\n", escape_html(layers[l].name)) + axes(layers[l], axis);
    out += "<div class=\"heads\">\n";
    for (size_t h = 0; h < layers[l].heads.size(); ++h) out += head_html(layers[l], h, axis);
    out += "</div>\n";
  }
  return out;
}
}  // namespace rum::page
