// Which words a folder's chat template puts around questions and answers.
#pragma once
#include <string>
#include <string_view>

#include "run/config.h"

namespace rum {
// Of a template in Jinja (Llama 2's, Mistral 7B Instruct's up to version 0.2), by the texts that it writes and
// how often it strips what was said, not by its spelling. Turns::tokens of any other.
Turns turns_of(std::string_view jinja);
// Of chat_template.jinja, or tokenizer_config.json's chat_template, as transformers takes them; turns_of("")
// when there is none. FileError: the file is no JSON object.
Turns turns_of_folder(const std::string& folder);
}  // namespace rum
