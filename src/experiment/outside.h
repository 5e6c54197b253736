// A model's translations of the pool that were made elsewhere: source<TAB>target lines in the pool's order,
// or JSON lines {"id": place in the pool, "target": text, ...} in any order, which may have a source as well.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "text/json.h"

namespace rum::experiment {
struct OutsideTarget {
  int64_t line = 0;                   // of the file
  std::optional<std::string> source;  // in NFC, if the line has one
  std::string target;                 // may be empty: not translated
};
struct Outside {
  std::vector<OutsideTarget> targets;  // by place in the pool
  std::string lines;                   // JSON lines as they stand there; of pairs none
  int64_t unfinished = 0;              // targets that JSON lines say break off
  Json::Object from;                   // what JSON lines say of who wrote them
};
// FileError: it does not hold one translation of each of `pool` sentences, or JSON lines of several writers.
Outside read_outside(const std::string& path, int64_t pool);
}  // namespace rum::experiment
