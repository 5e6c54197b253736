// GPU twin of src/ops/dropout.cc: the same random bits, from (seed, step, micro-batch, site, element).
#include "base/random.h"
#include "cuda/kernel.h"
#include "ops/dropout.h"

namespace rum::cuda {
namespace {
template <class T>
struct Four {  // one draw of Philox gives four neighbours their bits
  const T* x;
  T* y;
  int64_t n;
  float rate, scale;
  uint32_t site;
  const StepInputs* in;
  bool add;
  __device__ void operator()(int64_t q) const {
    const Bits4 bits =
        Random{in->seed, Stream::dropout}.bits({in->step, in->micro, site, static_cast<uint32_t>(q)});
    for (int k = 0; k < 4; ++k) {
      const int64_t i = 4 * q + k;
      if (i >= n) return;
      const float v = Random::uniform(bits.at[k]) < rate ? 0.0f : scale * to_float(x[i]);
      y[i] = from_float<T>(v + (add ? to_float(y[i]) : 0.0f));
    }
  }
};
void apply(const Tensor& x, float rate, uint32_t site, const StepInputs* in, const Grad& y) {
  by_device_type(x.dtype(), [&]<class T> {
    const int64_t n = x.size();
    for_each((n + 3) / 4, Four<T>{x.data<T>(), y.to().data<T>(), n, rate, 1 / (1 - rate), site, in, y.add()});
  });
}
const bool provided = kernels::dropout.provide(DeviceKind::cuda, apply);
}  // namespace
}  // namespace rum::cuda
