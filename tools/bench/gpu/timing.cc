#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>

#include "autograd/tape.h"
#include "base/error.h"
#include "base/mean.h"
#include "base/random.h"
#include "ops/gemm.h"
#include "tools/bench/gpu/bench.h"

namespace rum::bench {
namespace {
double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
const char* name(DType t) { return t == DType::bf16 ? "bf16" : "f32"; }

// What is recorded is given back when the measurement ends, however it does.
struct Recorded {
  Backend& backend;
  void* graph = nullptr;
  ~Recorded() {
    if (graph) backend.discard(graph);
  }
  void record(const std::function<void()>& work) {
    if (!backend.begin_recording()) return;
    try {
      work();
    } catch (...) {
      try {
        graph = backend.end_recording();
      } catch (const Error&) {  // the cause is above
      }
      throw;
    }
    graph = backend.end_recording();
  }
};
std::string milliseconds(double s) { return fmt::format("{:.4f} ms", 1e3 * s); }
}  // namespace

double seconds(const Work& work, const Sizes& sizes) {
  Backend& backend = Backend::of(kCuda);
  Arena arena(kCuda);
  auto runs = [&](int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      Tape tape(arena, Tape::Mode::forward_only);
      work.run();
    }
  };
  auto timed = [&](const std::function<void()>& f) {
    backend.wait();
    const double begin = now();
    f();
    backend.wait();
    return now() - begin;
  };
  runs(1);  // the arena grows, products choose their algorithm
  backend.wait();
  arena.settle();
  runs(1);
  const double once = timed([&] { runs(1); });
  const auto count = static_cast<int64_t>(std::clamp(std::ceil(sizes.burst / once), 1.0, 500.0));
  Recorded recorded{backend};
  if (!work.eager) recorded.record([&] { runs(count); });
  auto burst = [&] { recorded.graph ? backend.replay(recorded.graph) : runs(count); };
  burst();
  std::vector<double> times;
  for (int i = 0; i < sizes.rounds; ++i) times.push_back(timed(burst) / static_cast<double>(count));
  return median(times);
}

// One piece from the host, copied on the device until it fills all.
Tensor filled(Shape shape, DType type) {
  const Tensor t = Tensor::empty(shape, type, kCuda);
  const int64_t piece = std::min<int64_t>(t.size(), 1 << 16);
  Backend& backend = Backend::of(kCuda);
  by_type(type, [&]<class T> {
    std::vector<T> numbers;
    for (uint32_t i = 0; i < piece; ++i)
      numbers.push_back(
          static_cast<T>(2 * Random::uniform(Random{1, Stream::sample}.bits({0, 0, 0, i}).at[0]) - 1));
    backend.upload(t.data<T>(), numbers.data(), numbers.size() * sizeof(T));
    for (int64_t done = piece; done < t.size(); done *= 2)
      backend.copy(t.data<T>() + done, t.data<T>(),
                   static_cast<size_t>(std::min(done, t.size() - done)) * sizeof(T));
  });
  backend.wait();
  return t;
}
Tensor random_ids(int64_t n, int64_t below, uint32_t seed) {
  std::vector<int32_t> v;
  for (uint32_t i = 0; std::ssize(v) < n; ++i)
    v.push_back(static_cast<int32_t>(Random{seed, Stream::sample}.bits({0, 0, 0, i}).at[0] %
                                     static_cast<uint32_t>(below)));
  return Tensor::from<int32_t>(v, {n}, DType::i32, kCuda);
}

void Report::heading(const std::string& title) {
  std::printf("\n%s | type | time | rate | share\n--- | --- | ---: | ---: | ---:\n", title.c_str());
}
void Report::row(const std::string& name, const std::string& type, const std::string& time,
                 const std::string& rate, const std::string& share, Json::Object more) {
  std::printf("%s | %s | %s | %s | %s\n", name.c_str(), type.c_str(), time.c_str(), rate.c_str(),
              share.c_str());
  std::fflush(stdout);
  Json::Object all{{"name", name}, {"type", type}};
  for (auto& pair : more) all.push_back(std::move(pair));
  lines.push_back(to_json(all));
}

namespace {
struct Peak {  // per second, of this run
  double copy = 0;
  std::map<DType, double> product = {};
};
// Returns the seconds that its runs take of a training step.
double measure(const Case& c, const char* part, const Sizes& sizes, Peak& peak, Report& report) try {
  const Work work = c.make(sizes);
  const double s = seconds(work, sizes), rate = (work.flops > 0 ? work.flops : work.bytes) / s;
  double& limit = work.flops > 0 ? peak.product[c.type] : peak.copy;
  if (limit == 0) limit = rate;  // limits() come first
  report.row(
      c.name, name(c.type), milliseconds(s),
      work.flops > 0 ? fmt::format("{:.1f} TFLOP/s", rate / 1e12) : fmt::format("{:.0f} GB/s", rate / 1e9),
      fmt::format("{:.0f} %", 100 * rate / limit),
      {{"part", part},
       {"ms", 1e3 * s},
       {work.flops > 0 ? "tflop_per_s" : "gb_per_s", rate / (work.flops > 0 ? 1e12 : 1e9)},
       {"share", rate / limit}});
  return work.in_step * s;
} catch (const OutOfMemory& e) {
  report.row(c.name, name(c.type), "-", "out of memory", "-", {{"part", part}, {"error", e.what()}});
  return NAN;
}
}  // namespace

void step_beside(double sum_of_kernels, const Sizes&, Report&);  // model.cc
bool Only::takes(const Case& c) const {
  return c.name.find(name) != std::string::npos && (type.empty() || type == bench::name(c.type));
}
void kernels_and_step(const Sizes& sizes, const Only& only, Report& report) {
  if (gemm_choices.load) gemm_choices.load("");  // time the algorithms, as a training run does
  Peak peak;
  report.heading("limit");
  for (const Case& c : limits()) measure(c, "limit", sizes, peak, report);
  bool any = false;
  auto table = [&](const char* part, const std::vector<Case>& cases) {
    double sum = 0;
    report.heading(part);
    for (const Case& c : cases)
      if (only.takes(c)) {
        sum += measure(c, part, sizes, peak, report);
        any = true;
      }
    return sum;
  };
  const double sum = table("kernel", kernels(DType::bf16));
  table("kernel", kernels(DType::f32));
  table("ladder", ladder());
  RUM_CHECK(any, "no kernel has \"{}\" in its name{}", only.name,
            only.type.empty() ? "" : " and is there in " + only.type);
  if (only.all()) step_beside(sum, sizes, report);
}
}  // namespace rum::bench
