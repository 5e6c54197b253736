// Training in several processes: how they find each other, the sum of their gradients, and that their run
// equals that of one process, to the last bit of its files. Real processes and real connections; one process
// is the reference.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <random>
#include <thread>
#include <tuple>

#include "base/clock.h"
#include "checkpoint/checkpoint.h"
#include "parallel/ranks.h"
#include "run/folder.h"
#include "tensor/backend.h"
#include "tests/error_of.h"
#include "tests/forked.h"
#include "tests/program.h"
#include "tests/scratch.h"
#include "tests/toy.h"
#include "text/json.h"
#include "train/trainer.h"

namespace rum::parallel_test {
namespace fs = std::filesystem;
namespace {
Launch launch_from(const std::map<std::string, std::string>& variables) {
  return launch_of([&](const char* name) -> const char* {
    const auto at = variables.find(name);
    return at == variables.end() ? nullptr : at->second.c_str();
  });
}
TEST(Launch, IsReadFromWhatEachLauncherSets) {
  EXPECT_EQ(launch_from({}).size, 1);
  EXPECT_EQ(launch_from({{"RANK", "3"}}).size, 1) << "half of the variables are somebody else's";
  const Launch torchrun =
      launch_from({{"RANK", "3"}, {"WORLD_SIZE", "8"}, {"MASTER_ADDR", "gpu1"}, {"MASTER_PORT", "29500"}});
  EXPECT_EQ(torchrun.rank, 3);
  EXPECT_EQ(torchrun.size, 8);
  EXPECT_EQ(torchrun.address, "gpu1");
  EXPECT_EQ(torchrun.port, 29500);
  std::map<std::string, std::string> agent{{"RANK", "0"},
                                           {"WORLD_SIZE", "2"},
                                           {"MASTER_ADDR", "localhost"},
                                           {"MASTER_PORT", "29500"},
                                           {"TORCHELASTIC_RUN_ID", "none"},
                                           {"TORCHELASTIC_USE_AGENT_STORE", "True"}};
  const Launch beside = launch_from(agent);
  EXPECT_NE(beside.port, 29500) << "torchrun itself waits there";
  agent["RANK"] = "1";
  EXPECT_EQ(launch_from(agent).port, beside.port);
  agent["MASTER_PORT"] = "29501";
  EXPECT_NE(launch_from(agent).port, beside.port) << "another job on the machine";

  std::map<std::string, std::string> mpirun{{"OMPI_COMM_WORLD_RANK", "1"},
                                            {"OMPI_COMM_WORLD_SIZE", "2"},
                                            {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                                            {"PMIX_NAMESPACE", "3407347713"}};
  const Launch one = launch_from(mpirun);
  EXPECT_EQ(one.address, "127.0.0.1");
  EXPECT_GE(one.port, 10000);
  EXPECT_LT(one.port, 30000);
  mpirun["OMPI_COMM_WORLD_RANK"] = "0";
  EXPECT_EQ(launch_from(mpirun).port, one.port) << "all of a job come to the same place";
  EXPECT_EQ(launch_from(mpirun).job, one.job);
  mpirun["PMIX_NAMESPACE"] = "3407347714";
  EXPECT_NE(launch_from(mpirun).job, one.job);
  // Inside Slurm, mpirun is itself started by srun.
  mpirun["SLURM_PROCID"] = "0", mpirun["SLURM_STEP_NUM_TASKS"] = "1";
  EXPECT_EQ(launch_from(mpirun).size, 2);

  std::map<std::string, std::string> srun{{"SLURM_PROCID", "5"},
                                          {"SLURM_STEP_NUM_TASKS", "16"},
                                          {"SLURM_JOB_ID", "812"},
                                          {"SLURM_STEP_ID", "0"},
                                          {"SLURM_JOB_NODELIST", "gpu[03-07,12],big1"}};
  EXPECT_EQ(launch_from(srun).rank, 5);
  EXPECT_EQ(launch_from(srun).address, "gpu03");
  srun["SLURM_JOB_NODELIST"] = "big1,big2";
  EXPECT_EQ(launch_from(srun).address, "big1");
  srun["SLURM_JOB_NODELIST"] = "big1";
  EXPECT_EQ(launch_from(srun).address, "big1");
  srun["MASTER_ADDR"] = "elsewhere";
  EXPECT_EQ(launch_from(srun).address, "elsewhere");
  srun.erase("MASTER_ADDR");
  for (const auto& [list, first] : std::map<std::string, std::string>{
           {"gpu[03-07]-ib", "gpu03-ib"}, {"r[1-2]n[3-4],big1", "r1n3"}, {"r[7,9]n,big[1-2]", "r7n"}}) {
    srun["SLURM_JOB_NODELIST"] = list;
    EXPECT_EQ(launch_from(srun).address, first);
  }
  // A step on a part of the job's machines; Open MPI's daemons are one on all but the first.
  srun["SLURM_JOB_NODELIST"] = "gpu[03-07]", srun["SLURM_STEP_NODELIST"] = "gpu[05-06]";
  EXPECT_EQ(launch_from(srun).address, "gpu05");
  mpirun["OMPI_COMM_WORLD_LOCAL_SIZE"] = "1";
  mpirun["SLURM_JOB_NODELIST"] = "gpu[03-07]", mpirun["SLURM_STEP_NODELIST"] = "gpu[04-07]";
  EXPECT_EQ(launch_from(mpirun).address, "gpu03");
  // srun --mpi=pmi2, and Intel MPI or MPICH within Slurm, name no job: on several machines Slurm's name is
  // what all processes have in common, on one machine their parent, of which a job may have several there.
  std::map<std::string, std::string> pmi = srun;
  pmi["PMI_RANK"] = "5", pmi["PMI_SIZE"] = "16";
  EXPECT_EQ(launch_from(pmi).rank, 5);
  EXPECT_EQ(launch_from(pmi).address, "gpu05");
  const auto from_parent = 10000 + static_cast<uint64_t>(getppid()) % 20000;
  for (const char* local : {"", "8", "16"}) {
    if (*local != 0) pmi["MPI_LOCALNRANKS"] = local;
    const Launch got = launch_from(pmi);
    const bool here = std::string(local) == "16";
    EXPECT_EQ(got.job == launch_from(srun).job, !here);
    EXPECT_EQ(got.port, here ? from_parent : launch_from(srun).port);
  }
  // An sbatch script is one process, however many tasks the job has.
  EXPECT_EQ(launch_from({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}}).size, 1);
}
TEST(Launch, SaysWhatMakesNoSense) {
  const auto refusal = [](const std::map<std::string, std::string>& v) {
    return error_of([&] { launch_from(v); });
  };
  EXPECT_EQ(refusal({{"RANK", "2"}, {"WORLD_SIZE", "2"}}),
            "the environment has RANK = \"2\", expected a whole number from 0 to 1");
  EXPECT_NE(refusal({{"RANK", "0"}, {"WORLD_SIZE", "2x"}}).find("WORLD_SIZE = \"2x\""), std::string::npos);
  EXPECT_NE(
      refusal(
          {{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "4"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}})
          .find("set MASTER_ADDR"),
      std::string::npos);
  EXPECT_EQ(refusal({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "gpu1"}}),
            "MASTER_ADDR is set, but not MASTER_PORT: set it to a free port of gpu1");
}

// Two ends of a connection: of rank 0, to rank 1, and the other way.
std::pair<Link, Link> connected() {
  Listener listener("localhost", 0);
  const double until = seconds_now() + 10;
  const int there = connect_to(INADDR_LOOPBACK, listener.port(), until);
  return {Link(listener.accept(until), 1), Link(there, 0)};
}
TEST(Link, ACheckNoticesAFailureAndLeavesMessages) {
  const std::string gone = "the process of rank 1 has ended without saying why";
  auto [mine, theirs] = connected();
  mine.check();
  int number = 7, got = 0;
  theirs.send(&number, sizeof number);
  EXPECT_EQ(error_of([&] { mine.check(); }), "");
  mine.receive(&got, sizeof got);
  EXPECT_EQ(got, 7);
  theirs.send_failure("no space left");
  EXPECT_EQ(error_of([&] { mine.check(); }), "no space left");

  std::tie(mine, theirs) = connected();
  theirs = Link();
  EXPECT_EQ(error_of([&] { mine.check(); }), gone);
  std::tie(mine, theirs) = connected();  // behind a message that nobody has read
  theirs.send(&number, sizeof number), theirs.send_failure("no space left"), theirs = Link();
  EXPECT_EQ(error_of([&] { mine.check(); }), "no space left");
  std::tie(mine, theirs) = connected();
  theirs.send(&number, sizeof number), theirs = Link();
  EXPECT_EQ(error_of([&] { mine.check(); }), gone);
  EXPECT_EQ(error_of([] { Link().check(); }), "");
}
TEST(Link, AWaitEndsWithWhatComesWithTheOtherEndOrWithItsTime) {
  auto [ours, theirs] = connected();
  EXPECT_FALSE(ours.wait(seconds_now() + 0.2));
  const uint64_t number = 7;
  theirs.send(&number, sizeof number);
  EXPECT_TRUE(ours.wait(seconds_now() + 30));
  uint64_t back = 0;
  ours.receive(&back, sizeof back);
  EXPECT_EQ(back, number);
  theirs = Link();
  EXPECT_TRUE(ours.wait(seconds_now() + 30));
}
TEST(Link, MoreThanTheConnectionHoldsArrivesWhole) {
  auto [mine, theirs] = connected();
  std::vector<uint32_t> sent(size_t{16} << 20), got(sent.size());
  std::iota(sent.begin(), sent.end(), 1u);
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));  // until nothing more fits
    theirs.receive(got.data(), got.size() * sizeof got[0]);
  });
  mine.send(sent.data(), sent.size() * sizeof sent[0]);
  other.join();
  EXPECT_TRUE(got == sent);
}
TEST(Link, ASilentMachineIsAskedAfterHalfAMinute) {
  Listener listener("localhost", 0);
  const int socket = connect_to(INADDR_LOOPBACK, listener.port(), seconds_now() + 10);
  const Link link(socket, 1);
  int value = -1;
  for (const auto& [level, option, expected] : {std::tuple{SOL_SOCKET, SO_KEEPALIVE, 1},
                                                {IPPROTO_TCP, TCP_KEEPIDLE, 30},
                                                {IPPROTO_TCP, TCP_KEEPINTVL, 10},
                                                {IPPROTO_TCP, TCP_KEEPCNT, 6},
                                                {IPPROTO_TCP, TCP_USER_TIMEOUT, 0}}) {
    socklen_t size = sizeof value;
    getsockopt(socket, level, option, &value, &size);
    EXPECT_EQ(value, expected) << option;
  }
}
// Does a connection to another address of this machine, as from another machine, reach a listener of this
// name?
bool reached(const std::string& host) {
  Listener listener(host, 0);
  const int socket = connect_to(0x7f000002, listener.port(), seconds_now() + .2);
  if (socket != -1) close(socket);
  return socket != -1;
}
TEST(Listener, OnlyLocalhostAndItsNumbersAreForThisMachineAlone) {
  EXPECT_FALSE(reached("localhost"));
  EXPECT_FALSE(reached("127.0.0.3"));
  EXPECT_TRUE(reached("0.0.0.0"));
}
// Debian gives a machine's own name to 127.0.1.1: other machines come by it all the same.
TEST(Listener, AMachinesOwnNameIsForAllThoughItIsOnLoopback) {
  const Scratch folder;
  const std::string hosts = folder.path + "/hosts";
  std::ofstream(hosts) << "127.0.1.1 rank0machine\n";
  const pid_t child = forked(fork());
  if (child == 0) {  // with a file of names of its own
    const bool own = (unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) &&
                     mount("none", "/", nullptr, MS_REC | MS_PRIVATE, "") == 0 &&
                     mount(hosts.c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr) == 0;
    _exit(!own ? 2 : address_of("rank0machine") == 0x7f000101 && reached("rank0machine") ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WEXITSTATUS(status) == 2)
    GTEST_SKIP() << "this system lets no one but root have a file of names of its own";
  EXPECT_EQ(status, 0);
}

uint16_t free_port() {
  const int s = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET, at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  bind(s, reinterpret_cast<sockaddr*>(&at), sizeof at);
  getsockname(s, reinterpret_cast<sockaddr*>(&at), &size);
  close(s);
  return ntohs(at.sin_port);
}
// Runs each rank in a process of its own; returns how many succeeded.
int in_processes(int size, const std::function<bool(Ranks&)>& work) {
  Launch launch;
  launch.size = size, launch.port = free_port();
  std::vector<pid_t> children;
  for (launch.rank = 0; launch.rank < size; ++launch.rank) {
    children.push_back(forked(fork()));
    if (children.back() != 0) continue;
    bool well = false;
    try {
      Ranks ranks(launch);
      well = work(ranks);
    } catch (const Error& e) {
      std::fprintf(stderr, "%s\n", e.what());
    }
    _exit(well ? 0 : 1);
  }
  int well = 0;
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    if (status == 0) ++well;
  }
  return well;
}
TEST(Ranks, PartsAreAddedInTheirOrder) {
  constexpr int64_t numbers = 150'001;  // of more than one slice
  constexpr int64_t parts = 6;
  std::vector<std::vector<float>> all(parts, std::vector<float>(numbers));
  std::mt19937 random(5);
  for (auto& part : all)
    for (float& x : part) x = std::ldexp(static_cast<float>(random()), -static_cast<int>(random() % 40));
  std::vector<float> sum = all[0];
  for (size_t p = 1; p < parts; ++p)
    for (size_t i = 0; i < numbers; ++i) sum[i] += all[p][i];
  for (const int size : {1, 2, 3, 6}) {
    const int equal = in_processes(size, [&](Ranks& ranks) {
      Tensor held;
      std::vector<float> block;
      for (int64_t round = 0; round < parts / size; ++round) {
        const Tensor mine =
            Tensor::from<float>(all[static_cast<size_t>(ranks.part(round))], {numbers}, DType::f32);
        kernels::sum_parts(DeviceKind::cpu, ranks, mine, held, {round, parts / size});
        block.assign(mine.data<float>(), mine.data<float>() + numbers);
      }
      return block == sum;
    });
    EXPECT_EQ(equal, size) << "of " << size << " processes have the sum in order";
  }
}
// In one process, too: two micro-batches a part, with dropout.
TEST(Ranks, AStepAddsItsPartsInTheirOrder) {
  constexpr size_t parts = 4;
  const std::vector<Batch> batches =
      toy::batches(2 * parts, {.tokens = 192, .texts = 12, .mask = Mask::prefix}, 3);
  double total = 0;
  for (const Batch& b : batches) total += b.total_weight;
  std::vector<float> sum;
  toy::World single(toy::tiny(0.1f), DType::f32);
  AdamW adamw(single.params, {});
  Step part(single.params, adamw, single.loss(), 11);
  for (size_t p = 0; p < parts; ++p) {
    StepInputs in = adamw.inputs(5, 1e-3f, total, 11);
    in.micro = static_cast<uint32_t>(2 * p);
    part.gradients(std::span(batches).subspan(2 * p, 2), in);
    const Tensor g = single.params.grads();
    sum.resize(static_cast<size_t>(g.size()));
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += g.data<float>()[i];
  }
  toy::World whole(toy::tiny(0.1f), DType::f32);
  AdamW other(whole.params, {});
  Step step(whole.params, other, whole.loss(), 11, parts);
  step.run(batches, 5, 1e-3f);
  const Tensor g = whole.params.grads();
  EXPECT_EQ(std::vector<float>(g.data<float>(), g.data<float>() + g.size()), sum);
}
TEST(Ranks, EachPartIsComputedOnce) {
  EXPECT_EQ(in_processes(3,
                         [](Ranks& ranks) {
                           int64_t mine = 0;
                           for (int64_t part = 0; part < 12; ++part) mine += ranks.computes(part) ? 1 : 0;
                           return mine == 4 && ranks.local_size() == 3 && ranks.local_rank() == ranks.rank();
                         }),
            3);
}
TEST(Ranks, ADifferenceIsNoticed) {
  EXPECT_EQ(in_processes(3,
                         [](Ranks& ranks) {
                           const std::string e =
                               error_of([&] { ranks.check_same(ranks.rank() == 2 ? 8 : 7, "the number"); });
                           if (ranks.rank() == 2) ranks.end(Error(e));
                           // The rank that differs reports it, and the others are told.
                           return e == (ranks.rank() == 2 ? "the number is not what rank 0 has"
                                        : ranks.rank() == 1
                                            ? "rank 2: the number is not what rank 0 has"
                                            : "the process of rank 1 has ended without saying why");
                         }),
            3);
}

TEST(Ranks, AnotherWorldSizeIsSaidToBothSides) {
  Launch launch;
  launch.size = 2, launch.port = free_port();
  std::string theirs;
  std::thread other([&theirs, launch]() mutable {
    launch.rank = 1, launch.size = 3;
    theirs = error_of([&] { Ranks ranks(launch); });
  });
  const std::string mine = error_of([&] { Ranks ranks(launch); });
  other.join();
  EXPECT_EQ(mine, fmt::format("port {} of rank 0: a process says that it is rank 1 of 3, but this job has 2 "
                              "and each once",
                              launch.port));
  EXPECT_EQ(theirs, mine);
}
TEST(Ranks, AllPickTheSameKindOfDevice) {
  struct Gpu final : Backend {  // only there
    void* allocate(size_t) override { return nullptr; }
    void release(void*) override {}
    void upload(void*, const void*, size_t) override {}
    void download(void*, const void*, size_t) override {}
    void copy(void*, const void*, size_t) override {}
    void fill(void*, int, size_t) override {}
    void wait() override {}
    std::string describe() override { return "a GPU"; }
  };
  // What came of it; runs in a process of its own.
  const auto agree = [](Ranks& ranks, bool gpu) {
    if (gpu)
      Backend::provide(DeviceKind::cuda, []() -> Backend& {
        static Gpu one;
        return one;
      });
    try {
      return std::string(agreed_device("auto", ranks) == DeviceKind::cpu ? "the CPU" : "a GPU");
    } catch (const Error& e) {
      if (!ranks.first()) ranks.end(e);
      return std::string(e.what());
    }
  };
  for (const bool gpu : {false, true})
    EXPECT_EQ(in_processes(2, [&](Ranks& ranks) { return agree(ranks, gpu) == (gpu ? "a GPU" : "the CPU"); }),
              2);
  const std::string differs = "a GPU, which it picked for run.device = auto, is not what rank 0 has";
  EXPECT_EQ(in_processes(2,
                         [&](Ranks& ranks) {
                           return agree(ranks, !ranks.first()) == (ranks.first() ? "rank 1: " : "") + differs;
                         }),
            2);
}

// ---- the program ----
struct Together : testing::Test {
  inline static Program* shared;
  inline static Ran alone;  // the run of one process, and what it left
  inline static std::map<std::string, std::string> one;
  Program& p = *shared;
  static void SetUpTestSuite() {
    shared = new Program;
    shared->corpora();
    shared->config("save_every = 5\nkeep = 9\nlog_every = 1\n[eval]\nbleu_texts = 3\n");
    alone = shared->run(train());
    one = left(shared->file("run"));
  }
  static void TearDownTestSuite() { delete shared; }
  void SetUp() override {
    ASSERT_EQ(alone.status, 0) << alone.err;
    ASSERT_TRUE(one.contains("model.safetensors") && one.contains("checkpoints/step-00000005.ckpt"));
    fs::remove_all(p.file("run"));
  }
  static std::vector<std::string> train(const std::vector<std::string>& more = {}) {
    std::vector<std::string> w{"train", shared->file("c.toml")};
    for (const char* set : {"train.steps=10", "train.eval_every=5", "batch.micro_batches=8", "batch.parts=4",
                            "model.dropout=0.1"})
      w.insert(w.end(), {"--set", set});
    w.insert(w.end(), more.begin(), more.end());
    return w;
  }
  // `size` processes, as torchrun starts them, with these arguments or those of each.
  std::vector<pid_t> start(int size, const std::vector<std::string>& w) const {
    return start(size, [&](int) { return w; });
  }
  std::vector<pid_t> start(int size, const std::function<std::vector<std::string>(int)>& words) const {
    const std::string port = std::to_string(free_port());
    std::vector<pid_t> children;
    for (int rank = 0; rank < size; ++rank) {
      children.push_back(forked(fork()));
      if (children.back() != 0) continue;
      setenv("RANK", std::to_string(rank).c_str(), 1), setenv("WORLD_SIZE", std::to_string(size).c_str(), 1);
      setenv("MASTER_ADDR", "localhost", 1), setenv("MASTER_PORT", port.c_str(), 1);
      for (const auto& [name, to] : {std::pair{"out", 1}, std::pair{"err", 2}})
        dup2(open(p.file(name + std::to_string(rank)).c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), to);
      become(words(rank));
    }
    return children;
  }
  std::vector<Ran> end(const std::vector<pid_t>& children) const {
    std::vector<Ran> out;
    for (size_t rank = 0; rank < children.size(); ++rank) {
      int status = 0;
      waitpid(children[rank], &status, 0);
      const std::string n = std::to_string(rank);
      out.push_back({WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                     slurp(p.file("out" + n)), slurp(p.file("err" + n))});
    }
    return out;
  }
  std::vector<Ran> together(int size, const std::vector<std::string>& w) const { return end(start(size, w)); }
  // A run's files by name, without times, machines and numbers of processes.
  static std::map<std::string, std::string> left(const std::string& folder) {
    std::map<std::string, std::string> out;
    for (const auto& f : fs::recursive_directory_iterator(folder)) {
      const std::string name = f.path().lexically_relative(folder).string();
      if (!f.is_regular_file() || name == "log.txt" || name == "environment.json" ||
          name.starts_with("events."))
        continue;
      out[name] = slurp(f.path().string());
      if (name != "metrics.jsonl") continue;
      std::string& lines = out[name];
      for (size_t at; (at = lines.find(",\"tokens_per_second\"")) != std::string::npos;)
        lines.erase(at, lines.find('}', at) - at);
    }
    return out;
  }
  void expect_same(const std::map<std::string, std::string>& a, const std::map<std::string, std::string>& b) {
    std::string names_a, names_b;
    for (const auto& [name, content] : a) {
      names_a += name + "\n";
      const auto at = b.find(name);
      EXPECT_TRUE(at == b.end() || content == at->second) << name << " differs";
    }
    for (const auto& [name, content] : b) names_b += name + "\n";
    EXPECT_EQ(names_a, names_b);
  }
};
TEST_F(Together, OneTwoAndFourProcessesLeaveTheSameFiles) {
  for (const int size : {2, 4}) {
    fs::remove_all(p.file("run"));
    const std::vector<Ran> ran = together(size, train());
    for (const Ran& r : ran) EXPECT_EQ(r.status, 0) << r.err;
    EXPECT_EQ(ran[0].out, alone.out);
    EXPECT_NE(ran[0].err.find(" in " + std::to_string(size) + " processes"), std::string::npos) << ran[0].err;
    for (int rank = 1; rank < size; ++rank)
      EXPECT_EQ(ran[static_cast<size_t>(rank)].out + ran[static_cast<size_t>(rank)].err, "");
    expect_same(one, left(p.file("run")));
  }
  // From step 5 on with another number of processes.
  for (const auto& f : fs::directory_iterator(p.file("run/checkpoints")))
    if (f.path().filename() != "step-00000005.ckpt") fs::remove(f.path());
  for (const Ran& r : together(2, {"train", "--resume", p.file("run")})) EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_TRUE(one.at("model.safetensors") == left(p.file("run"))["model.safetensors"]);
  EXPECT_TRUE(one.at("metrics.jsonl") == left(p.file("run"))["metrics.jsonl"]);
}
TEST_F(Together, WhatIsRefusedIsSaidOnce) {
  const auto refused = [&](int size, const std::vector<std::string>& w, const std::string& why) {
    const std::vector<Ran> ran = together(size, w);
    expect_refusal(ran[0], why);
    for (size_t rank = 1; rank < ran.size(); ++rank) {
      EXPECT_EQ(ran[rank].status, 1);
      EXPECT_EQ(ran[rank].err, "");
    }
    EXPECT_FALSE(fs::exists(p.file("run")));
  };
  refused(3, train(), "3 processes cannot share a step of batch.parts = 4: set it to a multiple of 3");
  refused(2, train({"--set", "batch.parts=3"}), "batch.parts = 3 does not divide batch.micro_batches = 8");
  refused(2, train({"--set", "model.wdth=8"}), "did you mean \"model.width\"");
}
TEST_F(Together, OnlyThreadsMayDiffer) {
  const auto with = [&](const char* setting) {
    return end(start(2, [&](int rank) {
      return train(rank == 0 ? std::vector<std::string>{} : std::vector<std::string>{"--set", setting});
    }));
  };
  expect_refusal(with("train.log_every=2")[0], "rank 1: its config is not what rank 0 has");
  EXPECT_FALSE(fs::exists(p.file("run")));
  for (const Ran& r : with("run.threads=1")) EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_TRUE(one.at("model.safetensors") == left(p.file("run"))["model.safetensors"]);
}
TEST_F(Together, AllBeginWithTheSameWeights) {
  for (const int rank : {0, 1}) {  // each has weights of its own under the same name
    const std::string folder = p.file("machine" + std::to_string(rank));
    fs::create_directory(folder);
    const Ran r = p.run(train({"--set", "run.folder=" + folder + "/base", "--set",
                               "run.seed=" + std::to_string(rank), "--set", "data.test="}));
    ASSERT_EQ(r.status, 0) << r.err;
  }
  const std::string tokenizer = p.file("machine0/base/tokenizer.json");
  const std::vector<Ran> ran = end(start(2, [&](int rank) {
    setenv("RUM_PROGRAM", fs::absolute(program_path()).c_str(), 1);
    fs::current_path(p.file("machine" + std::to_string(rank)));
    return train({"--set", "train.from=base", "--set", "tokenizer.file=" + tokenizer});
  }));
  expect_refusal(ran[0], "rank 1: what its weights begin with is not what rank 0 has");
}
TEST_F(Together, AFinishedRunNeedsNoOtherForItsTest) {
  std::string many;
  for (int i = 0; i < 200; ++i) many += slurp(p.file("test.tsv"));
  p.write("many.tsv", many);
  const std::vector<pid_t> children = start(2, train({"--set", "data.test=" + p.file("many.tsv")}));
  const auto wait = [&](const std::string& file) {
    for (int i = 0; i < 60000 && !fs::exists(p.file(file)); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  wait("run/model.safetensors");
  EXPECT_FALSE(fs::exists(p.file("run/results.json"))) << "the test was over too soon to show anything";
  kill(children[1], SIGKILL);
  const std::vector<Ran> ran = end(children);
  EXPECT_EQ(ran[0].status, 0) << ran[0].err;
  EXPECT_NE(ran[0].out.find("BLEU"), std::string::npos) << ran[0].out;
  EXPECT_TRUE(fs::exists(p.file("run/results.json")));
}
TEST_F(Together, AnEmptyListOfGpusIsKept) {
  setenv("CUDA_VISIBLE_DEVICES", "", 1);
  const Ran ran = p.run(train({"--device", "cuda:1"}));
  unsetenv("CUDA_VISIBLE_DEVICES");
  expect_refusal(ran, "cuda:1: CUDA_VISIBLE_DEVICES lists 0 of the GPUs");
}
TEST_F(Together, OneThatDiesEndsTheOthersAndNoStepIsLost) {
  const std::vector<pid_t> children =
      start(4, train({"--set", "train.steps=100000", "--set", "train.save_every=100000"}));
  const auto steps = [&] {
    const std::string lines = slurp(p.file("run/metrics.jsonl"));
    return std::count(lines.begin(), lines.end(), '\n');
  };
  for (int i = 0; i < 1000 && steps() < 5; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const auto reached = steps();
  EXPECT_GE(reached, 5);
  kill(children[2], SIGKILL);
  const std::vector<Ran> ran = end(children);
  expect_refusal(ran[0], "the process of rank 2 has ended without saying why; step ");
  EXPECT_NE(ran[0].err.find(" is saved: continue with `ruminate train --resume "), std::string::npos);
  for (const size_t rank : {1, 3}) EXPECT_EQ(ran[rank].err, "") << rank;
  for (const size_t rank : {1, 3}) EXPECT_EQ(ran[rank].status, 1) << rank;
  EXPECT_GE(saved_steps(RunFolder{p.file("run")}.checkpoints()).back(), reached - 2);
}
TEST_F(Together, UnderMpirun) {
  if (std::system("command -v mpirun >/dev/null 2>&1") != 0) GTEST_SKIP() << "no mpirun here";
  std::string line =
      "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 "
      "OMPI_MCA_hwloc_base_binding_policy=none mpirun -n 2 ";
  line += program_path();
  for (const std::string& word : train()) line += " '" + word + "'";
  const Ran two = p.shell(line);
  EXPECT_EQ(two.status, 0) << two.err;
  EXPECT_EQ(two.out, alone.out);
  expect_same(one, left(p.file("run")));
}
}  // namespace
}  // namespace rum::parallel_test
