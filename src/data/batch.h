// From examples to a batch of constant shape: packed one after another, never bucketed, no padding in
// between. What is left at the end becomes one more text, of tokens with weight 0.
#pragma once
#include <array>
#include <span>
#include <vector>

#include "ops/attention.h"
#include "text/tokenizer.h"

namespace rum {
struct Example {  // a document (prefix 0) or a pair: source and separator first, `prefix` tokens of it
  std::vector<Token> tokens;
  int32_t prefix = 0;
  float weight = 1;
  bool goes_on = false;  // a piece of a longer document: its last token is predicted, and not read
  int32_t label = 0;     // its class, where texts are told apart
};
struct BatchShape {
  int64_t tokens = 0, texts = 0;  // N and S_max, fixed per run
  int64_t scored = 0;  // R: most tokens with a loss (those after a prefix); 0: all N rows get a loss
  Mask mask = Mask::causal;
  bool restart = false;  // positions start again at the last token of the prefix, the separator
  // M: for an encoder. The prefixes stand apart, in M rows of their own, and N holds what a decoder reads,
  // from the separator to the last token but one: all of it gets a loss, so `scored` stays 0. 0: no encoder.
  int64_t sources = 0;
  bool labelled = false;  // one target a text, its label: targets and weights are (S)
  bool operator==(const BatchShape&) const = default;
};
struct Load {  // what examples take of a batch
  int64_t tokens = 0, texts = 0, scored = 0, sources = 0;
  Load operator+(const Load& o) const {
    return {tokens + o.tokens, texts + o.texts, scored + o.scored, sources + o.sources};
  }
  bool fits(const BatchShape&) const;
};
Load load_of(const Example&, const BatchShape&);
Load load_of(int64_t tokens, int32_t prefix, bool goes_on, const BatchShape&);  // of an Example like that
// A batch on the host, as plain vectors: a helper thread can make it. Empty but for its figures when another
// process computes it.
struct Packed {
  std::vector<int32_t> ids, positions, offsets, prefix;  // (N), (N), (S+1), (S)
  std::vector<int32_t> rows;                             // (R): which rows get a loss; empty when scored is 0
  std::vector<int32_t> targets;                          // (R), or (N), or (S)
  std::vector<float> weights;                            // the same; 0 for what fills up
  double total_weight = 0;
  int64_t used = 0;  // tokens of examples
  Mask mask = Mask::causal;
  std::vector<int32_t> source_ids, source_positions, source_offsets;  // (M), (M), (S+1), or empty
};
// The same on a device.
struct Batch {
  Tensor ids, rows, targets, weights;  // (N) i32; (R) i32 or empty; (R, N or S) i32, f32
  Layout layout;
  double total_weight = 0;  // of this micro-batch; StepInputs carries the sum over the optimizer step
  Tensor source_ids;        // (M) i32, or empty: what an encoder reads; text s of it is the source of text s
  Layout source;
  // All of them, so that whoever moves a batch to a device moves everything. data_test counts them.
  std::array<Tensor*, 11> tensors() {
    return {&ids,
            &rows,
            &targets,
            &weights,
            &layout.offsets,
            &layout.prefix,
            &layout.positions,
            &source_ids,
            &source.offsets,
            &source.prefix,
            &source.positions};
  }
};
bool fits(std::span<const Example>, const BatchShape&);  // all of them, in one batch
// Error when they do not fit, or one has no source to set apart.
Packed pack(std::span<const Example>, const BatchShape&);
Packed figures(std::span<const Example>, const BatchShape&);  // total_weight and used alone
Batch upload(const Packed&, DeviceKind = DeviceKind::cpu);
}  // namespace rum
