// Untrusted text can do nothing to a terminal.
#include "base/terminal.h"

#include <algorithm>
#include <iterator>

#include "base/progress.h"
#include "base/utf8.h"
#include "checkpoint/safetensors.h"
#include "tests/typed.h"

namespace rum::terminal_test {
namespace {
bool harmless(const std::string& text) {
  return text.find("\xC2\x9B") == std::string::npos && std::all_of(text.begin(), text.end(), [](char c) {
           const auto u = static_cast<unsigned char>(c);
           return (u >= 0x20 && u != 0x7F) || c == '\n' || c == '\r' || c == '\t';
         });
}

TEST(Terminal, ControlCharactersBecomeVisible) {
  EXPECT_EQ(visible("plain \xC3\xBC \xE2\x82\xAC \xF0\x9F\x98\x80\ttab\n"),
            "plain \xC3\xBC \xE2\x82\xAC \xF0\x9F\x98\x80\ttab\n");
  EXPECT_EQ(visible("\x1B[31mred\x07"), "\\x1b[31mred\\x07");
  EXPECT_EQ(visible("a\rb\x7F"), "a\\x0db\\x7f");
  EXPECT_EQ(visible(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(visible("\xC2\x9B"
                    "31m\xC2\xA0"),
            "\\u009b31m\xC2\xA0");  // C1 controls; a no-break space is not one
  EXPECT_EQ(visible("a\xE2\x80\xAE"
                    "b\xE2\x81\xA6"
                    "c\xE2\x80\x8C"),
            "a\\u202eb\\u2066c\xE2\x80\x8C");      // bidirectional overrides; a joiner is not one
  EXPECT_EQ(visible("\x9B\xC3("), "\\x9b\\xc3(");  // not UTF-8
  // Longer than they need to be, a surrogate, beyond U+10FFFF; and the characters next to these.
  EXPECT_EQ(visible("\xE0\x82\x9B"), "\\xe0\\x82\\x9b");
  EXPECT_EQ(visible("\xF0\x80\x82\x9B"), "\\xf0\\x80\\x82\\x9b");
  EXPECT_EQ(visible("\xED\xA0\x80"), "\\xed\\xa0\\x80");
  EXPECT_EQ(visible("\xF4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  for (const char* whole : {"\xE0\xA0\x80", "\xF0\x90\x80\x80", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"})
    EXPECT_EQ(visible(whole), whole);
  EXPECT_TRUE(has_controls("\xE0\x82\x9B"));
}

TEST(Terminal, DurationsAreShort) {
  for (const auto& [seconds, expected] : {std::pair{0., "0s"},
                                          {12.4, "12s"},
                                          {59.6, "1m00s"},
                                          {200., "3m20s"},
                                          {3599.6, "1h00m"},
                                          {3725., "1h02m"},
                                          {360000., "100h00m"}})
    EXPECT_EQ(duration(seconds), expected) << seconds;
}
TEST(Terminal, WhatIsShortenedEndsWithAWholeCharacter) {
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("abcd", 3), "abc...");
  const std::string euro = "\xE2\x82\xAC";
  EXPECT_EQ(shortened("a" + euro, 4), "a" + euro);
  EXPECT_EQ(shortened("a" + euro + "b", 4), "a" + euro + "...");
  for (const size_t cut : {1, 2, 3}) EXPECT_EQ(shortened("a" + euro, cut), "a...") << cut;
  EXPECT_EQ(shortened("", 0), "");
}
// For every command: no line exceeds the requested width, and the words are the same at any width.
TEST(Terminal, HelpFitsItsColumns) {
  const Program p;
  const auto words_of = [](const std::string& text) {
    std::istringstream in(text);
    return std::vector<std::string>(std::istream_iterator<std::string>(in), {});
  };
  const auto help = [&](std::vector<std::string> words, int width) {
    setenv("COLUMNS", std::to_string(width).c_str(), 1);
    words.push_back("--help");
    const Ran r = p.run(words);
    unsetenv("COLUMNS");
    EXPECT_EQ(r.status, 0) << r.err;
    std::istringstream lines(r.out);
    for (std::string line; std::getline(lines, line);)
      EXPECT_TRUE(line.size() <= static_cast<size_t>(width) || line.find(' ', 60) == std::string::npos)
          << line;
    return words_of(r.out);
  };
  std::vector<std::vector<std::string>> commands{{}, {"detect", "fit"}, {"detect", "explain"}};
  const std::vector<std::string> list = words_of(p.run({"--help"}).out);
  for (size_t i = 0; i + 1 < list.size(); ++i)
    if (list[i] == "ruminate" && list[i + 1].size() > 2) commands.push_back({list[i + 1]});
  EXPECT_GT(commands.size(), 15u);
  for (const auto& command : commands)
    EXPECT_EQ(help(command, 80), help(command, 1000)) << (command.empty() ? "" : command[0]);
}
// Lists of commands have two columns: what goes on below a line begins in the second.
TEST(Terminal, ListsOfCommandsGoOnInTheirSecondColumn) {
  const Program p;
  setenv("COLUMNS", "60", 1);
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--help"}, {"detect", "--help"}}) {
    const std::string out = p.run(words).out;
    const size_t begin = out.find("\n\n") + 2, end = out.find("\n\n", begin);
    std::istringstream lines(out.substr(begin, end - begin));
    size_t second = 0, further = 0;
    for (std::string line; std::getline(lines, line);) {
      const size_t column = line.find_first_not_of(' ', line.rfind("  "));
      EXPECT_EQ(column, second == 0 ? column : second) << line;
      second = column;
      further += line.find_first_not_of(' ') == column;
    }
    EXPECT_GT(further, 2u);
  }
  unsetenv("COLUMNS");
}
TEST(Terminal, LongLinesGoOnUnderTheirLastColumn) {
  EXPECT_EQ(wrapped("  --one TEXT   a few words that go on and on\nshort\n", 40),
            "  --one TEXT   a few words that go on\n               and on\nshort\n");
  EXPECT_EQ(wrapped("plain words of some length here", 12), "plain words\nof some\nlength here");
  EXPECT_EQ(wrapped("f\xC3\xBC\xC3\xBC\xC3\xBC abc", 8), "f\xC3\xBC\xC3\xBC\xC3\xBC abc");  // 8 characters
  EXPECT_EQ(wrapped("averyveryverylongword b", 10), "averyveryverylongword\nb");
}

TEST(Terminal, FilesCannotSendItEscapeSequences) {
  Program p;
  p.corpora(), p.config();
  const std::string evil =
      "\x1B]0;title\x07\x1B[31mHaus \xC2\x9B"
      "2J Baum";
  p.write("escape", evil + "\n"), p.write("plain", "Haus Baum\n");
  p.write("name\x1B[31m", "Haus Baum\n");
  p.write("hyp", "Haus Tor\n");
  write_safetensors({{{"note\x1B[31m", evil}}, {}}, p.file("evil.safetensors"));
  const std::vector<std::vector<std::string>> commands{
      {"errors", "--hyp", p.file("escape"), "--ref", p.file("plain"), "--worst", "1"},
      {"inspect", p.file("evil.safetensors")},
      {"score", "--hyp", p.file("name\x1B[31m"), p.file("plain"), "--ref", p.file("plain")},  // a label
      {"score", "--hyp", p.file("none\x1B[31m"), "--ref", p.file("plain")},                   // an error
      {"train", p.file("c.toml"), "--set", "data.valid=" + p.file("none\x1B[31m")},
      {"translate", p.file("none\x1B[31m")},
      {"\x1B[31m"}};
  for (const auto& words : commands) {
    const std::string shown = typed(p, words);
    EXPECT_TRUE(harmless(shown)) << words[0] << ": " << visible(shown);
    EXPECT_NE(shown.find("1b["), std::string::npos) << words[0] << ": " << visible(shown);
  }
  // Not on a terminal, the bytes are those of the file.
  const Ran r = p.run({"errors", "--hyp", p.file("escape"), "--ref", p.file("plain"), "--worst", "1"});
  EXPECT_NE(r.out.find(evil), std::string::npos);
}
TEST(Terminal, LongTextsArriveWhole) {
  Program p;
  std::string line;
  for (int i = 0; i < 20000; ++i) line += "\xE2\x82\xAC\xC3\xBC";
  p.write("hyp", line + "\n"), p.write("ref", "Haus\n");
  const std::string shown =
      typed(p, {"errors", "--hyp", p.file("hyp"), "--ref", p.file("ref"), "--worst", "1", "--by", "ter"});
  EXPECT_NE(shown.find(line), std::string::npos);
}
}  // namespace
}  // namespace rum::terminal_test
