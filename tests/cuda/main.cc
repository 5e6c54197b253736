// The tests of the CUDA device, on a GPU or emulated. The last line is `N passed, N failed, N skipped`; the
// evidence goes to the file that RUM_EVIDENCE names, else to the terminal.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "parity.h"
#include "tensor/backend.h"

namespace {
// After each test, so that a run that is cut off leaves what it has found.
struct KeepEvidence : testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo&) override { std::ofstream(path) << rum::test::evidence(); }
  const char* path = std::getenv("RUM_EVIDENCE");
};
}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (const std::string missing = rum::Backend::missing(rum::DeviceKind::cuda); !missing.empty()) {
    std::fprintf(stderr, "nothing was tested on a GPU: %s\n", missing.c_str());
    return 1;
  }
  const bool kept = std::getenv("RUM_EVIDENCE") != nullptr;
  if (kept) testing::UnitTest::GetInstance()->listeners().Append(new KeepEvidence);
  const int failed = RUN_ALL_TESTS();
  if (!kept) std::cout << rum::test::evidence();
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  std::printf("%d passed, %d failed, %d skipped\n", all.successful_test_count(), all.failed_test_count(),
              all.skipped_test_count());
  return failed;
}
