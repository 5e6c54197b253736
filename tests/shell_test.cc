// Text printed for a shell runs only what it should.
#include "base/shell.h"

#include "base/file.h"
#include "tests/program.h"

namespace rum::shell_test {
namespace {
// How `sh` parses a command line: the words, each ended by a NUL.
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

// The exit status of a bash command line in this folder; `said` gets its output. Separate from the make that
// runs us.
int bash(const Program& p, const std::string& command, std::string& said) {
  p.write("command", "unset MAKEFLAGS MAKELEVEL MFLAGS\n" + command + "\n");
  const int status = system(("bash '" + p.file("command") + "' >'" + p.file("said") + "' 2>&1").c_str());
  said = slurp(p.file("said"));
  return WEXITSTATUS(status);
}
TEST(Scripts, VariablesOfMakeRunNothing) {
  const Program p;
  const std::string touch = "touch " + p.file("ran");
  const std::string hostile =
      "$(shell " + touch + ")$$(" + touch + ")`" + touch + "`';" + touch + ";'$(" + touch + ")";
  const std::string word = shell_quoted(hostile);
  std::string given, said;
  for (const char* name : {"DATA=", "CORPUS=", "SCALE=", "N=", "THREAD=", "FUZZ_CXX=", "ROUNDS="})
    given += name + word + ' ';
  // MAKE=true: nothing is built before these.
  for (const std::string& typed : {"make " + given, given + "make "}) {
    bash(p, typed + "-k MAKE=true train reproduce lab fuzz", said);
    for (const std::string& part : {"make train: DATA=" + hostile + " is not a file",
                                    "no scale \"" + hostile + "\"", "no exercise \"" + hostile + "\""})
      EXPECT_NE(said.find(part), std::string::npos) << said;
  }
  for (const std::string name : {"V", "MARCH", "ONEDNN", "CUDA", "GPU", "CUDA_HOME", "DEV", "VERBOSE", "OP"})
    for (const std::string& typed :
         {"make -n help " + name + "=" + word, name + "=" + word + " make -n help"}) {
      EXPECT_NE(bash(p, typed, said), 0);
      EXPECT_NE(said.find(name + " holds a sign that a shell would read"), std::string::npos) << said;
    }
  EXPECT_FALSE(std::filesystem::exists(p.file("ran")));
}
TEST(Scripts, ValuesThatMakeDoesNotKnowAreRefused) {
  const Program p;
  std::string said;
  const std::pair<const char*, const char*> cases[] = {
      {"MARCH='native -fplugin=./evil.so'", "expected one processor"},
      {"MARCH=../../x", "expected one processor"},
      {"V=1", "VERBOSE=1 prints the commands"},
      {"V=", "expected release or debug or asan or tsan"},
      {"V='asan tsan'", "expected release"},
      {"CUDA=/usr/local/cuda", "expected 1 or 0 (CUDA_HOME names"},
      {"ONEDNN=no", "expected 1 or 0"}};
  for (const auto& [setting, expected] : cases) {
    EXPECT_NE(bash(p, std::string("make -n help ") + setting, said), 0) << setting;
    EXPECT_NE(said.find(expected), std::string::npos) << said;
  }
}
TEST(Scripts, CdpathAndFoldersNamedLikeFlagsLeadNowhereElse) {
  const Program p;
  const std::string other = p.file("else");
  for (const char* folder : {"/tools", "/data/configs/experiments"})
    std::filesystem::create_directories(other + folder);
  std::string said;
  EXPECT_EQ(bash(p, "CDPATH=" + other + " bash tools/reproduce.sh none", said), 1);
  EXPECT_NE(said.find("known: chain "), std::string::npos) << said;
  EXPECT_EQ(bash(p, "CDPATH=" + other + " HINT=1 bash tools/lab.sh 1", said), 0) << said;
  std::filesystem::create_directories(p.file("else/out"));
  const std::string script =
      "RUMINATE=/bin/true sh " + std::filesystem::current_path().string() + "/data/tatoeba.sh ";
  const std::string in =
      "cd " + p.scratch.path + " && export CDPATH=" + p.file("else") + " ARCHIVE=-a.zip && ";
  EXPECT_EQ(bash(p, in + script + "out", said), 1);
  EXPECT_NE(said.find("./-a.zip is missing or empty"), std::string::npos) << said;
  EXPECT_TRUE(std::filesystem::is_empty(p.file("else/out")));
  for (const char* folder : {"-", "--helpp"}) {
    EXPECT_EQ(bash(p, in + script + folder, said), 2);
    EXPECT_NE(said.find(std::string("expected a folder, found ") + folder), std::string::npos) << said;
  }
}
// A program in place of ours notes how it is called, and prepares a folder.
TEST(Scripts, GlobSignsInTheNameOfACorpusAreItsOwn) {
  const Program p;
  p.write("[a]*?.tsv", "Haus\thouse\n");
  p.write("ours",
          "#!/bin/sh\nprintf '<%s>' \"$@\"\necho\n[ \"$1\" != data ] || { mkdir -p \"$6\"; "
          ">\"$6/stats.json\"; }\n");
  std::string said;
  const std::string script = std::filesystem::current_path().string() + "/tools/train.sh",
                    command = "cd " + p.scratch.path + " && chmod +x ours && RUMINATE=./ours bash " + script +
                              " debian '[a]*?.tsv'";
  EXPECT_EQ(bash(p, command, said), 0) << said;
  const std::string set = "<run.folder=", beside = "<train><data/configs/translate.toml><--set>" + set;
  ASSERT_NE(said.find(beside + "runs/translate-[a]*?-"), std::string::npos) << said;
  const size_t from = said.find(set) + set.size();
  const std::string run = said.substr(from, said.find('>', from) - from);
  std::string other = run;  // whose name the signs would match
  other.replace(other.find("[a]*?"), 5, "axy");
  const auto checkpoint = [&](const std::string& of) {
    std::filesystem::create_directories(p.file(of + "/checkpoints"));
    p.write(of + "/checkpoints/1.ckpt", "");
  };
  checkpoint(other);
  EXPECT_EQ(bash(p, command, said), 0) << said;
  EXPECT_NE(said.find(beside + run + ">"), std::string::npos) << said;
  checkpoint(run);
  EXPECT_EQ(bash(p, command, said), 0) << said;
  EXPECT_EQ(said.substr(0, said.find('\n')), "<train><--resume><" + run + ">") << said;
}
// Which no config could name, before anything is prepared.
TEST(Scripts, ACorpusWithALineEndInItsNameIsRefusedFirst) {
  const Program p;
  p.write("n\nl.tsv", "Haus\thouse\n"), p.write("ours", "#!/bin/sh\necho called\n");
  std::string said;
  const std::string script = std::filesystem::current_path().string() + "/tools/train.sh";
  EXPECT_EQ(bash(p,
                 "cd " + p.scratch.path + " && chmod +x ours && RUMINATE=./ours bash " + script +
                     " debian $'n\\nl.tsv'",
                 said),
            1);
  EXPECT_EQ(said, "make train: DATA=$'n\\nl.tsv': expected a name without control characters\n");
}
TEST(Scripts, NamesAndNumbersRunNothing) {
  const Program p;
  const std::string touch = "touch " + p.file("ran"), hostile = shell_quoted("a[$(" + touch + ")]");
  std::string said;
  EXPECT_NE(
      bash(p, "bash tools/debug_kernel.sh build/none cuda/layernorm.cu '0 || system(\"" + touch + "\")'",
           said),
      0);
  EXPECT_NE(said.find("expected a thread's number"), std::string::npos) << said;
  // Shell arithmetic runs commands in the index of a variable.
  EXPECT_NE(bash(p, "bash tools/lab.sh " + shell_quoted("1+PATH[$(" + touch + ")]"), said), 0);
  EXPECT_NE(bash(p, "ROUNDS=" + hostile + " bash tools/bench/run.sh", said), 0);
  EXPECT_NE(bash(p, "ROUNDS=" + hostile + " bash tools/bench/gpu.sh true", said), 0);
  // A config that names a script elsewhere.
  p.write("evil.toml", "train = \"" + p.file("evil") + "/train.tsv\"\n"), p.write("evil.sh", touch);
  const std::string up = "../../../../../../../../../..";
  p.write("up.toml", "train = \"" + up + p.file("evil") + "/train.tsv\"\n");
  for (const char* config : {"/evil", "/up"}) {
    EXPECT_NE(bash(p, "bash tools/reproduce.sh '" + up + p.scratch.path + config + "'", said), 0);
    EXPECT_NE(said.find("to make it"), std::string::npos) << said;
  }
  EXPECT_FALSE(std::filesystem::exists(p.file("ran")));
}
TEST(Scripts, NothingOfOthersIsRemovedFromACorpusFolder) {
  const Program p;
  std::filesystem::create_directories(p.file("out/strange.part"));
  p.write("out/mine.part", "mine"), p.write("out/raw.part", "mine"), p.write("out/work.part", "mine");
  std::filesystem::create_directories(p.file("empty"));
  std::string said;
  for (const char* folder : {"out", "empty", "new"}) {
    const std::string archive = "ARCHIVE=" + p.file("none") + " RUMINATE=/bin/true sh data/";
    for (const char* script : {"europarl.sh ", "tatoeba.sh "}) {
      EXPECT_EQ(bash(p, archive + script + p.file(folder), said), 1);
      EXPECT_NE(said.find("none is missing or empty"), std::string::npos) << said;
    }
  }
  EXPECT_EQ(Disk::real().list(p.file("out")),
            (std::vector<std::string>{"mine.part", "raw.part", "strange.part", "work.part"}));
  EXPECT_EQ(slurp(p.file("out/work.part")), "mine");
  EXPECT_TRUE(std::filesystem::is_directory(p.file("empty")));
  EXPECT_FALSE(std::filesystem::exists(p.file("new")));
}
// A peer that hangs would keep `make bench` for ever: like our own program, it runs under LIMIT.
TEST(Scripts, EveryRunOfABenchmarkIsLimited) {
  const Program p;
  std::filesystem::create_directories(p.file("build"));
  p.write("build/bench", "#!/bin/sh\necho '{\"tokens_per_s\": 20, \"peak_rss_mib\": 2}'\n");
  p.write("python", "#!/bin/sh\n[ \"$1\" = -c ] && echo \"$0 1.0\" || echo '{\"tokens_per_s\": 10}'\n");
  p.write("timeout", "#!/bin/sh\necho \"$@\" >>timeouts\nshift\nexec \"$@\"\n");
  p.write("build/ruminate", "#!/bin/sh\n");
  std::filesystem::create_directories(p.file("data/cache/debian"));
  p.write("data/cache/debian/test.tsv", "a b c d e f g h\tone two three four five six seven eight\n");
  std::string said;
  EXPECT_EQ(bash(p,
                 "script=$PWD/tools/bench/run.sh\ncd '" + p.scratch.path +
                     "'\nchmod +x build/* python timeout\n"
                     "PATH=$PWD:$PATH PYTHON=$PWD/python ROUNDS=1 MODELS=' ' LIMIT=7 bash $script",
                 said),
            0);
  EXPECT_NE(said.find("PyTorch 1.0        10   ratio 2.00"), std::string::npos) << said;
  const std::string limited = slurp(p.file("timeouts"));
  const std::string python = "7 " + p.file("python") + " tools/bench/";
  for (const std::string& run :
       {std::string("7 build/bench "), python + "torch_peer.py ", python + "ctranslate2_peer.py ",
        "35 " + p.file("python") + " tools/bench/metrics_peer.py ", python + "tokenizer_peer.py "})
    EXPECT_NE(limited.find(run), std::string::npos) << run << "\n" << limited;
}
TEST(Scripts, ThoseOfCorporaSayHowTheyAreCalled) {
  const Program p;
  for (const char* name : {"debian", "debian-5000", "europarl", "shakespeare", "smoke", "tatoeba"}) {
    const std::string script = std::string("data/") + name + ".sh";
    std::string said;
    EXPECT_EQ(bash(p, "RUMINATE=/bin/true sh " + script, said), 2);
    EXPECT_EQ(said.find("usage: " + script + " FOLDER"), 0u) << said;
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
    const std::string usage = said;
    for (const char* flag : {" -h", " --help"}) {
      EXPECT_EQ(bash(p, "RUMINATE=/bin/true sh " + script + flag, said), 0);
      EXPECT_EQ(said, usage);
    }
  }
}
TEST(Scripts, AnArchiveBecomesPairs) {
  const Program p;
  p.write("europarl-v7.de-en.de",
          "Das Haus ist alt .\nDer\tHund schl\xC3\xA4"
          "ft hier .\n");
  p.write("europarl-v7.de-en.en", "The house is old .\nThe dog sleeps here .");
  std::string said;
  const std::string archive = "here:a.tgz";  // no request to a host
  ASSERT_EQ(bash(p, "cd " + p.scratch.path + " && tar -czf - europarl* >" + archive, said), 0) << said;
  ASSERT_EQ(bash(p,
                 "cd " + p.scratch.path + " && ARCHIVE=" + archive + " RUMINATE=/bin/true sh " +
                     std::filesystem::current_path().string() + "/data/europarl.sh o",
                 said),
            0)
      << said;
  EXPECT_EQ(slurp(p.file("o/raw.tsv")),
            "Das Haus ist alt .\tThe house is old .\nDer Hund schl\xC3\xA4"
            "ft hier .\tThe dog sleeps here .\n");
  EXPECT_EQ(Disk::real().list(p.file("o")), std::vector<std::string>{"raw.tsv"});
}
}  // namespace
}  // namespace rum::shell_test
