// How a run begins: its threads, its steps, what its processes agree on, and its first line.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/threads.h"
#include "train/state.h"

namespace rum {
namespace {
// Of several processes on a machine each takes its share of the processors, within what its
// launcher lets it use.
int thread_count(const RunConfig& c, const Ranks& ranks) {
  if (c.threads > 0) return static_cast<int>(c.threads);
  const int share = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)) / ranks.local_size();
  return ranks.local_size() == 1 ? threads() : std::min(threads(), std::max(share, 1));
}
}  // namespace

DeviceKind agreed_device(const std::string& name, Ranks& ranks) {
  const DeviceKind picked = pick_device(name, ranks.local_size() > 1 ? ranks.local_rank() : -1);
  ranks.check_same(static_cast<uint64_t>(picked),
                   fmt::format("{}, which it picked for run.device = {},",
                               picked == DeviceKind::cpu ? "the CPU" : "a GPU", name));
  return picked;
}

Trainer::Trainer(RunConfig c, Progress& p, bool resume, Purpose purpose, Ranks& ranks) {
  if (!resume) check_config(c);  // a resumed one's is first compared with its checkpoint's
  RUM_CHECK(c.parts % ranks.size() == 0,
            "{} processes cannot share a step of batch.parts = {}: set it to a multiple of {} that divides "
            "batch.micro_batches",
            ranks.size(), c.parts, ranks.size());
  set_threads(thread_count(c, ranks));
  try {
    state_ = std::make_unique<State>(std::move(c), p, resume, purpose, ranks);
  } catch (const OutOfMemory& e) {
    throw OutOfMemory(fmt::format(
        "{}: the weights, their gradients and AdamW's moments do not fit; use a smaller model, or see what "
        "needs how much with --dry-run",
        e.what()));
  }
  state_->check_ranks();
}
Trainer::~Trainer() = default;

// All processes must agree on these, or they would diverge. Machines may have different numbers of threads.
void Trainer::State::check_ranks() const {
  RunConfig shared = config;
  shared.threads = 0;
  ranks.check_same(hash64(build_id()), "its build of the program");
  ranks.check_same(hash64(to_toml(shared)), "its config");
  ranks.check_same(static_cast<uint64_t>(start ? start->step : -1), "its newest checkpoint");
  for (const Fingerprint& f : task->fingerprints()) ranks.check_same(hash64(f.hash), f.name);
}
Mine Trainer::State::mine() const {
  return [this](int64_t micro_batch) {
    return ranks.computes(micro_batch / (config.micro_batches / config.parts));
  };
}

// train.target_tokens and train.epochs become a number of steps.
void Trainer::State::resolve_steps() {
  const Loader& loader = task->loader();
  const int64_t tokens = std::exchange(config.target_tokens, 0), steps = tokens > 0 ? 0 : config.steps;
  config.steps = loader.steps();
  const int64_t reached = tokens > 0 ? loader.target_tokens(config.steps) : config.steps;
  const int64_t asked = tokens > 0 ? tokens : steps;
  if (reached >= asked) {
    RUM_CHECK(tokens == 0 || config.schedule.warmup <= config.steps,
              "schedule.warmup = {} is more than the steps that train.target_tokens = {} makes, {}",
              config.schedule.warmup, tokens, config.steps);
    return;
  }
  asked_steps = steps, asked_tokens = tokens;
  config.schedule.warmup = std::min(config.schedule.warmup, config.steps / 10);
  const double epochs =
      loader.epoch(config.steps) * static_cast<double>(asked) / static_cast<double>(reached);
  task->notes.push_back(
      fmt::format("{} = {} would be {:.3g} epochs; train.epochs = {} makes it {} steps, with a warm-up of {}",
                  tokens > 0 ? "train.target_tokens" : "train.steps", asked, epochs, config.epochs,
                  config.steps, config.schedule.warmup));
}

void Trainer::State::introduce() {
  for (const std::string& note : task->notes) progress.line(note);
  const std::string resumed = done > 0 ? fmt::format(", resumed at step {},", done) : "";
  const std::string shared = ranks.size() > 1 ? fmt::format(", in {} processes", ranks.size()) : "";
  progress.line(fmt::format(
      "{}: {} parameters, {} training {}, {} steps of {} tokens ({:.1f} epochs){} on {}{}", folder.path,
      params.numbers(), task->texts(), config.windows == Windows::documents ? "texts" : "windows",
      config.steps, config.tokens * config.micro_batches, task->loader().epoch(config.steps), resumed,
      Backend::of(device).describe(), shared));
}
}  // namespace rum
