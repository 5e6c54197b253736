// The learning rate as a pure function of the step.
#pragma once
#include <cstdint>

namespace rum {
enum class Decay : uint8_t { cosine, linear, inverse_sqrt, constant };
struct Schedule {
  Decay decay = Decay::cosine;
  float peak = 1e-3f;
  int64_t warmup = 100;  // steps of linear warm-up
  float floor = 0;       // share of the peak that cosine and linear would reach at step `steps`
};
// Of step 0, 1, ... of a run of `steps`, which cosine and linear alone look at; even step 0 is above 0.
// cosine: Loshchilov and Hutter 2017; inverse_sqrt: Vaswani et al. 2017.
float learning_rate(const Schedule&, int64_t step, int64_t steps);
}  // namespace rum
