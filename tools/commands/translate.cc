// `ruminate translate` and `ruminate generate`: a trained model writes, for each line of a file or after a
// prompt.
#include "generate/translate.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/shell.h"
#include "data/loader.h"
#include "generate/best_of.h"
#include "generate/generate.h"
#include "generate/passage.h"
#include "generate/pool.h"
#include "run/environment.h"
#include "run/provenance.h"
#include "text/reader.h"
#include "text/unicode.h"
#include "text/words.h"
#include "tools/command.h"
#include "tools/options.h"
#include "train/evaluate.h"

namespace rum {
namespace {
// The flags that say where to run, how to draw, and how many texts at once; values not given come from the
// run.
struct DrawFlags {
  Decoding asked;
  std::string device = "auto", dtype = "auto";
  int64_t seed = 1;
  void add(Flags& flags) {
    flags.add("--temperature", asked.temperature, "of the softmax when drawing", 0, 1e3f)
        .add("--top-k", asked.top_k, "draw from the k likeliest tokens; 0: all", 0)
        .add("--top-p", asked.top_p, "draw from the fewest likeliest tokens with this much probability",
             1e-6f, 1)
        .add("--min-p", asked.min_p, "draw from tokens with this share of the likeliest one's probability", 0,
             1)
        .add("--seed", seed, "of the random draws", 0, UINT32_MAX)
        .add("--max-new", asked.max_new, "most tokens to write; 0: as far as the context allows", 0,
             int64_t{1} << 30)
        .add("--batch", asked.batch,
             "cache slots in flight; changes speed and memory, and on a GPU the last bits of a probability",
             1, 1 << 20)
        .add("--device", device, "auto: a GPU where there is one; cpu; cuda; cuda:1: the second GPU")
        .choice("--dtype", dtype,
                "of the products: int8 is the fastest on a CPU; auto: int8 for a run of `ruminate quantize`, "
                "else f32",
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
    d.temperature = asked.temperature, d.top_k = asked.top_k, d.top_p = asked.top_p, d.min_p = asked.min_p;
    d.seed = static_cast<uint32_t>(seed), d.batch = asked.batch;
    if (flags.given("--max-new")) d.max_new = asked.max_new, d.max_ratio = 0;
  }
};

// --best-of and what chooses.
struct BestOfFlags {
  int64_t samples = 0;
  std::string choose = "mbr", utility = "chrf1", reverse, lm;
  ChannelWeights weights;
  std::unique_ptr<LoadedRun> reverse_run, lm_run;
  std::optional<BestOf> best_of;

  void add(Flags& flags) {
    flags
        .add("--best-of", samples, "draw this many translations beside the greedy one and keep the best", 1,
             1024)
        .choice(
            "--choose", choose,
            "with --best-of: mbr, the one most like the others; channel, the likeliest by log p(y|x)/|y| + "
            "reverse-weight log p(x|y)/|x| + lm-weight log p(y)/|y|",
            {"mbr", "channel"})
        .choice("--utility", utility,
                "of mbr: chrF of beta 1 or 2 (which prefers long ones), or sentence BLEU",
                {"chrf1", "chrf2", "bleu"})
        .add("--reverse", reverse, "of channel: a run that translates from target to source")
        .add("--lm", lm, "of channel: a run of plain text in the target language")
        .add("--reverse-weight", weights.reverse, "of channel")
        .add("--lm-weight", weights.lm, "of channel; needs --lm");
  }
  // Null without --best-of. What it points to lives as long as these flags.
  const BestOf* read(const Flags& flags, const DrawFlags& draws) {
    const bool channel = choose == "channel";
    for (const char* f : {"--choose", "--utility", "--reverse", "--lm", "--reverse-weight", "--lm-weight"})
      RUM_CHECK(samples > 0 || !flags.given(f), "{} needs --best-of", f);
    for (const char* f : {"--reverse", "--lm", "--reverse-weight", "--lm-weight"})
      RUM_CHECK(channel || !flags.given(f), "{} needs --choose channel", f);
    if (samples == 0) return nullptr;
    if (!channel) return &best_of.emplace(best_by_mbr(samples, utility));
    RUM_CHECK(!flags.given("--utility"), "--utility needs --choose mbr");
    RUM_CHECK(!reverse.empty(), "--choose channel needs --reverse RUN, a model from target to source");
    RUM_CHECK(!lm.empty() || !flags.given("--lm-weight"), "--lm-weight needs --lm");
    if (lm.empty()) weights.lm = 0;
    reverse_run = draws.load(reverse);
    if (!lm.empty()) lm_run = draws.load(lm);
    return &best_of.emplace(best_by_channel(samples, *reverse_run, lm_run.get(), weights));
  }
};

// The lines to translate. What is unfit is told of on standard error and stays empty, so that one bad line
// does not cost the others: a tab, bytes that are not UTF-8, a character that the tokenizer does not have,
// more tokens than the context holds.
class Sources {
 public:
  Sources(const LoadedRun& run, const std::string& input, const std::string& on_long)
      : run_(run),
        on_long_(on_long),
        reader_(input, kLineLimit, Form::nfc) {}
  // False at the end. `source` is empty for a line without anything to translate.
  bool next(std::string& source) {
    source.clear();
    std::string_view line;
    try {
      if (!reader_.next(line)) return false;
    } catch (const LineError& e) {
      leave_out(e.what());
      return true;
    }
    if (blank_line(line)) return true;
    if (line.find('\t') != std::string_view::npos)
      leave_out(fmt::format("{} has a tab; expected one sentence a line (`cut -f1` takes the first column)",
                            place()));
    else
      source = fitting(line);
    return true;
  }
  bool ready() const { return reader_.ready(); }
  int64_t lines() const { return reader_.line(); }
  // What the program ends with: 1 when lines were left out, after saying how many.
  int status() const {
    if (cut_ > 0) fmt::print(stderr, "{}: {} of {} lines were cut\n", reader_.path(), cut_, lines());
    if (left_out_ > 0)
      fmt::print(stderr, "{}: {} of {} lines were left out; their translations are empty\n", reader_.path(),
                 left_out_, lines());
    return left_out_ > 0;
  }

 private:
  std::string place() const { return fmt::format("{}: line {}", reader_.path(), reader_.line()); }
  void leave_out(const std::string& why) {
    ++left_out_;
    fmt::print(stderr, "{}; left out\n", why);
  }
  std::string fitting(std::string_view line) {
    std::vector<Token> tokens;
    try {
      tokens = run_.tokenizer.encode(line);
    } catch (const Error& e) {  // a character that it does not have
      leave_out(fmt::format("{}: {}", place(), e.what()));
      return "";
    }
    if (translatable(run_, line)) return std::string(line);
    const std::string why = fmt::format(
        "{} has {} tokens with its separator, the model's context holds {}: nothing can be written after it",
        place(), source_prompt(line, run_.tokenizer).prefix, run_.model.config().context);
    if (on_long_ == "fail") throw FileError(why + "; split the sentence, or give --on-long skip or cut");
    if (on_long_ == "skip") {
      leave_out(why);
      return "";
    }
    ++cut_;
    tokens.resize(std::min(tokens.size(), static_cast<size_t>(run_.model.config().context / 2)));
    std::string text = run_.tokenizer.decode(tokens);
    text.resize(std::min(text.size(), find_invalid_utf8(text)));  // half a character
    fmt::print(stderr, "{}; its first {} tokens are translated\n", why, tokens.size());
    return text;
  }
  const LoadedRun& run_;
  const std::string on_long_;
  LineReader reader_;
  int64_t left_out_ = 0, cut_ = 0;
};

// How translations are written: one per line, with what the flags ask for before it.
class Translator {
 public:
  Translator(const LoadedRun& run, Decoding decoding, const BestOf* best_of, bool scores)
      : run_(run),
        decoding_(decoding),
        best_of_(best_of),
        scores_(scores) {}

  // What is written for the next lines of the input. An empty line stays empty.
  std::string translate(const std::vector<std::string>& sources) {
    std::vector<std::string> there;
    for (const std::string& source : sources)
      if (!source.empty()) there.push_back(source);
    const auto written = translations(run_, there, decoding_, best_of_);
    decoding_.first += static_cast<uint32_t>(there.size());
    const std::vector<Candidate> nothing(1);
    std::string out;
    size_t k = 0;
    for (const std::string& source : sources) {
      ++lines_;
      for (const Candidate& c : source.empty() ? nothing : written[k++]) {
        if (decoding_.best > 1) out += fmt::format("{}\t", lines_);
        if (scores_) out += fmt::format("{:.6f}\t", c.log_prob);
        out += c.text + '\n';
      }
    }
    return out;
  }

 private:
  const LoadedRun& run_;
  Decoding decoding_;
  const BestOf* best_of_;
  bool scores_;
  int64_t lines_ = 0;
};

// --jsonl: all of the input is read first, then the file grows.
int translate_pool(const LoadedRun& run, Sources& from_input, const Decoding& d, const BestOf* best_of,
                   const Provenance& from, const std::string& output) {
  std::vector<std::string> sources;
  for (std::string source; from_input.next(source);) sources.push_back(source);
  const auto n = static_cast<int64_t>(sources.size());
  Progress progress;
  const double start = seconds_now();
  const int64_t had = generate_file(
      run, sources, d, from, output,
      [&](int64_t lines, int64_t before) {
        const double left =
            (seconds_now() - start) / static_cast<double>(lines - before) * static_cast<double>(n - lines);
        progress.status(fmt::format("{}: {} of {} lines, {} left", output, lines, n, duration(left)));
      },
      best_of);
  progress.line(fmt::format("{}: {} lines, {} of them were there, {}; {}", output, n, had,
                            duration(seconds_now() - start), from.decoding));
  return from_input.status();
}

bool is_pipe(int file) {
  struct stat s;
  return fstat(file, &s) == 0 && S_ISFIFO(s.st_mode);
}
// Lines are translated many at once; with `flush` no more than have come, so that each is answered.
void translate_lines(Sources& input, Translator& translator, OutputFile& output, bool flush) {
  constexpr size_t kLines = 4096;
  const bool typed = flush && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
  std::vector<std::string> sources;
  const auto answer = [&] {
    output.write(translator.translate(sources));
    sources.clear();
  };
  std::string source;
  while (true) {
    if (typed) fmt::print(stderr, "> ");
    if (!input.next(source)) break;
    sources.push_back(source);
    if (sources.size() == kLines || (flush && !input.ready())) answer();
  }
  answer();
}

int translate(int argc, char** argv) {
  std::string folder, input = "-", output = "-";
  Decoding search{.beam = 4};
  int64_t best = 1;
  bool sample = false, scores = false, jsonl = false;
  std::string generator, on_long = "skip";
  bool flush = false;
  int64_t generation = 1;
  DrawFlags draws;
  BestOfFlags best_of;
  Flags flags("translate", "Translates lines with a trained model: one sentence per line, in and out.");
  flags.add("run", folder, "a run folder, a checkpoint or a model file in one", true)
      .add("--input,-i", input, "text file, plain or compressed; -: standard input")
      .add("--output,-o", output,
           "file to write, whole or not at all; a pipe, a device or -, standard output: as it comes")
      .choice(
          "--on-long", on_long,
          "a line longer than the context: skip it (an empty translation, exit status 1), cut it, or fail",
          {"skip", "cut", "fail"})
      .add("--flush", flush, "answer each line as it comes; on by itself on a terminal or a pipe")
      .add("--beam", search.beam, "hypotheses kept; 1: greedy (as the run was evaluated unless given)", 1,
           1024)
      .add("--length-penalty", search.length_penalty, "beams are ranked by log p / length^penalty", 0, 10)
      .add("--sample", sample, "draw instead of search")
      .add("--n-best", best, "translations per line, each after the line's number and a tab", 1, 1024)
      .add("--scores", scores, "the natural log-probability and a tab before each translation")
      .add("--jsonl", jsonl,
           "JSON lines with source, log-probability and provenance, appended to --output; started again, it "
           "continues where the file ends")
      .add("--generator", generator, "with --jsonl: the name to note; the run's unless given")
      .add("--generation", generation,
           "with --jsonl: 1 for a model of human text, 2 for one of text of 1, ...", 1, 1 << 20);
  draws.add(flags);
  best_of.add(flags);
  if (const auto status = flags.parse(argc, argv)) return *status;
  const bool several = best_of.samples > 0;
  RUM_CHECK(sample || several || !draws.any(flags),
            "--temperature, --top-k, --top-p, --min-p and --seed need --sample or --best-of");
  RUM_CHECK(!several || !(sample || flags.given("--beam") || best > 1),
            "--best-of excludes --sample, --beam and --n-best");
  RUM_CHECK(!jsonl || (output != "-" && !scores),
            "--jsonl needs --output with a file, and excludes --scores");
  RUM_CHECK(!jsonl || best == 1 || sample, "--jsonl with --n-best needs --sample");
  RUM_CHECK(jsonl || !(flags.given("--generator") || flags.given("--generation")),
            "--generator and --generation need --jsonl");
  RUM_CHECK(!sample || !flags.given("--beam"), "--sample and --beam exclude each other");
  std::optional<OutputFile> written;
  if (jsonl)
    check_output(output);
  else
    written.emplace(output);
  const auto run = draws.load(folder);
  RUM_CHECK(run->translation(),
            "{} is a model of plain text; `ruminate generate {} --prompt TEXT` writes with it", folder,
            shell_quoted(folder));
  Decoding d = run->config.decoding;
  draws.apply(flags, d, "--beam 1 without --sample");
  if (flags.given("--beam")) d.beam = search.beam;
  if (flags.given("--length-penalty")) d.length_penalty = search.length_penalty;
  if ((d.sample = sample)) d.beam = 1;
  d.best = best;
  if (!sample && !flags.given("--beam")) d.beam = std::max(d.beam, best);

  const BestOf* chosen = best_of.read(flags, draws);
  Sources sources(*run, input, on_long);
  if (jsonl) {
    Provenance from = provenance_of(*run, d, generation);
    if (chosen) from.decoding = describe(*chosen, d) + type_note(*run);
    if (!generator.empty()) from.generator = generator;
    return translate_pool(*run, sources, d, chosen, from, output);
  }
  Translator translator(*run, d, chosen, scores);
  const double start = seconds_now();
  const bool live = input == "-" && (isatty(STDIN_FILENO) || is_pipe(STDIN_FILENO));
  translate_lines(sources, translator, *written, flush || live);
  written->finish();
  if (output != "-")
    fmt::print(stderr, "{}: {} lines translated in {:.1f} s with {}\n", output, sources.lines(),
               seconds_now() - start, run->source);
  return sources.status();
}

int generate(int argc, char** argv) {
  constexpr int64_t kPart = 512;  // texts at once
  std::string folder, prompt;
  int64_t count = 1;
  bool greedy = false;
  DrawFlags draws;
  Flags flags("generate", "Continues a prompt with a model of plain text.");
  flags.add("run", folder, "a run folder, a checkpoint or a model file in one", true)
      .add("--prompt", prompt, "the beginning of the text", true)
      .add("--count", count, "texts to write", 1, UINT32_MAX)
      .add("--greedy", greedy, "always take the likeliest token instead of drawing");
  draws.add(flags);
  if (const auto status = flags.parse(argc, argv)) return *status;
  RUM_CHECK(!greedy || (!draws.any(flags) && count == 1), "--greedy writes one text and draws nothing");
  const auto run = draws.load(folder);
  RUM_CHECK(!run->translation(), "{} translates; `ruminate translate {}` does it line by line", folder,
            shell_quoted(folder));
  const size_t bad = find_invalid_utf8(prompt);
  RUM_CHECK(bad == std::string::npos, "--prompt: byte {} is not UTF-8", bad);
  Prompt p;
  run->tokenizer.encode(prompt, p.tokens);
  RUM_CHECK(!p.tokens.empty(), "--prompt is empty: the model needs a token to start from");
  if (run->tokenizer.begin() >= 0) p.tokens.insert(p.tokens.begin(), run->tokenizer.begin());
  RUM_CHECK(room(run->model, p) > 0,
            "--prompt has {} tokens, the model's context holds {}: nothing can be written after it",
            p.tokens.size(), run->model.config().context);
  Decoding d;
  draws.apply(flags, d, "--greedy");
  d.sample = !greedy;
  for (int64_t at = 0; at < count; at += kPart) {  // written as they come
    d.first = static_cast<uint32_t>(at);
    const auto texts =
        write_passages(run->model, p.tokens, run->tokenizer.end(), d, std::min(kPart, count - at));
    for (const std::vector<Token>& text : texts)
      fmt::print("{}{}\n", prompt, run->tokenizer.decode(std::span(text).subspan(p.tokens.size())));
    if (std::fflush(stdout) != 0) throw FileError("standard output: cannot be written");
  }
  return 0;
}

const Command translate_command{"translate", "translate lines with a trained model", translate};
const Command generate_command{"generate", "write on after a prompt", generate};
}  // namespace
}  // namespace rum
