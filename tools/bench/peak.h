// What this machine can do at this moment: shared processors and clocks make it another number each time.
#pragma once

namespace rum {
double seconds(bool processor);  // by the clock of the process, or by the one on the wall
// GFLOP/s of fused multiply-adds in f32 from registers, of all threads; takes a few milliseconds. With one
// thread by processor time.
double fma_peak();
}  // namespace rum
