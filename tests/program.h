// The program as tests run it: in a process of its own, with a folder of its own.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/forked.h"
#include "tests/grammar/grammar.h"
#include "tests/scratch.h"

namespace rum {
inline std::string slurp(const std::string& path) {
  std::ifstream in(path);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}
struct Ran {
  int status = -1;
  std::string out, err;
};

// The program that is tested.
inline std::string program_path() {
  const char* set = getenv("RUM_PROGRAM");
  return set ? set : "build/ruminate";
}
// In a child process: becomes the program with these arguments.
[[noreturn]] inline void become(std::vector<std::string> words) {
  words.insert(words.begin(), program_path());
  std::vector<char*> argv;
  for (std::string& w : words) argv.push_back(w.data());
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(127);
}
struct Program {
  Scratch scratch;
  std::string file(const std::string& name) const { return scratch.path + "/" + name; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(file(name), std::ios::binary) << text;
    return file(name);
  }
  pid_t start(std::vector<std::string> words, int64_t memory = 0) const {
    const pid_t child = forked(fork());
    if (child != 0) return child;
    if (memory > 0) {
      const rlimit limit{static_cast<rlim_t>(memory), static_cast<rlim_t>(memory)};
      setrlimit(RLIMIT_AS, &limit);
    }
    for (const auto& [name, to] : {std::pair{"out", 1}, std::pair{"err", 2}})
      dup2(open(file(name).c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), to);
    dup2(open(file("in").c_str(), O_RDONLY | O_CREAT, 0600), 0);
    become(std::move(words));
  }
  Ran end(pid_t child) const {
    int status = 0;
    waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), slurp(file("out")),
            slurp(file("err"))};
  }
  Ran run(std::vector<std::string> words, const std::string& in = "", int64_t memory = 0) const {
    write("in", in);
    return end(start(std::move(words), memory));
  }
  // A command of sh, with nothing on its standard input unless it says so.
  Ran shell(const std::string& command) const {
    const std::string to = " >" + file("out") + " 2>" + file("err") + " </dev/null";
    const int status = std::system(("{ " + command + "\n}" + to).c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128, slurp(file("out")), slurp(file("err"))};
  }
  void corpora() const {
    const auto pairs = grammar_pairs(330, 5);
    std::string parts[3];
    for (size_t i = 0; i < pairs.size(); ++i)
      parts[i < 300 ? 0 : i < 315 ? 1 : 2] += pairs[i].source + "\t" + pairs[i].target + "\n";
    write("train.tsv", parts[0]), write("valid.tsv", parts[1]), write("test.tsv", parts[2]);
  }
  void config(const std::string& more = "") const {
    write("c.toml",
          "[run]\nfolder = \"" + file("run") + "\"\n[data]\ntrain = \"" + file("train.tsv") +
              "\"\nvalid = \"" + file("valid.tsv") + "\"\ntest = \"" + file("test.tsv") +
              "\"\n[tokenizer]\nvocab = 300\n[model]\nlayers = 1\nheads = 2\nwidth = 16\ncontext = 96\n"
              "[batch]\ntokens = 192\n[schedule]\nwarmup = 2\n[train]\nsteps = 20\neval_every = 10\n" +
              more);
  }
};
// Expects one sentence on standard error and status 1.
inline void expect_refusal(const Ran& r, const std::string& part) {
  EXPECT_EQ(r.status, 1) << r.err;
  EXPECT_NE(r.err.find(part), std::string::npos) << r.err;
  const size_t last = r.err.rfind("ruminate ");
  ASSERT_NE(last, std::string::npos) << r.err;
  EXPECT_EQ(r.err.find('\n', last), r.err.size() - 1) << r.err;
}
}  // namespace rum
