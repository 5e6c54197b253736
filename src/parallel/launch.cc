#include "parallel/launch.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/hash.h"
#include "base/number.h"

namespace rum {
namespace {
// Whoever launches within a job of another comes first: mpirun within srun's, torchrun within either.
struct Launcher {
  const char *name, *rank, *size;
  const char* local_size;  // how many of them are on this machine; null: not said
  const char *job, *step;  // which together name the job; null: nothing
  const char* machines;    // Slurm's list, of which rank 0 is on the first
};
// Open MPI has its own daemons started as a step of all machines but the first. Intel MPI is an MPICH, and so
// is srun --mpi=pmi2 in what it sets.
constexpr Launcher kLaunchers[] = {
    {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID", nullptr,
     "SLURM_JOB_NODELIST"},
    {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE",
     "PMIX_NAMESPACE", nullptr, "SLURM_JOB_NODELIST"},
    {"MPICH", "PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS", nullptr, nullptr, "SLURM_STEP_NODELIST"},
    {"Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", nullptr, "SLURM_JOB_ID", "SLURM_STEP_ID",
     "SLURM_STEP_NODELIST"},
};
constexpr int kMostRanks = 1 << 14;

int whole(const Variables& get, const char* name, int low, int high) {
  const std::string text = get(name);
  const auto v = number_in<int>(text);
  RUM_CHECK(v && *v >= low && *v <= high,
            "the environment has {} = \"{}\", expected a whole number from {} to {}", name, text, low, high);
  return *v;
}
std::string or_nothing(const Variables& get, const char* name) {
  const char* const text = name == nullptr ? nullptr : get(name);
  return text == nullptr ? "" : text;
}
// Of a list such as "r[1-2]gpu[03-07,12]-ib,big1" the first name, r1gpu03-ib.
std::string first_host(const std::string& list) {
  std::string out;
  for (size_t i = 0; i < list.size() && list[i] != ','; ++i) {
    if (list[i] != '[') {
      out += list[i];
      continue;
    }
    const size_t end = list.find_first_of("-,]", i);
    out += list.substr(i + 1, end - i - 1);
    i = std::min(list.find(']', i), list.size());
  }
  return out;
}
}  // namespace

Launch launch_of(const Variables& get) {
  for (const Launcher& by : kLaunchers) {
    if (get(by.rank) == nullptr || get(by.size) == nullptr) continue;
    Launch out;
    out.size = whole(get, by.size, 1, kMostRanks);
    out.rank = whole(get, by.rank, 0, out.size - 1);
    if (out.size == 1) return out;
    // torchrun itself waits at MASTER_PORT, unless it is told not to: there the port only tells jobs apart.
    const bool taken = or_nothing(get, "TORCHELASTIC_USE_AGENT_STORE") == "True";
    const bool one_machine = by.local_size != nullptr && get(by.local_size) != nullptr &&
                             whole(get, by.local_size, 1, kMostRanks) == out.size;
    std::string job =
        or_nothing(get, by.job) + or_nothing(get, by.step) + or_nothing(get, taken ? "MASTER_PORT" : nullptr);
    if (by.job == nullptr && !one_machine)
      job = or_nothing(get, "SLURM_JOB_ID") + or_nothing(get, "SLURM_STEP_ID");
    std::string hosts = or_nothing(get, by.machines);
    if (hosts.empty()) hosts = or_nothing(get, "SLURM_JOB_NODELIST");
    out.job = hash64(job);
    if (get("MASTER_ADDR") != nullptr)
      out.address = get("MASTER_ADDR");
    else if (!hosts.empty())
      out.address = first_host(hosts);
    else
      RUM_CHECK(one_machine,
                "{} started {} processes on several machines: set MASTER_ADDR to the name of the machine of "
                "rank 0, and MASTER_PORT to a free port there",
                by.name, out.size);
    constexpr uint64_t first = 10000, ports = 20000;  // below those that systems give away by themselves
    // On one machine the processes of a job without a name have their parent in common.
    const uint64_t told = job.empty() ? static_cast<uint64_t>(getppid()) : out.job;
    out.port = static_cast<uint16_t>(first + told % ports);
    if (get("MASTER_PORT") != nullptr && !taken)
      out.port = static_cast<uint16_t>(whole(get, "MASTER_PORT", 1, 65535));
    else
      RUM_CHECK(!job.empty() || get("MASTER_ADDR") == nullptr,
                "MASTER_ADDR is set, but not MASTER_PORT: set it to a free port of {}", out.address);
    return out;
  }
  return {};
}
Launch this_launch() {
  return launch_of([](const char* name) { return std::getenv(name); });
}
}  // namespace rum
