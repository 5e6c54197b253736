// How good a model is: loss on held-out texts, and BLEU of its translations.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/loader.h"
#include "generate/generate.h"
#include "metrics/bleu.h"

namespace rum {
// Batches that hold the first `count` texts (0: all), in order, each once; texts that do not fit the shape
// are left out.
std::vector<Packed> evaluation_batches(const Corpus&, const Tokenizer&, const BatchShape&, int64_t count);
// Mean of -log p (natural) over the scored tokens, without label smoothing.
double mean_nll(const Gpt&, std::span<const Packed>);
// Best translation of each source, in order. A source too long for the context gives "".
std::vector<std::string> translate(const Gpt&, const Tokenizer&, std::span<const std::string> sources,
                                   const Decoding&, const std::function<void(int64_t)>& done = {});
struct Judged {
  Bleu bleu;
  std::vector<std::string> translations;
};
Judged judge_translations(const Gpt&, const Tokenizer&, std::span<const Text>, const Decoding&,
                          const std::function<void(int64_t)>& done = {});
}  // namespace rum
