// Generating with a model: greedy, beam search, sampling; many texts at once over the slots of a key-value
// cache. On a CPU the output does not depend on what else is in the batch. Each draw has its own random
// numbers, a pure function of (seed, number of the text, draw, step).
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "model/model.h"
#include "run/decoding.h"
#include "text/tokenizer.h"

namespace rum {
struct Hypothesis {
  std::vector<Token> tokens;  // without the end token
  // Natural log at temperature 1, sum over tokens, with the end token if finished. Without what penalties do;
  // only beams, which are ranked by it, have a repetition penalty in it.
  double log_prob = 0;
  double score = 0;       // what beams are ranked by
  bool finished = false;  // the end token came before the limit
};
struct Prompt {
  std::vector<Token> tokens;          // for a translation: source and <sep>
  int32_t prefix = 0;                 // as in Example; an encoder-decoder needs one
  std::optional<uint32_t> seed = {};  // of its draws, as if it were asked for alone; else the decoding's
};
// Callbacks while texts are being written.
struct Follower {
  // One more token of a text that is not searched for with beams; of several draws, which. False: it
  // ends there, unfinished.
  std::function<bool(size_t text, int32_t draw, Token)> token;
  std::function<void(size_t text, std::span<const Hypothesis>)> done;  // as generate() returns them
  // After each token of a text that is searched for with beams. False: the search ends there, and what it has
  // found so far is what it finds.
  std::function<bool(size_t text)> goes_on = {};
};
// Most tokens, the end token included, that the model's context leaves after a prompt; at most 0: none.
int64_t room(const Model&, const Prompt&);
// result[i]: the hypotheses of prompts[i], best first; draws in the order of drawing. `done` is called with
// the number of finished texts whenever it has grown.
//
// Beam search keeps the `beam` likeliest unfinished hypotheses; those that end while among the `beam`
// likeliest continuations are put aside. A text is done when `beam` are put aside and the likeliest
// unfinished one, by its score as it stands, is no better than the worst of them; or at the limit, where
// unfinished hypotheses are returned after all finished ones. Where penalties leave no token that may follow,
// a text ends as it stands, unfinished.
//
// Error: an empty prompt or one that leaves no room in the context (with its number and lengths), an invalid
// decoding, logits that are not finite.
std::vector<std::vector<Hypothesis>> generate(const Model&, std::span<const Prompt> prompts, Token end,
                                              const Decoding&, const std::function<void(int64_t)>& done = {},
                                              const Follower* = nullptr);
}  // namespace rum
