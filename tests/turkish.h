// A locale in which 2.5 is written 2,5 and I is not the capital of i, for this process and those it starts.
#pragma once
#include <stdlib.h>

#include <clocale>
#include <map>
#include <string>

#include "tests/scratch.h"

namespace rum {
// Turkish from its construction to its end; false where it is neither installed nor made by localedef.
class Turkish {
 public:
  static constexpr const char* kMissing = "no locale with a decimal comma here, and localedef makes none";
  Turkish() {
    static const Scratch made;
    static const std::string make =
        "LC_ALL=C localedef --no-archive -i tr_TR -f UTF-8 '" + made.path + "/tr_TR.UTF-8' 2>/dev/null";
    for (const char* name : {"LC_ALL", "LOCPATH"})
      if (const char* set = getenv(name)) environment_[name] = set;
    setenv("LC_ALL", "tr_TR.UTF-8", 1);
    if (!is_set()) {
      setenv("LOCPATH", made.path.c_str(), 1);
      [[maybe_unused]] static const int status = system(make.c_str());
    }
    set_ = is_set();
  }
  ~Turkish() {
    setlocale(LC_ALL, before_.c_str());
    for (const char* name : {"LC_ALL", "LOCPATH"}) unsetenv(name);
    for (const auto& [name, value] : environment_) setenv(name.c_str(), value.c_str(), 1);
  }
  Turkish(const Turkish&) = delete;
  Turkish& operator=(const Turkish&) = delete;
  explicit operator bool() const { return set_; }

 private:
  static bool is_set() { return setlocale(LC_ALL, "") && std::string(localeconv()->decimal_point) == ","; }
  std::string before_ = setlocale(LC_ALL, nullptr);
  std::map<std::string, std::string> environment_;
  bool set_ = false;
};
}  // namespace rum
