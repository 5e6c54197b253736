#include "generate/instruction.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"

namespace rum {
namespace {
constexpr std::string_view kBlanks = " \t\r\n";
}  // namespace

ChatPrompt instructed(const Tokenizer& t, const Instruction& i, std::string_view source,
                      const ChatForm& form) {
  check(i);
  std::string text = i.text;
  text.replace(text.find(kSource), kSource.size(), source);
  if (i.chat) {
    const Message message{"user", text};
    if (auto made = chat_prompt(t, {&message, 1}, form)) return std::move(*made);
    fail(
        "this model was not trained to chat, or its turn markers are not tokens of their own: name them in "
        "its config.toml (tokenizer.turns), or leave out --chat (of an experiment: chat) and write the "
        "markers into the template, such as \"[INST] {source} [/INST]\"");
  }
  for (const Token token : t.encode_with_special(source))
    RUM_CHECK(token == t.begin() || t.name(token).empty() || source.find(t.name(token)) == std::string::npos,
              "the source holds the special token \"{}\"", t.name(token));
  ChatPrompt out;
  out.prompt.tokens = t.encode_with_special(text);
  out.end = t.end();
  return out;
}
Decoding answering(Decoding d) {
  d.max_new = 256;
  d.max_ratio = 0;
  return d;
}
std::string describe(const Instruction& i) {
  return fmt::format(" template {}{}", hex64(hash64(i.text)), i.chat ? " chat" : "");
}
std::string first_line(std::string_view written) {
  written.remove_prefix(std::min(written.find_first_not_of(kBlanks), written.size()));
  written = written.substr(0, written.find('\n'));
  return std::string(written.substr(0, written.find_last_not_of(kBlanks) + 1));
}
bool has_first_line(std::string_view written) {
  const size_t begin = written.find_first_not_of(kBlanks);
  return begin != std::string_view::npos && written.find('\n', begin) != std::string_view::npos;
}
}  // namespace rum
