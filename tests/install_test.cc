// What `make install` installs: the program, the configs, and a completion that knows the program's words.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>

#include "tests/program.h"
namespace rum::install_test {
namespace fs = std::filesystem;
namespace {
struct Installed : testing::Test {
  static inline std::unique_ptr<Scratch> home;  // where it is installed, once for all tests
  Program p;
  std::string program = program_path(), prefix = home->path + "/a prefix";
  static void SetUpTestSuite() {
    home = std::make_unique<Scratch>();
    ASSERT_EQ(
        system(("bash tools/install.sh '" + program_path() + "' '" + home->path + "/a prefix' >/dev/null")
                   .c_str()),
        0);
  }
  static void TearDownTestSuite() { home.reset(); }
  // Standard output of a command line of bash, and that it succeeds.
  std::string said(const std::string& command) {
    p.write("command", command);
    EXPECT_EQ(std::system(("bash " + p.file("command") + " >" + p.file("said")).c_str()), 0) << command;
    return slurp(p.file("said"));
  }
  // Bash's completions of the last, incomplete word.
  std::string offered(const std::string& words) { return offered(words, prefix + "/bin/ruminate"); }
  std::string offered(const std::string& words, const std::string& typed, const std::string& before = "") {
    return said(before + ". '" + prefix +
                "/share/bash-completion/completions/ruminate'\nCOMP_WORDS=(ruminate " + words +
                ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_ruminate '" + typed +
                "'\necho \"${COMPREPLY[*]}\"");
  }
};

TEST_F(Installed, TheProgramIsTheOneThatWasBuilt) {
  const std::string version = p.run({"--version"}).out;
  EXPECT_EQ(version.rfind("ruminate ", 0), 0u) << version;
  EXPECT_EQ(said("'" + prefix + "/bin/ruminate' --version"), version);
}
TEST_F(Installed, InUsrLocalWhereMakeIsGivenNoPrefix) {
  said("unset MAKEFLAGS MAKELEVEL MFLAGS\nmake install BIN='" + fs::path(program).parent_path().string() +
       "' DESTDIR='" + p.file("root") + "'");
  EXPECT_TRUE(fs::exists(p.file("root/usr/local/bin/ruminate")));
}
TEST_F(Installed, EveryConfigIsThere) {
  int configs = 0;
  for (const auto& entry : fs::recursive_directory_iterator("data/configs"))
    if (entry.is_regular_file()) {
      const fs::path there =
          fs::path(prefix) / "share/ruminate/configs" / fs::relative(entry.path(), "data/configs");
      EXPECT_EQ(slurp(there), slurp(entry.path())) << there;
      configs += !slurp(there).empty();
    }
  EXPECT_GT(configs, 0);
}
TEST_F(Installed, CommandsAndFlagsAreCompleted) {
  EXPECT_EQ(offered("tr"), "train translate\n");
  EXPECT_EQ(offered("detect ev"), "evaluate\n");
  EXPECT_EQ(offered("train --dr"), "--dry-run\n");
  EXPECT_EQ(offered("data prepare --input a.tsv --min"), "--min-words\n");
  EXPECT_EQ(offered("--"), "--help --version\n");
  EXPECT_EQ(offered("detect ''"), "calibrate evaluate explain fit plan score\n");
  EXPECT_EQ(offered("tokenizer ''"), "train encode decode\n");
  EXPECT_EQ(offered("detect plan --o"), "--option --order --output\n");
  EXPECT_EQ(offered("experiment ''"), "run status jobs report export stage\n");
  EXPECT_EQ(offered("experiment run ''"), "\n");
  EXPECT_EQ(offered("train c"), "\n");  // nothing of ours: bash offers files
  EXPECT_EQ(offered("detect fit --human ''"), "\n");
  EXPECT_EQ(offered("detect plan --j"), "\n");  // a flag of another command, in a flag's text
  EXPECT_EQ(offered("trian ''"), "\n");
  const std::string at_home = "HOME='" + home->path + "'\n";
  EXPECT_EQ(offered("tr", "~/a prefix/bin/ruminate", at_home), "train translate\n");
}
TEST_F(Installed, APrefixIsWhereTheCallerIs) {
  const std::string script = fs::absolute("tools/install.sh").string(),
                    built = fs::absolute(program).string();
  said("cd '" + p.scratch.path + "' && bash '" + script + "' '" + built + "' here");
  EXPECT_TRUE(fs::exists(p.file("here/bin/ruminate")));
  EXPECT_FALSE(fs::exists("here"));
}
// The Makefile takes a compiler of several words; here on a machine without dpkg.
TEST_F(Installed, HeadersAreLookedForWithTheCompilerAsItIsGiven) {
  fs::create_directory(p.file("bin"));
  for (const char* tool : {"bash", "env", "g++", "as", "cc1plus"})
    said("at=$(command -v " + std::string(tool) + ") && ln -s \"$at\" '" + p.file("bin/") + tool + "' || :");
  const auto status = [&](const std::string& compiler) {
    return std::system(
        ("PATH='" + p.file("bin") + "' CXX='" + compiler + "' bash tools/deps.sh libfoo 2>" + p.file("said"))
            .c_str());
  };
  EXPECT_EQ(status("env g++"), 0) << slurp(p.file("said"));
  EXPECT_NE(status("no-such-compiler"), 0);
  EXPECT_NE(slurp(p.file("said")).find("no-such-compiler is none here"), std::string::npos)
      << slurp(p.file("said"));
}
TEST_F(Installed, NothingIsInstalledBeforeItIsBuilt) {
  EXPECT_NE(std::system(
                ("bash tools/install.sh build/nothing " + p.file("empty") + " 2>" + p.file("said")).c_str()),
            0);
  EXPECT_EQ(slurp(p.file("said")), "make install: there is no build/nothing yet: build it with make all\n");
  EXPECT_FALSE(fs::exists(p.file("empty")));
}
}  // namespace
}  // namespace rum::install_test
