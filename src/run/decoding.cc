#include "run/decoding.h"

#include <fmt/format.h>

namespace rum {
std::string describe(const Decoding& d) {
  std::string limits = fmt::format("max_new {} max_ratio {}", d.max_new, d.max_ratio);
  if (d.repetition_penalty != 1) limits += fmt::format(" repetition_penalty {}", d.repetition_penalty);
  if (d.no_repeat > 0) limits += fmt::format(" no_repeat {}", d.no_repeat);
  if (d.beam == 1 && !d.sample) return "greedy " + limits;
  if (d.best > 1) limits += fmt::format(" best {}", d.best);
  if (d.sample)
    return fmt::format("sample temperature {} top_k {} top_p {} min_p {} {}", d.temperature, d.top_k, d.top_p,
                       d.min_p, limits);
  return fmt::format("beam {} length_penalty {} {}", d.beam, d.length_penalty, limits);
}
}  // namespace rum
