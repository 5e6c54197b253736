// The host side of cuda/, with a CUDA runtime that does everything as late as allowed: uploads, downloads,
// recording, errors, memory.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "../../error_of.h"
#include "autograd/tape.h"
#include "mock.h"
#include "model/gpt.h"
#include "optim/adamw.h"
#include "tensor/backend.h"
#include "tensor/recording.h"
#include "train/step.h"
#include "two_ranks.h"

namespace rum::test {
namespace {
constexpr DeviceKind kCuda = DeviceKind::cuda;
Backend& cuda() { return Backend::of(kCuda); }
std::vector<char> bytes(size_t n, int seed) {
  std::vector<char> v(n);
  for (size_t i = 0; i < n; ++i) v[i] = static_cast<char>(i * 31 + i / 251 + static_cast<size_t>(seed));
  return v;
}
struct Room {  // memory of the device
  explicit Room(size_t n) : at(static_cast<char*>(cuda().allocate(n))) {}
  ~Room() { cuda().release(at); }
  char* at;
};
std::vector<char> back(const Room& r, size_t n) {
  std::vector<char> v(n);
  cuda().download(v.data(), r.at, n);
  return v;
}
class CudaHost : public testing::Test {
  void SetUp() override { mock::forget_calls(); }
  void TearDown() override {
    for (const std::string& v : mock::violations()) ADD_FAILURE() << v;
  }
};

// First, since the device is opened only once, when all is well.
TEST_F(CudaHost, WhereNoGpuCanBeUsedOneSentenceSaysWhy) {
  const mock::Gpu good = mock::gpu();
  auto missing = [&](void (*spoil)(mock::Gpu&)) {
    spoil(mock::gpu());
    const std::string said = Backend::missing(kCuda);
    mock::gpu() = good;
    return said;
  };
  EXPECT_NE(missing([](mock::Gpu& g) { g.driver = 0; }).find("no CUDA driver"), std::string::npos);
  EXPECT_NE(missing([](mock::Gpu& g) { g.driver = 11040; }).find("is for CUDA 11.4"), std::string::npos);
  EXPECT_NE(missing([](mock::Gpu& g) { g.count = 0; }).find("there is none"), std::string::npos);
  EXPECT_NE(missing([](mock::Gpu& g) { g.major = 7; }).find("compute capability 7.0"), std::string::npos);
  mock::fail_at("cudaGetDeviceCount", 1, cudaErrorNoDevice);
  EXPECT_NE(Backend::missing(kCuda).find("error 100"), std::string::npos);
  EXPECT_EQ(Backend::missing(kCuda), "");
  EXPECT_EQ(cuda().describe().find("mock, compute capability 9.0"), 0u);
  EXPECT_NE(cuda().describe().find("PCI 00000000:3b:00.0"), std::string::npos);
}

// More than fits into the pinned memory, from memory that is reused at once.
TEST_F(CudaHost, UploadsArriveThoughTheirSourceIsUsedAgain) {
  constexpr size_t kPiece = 3 << 20, kPieces = 9;
  const Room room(kPiece * kPieces);
  std::vector<char> source;
  for (size_t i = 0; i < kPieces; ++i) {
    source = bytes(kPiece, static_cast<int>(i));
    cuda().upload(room.at + i * kPiece, source.data(), kPiece);
    std::fill(source.begin(), source.end(), '!');
  }
  const std::vector<char> all = back(room, kPiece * kPieces);
  for (size_t i = 0; i < kPieces; ++i)
    EXPECT_TRUE(std::equal(all.begin() + static_cast<std::ptrdiff_t>(i * kPiece),
                           all.begin() + static_cast<std::ptrdiff_t>((i + 1) * kPiece),
                           bytes(kPiece, static_cast<int>(i)).begin()))
        << i;
  const std::vector<char> odd = bytes((9 << 20) + 1, 5);  // one upload over more than both halves
  cuda().upload(room.at, odd.data(), odd.size());
  EXPECT_EQ(back(room, odd.size()), odd);
}
TEST_F(CudaHost, AnUploadWaitsOnlyForTheHalfThatItFills) {
  const Room room(1 << 20);
  const std::vector<char> from = bytes(1 << 20, 1);
  cuda().wait();
  mock::forget_calls();
  for (int i = 0; i < 64; ++i) cuda().upload(room.at, from.data(), from.size());
  EXPECT_EQ(mock::calls("cudaStreamSynchronize"), 0);
  EXPECT_LE(mock::calls("cudaEventSynchronize"), 16);  // 64 MiB through halves of 4
}
TEST_F(CudaHost, SmallUploadsGoWithALaunch) {
  const Room room(1024);
  std::vector<char> from = bytes(1024, 2);
  cuda().upload(room.at, from.data(), 1024);
  const std::vector<char> sent = std::exchange(from, std::vector<char>(1024));
  EXPECT_EQ(mock::launches("3put"), 1);
  EXPECT_EQ(mock::calls("cudaMemcpyAsync"), 0);
  EXPECT_EQ(back(room, 1024), sent);
}
TEST_F(CudaHost, WhatIsFetchedLaterIsWhatWasThereWhenItWasAskedFor) {
  const Room room(64);
  const std::vector<char> one = bytes(64, 1), two = bytes(64, 2), three = bytes(64, 3);
  auto start = [&](const std::vector<char>& v) {
    cuda().upload(room.at, v.data(), 64);
    return cuda().start_download(room.at, 64);
  };
  void *const a = start(one), *const b = start(two);
  cuda().upload(room.at, three.data(), 64);
  std::vector<char> got(64);
  cuda().finish_download(b, got.data(), 64);
  EXPECT_EQ(got, two);
  void* const c = cuda().start_download(room.at, 64);  // into memory that b has released
  cuda().finish_download(a, got.data(), 64);
  EXPECT_EQ(got, one);
  cuda().finish_download(c, got.data(), 64);
  EXPECT_EQ(got, three);
  EXPECT_EQ(mock::calls("cudaStreamSynchronize"), 0);
}
TEST_F(CudaHost, LargeDownloadsCopiesAndFills) {
  constexpr size_t kBytes = 1 << 20;
  const Room from(kBytes), to(kBytes);
  const std::vector<char> v = bytes(kBytes, 4);
  cuda().upload(from.at, v.data(), kBytes);
  cuda().copy(to.at, from.at, kBytes);
  cuda().fill(from.at, 7, kBytes);
  EXPECT_EQ(back(to, kBytes), v);
  EXPECT_EQ(back(from, kBytes), std::vector<char>(kBytes, 7));
}

TEST_F(CudaHost, ARecordingIsReplayedOnWhatIsThereThen) {
  const Room from(64), to(64);
  const std::vector<char> one = bytes(64, 1), two = bytes(64, 2);
  ASSERT_TRUE(cuda().begin_recording());
  cuda().copy(to.at, from.at, 64);
  void* const graph = cuda().end_recording();
  for (const auto& v : {one, two}) {
    cuda().upload(from.at, v.data(), 64);
    cuda().replay(graph);
    EXPECT_EQ(back(to, 64), v);
  }
  cuda().replay(graph);
  cuda().discard(graph);  // waits: it may still be running
}
TEST_F(CudaHost, ARecordingRefusesWhatCannotBeReplayed) {
  const Room room(1 << 20);
  std::vector<char> v = bytes(1 << 20, 1);
  auto refused = [&](const std::function<void()>& f) {
    cuda().begin_recording();
    const std::string said = error_of(f);
    cuda().discard(cuda().end_recording());
    return said;
  };
  EXPECT_NE(refused([&] { cuda().upload(room.at, v.data(), v.size()); }).find("upload of 1048576 bytes"),
            std::string::npos);
  EXPECT_NE(refused([&] { cuda().download(v.data(), room.at, 64); }).find("read back"), std::string::npos);
  EXPECT_NE(refused([&] { cuda().start_download(room.at, 64); }).find("cannot be queued"), std::string::npos);
  EXPECT_NE(refused([&] { cuda().allocate(64); }).find("memory was requested"), std::string::npos);
}
TEST_F(CudaHost, ASpoiledRecordingEndsInAnErrorAndTheNextOneWorks) {
  Arena arena(kCuda);
  Recording part;
  const Room room(64), to(64);
  auto copy = [&] { cuda().copy(to.at, room.at, 64); };
  part.play(arena, copy);
  EXPECT_NE(error_of([&] { part.play(arena, [] { cuda().wait(); }); }).find("cudaStreamSynchronize"),
            std::string::npos);
  EXPECT_FALSE(part.recorded());
  for (int i = 0; i < 3; ++i) part.play(arena, copy);
  EXPECT_TRUE(part.recorded());
  const std::vector<char> v = bytes(64, 9);
  cuda().upload(room.at, v.data(), 64);
  part.play(arena, copy);
  EXPECT_EQ(back(to, 64), v);
}

// Every call of the runtime fails once: the error names it, and afterwards everything works.
TEST_F(CudaHost, WhicheverCallFailsTheErrorNamesIt) {
  const std::vector<char> large = bytes(6 << 20, 1);
  auto everything = [&] {
    const Room room(large.size()), other(64);
    cuda().upload(room.at, large.data(), large.size());
    cuda().upload(other.at, large.data(), 64);
    EXPECT_EQ(back(room, large.size()), large);
    cuda().fill(room.at, 0, 64);
    Backend& b = cuda();
    b.begin_recording();
    try {
      b.copy(other.at, room.at, 64);
    } catch (...) {
      b.discard(b.end_recording());
      throw;
    }
    void* const graph = b.end_recording();
    try {
      b.replay(graph);
    } catch (...) {
      b.discard(graph);
      throw;
    }
    b.discard(graph);
    EXPECT_EQ(back(other, 64), std::vector<char>(64));
  };
  everything();
  for (const char* f :
       {"cudaMalloc", "cudaMemcpyAsync", "cudaMemsetAsync", "cudaStreamSynchronize", "cudaEventRecord",
        "cudaEventSynchronize", "cudaStreamIsCapturing", "cudaStreamBeginCapture", "cudaStreamEndCapture",
        "cudaGraphInstantiate", "cudaGraphLaunch", "launch"})
    for (int n = 1; n <= 2; ++n) {
      mock::forget_calls();
      everything();
      int made = 0;
      for (const std::string& line : mock::trace())
        made += line == f || (line + " ").starts_with(std::string(f) + " ");
      if (made < n || (f == std::string("cudaStreamSynchronize") && n == 2))
        continue;  // discard() reports nothing
      mock::fail_at(f, n, cudaErrorUnknown);
      const std::string said = error_of(everything);
      EXPECT_NE(said.find(f), std::string::npos) << f << " " << n << ": " << said;
      EXPECT_NE(said.find("error 999"), std::string::npos) << f << ": " << said;
      EXPECT_EQ(error_of(everything), "") << "after " << f;
    }
}
TEST_F(CudaHost, MemoryThatIsNotThereIsAnErrorOfItsOwn) {
  try {
    Room(size_t{9} << 30);
    ADD_FAILURE() << "9 of 8 GiB";
  } catch (const OutOfMemory& e) {
    EXPECT_NE(std::string(e.what()).find("9216 MiB were requested"), std::string::npos) << e.what();
  }
  const Room room(64);
  mock::fail_at("cudaMalloc", 1, cudaErrorUnknown);
  EXPECT_NE(error_of([] { Room(64); }).find("cudaMalloc"), std::string::npos);
}

// Kernels do nothing here, but everything around them is as on a GPU: launches, recording and replay.
TEST_F(CudaHost, AStepIsRecordedAndReplayedWithTheLaunchesOfAnEagerOne) {
  GptConfig c;
  c.vocab = 50, c.context = 16, c.layers = 2, c.width = 32, c.heads = c.kv_heads = 2, c.inner = 64;
  ParameterBlock block;
  const Gpt model(Params(block), c);
  block.materialise(kCuda, DType::bf16, 1);
  AdamW optimizer(block, {});
  std::vector<Example> texts(2);
  for (Example& e : texts) e.tokens.assign(16, 7);
  const Batch batch = upload(pack(texts, {.tokens = 32, .texts = 2}), DeviceKind::cpu);
  Step step(
      block, optimizer, [&](const Batch& b) { return model.loss(b).loss; }, 1);
  const std::vector<Batch> batches(2, batch);
  int eager = 0;
  for (uint32_t i = 0; i < 8; ++i) {
    mock::forget_calls();
    step.run(batches, i, 1e-3f);
    cuda().wait();
    if (i == 0) eager = mock::launches("");
  }
  EXPECT_EQ(step.recorded(), 3);
  EXPECT_GT(eager, 100);
  EXPECT_EQ(mock::calls("cudaGraphLaunch"), 3);           // first micro-batch, further one, update
  EXPECT_EQ(mock::launches(""), mock::launches("3put"));  // only what changes from step to step
  EXPECT_EQ(mock::calls("cudaMalloc"), 0);
  EXPECT_EQ(mock::calls("cudaStreamSynchronize"), 1);     // ours
  EXPECT_EQ(mock::calls("cudaEventRecordWithFlags"), 0);  // one process: nothing is marked for sums
}

TEST_F(CudaHost, GradientsOfSeveralGpusAreAddedByOneCall) {
  const auto all = [] {
    TwoRanks two;
    const std::vector<float> numbers{1, 2, 3};
    const Tensor block = Tensor::from<float>(numbers, {3}, DType::f32, kCuda);
    Tensor held;
    const auto sum = [&](Round round) { kernels::sum_parts(kCuda, two.ranks, block, held, round); };
    mock::nccl().there = false;
    EXPECT_NE(error_of([&] {
                sum({0, 1});
              }).find("needs libnccl.so.2, which was not found"),
              std::string::npos);
    mock::nccl().there = true;
    sum({0, 1});
    EXPECT_EQ(two.id(), 7) << "what names the communicator has come to the other";
    EXPECT_EQ(block.at(2), 6);
    mock::forget_calls();
    sum({0, 2});  // not the last: it only waits
    EXPECT_EQ(mock::calls("ncclAllReduce"), 0);
    sum({1, 2});
    EXPECT_EQ(mock::calls("ncclAllReduce"), 1);
    EXPECT_EQ(mock::calls("cudaStreamSynchronize"), 0);
    for (const auto& [error, sentence] :
         {std::pair{1, "NCCL: ncclAllReduce: an error of NCCL"}, {5, "do two processes have the same GPU?"}})
      EXPECT_TRUE(in_child([&, error = error, sentence = sentence] {
        mock::fail_at("ncclAllReduce", 1, error);
        EXPECT_NE(error_of([&] { sum({0, 1}); }).find(sentence), std::string::npos);
      }));

    // A sum that never ends fails with what is known of the reason, and then holds up nothing.
    const auto sum_fails_with = [&](const std::string& sentence) {
      mock::nccl().stuck = true;
      mock::forget_calls();
      const std::string said = error_of([&] { sum({0, 1}); });
      EXPECT_NE(said.find(sentence), std::string::npos) << said;
      EXPECT_EQ(mock::calls("ncclCommAbort"), 1);
      cuda().wait();
    };
    EXPECT_TRUE(in_child([&] {
      mock::nccl().async_error = 6;
      sum_fails_with("NCCL: ncclAllReduce: an error of NCCL");
    }));
    two.fail();
    sum_fails_with("rank 1: no space left");
  };
  EXPECT_TRUE(in_child(all));
}
}  // namespace
}  // namespace rum::test
