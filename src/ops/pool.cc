// Mean or last row of each text: CPU kernel, gradient and samples. A piece of work is one text.
#include "ops/pool.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/threads.h"

namespace rum {
namespace {
struct Rows {  // begin .. end
  int64_t begin, end;
};
Rows rows_of(const int32_t* offsets, int64_t s, Pooling kind) {  // those of text s that are pooled
  const int32_t begin = offsets[s], end = offsets[s + 1];
  return {kind == Pooling::mean ? begin : std::max(begin, end - 1), end};
}
void forward(const Tensor& x, const Tensor& offsets, Pooling kind, Tensor& y) {
  by_type(x.dtype(), [&]<class T> {
    using S = Stats<T>;
    const int64_t c = x.shape()[1];
    const int32_t* o = offsets.data<int32_t>();
    parallel(offsets.size() - 1, [&](int64_t s) {
      const auto [begin, end] = rows_of(o, s, kind);
      std::vector<S> sum(static_cast<size_t>(c));
      for (int64_t i = begin; i < end; ++i) {
        const T* row = x.data<T>() + i * c;
        for (int64_t j = 0; j < c; ++j) sum[static_cast<size_t>(j)] += static_cast<S>(row[j]);
      }
      const S count = static_cast<S>(std::max<int64_t>(end - begin, 1));
      for (int64_t j = 0; j < c; ++j)
        y.data<T>()[s * c + j] = static_cast<T>(sum[static_cast<size_t>(j)] / count);
    });
  });
}
// y_s = sum of the chosen rows of text s / their count, so each of these gets dx_i = dy_s / count; others 0.
void backward(const Tensor& dy, const Tensor& offsets, Pooling kind, const Grad& dx) {
  by_type(dy.dtype(), [&]<class T> {
    using S = Stats<T>;
    const int64_t c = dy.shape()[1], n = dx.to().shape()[0], texts = offsets.size() - 1;
    const int32_t* o = offsets.data<int32_t>();
    T* out = dx.to().data<T>();
    const bool add = dx.add();
    if (!add) std::fill(out + o[texts] * c, out + n * c, T{});  // after the last text
    parallel(texts, [&](int64_t s) {
      const auto [begin, end] = rows_of(o, s, kind);
      if (!add) std::fill(out + o[s] * c, out + begin * c, T{});
      const S count = static_cast<S>(end - begin);
      for (int64_t i = begin; i < end; ++i)
        for (int64_t j = 0; j < c; ++j) {
          const S d = static_cast<S>(dy.data<T>()[s * c + j]) / count;
          out[i * c + j] = static_cast<T>(d + (add ? static_cast<S>(out[i * c + j]) : S{0}));
        }
    });
  });
}
const bool provided = kernels::pool_forward.provide(DeviceKind::cpu, forward) &&
                      kernels::pool_backward.provide(DeviceKind::cpu, backward);

std::vector<Sample> samples() {
  auto with = [](std::string label, Tensor x, Pooling kind, std::vector<int32_t> offsets) {
    const Apply f = [=](std::span<const Tensor> in) {
      return pool(in[0], Layout{Tensor::ints(offsets, in[0].device()), {}, {}}, kind);
    };
    return Sample{
        std::move(label),
        {std::move(x)},
        f,
        {},
        {{"mean", {kind == Pooling::mean ? 1.0 : 0.0}}, {"offsets", {offsets.begin(), offsets.end()}}}};
  };
  return {with("mean, an empty text", noise({9, 5}, 1), Pooling::mean, {0, 3, 4, 4, 9}),
          with("last, an empty text", noise({9, 5}, 1), Pooling::last, {0, 3, 4, 4, 9}),
          with("mean, rows in no text", noise({8, 3}, 2), Pooling::mean, {0, 2, 6}),
          with("last, rows in no text", noise({8, 3}, 2), Pooling::last, {0, 2, 6}),
          with("mean, 16", noise({5, 16}, 5), Pooling::mean, {0, 2, 5}),
          with("last, 17", noise({5, 17}, 6), Pooling::last, {0, 2, 5}),
          with("mean, one number", noise({1, 1}, 3), Pooling::mean, {0, 1}),
          with("mean, long texts", noise({517, 129}, 4), Pooling::mean, {0, 100, 130, 517}),
          with("last, long texts", noise({517, 129}, 4), Pooling::last, {0, 100, 130, 517})};
}
const Op op{"pool", "y[s] = mean, or the last, of the rows of text s", samples};
}  // namespace

Tensor pool(const Tensor& x, const Layout& layout, Pooling kind) {
  const Tensor& offsets = layout.offsets;
  check_inputs("pool", {x});
  RUM_CHECK(x.shape().rank == 2, "pool: x {} is not (N, C)", str(x.shape()));
  check_offsets("pool", offsets, x);
  Tensor y = Tensor::empty({offsets.size() - 1, x.shape()[1]}, x.dtype(), x.device());
  kernels::pool_forward(x.device(), x, offsets, kind, y);
  record(op, {y}, {x}, [offsets, kind](Tensors dy, Grads d) {
    kernels::pool_backward(dy[0].device(), dy[0], offsets, kind, d[0]);
  });
  return y;
}
}  // namespace rum
