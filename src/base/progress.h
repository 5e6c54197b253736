// What a long job shows: one status line that is rewritten in place on a terminal, plain lines elsewhere.
// Lines that stay also go to a log.
#pragma once
#include <chrono>
#include <string>

namespace rum {
class Progress {
 public:
  explicit Progress(std::string log_file = "");  // empty: no log
  ~Progress();
  void log_to(std::string file) { log_ = std::move(file); }
  void be_silent() { silent_ = true; }  // for all but one of several processes that do the same
  void line(const std::string& text);   // one that stays
  // Rewritten in place on a terminal; elsewhere at most one line in 10 s.
  void status(const std::string& text);
  static bool terminal();  // is standard error one?

 private:
  std::string log_;
  bool open_ = false;  // a status line stands unfinished
  bool silent_ = false;
  std::chrono::steady_clock::time_point last_{};
};
std::string duration(double seconds);  // 1h02m, 3m20s, 12s
}  // namespace rum
