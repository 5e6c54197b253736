// A text as a model sees it, as parts of a page: its tokens, how likely each is, the model's output, and
// where each layer and head looks.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "generate/generate.h"
#include "metrics/token_stats.h"
#include "page/tokens.h"
#include "run/run.h"

namespace rum::serve {
// What a token is shown as: the bytes that it stands for, or the name of an added one.
std::string token_text(const Tokenizer&, Token);
// The tokens of an example; the predicted ones with their statistics under the model.
std::vector<page::ShownToken> shown_tokens(const LoadedRun&, const Example&,
                                           std::span<const metrics::TokenStats>);
// Pictures of every layer and head, for the first 40 tokens on either side, and how to read them. Once on a
// page.
std::string attention_of(const LoadedRun&, const Example&);
// All of these for a sentence to translate or the beginning of a text. Error: no output is possible.
std::string text_page(const LoadedRun&, const std::string& text);
}  // namespace rum::serve
