// `ruminate translate`: a trained model writes a translation of each line.
#include "generate/translate.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/clock.h"
#include "base/error.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/say.h"
#include "base/shell.h"
#include "base/stop.h"
#include "data/clean.h"
#include "data/loader.h"
#include "generate/best_of.h"
#include "generate/generated.h"
#include "generate/long_lines.h"
#include "run/provenance.h"
#include "run/run.h"
#include "text/reader.h"
#include "text/table.h"
#include "text/typed_lines.h"
#include "text/unicode.h"
#include "text/words.h"
#include "tools/command.h"
#include "tools/draw_flags.h"
#include "tools/interrupt.h"
#include "train/evaluate.h"

namespace rum::translate_command {
namespace {
// --best-of and what chooses.
struct BestOfFlags {
  int64_t samples = 0;
  std::string choose = "mbr", utility = "chrf1", reverse, lm;
  ChannelWeights weights;
  std::unique_ptr<LoadedRun> reverse_run, lm_run;
  std::optional<BestOf> best_of;

  void add(Flags& flags) {
    flags
        .add("--best-of", samples, "sample this many translations besides the greedy one and keep the best",
             1, 1024)
        .choice(
            "--choose", choose,
            "with --best-of: mbr, the one most like the others; channel, the likeliest by log p(y|x)/|y| + "
            "reverse-weight log p(x|y)/|x| + lm-weight log p(y)/|y|",
            {"mbr", "channel"})
        .choice("--utility", utility,
                "for mbr: chrF of beta 1 or 2 (which prefers long ones), or sentence BLEU",
                {"chrf1", "chrf2", "bleu"})
        .add("--reverse", reverse, "for channel: a run that translates from target to source")
        .add("--lm", lm, "for channel: a plain-text run in the target language")
        .add("--reverse-weight", weights.reverse, "for channel")
        .add("--lm-weight", weights.lm, "for channel; needs --lm");
  }
  // Null without --best-of. What it points to lives as long as these flags.
  const BestOf* read(const Flags& flags, const DrawFlags& draws) {
    const bool channel = choose == "channel";
    flags.need(samples > 0, "--best-of",
               {"--choose", "--utility", "--reverse", "--lm", "--reverse-weight", "--lm-weight"});
    flags.need(channel, "--choose channel", {"--reverse", "--lm", "--reverse-weight", "--lm-weight"});
    if (samples == 0) return nullptr;
    if (!channel) return &best_of.emplace(best_by_mbr(samples, utility));
    flags.need(false, "--choose mbr", {"--utility"});
    RUM_CHECK(!reverse.empty(), "--choose channel needs --reverse RUN, a model from target to source");
    flags.need(!lm.empty(), "--lm", {"--lm-weight"});
    if (lm.empty()) weights.lm = 0;
    reverse_run = draws.load(reverse);
    if (!lm.empty()) lm_run = draws.load(lm);
    return &best_of.emplace(best_by_channel(samples, *reverse_run, lm_run.get(), weights));
  }
};

struct Line {
  std::string source;  // as it was read; empty where there is nothing to translate, or no UTF-8
  std::string text;    // what is translated of it
};
// The lines to translate. Of what is unfit nothing is translated, and standard error says so, so that one bad
// line does not cost the others: a tab, bytes that are not UTF-8, a character that the tokenizer does not have,
// more tokens than the context holds.
class Sources {
 public:
  Sources(const LoadedRun& run, const std::string& input, const std::string& on_long,
          const Instruction* instruction)
      : run_(run),
        instruction_(instruction),
        on_long_(on_long) {
    try {
      longest_ = longest_source(run);
    } catch (const FileError& e) {  // it can be done without
      say("{}", e.what());
    }
    if (input == "-" && isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
      typed_.emplace("translate");
    else
      reader_.emplace(input, kLineLimit, Form::nfc);
  }
  bool next(Line& out) {  // false at the end
    out = {};
    std::string_view line;
    try {
      if (typed_ ? !type(line) : !reader_->next(line)) return false;
    } catch (const LineError& e) {
      leave_out(e.what());
      return true;
    }
    if (blank_line(line)) return true;
    out.source = line;
    if (line.find('\t') != std::string_view::npos)
      leave_out(fmt::format("{} has a tab; expected one sentence a line (`cut -f1` takes the first column)",
                            place()));
    else
      out.text = fitting(line);
    longer_ += longest_ && count_words(line) > *longest_;
    return true;
  }
  bool ready() const { return reader_ && reader_->ready(); }
  int64_t lines() const { return typed_ ? typed_lines_ : reader_->line(); }
  int64_t cut() const { return cut_; }
  // What the program ends with: 1 when lines were left out, after saying how many.
  int status() const {
    if (longer_ > 0)
      say("{}: {} of {} lines have more than the {} words that training had; such lines are often translated "
          "badly: split them into sentences",
          path(), counted(longer_), counted(lines()), counted(*longest_));
    if (cut_ > 0) say("{}: {} of {} lines were cut", path(), cut_, lines());
    if (left_out_ > 0)
      say("{}: {} of {} lines were left out; their translations are empty", path(), left_out_, lines());
    return left_out_ > 0;
  }

 private:
  std::string path() const { return typed_ ? "standard input" : reader_->path(); }
  std::string place() const { return fmt::format("{}: line {}", path(), lines()); }
  // What is typed next, as it would be read from a file.
  bool type(std::string_view& line) {
    auto next = typed_->next("> ");
    if (!next) return false;
    ++typed_lines_;
    const size_t bad = find_invalid_utf8(*next);
    if (bad != std::string::npos) throw LineError(fmt::format("{}: byte {} is not UTF-8", place(), bad + 1));
    held_ = nfc(*next);
    line = held_;
    return true;
  }
  void leave_out(const std::string& why) {
    ++left_out_;
    say("{}; left out", why);
  }
  std::string fitting(std::string_view line) {
    std::vector<Token> tokens;
    try {
      tokens = run_.tokenizer.encode(line);
      if (translatable(run_, line, instruction_)) return std::string(line);
    } catch (const Error& e) {  // a character that it does not have
      leave_out(fmt::format("{}: {}", place(), e.what()));
      return "";
    }
    const std::string why =
        fmt::format("{} has {} tokens, the model's context holds {}: nothing can be written after it",
                    place(), tokens.size() + 1, run_.model.config().context);
    if (on_long_ == "fail") throw FileError(why + "; give --on-long split, skip or cut");
    if (on_long_ == "split") return std::string(line);
    if (on_long_ == "skip") {
      leave_out(why);
      return "";
    }
    ++cut_;
    tokens.resize(std::min(tokens.size(), static_cast<size_t>(run_.model.config().context / 2)));
    std::string text = run_.tokenizer.decode(tokens);
    text.resize(std::min(text.size(), find_invalid_utf8(text)));  // half a character
    say("{}; its first {} tokens are translated", why, tokens.size());
    return text;
  }
  const LoadedRun& run_;
  const Instruction* instruction_;
  const std::string on_long_;
  std::optional<LineReader> reader_;
  std::optional<TypedLines> typed_;  // or at a terminal
  std::string held_;                 // what was typed last
  std::optional<int64_t> longest_;   // words of a source in training
  int64_t typed_lines_ = 0, left_out_ = 0, cut_ = 0, longer_ = 0;
};

void warn_of_cut_off(const LoadedRun& run, int64_t cut_off, int64_t all) {
  if (cut_off > 0)
    say("{} of {} translations end where the context of {} tokens does", cut_off, all,
        run.model.config().context);
}

// How translations are written: one per line, with what the flags ask for before it.
class Translator {
 public:
  Translator(const LoadedRun& run, Decoding decoding, const BestOf* best_of, const Instruction* instruction,
             bool scores, bool split)
      : run_(run),
        decoding_(decoding),
        best_of_(best_of),
        instruction_(instruction),
        scores_(scores),
        split_(split) {}

  // What is written for the next lines of the input. An empty line stays empty.
  std::string translate(const std::vector<std::string>& sources) {
    std::vector<std::string> there;
    std::vector<size_t> parts;  // of each source
    for (const std::string& source : sources) {
      const std::vector<std::string> all = parts_of(source);
      there.insert(there.end(), all.begin(), all.end());
      parts.push_back(all.size());
    }
    const auto written = translations(run_, there, decoding_, best_of_, instruction_, [this](int64_t texts) {
      under_way_ = texts;
      leave_if(interrupted);
    });
    under_way_ = 0;
    for (size_t i = 0; i < there.size(); ++i)
      for (const Candidate& c : written[i]) {
        ++written_;
        cut_off_ += fills_context(run_, there[i], c, instruction_);
      }
    decoding_.first += static_cast<uint32_t>(there.size());
    std::string out;
    size_t at = 0;
    for (const size_t n : parts) {
      ++lines_;
      out += n == 1 ? line_of(written[at]) : joined(std::span(written).subspan(at, n));
      at += n;
    }
    return out;
  }
  int64_t done() const { return lines_ + under_way_; }  // lines, or of the last ones their parts
  // After the last line: what nobody would see in the translations.
  void warn() const {
    warn_of_cut_off(run_, cut_off_, written_);
    if (too_long_ > 0) say("{} words are longer than the context and were left out", too_long_);
  }

 private:
  // What is translated for a source: with --on-long split in parts that leave half of the context for their
  // translations.
  std::vector<std::string> parts_of(const std::string& source) {
    const int64_t half = (run_.model.config().context + 1) / 2;
    return split_to_fit(
        source, [&](std::string_view s) { return !split_ || translatable(run_, s, instruction_, half); },
        [&](std::string_view word) {
          const bool possible = translatable(run_, word, instruction_);
          too_long_ += !possible;
          return possible;
        });
  }
  std::string line_of(std::span<const Candidate> all) const {
    std::string out;
    for (const Candidate& c : all) {
      if (decoding_.best > 1) out += fmt::format("{}\t", lines_);
      if (scores_) out += fmt::format("{:.6f}\t", c.log_prob);
      out += c.text + '\n';
    }
    return out;
  }
  // The best translations of the parts of one line, or of none of an empty one, as if they were one.
  std::string joined(std::span<const std::vector<Candidate>> parts) const {
    Candidate all{"", parts.empty() ? NAN : 0, 0, false};
    for (const std::vector<Candidate>& part : parts) {
      all.text += (all.text.empty() ? "" : " ") + part.front().text;
      all.log_prob += part.front().log_prob;
    }
    return line_of({&all, 1});
  }
  const LoadedRun& run_;
  Decoding decoding_;
  const BestOf* best_of_;
  const Instruction* instruction_;
  bool scores_, split_;
  int64_t lines_ = 0, under_way_ = 0, written_ = 0, cut_off_ = 0, too_long_ = 0;
};

// --jsonl: all of the input is read first, then the file grows.
int translate_pool(const LoadedRun& run, Sources& from_input, const Decoding& d, const BestOf* best_of,
                   const Instruction* instruction, Provenance from, const std::string& output) {
  std::vector<std::string> sources;
  Instead instead;
  for (Line line; from_input.next(line);) {
    if (line.text != line.source) instead.emplace(std::ssize(sources), std::move(line.text));
    sources.push_back(std::move(line.source));
  }
  if (from_input.cut() > 0) from.decoding += " long sources cut";
  const auto n = static_cast<int64_t>(sources.size());
  Progress progress;
  const double start = seconds_now();
  listen_for_interrupts();
  int64_t there = 0, had = 0;
  const auto report = [&](int64_t lines, int64_t before) {
    there = lines;
    if (lines == before) return;
    const double left =
        (seconds_now() - start) / static_cast<double>(lines - before) * static_cast<double>(n - lines);
    progress.status(fmt::format("{}: {} of {} lines, {} left", output, lines, n, duration(left)));
  };
  try {
    had = generate_file(run, sources, d, from, output, report, interrupted, best_of, instruction, instead);
  } catch (const Interrupted&) {
    progress.line(
        fmt::format("stopped: {} has {} of {} lines; the same command continues", output, there, n));
    return 130;
  }
  progress.line(fmt::format("{}: {} lines, {} of them were there, {}; {}", output, n, had,
                            duration(seconds_now() - start), from.decoding));
  Disk::real().append(output, "");  // of no sources there is a file, too
  const std::vector<Generated> all = read_generated(output);
  warn_of_cut_off(run, count_filling_context(run, all, instruction, instead), std::ssize(all));
  return from_input.status();
}

// Whether someone writes the lines while they are read: into a pipe, whatever its name, or at a terminal.
bool is_live(const std::string& input) {
  if (input == "-" && isatty(STDIN_FILENO)) return true;
  struct stat s;
  return (input == "-" ? fstat(STDIN_FILENO, &s) : stat(input.c_str(), &s)) == 0 && S_ISFIFO(s.st_mode);
}
// Lines are translated many at once; with `flush` no more than have come, so that each is answered.
void translate_lines(Sources& input, Translator& translator, OutputFile& output, bool flush) {
  constexpr size_t kLines = 4096;
  std::vector<std::string> sources;
  const auto answer = [&] {
    output.write(translator.translate(sources));
    sources.clear();
  };
  for (Line line; input.next(line);) {
    sources.push_back(std::move(line.text));
    if (sources.size() == kLines || (flush && !input.ready())) answer();
  }
  answer();
}

// What the command line asks for.
struct Options {
  std::string folder, input = "-", output = "-", on_long = "skip", generator;
  Decoding search{.beam = 4};
  int64_t best = 1, generation = 1;
  bool sample = false, scores = false, jsonl = false, flush = false;
  Instruction instruction;
  DrawFlags draws;
  BestOfFlags best_of;

  void add(Flags& flags) {
    flags.add("run", folder, "a run folder, a checkpoint or a model file in one", true)
        .add("--input,-i", input, "text file, plain or compressed; -: standard input")
        .add("--output,-o", output,
             "file to write, whole or not at all; a pipe, a device or -, standard output: as it comes")
        .choice(
            "--on-long", on_long,
            "a line longer than the context: skip it (an empty translation, exit status 1), cut it to half "
            "of the context, split it where its sentences end, into parts no longer than that, and join "
            "their translations, or fail",
            {"skip", "cut", "split", "fail"})
        .add("--flush", flush, "answer each line as it comes; the default on a terminal or a pipe")
        .add("--template", instruction.text,
             "for a plain-text model that follows instructions: the prompt, with {source} in it; its "
             "first line is the translation")
        .add("--chat", instruction.chat,
             "the template is a user's message, in the chat format of the model's family")
        .add("--beam", search.beam, "hypotheses kept; 1: greedy (by default as the run was evaluated)", 1,
             1024)
        .add("--length-penalty", search.length_penalty, "beams are ranked by log p / length^penalty", 0, 10)
        .add("--sample", sample, "sample instead of searching")
        .add("--n-best", best, "translations per line, each after the line's number and a tab", 1, 1024)
        .add("--scores", scores, "the natural log-probability and a tab before each translation")
        .add("--jsonl", jsonl,
             "JSON lines with source, log-probability and provenance, appended to --output once all of the "
             "input is read; started again, it continues where the file ends")
        .add("--generator", generator, "with --jsonl: the name to record; by default the run's")
        .add("--generation", generation,
             "with --jsonl: 1 for a model of human text, 2 for one of text of 1, ...", 1, 1 << 20);
    draws.add(flags);
    best_of.add(flags);
  }
  // Error: flags that contradict each other.
  void check(const Flags& flags) const {
    const bool several = best_of.samples > 0;
    RUM_CHECK(sample || several || !draws.any(flags),
              "--temperature, --top-k, --top-p, --min-p and --seed need --sample or --best-of");
    RUM_CHECK(!several || !(sample || flags.given("--beam") || best > 1),
              "--best-of excludes --sample, --beam and --n-best");
    RUM_CHECK(!jsonl || (output != "-" && !scores),
              "--jsonl needs --output with a file, and excludes --scores");
    RUM_CHECK(!jsonl || best == 1 || sample, "--jsonl with --n-best needs --sample");
    flags.need(jsonl, "--jsonl", {"--generator", "--generation"});
    flags.need(!jsonl, "lines of text: --jsonl writes many at once", {"--flush"});
    RUM_CHECK(!sample || !flags.given("--beam"), "--sample and --beam exclude each other");
    RUM_CHECK(told() ? on_long != "cut" && on_long != "split" : !instruction.chat,
              "--chat needs --template, and --template excludes --on-long cut and split");
    if (told()) rum::check(instruction);
    RUM_CHECK(best == 1 || on_long != "split",
              "--n-best excludes --on-long split, which joins the best translations of a line's parts");
    RUM_CHECK(!jsonl || on_long != "split",
              "--jsonl excludes --on-long split: a source has one translation there");
  }
  // With a model that translates or, told how, one that continues text.
  std::unique_ptr<LoadedRun> load() const {
    auto run = draws.load(folder);
    RUM_CHECK(run->translation() || told(),
              "{} is a plain-text model; `ruminate generate {} --prompt TEXT` runs it, and one that "
              "follows instructions translates with --template",
              folder, shell_quoted(folder));
    RUM_CHECK(!run->translation() || !told(),
              "{} is a translation model, which needs no prompt: leave out --template", folder);
    if (told())
      instructed(run->tokenizer, instruction, "", run->config.chat);  // what would fail for every line
    return run;
  }
  const Instruction* told() const { return instruction.text.empty() ? nullptr : &instruction; }
  Decoding decoding(const Flags& flags, const LoadedRun& run) const {
    Decoding d = told() ? answering({}) : run.config.decoding;
    draws.apply(flags, d, "--beam 1 without --sample");
    if (flags.given("--beam")) d.beam = search.beam;
    if (flags.given("--length-penalty")) d.length_penalty = search.length_penalty;
    if ((d.sample = sample)) d.beam = 1;
    d.best = best;
    if (!sample && !flags.given("--beam")) d.beam = std::max(d.beam, best);
    RUM_CHECK(sample || best <= d.beam, "--n-best {} needs --beam {} or more, or --sample", best, best);
    flags.need(d.beam > 1 && best_of.samples == 0, "a beam search: --beam above 1, no --sample or --best-of",
               {"--length-penalty"});
    return d;
  }
  Provenance provenance(const LoadedRun& run, const Decoding& d, const BestOf* chosen) const {
    Provenance from = provenance_of(run, d, generation);
    if (chosen) from.decoding = describe(*chosen, d) + type_note(run);
    if (told()) from.decoding += describe(*told());
    if (!generator.empty()) from.generator = generator;
    return from;
  }
};

int translate(int argc, char** argv) {
  Options o;
  Flags flags("translate", "Translates lines with a trained model: one sentence per line, in and out.");
  o.add(flags);
  if (const auto status = flags.parse(argc, argv)) return *status;
  o.check(flags);
  std::vector<std::string> read{o.input};
  for (const std::string& run : {o.folder, o.best_of.reverse, o.best_of.lm})
    for (std::string& file : files_to_keep(run)) read.push_back(std::move(file));
  std::optional<OutputFile> written;
  if (o.jsonl) {
    o.output = check_output_file(o.output, read);
  } else {
    check_output(o.output, read);
    written.emplace(o.output);
  }
  const auto run = o.load();
  const Decoding d = o.decoding(flags, *run);
  const BestOf* const chosen = o.best_of.read(flags, o.draws);
  Sources sources(*run, o.input, o.on_long, o.told());
  if (o.jsonl)
    return translate_pool(*run, sources, d, chosen, o.told(), o.provenance(*run, d, chosen), o.output);
  Translator translator(*run, d, chosen, o.told(), o.scores, o.on_long == "split");
  const double start = seconds_now();
  // What has been translated of a file that appears whole or not at all is lost: whoever stops it is told.
  const bool live = is_live(o.input);
  if (o.output != "-" && !is_device(o.output) && !live) listen_for_interrupts();
  try {
    translate_lines(sources, translator, *written, o.flush || live);
  } catch (const Interrupted&) {
    say("stopped after {} lines, which are lost: {} is written whole or not at all; with --jsonl what is "
        "translated is kept, and the same command continues",
        translator.done(), o.output);
    return 130;
  }
  written->finish();
  if (o.output != "-")
    say("{}: {} lines translated in {:.1f} s with {}", o.output, sources.lines(), seconds_now() - start,
        run->source);
  translator.warn();
  return sources.status();
}

const Command command{"translate", "translate lines with a trained model", translate};
}  // namespace
}  // namespace rum::translate_command
