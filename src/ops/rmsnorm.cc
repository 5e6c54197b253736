// RMS normalisation: formula, CPU kernel, gradient and samples.
#include "ops/rmsnorm.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/threads.h"
#include "ops/add.h"
#include "ops/columns.h"

namespace rum {
namespace {
constexpr int64_t kRows = 16;  // what one piece of work covers

void forward(const Tensor& x, const Tensor& delta, const Tensor& weight, float epsilon, Tensor& r, Tensor& y,
             Tensor& rstd) {
  by_type(x.dtype(), [&]<class T> {
    using S = Stats<T>;
    const int64_t n = x.shape().rows(), c = x.shape()[-1];
    const T* w = weight.data<T>();
    parallel((n + kRows - 1) / kRows, [&](int64_t p) {
      for (int64_t i = p * kRows; i < std::min(n, (p + 1) * kRows); ++i) {
        T *ri = r.data<T>() + i * c, *yi = y.data<T>() + i * c;
        const T *xi = x.data<T>() + i * c, *di = delta ? delta.data<T>() + i * c : nullptr;
        simd::Vec<S> squares{};
        simd::each<S>(0, c, [&](int64_t j, auto lanes) {
          if (di) simd::put(ri + j, simd::get(xi + j, lanes) + simd::get(di + j, lanes), lanes);
          const simd::Vec<S> v = simd::get(ri + j, lanes);
          squares += v * v;
        });
        const S s = 1 / std::sqrt(simd::sum(squares) / static_cast<S>(c) + static_cast<S>(epsilon));
        simd::each<S>(0, c, [&](int64_t j, auto lanes) {
          simd::put(yi + j, simd::get(ri + j, lanes) * s * simd::get(w + j, lanes), lanes);
        });
        rstd.data<S>()[i] = s;
      }
    });
  });
}

// For each row of C numbers: y_j = h_j w_j, h_j = r_j s, s = rstd = 1 / sqrt(mean(r^2) + epsilon). Let
// dy = d(loss)/dy, and g_j = dy_j w_j = d(loss)/dh_j.
//   dw_j = sum over rows of dy_j h_j
//   ds/dr_j = -s^3 r_j / C = -s^2 h_j / C
//   dh_k/dr_j = s [k = j] + r_k ds/dr_j = s ([k = j] - h_k h_j / C)
//   dr_j = sum_k g_k dh_k/dr_j = s (g_j - h_j mean(g h))
void backward(const Tensor& r, const Tensor& weight, const Tensor& rstd, const Tensor& dy, const Grad& dr,
              const Grad& dweight) {
  by_type(r.dtype(), [&]<class T> {
    using S = Stats<T>;
    const int64_t n = r.shape().rows(), c = r.shape()[-1];
    const T *x = r.data<T>(), *dys = dy.data<T>(), *w = weight.data<T>();
    const S* s = rstd.data<S>();
    if (dr) {
      T* out = dr.to().data<T>();
      const bool add = dr.add();
      parallel((n + kRows - 1) / kRows, [&](int64_t p) {
        for (int64_t i = p * kRows; i < std::min(n, (p + 1) * kRows); ++i) {
          simd::Vec<S> sum_gr{};  // h = r s: the factor s comes after the sum
          simd::each<S>(0, c, [&](int64_t j, auto lanes) {
            sum_gr +=
                simd::get(dys + i * c + j, lanes) * simd::get(w + j, lanes) * simd::get(x + i * c + j, lanes);
          });
          const S mean_gh = simd::sum(sum_gr) * s[i] / static_cast<S>(c);
          simd::each<S>(0, c, [&](int64_t j, auto lanes) {
            simd::Vec<S> v = (simd::get(dys + i * c + j, lanes) * simd::get(w + j, lanes) -
                              simd::get(x + i * c + j, lanes) * s[i] * mean_gh) *
                             s[i];
            if (add) v += simd::get(out + i * c + j, lanes);
            simd::put(out + i * c + j, v, lanes);
          });
        }
      });
    }
    sum_columns<T, S>(dweight, n, c, [&](int64_t i, int64_t j, auto lanes) {
      return simd::get(dys + i * c + j, lanes) * simd::get(x + i * c + j, lanes) * s[i];
    });
  });
}
const bool provided = kernels::rmsnorm_forward.provide(DeviceKind::cpu, forward) &&
                      kernels::rmsnorm_backward.provide(DeviceKind::cpu, backward);

std::vector<Sample> samples() {
  Apply f = [](std::span<const Tensor> in) { return rmsnorm(in[0], in[1]); };
  return {{"rows", {noise({6, 5}, 1), noise({5}, 2)}, f},
          {"one row", {noise({9}, 1), noise({9}, 2)}, f},
          {"far from zero", {noise({3, 4}, 1, 50), noise({4}, 2)}, f},
          {"rank 3", {noise({2, 3, 8}, 1), noise({8}, 2)}, f},
          {"beyond one block", {noise({37, 131}, 1), noise({131}, 2)}, f},
          {"15", {noise({3, 15}, 1), noise({15}, 2)}, f},
          {"16", {noise({3, 16}, 1), noise({16}, 2)}, f},
          {"17", {noise({4, 17}, 1), noise({17}, 2)}, f},
          {"17 rows of 65", {noise({17, 65}, 1), noise({65}, 2)}, f},
          {"one column", {noise({3, 1}, 1), noise({1}, 2)}, f},
          {"more than 64k", {noise({67, 1001}, 1), noise({1001}, 2)}, f}};
}
std::vector<Sample> residual_samples() {
  // y + r rounds both, which are stored: the largest of 67,000 products of wide factors is beyond 10 RMS.
  const Tensor near_one = noise({1001}, 2, 0.2);
  for (int64_t i = 0; i < near_one.size(); ++i) near_one.data<double>()[i] += 1;
  Apply both = [](std::span<const Tensor> in) {
    Normed n = residual_rmsnorm(in[0], in[1], in[2]);
    return n.y + n.r;
  };
  Apply plain = [](std::span<const Tensor> in) {
    Tensor r = in[0] + in[1];
    return rmsnorm(r, in[2]) + r;
  };
  Apply y_only = [](std::span<const Tensor> in) { return residual_rmsnorm(in[0], in[1], in[2]).y; };
  Apply r_only = [](std::span<const Tensor> in) { return residual_rmsnorm(in[0], in[1], in[2]).r; };
  Apply twice = [](std::span<const Tensor> in) { return residual_rmsnorm(in[0], in[0], in[1]).y; };
  std::vector<Tensor> in{noise({6, 5}, 1), noise({6, 5}, 4), noise({5}, 2)};
  auto all = [&](const char* label, int64_t n, int64_t c) {
    return Sample{
        label, {noise({n, c}, 1), noise({n, c}, 4), noise({c}, 2)}, both, plain, {{"y", {1}}, {"r", {1}}}};
  };
  return {all("both outputs", 6, 5),
          {"only y", in, y_only, {}, {{"y", {1}}, {"r", {0}}}},
          {"only r", in, r_only, {}, {{"y", {0}}, {"r", {1}}}},
          {"x is delta", {in[0], in[2]}, twice, {}, {{"y", {1}}, {"r", {0}}}},
          all("both outputs, 16", 3, 16),
          all("both outputs, 17 rows of 33", 17, 33),
          all("both outputs, one row", 1, 7),
          all("both outputs, beyond one block", 37, 131),
          {"both outputs, more than 64k",
           {noise({67, 1001}, 1), noise({67, 1001}, 4), near_one},
           both,
           plain,
           {{"y", {1}}, {"r", {1}}}}};
}
const Op op{"rmsnorm", "y = x / sqrt(mean(x^2) + epsilon) * weight", samples};
const Op residual_op{"residual_rmsnorm", "r = x + delta, y = rmsnorm(r)", residual_samples};

Normed normalise(const Tensor& x, const Tensor& delta, const Tensor& weight, float epsilon) {
  check_inputs("rmsnorm", {x, delta, weight});
  RUM_CHECK(weight.shape() == Shape({x.shape()[-1]}), "rmsnorm: weight {} for x {}", str(weight.shape()),
            str(x.shape()));
  RUM_CHECK(!delta || delta.shape() == x.shape(), "residual_rmsnorm: x {}, delta {}", str(x.shape()),
            str(delta.shape()));
  Tensor y = Tensor::like(x), r = delta ? Tensor::like(x) : x;
  Tensor rstd = Tensor::empty({x.shape().rows()}, stats_type(x.dtype()), x.device());
  kernels::rmsnorm_forward(x.device(), x, delta, weight, epsilon, r, y, rstd);
  if (!delta)
    record(op, {y}, {x, weight}, [x, weight, rstd](Tensors dy, Grads d) {
      kernels::rmsnorm_backward(x.device(), x, weight, rstd, dy[0], d[0], d[1]);
    });
  else  // as in layernorm.cc
    record(residual_op, {y, r}, {x, delta, weight}, [r, weight, rstd](Tensors dy, Grads d) {
      GradSlot sum = GradSlot::of(r);  // dr itself collects the sum when nobody else holds it
      sum.grad = std::move(dy[1]);
      sum.written = static_cast<bool>(sum.grad);
      if (dy[0]) kernels::rmsnorm_backward(r.device(), r, weight, rstd, dy[0], Grad(&sum), d[2]);
      d[0].share(sum.grad);
      d[1].share(sum.grad);
    });
  return {y, r};
}
}  // namespace

Tensor rmsnorm(const Tensor& x, const Tensor& weight, float epsilon) {
  return normalise(x, {}, weight, epsilon).y;
}
Normed residual_rmsnorm(const Tensor& x, const Tensor& delta, const Tensor& weight, float epsilon) {
  return normalise(x, delta, weight, epsilon);
}
}  // namespace rum
