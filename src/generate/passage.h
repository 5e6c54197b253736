// Texts of any length after one prompt. What is longer than the context is written in parts: each continues
// from the last half of a context.
#pragma once
#include <span>
#include <vector>

#include "generate/generate.h"

namespace rum {
// `count` texts, each the prompt and at most `max_new` tokens (0: as far as the context allows). Text i is a
// function of (seed, first + i) alone. Error: as of generate().
std::vector<std::vector<Token>> write_passages(const Model&, std::span<const Token> prompt, Token end,
                                               const Decoding&, int64_t count);
}  // namespace rum
