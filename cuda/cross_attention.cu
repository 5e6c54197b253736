// GPU twin of src/ops/cross_attention.cc: every query sees all keys of its text.
#include "cuda/attend.h"
#include "ops/attention.h"

namespace rum::cuda {
namespace {
template <class T>
void describe(Attend<T>& a, const Tensor& q, const Tensor& kv, Heads hs, const Layout& queries,
              const Layout& memory) {
  const int64_t d = q.shape()[1] / hs.query;
  a.d = static_cast<int>(d);
  a.heads = hs.query;
  a.group = hs.query / hs.kv;
  a.q = q.data<T>();
  a.k = kv.data<T>();
  a.v = a.k + hs.kv * d;
  a.q_step = a.y_step = q.shape()[1];
  a.k_step = a.v_step = kv.shape()[1];
  a.offsets = queries.offsets.data<int32_t>();
  a.k_offsets = memory.offsets.data<int32_t>();
  a.texts = static_cast<int>(queries.offsets.size() - 1);
  a.rows = static_cast<int>(q.shape()[0]);
  a.k_rows = static_cast<int>(kv.shape()[0]);
  a.full = true;
  a.scale = attend_scale(d);
}
void forward(const Tensor& q, const Tensor& kv, Heads hs, const Layout& queries, const Layout& memory,
             Tensor& y, Tensor& lse) {
  by_device_type(q.dtype(), [&]<class T> {
    Attend<T> a;
    describe(a, q, kv, hs, queries, memory);
    a.y = y.data<T>();
    a.lse = lse.data<float>();
    a.wide = packs<T>(a.d, {a.q, a.k, a.v, a.y});
    attend_forward(a);
  });
}
void backward(const Tensor& q, const Tensor& kv, Heads hs, const Layout& queries, const Layout& memory,
              const Tensor& y, const Tensor& lse, const Tensor& dy, const Grad& dq, const Grad& dkv) {
  by_device_type(q.dtype(), [&]<class T> {
    AttendBackward<T> a;
    describe(a, q, kv, hs, queries, memory);
    a.dy = dy.data<T>();
    if (dq) {
      a.dq = dq.to().data<T>();
      a.dq_step = q.shape()[1];
      a.add_q = dq.add();
    }
    if (dkv) {
      a.dk = dkv.to().data<T>();
      a.dv = a.dk + hs.kv * a.d;
      a.dkv_step = kv.shape()[1];
      a.add_kv = dkv.add();
    }
    a.wide = packs<T>(a.d, {a.q, a.k, a.v, a.dy, a.dq, a.dk});
    attend_backward(a, y, lse);
  });
}
const bool provided = kernels::cross_attention_forward.provide(DeviceKind::cuda, forward) &&
                      kernels::cross_attention_backward.provide(DeviceKind::cuda, backward);
}  // namespace
}  // namespace rum::cuda
