// The attention weights that pages show, against an independent softmax and against the output of attention
// itself.
#include "generate/attention_maps.h"

#include <gtest/gtest.h>

#include <cmath>

#include "generate/scoring_batch.h"
#include "run_folder.h"
#include "scratch.h"
#include "toy.h"

namespace rum::attention_maps_test {
namespace {
constexpr int64_t kAll = 1000;  // more tokens than any text here has
void expect_rows_of_one(const std::vector<AttentionMaps>& maps) {
  for (const AttentionMaps& m : maps)
    for (const auto& head : m.heads)
      for (int64_t r = 0; r < m.rows; ++r) {
        double sum = 0;
        for (int64_t c = 0; c < m.columns; ++c)
          sum += static_cast<double>(head[static_cast<size_t>(r * m.columns + c)]);
        EXPECT_NEAR(sum, 1, 1e-5) << m.part << " " << m.layer << " row " << r;
      }
}
TEST(AttentionMaps, AreTheSoftmaxOfAPrefixModel) {
  toy::World w(toy::tiny(), DType::f32);
  const Example e = toy::pairs(1, 3, 7, 14).front();
  const auto maps = attention_maps(w.model, e, kAll);
  ASSERT_EQ(maps.size(), 2u);
  expect_rows_of_one(maps);
  Arena arena(DeviceKind::cpu);
  Tape tape(arena, Tape::Mode::forward_only);
  const Batch b = scoring_batch(w.model, {&e, 1});
  const Block& block = w.model.blocks[0];
  const Tensor qkv = block.qkv(block.norm1(w.model.states(b)[0]));
  const int64_t n = maps[0].rows, heads = 2, d = 16, width = 3 * heads * d;
  EXPECT_EQ(n, static_cast<int64_t>(e.tokens.size()));
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t r = 0; r < n; ++r) {
      std::vector<double> p(static_cast<size_t>(n));
      double sum = 0;
      for (int64_t c = 0; c < n; ++c) {
        if (c > r && !(c < e.prefix && r < e.prefix)) continue;
        double dot = 0;
        for (int64_t k = 0; k < d; ++k)
          dot += qkv.at(r * width + h * d + k) * qkv.at(c * width + (heads + h) * d + k);
        sum += p[static_cast<size_t>(c)] = std::exp(dot / std::sqrt(static_cast<double>(d)));
      }
      for (int64_t c = 0; c < n; ++c)
        EXPECT_NEAR(maps[0].heads[static_cast<size_t>(h)][static_cast<size_t>(r * n + c)],
                    p[static_cast<size_t>(c)] / sum, 2e-6);
    }
}
TEST(AttentionMaps,
     TimesTheValuesAreWhatAttentionGives) {  // rotary positions, grouped queries, more columns than D
  GptConfig c = toy::tiny();
  c.heads = 4, c.kv_heads = 2, c.positions = Positions::rope, c.restart = false;
  toy::World w(c, DType::f32);
  Example e;
  for (Token t = 0; t < 21; ++t) e.tokens.push_back(2 + t % 12);
  const auto maps = attention_maps(w.model, e, kAll);
  expect_rows_of_one(maps);
  Arena arena(DeviceKind::cpu);
  Tape tape(arena, Tape::Mode::forward_only);
  const Batch b = scoring_batch(w.model, {&e, 1});
  const auto states = w.model.states(b);
  for (const AttentionMaps& m : maps) {
    const Block& block = w.model.blocks[static_cast<size_t>(m.layer)];
    const Tensor qkv = block.qkv(block.norm1(states[static_cast<size_t>(m.layer)]));
    const Tensor y = attention(qkv, block.heads, b.layout, block.layer, block.rope);
    for (int64_t h = 0; h < 4; ++h)
      for (int64_t r = 0; r < m.rows; ++r)
        for (int64_t k = 0; k < 8; ++k) {
          double sum = 0;
          for (int64_t col = 0; col < m.columns; ++col)
            sum += static_cast<double>(
                       m.heads[static_cast<size_t>(h)][static_cast<size_t>(r * m.columns + col)]) *
                   qkv.at(col * 64 + 48 + (h / 2) * 8 + k);
          EXPECT_NEAR(y.at(r * 32 + h * 8 + k), sum, 1e-5);
        }
  }
}
// The corner of the whole: reading from left to right, with a prefix longer than the corner, in two parts.
void expect_corner(const Model& model, const Example& e, int64_t most) {
  const auto whole = attention_maps(model, e, kAll), corner = attention_maps(model, e, most);
  ASSERT_EQ(whole.size(), corner.size());
  for (size_t i = 0; i < whole.size(); ++i) {
    const AttentionMaps &w = whole[i], &c = corner[i];
    ASSERT_EQ(c.rows, std::min(w.rows, most));
    ASSERT_EQ(c.columns, std::min(w.columns, most));
    EXPECT_EQ(c.rows_from, w.rows_from);
    for (size_t h = 0; h < w.heads.size(); ++h) {
      ASSERT_EQ(c.heads[h].size(), static_cast<size_t>(c.rows * c.columns));
      for (int64_t r = 0; r < c.rows; ++r)
        for (int64_t k = 0; k < c.columns; ++k)
          ASSERT_NEAR(c.heads[h][static_cast<size_t>(r * c.columns + k)],
                      w.heads[h][static_cast<size_t>(r * w.columns + k)], 1e-6)
              << w.part << w.layer << " " << r << " " << k;
    }
  }
}
TEST(AttentionMaps, ACornerIsThatOfTheWhole) {
  toy::World w(toy::tiny(), DType::f32);
  Example e;
  for (Token t = 0; t < 21; ++t) e.tokens.push_back(2 + t % 12);
  expect_corner(w.model, e, 5);
  e.goes_on = true;
  expect_corner(w.model, e, 20);
  e.prefix = 4;
  expect_corner(w.model, e, 7);
  e.prefix = 12;
  expect_corner(w.model, e, 7);
  Scratch folder;
  write_run(folder.path, {.model = ModelKind::encoder_decoder});
  const auto run = load_run(folder.path);
  expect_corner(run->model, {{5, 6, 7, 8, run->tokenizer.special(kSep), 9, 10, run->tokenizer.end()}, 5}, 2);
}
TEST(AttentionMaps, OfAnEncoderDecoderAreThree) {
  Scratch folder;
  write_run(folder.path, {.model = ModelKind::encoder_decoder});
  const auto run = load_run(folder.path);
  const Example e{{5, 6, 7, 8, run->tokenizer.special(kSep), 9, 10, run->tokenizer.end()}, 5};
  const auto maps = attention_maps(run->model, e, kAll);
  ASSERT_EQ(maps.size(), 6u);
  expect_rows_of_one(maps);
  std::string parts;
  for (const auto& m : maps) parts += m.part + " ";
  EXPECT_EQ(parts, "encoder encoder decoder cross decoder cross ");
  EXPECT_EQ(maps[3].rows, 3);
  EXPECT_EQ(maps[3].columns, 5);
  EXPECT_EQ(maps[3].rows_from, 4u);
  EXPECT_EQ(maps[2].heads[0][1], 0);  // a decoder does not see what comes later
  EXPECT_THROW(attention_maps(run->model, {std::vector<Token>(200, 5), 100}, kAll), Error);
}
}  // namespace
}  // namespace rum::attention_maps_test
