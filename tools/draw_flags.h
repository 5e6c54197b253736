// Flags shared by the commands that generate with a model.
#pragma once
#include <memory>
#include <string>

#include "base/error.h"
#include "run/run.h"
#include "tools/options.h"

namespace rum {
// The flags that say where to run, how to draw, and how many texts at once; values not given
// come from the run.
struct DrawFlags {
  Decoding asked;
  std::string device = "auto", dtype = "auto";
  int64_t seed = 1;
  void add(Flags& flags) {
    flags.add("--temperature", asked.temperature, "temperature of the softmax when sampling", 0, 1e3f)
        .add("--top-k", asked.top_k, "sample from the k likeliest tokens; 0: all", 0)
        .add("--top-p", asked.top_p,
             "sample from the fewest likeliest tokens that together have this much probability", 1e-6f, 1)
        .add("--min-p", asked.min_p,
             "sample from tokens with at least this share of the likeliest one's probability", 0, 1)
        .add("--seed", seed, "seed of the sampling", 0, UINT32_MAX)
        .add("--max-new", asked.max_new, "most tokens to generate; 0: as many as the context allows", 0,
             int64_t{1} << 30)
        .add("--repetition-penalty", asked.repetition_penalty,
             "above 1: tokens that the text already contains become less likely", 1e-2f, 100)
        .add("--no-repeat", asked.no_repeat,
             "no sequence of this many tokens is repeated in a text; 0: no limit", 0, 1 << 20)
        .add("--batch", asked.batch,
             "cache slots in flight; changes speed and memory, and on a GPU the last bits of a probability",
             1, 1 << 20)
        .add("--device", device, "auto: a GPU where there is one; cpu; cuda; cuda:1: the second GPU")
        .choice("--dtype", dtype,
                "type of the products: int8 is the fastest on a CPU; auto: int8 for a run of `ruminate "
                "quantize`, else f32",
                {"auto", "f32", "bf16", "int8"});
  }
  std::unique_ptr<LoadedRun> load(const std::string& run) const { return load_run(run, device, dtype); }
  bool any(const Flags& flags) const {
    for (const char* f : {"--temperature", "--top-k", "--top-p", "--min-p", "--seed"})
      if (flags.given(f)) return true;
    return false;
  }
  // `greedy`: what to give instead of a temperature of 0.
  void apply(const Flags& flags, Decoding& d, const char* greedy) const {
    RUM_CHECK(asked.temperature > 0,
              "--temperature 0 would take the likeliest token each time: give {} instead", greedy);
    d.temperature = asked.temperature;
    d.top_k = asked.top_k;
    d.top_p = asked.top_p;
    d.min_p = asked.min_p;
    d.repetition_penalty = asked.repetition_penalty;
    d.no_repeat = asked.no_repeat;
    d.seed = static_cast<uint32_t>(seed);
    d.batch = asked.batch;
    if (flags.given("--max-new")) {
      d.max_new = asked.max_new;
      d.max_ratio = 0;
    }
  }
};
}  // namespace rum
