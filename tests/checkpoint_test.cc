// Checkpoints: what is read back, what the reference package writes, and what every kind of damage gets.
#include "checkpoint/checkpoint.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "tests/scratch.h"

using namespace rum;
namespace fs = std::filesystem;
namespace {
std::string unhex(std::string_view digits) {
  std::string out;
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  return out;
}
template <class T>
Tensor tensor(std::vector<T> values, Shape shape, DType type) {
  return Tensor::from<T>(std::span<const T>(values), shape, type);
}
std::string raw(const Tensor& t) {
  const Disk::Part bytes = bytes_of(t);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
const Tensor& named(const std::vector<std::pair<std::string, Tensor>>& tensors, const std::string& name) {
  for (const auto& [n, t] : tensors)
    if (n == name) return t;
  throw Error("no tensor " + name);
}
Checkpoint sample(int64_t step = 1200) {
  return {
      step,
      {{"config", "width = 8\n\"quoted\" \\ ä \t \x01"}, {"seed", "1"}},
      {{"weight", tensor<float>({1, -2, 0.5f, 3e-9f, -0.0f, static_cast<float>(step)}, {2, 3}, DType::f32)},
       {"adam.m", tensor<double>({0.1, -1e300}, {2}, DType::f64)},
       {"shadow", tensor<float>({1.5f, -2.25f, 3}, {3, 1, 1, 1}, DType::bf16)},
       {"ids", tensor<int32_t>({-5, 1 << 30}, {1, 2}, DType::i32)},
       {"nothing", Tensor::empty({0, 4}, DType::f32, DeviceKind::cpu)},
       {"scalar", tensor<float>({42}, {}, DType::f32)}}};
}
// Equal in every bit: names, types, shapes, numbers, step and metadata.
bool same(const Checkpoint& a, const Checkpoint& b) {
  if (a.step != b.step || a.meta != b.meta || a.tensors.size() != b.tensors.size()) return false;
  for (const auto& [name, t] : a.tensors) {
    const Tensor& u = named(b.tensors, name);
    if (t.dtype() != u.dtype() || t.shape() != u.shape() || raw(t) != raw(u)) return false;
  }
  return true;
}
// The message of the FileError that f throws; "" when it throws none.
template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const FileError& e) {
    return e.what();
  }
  return "";
}

TEST(Checkpoint, RoundTrips) {
  Scratch folder;
  const std::string path = checkpoint_path(folder.path, 1200);
  EXPECT_EQ(path, folder.path + "/step-00001200.ckpt");
  save(sample(), path);
  EXPECT_TRUE(same(load(path), sample()));
  EXPECT_EQ(Disk::real().list(folder.path), std::vector<std::string>{"step-00001200.ckpt"});
}
TEST(Safetensors, ReadsAndWritesTheVectorOfTheFormat) {
  const std::string vector = unhex(
      "38000000000000007b2277223a7b226474797065223a22463332222c227368617065223a5b325d2c22646174615f6f66667365"
      "7473223a5b302c385d7d7d20200000803f000000c0");
  const TensorFile file = parse_safetensors(vector, "w");
  ASSERT_EQ(file.tensors.size(), 1u);
  EXPECT_EQ(file.tensors[0].first, "w");
  EXPECT_EQ(file.tensors[0].second.at(0), 1);
  EXPECT_EQ(file.tensors[0].second.at(1), -2);
  EXPECT_EQ(file.header.size(), 64u);
}
}  // namespace
