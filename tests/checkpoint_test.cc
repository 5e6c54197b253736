// Checkpoints: round trips, the reference package's files, and the refusal of every kind of damage.
#include "checkpoint/checkpoint.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/stored_weights.h"
#include "checkpoint/weights.h"
#include "ops/int8.h"
#include "tests/error_of.h"
#include "tests/scratch.h"

namespace rum::checkpoint_test {
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
std::string refusal(const std::function<void()>& f) { return error_of<FileError>(f); }

TEST(Checkpoint, RoundTrips) {
  Scratch folder;
  const std::string path = checkpoint_path(folder.path, 1200);
  EXPECT_EQ(path, folder.path + "/step-00001200.ckpt");
  save(sample(), path);
  EXPECT_TRUE(same(load(path), sample()));
  EXPECT_EQ(Disk::real().list(folder.path), std::vector<std::string>{"step-00001200.ckpt"});
}

struct MeanWeights : testing::Test {
  Scratch folder;
  int64_t step = 0;
  // A checkpoint of one weight, and of the moment that AdamW keeps of it.
  std::string saved(const std::vector<float>& weight, const std::string& name = "w") {
    const auto n = static_cast<int64_t>(weight.size());
    const Tensor moment = tensor<float>(std::vector<float>(weight.size(), 9), {n}, DType::f32);
    const std::string path = checkpoint_path(folder.path, ++step);
    save({step, {}, {{name, tensor<float>(weight, {n}, DType::f32)}, {kFirstMoment + name, moment}}}, path);
    return path;
  }
};
TEST_F(MeanWeights, ByHand) {  // in double: in float the last one's sum would be 0
  const NamedTensors mean = mean_weights({saved({1, -2, 1e8f}), saved({2, 2, 1}), saved({6, 3, -1e8f})});
  ASSERT_EQ(mean.size(), 1u);
  EXPECT_EQ(mean[0].first, "w");
  for (const auto& [i, expected] : {std::pair{0, 3.0f}, {1, 1.0f}, {2, 1.0f / 3}})
    EXPECT_EQ(mean[0].second.at(i), static_cast<double>(expected)) << i;
}
TEST_F(MeanWeights, OfAnotherModelThereIsNone) {
  const std::string one = saved({1, 2}), longer = saved({1, 2, 3}), renamed = saved({1, 2}, "v");
  EXPECT_EQ(
      refusal([&] {
        mean_weights({one, longer});
      }),
      longer + ": its tensor \"w\" (3) is none of " + one + ": only checkpoints of one run have a mean");
  EXPECT_EQ(
      refusal([&] {
        mean_weights({one, renamed});
      }),
      renamed + ": its tensor \"v\" (2) is none of " + one + ": only checkpoints of one run have a mean");
  const std::string none = checkpoint_path(folder.path, 9);
  save({9, {}, {}}, none);
  EXPECT_EQ(refusal([&] {
              mean_weights({one, none});
            }),
            none + ": the tensor \"w\" of " + one + " is missing");
}

// ---- the reference package (safetensors 0.8.0) wrote these bytes ----
std::string reference_bytes() {
  return unhex("8001000000000000") +
         R"({"__metadata__":{"format":"pt"},"f64":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},)"
         R"("a":{"dtype":"F32","shape":[],"data_offsets":[8,12]},)"
         R"("z":{"dtype":"F32","shape":[2],"data_offsets":[12,20]},)"
         R"("ä\"\n":{"dtype":"F32","shape":[0,3],"data_offsets":[20,20]},)"
         R"("ids":{"dtype":"I32","shape":[2],"data_offsets":[20,28]},)"
         R"("b.weight":{"dtype":"BF16","shape":[1,3],"data_offsets":[28,34]}}     )" +
         unhex("9a9999999999b93f0000003f0000803f000000c0fbffffff00000040c03f10c04040");
}
TensorFile reference_tensors() {
  return {{},
          {{"z", tensor<float>({1, -2}, {2}, DType::f32)},
           {"ids", tensor<int32_t>({-5, 1 << 30}, {2}, DType::i32)},
           {"b.weight", tensor<float>({1.5f, -2.25f, 3}, {1, 3}, DType::bf16)},
           {"a", tensor<float>({0.5f}, {}, DType::f32)},
           {"ä\"\n", Tensor::empty({0, 3}, DType::f32, DeviceKind::cpu)},
           {"f64", tensor<double>({0.1}, {1}, DType::f64)}}};
}
TEST(Safetensors, WritesTheBytesOfTheReference) {
  Scratch folder;
  write_safetensors(reference_tensors(), folder.path + "/x.safetensors");
  EXPECT_EQ(Disk::real().read(folder.path + "/x.safetensors"), reference_bytes());
  write_safetensors({}, folder.path + "/none.safetensors");
  EXPECT_EQ(Disk::real().read(folder.path + "/none.safetensors"),
            unhex("2000000000000000") + R"({"__metadata__":{"format":"pt"}})");
}
TEST(Safetensors, ReadsTheBytesOfTheReference) {
  const TensorFile file = parse_safetensors(reference_bytes(), "reference"), expected = reference_tensors();
  EXPECT_TRUE(same({0, file.meta, file.tensors}, {0, {{"format", "pt"}}, expected.tensors}));
  EXPECT_EQ(file.header, reference_bytes().substr(0, 8 + 0x180));
}
TEST(Safetensors, ReadsTheVectorOfTheFormat) {  // without metadata
  const TensorFile file = parse_safetensors(unhex("38000000000000007b2277223a7b226474797065223a22463332222c22"
                                                  "7368617065223a5b325d2c22646174615f6f66667365"
                                                  "7473223a5b302c385d7d7d20200000803f000000c0"),
                                            "w");
  ASSERT_EQ(file.tensors.size(), 1u);
  EXPECT_EQ(file.tensors[0].second.at(0), 1);
  EXPECT_EQ(file.tensors[0].second.at(1), -2);
}
TEST(Safetensors, WillNotWriteWhatNobodyCouldRead) {
  const Tensor t = tensor<float>({1}, {1}, DType::f32);
  EXPECT_THROW(in_file_order({{}, {{"w", t}, {"w", t}}}), Error);
  EXPECT_THROW(in_file_order({{}, {{"__metadata__", t}}}), Error);
  EXPECT_THROW(in_file_order({{}, {{"w", Tensor()}}}), Error);
  EXPECT_THROW(in_file_order({{}, {{"w", Tensor::declared({2})}}}), Error);
  Scratch folder;
  EXPECT_THROW(save({1, {{"step", "2"}}, {}}, folder.path + "/x"), Error);
  EXPECT_THROW(save({-1, {}, {}}, folder.path + "/x"), Error);
  EXPECT_TRUE(Disk::real().list(folder.path).empty());
}

// ---- damage ----
std::string saved_bytes(const Checkpoint& checkpoint) {
  Scratch folder;
  save(checkpoint, folder.path + "/x");
  return Disk::real().read(folder.path + "/x");
}
uint64_t header_size(const std::string& bytes) {
  uint64_t length = 0;
  bytes.copy(reinterpret_cast<char*>(&length), 8);
  return 8 + length;
}
TEST(Checkpoint, RefusesAFileCutAtAnyByte) {
  const std::string whole = saved_bytes(sample());
  for (size_t n = 0; n < whole.size(); ++n)
    ASSERT_TRUE(refusal([&] { parse_checkpoint(whole.substr(0, n), "cut"); }).starts_with("cut: ")) << n;
  EXPECT_TRUE(same(parse_checkpoint(whole, "whole"), sample()));
}
TEST(Checkpoint, RefusesEveryBitFlippedInHeaderAndBody) {
  std::string bytes = saved_bytes(sample());
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    const char mask = static_cast<char>(1 << bit % 8);
    bytes[bit / 8] ^= mask;
    ASSERT_TRUE(refusal([&] { parse_checkpoint(bytes, "flipped"); }).starts_with("flipped: ")) << bit;
    bytes[bit / 8] ^= mask;
  }
}
TEST(Checkpoint, RefusesFlipsInALargeBody) {
  std::vector<float> numbers(20'000);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i) * 0.37f;
  const Shape shape{20, 1000};
  std::string bytes = saved_bytes({5, {}, {{"a", tensor<float>(numbers, shape, DType::f32)}}});
  std::mt19937_64 random(3);
  const size_t begin = header_size(bytes);
  for (int trial = 0; trial < (std::getenv("RUM_TEST_ALL") ? 10'000 : 1'000); ++trial) {
    const size_t at = begin + random() % (bytes.size() - begin), count = 1 + random() % 3;
    std::string damaged = bytes;
    for (size_t i = 0; i < count; ++i)
      damaged[(at + i) % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    const std::string message = refusal([&] { parse_checkpoint(damaged, "body"); });
    ASSERT_NE(message.find("the tensors are damaged"), std::string::npos) << trial << message;
  }
}
TEST(Checkpoint, RefusesHeaderFieldsEditedByHand) {
  const std::string bytes = saved_bytes(sample());
  auto edited = [&](const std::string& from, const std::string& to) {
    std::string out = bytes;
    return refusal([&] { parse_checkpoint(out.replace(out.find(from), from.size(), to), "edited"); });
  };
  EXPECT_NE(edited(R"("seed":"1")", R"("seed":"2")").find("the header is damaged"), std::string::npos);
  EXPECT_NE(edited(R"("step":"1200")", R"("step":"1300")").find("the header is damaged"), std::string::npos);
  EXPECT_NE(edited("\"scalar\"", "\"scaler\"").find("the header is damaged"), std::string::npos);
  EXPECT_NE(edited(R"("header_hash")", R"("header_hasH")").find("expected \"header_hash\""),
            std::string::npos);
  EXPECT_NE(edited("checkpoint 1", "checkpoint 2").find("found a \"checkpoint 2\""), std::string::npos);
}
TEST(Checkpoint, SaysThatAForeignFileIsForeign) {
  EXPECT_NE(refusal([] {
              parse_checkpoint(reference_bytes(), "gpt2.safetensors");
            }).find("gpt2.safetensors: a safetensors file but not a checkpoint of ruminate"),
            std::string::npos);
  EXPECT_NE(refusal([] {
              parse_checkpoint("PK\3\4 a zip archive, such as a .pt file", "x.pt");
            }).find("x.pt: byte 0"),
            std::string::npos);
}
TEST(Checkpoint, RefusesWhatIsNoFile) {
  Scratch folder;
  EXPECT_EQ(refusal([&] { load(folder.path); }), folder.path + ": cannot read: Is a directory");
  EXPECT_EQ(refusal([&] { load(folder.path + "/none"); }),
            folder.path + "/none: cannot open: No such file or directory");
  Disk::real().replace_text(folder.path + "/empty", "");
  EXPECT_NE(refusal([&] { load(folder.path + "/empty"); }).find("found a file of 0 bytes"),
            std::string::npos);
}

// ---- a folder of checkpoints ----
// Larger than one read: the numbers of the file, also as another type, and int8 as the values that it
// represents.
TEST(StoredWeights, GiveAllRowsOfLargeTensors) {
  const Scratch s;
  const Shape shape{1100, 1024};
  std::vector<float> numbers(static_cast<size_t>(shape.size()));
  std::minstd_rand random(3);
  for (float& x : numbers) x = static_cast<float>(random()) / 1e9f - 1;
  const Tensor wide = tensor(numbers, shape, DType::f32), narrow = tensor(numbers, shape, DType::bf16);
  const Int8Matrix m = quantize(wide);
  const std::string path = s.path + "/model.safetensors";
  write_safetensors({{{"key", "value"}}, {{"a", wide}, {"b", narrow}, {"c", m.q}, {"c.scale", m.scale}}},
                    path);
  const StoredWeights stored(path);
  EXPECT_TRUE(stored.quantized());
  EXPECT_EQ(stored.meta().at("key"), "value");
  ASSERT_EQ(stored.tensors().size(), 3u);
  EXPECT_EQ(raw(stored.read("a")), raw(wide));
  EXPECT_EQ(raw(stored.read("b")), raw(narrow));
  Tensor back = Tensor::like(wide);
  dequantize(m, back);
  EXPECT_EQ(raw(stored.read("c")), raw(back));
  Tensor some = Tensor::empty({7, 1024}, DType::bf16, DeviceKind::cpu);
  stored.read("a", 1090, some);
  EXPECT_EQ(raw(some), raw(narrow.rows(1090, 1097)));

  ParameterBlock block;
  block.declare("a", shape, {}, true), block.declare("b", shape, {}, true),
      block.declare("c", shape, {}, true);
  block.materialise_to_read(DeviceKind::cpu, DType::f32);
  load_weights(block, stored, DType::f32);
  EXPECT_EQ(weights_hash(block), weights_hash(block, stored));
}

TEST(Checkpoint, NewestValidFallsBackAndSaysSo) {
  Scratch folder;
  EXPECT_FALSE(newest_valid(folder.path));
  EXPECT_FALSE(newest_valid(folder.path + "/none"));
  for (const int64_t step : {5, 90, 100'000'000}) save(sample(step), checkpoint_path(folder.path, step));
  Disk::real().replace_text(folder.path + "/notes.txt", "");
  Disk::real().replace_text(folder.path + "/step-0000000x.ckpt", "");
  EXPECT_EQ(saved_steps(folder.path), (std::vector<int64_t>{5, 90, 100'000'000}));
  std::vector<std::string> warnings;
  auto warn = [&](const std::string& text) { warnings.push_back(text); };
  EXPECT_TRUE(same(newest_valid(folder.path, warn)->checkpoint, sample(100'000'000)));
  EXPECT_TRUE(warnings.empty());

  const std::string newest = checkpoint_path(folder.path, 100'000'000);
  std::string bytes = Disk::real().read(newest);
  bytes.back() ^= 1;
  Disk::real().replace_text(newest, bytes);
  const std::optional<Found> found = newest_valid(folder.path, warn);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, checkpoint_path(folder.path, 90));
  EXPECT_TRUE(same(found->checkpoint, sample(90)));
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_TRUE(warnings[0].starts_with(newest)) << warnings[0];
  EXPECT_NE(warnings[0].find("falling back"), std::string::npos);

  for (const int64_t step : {5, 90}) Disk::real().replace_text(checkpoint_path(folder.path, step), "");
  const std::string all = refusal([&] { newest_valid(folder.path, warn); });
  EXPECT_TRUE(all.starts_with(folder.path + ": none of its checkpoints (3) can be read")) << all;
  for (const int64_t step : {5, 90, 100'000'000})
    EXPECT_NE(all.find(checkpoint_path(folder.path, step) + ": byte"), std::string::npos) << all;
  EXPECT_EQ(warnings.size(), 1u);  // nothing to fall back to
}
TEST(Checkpoint, ItsNotesAreNumbersOrASentence) {
  const Checkpoint c{7,
                     {{"whole", "12"},
                      {"real", "2.5"},
                      {"comma", "1,5x"},
                      {"word", "abc"},
                      {"huge", "1e999"},
                      {"inf", "inf"}},
                     {}};
  EXPECT_EQ(noted(c, "whole"), 12);
  EXPECT_EQ(noted_number(c, "whole"), 12);
  EXPECT_EQ(noted_number(c, "real"), 2.5);
  for (const char* key : {"comma", "word", "huge", "inf", "none"})
    EXPECT_NE(refusal([&] { noted_number(c, key); }).find(fmt::format("step 7 notes {} = ", key)),
              std::string::npos)
        << key;
  EXPECT_NE(refusal([&] { noted(c, "real"); }).find("expected a whole number"), std::string::npos);
}
TEST(Checkpoint, RetainKeepsTheNewestAndTheChosen) {
  Scratch folder;
  for (int64_t step = 10; step <= 60; step += 10) save({step, {}, {}}, checkpoint_path(folder.path, step));
  Disk::real().replace_text(folder.path + "/best.ckpt", "");
  retain(folder.path, {20, 50, 999});
  EXPECT_EQ(saved_steps(folder.path), (std::vector<int64_t>{20, 50, 60}));
  retain(folder.path, {});
  EXPECT_EQ(saved_steps(folder.path), (std::vector<int64_t>{60}));
  EXPECT_TRUE(Disk::real().exists(folder.path + "/best.ckpt"));
}
TEST(Checkpoint, RemovesStaleFilesOnly) {
  Scratch folder;
  save({10, {}, {}}, checkpoint_path(folder.path, 10));
  for (const char* name : {"/step-00000020.ckpt.ruminate-0123abcd.tmp", "/notes.tmp", "/step-1.tmp"})
    Disk::real().replace_text(folder.path + name, "");
  EXPECT_EQ(newest_valid(folder.path)->checkpoint.step, 10);
  remove_stale(folder.path);
  EXPECT_EQ(Disk::real().list(folder.path),
            (std::vector<std::string>{"notes.tmp", "step-00000010.ckpt", "step-1.tmp"}));
  remove_stale(folder.path + "/none");
}
}  // namespace
}  // namespace rum::checkpoint_test
