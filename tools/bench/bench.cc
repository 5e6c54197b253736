// The benchmark of the engine: whole training steps and generation, one JSON line each.
//   build/bench train --model nano|iwslt|gpt2-64|shakespeare|translate --threads N --json
//   build/bench generate --model iwslt --batch 64 --dtype f32|bf16|int8 --json
//   build/bench products --model iwslt --json    the products of a training step, as shares of the FMA peak
//   build/bench scale --model iwslt              what a training step would gain from 4, 16, 64 processors
// The same work as a framework does on the same configuration: dense unpadded batches, learned positions,
// tied head, AdamW with weight decay on matrices alone. `translate` is the small packed prefix model of `make
// train`, `shakespeare` nanoGPT's example for a CPU. With one thread the time is processor time, so other
// programs disturb it little; else the wall clock.
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/mean.h"
#include "base/parallel_log.h"
#include "base/random.h"
#include "base/threads.h"
#include "model/gpt.h"
#include "ops/gemm.h"
#include "tensor/simd.h"
#include "text/json.h"
#include "tools/bench/peak.h"
#include "tools/options.h"
#include "train/step.h"

namespace rum {
namespace {
struct Setup {
  const char* name;
  int64_t layers, heads, width, inner, length, texts, vocab;
  bool packed;  // many short prefix texts, half of each scored, instead of `texts` dense ones
};
constexpr Setup kSetups[] = {{"nano", 6, 6, 384, 1536, 256, 8, 8192, false},
                             {"iwslt", 6, 8, 512, 2048, 128, 16, 8192, false},
                             {"gpt2-64", 12, 12, 768, 3072, 64, 4, 50304, false},
                             {"shakespeare", 4, 4, 128, 512, 64, 12, 65, false},
                             {"translate", 3, 4, 128, 512, 25, 20, 5000, true}};
struct Options {
  std::string model = "iwslt", dtype = "f32";
  int64_t threads = 2, steps = 8, warmup = 3, batch = 64, fresh = 96;
  bool json = false;
};

double peak_rss_mib() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  return static_cast<double>(u.ru_maxrss) / 1024;
}
int64_t page_faults() {  // pages touched for the first time
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  return u.ru_minflt;
}
uint32_t draw(uint32_t i, uint32_t below) {
  return Random{1, Stream::sample}.bits({0, 0, 0, i}).at[0] % below;
}
Tensor ints(const std::vector<int32_t>& v) {
  return Tensor::from<int32_t>(v, {static_cast<int64_t>(v.size())}, DType::i32);
}

// Random tokens, so the loss starts at log(vocabulary) and falls as the batch is memorised.
Batch batch_of(const Setup& s) {
  std::vector<Example> examples;
  const auto vocab = static_cast<uint32_t>(s.vocab);
  uint32_t at = 0;
  BatchShape shape{.tokens = s.length * s.texts, .texts = s.texts};
  int64_t used = 0, scored = 0;
  for (int64_t t = 0; t < s.texts; ++t) {
    Example e;
    const int64_t around = s.packed ? s.length - 7 + static_cast<int64_t>(draw(at++, 15)) : s.length;
    const int64_t length = std::min(around, shape.tokens - used);
    if (length < 4) break;
    for (int64_t i = 0; i < length; ++i) e.tokens.push_back(static_cast<Token>(draw(at++, vocab)));
    e.prefix = s.packed ? static_cast<int32_t>(length / 2) : 0;
    used += length;
    scored += length - e.prefix;
    examples.push_back(std::move(e));
  }
  if (s.packed) {
    shape.scored = scored;
    shape.mask = Mask::prefix;
    shape.restart = true;
  }
  Packed p = pack(examples, shape);
  if (!s.packed)  // dense language modelling: the last token of each text has a target too
    for (int64_t t = 1; t <= s.texts; ++t) {
      const auto last = static_cast<size_t>(t * s.length - 1);
      p.targets[last] = static_cast<int32_t>(draw(at++, vocab));
      p.weights[last] = 1;
      p.total_weight += 1;
    }
  return upload(p);
}
GptConfig config_of(const Setup& s) {
  return {.vocab = s.vocab,
          .context = std::max<int64_t>(s.length, 256),
          .layers = s.layers,
          .heads = s.heads,
          .kv_heads = s.heads,
          .width = s.width,
          .inner = s.inner,
          .dropout = s.packed ? 0.05f : 0.0f};
}
void report(const char* kind, const Options& o, Json::Object more) {
  Json::Object all{{"bench", kind}, {"model", o.model}, {"dtype", o.dtype}, {"threads", o.threads}};
  for (auto& pair : more) all.push_back(std::move(pair));
  all.emplace_back("peak_rss_mib", peak_rss_mib());
  if (o.json) {
    std::printf("%s\n", to_json(all).c_str());
    return;
  }
  for (const auto& [name, value] : all) std::printf("%-14s %s\n", name.c_str(), to_json(value).c_str());
}

// What a step multiplies and adds: its products, and attention as if every token saw its whole text.
double flop_of_step(const Setup& s, const Batch& b) {
  const auto rows = static_cast<double>(b.ids.size()), scored = static_cast<double>(b.targets.size());
  const auto l = static_cast<double>(s.layers), c = static_cast<double>(s.width),
             i = static_cast<double>(s.inner);
  const double after = c * c + 2 * c * i;  // attention, in a layer; in the last one of the scored rows alone
  return 6 * (rows * (l * 3 * c * c + (l - 1) * after) +
              scored * (after + static_cast<double>(s.vocab) * c)) +
         12 * l * c * static_cast<double>(s.length) * rows;
}

// A model with its optimizer, and the batch that each step learns.
struct Training {
  ParameterBlock params;
  const Gpt model;
  AdamW adam;
  Step step;
  const Batch batch;
  uint32_t steps = 0;
  Training(const Options& o, const Setup& s)
      : model(Params(params), config_of(s)),
        adam(materialised(params, o), {.clip = 0}),
        step(params, adam, [this](const Batch& b) { return model.loss(b).loss; }),
        batch(batch_of(s)) {}
  static ParameterBlock& materialised(ParameterBlock& p, const Options& o) {
    p.materialise(DeviceKind::cpu, o.dtype == "bf16" ? DType::bf16 : DType::f32, 1);
    return p;
  }
  void once() { step.run({&batch, 1}, steps++, 3e-4f); }
};

void train(const Options& o, const Setup& s) {
  Training t(o, s);
  std::vector<double> times, peaks;
  double busy = 0;  // processor time of all threads
  int64_t faults = 0;
  for (int64_t i = 0; i < o.warmup + o.steps; ++i) {
    if (i >= o.warmup) peaks.push_back(fma_peak());
    const int64_t faults_before = page_faults();
    const double begin = seconds(o.threads == 1), busy_before = seconds(true);
    t.once();
    if (i < o.warmup) continue;
    times.push_back(seconds(o.threads == 1) - begin);
    busy += seconds(true) - busy_before;
    faults += page_faults() - faults_before;
  }
  const double ms = 1e3 * median(times), best = 1e3 * *std::min_element(times.begin(), times.end());
  const double peak = median(peaks), rate = 1e-6 * flop_of_step(s, t.batch) / ms;
  report("train", o,
         {{"tokens_per_s", 1e3 * static_cast<double>(s.length * s.texts) / ms},
          {"scored_per_s", 1e3 * t.batch.total_weight / ms},
          {"step_ms", ms},
          {"best_step_ms", best},
          {"processor_ms", 1e3 * busy / static_cast<double>(o.steps)},
          {"fma_peak_gflops", peak},
          {"gflops", rate},
          {"share_of_peak", rate / peak},
          {"page_faults_per_step", static_cast<double>(faults) / static_cast<double>(o.steps)},
          {"steps", o.warmup + o.steps},
          {"loss", t.step.loss()},
          {"parameters", t.params.master().size()}});
}

// GFLOP/s of C (m, n) = A (m, k) B (k, n) as a share of the peak around it.
double product_share(int64_t m, int64_t n, int64_t k, GemmFlags f, int64_t steps, bool processor) {
  auto factor = [](int64_t rows, int64_t columns, bool transposed) {
    const Tensor t =
        Tensor::empty(transposed ? Shape{columns, rows} : Shape{rows, columns}, DType::f32, DeviceKind::cpu);
    for (int64_t i = 0; i < t.size(); ++i) t.data<float>()[i] = static_cast<float>(i % 17) - 8;
    return t;
  };
  const Tensor a = factor(m, k, f.transpose_a), b = factor(k, n, f.transpose_b);
  Tensor c = factor(m, n, false);
  gemm(a, b, c, f);
  std::vector<double> shares;
  for (int64_t i = 0; i < steps; ++i) {
    const double before = fma_peak(), begin = seconds(processor);
    gemm(a, b, c, f);
    const double time = seconds(processor) - begin;
    shares.push_back(2e-9 * static_cast<double>(m * n * k) / time / ((before + fma_peak()) / 2));
  }
  return median(shares);
}
// Each linear layer's y = x w', dx = dy w, dw = dy' x; together weighted by how often a step has them.
void products(const Options& o, const Setup& s) {
  struct Layer {
    const char* name;
    int64_t out, in, count;
  };
  const int64_t rows = s.texts * s.length;
  double flop = 0, time = 0;
  Json::Object shares;
  for (const Layer& l :
       {Layer{"qkv", 3 * s.width, s.width, s.layers}, Layer{"project", s.width, s.width, s.layers},
        Layer{"up", s.inner, s.width, s.layers}, Layer{"down", s.width, s.inner, s.layers},
        Layer{"head", s.vocab, s.width, 1}}) {
    auto product = [&](const char* kind, int64_t m, int64_t n, int64_t k, GemmFlags f) {
      const double share = product_share(m, n, k, f, o.steps, o.threads == 1);
      shares.emplace_back(std::string(l.name) + " " + kind, share);
      flop += static_cast<double>(l.count * m * n * k);
      time += static_cast<double>(l.count * m * n * k) / share;
    };
    product("y", rows, l.out, l.in, {.transpose_b = true});
    product("dx", rows, l.in, l.out, {});
    product("dw", l.out, l.in, rows, {.transpose_a = true});
  }
  shares.emplace_back("all", flop / time);
  shares.emplace_back("fma_peak_gflops", fma_peak());
  report("products", o, std::move(shares));
}

// The laps of a step cut into pieces for this many processors, of each piece the fastest
// time of all steps.
std::vector<Lap> laps_of(const Options& o, const Setup& s, int processors) {
  set_threads(processors);
  Training t(o, s);
  std::vector<Lap> best;
  for (int64_t i = 0; i < o.warmup + o.steps; ++i) {
    ParallelLog log;
    t.once();
    log.mark("optimizer");
    if (i <= o.warmup) best = log.laps();
    if (i <= o.warmup) continue;
    RUM_CHECK(log.laps().size() == best.size(), "two steps differ in what they do");
    for (size_t j = 0; j < best.size(); ++j) {
      const Lap& now = log.laps()[j];
      best[j].serial = std::min(best[j].serial, now.serial);
      for (size_t p = 0; p < now.pieces.size(); ++p)
        best[j].pieces[p] = std::min(best[j].pieces[p], now.pieces[p]);
    }
  }
  return best;
}
// Work and span of a training step and, after Graham and Brent (Lap::on), its least speed-up on more
// processors. `share` is of the time on them, `serial` of it outside pieces, `longest` in the longest
// piece of each lap.
void scale(const Options& o, const Setup& s) {
  double alone = 0;
  for (const int processors : {1, 4, 16, 64}) {
    struct Part {
      double time = 0, serial = 0, longest = 0;
      int64_t laps = 0, pieces = 0;
    };
    std::map<std::string, Part> parts;
    double work = 0, span = 0, time = 0, serial = 0;
    for (const Lap& x : laps_of(o, s, processors)) {
      Part& p = parts[x.part];
      p.time += x.on(processors);
      p.serial += x.serial;
      p.longest += x.longest();
      p.laps += !x.pieces.empty();
      p.pieces += static_cast<int64_t>(x.pieces.size());
      work += x.work();
      span += x.span();
      time += x.on(processors);
      serial += x.serial;
    }
    if (processors == 1) alone = time;
    std::printf(
        "%s: %d processors: work %.1f ms, span %.2f ms, %.2f of it serial; at least %.1f times as fast as "
        "one\n",
        s.name, processors, 1e3 * work, 1e3 * span, 1e3 * serial, alone / time);
    std::vector<std::pair<std::string, Part>> by_time(parts.begin(), parts.end());
    std::sort(by_time.begin(), by_time.end(), [](auto& a, auto& b) { return a.second.time > b.second.time; });
    for (const auto& [name, p] : by_time)
      std::printf("  %-28s share %5.1f %%   serial %5.1f %%   longest %5.1f %%   %lld pieces in %lld laps\n",
                  name.c_str(), 100 * p.time / time, 100 * p.serial / time, 100 * p.longest / time,
                  static_cast<long long>(p.pieces), static_cast<long long>(p.laps));
  }
}

// A token from softmax(z): the first whose cumulated probability passes a uniform number of (turn, text).
int32_t draw_token(float* z, int64_t v, uint32_t turn, int64_t text) {
  simd::Vec<float> tops = simd::all(-INFINITY);
  simd::each<float>(0, v, [&](int64_t j, auto n) {
    tops = simd::max(
        tops, n < simd::kLanes<float> ? simd::all(*std::max_element(z + j, z + j + n)) : simd::get(z + j, n));
  });
  const float top = simd::max(tops);
  double sum = 0;
  simd::each<float>(0, v, [&](int64_t j, auto n) {
    const simd::Vec<float> e = simd::first_lanes(simd::exp(simd::get(z + j, n) - top), n);
    simd::put(z + j, e, n), sum += static_cast<double>(simd::sum(e));
  });
  const Bits4 bits = Random{1, Stream::sample}.bits({turn, 0, 0, static_cast<uint32_t>(text)});
  double left = sum * static_cast<double>(Random::uniform(bits.at[0]));
  int64_t j = 0;  // whole vectors are passed over by their sum
  for (; j + simd::kLanes<float> <= v; j += simd::kLanes<float>) {
    const double part = static_cast<double>(simd::sum(simd::read(z + j)));
    if (left < part) break;
    left -= part;
  }
  for (; j < v; ++j)
    if ((left -= static_cast<double>(z[j])) < 0) return static_cast<int32_t>(j);
  return static_cast<int32_t>(v - 1);
}
// Each text draws one token a call at temperature 1, from an empty prompt.
void sample(const Tensor& logits, uint32_t turn, std::vector<int32_t>& ids) {
  const int64_t v = logits.shape()[1];
  by_type(logits.dtype(), [&]<class T> {
    parallel(logits.shape()[0], [&](int64_t i) {
      static thread_local std::vector<float> z;
      z.assign(logits.data<T>() + i * v, logits.data<T>() + (i + 1) * v);
      ids[static_cast<size_t>(i)] = draw_token(z.data(), v, turn, i);
    });
  });
}

void generate(const Options& o, const Setup& s) {
  ParameterBlock params;
  const Gpt model(Params(params), config_of(s));
  const DType type = o.dtype == "bf16" ? DType::bf16 : DType::f32;
  params.materialise(DeviceKind::cpu, type, 1);
  if (o.dtype == "int8") params.quantize();
  Arena arena(DeviceKind::cpu);
  std::vector<double> rates;
  for (int repeat = 0; repeat < 3; ++repeat) {
    Cache cache(s.layers, o.batch, o.fresh, s.width, type, DeviceKind::cpu);
    std::vector<int32_t> ids(static_cast<size_t>(o.batch)), offsets(ids.size() + 1), prefix(ids.size());
    for (size_t i = 0; i < offsets.size(); ++i) offsets[i] = static_cast<int32_t>(i);
    const double begin = seconds(o.threads == 1);
    for (int64_t turn = 0; turn < o.fresh; ++turn) {
      const std::vector<int32_t> at(ids.size(), static_cast<int32_t>(turn));
      const Layout layout{ints(offsets), ints(prefix), ints(at), Mask::causal, &cache};
      {
        Tape tape(arena, Tape::Mode::forward_only);
        sample(model.logits(ints(ids), layout), static_cast<uint32_t>(turn), ids);
      }
      cache.advance(layout.offsets);
      arena.settle();
    }
    rates.push_back(static_cast<double>(o.batch * o.fresh) / (seconds(o.threads == 1) - begin));
  }
  report("generate", o, {{"batch", o.batch}, {"new", o.fresh}, {"tokens_per_s", median(rates)}});
}

int run(int argc, char** argv) {
  Options o;
  std::string kind;
  std::vector<std::string> names;
  for (const Setup& s : kSetups) names.emplace_back(s.name);
  Flags flags("bench",
              "Times training steps, generation and products, and predicts what more processors bring.");
  flags.choice("kind", kind, "what to time", {"train", "generate", "products", "scale"})
      .choice("--model", o.model, "configuration", names)
      .choice("--dtype", o.dtype, "type of the products; int8 in generation alone", {"f32", "bf16", "int8"})
      .add("--threads", o.threads, "threads", 1, 1024)
      .add("--steps", o.steps, "timed steps", 1)
      .add("--warmup", o.warmup, "steps before the timed ones; memory settles in the first three", 0)
      .add("--batch", o.batch, "texts written at once", 1)
      .add("--new", o.fresh, "tokens written for each text", 1)
      .add("--json", o.json, "print one JSON line");
  if (const auto status = flags.parse(argc, argv)) return *status;
  RUM_CHECK(kind == "generate" || o.dtype != "int8",
            "--dtype int8 is for generate: nothing is trained in it");
  set_threads(static_cast<int>(o.threads));
  const Setup& s = *std::find_if(std::begin(kSetups), std::end(kSetups),
                                 [&](const Setup& x) { return o.model == x.name; });
  if (kind == "train") train(o, s);
  if (kind == "generate") generate(o, s);
  if (kind == "products") products(o, s);
  if (kind == "scale") scale(o, s);
  return 0;
}
}  // namespace
}  // namespace rum

int main(int argc, char** argv) try { return rum::run(argc, argv); } catch (const std::exception& e) {
  std::fprintf(stderr, "bench: %s\n", e.what());
  return 1;
}
