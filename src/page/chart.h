// Charts as inline SVG for the report: no script, no fonts, no network. Colours are CSS variables of the
// page, so they follow light, dark and print; series differ in the shape of their marks as well, so nobody
// has to tell colours apart. All charts have the same narrow width: two fit side by side on a page, and on a
// phone they are stacked.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/html.h"

namespace rum::page {
inline constexpr int kColours = 8;  // of series

struct ChartPoint {
  double x = 0, y = 0, low = 0, high = 0;  // low = high = y: no interval
};
struct ChartLine {
  enum class Stroke : uint8_t {
    marked,     // a line with a mark at each point, or at some of many
    level,      // one point: a dashed horizontal line across the chart, with a mark at its end
    reference,  // a thin dashed line that is not data, such as a diagonal
  };
  std::string name;                // empty: not in the legend
  std::vector<ChartPoint> points;  // by x
  Stroke stroke = Stroke::marked;
  int key = -1;  // its colour and shape; -1: by position in the chart
};
// Lines with intervals. Names are in a legend below. Each svg() is "" where there is nothing to draw.
struct LineChart {
  std::string title, x_label, y_label;
  std::vector<ChartLine> lines;
  bool percent_x = false;
  bool apart = false;                   // shift lines a little, so that no interval hides another
  double least = 1e300, most = -1e300;  // the least range of the vertical axis
};
std::string svg(const LineChart&);

// A name for a colour and shape in a legend: "A, main".
struct ChartKey {
  int key = 0;
  std::string name;
};
// One row per comparison: an estimate with its interval on a common axis. Names are above their rows, wrapped
// beside their notes.
struct IntervalRow {
  std::string name, note;  // note: right of the name, e.g. the value
  double value = 0, low = 0, high = 0;
  int key = 0;
};
struct IntervalChart {
  std::string title, x_label;
  std::vector<IntervalRow> rows;
  std::vector<ChartKey> legend;
  bool percent = false;                 // values are shares
  bool bars = false;                    // from 0 to the value
  double least = -1e300, most = 1e300;  // values beyond are cut off, with an arrow
};
std::string svg(const IntervalChart&);

// Points with their numbers beside them; the legend says which is which.
struct ScatterPoint {
  std::string name;
  ChartPoint at;
  int key = 0;
};
struct ScatterChart {
  std::string title, x_label, y_label;
  std::vector<ScatterPoint> points;
};
std::string svg(const ScatterChart&);

// About `count` round numbers within low..high.
std::vector<double> ticks(double low, double high, int count = 5);
}  // namespace rum::page
