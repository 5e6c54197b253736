// The measures of targets against the human ones of the same sentences: what the stage "measure" takes, and
// which way each is better, by which claims of kind "errors" and "diversity" are judged.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

namespace rum::experiment {
struct TargetMeasure {
  const char* name;       // "1-bleu", "1-chrf", or of metrics/errors.h or metrics/diversity.h
  int better;             // 1: higher; -1: lower; 0: neither, so no claim can be judged by it
  bool standard = false;  // of a claim that names no measures
};
// In the order of tables. kind: "errors" or "diversity".
std::span<const TargetMeasure> measures_of(std::string_view kind);
const TargetMeasure& measure_of(std::string_view kind, std::string_view name);  // Error: there is none

// A share of fewer chances than this is not compared in percent.
inline constexpr double kFewChances = 30;
// Random swaps of lines behind the p of a measure, of which none is below 1 / (kSwaps + 1).
inline constexpr int kSwaps = 1000;
}  // namespace rum::experiment
