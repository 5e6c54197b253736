// `ruminate generate`: a plain-text model continues a prompt.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "base/shell.h"
#include "generate/passage.h"
#include "generate/translate.h"
#include "text/unicode.h"
#include "tools/command.h"
#include "tools/draw_flags.h"

namespace rum::generate_command {
namespace {
int generate(int argc, char** argv) {
  constexpr int64_t kPart = 512;  // texts at once
  std::string folder, prompt;
  int64_t count = 1;
  bool greedy = false;
  DrawFlags draws;
  Flags flags("generate", "Continues a prompt with a plain-text model.");
  flags.add("run", folder, "a run folder, a checkpoint or a model file in one", true)
      .text("--prompt", prompt, "the beginning of the text", true)
      .add("--count", count, "texts to write", 1, UINT32_MAX)
      .add("--greedy", greedy, "always take the likeliest token instead of drawing");
  draws.add(flags);
  if (const auto status = flags.parse(argc, argv)) return *status;
  RUM_CHECK(!greedy || (!draws.any(flags) && count == 1), "--greedy writes one text without sampling");
  const auto run = draws.load(folder);
  RUM_CHECK(!run->translation(), "{} translates; `ruminate translate {}` does it line by line", folder,
            shell_quoted(folder));
  const size_t bad = find_invalid_utf8(prompt);
  RUM_CHECK(bad == std::string::npos, "--prompt: byte {} is not UTF-8", bad + 1);
  std::string_view text = prompt;  // as texts for training are read
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  prompt = nfc(text);
  const Prompt p = text_prompt(prompt, run->tokenizer);
  RUM_CHECK(!p.tokens.empty(), "--prompt is empty: the model needs a token to start from");
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
      fmt::print("{}{}\n", prompt, run->tokenizer.decode(std::span(text).subspan(p.tokens.size()), p.tokens));
    if (std::fflush(stdout) != 0) throw FileError("standard output: cannot be written");
  }
  return 0;
}
const Command command{"generate", "continue a prompt", generate};
}  // namespace
}  // namespace rum::generate_command
