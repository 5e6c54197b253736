// The register of ops, and what their samples and inputs have in common.
#include "autograd/op.h"

#include "base/error.h"
#include "base/random.h"

namespace rum {
namespace {
std::vector<const Op*>& registry() {
  static std::vector<const Op*> ops;
  return ops;
}
}  // namespace

Op::Op(const char* n, const char* f, std::vector<Sample> (*s)(), Tolerance t)
    : name(n),
      formula(f),
      samples(s),
      tolerance(t) {
  registry().push_back(this);
}
std::span<const Op* const> Op::all() { return registry(); }
Tensor noise(Shape s, uint32_t seed, double scale) {
  Tensor t = Tensor::empty(s, DType::f64, DeviceKind::cpu);
  for (int64_t i = 0; i < s.size(); ++i)
    t.data<double>()[i] = scale * Random{seed, Stream::init}.normal(7, static_cast<uint32_t>(i));
  return t;
}

void check_inputs(const char* op, std::initializer_list<Tensor> inputs) {
  const Tensor& first = *inputs.begin();
  for (const Tensor& t : inputs) {
    if (!t) continue;
    RUM_CHECK(t.shape().rank > 0 && t.size() > 0, "{}: an input {} has no numbers", op, str(t.shape()));
    RUM_CHECK(t.dtype() == first.dtype() && t.dtype() != DType::i32 && t.device() == first.device(),
              "{}: inputs {} and {} must be of one floating-point type, on one device", op,
              str(first.shape()), str(t.shape()));
  }
}
}  // namespace rum
