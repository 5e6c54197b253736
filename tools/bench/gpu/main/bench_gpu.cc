// The program of `make bench-gpu`; tools/bench/gpu.sh runs it beside the peers and writes the evidence.
//   build/bench-gpu kernels|train|generate [--texts 64] [--json FILE]
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
  int64_t texts = sizes.texts;
  bool small = false;
  Flags flags("bench-gpu", "Times the kernels, the training step and generation on a GPU.");
  flags.choice("part", part, "what to time", {"kernels", "train", "generate"})
      .add("--texts", texts, "texts of 1024 tokens in a batch: fewer for a card with less memory", 1)
      .add("--json", json, "append each result to this file, a JSON object a line")
      .add("--tiny", small, "sizes for the emulation: shows that all of it runs, the times mean nothing");
  if (const auto status = flags.parse(argc, argv)) return *status;
  sizes.texts = texts;
  if (small) sizes = tiny();
  std::printf("device: %s\n", Backend::of(kCuda).describe().c_str());
  Report report;
  part == "kernels" ? kernels_and_step(sizes, report)
  : part == "train" ? train(sizes, report)
                    : generate(sizes, report);
  if (json.empty()) return 0;
  std::ofstream out(json, std::ios::app);
  for (const std::string& line : report.lines) out << line << '\n';
  out.close();
  if (!out) throw FileError("bench-gpu: cannot write " + json);
  return 0;
}
}  // namespace
}  // namespace rum::bench

int main(int argc, char** argv) try { return rum::bench::run(argc, argv); } catch (const std::exception& e) {
  std::fprintf(stderr, "bench-gpu: %s\n", e.what());
  return 1;
}
