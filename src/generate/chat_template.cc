#include "generate/chat_template.h"

#include "base/error.h"
#include "text/words.h"

namespace rum {
namespace {
class Builder {
 public:
  explicit Builder(const Tokenizer& t) : tokenizer_(t) {}
  Builder& token(Token t) {
    put();
    out_.push_back(t);
    text_ += tokenizer_.name(t);
    return *this;
  }
  Builder& token(std::string_view name) { return token(tokenizer_.special(name)); }
  // All that stands between two tokens is encoded as one text.
  Builder& text(std::string_view words) {
    words_ += words;
    text_ += words;
    return *this;
  }
  ChatPrompt made(Token end) {
    put();
    ChatPrompt p;
    p.prompt.tokens = std::move(out_);
    p.end = end;
    p.text = std::move(text_);
    return p;
  }
  ChatPrompt made(std::string_view end) { return made(tokenizer_.special(end)); }

 private:
  void put() {
    if (!words_.empty()) tokenizer_.encode(words_, out_, !out_.empty());
    words_.clear();
  }
  const Tokenizer& tokenizer_;
  std::vector<Token> out_;
  std::string words_, text_;
};
bool has(const Tokenizer& t, std::string_view name) {
  try {
    t.special(name);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// What is to be written. Messages are numbered in errors as they were given.
struct Said {
  std::vector<Message> messages;
  size_t added = 0;  // at the front
};
ChatPrompt chat_ml(const Tokenizer& t, const Said& said) {
  Builder b(t);
  for (const Message& m : said.messages)
    b.token("<|im_start|>").text(m.role + "\n" + m.content).token("<|im_end|>").text("\n");
  b.token("<|im_start|>").text("assistant\n");
  return b.made("<|im_end|>");
}
ChatPrompt llama3(const Tokenizer& t, const Said& said) {
  Builder b(t);
  const auto head = [&](const std::string& role) {
    b.token("<|start_header_id|>").text(role).token("<|end_header_id|>");
  };
  b.token("<|begin_of_text|>");
  for (const Message& m : said.messages) {
    head(m.role);
    b.text("\n\n").text(m.content).token("<|eot_id|>");
  }
  head("assistant");
  b.text("\n\n");
  return b.made("<|eot_id|>");
}
// What the system says stands before the last question. A tokenizer that marks where words begin has a blank
// behind each of these tokens, and none around an answer.
ChatPrompt mistral(const Tokenizer& t, const Said& said) {
  const std::vector<Message>& messages = said.messages;
  Builder b(t);
  std::vector<Token> goes_on;
  t.encode("a", goes_on, true);
  const std::string gap = t.encode("a") == goes_on ? "" : " ";
  std::string system;
  b.token("<s>");
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& m = messages[i];
    if (m.role == "system") {
      RUM_CHECK(i == 0, "message {}: this model's system message comes first", i - said.added);
      system = m.content + "\n\n";
    } else if (m.role == "user") {
      b.token("[INST]").text(gap + (i + 1 == messages.size() ? system : "") + m.content).token("[/INST]");
    } else {
      b.text(gap + (gap.empty() ? m.content : std::string(without_outer_blanks(m.content)))).token("</s>");
    }
  }
  return b.made("</s>");
}

ChatPrompt in_words(const Tokenizer& t, const Said& said, Turns turns) {
  std::span<const Message> messages = said.messages;
  const Token begin = t.begin() >= 0 ? t.begin() : t.special("<s>"),
              end = t.end() >= 0 ? t.end() : t.special("</s>");
  const bool llama = turns == Turns::llama2;
  std::string system;
  if (messages[0].role == "system") {
    RUM_CHECK(llama || turns == Turns::mistral,
              "message 0: this model was taught no system message; put it before the first question");
    system = llama ? "<<SYS>>\n" + messages[0].content + "\n<</SYS>>\n\n" : messages[0].content + "\n\n";
    messages = messages.subspan(1);
  }
  const TurnWords words = words_of(turns);
  Builder b(t);
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& m = messages[i];
    const bool asks = i % 2 == 0;
    RUM_CHECK(
        (m.role == "user") == asks,
        "message {}: this model knows questions and answers in turn: expected the role {}, found \"{}\"",
        i + !system.empty() - said.added, asks ? "user" : "assistant", m.role);
    const std::string whole = (i == 0 ? system : "") + m.content;
    const std::string_view content = llama ? without_outer_blanks(whole) : whole;
    if (asks && (i == 0 || llama)) b.token(begin);
    if (asks)
      b.text(words.ask).text(content).text(words.asked);
    else
      b.text(words.answer).text(content).text(words.answered).token(end).text(words.next);
  }
  return b.made(end);
}
// With what the form adds, and, for a family that has it so, without the blanks around what was said.
Said with_system(std::span<const Message> messages, const ChatForm& form, bool trimmed) {
  Said out{{messages.begin(), messages.end()}};
  std::vector<Message>& all = out.messages;
  for (Message& m : all)
    if (trimmed) m.content = std::string(without_outer_blanks(m.content));
  if (all[0].role == "system") {
    all[0].content = form.before + all[0].content;
  } else if (!form.before.empty() || !form.system.empty()) {
    all.insert(all.begin(), {"system", form.before + form.system});
    out.added = 1;
  }
  return out;
}
}  // namespace

TurnWords words_of(Turns turns) {
  switch (turns) {
    case Turns::llama2:
      return {"[INST] ", " [/INST]", " ", " ", ""};
    case Turns::mistral01:
      return {"[INST] ", " [/INST]", "", "", " "};
    case Turns::mistral02:
      return {"[INST] ", " [/INST]", "", "", ""};
    default:
      return {" [INST] ", " [/INST]", " ", "", ""};
  }
}

std::optional<ChatPrompt> chat_prompt(const Tokenizer& t, std::span<const Message> messages,
                                      const ChatForm& form) {
  RUM_CHECK(!messages.empty(), "messages: expected at least one");
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    RUM_CHECK(role == "system" || role == "user" || role == "assistant",
              "message {}: expected the role system, user or assistant, found \"{}\"", i, role);
  }
  RUM_CHECK(messages.back().role == "user", "messages: the last one must be the user's");
  const auto said = [&](bool trimmed) { return with_system(messages, form, trimmed); };
  if (form.turns != Turns::tokens) return in_words(t, said(false), form.turns);
  if (has(t, "<|im_start|>") && has(t, "<|im_end|>")) return chat_ml(t, said(false));
  if (has(t, "<|start_header_id|>") && has(t, "<|eot_id|>")) return llama3(t, said(true));
  if (has(t, "[INST]") && has(t, "[/INST]")) return mistral(t, said(false));
  return {};
}
}  // namespace rum
