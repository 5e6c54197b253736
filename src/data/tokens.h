// A corpus as tokens: all of its texts in one row of memory, and where each piece lies. A piece is a text or,
// of plain text, as much of one as the model reads at once. Neighbouring pieces of a text share one token:
// the first predicts it, the second reads it, so that each token is scored once.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/corpus.h"

namespace rum {
// How a text becomes tokens. Pair: source <sep> target <eos>, prefix up to and with <sep>. Document (empty
// source): text <eos>, prefix 0. Of an imported tokenizer the tokens that frame() named stand around a text.
Example to_example(const Pair&, const Tokenizer&, float weight = 1);
inline constexpr const char *kSep = "<sep>", *kEos = "<eos>";

// How many positions the model needs for it: the tokens that it reads, or with restarting positions the
// longer side, or the longer of what encoder and decoder read.
int64_t positions_of(const Example&, const BatchShape&);

enum class Windows : uint8_t {
  documents,        // each text ends in <eos>; one that is too long is cut
  stream,           // a text is cut into full windows, anew in each epoch, without an <eos>
  stream_in_order,  // the same from its first token to its last; the last window may be shorter
};
struct TextPiece {  // of a TokenCorpus
  int64_t begin = 0;
  int32_t tokens = 0, prefix = 0;
  int32_t text = 0;      // of the corpus
  bool goes_on = false;  // as in Example
};
struct TokenCorpus {
  std::vector<Token> all;
  std::vector<TextPiece> pieces;      // in the order of the texts
  std::string note;                   // what was cut, what was left out, for people; or empty
  std::vector<int64_t> slack;         // of a stream, by text: by how many tokens its windows can be shifted
  std::vector<int32_t> source_words;  // of pairs, by text (count_words())
  // `shift`: how far behind its place a window of a stream begins.
  Example example(size_t piece, float weight = 1, int64_t shift = 0) const;
};
// Is told that texts first .. last - 1 of a corpus are tokens now: a caller may free them.
using Tokenized = std::function<void(const Corpus&, size_t first, size_t last)>;
// In parallel: call it from the main thread. `context`: most positions of a text; 0: no limit but the
// shape's. Plain text that is too long is cut. A pair that is too long is left out. Error: a pair without a
// source, a stream without two tokens.
TokenCorpus tokenize(const Corpus&, const Tokenizer&, const BatchShape&, int64_t context, Windows,
                     const Tokenized& = {});
}  // namespace rum
