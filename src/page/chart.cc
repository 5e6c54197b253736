#include "page/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/words.h"

namespace rum::page {
namespace {
constexpr double kWidth = 440, kLeft = 64, kRight = 12, kTop = 28, kBottom = 42, kHeight = 280,
                 kLegendRow = 18;
constexpr double kFont = 12, kSmallFont = 11, kLine = 14;  // of texts, as in page/style.cc, and their lines
constexpr int kShapes = 9;
constexpr size_t kAllMarked = 40, kSomeMarked = 8;  // marks on a line of so many points, of more

std::string number(double v) {
  const std::string s = fmt::format("{:.6g}", v);
  if (s == "-0") return "0";
  return s[0] == '-' ? "−" + s.substr(1) : s;
}
std::string text(double x, double y, const char* anchor, const char* style, const std::string& what) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" class=\"{}\">{}</text>\n", x, y,
                     anchor, style, escape_html(what));
}
std::string text_lines(double x, double y, const char* anchor, const char* style,
                       const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& l : lines) {
    out += text(x, y, anchor, style, l);
    y += kLine;
  }
  return out;
}
std::string line(double x1, double y1, double x2, double y2, const std::string& style) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>\n", x1, y1,
                     x2, y2, style);
}
std::string rectangle(double x, double y, double width, double height, const std::string& style) {
  return fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" class=\"{}\"/>\n", x,
                     y, width, height, style);
}
std::string head(const std::string& title, double height) {
  return fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">\n", kWidth, height,
                     escape_html(title)) +
         text(4, 16, "start", "title", title);
}
std::string colour(int key) { return fmt::format("s{}", key % kColours); }
// The marker of a series, about eight units across, with a tooltip.
std::string mark(double x, double y, int key, const std::string& says = "") {
  constexpr const char* kPaths[kShapes] = {"M-4 0A4 4 0 1 0 4 0A4 4 0 1 0-4 0Z",
                                           "M-3.6-3.6H3.6V3.6H-3.6Z",
                                           "M0-4.8L4.6 3.4H-4.6Z",
                                           "M0-5L5 0L0 5L-5 0Z",
                                           "M0 4.8L4.6-3.4H-4.6Z",
                                           "M-5-3L-3-5L0-2L3-5L5-3L2 0L5 3L3 5L0 2L-3 5L-5 3L-2 0Z",
                                           "M-1.5-5H1.5V-1.5H5V1.5H1.5V5H-1.5V1.5H-5V-1.5H-1.5Z",
                                           "M-4.5-4.5H4.5L-4.5 4.5H4.5Z",
                                           "M-5 1.8V-1.8H5V1.8Z"};
  const std::string title = says.empty() ? "" : "<title>" + escape_html(says) + "</title>";
  return fmt::format("<path transform=\"translate({:.1f} {:.1f})\" d=\"{}\" class=\"dot {}\">{}</path>\n", x,
                     y, kPaths[key % kShapes], colour(key), title);
}
// The most that a text may take up, in units of the chart: its width in DejaVu Sans, the widest of the usual
// fonts. An SVG does not wrap texts by itself.
double width_of(std::string_view s, double size) {
  double ems = 0;
  for (const char c : s) {
    if ((static_cast<unsigned char>(c) & 0xC0u) == 0x80) continue;  // a further byte of a character
    if (std::string_view(" !',.:;I[]ijl|").find(c) != std::string_view::npos)
      ems += .41;
    else if (std::string_view("%@MWmw").find(c) != std::string_view::npos)
      ems += 1;
    else
      ems += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? .64 : .84;
  }
  return ems * size;
}
// The text in lines of at most this width, unless a single word is wider.
std::vector<std::string> wrapped(const std::string& s, double width, double size) {
  std::vector<std::string> out{""};
  for (const std::string_view word : split_at_blanks(s)) {
    std::string longer = out.back();
    if (!longer.empty()) longer += ' ';
    longer += word;
    if (out.back().empty() || width_of(longer, size) <= width)
      out.back() = std::move(longer);
    else
      out.emplace_back(word);
  }
  return out;
}
// Maps values to positions on the page, with a little margin at both ends; ticks stay within the values.
struct Axis {
  double low, high, from, to;
  std::vector<double> at;
  Axis(double low_, double high_, double from_, double to_, int count) : from(from_), to(to_) {
    at = ticks(low_, high_, count);
    if (!(high_ > low_)) {
      low_ -= 1;
      high_ += 1;
    }
    const double margin = 0.05 * (high_ - low_);
    low = low_ - margin;
    high = high_ + margin;
  }
  double operator()(double v) const { return from + (v - low) / (high - low) * (to - from); }
};
struct Range {
  double low = 1e300, high = -1e300;
  void add(double v) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
  bool empty() const { return low > high; }
};
// Legends: two columns where all names are short; longer ones are wrapped.
struct Legend {
  explicit Legend(const std::vector<std::string>& names) {
    constexpr double kIndent = 34;  // left and right of a name, with its mark
    const bool two = std::ranges::all_of(
        names, [](const std::string& n) { return width_of(n, kFont) <= kWidth / 2 - kIndent; });
    for (size_t i = 0; i < names.size(); ++i) {
      const bool right = two && i % 2 == 1;
      if (!right) bottom += i > 0 ? kLegendRow : 0;
      entries.push_back({right ? 14 + kWidth / 2 : 14, bottom, wrapped(names[i], kWidth - kIndent, kFont)});
      bottom += kLine * static_cast<double>(entries.back().lines.size() - 1);
    }
    height = names.empty() ? 4 : bottom + kLegendRow + 4;
  }
  double x(size_t i) const { return entries[i].x; }
  double y(size_t i, double top) const { return top + 6 + entries[i].y; }
  std::string name(size_t i, double top, double beside) const {
    return text_lines(x(i) + beside, y(i, top) + 4, "start", "legend", entries[i].lines);
  }
  struct Entry {
    double x, y;
    std::vector<std::string> lines;
  };
  std::vector<Entry> entries;
  double bottom = 0, height = 0;
};
// The frame of a chart with two axes: grid, ticks, labels.
std::string frame(const Axis& x, const Axis& y, const std::string& x_label, const std::string& y_label,
                  bool percent_x) {
  std::string out;
  for (const double t : y.at) {
    out += line(kLeft, y(t), kWidth - kRight, y(t), "grid");
    out += text(kLeft - 6, y(t) + 4, "end", "tick", number(t));
  }
  for (const double t : x.at) {
    std::string shown = number(t);
    if (percent_x) shown = number(100 * t) + " %";
    out += text(x(t), kHeight - kBottom + 16, "middle", "tick", shown);
  }
  out += text((kLeft + kWidth - kRight) / 2, kHeight - 8, "middle", "label", x_label);
  out += fmt::format(
      "<text transform=\"translate(12 {:.0f}) rotate(-90)\" text-anchor=\"middle\" "
      "class=\"label\">{}</text>\n",
      (kTop + kHeight - kBottom) / 2, escape_html(y_label));
  return out;
}
std::string drawn(const ChartLine& l, int key, const Axis& along, double beside, const Axis& y) {
  const auto x = [&](double v) { return along(v) + beside; };
  using Stroke = ChartLine::Stroke;
  std::string out, path;
  if (l.points.empty()) return out;
  if (l.stroke == Stroke::level) {
    const ChartPoint& p = l.points.front();
    if (p.high > p.low)
      out +=
          rectangle(kLeft, y(p.high), kWidth - kRight - kLeft, y(p.low) - y(p.high), "band " + colour(key));
    return out + line(kLeft, y(p.y), kWidth - kRight, y(p.y), "level " + colour(key)) +
           mark(kWidth - kRight, y(p.y), key, l.name + ": " + number(p.y));
  }
  for (const ChartPoint& p : l.points) {
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x(p.x), y(p.y));
    if (p.high > p.low) out += line(x(p.x), y(p.low), x(p.x), y(p.high), "interval " + colour(key));
  }
  std::string style = "line " + colour(key);
  if (l.stroke == Stroke::reference) style = "reference";
  out += fmt::format("<path d=\"{}\" class=\"{}\"/>\n", path, style);
  if (l.stroke != Stroke::marked) return out;
  // Where lines have many points and share them, each has its marks at others.
  const size_t n = l.points.size(), every = n > kAllMarked ? n / kSomeMarked : 1;
  for (size_t i = static_cast<size_t>(key % kShapes) * every / kShapes; i < n; i += every) {
    const ChartPoint& p = l.points[i];
    out += mark(x(p.x), y(p.y), key, l.name + (l.name.empty() ? "" : ": ") + number(p.y));
  }
  return out;
}
}  // namespace

std::vector<double> ticks(double low, double high, int count) {
  if (!(high > low)) return {low};
  const double rough = (high - low) / count, power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = power;
  for (const double f : {1.0, 2.0, 5.0, 10.0})
    if (f * power <= rough * 1.0001) step = f * power;
  std::vector<double> out;
  for (int64_t i = static_cast<int64_t>(std::ceil(low / step - 1e-9));
       static_cast<double>(i) * step <= high + 1e-9 * step; ++i)
    out.push_back(static_cast<double>(i) * step);
  return out;
}

std::string svg(const LineChart& c) {
  using Stroke = ChartLine::Stroke;
  Range across, up{c.least, c.most};
  std::vector<std::string> names;
  bool counts = !c.percent_x;  // such as generations
  for (const ChartLine& l : c.lines) {
    if (!l.name.empty()) names.push_back(l.name);
    for (const ChartPoint& p : l.points) {
      counts = counts && l.stroke != Stroke::reference && p.x == std::round(p.x);
      if (l.stroke != Stroke::level) across.add(p.x);
      up.add(std::min(p.low, p.y));
      up.add(std::max(p.high, p.y));
    }
  }
  if (up.empty()) return "";
  if (across.empty()) across = {0, 1};
  Axis x(across.low, across.high, kLeft, kWidth - kRight, 4);
  const Axis y(up.low, up.high, kHeight - kBottom, kTop, 4);
  // There is nothing between two counts.
  if (counts) std::erase_if(x.at, [](double t) { return t != std::round(t); });
  const Legend legend(names);
  std::string out = head(c.title, kHeight + legend.height) + frame(x, y, c.x_label, c.y_label, c.percent_x);
  size_t place = 0;
  for (size_t i = 0; i < c.lines.size(); ++i) {
    const ChartLine& l = c.lines[i];
    const int key = l.key >= 0 ? l.key : static_cast<int>(i);
    const double middle = static_cast<double>(c.lines.size() - 1) / 2;
    out += drawn(l, key, x, c.apart ? 5 * (static_cast<double>(i) - middle) : 0, y);
    if (l.name.empty()) continue;
    const double lx = legend.x(place), ly = legend.y(place, kHeight);
    out += line(lx - 10, ly, lx + 10, ly, (l.stroke == Stroke::level ? "level " : "line ") + colour(key));
    out += mark(lx, ly, key);
    out += legend.name(place, kHeight, 16);
    ++place;
  }
  return out + "</svg>\n";
}

namespace {
std::string drawn(const IntervalChart& c, const IntervalRow& r, const Axis& x, double y) {
  const auto inside = [&](double v) { return std::clamp(v, c.least, c.most); };
  std::string out;
  if (c.bars) {
    const double zero = x(0), end = x(inside(r.value));
    out += rectangle(std::min(zero, end), y - 5, std::abs(end - zero), 10, "bar " + colour(r.key));
  }
  if (r.high > r.low) out += line(x(inside(r.low)), y, x(inside(r.high)), y, "interval " + colour(r.key));
  const auto arrow = [&](double at, int way) {
    out += fmt::format("<path d=\"M{:.1f} {:.1f}l{} 4v-8Z\" class=\"dot {}\"/>\n", at, y, -8 * way,
                       colour(r.key));
  };
  if (r.low < c.least) arrow(x(c.least), -1);
  if (r.high > c.most) arrow(x(c.most), 1);
  if (inside(r.value) == r.value) out += mark(x(r.value), y, r.key, r.name + ": " + r.note);
  return out;
}
}  // namespace

std::string svg(const IntervalChart& c) {
  if (c.rows.empty()) return "";
  constexpr double kRow = 31, kGap = 10;
  Range across{0, 0};
  for (const IntervalRow& r : c.rows)
    for (const double v : {r.low, r.value, r.high}) across.add(std::clamp(v, c.least, c.most));
  if (c.bars && c.percent) across.add(1);
  std::vector<std::string> names;
  for (const ChartKey& k : c.legend) names.push_back(k.name);
  const Legend legend(names);
  double bottom = kTop;
  std::vector<std::vector<std::string>> rows;  // the lines of their names, each beside the note
  for (const IntervalRow& r : c.rows) {
    rows.push_back(wrapped(r.name, kWidth - 8 - kGap - width_of(r.note, kSmallFont), kFont));
    bottom += kRow + kLine * static_cast<double>(rows.back().size() - 1);
  }
  const Axis x(across.low, across.high, 10, kWidth - 10, 3);
  std::string out = head(c.title, bottom + kBottom + legend.height);
  for (const double t : x.at) {
    const bool line_of_its_own = t == 0 || (c.bars && c.percent && t == 1);
    out += line(x(t), kTop, x(t), bottom, line_of_its_own ? "zero" : "grid");
    out += text(x(t), bottom + 15, "middle", "tick", c.percent ? number(100 * t) + " %" : number(t));
  }
  out += text(kWidth / 2, bottom + 34, "middle", "label", c.x_label);
  double y = kTop;
  for (size_t i = 0; i < c.rows.size(); ++i) {
    out += text_lines(4, y + 11, "start", "name", rows[i]);
    out += text(kWidth - 4, y + 11, "end", "note", c.rows[i].note);
    y += kLine * static_cast<double>(rows[i].size() - 1);
    out += drawn(c, c.rows[i], x, y + 23);
    y += kRow;
  }
  for (size_t i = 0; i < c.legend.size(); ++i) {
    out += mark(legend.x(i), legend.y(i, bottom + kBottom), c.legend[i].key);
    out += legend.name(i, bottom + kBottom, 12);
  }
  return out + "</svg>\n";
}

std::string svg(const ScatterChart& c) {
  if (c.points.empty()) return "";
  Range across, up;
  std::vector<std::string> names;
  for (const ScatterPoint& p : c.points) {
    across.add(p.at.x);
    up.add(p.at.low);
    up.add(p.at.high);
    names.push_back(fmt::format("{} {}", names.size() + 1, p.name));
  }
  const Axis x(across.low, across.high, kLeft, kWidth - kRight, 4),
      y(up.low, up.high, kHeight - kBottom, kTop, 4);
  const Legend legend(names);
  std::string out = head(c.title, kHeight + legend.height) + frame(x, y, c.x_label, c.y_label, false);
  struct Label {  // the numbers of points that lie almost at one place
    double x, y;
    std::string numbers;
  };
  std::vector<Label> labels;
  std::string marks;  // drawn last: the white around a number would wipe out what lies below it
  for (size_t i = 0; i < c.points.size(); ++i) {
    const ScatterPoint& p = c.points[i];
    const double px = x(p.at.x), py = y(p.at.y);
    if (p.at.high > p.at.low) marks += line(px, y(p.at.low), px, y(p.at.high), "interval " + colour(p.key));
    marks += mark(px, py, p.key, names[i]);
    const auto at = std::ranges::find_if(labels, [&](const Label& l) {
      return std::abs(l.y - py) < kSmallFont && std::abs(l.x - px) < 4 + width_of(l.numbers, kSmallFont);
    });
    const std::string place = fmt::format("{}", i + 1);
    if (at == labels.end())
      labels.push_back({px, py, place});
    else
      at->numbers += ", " + place;
    out += mark(legend.x(i), legend.y(i, kHeight), p.key) + legend.name(i, kHeight, 12);
  }
  for (const Label& l : labels) {
    const bool right = l.x + 7 + width_of(l.numbers, kSmallFont) < kWidth;
    out += text(l.x + (right ? 7 : -7), l.y - 5, right ? "start" : "end", "label", l.numbers);
  }
  return out + marks + "</svg>\n";
}
}  // namespace rum::page
