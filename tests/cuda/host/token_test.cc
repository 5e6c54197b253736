// The host's cost per generated token: the amount of queued work, counted with the stand-in for CUDA.
#include <gtest/gtest.h>

#include <algorithm>

#include "generate/generate.h"
#include "generate/sampler.h"
#include "mock.h"
#include "tensor/recording.h"

namespace rum::test::token_test {
namespace {
constexpr DeviceKind kCuda = DeviceKind::cuda;
constexpr int64_t kTexts = 16;

struct Queued {  // for one token of every text
  int kernels = 0, products = 0, copies = 0, fills = 0, graphs = 0;
};
Queued queued() {
  Queued q;
  for (const std::string& call : mock::trace()) {
    q.kernels += call.starts_with("launch ");
    q.products += call.starts_with("cublasLtMatmul ");
    q.copies += call == "cudaMemcpyAsync", q.fills += call == "cudaMemsetAsync";
    q.graphs += call == "cudaGraphLaunch";
  }
  return q;
}
// GPT-2's 12 blocks, narrow. Kernels do nothing here, so the chosen token is set: always token 1.
Queued last_token(bool eager, const Decoding& d) {
  GptConfig c;
  c.vocab = 50, c.context = 32, c.layers = 12, c.width = 32, c.heads = c.kv_heads = 2, c.inner = 64;
  ParameterBlock block;
  const Gpt model(Params(block), c);
  block.materialise(kCuda, DType::bf16, 1);
  mock::on_launch("best_of_rows", [](void** arguments) {
    auto* const out = *static_cast<Choice**>(arguments[4]);
    return [=] {
      auto* const at = static_cast<Choice*>(mock::reach(out, kTexts * sizeof(Choice)));
      std::fill_n(at, kTexts, Choice{1, -1});
    };
  });
  Queued q;
  Follower follower;
  follower.token = [&](size_t text, int32_t, Token token) {
    EXPECT_EQ(token, 1);
    if (text == 0) q = queued(), mock::forget_calls();
    return true;
  };
  Recording::set_eager(eager);
  const auto texts = generate(model, std::vector<Prompt>(kTexts, {{2, 3}, 0}), 0, d, {}, &follower);
  Recording::set_eager(false);
  EXPECT_EQ(texts[3][0].tokens.size(), 10u);
  for (const std::string& v : mock::violations()) ADD_FAILURE() << v;
  return q;
}
TEST(CudaHostToken, ATokenIsFewLaunches) {
  const Decoding greedy{.max_new = 10, .batch = kTexts};
  const Queued q = last_token(true, greedy);
  EXPECT_EQ(q.products, 12 * 4 + 1);
  // A block: two norms, which add to the residual stream, and attention, which appends to the cache. Besides:
  // the inputs, two embeddings, the last norm, the choice, and the update of the cache's lengths.
  EXPECT_EQ(q.kernels, 12 * 3 + 6);
  EXPECT_EQ(q.copies, 1);  // the choice, to the host
  EXPECT_EQ(q.fills, 0);
  const Queued again = last_token(false, greedy);
  EXPECT_EQ(again.graphs, 1);
  EXPECT_EQ(again.products, 0);
  EXPECT_EQ(again.kernels, 1);  // the inputs
  EXPECT_EQ(again.copies, 1);
  EXPECT_EQ(again.fills, 0);
}
}  // namespace
}  // namespace rum::test::token_test
