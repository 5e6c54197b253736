#include "experiment/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace rum {
namespace {
constexpr double kWidth = 640, kHeight = 300, kLeft = 56, kRight = 16, kTop = 34, kBottom = 46;
constexpr int kColours = 8;

std::string number(double v) {
  const std::string s = fmt::format("{:.5g}", v);
  return s == "-0" ? "0" : s;
}
std::string text(double x, double y, const char* anchor, const char* style, const std::string& what) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" class=\"{}\">{}</text>\n", x, y,
                     anchor, style, escape_html(what));
}
std::string line(double x1, double y1, double x2, double y2, const std::string& style) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>\n", x1, y1,
                     x2, y2, style);
}
std::string head(const std::string& title, double width, double height) {
  return fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">\n", width, height,
                     escape_html(title)) +
         text(4, 18, "start", "title", title);
}
struct Axis {
  double low, high, from, to;  // of values, of the page
  double operator()(double v) const { return from + (v - low) / (high - low) * (to - from); }
};
Axis axis(double low, double high, double from, double to) {
  if (!(high > low)) low -= 1, high += 1;
  const double margin = 0.05 * (high - low);
  return {low - margin, high + margin, from, to};
}
}  // namespace

std::string escape_html(std::string_view in) {
  std::string out;
  for (const char c : in) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  return out;
}

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
  double x0 = 1e300, x1 = -1e300, y0 = 1e300, y1 = -1e300;
  for (const ChartLine& l : c.lines)
    for (const ChartPoint& p : l.points) {
      if (!l.level) x0 = std::min(x0, p.x), x1 = std::max(x1, p.x);
      y0 = std::min(y0, std::min(p.low, p.y)), y1 = std::max(y1, std::max(p.high, p.y));
    }
  if (y0 > y1) return "";
  if (x0 > x1) x0 = 0, x1 = 1;
  const Axis x = axis(x0, x1, kLeft, kWidth - kRight), y = axis(y0, y1, kHeight - kBottom, kTop);
  const double legend = 18.0 * std::ceil(static_cast<double>(c.lines.size()) / 2);
  std::string out = head(c.title, kWidth, kHeight + legend);
  for (const double t : ticks(y.low, y.high)) {
    out += line(kLeft, y(t), kWidth - kRight, y(t), "grid");
    out += text(kLeft - 6, y(t) + 4, "end", "tick", number(t));
  }
  for (const double t : ticks(x.low, x.high, 6))
    out += text(x(t), kHeight - kBottom + 16, "middle", "tick",
                c.percent_x ? number(100 * t) + " %" : number(t));
  out += text((kLeft + kWidth - kRight) / 2, kHeight - 8, "middle", "label", c.x_label);
  out += fmt::format(
      "<text transform=\"translate(14 {:.0f}) rotate(-90)\" text-anchor=\"middle\" "
      "class=\"label\">{}</text>\n",
      (kTop + kHeight - kBottom) / 2, escape_html(c.y_label));
  for (size_t i = 0; i < c.lines.size(); ++i) {
    const ChartLine& l = c.lines[i];
    const std::string colour = fmt::format("s{}", i % kColours);
    if (l.level && !l.points.empty()) {
      const ChartPoint& p = l.points.front();
      if (p.high > p.low)
        out += fmt::format(
            "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" class=\"band {}\"/>\n", kLeft,
            y(p.high), kWidth - kRight - kLeft, y(p.low) - y(p.high), colour);
      out += line(kLeft, y(p.y), kWidth - kRight, y(p.y), "level " + colour);
    } else {
      std::string path;
      for (const ChartPoint& p : l.points) {
        path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : " L", x(p.x), y(p.y));
        if (p.high > p.low) out += line(x(p.x), y(p.low), x(p.x), y(p.high), "interval " + colour);
      }
      out += fmt::format("<path d=\"{}\" class=\"line {}\"/>\n", path, colour);
      for (const ChartPoint& p : l.points)
        out += fmt::format(
            "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\" class=\"dot {}\"><title>{}: {}</title></circle>\n",
            x(p.x), y(p.y), colour, escape_html(l.name), number(p.y));
    }
    const double lx = kLeft + (i % 2 ? 300 : 0), ly = kHeight + 8 + 18.0 * static_cast<double>(i / 2);
    out += line(lx, ly, lx + 18, ly, (l.level ? "level " : "line ") + colour);
    out += text(lx + 24, ly + 4, "start", "legend", l.name);
  }
  return out + "</svg>\n";
}

std::string svg(const IntervalChart& c) {
  if (c.rows.empty()) return "";
  double low = 0, high = 0;
  for (const IntervalRow& r : c.rows)
    low = std::min({low, r.low, r.value}), high = std::max({high, r.high, r.value});
  size_t longest = 0;
  for (const IntervalRow& r : c.rows) longest = std::max(longest, r.name.size());
  const double names = std::min(280.0, 24 + 6.6 * static_cast<double>(longest)), notes = 120, row = 24,
               bottom = kTop + row * static_cast<double>(c.rows.size());
  const Axis x = axis(low, high, names, kWidth - notes);
  std::string out = head(c.title, kWidth, bottom + 44);
  for (const double t : ticks(x.low, x.high)) {
    out += line(x(t), kTop, x(t), bottom, t == 0 ? "zero" : "grid");
    out += text(x(t), bottom + 16, "middle", "tick", number(t));
  }
  out += text((names + kWidth - notes) / 2, bottom + 36, "middle", "label", c.x_label);
  for (size_t i = 0; i < c.rows.size(); ++i) {
    const IntervalRow& r = c.rows[i];
    const double y = kTop + row * (static_cast<double>(i) + 0.5);
    const std::string colour = fmt::format("s{}", r.colour % kColours);
    out += text(names - 10, y + 4, "end", "legend", r.name);
    out += line(x(r.low), y, x(r.high), y, "interval " + colour);
    out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" class=\"dot {}\"/>\n", x(r.value), y,
                       colour);
    out += text(kWidth - notes + 8, y + 4, "start", "tick", r.note);
  }
  return out + "</svg>\n";
}
}  // namespace rum
