// What a model makes of a text, as parts of a page: the cut into tokens, how likely it finds each, what it
// writes, and where each layer and head looks.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "generate/generate.h"
#include "metrics/token_stats.h"
#include "page/tokens.h"
#include "run/run.h"

namespace rum::serve {
// The tokens of an example, those that were predicted with what the model said of them.
std::vector<page::ShownToken> shown_tokens(const LoadedRun&, const Example&,
                                           std::span<const metrics::TokenStats>);
// The pictures of every layer and head, of the first `most` tokens of either side; id:
// as of attention_html().
std::string attention_of(const LoadedRun&, const Example&, const std::string& id, size_t most = 40);
// All of it for a sentence to translate, or the beginning of a text: HTML. Error: nothing can
// be written after it.
std::string text_page(const LoadedRun&, const std::string& text);
}  // namespace rum::serve
