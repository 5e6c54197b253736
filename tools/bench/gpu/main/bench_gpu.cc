// The program of `make bench-gpu`; tools/bench/gpu.sh runs it beside the peers and writes the evidence.
//   build/bench-gpu device|kernels|train|generate [--texts 64] [--json FILE] [--only NAME] [--type bf16]
#include <cstdio>
#include <exception>
#include <fstream>

#include "base/error.h"
#include "tools/bench/gpu/bench.h"
#include "tools/options.h"

namespace rum::bench {
namespace {
int run(int argc, char** argv) {
  std::string part, json;
  Sizes sizes;
  Only only;
  int64_t texts = sizes.texts;
  bool small = false;
  Flags flags("bench-gpu", "Times the kernels, the training step and generation on a GPU.");
  flags
      .choice("part", part, "what to time; device: only say which GPU",
              {"device", "kernels", "train", "generate"})
      .add("--texts", texts, "texts of 1024 tokens in a batch: fewer for a card with less memory", 1)
      .add("--only", only.name, "of kernels: those with this in their name, as attention_backward")
      .choice("--type", only.type, "of kernels: those of this type", {"bf16", "f32"})
      .add("--json", json, "append each result to this file, a JSON object a line")
      .add("--tiny", small, "sizes that take seconds: shows that all of it runs, the times mean nothing");
  if (const auto status = flags.parse(argc, argv)) return *status;
  sizes.texts = texts;
  if (small) sizes = tiny();
  const std::string gpu =
      Backend::of(kCuda).describe();  // where there is none it says so before anything else
  if (part == "device") std::printf("device: %s\n", gpu.c_str());
  Report report;
  if (part == "kernels") kernels_and_step(sizes, only, report);
  if (part == "train") train(sizes, report);
  if (part == "generate") generate(sizes, report);
  if (json.empty()) return 0;
  std::ofstream out(json, std::ios::app);
  for (const std::string& line : report.lines) out << line << '\n';
  out.close();
  if (!out) throw FileError("bench-gpu: cannot write " + json);
  return 0;
}
}  // namespace
}  // namespace rum::bench

int main(int argc, char** argv) try {
  return rum::bench::run(argc, argv);
} catch (const rum::OutOfMemory& e) {
  std::fprintf(stderr, "bench-gpu: %s: take fewer texts (TEXTS=16 make bench-gpu)\n", e.what());
  return 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "bench-gpu: %s\n", e.what());
  return 1;
}
