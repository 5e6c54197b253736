#include "generate/chat_template.h"

#include "base/error.h"

namespace rum {
namespace {
class Builder {
 public:
  explicit Builder(const Tokenizer& t) : tokenizer_(t) {}
  Builder& token(std::string_view name) {
    out_.push_back(tokenizer_.special(name));
    return *this;
  }
  // As it stands between the tokens of the template.
  Builder& text(std::string_view words) {
    if (!words.empty()) tokenizer_.encode(words, out_, !out_.empty());
    return *this;
  }
  // As a text of its own.
  Builder& said(std::string_view words) {
    if (!words.empty()) tokenizer_.encode(words, out_);
    return *this;
  }
  ChatPrompt made(std::string_view end) {
    ChatPrompt p;
    p.prompt.tokens = std::move(out_);
    p.end = tokenizer_.special(end);
    return p;
  }

 private:
  const Tokenizer& tokenizer_;
  std::vector<Token> out_;
};
bool has(const Tokenizer& t, std::string_view name) {
  try {
    t.special(name);
    return true;
  } catch (const Error&) {
    return false;
  }
}
std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \n\t\r");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \n\t\r") + 1 - begin);
}

ChatPrompt chat_ml(const Tokenizer& t, std::span<const Message> messages) {
  Builder b(t);
  for (const Message& m : messages)
    b.token("<|im_start|>").text(m.role + "\n" + m.content).token("<|im_end|>").text("\n");
  b.token("<|im_start|>").text("assistant\n");
  return b.made("<|im_end|>");
}
ChatPrompt llama3(const Tokenizer& t, std::span<const Message> messages) {
  Builder b(t);
  const auto head = [&](const std::string& role) {
    b.token("<|start_header_id|>").text(role).token("<|end_header_id|>");
  };
  b.token("<|begin_of_text|>");
  for (const Message& m : messages) {
    head(m.role);
    b.text("\n\n" + trimmed(m.content)).token("<|eot_id|>");
  }
  head("assistant");
  b.text("\n\n");
  return b.made("<|eot_id|>");
}
// What the system says stands before the last question. Each message is encoded by itself.
ChatPrompt mistral(const Tokenizer& t, std::span<const Message> messages) {
  Builder b(t);
  std::string system;
  b.token("<s>");
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& m = messages[i];
    if (m.role == "system") {
      RUM_CHECK(i == 0, "message {}: this model's system message comes first", i);
      system = m.content + "\n\n";
    } else if (m.role == "user") {
      b.token("[INST]").said((i + 1 == messages.size() ? system : "") + m.content).token("[/INST]");
    } else {
      b.said(m.content).token("</s>");
    }
  }
  return b.made("</s>");
}
}  // namespace

std::optional<ChatPrompt> chat_prompt(const Tokenizer& t, std::span<const Message> messages) {
  RUM_CHECK(!messages.empty(), "messages: expected at least one");
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    RUM_CHECK(role == "system" || role == "user" || role == "assistant",
              "message {}: expected the role system, user or assistant, found \"{}\"", i, role);
  }
  RUM_CHECK(messages.back().role == "user", "messages: the last one must be the user's");
  if (has(t, "<|im_start|>") && has(t, "<|im_end|>")) return chat_ml(t, messages);
  if (has(t, "<|start_header_id|>") && has(t, "<|eot_id|>")) return llama3(t, messages);
  if (has(t, "[INST]") && has(t, "[/INST]")) return mistral(t, messages);
  return {};
}
}  // namespace rum
