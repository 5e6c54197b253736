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
// Pictures of every layer and head, for the first `most` tokens on either side; id: as in attention_html().
std::string attention_of(const LoadedRun&, const Example&, const std::string& id, int64_t most = 40);
// The whole page, as HTML, for a sentence to translate or the beginning of a text. Error: no output is
// possible.
std::string text_page(const LoadedRun&, const std::string& text);
}  // namespace rum::serve
