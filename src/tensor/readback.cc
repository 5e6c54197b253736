#include "tensor/readback.h"

#include <utility>

#include "base/error.h"

namespace rum {
Readback::Readback(std::initializer_list<Tensor> scalars) {
  for (const Tensor& t : scalars) {
    RUM_CHECK(t.size() == 1 && (t.dtype() == DType::f32 || t.dtype() == DType::f64),
              "read back: a tensor {}, expected one number in f32 or f64", str(t.shape()));
    backend_ = &Backend::of(t.device());
    started_.push_back({backend_->start_download(t.data<void>(), size_of(t.dtype())), t.dtype()});
  }
}
Readback::~Readback() {
  try {
    finish();
  } catch (const Error&) {  // of the device, for numbers that nobody has asked for
  }
}
void Readback::finish() {
  for (const Started& s : std::exchange(started_, {})) {  // none is finished twice, even if one throws
    double d = 0;
    float f = 0;
    backend_->finish_download(s.download, s.dtype == DType::f64 ? static_cast<void*>(&d) : &f,
                              size_of(s.dtype));
    numbers_.push_back(s.dtype == DType::f64 ? d : static_cast<double>(f));
  }
}
double Readback::at(size_t i) {
  finish();
  RUM_CHECK(i < numbers_.size(), "read back: number {} of {}", i, numbers_.size());
  return numbers_[i];
}
}  // namespace rum
