// Explanations: what each stretch of a text adds to its score, and which parts of a long text look
// machine-written. Independent of the kind of detector; shown by pages and in terminals.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "detect/calibrate.h"

namespace rum::detect {
struct Explained {
  Text text;
  double score = 0;
  Verdict verdict;
  Explanation explanation;
  bool white_box = false;  // white_box.h
};
// Error: the explanation does not add up to the score (to within 1e-6 of what its parts add in total).
Explained explained(const Detector&, const Text&);
// The sum, the constant and the parts in words, and a warning if the detector is white-box here.
std::string sum_told(const Explained&);

// A piece of the target for display, bytes [begin, end).
struct Stretch {
  size_t begin = 0, end = 0;
  double adds = 0;
  int64_t rank = 0;  // the highest of its tokens; 0: not known
  double probability = 1;
};
// The whole target in order, cut where parts begin or end but never inside a character. Overlapping parts (of
// a combination) are split in proportion to bytes, so stretches and parts have the same sum. A part without
// bytes, such as a model's end token, becomes a stretch without bytes.
std::vector<Stretch> stretches(const std::string& target, std::span<const Contribution> parts);
// GLTR's classes of tokens: rank at most 10, 100, 1000, beyond. rank_class: 0 to 3.
int rank_class(int64_t rank);
std::array<int64_t, 4> rank_histogram(std::span<const Contribution> parts);
// Has every part a rank? Then one language model explains the text.
bool has_ranks(std::span<const Contribution> parts);
// The features that add the most towards machine, then towards human; at most `most` of each.
std::vector<Feature> strongest(std::span<const Feature>, size_t most);

enum class Unit : uint8_t { words, sentences };  // words are separated by blanks
struct Window {
  size_t begin = 0, end = 0;    // bytes of the target
  int64_t first = 0, last = 0;  // its units, from 1
  double score = 0;
  Verdict verdict;
};
// Windows of `size` units, `stride` apart, plus one at the end if they do not reach it. Error: a detector
// that needs the source, as a window has none.
std::vector<Window> windows(const Detector&, const Text&, Unit, int64_t size, int64_t stride);
// Does the text look machine-written? True if it is flagged at the strictest threshold or, without
// thresholds, more likely a machine's than not; false if the detector abstains or is not calibrated.
bool looks_machine(const Calibration&, const Verdict&);
// Where windows look machine-written: bytes [begin, end), merged if they touch or overlap.
std::vector<std::pair<size_t, size_t>> machine_parts(const Calibration&, std::span<const Window>);

// In words: a verdict, one sentence per line, omitting what was not calibrated; a verdict in one word; how
// many windows look machine-written and what that means; how a window begins.
std::string told(const Calibration&, const Verdict&);
const char* answer(const Calibration&, const Verdict&);
std::string parts_told(const Calibration&, std::span<const Window>);
std::string beginning(const std::string& target, const Window&);
}  // namespace rum::detect
