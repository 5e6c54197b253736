#include "tensor/tensor.h"

#include <algorithm>

#include "base/error.h"
#include "tensor/arena.h"

namespace rum {
Arena*& current_arena() {
  static Arena* a = nullptr;
  return a;
}

Tensor Tensor::declared(Shape s) {
  auto* b = new TensorBody;
  b->shape = s;
  return Tensor(b);
}
Tensor Tensor::empty(Shape s, DType t, DeviceKind d) {
  Arena* const arena = current_arena() && current_arena()->device() == d ? current_arena() : nullptr;
  const size_t bytes = static_cast<size_t>(s.size()) * size_of(t);
  auto* data = static_cast<char*>(arena ? arena->take(bytes) : Backend::of(d).allocate(bytes));
  auto* m = new Storage{arena, d, data, bytes, 1, 0};
  Tensor out = declared(s);
  out.body_->dtype = t;
  out.body_->device = d;
  out.body_->storage = m;
  out.body_->data = m->data;
  return out;
}
void Tensor::release(TensorBody* b) {
  if (--b->handles > 0) return;
  if (Storage* m = b->storage; m && --m->refs == 0) {
    if (m->arena)
      m->arena->give(m->data, m->bytes);
    else
      Backend::of(m->device).release(m->data);
    delete m;
  }
  delete b;
}
Tensor Tensor::as(Shape s) const {
  RUM_CHECK(s.size() == size(), "{} cannot be seen as {}", str(shape()), str(s));
  Tensor out = declared(s);
  const TensorBody& node = *body_;
  out.body_->dtype = node.dtype;
  out.body_->device = node.device;
  out.body_->data = node.data;
  ++(out.body_->storage = node.storage)->refs;
  return out;
}
Tensor Tensor::rows(int64_t begin, int64_t end) const {
  RUM_CHECK(0 <= begin && begin <= end && end <= shape()[0], "rows {}..{} of {}", begin, end, str(shape()));
  Tensor out = as(shape());
  out.body_->shape.axis[0] = end - begin;
  out.body_->data +=
      static_cast<size_t>(begin * (size() / std::max<int64_t>(shape()[0], 1))) * size_of(dtype());
  return out;
}
Tensor Tensor::clone() const {
  Tensor out = like(*this);
  out.copy_from(*this);
  return out;
}
bool Tensor::shared() const { return body_->handles > 1 || body_->storage->refs > 1; }
double Tensor::at(int64_t i) const {
  RUM_CHECK(i >= 0 && i < size(), "number {} of {}", i, str(shape()));
  auto read = [&]<class T>(T v) {
    Backend::of(device()).download(&v, data<T>() + i, sizeof v);
    return static_cast<double>(v);
  };
  if (dtype() == DType::i32) return read(int32_t{});
  double out = 0;
  by_type(dtype(), [&]<class T> { out = read(T{}); });
  return out;
}
template <class T>
Tensor Tensor::from(std::span<const T> values, Shape s, DType t, DeviceKind d) {
  RUM_CHECK(static_cast<int64_t>(values.size()) == s.size(), "{} numbers for {}", values.size(), str(s));
  if (d != DeviceKind::cpu) return from(values, s, t, DeviceKind::cpu).to(d);
  Tensor out = empty(s, t, d);
  if (t == DType::i32) {
    for (size_t i = 0; i < values.size(); ++i) out.data<int32_t>()[i] = static_cast<int32_t>(values[i]);
  } else {
    by_type(t, [&]<class U> {
      for (size_t i = 0; i < values.size(); ++i)
        out.data<U>()[i] = static_cast<U>(static_cast<Stats<U>>(values[i]));
    });
  }
  return out;
}
Tensor Tensor::ints(std::span<const int32_t> v, DeviceKind d) {
  return from(v, {static_cast<int64_t>(v.size())}, DType::i32, d);
}
void Tensor::copy_from(std::span<const int32_t> v) {
  RUM_CHECK(dtype() == DType::i32 && size() == static_cast<int64_t>(v.size()),
            "copy of {} integers to {}: expected as many i32", v.size(), str(shape()));
  Backend::of(device()).upload(body_->data, v.data(), v.size_bytes());
}
void Tensor::copy_from(const Tensor& t) {
  RUM_CHECK(t.shape() == shape() && t.dtype() == dtype(), "copy of {} to {}", str(t.shape()), str(shape()));
  if (t.device() == device())
    Backend::of(device()).copy(body_->data, t.body_->data, bytes());
  else if (t.device() == DeviceKind::cpu)
    Backend::of(device()).upload(body_->data, t.body_->data, bytes());
  else
    Backend::of(t.device()).download(body_->data, t.body_->data, bytes());
}
void Tensor::zero() { Backend::of(device()).fill(body_->data, 0, bytes()); }
Tensor Tensor::to(DeviceKind d) const {
  if (d == device()) return *this;
  Tensor out = empty(shape(), dtype(), d);
  out.copy_from(*this);
  return out;
}
template Tensor Tensor::from(std::span<const float>, Shape, DType, DeviceKind);
template Tensor Tensor::from(std::span<const double>, Shape, DType, DeviceKind);
template Tensor Tensor::from(std::span<const int32_t>, Shape, DType, DeviceKind);
}  // namespace rum
