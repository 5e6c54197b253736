// Numbers from flags and configuration files, and hostile names.
#include "tools/options.h"

#include <chrono>

#include "base/names.h"
#include "run/config.h"
#include "tests/error_of.h"
#include "tests/program.h"
#include "text/toml.h"

namespace rum::options_test {
namespace {
struct Parsed {
  int64_t whole = 0;
  double number = 0;
  std::string said;
};
Parsed parse(std::vector<std::string> words) {
  Parsed p;
  float some = 2, part = 1;
  Flags flags("test", "about");
  flags.add("--whole", p.whole, "help", 1, 1 << 20)
      .add("--ratio", some, "help", 1)
      .add("--part", part, "help", 1e-3f, 1e3f)
      .add("--any", p.number, "help")
      .add("--seconds", p.number, "help", .001, 1e6)
      .add("--any-whole", p.whole, "help", 0);
  words.insert(words.begin(), "test");
  std::vector<char*> argv;
  for (std::string& w : words) argv.push_back(w.data());
  testing::internal::CaptureStderr();
  const auto status = flags.parse(static_cast<int>(argv.size()), argv.data());
  p.said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(status.has_value(), !p.said.empty());
  return p;
}
TEST(Options, NumbersAreReadInFullOrRefusedInWords) {
  EXPECT_EQ(parse({"--whole", "1e6"}).whole, 1'000'000);
  EXPECT_EQ(parse({"--whole", "12"}).whole, 12);
  EXPECT_EQ(parse({"--any", "-2.5e3"}).number, -2500);
  const auto expect = [](std::vector<std::string> words, const std::string& says) {
    const std::string said = parse(words).said;
    EXPECT_NE(said.find(says), std::string::npos) << said;
  };
  expect({"--ratio", "2,5"}, "--ratio: expected a number such as 2.5 of at least 1, found 2,5");
  expect({"--ratio", "0.5"}, "of at least 1, found 0.5");
  for (const char* x : {"nan", "inf", "-inf", "NaN"})
    for (const char* flag : {"--ratio", "--any"}) expect({flag, x}, std::string("found ") + x);
  expect({"--part", "0"}, "expected a number from 0.001 to 1000, found 0");
  EXPECT_EQ(parse({"--seconds", "1e6"}).number, 1e6);
  expect({"--seconds", "1e300"}, "expected a number from 0.001 to 1e+06, found 1e300");
  expect({"--any", "3", "--any", "4"}, "--any: expected once, given this many times: 2");
  expect({"--any", "3x"}, "expected a number such as 2.5, found 3x");
  expect({"--whole", "1.5"}, "--whole: expected a whole number from 1 to 1048576, found 1.5");
  expect({"--whole", "0"}, "found 0");
  expect({"--whole", ""}, "from 1 to 1048576, found an empty text");
  expect({"--ratio", ""}, "found an empty text");
  expect({"--whole", "99999999999999999999"}, "expected a whole number");
  EXPECT_EQ(parse({"--any-whole", "1e18"}).whole, 1'000'000'000'000'000'000);
  expect({"--any-whole", "1e19"}, "expected a whole number from 0 to 9223372036854775807, found 1e19");
}
// As a variable of the shell that is not set would leave it.
TEST(Options, AnEmptyTextIsNoValue) {
  std::string text, maybe = "x";
  std::vector<std::string> texts;
  const auto status = [&](std::vector<std::string> words) {
    Flags flags("test", "about");
    flags.add("--text", text, "help").add("--texts", texts, "help").text("--maybe", maybe, "help");
    words.insert(words.begin(), "test");
    std::vector<char*> argv;
    for (std::string& w : words) argv.push_back(w.data());
    testing::internal::CaptureStderr();
    const auto ended = flags.parse(static_cast<int>(argv.size()), argv.data());
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_EQ(said.find("found an empty text") == std::string::npos, !ended.has_value()) << said;
    return ended.value_or(0);
  };
  EXPECT_EQ(status({"--text", ""}), 2);
  EXPECT_EQ(status({"--texts", "a", "--texts", ""}), 2);
  EXPECT_EQ(status({"--text", "a", "--texts", "a", "--maybe", ""}), 0);
  EXPECT_EQ(text + texts.at(0) + maybe, "aa");
}
TEST(Options, ThingsAreFoundByNameInListsOfThemAndOfPointers) {
  struct Thing {
    const char* name;
    int value;
  };
  const std::vector<Thing> things{{"one", 1}, {"three", 3}, {"one", 2}};
  EXPECT_EQ(find_named(things, "one", "thing").value, 1);
  const std::vector<const Thing*> pointers{&things[1]};
  EXPECT_EQ(&find_named(pointers, "three", "thing"), &things[1]);
  EXPECT_EQ(error_of([&] { find_named(things, "thre", "thing"); }),
            "no thing \"thre\"; did you mean \"three\"? Known: one, three, one");
  EXPECT_EQ(error_of([&] { find_named(std::vector<Thing>{}, "one", "thing"); }),
            "no thing \"one\"; there are none");
}
TEST(Options, HostileNamesTakeNoTimeAndKeysNoStack) {
  std::vector<std::string> known(100, std::string(100'000, 'a'));
  EXPECT_EQ(did_you_mean(std::string(100'000, 'b'), known), "");  // letter by letter it would take an hour
  EXPECT_NE(did_you_mean("layerz", std::vector<std::string>{"layers"}), "");

  std::string deep = "a";
  for (int i = 0; i < 20'000; ++i) deep += ".a";
  const auto said = [](const std::string& text) { return error_of([&] { parse_toml(text, "c.toml"); }); };
  EXPECT_EQ(said("x = 1\n\"q.\\\"\" = '''\n" + deep + "\n'''\n" + deep + " = 1\n"),
            "c.toml:5: a key of more than 64 parts");
  EXPECT_EQ(said("[" + deep + "]\n"), "c.toml:1: a key of more than 64 parts");
  EXPECT_EQ(said("x = { " + deep + " = 1 }\n"), "c.toml:1: a key of more than 64 parts");
  std::string numbers = "x = [0.5";
  for (int i = 0; i < 200; ++i) numbers += ", 0.5";
  EXPECT_EQ(said(numbers + "]\ny = \"" + deep + "\"  # " + deep + "\n[a.b.c]\nd.e = 1\n"), "");
  EXPECT_EQ(said("x = 1\ny = nan\n"), "c.toml:2: y: expected a finite number, found nan");
  EXPECT_EQ(said("y = -inf\n"), "c.toml:1: y: expected a finite number, found -inf");
}
TEST(Options, ControlCharactersInNamesAreRefused) {
  const auto said = [](const std::string& text) { return error_of([&] { parse_toml(text, "c.toml"); }); };
  EXPECT_EQ(said("x = 1\n[a]\nname = \"runs/x\\ntouch ran\"\n"),
            "c.toml:3: a.name: expected a text without control characters, found \"runs/x\\ntouch ran\"");
  for (const char* name : {"a\\tb", "\\u001b[31m", "\\u007f", "\\u009b", "a\\u202eb", "\\u2066"}) {
    const std::string quoted = std::string("\"") + name + "\"";
    EXPECT_NE(said("name = [" + quoted + "]\n").find("c.toml:1: name[0]: "), std::string::npos) << name;
    EXPECT_NE(said("x = 1\n[arm." + quoted + "]\ny = 1\n").find("c.toml:2: arm: "), std::string::npos)
        << name;
  }
  EXPECT_EQ(said("x = \"\\u00e4 \\u200c \\U0001F642\"\n"), "");
  RunConfig c;
  for (const char* key : {"run.folder", "data.train"})
    for (const char* name : {"a\nb", "[\"a\\nb\"]", "\x1B", "\xFC"})
      if (std::string(key) == "data.train" || name[0] != '[') {
        const std::string error = error_of([&] { set_key(c, key, name); });
        const char* says = name[0] == '[' ? "expected a text, or several" : "without control characters";
        EXPECT_NE(error.find(says), std::string::npos) << key << " " << name << ": " << error;
      }
}
TEST(Options, TheTokenizersFileIsLookedAtBeforeTheTraining) {
  const Program p;
  expect_refusal(p.run({"tokenizer", "train", "--input", p.file("none"), "-o", p.scratch.path}),
                 "is a folder; name a file");
}
}  // namespace
}  // namespace rum::options_test
