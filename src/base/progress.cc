#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "base/file.h"
#include "base/say.h"
#include "base/terminal.h"

namespace rum {
Progress::Progress(std::string log_file) : log_(std::move(log_file)) {}
Progress::~Progress() {
  if (open_) put(stderr, "\n");
}
bool Progress::terminal() {
  static const bool is = isatty(STDERR_FILENO) == 1;
  return is;
}
void Progress::line(const std::string& text) {
  if (silent_) return;
  if (open_) erase_line();
  open_ = false;
  say("{}", text);
  if (!log_.empty()) Disk::real().append(log_, text + "\n");
}
void Progress::status(const std::string& text) {
  if (silent_) return;
  const auto now = std::chrono::steady_clock::now();
  if (terminal()) {
    erase_line();
    put(stderr, text);
    open_ = true;
  } else if (now - last_ >= std::chrono::seconds(10)) {
    last_ = now;
    line(text);
  }
}
std::string duration(double seconds) {
  const auto s = static_cast<int64_t>(std::llround(seconds));
  if (s >= 3600) return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
  return s >= 60 ? fmt::format("{}m{:02}s", s / 60, s % 60) : fmt::format("{}s", s);
}
}  // namespace rum
