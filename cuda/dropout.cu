// GPU twin of src/ops/dropout.cc: the same random bits, from (seed, step, micro-batch, site, element).
#include "base/random.h"
#include "cuda/kernel.h"
#include "ops/dropout.h"

namespace rum::cuda {
namespace {
__device__ __forceinline__ uint32_t word_of(const Bits4& bits, int k) {  // no index: bits stay in registers
  if (k == 0) return bits.at[0];
  if (k == 1) return bits.at[1];
  return k == 2 ? bits.at[2] : bits.at[3];
}
template <class T>
struct Drop {  // one Philox draw gives four neighbours their bits
  const T* x;
  T* y;
  float rate, scale;
  uint32_t site;
  const StepInputs* in;
  bool add;
  template <int V>
  __device__ void at(int64_t i) const {
    const Random random{in->seed, Stream::dropout};
    const Pack<T, V> from = load<T, V>(x + i);
    Pack<T, V> to;
    if (add) to = load<T, V>(y + i);
    Bits4 bits;
    for (int k = 0; k < V; ++k) {
      if (k % 4 == 0) bits = random.bits({in->step, in->micro, site, static_cast<uint32_t>((i + k) / 4)});
      const uint32_t drawn = word_of(bits, V == 1 ? static_cast<int>(i % 4) : k % 4);
      const float v = (Random::uniform(drawn) < rate ? 0.0f : scale) * to_float(from.at[k]);  // NaN stays
      to.at[k] = from_float<T>(add ? v + to_float(to.at[k]) : v);
    }
    store<T, V>(y + i, to);
  }
};
void apply(const Tensor& x, float rate, uint32_t site, const StepInputs* in, const Grad& y) {
  by_device_type(x.dtype(), [&]<class T> {
    T* const to = y.to().data<T>();
    for_each<kPack<T>>(x.size(), aligned({x.data<T>(), to}),
                       Drop<T>{x.data<T>(), to, rate, 1 / (1 - rate), site, in, y.add()});
  });
}
const bool provided = kernels::dropout.provide(DeviceKind::cuda, apply);
}  // namespace
}  // namespace rum::cuda
