// Finds the fastest of several candidates on this GPU, timed by CUDA events. Each one's best time counts, and
// they run in turn, so that a change of the GPU's clock rate affects them all.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <vector>

#include "cuda/simt/simt.h"

namespace rum::cuda {
class Race {
  static constexpr int kTurns = 5, kLaunches = 8;  // of a turn: two events cost as much as a small product
  static constexpr float kWarmUp = 20;             // ms: an idle GPU starts at a low clock rate
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
  std::optional<float> turn(const std::function<bool()>& run) {  // milliseconds, all launches
    float ms = 0;
    simt::check(cudaEventRecord(begin_, simt::stream()), "cudaEventRecord");
    for (int i = 0; i < kLaunches; ++i)
      if (!run()) return {};
    simt::check(cudaEventRecord(end_, simt::stream()), "cudaEventRecord");
    simt::check(cudaEventSynchronize(end_), "timing a product");
    simt::check(cudaEventElapsedTime(&ms, begin_, end_), "timing a product");
    return std::max(ms, 0.001f);
  }

 public:
  Race() {
    simt::check(cudaEventCreate(&begin_), "cudaEventCreate");
    simt::check(cudaEventCreate(&end_), "cudaEventCreate");
  }
  Race(const Race&) = delete;
  ~Race() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  // The fastest of `count` candidates, if any runs at all; run(i) returns false when i is refused.
  std::optional<size_t> fastest(size_t count, const std::function<bool(size_t)>& run) {
    std::vector<float> least(count, INFINITY);
    std::vector<bool> out(count, false);
    auto time = [&](size_t i) {
      const std::optional<float> ms = turn([&] { return run(i); });
      out[i] = !ms;
      return ms.value_or(INFINITY);
    };
    size_t first = 0;  // the first that runs
    for (float warm = 0; first < count && warm < kWarmUp; first += out[first])
      if (const float ms = time(first); !out[first]) warm += ms;
    for (int n = 0; n < kTurns; ++n)
      for (size_t i = 0; i < count; ++i)
        if (!out[i]) least[i] = std::min(least[i], time(i));
    const auto best = std::min_element(least.begin(), least.end());
    if (best == least.end() || *best == INFINITY) return {};
    return best - least.begin();
  }
};
}  // namespace rum::cuda
