// Which kernel attention uses, as nvcc compiles the choice, and its tensor maps.
#include <gtest/gtest.h>

#include "mock.h"
#include "ops/attention.h"

namespace rum::cuda {
bool& attend_hopper();  // cuda/attend.h, which needs nvcc
}
namespace rum::test::host_wgmma_test {
namespace {
constexpr DeviceKind kCuda = DeviceKind::cuda;
Tensor ints(const std::vector<int32_t>& v) {
  return Tensor::from<int32_t>(v, {static_cast<int64_t>(v.size())}, DType::i32, kCuda);
}
int launches(DType type, int64_t d, int32_t rows,
             int texts) {  // of the only kernel with wgmma
  std::vector<int32_t> offsets;
  for (int32_t i = 0; i <= texts; ++i) offsets.push_back(rows * i / texts);
  const Heads hs{4, 2};
  Tensor x = Tensor::empty({rows, 8 * d}, type, kCuda), y = Tensor::empty({rows, 4 * d}, type, kCuda),
         lse = Tensor::empty({rows, 4}, DType::f32, kCuda);
  mock::forget_calls();
  kernels::attention_forward(kCuda, x, hs, {ints(offsets), {}, ints({0}), Mask::causal}, 0, 0, y, lse);
  Backend::of(kCuda).wait();
  EXPECT_EQ(mock::launches("forward"), 1);
  for (const std::string& v : mock::violations()) ADD_FAILURE() << v;
  return mock::launches("forward_hopper");
}
TEST(CudaHostWgmma, LongTextsOfTheRightHeads) {
  ASSERT_TRUE(cuda::attend_hopper());  // the mock has compute capability 9.0
  EXPECT_EQ(launches(DType::bf16, 64, 1000, 1), 1);
  EXPECT_EQ(launches(DType::bf16, 128, 256, 2), 1);
  EXPECT_EQ(launches(DType::bf16, 128, 255, 2), 0);
  EXPECT_EQ(launches(DType::bf16, 96, 256, 2), 0);
  EXPECT_EQ(launches(DType::f32, 64, 1000, 1), 0);
  cuda::attend_hopper() = false;
  EXPECT_EQ(launches(DType::bf16, 64, 1000, 1), 0);
  cuda::attend_hopper() = true;
}
}  // namespace
}  // namespace rum::test::host_wgmma_test
