// `ruminate chat`: translations written by a hosted model, and pairs as chat lines for its fine-tuning.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/say.h"
#include "generate/hosted.h"
#include "text/json.h"
#include "text/reader.h"
#include "text/unpack.h"
#include "text/words.h"
#include "tools/command.h"
#include "tools/options.h"

namespace rum::chat_command {
namespace {
// Has the server translate what the file does not hold yet; says how many answers of the whole file are cut
// off or refused. Was any refused?
bool ask(const std::vector<std::string>& sources, const ChatConfig& c, int64_t generation,
         const std::string& output) {
  Progress progress;
  const double start = seconds_now();
  const int64_t had = chat_file(
      sources, c, provenance_of(c, generation), output,
      [&](int64_t lines, int64_t) {
        progress.status(fmt::format("{}: {} of {} lines", output, lines, sources.size()));
      },
      [&](const std::string& why) { progress.line(why); });
  progress.line(fmt::format("{}: {} lines, {} of them were there, {}", output, sources.size(), had,
                            duration(seconds_now() - start)));
  Disk::real().append(output, "");  // of no sources there is a file, too
  const auto all = read_generated(output);
  const auto cut = std::count_if(all.begin(), all.end(),
                                 [](const Generated& g) { return !g.finished && !g.target.empty(); });
  if (cut > 0)
    say("{}: {} of {} answers are cut off, at the limit of tokens or by the server: \"finished\" is false "
        "there",
        output, cut, all.size());
  const auto is_refused = [](const Generated& g) { return g.target.empty() && !blank_line(g.source); };
  const auto refused = std::count_if(all.begin(), all.end(), is_refused);
  if (refused > 0)
    say("{}: {} of {} sources were refused; their targets are empty. To ask again, cut the file off before "
        "line {}, the first of them, and type the same command",
        output, refused, sources.size(), std::find_if(all.begin(), all.end(), is_refused) - all.begin() + 1);
  return refused > 0;
}
// A line each. One that is not readable is empty, and nobody is asked; how many there are.
std::pair<std::vector<std::string>, int64_t> sources_of(const std::string& path) {
  std::vector<std::string> sources;
  int64_t unread = 0;
  LineReader reader(path);
  while (true) {
    std::string_view line;
    try {
      if (!reader.next(line)) return {std::move(sources), unread};
      sources.emplace_back(line);
    } catch (const LineError& e) {
      say("{}", e.what());
      sources.emplace_back();
      ++unread;
    }
  }
}
int chat(int argc, char** argv) {
  ChatConfig c;
  std::string input, output, pairs, key_variable, parameters = "{}";
  int64_t generation = 1;
  Flags flags(
      "chat",
      "Has a hosted model write translations: one source per line in, generated pairs out, as JSON lines "
      "with provenance; started again, it continues where the file ends. Or turns pairs into lines for "
      "fine-tuning.");
  flags.text("--system", c.system, "the system message, e.g. \"Translate German into English.\"", true)
      .add("--output,-o", output, "file to write; of --pairs also -, standard output", true)
      .add("--input,-i", input, fmt::format("sources, one per line; {}", kPackedHelp))
      .add("--pairs", pairs,
           "instead of --input: source<TAB>target lines, written as chat lines for fine-tuning")
      .add("--url", c.url, "any server that speaks OpenAI's protocol, up to /v1: https://api.openai.com/v1")
      .add("--model", c.model, "the model, as the server names it")
      .add("--key-from", key_variable, "the environment variable that holds the key; none: no key is sent")
      .add("--temperature", c.temperature, "sampling temperature; 0: the likeliest token", 0)
      .add("--max-tokens", c.max_tokens, "longest answer, in tokens", 1, 1 << 20)
      .add("--seed", c.seed, "seed of the sampling; a server may ignore it", 0, UINT32_MAX)
      .add("--parameters", parameters,
           "JSON: further parameters of a request; null leaves one out. Reasoning models of OpenAI's need "
           "'{\"temperature\": null, \"max_tokens\": null, \"max_completion_tokens\": 4096}'")
      .add("--timeout", c.timeout, "seconds allowed for one request", .001, 1e6)
      .add("--tries", c.tries,
           "of one source, with pauses of 1, 2, 4 ... seconds, or what the server asks for", 1, 100)
      .add("--per-minute", c.per_minute, "limit on requests per minute; 0: none", 0)
      .add("--parallel", c.parallel,
           "requests in flight; where a source fails for good, answers to up to N-1 later ones are dropped",
           1, 256)
      .add("--generation", generation, "1 for a model of human text, 2 for one of text of 1, ...", 1,
           1 << 20);
  if (const auto status = flags.parse(argc, argv)) return *status;
  RUM_CHECK(input.empty() != pairs.empty(), "expected either --input with sources or --pairs");
  flags.need(pairs.empty(), "--input: with --pairs nobody is asked",
             {"--url", "--model", "--key-from", "--temperature", "--max-tokens", "--seed", "--parameters",
              "--timeout", "--tries", "--per-minute", "--parallel", "--generation"});
  if (!pairs.empty()) {
    check_output(output, {pairs});
    const Corpus corpus = read_corpus(pairs, CorpusKind::pairs);
    write_output(output, fine_tuning_lines(corpus.texts, c.system));
    say("{}: {} lines", output, corpus.texts.size());
    return 0;
  }
  output = check_output_file(output, {input});
  RUM_CHECK(!c.url.empty() && !c.model.empty(), "--input needs --url and --model");
  if (flags.given("--key-from")) c.key = key_from(key_variable);
  c.parameters = parse_json(parameters, "--parameters");
  while (c.url.ends_with('/')) c.url.pop_back();
  const auto [sources, unread] = sources_of(input);
  const bool refused = ask(sources, c, generation, output);
  if (unread > 0)
    say("{}: {} of {} lines are not readable; their targets are empty", input, unread, sources.size());
  return refused || unread > 0;
}
const Command command{
    "chat", "have a hosted model write translations, or turn pairs into chat lines for fine-tuning", chat};
}  // namespace
}  // namespace rum::chat_command
