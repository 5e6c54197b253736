// A few numbers on their way from a device to the host: their values are those at the time this was made,
// whatever was queued later. Asking for them waits for them alone, so the device never waits for the host.
#pragma once
#include <initializer_list>
#include <vector>

#include "tensor/backend.h"
#include "tensor/tensor.h"

namespace rum {
class Readback {
 public:
  explicit Readback(std::initializer_list<Tensor> scalars);  // one number each, f32 or f64, of one device
  Readback(Readback&&) = default;
  Readback& operator=(Readback&&) = delete;
  ~Readback();
  double at(size_t i);  // of the i-th; the first call waits

 private:
  struct Started {
    void* download;
    DType dtype;
  };
  void finish();
  Backend* backend_ = nullptr;
  std::vector<Started> started_;
  std::vector<double> numbers_;
};
}  // namespace rum
