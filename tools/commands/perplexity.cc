// `ruminate perplexity`: what a trained model says about a text, as one row of statistics, or token by token.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/output.h"
#include "base/say.h"
#include "data/loader.h"
#include "generate/log_probs.h"
#include "generate/scoring_batch.h"
#include "metrics/explain.h"
#include "page/page.h"
#include "run/run.h"
#include "serve/text_page.h"
#include "text/html.h"
#include "text/json.h"
#include "text/unpack.h"
#include "tools/command.h"
#include "tools/lines.h"
#include "tools/options.h"

namespace rum::perplexity_command {
namespace {
// What the model is asked about. One bad line does not cost the others: what is unfit is reported on standard
// error and left out; what is longer than the context, by --on-long.
struct Asked {
  std::vector<Example> examples;
  std::vector<int32_t> lines;   // where each begins
  std::vector<int64_t> before;  // how many tokens were predicted in earlier pieces of its text
  int64_t left_out = 0, cut = 0;
  std::string name;  // of the file

  Asked(const std::string& input, const LoadedRun& run, const std::string& on_long, int64_t unpack_ratio) {
    if (run.config.windows == Windows::documents)
      read_texts(input, run, on_long, unpack_ratio);
    else
      read_windows(read_stream(input, unpack_ratio), run);
  }
  // What the program ends with: 1 when lines were left out, after saying how many.
  int status() const {
    if (cut > 0) say("{}: texts cut: {}", name, cut);
    if (left_out > 0) say("{}: lines left out: {}", name, left_out);
    return left_out > 0;
  }

 private:
  void read_texts(const std::string& input, const LoadedRun& run, const std::string& on_long,
                  int64_t unpack_ratio) {
    ReadRules rules{.skip_bad = true, .unpack_ratio = unpack_ratio};
    rules.passed_over = [](const std::string& why) { say("{}; left out", why); };
    const Corpus corpus = read_corpus(input, run.config.kind, rules);
    name = corpus.name;
    left_out = corpus.skipped;
    for (size_t i = 0; i < corpus.texts.size(); ++i) {
      Example e;
      try {
        e = to_example(corpus.texts[i], run.tokenizer);
      } catch (const Error& why) {  // a character that the tokenizer does not have
        say("{}: line {}: {}; left out", name, corpus.lines[i], why.what());
        ++left_out;
        continue;
      }
      if (!run.translation() && e.tokens.size() > 1)
        e.goes_on = true;  // its last token is predicted, and not read
      if (fits(e, run))
        add(std::move(e), corpus.lines[i], 0);
      else
        add_long(corpus.texts[i], std::move(e), corpus.lines[i], run, on_long);
    }
  }
  void read_windows(const Corpus& stream, const LoadedRun& run) {
    name = stream.name;
    add_pieces(stream, 1, run);
  }
  // A text as validation reads it, in pieces: each of its tokens but the first is predicted once.
  void add_pieces(const Corpus& text, int32_t line, const LoadedRun& run) {
    const bool documents = run.config.windows == Windows::documents;
    const int64_t context = run.model.config().context;
    const TokenCorpus tokens = tokenize(text, run.tokenizer, {.tokens = context}, context,
                                        documents ? Windows::documents : Windows::stream_in_order);
    int64_t predicted = 0;
    for (size_t i = 0; i < tokens.pieces.size(); ++i) {
      add(tokens.example(i), line, predicted);
      const std::span<const Token> read(examples.back().tokens);
      const std::string passed = run.tokenizer.decode(read.first(read.size() - 1));
      line += static_cast<int32_t>(std::count(passed.begin(), passed.end(), '\n'));
      predicted += std::ssize(read) - 1;
    }
  }
  void add(Example e, int32_t line, int64_t predicted) {
    examples.push_back(std::move(e));
    lines.push_back(line);
    before.push_back(predicted);
  }
  static bool fits(const Example& e, const LoadedRun& run) {
    return positions_needed(run.model, e) <= run.model.config().context;
  }
  void add_long(const Pair& text, Example e, int32_t line, const LoadedRun& run, const std::string& on_long) {
    const std::string why = fmt::format("{}: line {} needs {} positions, the model's context holds {}", name,
                                        line, positions_needed(run.model, e), run.model.config().context);
    if (on_long == "fail")
      throw FileError(fmt::format("{}; split the {}, or give --on-long skip or cut", why,
                                  run.translation() ? "sentence" : "text"));
    const size_t before = examples.size();
    if (on_long == "cut" && run.translation()) {
      const auto least = static_cast<size_t>(e.prefix) + 1;  // a token to say something of
      while (e.tokens.size() > least && !fits(e, run)) e.tokens.pop_back();
      if (fits(e, run)) add(std::move(e), line, 0);
    } else if (on_long == "cut") {
      add_pieces(make_corpus(name, {text}, CorpusKind::documents), line, run);
    }
    const bool kept = examples.size() > before;
    say("{}; {}", why, kept ? "cut" : "left out");
    ++(kept ? cut : left_out);
  }
};
std::string number(std::optional<double> v) { return v ? fmt::format("{:.4f}", *v) : "undefined"; }

// One example at a time: its tokens with their statistics, those of the prefix left out.
class Shown {
 public:
  Shown(const Example& e, const std::vector<metrics::TokenStats>& stats, const Tokenizer& tokenizer)
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
  void print(int64_t line, int64_t before) const {
    for (size_t k = 0; k < stats_.size(); ++k)
      fmt::print("{}\t{}\t{}\t{:.6f}\t{}\t{:.6f}\n", line, before + static_cast<int64_t>(k) + 1,
                 to_json(text(k)), stats_[k].log_p, stats_[k].rank, stats_[k].entropy);
  }

 private:
  std::string text(size_t k) const { return serve::token_text(tokenizer_, tokens_[k]); }
  std::vector<Token> tokens_;
  const std::vector<metrics::TokenStats>& stats_;
  const Tokenizer& tokenizer_;
};

using Stats = std::vector<std::vector<metrics::TokenStats>>;  // of each example
void write_page(OutputFile& written, const LoadedRun& run, const Asked& asked, const Stats& stats,
                const metrics::TokenSums& all) {
  constexpr size_t kMostTokens = 10000;  // of a page that a browser shows at once: under 2 MB
  page::Page page;
  page::Table t{fmt::format("What {} says of {}.", escape_html(run.source), escape_html(asked.name)),
                "",
                {{"Measure"}, {"value"}}};
  t.rows.push_back({"texts", page::counted(static_cast<int64_t>(asked.examples.size()))});
  t.rows.push_back({"tokens", page::counted(all.tokens)});
  for (const metrics::TokenMeasure& m : metrics::token_measures()) {
    const auto v = m.value(all);
    t.rows.push_back({m.name, v ? page::measured(*v) : "undefined"});
  }
  page.section("In numbers");
  page.table(t);
  page.section("Token by token");
  page.put(page::heat_legend());
  size_t shown = 0, i = 0;
  for (; i < asked.examples.size() && shown < kMostTokens; ++i) {
    const auto tokens = serve::shown_tokens(run, asked.examples[i], stats[i]);
    page.put(page::heat_map(tokens));
    shown += tokens.size();
  }
  if (i < asked.examples.size())
    page.put(fmt::format("<p class=\"soft\">{} more texts are not shown.</p>\n", asked.examples.size() - i));
  written.write(page.html("Perplexity of " + asked.name, ""));
  written.finish();
}

metrics::TokenSums sums_of(const Asked& asked, const Stats& stats, const Tokenizer& tokenizer) {
  metrics::TokenSums all;
  for (size_t i = 0; i < stats.size(); ++i) {
    for (const metrics::TokenStats& t : stats[i]) all += t;
    const std::vector<Token>& tokens = asked.examples[i].tokens;
    GrowingDecode text(tokenizer);
    for (auto k = static_cast<size_t>(asked.examples[i].prefix); k < tokens.size();
         ++k) {  // the end token has none
      const auto bytes = static_cast<int64_t>(text.add(tokens[k]).size());
      if (k >= tokens.size() - stats[i].size()) all.bytes += bytes;
    }
  }
  return all;
}
void print_tokens(const Asked& asked, const Stats& stats, const Tokenizer& tokenizer) {
  fmt::print("line\tnumber\ttoken\tlog_p\trank\tentropy\n");
  for (size_t i = 0; i < stats.size(); ++i)
    Shown(asked.examples[i], stats[i], tokenizer).print(asked.lines[i], asked.before[i]);
}
void print_json(const LoadedRun& run, const Asked& asked, const Stats& stats, const metrics::TokenSums& all,
                bool per_token) {
  Json::Object out{{"model", run.source},        {"texts", static_cast<int64_t>(stats.size())},
                   {"tokens", all.tokens},       {"bytes", all.bytes},
                   {"left_out", asked.left_out}, {"cut", asked.cut}};
  for (const metrics::TokenMeasure& m : metrics::token_measures()) {
    const auto v = m.value(all);
    out.emplace_back(m.name, v ? Json(*v) : Json());
  }
  Json::Array texts;
  for (size_t i = 0; per_token && i < stats.size(); ++i)
    texts.push_back(Json::Object{{"line", int64_t{asked.lines[i]}},
                                 {"before", asked.before[i]},
                                 {"tokens", Shown(asked.examples[i], stats[i], run.tokenizer).json()}});
  if (per_token) out.emplace_back("per_token", std::move(texts));
  fmt::print("{}\n", to_json(Json(std::move(out)), 1));
}
void print_row(const Asked& asked, const metrics::TokenSums& all) {
  std::string head = fmt::format("{:>8} {:>10}", "texts", "tokens");
  std::string row = fmt::format("{:>8} {:>10}", asked.examples.size(), all.tokens);
  for (const metrics::TokenMeasure& m : metrics::token_measures()) {
    head += fmt::format(" {:>14}", m.name);
    row += fmt::format(" {:>14}", number(m.value(all)));
  }
  fmt::print("{}\n{}\n", head, row);
}

// What the command line asks for.
struct Options {
  std::string folder, input, explain, page, on_long = "skip", dtype = "auto";
  int64_t unpack_ratio = kUnpackRatio;
  bool json = false, per_token = false;
  std::optional<OutputFile> written;  // the page, opened before the work

  void add(Flags& flags) {
    flags.add("run", folder, "a run folder, a checkpoint or a model file in one")
        .add("--input,-i", input,
             fmt::format(
                 "source<TAB>target lines for a translation model; texts with empty lines between them, or "
                 "one text where the model was trained on windows of a stream; {}; -: standard input",
                 kPackedHelp))
        .choice("--on-long", on_long,
                "a text longer than the context: skip it (exit status 1; pairs unless given), cut it (plain "
                "text unless given, into pieces as training does; of a pair the end is cut off), or fail",
                {"skip", "cut", "fail"})
        .choice("--dtype", dtype,
                "type of the products; auto: int8 for a run of `ruminate quantize`, else f32",
                {"auto", "f32", "bf16", "int8"})
        .add("--unpack-ratio", unpack_ratio, "how many times its size a compressed file may expand to", 1)
        .add("--per-token", per_token,
             "for each predicted token: line, its number in its text, token, log p, rank, entropy, "
             "tab-separated")
        .add("--html", page, "write a page to this file: the texts, each token coloured by its probability")
        .add("--json", json, kJsonHelp)
        .add("--explain", explain, kExplainHelp);
  }
  // Error: what is missing, or flags that contradict each other. FileError: a page that cannot be written.
  void check() {
    RUM_CHECK(!folder.empty() && !input.empty(),
              "expected a run folder and --input FILE; --help lists the options");
    RUM_CHECK(page.empty() || !(json || per_token), "--html excludes --json and --per-token");
    std::vector<std::string> read = files_to_keep(folder);
    read.push_back(input);
    if (page.empty()) return;
    check_output(page, read);
    written.emplace(page);
  }
  // And settles what becomes of long texts, which depends on the model.
  std::unique_ptr<LoadedRun> load(const Flags& flags) {
    auto run = load_run(folder, "cpu", dtype);
    flags.need(run->config.windows == Windows::documents,
               "a model of pairs or documents: this one reads a stream in windows", {"--on-long"});
    if (!flags.given("--on-long") && !run->translation()) on_long = "cut";
    return run;
  }
};

int run(int argc, char** argv) {
  Options o;
  Flags flags("perplexity",
              "What a trained model says about a text: perplexity, bits per byte, ranks, entropy.");
  o.add(flags);
  if (const auto status = flags.parse(argc, argv)) return *status;
  if (flags.given("--explain")) {
    fmt::print("{}", metrics::explain(o.explain));
    return 0;
  }
  o.check();
  const auto model = o.load(flags);
  const Asked asked(o.input, *model, o.on_long, o.unpack_ratio);
  const Stats stats = text_stats(model->model, asked.examples);
  const metrics::TokenSums all = sums_of(asked, stats, model->tokenizer);
  if (o.written)
    write_page(*o.written, *model, asked, stats, all);
  else if (o.json)
    print_json(*model, asked, stats, all, o.per_token);
  else if (o.per_token)
    print_tokens(asked, stats, model->tokenizer);
  else
    print_row(asked, all);
  return asked.status();
}
const Command command{"perplexity", "what a model says about a text: perplexity, ranks, entropy", run};
}  // namespace
}  // namespace rum::perplexity_command
