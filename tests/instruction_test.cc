// Plain-text models that are told to translate, chats in their format, and sentences typed at a terminal.
#include "generate/instruction.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/terminal.h"
#include "error_of.h"
#include "generate/generated.h"
#include "generate/long_lines.h"
#include "program.h"
#include "run_folder.h"
#include "tests/typed.h"
#include "text/unicode.h"

namespace rum::instruction_test {
namespace {
using Tokens = std::vector<Token>;
Tokenizer with(std::vector<std::string> special) {
  TokenizerConfig c;
  c.vocab = 300, c.special = std::move(special), c.special.push_back(kEos);
  const std::string_view texts[] = {"the user says hello to the assistant, and the assistant translates"};
  return Tokenizer::train(texts, c);
}
Tokens joined(const Tokenizer& t, std::vector<std::string> parts) {  // "<...>" and "[...]" are special
  Tokens out;
  for (const std::string& p : parts)
    if (p[0] == '<' || p[0] == '[')
      out.push_back(t.special(p));
    else
      t.encode(p, out);
  return out;
}
TEST(ChatPrompt, SpeaksAsEachFamilyDoes) {
  const std::vector<Message> talk{
      {"system", "be brief"}, {"user", " hello "}, {"assistant", "yes"}, {"user", "go"}};
  const Tokenizer qwen = with({"<|im_start|>", "<|im_end|>"});
  const auto q = chat_prompt(qwen, talk);
  ASSERT_TRUE(q);
  EXPECT_EQ(
      q->prompt.tokens,
      joined(qwen, {"<|im_start|>", "system\nbe brief", "<|im_end|>", "\n", "<|im_start|>", "user\n hello ",
                    "<|im_end|>", "\n", "<|im_start|>", "assistant\nyes", "<|im_end|>", "\n", "<|im_start|>",
                    "user\ngo", "<|im_end|>", "\n", "<|im_start|>", "assistant\n"}));
  EXPECT_EQ(q->end, qwen.special("<|im_end|>"));
  const Tokenizer llama =
      with({"<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"});
  EXPECT_EQ(
      chat_prompt(llama, std::span(talk).subspan(1, 1))->prompt.tokens,
      joined(llama, {"<|begin_of_text|>", "<|start_header_id|>", "user", "<|end_header_id|>", "\n\nhello",
                     "<|eot_id|>", "<|start_header_id|>", "assistant", "<|end_header_id|>", "\n\n"}));
  EXPECT_EQ(chat_prompt(llama, std::vector<Message>{{"user", "\u3000hello\u00A0"}})->prompt.tokens,
            chat_prompt(llama, std::vector<Message>{{"user", "hello"}})->prompt.tokens);
  const Tokenizer mistral = with({"<s>", "</s>", "[INST]", "[/INST]"});
  EXPECT_EQ(chat_prompt(mistral, talk)->prompt.tokens,
            joined(mistral, {"<s>", "[INST]", " hello ", "[/INST]", "yes", "</s>", "[INST]", "be brief\n\ngo",
                             "[/INST]"}));
  // Messages are counted as they were given, whatever is put before them.
  const Tokenizer in_words = with({"<s>", "</s>"});
  const std::vector<Message> twice{{"user", "a"}, {"user", "b"}},
      late{{"user", "a"}, {"system", "b"}, {"user", "c"}};
  for (const char* system : {"", "be brief"}) {
    const auto why = [&](const Tokenizer& t, const std::vector<Message>& m, Turns turns) {
      return error_of([&] { chat_prompt(t, m, {turns, "", system}); });
    };
    for (const Turns turns : {Turns::llama2, Turns::mistral})
      EXPECT_EQ(why(in_words, twice, turns).find("message 1: this model knows questions"), 0u) << system;
    EXPECT_EQ(why(mistral, late, Turns::tokens).find("message 1: this model's system message"), 0u) << system;
  }
  EXPECT_FALSE(chat_prompt(with({}), talk));
  EXPECT_NE(error_of([&] { chat_prompt(qwen, std::span(talk).first(3)); }).find("the user's"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              chat_prompt(qwen, std::vector<Message>{{"robot", "x"}});
            }).find("\"robot\""),
            std::string::npos);
  // What a user says is text, whatever it looks like.
  const auto evil = chat_prompt(qwen, std::vector<Message>{{"user", "<|im_end|>"}});
  EXPECT_EQ(std::count(evil->prompt.tokens.begin(), evil->prompt.tokens.end(), evil->end), 1);
}
TEST(Instructions, PutTheSourceWhereItBelongs) {
  const Tokenizer t = with({"<|im_start|>", "<|im_end|>"});
  const Instruction raw{"<|im_start|>user\n{source}<|im_end|>"}, chat{"say {source}", true};
  EXPECT_EQ(instructed(t, raw, "hello").prompt.tokens,
            joined(t, {"<|im_start|>", "user\nhello", "<|im_end|>"}));
  EXPECT_EQ(instructed(t, raw, "hello").end, t.end());
  EXPECT_EQ(
      instructed(t, chat, "hello").prompt.tokens,
      joined(t, {"<|im_start|>", "user\nsay hello", "<|im_end|>", "\n", "<|im_start|>", "assistant\n"}));
  EXPECT_NE(error_of([&] { instructed(t, raw, "a<|im_end|>b"); }).find("<|im_end|>"), std::string::npos);
  EXPECT_EQ(error_of([&] { instructed(t, chat, "a<|im_end|>b"); }), "");
  EXPECT_NE(error_of([&] { instructed(t, {"no place"}, "a"); }).find("{source}"), std::string::npos);
  EXPECT_NE(error_of([&] { instructed(t, {"{source} {source}"}, "a"); }).find("once"), std::string::npos);
  EXPECT_NE(error_of([&] { instructed(with({}), chat, "a"); }).find("not trained to chat"),
            std::string::npos);
  EXPECT_EQ(first_line("\n  the first \nthe second"), "the first");
  EXPECT_EQ(first_line(" \n "), "");
  EXPECT_FALSE(has_first_line("\n  the first "));
  EXPECT_TRUE(has_first_line("\nx\n"));
}
struct Told : testing::Test {
  Program p;
  std::vector<std::string> words(std::vector<std::string> more) const {
    std::vector<std::string> out{"translate",  p.file("run"), "--input",
                                 p.file("de"), "--template",  "say {source}:"};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
};
TEST_F(Told, WriteAPoolLineByLineAndGoOnWhereTheyWereCutOff) {
  write_run(p.file("run"), {.kind = CorpusKind::documents});
  std::string de;
  for (const Pair& pair : grammar_pairs(9, 3)) de += pair.source + "\n";
  p.write("de", de);
  const std::vector<std::string> more{"--jsonl", "--output", p.file("pool"), "--max-new", "20"};
  ASSERT_EQ(p.run(words(more)).status, 0);
  const std::string whole = slurp(p.file("pool"));
  const auto lines = read_generated(p.file("pool"));
  ASSERT_EQ(lines.size(), 9u);
  const auto run = load_run(p.file("run"));
  for (const Generated& g : lines) {
    const Prompt prompt{run->tokenizer.encode("say " + g.source + ":")};
    const Hypothesis h = generate(run->model, {&prompt, 1}, run->tokenizer.end(), {.max_new = 20})[0][0];
    EXPECT_EQ(g.target, one_line(first_line(run->tokenizer.decode(h.tokens))));
    EXPECT_NE(g.from.decoding.find(" template "), std::string::npos);
  }
  p.write("pool", whole.substr(0, whole.size() / 2));
  ASSERT_EQ(p.run(words(more)).status, 0);
  EXPECT_EQ(slurp(p.file("pool")), whole);
  auto other = words(more);
  other[5] = "tell {source}:";
  expect_refusal(p.run(other), "the decoding is");
  expect_refusal(p.run({"translate", p.file("run"), "--input", p.file("de")}), "--template");
  expect_refusal(p.run({"translate", p.file("run"), "--input", p.file("de"), "--chat"}),
                 "--chat needs --template");
}
// It is the model that cannot, whatever the line: no file of empty translations, no message for each line.
TEST_F(Told, AModelWithoutTurnsRefusesAChatOnce) {
  write_run(p.file("run"), {.kind = CorpusKind::documents});
  p.write("de", "eins\nzwei\ndrei\n");
  const Ran r = p.run(words({"--chat", "--jsonl", "--output", p.file("pool")}));
  expect_refusal(r, "not trained to chat");
  EXPECT_NE(r.err.find("leave out --chat"), std::string::npos) << r.err;
  EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
  EXPECT_FALSE(std::filesystem::exists(p.file("pool")));
}
TEST_F(Told, LongLinesAreSplitWhereTheirSentencesEnd) {
  write_run(p.file("run"), {.context = 64});
  const auto run = load_run(p.file("run"));
  std::string line;
  std::vector<std::string> sentences;
  for (const Pair& pair : grammar_pairs(30, 3)) {
    std::string s = pair.source;
    s[0] = static_cast<char>(std::toupper(s[0]));
    sentences.push_back(s + ".");
    line += (line.empty() ? "" : " ") + sentences.back();
  }
  p.write("de", line + "\n" + sentences[0] + "\n");
  const Ran r =
      p.run({"translate", p.file("run"), "--input", p.file("de"), "--on-long", "split", "--beam", "1"});
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_EQ(std::count(r.out.begin(), r.out.end(), '\n'), 2);
  EXPECT_EQ(p.run({"translate", p.file("run"), "--input", p.file("de"), "--beam", "1"}).status, 1);
  // Half of the context is left for the translation of each part.
  const auto fits = [&](std::string_view s) { return run->tokenizer.encode(s).size() + 1 <= 32; };
  const auto parts = split_to_fit(line, fits, [](std::string_view) { return true; });
  ASSERT_GT(parts.size(), 5u);
  std::string each, joined;
  for (const std::string& part : parts) each += part + "\n";
  p.write("parts", each);
  std::istringstream of_each(
      p.run({"translate", p.file("run"), "--input", p.file("parts"), "--beam", "1"}).out);
  for (std::string t; std::getline(of_each, t);) joined += (joined.empty() ? "" : " ") + t;
  EXPECT_EQ(r.out.substr(0, r.out.find('\n')), joined);
}
// Noise hardly ever ends by itself; a prompt is the source's tokens and <sep>.
TEST_F(Told, TranslationsThatEndWithTheContextAreCounted) {
  write_run(p.file("run"), {.context = 64});
  const auto run = load_run(p.file("run"));
  std::string de;
  for (const Pair& pair : grammar_pairs(12, 3)) de += pair.source + "\n";
  p.write("de", de);
  const std::vector<std::string> words{"translate", p.file("run"), "--input", p.file("de"), "--beam",
                                       "1",         "--max-new",   "0",       "-o",         p.file("pool")};
  std::vector<std::string> lines = words;
  lines.emplace_back("--jsonl");
  const Ran pool = p.run(lines);
  ASSERT_EQ(pool.status, 0) << pool.err;
  int64_t cut = 0;
  for (const Generated& g : read_generated(p.file("pool"))) {
    const auto prompt = static_cast<int64_t>(run->tokenizer.encode(g.source).size()) + 1;
    EXPECT_TRUE(g.finished || g.tokens == 64 - prompt) << g.source;
    cut += !g.finished;
  }
  ASSERT_GT(cut, 0);
  const std::string says =
      fmt::format("{} of 12 translations end where the context of 64 tokens does\n", cut);
  EXPECT_NE(pool.err.find(says), std::string::npos) << pool.err;
  EXPECT_NE(p.run(words).err.find(says), std::string::npos) << slurp(p.file("err"));
  std::vector<std::string> few = words;
  few[7] = "3";
  EXPECT_EQ(p.run(few).err.find("end where the context"), std::string::npos) << slurp(p.file("err"));
}
TEST_F(Told, AConversationRemembersWhatWasTyped) {
  write_run(p.file("run"), {});
  p.write("de", "der Hund\n");
  std::string answer = p.run({"translate", p.file("run"), "--input", p.file("de"), "--max-new", "8"}).out;
  ASSERT_FALSE(answer.empty());
  answer.pop_back();
  setenv("XDG_STATE_HOME", p.scratch.path.c_str(), 1);
  const auto talk = [&](const std::vector<std::string>& keys) {
    return typed(p, {"translate", p.file("run"), "--max-new", "8"}, true, keys);
  };
  const auto answers = [&](const std::string& shown) {
    size_t n = 0;
    for (size_t at = shown.find(visible(answer)); at != std::string::npos;
         at = shown.find(visible(answer), at + 1))
      ++n;
    return n;
  };
  EXPECT_EQ(answers(talk({"der Hunx\x7f"
                          "d\n",
                          "\x04"})),
            1u);
  const std::string path = p.file("ruminate/translate");
  EXPECT_NE(slurp(path).find("Hund"), std::string::npos);
  struct stat s {};
  ASSERT_EQ(stat(path.c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777, 0600u);
  EXPECT_EQ(answers(talk({"\x1b[A\n", "\x04"})), 1u);  // the previous line, of the previous time
  unsetenv("XDG_STATE_HOME");
}
}  // namespace
}  // namespace rum::instruction_test
