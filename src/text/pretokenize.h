// Cuts a text into the pieces within which byte pairs are merged. One hand-written scanner per known pattern,
// equal to the regular expression that Hugging Face's files spell, with true Unicode classes. The pieces of
// any bytes, put together, are the text.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "text/unicode.h"

namespace rum {
struct Pattern {
  const char* name;   // gpt2, gpt4, llama3, qwen2, whitespace, characters
  const char* regex;  // as written in tokenizer.json
  const char* same;   // another spelling with the same pieces, or null
  // The end of the piece that begins at p; p < end.
  const char* (*scan)(const char* p, const char* end);
};
std::span<const Pattern> patterns();
const Pattern& pattern_named(std::string_view name);  // Error that lists the known ones

// Calls piece(std::string_view) for each piece of the text, in order. With split_digits every character of
// class N is a piece and the rest is cut between them, each stretch as if it were a text of its own.
template <class F>
void for_each_piece(const Pattern& pattern, bool split_digits, std::string_view text, F&& piece) {
  const char *p = text.data(), *end = p + text.size();
  const auto scan = [&](const char* stop) {
    while (p < stop) {
      const char* next = pattern.scan(p, stop);
      piece(std::string_view(p, static_cast<size_t>(next - p)));
      p = next;
    }
  };
  if (!split_digits) return scan(end);
  for (const char* q = p; q < end;) {
    const Character c = decode_utf8(q, end);
    if (char_class(c.code) == CharClass::number) {
      scan(q);
      piece(std::string_view(q, static_cast<size_t>(c.bytes)));
      p = q + c.bytes;
    }
    q += c.bytes;
  }
  scan(end);
}
}  // namespace rum
