// Random numbers, threads, arena, tape, parameters, the optimizer step: everything that the generic op test
// does not cover.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <ctime>
#include <limits>
#include <memory>

#include "base/error.h"
#include "base/free_memory.h"
#include "base/parallel_log.h"
#include "base/threads.h"
#include "ops/gelu.h"
#include "ops/gemm.h"
#include "ops/head_loss.h"
#include "tests/error_of.h"
#include "tests/sanitizer.h"
#include "toy.h"

namespace rum::engine_test {
using namespace rum::toy;
namespace {
const StepInputs kInputs{3, 1, 7, 1e-3f, 1, 1, 2.5f};
Tensor numbers(std::initializer_list<double> v) {
  return Tensor::from<double>({v.begin(), v.size()}, {static_cast<int64_t>(v.size())}, DType::f64);
}

// ---- random -----------------------------------------------------------------------------------------------
TEST(Philox, KnownAnswers) {  // Random123, kat_vectors: philox4x32 10
  const uint32_t one = ~0u;
  const Bits4 a = Random{0, Stream{0}}.bits({}), b = Random{one, Stream{one}}.bits({one, one, one, one}),
              c = Random{0xa4093822, Stream{0x299f31d0}}.bits(
                  {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344});
  const uint32_t zeros[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                 ones[] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                 pi[] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(a.at[i], zeros[i]);
    EXPECT_EQ(b.at[i], ones[i]);
    EXPECT_EQ(c.at[i], pi[i]);
  }
}
TEST(Philox, UniformsAndNormals) {
  EXPECT_EQ(Random::uniform(0), 0);
  EXPECT_LT(Random::uniform(~0u), 1);
  double sum = 0, square = 0;
  for (uint32_t i = 0; i < 20000; ++i) {
    const double v = static_cast<double>(Random{1, Stream::init}.normal(2, i));
    sum += v, square += v * v;
  }
  EXPECT_NEAR(sum / 20000, 0, 0.03);
  EXPECT_NEAR(square / 20000, 1, 0.04);
}
// Where texts are scored outside of a training step; the generic op test always has the inputs of one.
TEST(HeadLoss, OutsideAStepWeightsAreNotDivided) {
  Arena arena(DeviceKind::cpu);
  const double rows[] = {std::log(3.0), 0}, outputs[] = {1, 0};  // logits (log 3, 0) and (0, 0)
  const int32_t right[] = {0, 1};
  const float weighs[] = {2, 1};
  const Tape tape(arena, Tape::Mode::forward_only);
  const HeadLoss y = head_loss(
      Tensor::from<double>(rows, {2, 1}, DType::f64), Tensor::from<double>(outputs, {2, 1}, DType::f64),
      Tensor::from<int32_t>(right, {2}, DType::i32), Tensor::from<float>(weighs, {2}, DType::f32));
  EXPECT_NEAR(y.loss.at(0), 2 * std::log(4.0 / 3) + std::log(2.0), 1e-15);
  EXPECT_NEAR(y.nll.at(0), std::log(4.0 / 3), 1e-15);
}
TEST(Dropout, DiffersByStepMicroBatchSiteAndSeedAndRepeats) {
  Arena arena(DeviceKind::cpu);
  const Tensor x = noise({10, 24}, 9);
  auto drop = [&](StepInputs in, uint32_t site) {
    Tape tape(arena, Tape::Mode::forward_only, &in);
    return hash(dropout(x, 0.5f, site));
  };
  StepInputs micro = kInputs, step = kInputs, seed = kInputs;
  ++micro.micro, ++step.step, ++seed.seed;
  const uint64_t first = drop(kInputs, 1);
  EXPECT_EQ(first, drop(kInputs, 1));
  for (const uint64_t other : {drop(micro, 1), drop(step, 1), drop(seed, 1), drop(kInputs, 2)})
    EXPECT_NE(first, other);
  Tape tape(arena);  // without StepInputs: off
  EXPECT_EQ(hash(dropout(x, 0.5f, 1)), hash(x));
}

// ---- threads ----------------------------------------------------------------------------------------------
TEST(Threads, EveryPieceOnceAndTheFirstErrorComesOut) {
  for (const int n : {1, 2, 5}) {
    set_threads(n);
    EXPECT_EQ(threads(), n);
    std::vector<std::atomic<int>> seen(1000);
    parallel(1000, [&](int64_t i) { ++seen[static_cast<size_t>(i)]; });
    for (auto& s : seen) EXPECT_EQ(s, 1);
    EXPECT_EQ(error_of([] {
                parallel(8, [](int64_t i) {
                  if (i == 5) fail("piece five");
                });
              }),
              "piece five");
    std::atomic<int> inner = 0;
    parallel(4, [&](int64_t) { parallel(4, [&](int64_t) { ++inner; }); });  // pieces within pieces
    EXPECT_EQ(inner, 16);
    parallel(0, [](int64_t) { fail("there is no piece"); });
  }
  set_threads(2);
}

// A free thread takes the next piece.
double greedy(const std::vector<double>& pieces, int processors) {
  std::vector<double> free(static_cast<size_t>(processors));
  for (const double p : pieces) *std::min_element(free.begin(), free.end()) += p;
  return *std::max_element(free.begin(), free.end());
}
TEST(ParallelLog, WorkSpanAndTheBoundOfEverySchedule) {
  const Lap x{"by hand", 1, {2, 3, 3, 5, 7}};
  EXPECT_EQ(x.work(), 21);
  EXPECT_EQ(x.span(), 8);
  EXPECT_EQ(x.on(1), 21);
  EXPECT_EQ(x.on(2), 14.5);
  EXPECT_EQ(x.on(13), 9);
  EXPECT_EQ((Lap{"nothing at once", 3, {}}.on(4)), 3);
  for (std::vector<double> order = x.pieces; std::next_permutation(order.begin(), order.end());)
    for (const int processors : {2, 3, 4, 8}) {
      EXPECT_LE(x.serial + greedy(order, processors), x.on(processors));
      EXPECT_GE(x.serial + greedy(order, processors), std::max(x.span(), x.work() / processors));
    }
}
TEST(ParallelLog, NotesEachPieceAndWhoseItWas) {
  auto processor = [] {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  auto busy = [&](double for_seconds) {
    for (const double begin = processor(); processor() - begin < for_seconds;) {
    }
  };
  const double begin = processor();
  std::vector<Lap> seen;
  {
    ParallelLog log;
    busy(0.002);
    parallel(3, [&](int64_t i) { parallel(2, [&](int64_t) { busy(i == 1 ? 0.002 : 0.001); }); });
    log.mark("first");
    parallel(1, [&](int64_t) {});
    busy(0.001);
    log.mark("second");
    seen = log.laps();
  }
  const double all = processor() - begin;
  parallel(2, [](int64_t) {});  // nobody uses it any more
  ASSERT_EQ(seen.size(), 4u);   // each part ends with what ran after its last pieces
  EXPECT_EQ(seen[0].part + seen[1].part + seen[2].part + seen[3].part, "firstfirstsecondsecond");
  EXPECT_GE(seen[0].serial, 0.002);
  ASSERT_EQ(seen[0].pieces.size(), 3u);
  EXPECT_GE(seen[0].pieces[0], 0.002);
  EXPECT_GE(seen[0].pieces[1], 0.004);
  EXPECT_EQ(seen[0].longest(), *std::max_element(seen[0].pieces.begin(), seen[0].pieces.end()));
  EXPECT_EQ(seen[2].pieces.size(), 1u);
  EXPECT_GE(seen[3].serial, 0.001);
  double sum = 0;
  for (const Lap& s : seen) sum += s.work();
  EXPECT_GE(sum, 0.011);
  EXPECT_LE(sum, all);
}

// ---- types and tensors ------------------------------------------------------------------------------------
TEST(BFloat16, RoundsToNearestEven) {
  EXPECT_EQ(bf16(1.0f).bits, 0x3F80);
  EXPECT_EQ(bf16(1.00390625f).bits, 0x3F80);  // half way: to even, down
  EXPECT_EQ(bf16(1.01171875f).bits, 0x3F82);  // half way: to even, up
  EXPECT_EQ(bf16(1.004f).bits, 0x3F81);
  EXPECT_EQ(bf16(std::numeric_limits<float>::max()).bits, 0x7F80);
  EXPECT_TRUE(std::isnan(static_cast<float>(bf16(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_EQ(static_cast<float>(bf16(-0.15625f)), -0.15625f);
}
TEST(Tensors, ShareCopyAndLook) {
  const Tensor a = numbers({1, 2, 3, 4, 5, 6});
  Tensor b = a, c = a.clone(), d = a.as({3, 2}), e = d.rows(1, 3);
  b.data<double>()[2] = 30;
  EXPECT_EQ(a.at(2), 30);
  EXPECT_EQ(c.at(2), 3);
  EXPECT_EQ(e.at(0), 30);
  EXPECT_EQ(e.shape(), Shape({2, 2}));
  EXPECT_TRUE(a.shared());
  EXPECT_FALSE(c.shared());
  EXPECT_NE(error_of([&] { a.as({4}); }).find("cannot be seen as"), std::string::npos);
  EXPECT_NE(error_of([&] { d.rows(2, 4); }).find("rows 2..4"), std::string::npos);
  EXPECT_EQ(error_of([&] { d.at(6); }), "number 6 of (3, 2)");
  EXPECT_EQ(error_of([&] { d.at(-1); }), "number -1 of (3, 2)");
  EXPECT_EQ(Tensor::empty({0, 3}, DType::f64, DeviceKind::cpu).rows(0, 0).shape(), Shape({0, 3}));
  EXPECT_NE(error_of([] { Shape({1, 2, 3, 4, 5}); }).find("four axes"), std::string::npos);
}

// ---- arena ------------------------------------------------------------------------------------------------
TEST(Arenas, SameCallsSameAddresses) {
  Arena arena(DeviceKind::cpu);
  std::vector<void*> first;
  for (int round = 0; round < 4; ++round) {
    std::vector<void*> at;
    void *a = arena.take(1000), *b = arena.take(5000), *c = arena.take(300);
    arena.give(b, 5000);
    void *d = arena.take(2000), *e = arena.take(2500);  // both fit where b was
    at = {a, b, c, d, e};
    arena.give(a, 1000), arena.give(e, 2500), arena.give(c, 300), arena.give(d, 2000);
    EXPECT_EQ(arena.in_use(), 0u);
    if (round == 2) first = at;
    if (round == 3) {
      EXPECT_EQ(first, at);
    }
    arena.settle();
  }
  EXPECT_EQ(arena.chunks(), 1u);
}
TEST(Arenas, BlocksNeverOverlapAndMemoryComesBack) {
  Arena arena(DeviceKind::cpu);
  std::vector<std::pair<char*, size_t>> held;
  const Random r{5, Stream::sample};
  for (uint32_t i = 0; i < 3000; ++i) {
    const Bits4 b = r.bits({i, 0, 0, 0});
    if (held.size() < 40 && b.at[0] % 3 != 0) {
      const size_t n = b.at[1] % 9000;
      char* p = static_cast<char*>(arena.take(n));
      EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % 64, 0u);
      for (auto [q, m] : held) EXPECT_TRUE(p + n <= q || q + m <= p);
      held.emplace_back(p, n);
    } else if (!held.empty()) {
      const size_t k = b.at[2] % held.size();
      arena.give(held[k].first, held[k].second);
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(k));
    }
  }
  EXPECT_NE(error_of([&] { arena.settle(); }).find("still held"), std::string::npos);
  for (auto [p, n] : held) arena.give(p, n);
  EXPECT_EQ(arena.in_use(), 0u);
  arena.settle();
  EXPECT_EQ(arena.chunks(), 1u);
  const size_t all = arena.reserved();
  arena.give(arena.take(all), all);  // all in one piece again
  EXPECT_EQ(arena.chunks(), 1u);
}
// malloc's own heap shrinks only as far as nothing above is in use, and after the first round it would serve
// the second.
TEST(Arenas, FreedChunksGoBackToTheSystem) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer keeps what is freed";
  Arena arena(DeviceKind::cpu);
  std::vector<std::unique_ptr<char[]>> between;
  const size_t before = resident_memory();
  for (const size_t chunk : {size_t{24} << 20, size_t{16} << 20}) {
    std::array<void*, 4> held{};
    for (void*& block : held) {
      std::memset(block = arena.take(chunk), 1, chunk);
      between.push_back(std::make_unique_for_overwrite<char[]>(size_t{3} << 20));
    }
    EXPECT_GE(resident_memory(), before + held.size() * chunk);
    for (void* block : held) arena.give(block, chunk);
    arena.clear();
  }
  EXPECT_LT(resident_memory(), before + (size_t{16} << 20));
}
// Linux would hand out as much, and end the process once it is used.
TEST(Arenas, MoreThanIsFreeIsRefused) {
  Arena arena(DeviceKind::cpu);
  EXPECT_NE(error_of<OutOfMemory>([&] { arena.take(2 * free_memory()); }).find(" MiB are free"),
            std::string::npos);
  // Nor in two parts, of which the first was never touched.
  const size_t part = free_memory() / 4 * 3;
  void* const first = arena.take(part);
  EXPECT_NE(error_of<OutOfMemory>([&] { arena.take(part); }), "");
  arena.give(first, part);
}
TEST(Arenas, PoisonIsNotANumber) {
  Arena arena(DeviceKind::cpu);
  Arena::set_poison(true);
  auto* p = static_cast<double*>(arena.take(64));
  EXPECT_TRUE(std::isnan(p[3]));
  p[3] = 1;
  arena.give(p, 64);
  EXPECT_TRUE(std::isnan(p[3]));
  Arena::set_poison(false);
}

// ---- tape -------------------------------------------------------------------------------------------------
Tensor twice(const Tensor& x) { return x + x; }
TEST(Tapes, KeepNothingUnlessAsked) {
  Arena arena(DeviceKind::cpu);
  const Tensor x = noise({4}, 1);
  {
    Tape tape(arena);
    twice(x);
    EXPECT_EQ(tape.size(), 0u);  // no gradient is needed
    EXPECT_NE(error_of([&] { tape.backward(twice(x)); }).find("no op that needs a gradient"),
              std::string::npos);
  }
  Watched leaf(x);
  {
    Tape tape(arena, Tape::Mode::forward_only);
    twice(leaf.x);
    EXPECT_EQ(tape.size(), 0u);
  }
  Tape tape(arena);
  const Tensor y = twice(leaf.x);
  EXPECT_EQ(tape.size(), 1u);
  EXPECT_NE(error_of([&] { tape.backward(y); }).find("needs a dy"), std::string::npos);
}
TEST(Tapes, BranchesAddUp) {  // r = 2x, y = (r + r) + 2r = 8x
  Watched leaf(numbers({1, -2, 3}));
  Arena arena(DeviceKind::cpu);
  {
    Tape tape(arena);
    const Tensor r = twice(leaf.x), y = (r + r) + twice(r);
    tape.backward(y, numbers({1, 10, 100}));
    EXPECT_EQ(leaf.grad().at(0), 8);
    EXPECT_EQ(leaf.grad().at(1), 80);
    EXPECT_EQ(leaf.grad().at(2), 800);
  }
  EXPECT_EQ(arena.in_use(), 0u);
}
TEST(Tapes, AWatchedGradientOutlivesItsStepAndAddsUp) {
  Watched leaf(numbers({1, -2, 3}));
  Arena arena(DeviceKind::cpu);
  for (int pass = 1; pass <= 2; ++pass) {
    {
      Tape tape(arena);
      tape.backward(twice(leaf.x), numbers({1, 10, 100}));
    }
    EXPECT_EQ(leaf.grad().at(2), 200 * pass);
  }
}
TEST(Tapes, UnusedOutputsGetNoGradient) {
  Watched used(noise({3}, 1)), unused(noise({3}, 2));
  Arena arena(DeviceKind::cpu);
  Tape tape(arena);
  const Tensor a = twice(used.x), b = twice(unused.x);
  tape.backward(a, numbers({1, 1, 1}));
  EXPECT_TRUE(used.grad());
  EXPECT_FALSE(unused.grad());
}
TEST(Tapes, BackwardOfALeafIsItsDy) {
  Watched leaf(noise({3}, 1));
  Arena arena(DeviceKind::cpu);
  Tape tape(arena);
  tape.backward(leaf.x, numbers({1, 2, 3}));
  EXPECT_EQ(leaf.grad().at(2), 3);
}
TEST(Tapes, NoticeHandlesOfAnotherStep) {
  Watched leaf(noise({3}, 1));
  Arena arena(DeviceKind::cpu);
  Tensor old;
  {
    Tape tape(arena);
    old = twice(leaf.x);
  }
  EXPECT_NE(error_of([&] { arena.settle(); }).find("still held"), std::string::npos);
  Tape tape(arena);
  EXPECT_NE(error_of([&] { twice(old); }).find("is used on tape"), std::string::npos);
  const Tensor captured = twice(leaf.x);
  auto f = [&](const Tensor& x) { return x + captured; };  // not its argument: would lose a gradient
  const Tensor y = recompute(f, twice(leaf.x));
  EXPECT_NE(error_of([&] { tape.backward(y, numbers({1, 1, 1})); }).find("recompute()"), std::string::npos);
}
TEST(Tapes, RecomputingGivesTheSameGradient) {
  Watched a(noise({5}, 1)), b(noise({5}, 1));
  Arena arena(DeviceKind::cpu);
  auto f = [](const Tensor& x) { return gelu(gelu(x) + x); };
  Tape tape(arena, Tape::Mode::record, &kInputs);
  const Tensor y = f(dropout(a.x, 0.4f, 3)) + recompute(f, dropout(b.x, 0.4f, 3)), dy = noise({5}, 4);
  tape.backward(y, dy.clone());
  EXPECT_EQ(hash(a.grad()), hash(b.grad()));
}
TEST(Tapes, TellEachWriteOfALeafsGradientOnceItIsThere) {
  Watched a(numbers({1})), b(numbers({1}));
  Arena arena(DeviceKind::cpu);
  std::vector<std::string> told;
  const Tape::Written note = [&](const GradSlot& slot) {
    const bool of_a = a.grad() && a.grad().data<float>() == slot.grad.data<float>();
    told.push_back(fmt::format("{} {}", of_a ? "a" : "b", slot.grad.at(0)));
  };
  Tape tape(arena, Tape::Mode::record, nullptr, &note);
  const Tensor y = a.x + recompute([&](const Tensor& x) { return x + b.x; }, a.x + b.x);
  tape.backward(y, numbers({1}));
  EXPECT_EQ(told, (std::vector<std::string>{"a 1", "b 1", "a 2", "b 2"}));
}

// ---- memory claims of the design --------------------------------------------------------------------------
TEST(Memory, OfOneBlockAndNoCopies) {
  World w({.vocab = 50, .context = 64, .layers = 2, .heads = 4, .kv_heads = 4, .width = 64, .inner = 256},
          DType::f32);
  const Batch b = batch(pairs(12, 3, 8, 14), {.tokens = 256, .texts = 20, .mask = Mask::prefix});
  Arena arena(DeviceKind::cpu);
  Tape::copies = 0;
  for (const bool recompute : {false, true}) {
    Tape tape(arena, Tape::Mode::record, &kInputs);
    Tensor x = embedding(b.ids, w.model.tokens);
    const size_t before = arena.in_use(), entries = tape.size();
    const Block& block = w.model.blocks[0];
    const Tensor y = recompute
                         ? rum::recompute([&](const Tensor& t) { return block({t}, b.layout).sum(); }, x)
                         : block({x}, b.layout).sum();
    x = Tensor();
    const double kept = static_cast<double>(arena.in_use() - before) / (256.0 * 64 * 4);
    std::printf("  kept by one block, its output included: %.2f NC%s\n", kept,
                recompute ? " recomputed" : "");
    EXPECT_LT(kept, recompute ? 1.01 : 18);
    EXPECT_GT(kept, recompute ? 0.99 : 8);
    EXPECT_LE(tape.size() - entries, recompute ? 1u : 10u);
    w.params.begin_step();
    tape.backward(y, Tensor::like(y));
  }
  Tape tape(arena, Tape::Mode::record, &kInputs);
  tape.backward(w.model.loss(b).loss);
  EXPECT_EQ(Tape::copies, 0);  // the residual stream is one buffer
}
TEST(Steps, StandAtTheSameAddresses) {
  World w(tiny(0.1f), DType::bf16);
  AdamW adam(w.params, {});
  Step step(w.params, adam, w.loss());
  const auto data = batches(10, {.tokens = 192, .texts = 12, .mask = Mask::prefix}, 100);
  uint64_t first = 0;
  for (uint32_t i = 0; i < 25; ++i) {
    const Batch micro[] = {data[i % 10], data[(i + 7) % 10]};
    step.run(micro, i, 1e-3f);
    if (i == 2) first = step.arena().trace();
    if (i > 2) {
      EXPECT_EQ(step.arena().trace(), first) << "step " << i;
    }
    EXPECT_EQ(step.arena().in_use(), 0u);
  }
  EXPECT_EQ(step.arena().chunks(), 1u);
  EXPECT_LE(static_cast<double>(step.arena().reserved()), 1.03 * static_cast<double>(step.arena().peak()));
}
TEST(Steps,
     KeepNoPackedWeights) {  // they would change before their next use, and take as much memory as the model
  World w(tiny(), DType::f64);  // f64 always goes through our own product
  AdamW adam(w.params, {});
  Step step(w.params, adam, w.loss());
  const auto data = batches(4, {.tokens = 192, .texts = 12, .mask = Mask::causal}, 60);
  const int64_t before = gemm_packs();
  step.run(data, 0, 1e-3f), step.run(data, 1, 1e-3f);
  EXPECT_EQ(gemm_packs(), before);
}

// ---- parameters and optimizer -----------------------------------------------------------------------------
TEST(Parameters, StandInOneBlockDecayedFirst) {
  World w(tiny(), DType::bf16);
  int64_t decayed = 0;
  for (auto& e : w.params.entries()) {
    EXPECT_EQ(e.decay, e.shape.rank == 2) << e.name;
    EXPECT_EQ(e.offset % 64, 0) << e.name;
    if (e.decay) decayed = std::max(decayed, e.offset + e.shape.size());
    for (int64_t i = 0; i < e.shape.size(); ++i) {
      const float master = w.params.master().data<float>()[e.offset + i];
      ASSERT_EQ(e.value.at(i), static_cast<double>(static_cast<float>(bf16(master)))) << e.name;
    }
  }
  for (auto& e : w.params.entries())
    if (!e.decay) {
      EXPECT_GE(e.offset, decayed) << e.name;
    }
  EXPECT_GE(w.params.decayed(), decayed);
  EXPECT_NE(error_of([&] { Gpt(Params(w.params), tiny()); }).find("after the block was made"),
            std::string::npos);
  ParameterBlock twice;
  const Params p(twice);
  (p / "a" / "b").vector(3, {});
  EXPECT_NE(error_of([&] { (p / "a" / "b").vector(3, {}); }).find("a.b"), std::string::npos);
}
TEST(Parameters, WhatNobodyWroteIsZero) {
  World w(tiny(), DType::f32);
  for (int64_t i = 0; i < w.params.grads().size(); ++i) w.params.grads().data<float>()[i] = 5;
  w.params.begin_step(), w.params.finish_grads();
  for (auto& e : w.params.entries())
    for (int64_t i = 0; i < e.shape.size(); ++i) ASSERT_EQ(w.params.grads().at(e.offset + i), 0) << e.name;
}
// AdamW by its paper, number by number, in double.
TEST(Optimizer, IsAdamW) {
  ParameterBlock params;
  const Tensor a = (Params(params) / "a").matrix({3, 5}, {Init::normal, 1.0f}),
               b = (Params(params) / "b").vector(7, {Init::ones});
  params.materialise(DeviceKind::cpu, DType::f64, 1);
  AdamW adam(params,
             {.beta1 = 0.75f, .beta2 = 0.5f, .epsilon = 0.0009765625f, .weight_decay = 0.25f, .clip = 0.5f});
  const int64_t n = params.master().size();
  std::vector<double> w, m(static_cast<size_t>(n)), v(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) w.push_back(params.master().at(i));
  for (uint32_t t = 0; t < 4; ++t) {
    double square = 0;
    const double size = t == 2 ? 0.001 : 1;  // the third is too short to be clipped
    for (int64_t i = 0; i < n; ++i) {
      params.grads().data<double>()[i] = 0;
      for (auto& e : params.entries())
        if (i >= e.offset && i < e.offset + e.shape.size())
          params.grads().data<double>()[i] = size * std::sin(static_cast<double>(i + 5 * t));
      square += std::pow(params.grads().at(i), 2);
    }
    const uint64_t version = params.version();
    const StepInputs in = adam.inputs(t, 0.125f, 1, 1);
    adam.step(&in);
    EXPECT_NE(params.version(), version);
    EXPECT_NEAR(adam.norm().at(0), std::sqrt(square), 1e-6 * std::sqrt(square));
    const double clip = std::sqrt(square) > 0.5 ? 0.5 / std::sqrt(square) : 1;
    for (int64_t i = 0; i < n; ++i) {
      const auto k = static_cast<size_t>(i);
      const double g = clip * params.grads().at(i);
      m[k] = 0.75 * m[k] + 0.25 * g, v[k] = 0.5 * v[k] + 0.5 * g * g;
      const double up = m[k] / (1 - std::pow(0.75, t + 1)),
                   down = std::sqrt(v[k] / (1 - std::pow(0.5, t + 1)));
      w[k] -= 0.125 * (up / (down + 0.0009765625) + (i < params.decayed() ? 0.25 * w[k] : 0));
      ASSERT_NEAR(params.master().at(i), w[k], 1e-6 * (1 + std::abs(w[k])))
          << "step " << t << " number " << i;
    }
  }
}
TEST(Optimizer, SkipsAGradientThatIsNotFinite) {
  World w(tiny(), DType::bf16);
  AdamW adam(w.params, {});
  Step step(w.params, adam, w.loss());
  step.run(batches(1, {.tokens = 192, .texts = 12, .mask = Mask::causal}, 40), 0, 1e-3f);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const uint64_t master = hash(w.params.master()), shadow = hash(w.params.shadow());
    w.params.grads().data<float>()[5] = bad;
    const StepInputs in = adam.inputs(1, 1e-3f, 1, 1);
    adam.step(&in);
    EXPECT_EQ(master, hash(w.params.master()));
    EXPECT_EQ(shadow, hash(w.params.shadow()));
    EXPECT_FALSE(std::isfinite(adam.norm().at(0)));
  }
}
}  // namespace
}  // namespace rum::engine_test
