// A file being written has a temporary name beside its final one, so that leftovers of a killed process
// can be recognised.
#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace rum {
// PATH.ruminate-XXXXXXXX.tmp, another one each time.
std::string unfinished_name(const std::string& path);
// Whether a file is named so, or as OutputFile names what it writes, PATH.ruminate.tmp.
bool is_unfinished(std::string_view name);
// PATH of these two, any other name as it is.
std::string finished_name(const std::string& path);

// While it lives, Ctrl-C, SIGTERM and SIGHUP end the process as follows, unless it listens to them itself
// (tools/interrupt.h): what is unfinished is removed, a sentence on standard error says what becomes of the
// work, and the exit status is 130. A second Ctrl-C or SIGTERM kills.
class Unfinished {
 public:
  // `remove` is called on another thread. Of several that live the first one's sentence is said.
  Unfinished(const std::string& sentence, const std::function<void()>& remove);
  ~Unfinished();
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  // No signal comes between the last step and the end of this one's life.
  void finish(const std::function<void()>& last_step);
};
}  // namespace rum
