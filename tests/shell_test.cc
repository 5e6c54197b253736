// What is printed for a shell runs nothing but itself.
#include "base/shell.h"

#include "tests/program.h"

using namespace rum;
namespace {
// What `sh` makes of a command line: the words, one after another, each ended by a NUL.
std::string words_of(const std::string& line, const std::string& shell) {
  const Scratch scratch;
  std::ofstream(scratch.path + "/script") << "cd '" << scratch.path << "'\nprintf '%s\\0' " << line << "\n";
  const std::string out = scratch.path + "/out";
  EXPECT_EQ(system((shell + " " + scratch.path + "/script >" + out + " 2>&1").c_str()), 0) << line;
  EXPECT_FALSE(std::filesystem::exists(scratch.path + "/ran")) << line;
  return slurp(out);
}
const std::vector<std::string> kHostile = {"plain-name_1.toml",
                                           "two words",
                                           "",
                                           "$(touch ran)",
                                           "`touch ran`",
                                           "it's; touch ran",
                                           "''",
                                           "a\\",
                                           "\"$HOME\"",
                                           "*",
                                           "~",
                                           "-n",
                                           "a=b",
                                           "#x",
                                           "one\ntouch ran\n",
                                           "!!",
                                           "a&touch ran",
                                           "x>ran",
                                           "\xC3\xBC"};

TEST(Shell, AQuotedWordIsThatWordInEveryShell) {
  std::string line, expected;
  for (const std::string& word : kHostile) {
    line += " " + shell_quoted(word);
    expected += word + '\0';
  }
  for (const char* shell : {"sh", "bash"}) EXPECT_EQ(words_of(line, shell), expected) << shell;
  EXPECT_EQ(shell_quoted("runs/translate-2.1"), "runs/translate-2.1");
  EXPECT_EQ(shell_quoted("my run"), "'my run'");
}
}  // namespace
