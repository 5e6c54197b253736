// NCCL's library itself, on the one GPU that a test can count on: with a single process its sum changes
// nothing. tests/cuda/host has the rest, on a stand-in.
#include "cuda/nccl.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include "parity.h"

namespace rum::test::nccl_test {
namespace {
TEST(CudaNccl, OneGpuSumsItsOwnNumbers) {
  if (Backend::of(kCuda).describe().find("emulation") != std::string::npos) GTEST_SKIP() << "skipped: no GPU";
  if (dlopen("libnccl.so.2", RTLD_NOW) == nullptr) GTEST_SKIP() << "skipped: no libnccl.so.2";
  const Both mine = numbers({1 << 20}, DType::f32, 1);
  for (int step = 0; step < 3; ++step) cuda::add_all(Ranks::alone(), mine.cuda);
  EXPECT_EQ(distance(mine.cuda, mine.cpu), 0);
}
}  // namespace
}  // namespace rum::test::nccl_test
