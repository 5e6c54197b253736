// Two products with GELU between them. What is kept is what the composition keeps: x, and the numbers before
// and after GELU.
#include "ops/gelu_mlp.h"

#include "base/error.h"
#include "ops/gelu.h"
#include "ops/gemm.h"
#include "ops/linear.h"

namespace rum {
void linear_then_gelu(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& pre, Tensor& h) {
  gemm(x, weight, pre, {.transpose_b = true}, bias);
  kernels::gelu_forward(x.device(), pre, h);
}
void product_then_slope(const Tensor& dy, const Tensor& weight, const Tensor& pre, Tensor& dpre) {
  gemm(dy, weight, dpre);
  GradSlot in_place = GradSlot::in(dpre);
  kernels::gelu_backward(dy.device(), pre, dpre, Grad(&in_place));
}
namespace {
const bool provided = kernels::linear_gelu.provide(DeviceKind::cpu, linear_then_gelu) &&
                      kernels::linear_gelu_backward.provide(DeviceKind::cpu, product_then_slope);

std::vector<Sample> samples() {
  Apply biased = [](std::span<const Tensor> in) { return gelu_mlp(in[0], in[1], in[2], in[3], in[4]); };
  Apply composed = [](std::span<const Tensor> in) {
    return linear(gelu(linear(in[0], in[1], in[2])), in[3], in[4]);
  };
  Apply bare = [](std::span<const Tensor> in) { return gelu_mlp(in[0], in[1], {}, in[2], {}); };
  auto with = [&](const char* label, Shape x, int64_t inner, int64_t out) {
    const int64_t c = x[-1];
    return Sample{
        label,
        {noise(x, 1), noise({inner, c}, 2), noise({inner}, 3), noise({out, inner}, 4), noise({out}, 5)},
        biased,
        composed};
  };
  return {with("bias", {5, 4}, 6, 3), with("rank 3", {2, 3, 8}, 32, 8), with("one row", {1, 3}, 5, 2),
          with("beyond one tile", {131, 19}, 72, 19),
          Sample{"no bias",
                 {noise({7, 16}, 1), noise({24, 16}, 2), noise({16, 24}, 3)},
                 bare,
                 [](std::span<const Tensor> in) { return linear(gelu(linear(in[0], in[1])), in[2]); }}};
}
const Op op{"gelu_mlp", "y = gelu(x up' + up_bias) down' + down_bias", samples};
}  // namespace

Tensor gelu_mlp(const Tensor& x, const Tensor& up, const Tensor& up_bias, const Tensor& down,
                const Tensor& down_bias) {
  check_inputs("gelu_mlp", {x, up, up_bias, down, down_bias});
  RUM_CHECK(up.shape().rank == 2 && up.shape()[1] == x.shape()[-1], "gelu_mlp: x is {}, up is {}",
            str(x.shape()), str(up.shape()));
  RUM_CHECK(down.shape().rank == 2 && down.shape()[1] == up.shape()[0], "gelu_mlp: up is {}, down is {}",
            str(up.shape()), str(down.shape()));
  RUM_CHECK(!up_bias || up_bias.shape() == Shape({up.shape()[0]}), "gelu_mlp: up_bias is {}, up is {}",
            str(up_bias.shape()), str(up.shape()));
  RUM_CHECK(!down_bias || down_bias.shape() == Shape({down.shape()[0]}),
            "gelu_mlp: down_bias is {}, down is {}", str(down_bias.shape()), str(down.shape()));
  const DeviceKind device = x.device();
  const bool keep = Tape::current() != nullptr && Tape::current()->recording();
  auto rows_of = [&](int64_t columns) {
    Shape s = x.shape();
    s.axis[static_cast<size_t>(s.rank - 1)] = columns;
    return Tensor::empty(s, x.dtype(), device);
  };
  Tensor h = rows_of(up.shape()[0]), pre = keep ? Tensor::like(h) : h;
  kernels::linear_gelu(device, x, up, up_bias, pre, h);
  Tensor y = rows_of(down.shape()[0]);
  gemm(h, down, y, {.transpose_b = true}, down_bias);

  // pre = x up' + up_bias, h = gelu(pre), y = h down' + down_bias; backwards, with dy = d(loss)/dy:
  //   ddown = dy' h,  ddown_bias = sum of dy's rows,  dh = dy down,  dpre = dh gelu'(pre),
  //   dup = dpre' x,  dup_bias = sum of dpre's rows,  dx = dpre up.
  record(op, {y}, {x, up, up_bias, down, down_bias}, [x, up, down, pre, h](Tensors dy, Grads d) {
    const DeviceKind on = x.device();
    kernels::linear_backward_weights(on, dy[0], h, d[3], d[4]);
    if (!d[0] && !d[1] && !d[2]) return;
    Tensor dpre = Tensor::like(pre);
    kernels::linear_gelu_backward(on, dy[0], down, pre, dpre);
    if (d[0]) gemm(dpre, up, d[0].to(), {.add = d[0].add()});
    kernels::linear_backward_weights(on, dpre, x, d[1], d[2]);
  });
  return y;
}
}  // namespace rum
