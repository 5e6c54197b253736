// The learning rate as a pure function of the step.
#pragma once
#include <cstdint>

namespace rum {
enum class Decay : uint8_t { cosine, linear, inverse_sqrt, constant };
struct Schedule {
  Decay decay = Decay::cosine;
  float peak = 1e-3f;
  int64_t warmup = 100;  // steps of linear warm-up
  // Share of the peak that cosine and linear would reach at step `steps`; the others ignore it.
  float floor = 0;
  int64_t steps = 1000;  // of the whole run
};
// Of step 0, 1, ...; even step 0 is above 0. cosine: Loshchilov and Hutter 2017; inverse_sqrt:
// Vaswani et al. 2017.
float learning_rate(const Schedule&, int64_t step);
}  // namespace rum
