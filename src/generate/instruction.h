// How a source is presented to a plain-text model that was trained to follow instructions.
#pragma once
#include <string>
#include <string_view>

#include "base/error.h"
#include "generate/chat_template.h"

namespace rum {
struct Instruction {
  std::string text;  // with {source} in it once
  // A user's message, in the format of the model's family; else the text as it is, in which
  // special tokens may be.
  bool chat = false;
};
inline constexpr std::string_view kSource = "{source}";  // where in the text the source goes
// Error: it is not there, or more than once.
inline void check(const Instruction& i) {
  const size_t at = i.text.find(kSource);
  RUM_CHECK(at != std::string::npos && i.text.find(kSource, at + 1) == std::string::npos,
            "the template \"{}\" must hold {} once: there the source is put", i.text, kSource);
}
// How such a model writes: asked for one sentence, it may continue for pages.
Decoding answering(Decoding);  // at most 256 tokens; an answer's length is not limited by its prompt's
// The prompt, and the token that ends an answer. Error: a source that holds a special token, a model
// without tokens for turns.
ChatPrompt instructed(const Tokenizer&, const Instruction&, std::string_view source,
                      const ChatForm& form = {});
std::string describe(const Instruction&);  // for provenance: its hash
// Of what the model wrote, the answer: its first line that is not blank, without blanks around it.
std::string first_line(std::string_view written);
bool has_first_line(std::string_view written);  // and its end
}  // namespace rum
