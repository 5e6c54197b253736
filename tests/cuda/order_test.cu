// Attention gives the same bits in any order of threads and blocks: emulated, in all three orders; on a GPU,
// which has an order of its own, three times.
#include <gtest/gtest.h>

#include <string>

#include "cuda/simt/simt.h"
#include "ops/attention.h"
#include "parity.h"

namespace rum::test {
namespace {
std::string bits(const Tensor& t) {
  const Tensor on_cpu = t.to(DeviceKind::cpu);
  return {on_cpu.data<char>(), static_cast<size_t>(on_cpu.size()) * size_of(t.dtype())};
}
std::string attend(DType type, int64_t d, const std::vector<int32_t>& ends) {  // forward and backward
  const int64_t n = 100;
  std::vector<int32_t> places(n);
  for (int32_t i = 0; i < n; ++i) places[static_cast<size_t>(i)] = i;
  auto ints = [](const std::vector<int32_t>& v) {
    return Tensor::from<int32_t>(v, Shape{static_cast<int64_t>(v.size())}, DType::i32, kCuda);
  };
  const Layout l{ints(ends), {}, ints(places), Mask::causal};
  const Heads hs{2, 1};
  Tensor x = cast(noise(Shape{n, 4 * d}, 1), type).to(kCuda),
         dy = cast(noise(Shape{n, 2 * d}, 2), type).to(kCuda), y = Tensor::like(dy),
         lse = Tensor::empty(Shape{n, 2}, DType::f32, kCuda);
  GradSlot dx = GradSlot::of(x);
  dx.grad = Tensor::like(x), dx.fixed = true;
  kernels::attention_forward(kCuda, x, hs, l, 0, 10000, y, lse);
  kernels::attention_backward(kCuda, x, hs, l, 10000, y, lse, dy, Grad(&dx));
  return bits(y) + bits(dx.grad);
}
TEST(CudaOrder, AttentionHasTheSameBitsInAnyOrder) {
  const std::vector<int32_t> texts{0, 71, 100};
  std::vector<int32_t> many(101);  // one row each: the kernel for few queries
  for (int32_t i = 0; i < 101; ++i) many[static_cast<size_t>(i)] = i;
  const std::pair<DType, int64_t> cases[] = {{DType::f32, 20}, {DType::bf16, 64}};
  for (const auto& [type, d] : cases)
    for (const auto& ends : {texts, many}) {
      const std::string first = attend(type, d, ends);
#ifdef SIMT_CPU
      const auto before = simt::cfg.order;  // that of `first`
      for (const auto order : {simt::Config::InOrder, simt::Config::Reverse, simt::Config::Random}) {
        if (order == before) continue;
        simt::cfg.order = order;
        EXPECT_EQ(attend(type, d, ends), first) << name(type) << " " << d << " order " << order;
      }
      simt::cfg.order = before;
#else
      for (int again = 0; again < 2; ++again) EXPECT_EQ(attend(type, d, ends), first) << name(type) << d;
#endif
    }
}
}  // namespace
}  // namespace rum::test
