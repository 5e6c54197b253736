// Attacks: ways to disguise machine-written text that need no model. Kinds and rates as in RAID (Dugan et al.
// 2024), with small tables of our own.
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "base/random.h"

namespace rum::detect {
// Random draws that depend only on the seed, the text and the number of earlier draws.
class Draws {
 public:
  Draws(uint32_t seed, uint32_t text) : random_{seed, Stream::sample}, text_(text) {}
  bool with(double rate) { return Random::uniform(next()) < rate; }
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(uint64_t{next()} * n >> 32); }

 private:
  uint32_t next() { return random_.bits({text_, 0, 0, drawn_++}).at[0]; }
  Random random_;
  uint32_t text_, drawn_ = 0;
};
struct Attack {
  const char* name;
  const char* help;
  double rate;  // share of the places where it could apply
  std::string (*apply)(const std::string& text, double rate, Draws&);
};
std::span<const Attack> attacks();  // those of RAID (Dugan et al. 2024) that need no model
// Text number `text` of a corpus, attacked. Error with a suggestion for an unknown name.
std::string attack(const std::string& name, const std::string& target, uint32_t seed, uint32_t text);
}  // namespace rum::detect
