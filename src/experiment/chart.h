// Charts as inline SVG for the report: no script, no fonts, no network. Colours are CSS variables of the
// page, so they follow light, dark and print.
#pragma once
#include <string>
#include <vector>

namespace rum {
std::string escape_html(std::string_view text);

struct ChartPoint {
  double x = 0, y = 0, low = 0, high = 0;  // low = high = y: no interval
};
struct ChartLine {
  std::string name;
  std::vector<ChartPoint> points;  // by x
  bool level = false;              // one point: drawn as a level across the chart
};
// Lines with intervals over one axis. Names stand in a legend below.
struct LineChart {
  std::string title, x_label, y_label;
  std::vector<ChartLine> lines;
  bool percent_x = false;
};
std::string svg(const LineChart&);

// One row per comparison: an estimate with its interval on a common axis with a line at 0.
struct IntervalRow {
  std::string name, note;  // note: right of the row, e.g. the value
  double value = 0, low = 0, high = 0;
  int colour = 0;
};
struct IntervalChart {
  std::string title, x_label;
  std::vector<IntervalRow> rows;
};
std::string svg(const IntervalChart&);

// About `count` round numbers that cover low..high.
std::vector<double> ticks(double low, double high, int count = 5);
}  // namespace rum
