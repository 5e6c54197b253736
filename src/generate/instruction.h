// How a source is put to a model of plain text that was taught to follow instructions.
#pragma once
#include <string>
#include <string_view>

#include "generate/chat_template.h"

namespace rum {
struct Instruction {
  std::string text;  // with {source} in it once
  bool chat =
      false;  // a user's message, in the words of the model's family; else as it stands, and special tokens
              // may stand in it
};
void check(const Instruction&);  // Error: no {source}, or more than one
// How such a model writes: it may be asked for a sentence and go on for pages.
Decoding answering(Decoding);  // at most 256 tokens; an answer's length is no ratio of its prompt's
// The prompt, and the token that ends an answer. Error: a source that holds a special token, a model without tokens
// for turns.
ChatPrompt instructed(const Tokenizer&, const Instruction&, std::string_view source);
std::string describe(const Instruction&);  // for provenance: its hash
// Of what the model wrote, the answer: its first line that is not blank, without blanks around it.
std::string first_line(std::string_view written);
bool has_first_line(std::string_view written);  // and its end
}  // namespace rum
