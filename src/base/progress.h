// What long work shows: one line that is rewritten on a terminal, plain lines elsewhere; lasting lines go to
// a log too.
#pragma once
#include <chrono>
#include <string>

namespace rum {
class Progress {
 public:
  explicit Progress(std::string log_file = "");  // empty: no log
  ~Progress();
  void log_to(std::string file) { log_ = std::move(file); }
  void line(const std::string& text);  // lasting
  void status(
      const std::string& text);  // rewritten in place on a terminal; elsewhere at most one line in 10 s
  static bool terminal();        // is standard error one?

 private:
  std::string log_;
  bool open_ = false;  // a status line stands unfinished
  std::chrono::steady_clock::time_point last_{};
};
std::string duration(double seconds);  // 1h02m, 3m20s, 12s
double seconds_now();                  // of a steady clock
}  // namespace rum
