// `ruminate score`: BLEU of translations against references.
#include <fmt/format.h>

#include <cstdio>

#include "base/error.h"
#include "metrics/bleu.h"
#include "text/json.h"
#include "text/reader.h"
#include "tools/command.h"
#include "tools/options.h"

namespace rum {
namespace {
std::string shown(const std::string& path) { return path == "-" ? "standard input" : path; }
std::vector<std::string> read_lines(const std::string& path) {
  std::vector<std::string> out;
  LineReader reader(path);
  for (std::string_view line; reader.next(line);) out.emplace_back(line);
  if (out.empty()) throw FileError(shown(path) + ": no line in it; expected one sentence a line");
  return out;
}

int run(int argc, char** argv) {
  std::string hypotheses;
  std::vector<std::string> references;
  BleuConfig config;
  bool json = false;
  Flags flags("score", "BLEU of translations, as sacreBLEU computes it.");
  flags.add("--hyp", hypotheses, "translations, one a line; also .gz and .xz; -: standard input", true)
      .add("--ref", references, "references, one a line; several files or --ref several times", true)
      .choice("--tokenize", config.tokenize, "how sentences are cut into words", {"13a", "none"})
      .choice("--smooth", config.smooth, "what an order of n-grams without a match counts",
              {"exp", "floor", "add-k", "none"})
      .add("--lowercase", config.lowercase, "compare in lower case")
      .add("--effective-order", config.effective_order, "leave out orders that nothing reaches")
      .add("--json", json, "one JSON object");
  if (const auto status = flags.parse(argc, argv)) return *status;
  const std::vector<std::string> hyps = read_lines(hypotheses);
  std::vector<Reference> refs;
  for (const std::string& path : references) {
    const std::vector<std::string> lines = read_lines(path);
    refs.emplace_back(lines.begin(), lines.end());
    if (refs.back().size() != hyps.size())
      throw FileError(fmt::format("{} has {} lines, {} has {}; expected the same number", shown(path),
                                  refs.back().size(), shown(hypotheses), hyps.size()));
  }
  const auto metric = make_bleu(config);
  const std::vector<double> sum = count(*metric, hyps, refs).sum();
  const Bleu b = bleu(sum, config);
  const std::string of = signature(*metric, reference_count(refs));
  if (!json) {
    fmt::print("BLEU|{} = {:.1f} {}\n", of, b.score, metric->details(sum));
    return 0;
  }
  const Json out(Json::Object{
      {"name", "BLEU"},
      {"score", b.score},
      {"signature", of},
      {"precisions", Json::Array(b.precisions.begin(), b.precisions.end())},
      {"brevity_penalty", b.brevity_penalty},
      {"hyp_len", b.hyp_len},
      {"ref_len", b.ref_len},
      {"lines", static_cast<int64_t>(hyps.size())},
  });
  fmt::print("{}\n", to_json(out, 1));
  return 0;
}
const Command command{"score", "BLEU of translations against references", run};
}  // namespace
}  // namespace rum
