// Untrusted files state sizes: nothing is allocated before the rest of the file confirms them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>

#include "base/free_memory.h"
#include "checkpoint/safetensors.h"
#include "tests/error_of.h"
#include "tests/program.h"
#include "tests/replaced.h"
#include "tests/run_folder.h"
#include "tests/sanitizer.h"

namespace rum::stated_sizes_test {
namespace {
TEST(StatedSizes, ShapesAreComparedBeforeAModelGetsMemory) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs more address space than the limit";
  const Program p;
  write_run(p.file("run"), {});
  const std::string config = slurp(p.file("run/config.toml"));
  EXPECT_EQ(p.run({"translate", p.file("run"), "--device", "cpu"}, "das Haus\n", int64_t{2} << 30).status, 0);
  for (const auto& [key, was, now] :
       {std::array{"layers", "2", "1000"}, {"width", "32", "8192"}, {"context", "64", "1000000"}}) {
    p.write("run/config.toml",
            replaced(config, fmt::format("\n{} = {}", key, was), fmt::format("\n{} = {}", key, now)));
    expect_refusal(p.run({"translate", p.file("run"), "--device", "cpu"}, "das Haus\n", int64_t{2} << 30),
                   "this file belongs to another model");
  }
}
TEST(StatedSizes, AFileWithHolesIsNoReasonToTakeAllMemory) {
  const Program p;
  const uint64_t bytes = uint64_t{1} << 40;
  std::string header =
      fmt::format(R"({{"x":{{"dtype":"F32","shape":[{}],"data_offsets":[0,{}]}}}})", bytes / 4, bytes);
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const uint64_t length = header.size();
  p.write("x.safetensors", std::string(reinterpret_cast<const char*>(&length), 8) + header);
  std::error_code error;
  std::filesystem::resize_file(p.file("x.safetensors"), 8 + length + bytes, error);
  if (error) GTEST_SKIP() << "no file of a terabyte here: " << error.message();
  const std::string said = error_of([&] { read_safetensors(p.file("x.safetensors")); });
  EXPECT_NE(said.find("MiB of memory are needed"), std::string::npos) << said;
  EXPECT_GT(free_memory(), uint64_t{1} << 20);
  EXPECT_LT(free_memory(), bytes * 64);
}
TEST(StatedSizes, AConfigLargerThanTheMemoryIsRefusedAtOnce) {
  const Program p;
  p.corpora(), p.config();
  expect_refusal(p.run({"train", p.file("c.toml"), "--set", "model.layers=200", "--set", "model.width=32768",
                        "--set", "run.device=cpu"}),
                 " MiB are free: the weights, their gradients and AdamW's moments do not fit");
}
}  // namespace
}  // namespace rum::stated_sizes_test
