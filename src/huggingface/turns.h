// Which form of conversation a folder's chat template writes.
#pragma once
#include <optional>
#include <string>

#include "run/config.h"
#include "text/json.h"
#include "text/tokenizer.h"

namespace rum {
struct Template {
  std::string jinja, begin, end;  // with the names of the tokens that it calls bos_token and eos_token
  Json::Object others{};          // unk_token and the like, by the names that it has for them
};
// chat_template.jinja, or tokenizer_config.json's chat_template, as transformers takes them. The tokenizer has
// the tokens that begin and end a text where the latter does not name them. FileError: the file is no JSON
// object.
std::optional<Template> template_of_folder(const std::string& folder, const Tokenizer&);

struct ReadTemplate {
  ChatForm form;
  std::string note;  // what the template writes and a conversation here does not; "" where all is the same
};
// By what it writes for a few conversations, ids for ids, not by its spelling. What the system says in a
// conversation without its message is read there, too. The note is one sentence.
ReadTemplate read_template(const Template&, const Tokenizer&);
// The way back: a template that writes the form, ids for ids. "" where the tokenizer has no tokens for it, or
// no template gives the same ids.
std::string template_for(const ChatForm&, const Tokenizer&);
}  // namespace rum
