// `ruminate perplexity`: what a trained model says of a text, as one row of statistics, or token by token.
#include <fmt/format.h>

#include <cstdio>

#include "base/error.h"
#include "data/loader.h"
#include "generate/generate.h"
#include "metrics/explain.h"
#include "run/run.h"
#include "text/json.h"
#include "tools/command.h"
#include "tools/lines.h"
#include "tools/options.h"

namespace rum {
namespace {
std::vector<Example> examples_of(const Corpus& corpus, const LoadedRun& run) {
  std::vector<Example> out;
  for (size_t i = 0; i < corpus.texts.size(); ++i) {
    out.push_back(to_example(corpus.texts[i], run.tokenizer));
    const int64_t needed = positions_of(out.back(), {.restart = run.model.config().restart});
    if (needed > run.model.config().context)
      throw FileError(fmt::format(
          "{}: line {} needs {} positions, the model's context holds {}; split the {}", corpus.name,
          corpus.lines[i], needed, run.model.config().context, run.translation() ? "sentence" : "text"));
  }
  return out;
}
std::string number(std::optional<double> v) { return v ? fmt::format("{:.4f}", *v) : "undefined"; }

// One example at a time: its tokens with their statistics, those of the prefix left out.
class Shown {
 public:
  Shown(const Example& e, const std::vector<TokenStats>& stats, const Tokenizer& tokenizer)
      : tokens_(e.tokens.end() - static_cast<std::ptrdiff_t>(stats.size()), e.tokens.end()),
        stats_(stats),
        tokenizer_(tokenizer) {}
  Json json() const {
    Json::Array out;
    for (size_t k = 0; k < stats_.size(); ++k)
      out.push_back(Json::Object{{"token", text(k)},
                                 {"log_p", stats_[k].log_p},
                                 {"rank", stats_[k].rank},
                                 {"entropy", stats_[k].entropy}});
    return out;
  }
  void print(int64_t line) const {
    for (size_t k = 0; k < stats_.size(); ++k)
      fmt::print("{}\t{}\t{}\t{:.6f}\t{}\t{:.6f}\n", line, k + 1, to_json(text(k)), stats_[k].log_p,
                 stats_[k].rank, stats_[k].entropy);
  }

 private:
  std::string text(size_t k) const {
    const Token t = tokens_[k];
    return t == tokenizer_.special(kEos) ? kEos : std::string(tokenizer_.bytes(t));
  }
  std::vector<Token> tokens_;
  const std::vector<TokenStats>& stats_;
  const Tokenizer& tokenizer_;
};

int run(int argc, char** argv) {
  std::string folder, input, explained;
  bool json = false, per_token = false;
  Flags flags("perplexity",
              "What a trained model says of a text: perplexity, bits per byte, ranks, entropy.");
  flags.add("run", folder, "a run folder, a checkpoint or a model file in one")
      .add("--input,-i", input,
           "source<TAB>target lines for a translation model, else texts with blank lines between them; also "
           ".gz and .xz; -: standard input")
      .add("--per-token", per_token,
           "each predicted token: line, number in its text, token, log p, rank, entropy, with tabs between")
      .add("--json", json, kJsonHelp)
      .add("--explain", explained, "print what a measure is");
  if (const auto status = flags.parse(argc, argv)) return *status;
  if (flags.given("--explain")) {
    fmt::print("{}", explain(explained));
    return 0;
  }
  RUM_CHECK(!folder.empty() && !input.empty(), "expected a run folder and --input FILE; --help says more");
  const auto model = load_run(folder);
  const Corpus corpus = parse_corpus(read_uncompressed(input), shown(input), model->config.kind);
  const std::vector<Example> examples = examples_of(corpus, *model);
  const auto stats = text_stats(model->model, examples);
  TokenSums all;
  Json::Array texts;
  if (per_token && !json) fmt::print("line\tnumber\ttoken\tlog_p\trank\tentropy\n");
  for (size_t i = 0; i < examples.size(); ++i) {
    for (const TokenStats& t : stats[i]) all += t;
    const std::vector<Token>& tokens = examples[i].tokens;
    for (size_t k = tokens.size() - stats[i].size(); k + 1 < tokens.size(); ++k)  // all but the end token
      all.bytes += static_cast<int64_t>(model->tokenizer.bytes(tokens[k]).size());
    if (!per_token) continue;
    const Shown shown(examples[i], stats[i], model->tokenizer);
    if (json)
      texts.push_back(Json::Object{{"line", int64_t{corpus.lines[i]}}, {"tokens", shown.json()}});
    else
      shown.print(corpus.lines[i]);
  }
  if (json) {
    Json::Object out{{"model", model->source},
                     {"texts", static_cast<int64_t>(corpus.texts.size())},
                     {"tokens", all.tokens},
                     {"bytes", all.bytes}};
    for (const TokenMeasure& m : token_measures()) {
      const auto v = m.value(all);
      out.emplace_back(m.name, v ? Json(*v) : Json());
    }
    if (per_token) out.emplace_back("per_token", std::move(texts));
    fmt::print("{}\n", to_json(Json(std::move(out)), 1));
  } else if (!per_token) {
    std::string head = fmt::format("{:>8} {:>10}", "texts", "tokens");
    std::string row = fmt::format("{:>8} {:>10}", corpus.texts.size(), all.tokens);
    for (const TokenMeasure& m : token_measures()) {
      head += fmt::format(" {:>14}", m.name);
      row += fmt::format(" {:>14}", number(m.value(all)));
    }
    fmt::print("{}\n{}\n", head, row);
  }
  return 0;
}
const Command command{"perplexity", "what a model says of a text: perplexity, ranks, entropy", run};
}  // namespace
}  // namespace rum
