// Explanations for people: what each stretch of a text adds to its score, and which part of a long text looks
// machine-written. Nothing here knows the kinds of detectors; pages and terminals show what stands here.
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
// Error: the explanation does not add up to the score (within 1e-6 of what its parts add in all).
Explained explained(const Detector&, const Text&);
// The sum, constant and parts, in words; and that it is a white-box answer, where it is one.
std::string sum_told(const Explained&);

// A piece of the target as it is shown, bytes [begin, end).
struct Stretch {
  size_t begin = 0, end = 0;
  double adds = 0;
  int64_t rank = 0;  // the worst of its tokens; 0: not known
  double probability = 1;
};
// The whole target in order, cut where parts begin or end but never within a character. Parts that lie over
// each other (of a combination) are shared out by bytes, so the stretches add what the parts do. A part
// without bytes, such as a model's end token, is a stretch without bytes.
std::vector<Stretch> stretches(const std::string& target, std::span<const Contribution> parts);
// GLTR's classes of tokens: rank at most 10, 100, 1000, beyond. rank_class: 0 to 3.
int rank_class(int64_t rank);
std::array<int64_t, 4> rank_histogram(std::span<const Contribution> parts);
// Has every part a rank? Then one language model explains the text.
bool has_ranks(std::span<const Contribution> parts);
// What adds the most, machine-like first, then the most human-like; at most `most` of each.
std::vector<Feature> strongest(std::span<const Feature>, size_t most);

enum class Unit : uint8_t { words, sentences };  // words stand between blanks
struct Window {
  size_t begin = 0, end = 0;    // bytes of the target
  int64_t first = 0, last = 0;  // its units, from 1
  double score = 0;
  Verdict verdict;
};
// Windows of `size` units, each `stride` further on, and one at the end where these stop short of it. Error:
// a detector that needs the source, since nobody knows a window's.
std::vector<Window> windows(const Detector&, const Text&, Unit, int64_t size, int64_t stride);
// Does it look machine-written? It is flagged at the strictest threshold, or without thresholds likelier than
// not; false when it abstains or nothing was calibrated.
bool looks_machine(const Calibration&, const Verdict&);
// Where windows look so: bytes [begin, end), joined where they touch or overlap.
std::vector<std::pair<size_t, size_t>> machine_parts(const Calibration&, std::span<const Window>);

// In words: a verdict, a sentence a line, without what was not calibrated; a verdict in one word; how many of
// the windows look machine-written and what that is worth; how a window begins.
std::string told(const Calibration&, const Verdict&);
const char* answer(const Calibration&, const Verdict&);
std::string parts_told(const Calibration&, std::span<const Window>);
std::string beginning(const std::string& target, const Window&);
}  // namespace rum::detect
