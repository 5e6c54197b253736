// A conversation as the prompt that a model continues, in the format of its family.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "generate/generate.h"
#include "run/config.h"

namespace rum {
struct Message {
  std::string role, content;  // system, user or assistant
};
struct ChatPrompt {
  Prompt prompt;
  Token end = -1;    // ends a turn
  std::string text;  // the prompt with the names of its special tokens, as templates in Jinja write it
};
// What stands around a question and an answer in words, the latter with the token that ends a text.
struct TurnWords {
  const char *ask, *asked, *answer, *answered, *next;
};
TurnWords words_of(Turns);

// In words where `turns` says so; else by the special tokens that the tokenizer has: ChatML's (Qwen), Llama
// 3's or those of later Mistrals; nothing when it has none of these: the model was not trained to chat.
// What the messages say is never read as a special token. A conversation without a system message gets that
// of the form, if it has one. Error: no message, a last one that is not the user's, a role that the family
// does not have in that place.
std::optional<ChatPrompt> chat_prompt(const Tokenizer&, std::span<const Message>, const ChatForm& = {});
}  // namespace rum
