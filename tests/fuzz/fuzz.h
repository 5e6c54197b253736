// A fuzz target: bytes in, and only FileError may come out. Each registers itself; libFuzzer drives one of
// them (main/fuzz_main.cc), the ordinary tests replay the stored inputs of all (replay_test.cc). A broken
// promise throws what nobody catches, so both notice.
#pragma once
#include <stdexcept>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace rum {
struct FuzzTarget {
  const char* name;  // its inputs lie in tests/fuzz/NAME/
  void (*run)(std::string_view bytes);
  FuzzTarget(const char* n, void (*r)(std::string_view)) : name(n), run(r) { all().push_back(*this); }
  static std::vector<FuzzTarget>& all() {
    static std::vector<FuzzTarget> targets;
    return targets;
  }
};
inline void promise(bool kept) {
  if (!kept) throw std::logic_error("a promise of this fuzz target is broken");
}
// Runs f; false when it refused its input with a FileError. Anything else that is thrown is a defect.
template <class F>
bool accepted(F&& f) {
  try {
    f();
  } catch (const FileError&) {
    return false;
  }
  return true;
}
}  // namespace rum
