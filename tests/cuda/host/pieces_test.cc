// Gradients of two GPUs that are summed in pieces beside the backward pass: the host side, on the stand-in for
// CUDA and NCCL. What comes out is compared with the sum of what went in, with sums that run as early as they
// may and as late.
#include "parallel/pieces.h"

#include <gtest/gtest.h>

#include "../../error_of.h"
#include "../parity.h"
#include "train/step.h"
#include "two_ranks.h"

namespace rum::test::pieces_test {
namespace {
constexpr int64_t kMatrix = Pieces::kNumbers / 2 + 64;  // two of them make a piece

std::span<float> there(const float* device, int64_t n) {
  const auto size = static_cast<size_t>(n);
  return {static_cast<float*>(mock::reach(device, size * sizeof(float))), size};
}
// The kernels that count here do their work: `accumulate` of f32, and the update, which notes what it reads.
struct Map {  // as in cuda/kernel.h
  char f;
  const float *a, *b;
  float* y;
  bool add;
};
struct Update {  // the beginning of that in cuda/adamw.cu
  float* w;
  const float* g;
};
struct Seen {
  std::vector<float> gradients;  // by the newest update
  int updates = 0;
  std::vector<int> sums_before;  // how many sums had ended at each write of a matrix's gradient
} seen;
int64_t block_size = 0;
std::function<void()> at_write = [] {};
void define_kernels() {
  mock::on_launch("4SameEff", [](void** arguments) {
    const Map m = *static_cast<const Map*>(arguments[0]);
    const int64_t n = *static_cast<const int64_t*>(arguments[1]);
    return [=] {
      const std::span<float> from = there(m.a, n), to = there(m.y, n);
      for (size_t i = 0; i < from.size(); ++i) to[i] = m.add ? to[i] + from[i] : from[i];
      if (n != kMatrix) return;
      seen.sums_before.push_back(mock::nccl().sums);
      at_write();
    };
  });
  mock::on_launch("6Update", [](void** arguments) {
    const Update u = *static_cast<const Update*>(arguments[0]);
    return [=] {
      const std::span<float> all = there(u.g, block_size);
      seen.gradients.assign(all.begin(), all.end());
      ++seen.updates;
    };
  });
}

std::vector<Sample> no_samples() { return {}; }
const Op layer_op{"layer", "y = x, with a parameter whose gradient is given", no_samples};
// A parameter in use: its gradient is the batch's weights, as many as it takes.
Tensor layer(const Tensor& x, const Tensor& parameter, const Tensor& given) {
  Tensor y = Tensor::empty({1}, DType::f32, kCuda);
  y.copy_from(given.rows(0, 1));
  const Tensor gradient = given.rows(0, parameter.size());
  record(layer_op, {y}, {x, parameter}, [gradient](Tensors dy, Grads d) {
    kernels::accumulate(kCuda, gradient, d[1]);
    if (d[0]) d[0].share(dy[0]);
  });
  return y;
}

struct Cut {             // of a step
  size_t micro_batches;  // of a part
  int64_t rounds;
  bool again;  // the middle layers are recomputed
};
struct World {
  Ranks& ranks;
  const Cut cut;
  const int64_t parts = ranks.size() * cut.rounds;
  ParameterBlock block;
  std::vector<Tensor> matrices;
  Tensor vector, unused;
  std::optional<AdamW> adamw;
  std::optional<Step> step;
  bool twice = false, idle = false;  // the last layer is used twice; `unused` is not used
  std::vector<float> expected;       // of every parameter
  double expected_loss = 0;

  World(Ranks& r, const Cut& c) : ranks(r), cut(c) {
    const Params p(block);
    for (const char* name : {"0", "1", "2", "3"}) matrices.push_back((p / name).matrix({kMatrix}, {}));
    vector = (p / "vector").vector(8, {});
    unused = (p / "unused").matrix({8}, {});  // in the first piece
    block.materialise(kCuda, DType::f32, {});
    block_size = block.master().size();
    adamw.emplace(block, AdamWConfig{});
    step.emplace(
        block, *adamw, [this](const Batch& b) { return loss(b); }, 1, parts, ranks);
  }
  Tensor loss(const Batch& b) const {
    Tensor y = layer({}, vector, b.weights);
    const auto layers = [&](Tensor x, size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) x = layer(x, matrices[i], b.weights);
      return x;
    };
    if (twice) y = layer(y, matrices[3], b.weights);
    y = layers(y, 0, 1);
    y = cut.again ? recompute([=](const Tensor& x) { return layers(x, 1, 3); }, y) : layers(y, 1, 3);
    y = layers(y, 3, 4);
    if (!idle) y = layer(y, unused, b.weights);
    return layer(y, vector, b.weights);
  }
  // The batches of step `number`; both processes have the same numbers, as the stand-in for NCCL has it.
  void run(uint32_t number) {
    std::vector<Batch> batches(static_cast<size_t>(parts) * cut.micro_batches);
    std::vector<float> sum(kMatrix);
    for (size_t i = 0; i < batches.size(); ++i) {
      std::vector<float> w(kMatrix);
      for (size_t j = 0; j < w.size(); ++j) w[j] = static_cast<float>((j * 7 + i * 5 + number * 11) % 97 + 1);
      batches[i].weights = Tensor::from<float>(w, {kMatrix}, DType::f32);
      batches[i].total_weight = 1;
      if (ranks.computes(static_cast<int64_t>(i / cut.micro_batches)))
        for (size_t j = 0; j < w.size(); ++j) sum[j] += 2 * w[j];
    }
    expected = sum, expected_loss = sum[0];
    seen.sums_before.clear(), mock::nccl().sums = 0;
    step->run(batches, number, 1e-3f);
  }
  void check() {
    Backend::of(kCuda).wait();
    for (const ParameterBlock::Entry& e : block.entries()) {
      const bool zero = idle && e.name == "unused", two = e.name == "vector" || (twice && e.name == "3");
      const float uses = zero ? 0 : two ? 2 : 1;
      int64_t wrong = 0;
      for (int64_t i = 0; i < e.shape.size(); ++i)
        wrong += seen.gradients[static_cast<size_t>(e.offset + i)] != uses * expected[static_cast<size_t>(i)];
      EXPECT_EQ(wrong, 0) << "numbers of " << e.name;
    }
    EXPECT_EQ(step->loss(), expected_loss);
  }
};
// In a process of its own, since NCCL starts once in each.
void with_two(const std::function<void(Ranks&, TwoRanks&)>& f) {
  EXPECT_TRUE(in_child([&] {
    TwoRanks two;
    define_kernels();
    f(two.ranks, two);
  }));
}

TEST(PiecesHost, TheUpdateReadsTheSumOfEveryGradient) {
  with_two([](Ranks& ranks, TwoRanks&) {
    for (const Cut s : {Cut{1, 1, false}, {2, 1, true}, {2, 2, false}})
      for (const bool eager : {false, true})
        for (const bool hasty : {false, true}) {
          SCOPED_TRACE(testing::Message()
                       << s.micro_batches << " micro-batches, " << s.rounds << " rounds, again " << s.again
                       << ", eager " << eager << ", hasty " << hasty);
          const Eagerly way(eager);
          mock::gpu().hasty = hasty;
          World w(ranks, s);
          for (uint32_t i = 0; i < 5; ++i) {
            mock::forget_calls();
            w.run(i);
            w.check();
            // Two pieces of two matrices each, the vectors; the loss.
            EXPECT_EQ(mock::calls("ncclAllReduce"), s.rounds == 1 ? 4 : 2) << i;
          }
          EXPECT_EQ(w.step->recorded(), eager ? 0 : s.micro_batches > 1 ? 3 : 2);
        }
  });
}
TEST(PiecesHost, SumsRunWhileTheBackwardPassOfEarlierLayersGoesOn) {
  with_two([](Ranks& ranks, TwoRanks&) {
    mock::gpu().hasty = true;
    for (const bool eager : {false, true}) {
      const Eagerly way(eager);
      const Cut s{2, 1, false};
      World w(ranks, s);
      for (uint32_t i = 0; i < 5; ++i) {
        w.run(i);
        // Layers 3 to 0, twice. From the second micro-batch of all on it is known when a piece is there.
        EXPECT_EQ(seen.sums_before, (std::vector<int>{0, 0, 0, 0, 0, 0, 1, 1})) << i;
        w.check();
      }
    }
  });
}
TEST(PiecesHost, AMicroBatchThatWritesMoreOrLessThanTheOneBeforeIsSummedWhole) {
  with_two([](Ranks& ranks, TwoRanks&) {
    mock::gpu().hasty = true;
    for (const bool eager : {false, true})
      for (const uint32_t change : {1u, 2u, 4u}) {  // 2: in the run that is recorded
        const Eagerly way(eager);
        const Cut s{1, 1, false};
        World w(ranks, s);
        for (uint32_t i = 0; i < 9; ++i) {
          SCOPED_TRACE(testing::Message() << "step " << i << ", change " << change << ", eager " << eager);
          if (w.step->recorded() == 0) w.twice = i >= change && i < change + 2;
          w.run(i);
          w.check();
        }
        EXPECT_EQ(w.step->recorded(), eager ? 0 : 2);
        EXPECT_EQ(seen.sums_before, (std::vector<int>{0, 0, 1, 1})) << "what is last is known again";
      }
  });
}
TEST(PiecesHost, AGradientThatNobodyWritesIsZero) {
  with_two([](Ranks& ranks, TwoRanks&) {
    mock::gpu().hasty = true;
    for (const bool eager : {false, true}) {
      const Eagerly way(eager);
      const Cut s{2, 1, false};
      World w(ranks, s);
      w.run(0);  // leaves numbers there
      w.idle = true;
      for (uint32_t i = 1; i < 7; ++i) {
        w.run(i);
        w.check();
      }
      EXPECT_EQ(w.step->recorded(), eager ? 0 : 3);
    }
  });
}

// A step that fails while sums are under way: nothing reaches the weights, and nothing holds up the process.
void fails(World& w, uint32_t number, int sums, const std::string& sentence) {
  Backend::of(kCuda).wait();
  mock::forget_calls();
  const int updates = seen.updates;
  const std::string said = error_of([&] { w.run(number); });
  EXPECT_NE(said.find(sentence), std::string::npos) << said;
  EXPECT_EQ(mock::calls("ncclCommAbort"), 1);
  EXPECT_EQ(mock::nccl().sums, sums);
  Backend::of(kCuda).wait();
  EXPECT_EQ(seen.updates, updates);
}
TEST(PiecesHost, ASumThatCannotBeginEndsThoseBeforeIt) {
  for (const uint32_t number : {1u, 4u})  // eager, recorded
    with_two([&](Ranks& ranks, TwoRanks&) {
      const Cut s{1, 1, false};
      World w(ranks, s);
      for (uint32_t i = 0; i < number; ++i) w.run(i);
      mock::nccl().stuck = true;
      mock::fail_at("ncclAllReduce", 3, 1);
      fails(w, number, 0, "NCCL: ncclAllReduce: an error of NCCL");
      EXPECT_EQ(mock::calls("ncclAllReduce"), 3);
    });
}
TEST(PiecesHost, AProcessThatEndsBetweenTwoSumsEndsTheStep) {
  for (const uint32_t number : {1u, 4u})
    with_two([&](Ranks& ranks, TwoRanks& two) {
      const Cut s{1, 1, false};
      World w(ranks, s);
      for (uint32_t i = 0; i < number; ++i) w.run(i);
      mock::gpu().hasty = true;
      at_write = [was = 0]() mutable {  // between the first sum and the second
        if (std::exchange(was, mock::nccl().sums) < mock::nccl().sums) mock::nccl().stuck = true;
      };
      two.fail();
      fails(w, number, 1, "rank 1: no space left");
    });
}
}  // namespace
}  // namespace rum::test::pieces_test
