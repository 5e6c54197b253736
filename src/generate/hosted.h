// Hosted models: a pool written by any server that speaks OpenAI's chat protocol (POST URL/chat/completions),
// in the same format as the pools that our own models write, and pairs as chat lines for fine-tuning there.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/corpus.h"
#include "generate/generated.h"
#include "text/json.h"

namespace rum {
struct ChatConfig {
  std::string url;     // up to and without /chat/completions
  std::string model;   // as the server names it
  std::string system;  // the system message for every source
  std::string key;     // sent as a bearer token; empty: none. Never written anywhere
  double temperature = 0;
  int64_t max_tokens = 256;  // of an answer
  int64_t seed = 1;          // servers may ignore it
  // An object of further members of each request; null leaves one of those three out.
  Json parameters = Json::Object{};
  double timeout = 60;  // seconds for one request
  int64_t tries = 6;    // of one source
  double wait = 1;  // seconds before the second try, then doubled; a server's own request takes precedence
  double per_minute = 0;  // most requests; 0: no limit
  int64_t parallel = 4;   // requests in flight
};
// generator: the model; checkpoint: the server; decoding: what a request says but for model, seed and sources,
// with the hash of `system`. Error: `parameters` are no object, or hold one that the others say, n or stream;
// the URL holds a password.
Provenance provenance_of(const ChatConfig&, int64_t generation = 1);

// Has what is missing of `sources` answered, and appends a line for each, in their order; returns how many
// lines the file already had. A blank source gets an empty target, and nobody is asked. Each line: log_prob
// null (servers do not say), tokens as the server counts them; finished where finish_reason is "stop" or
// another server's word for it ("eos", "eos_token", "stop_sequence", "end_turn"), empty, null or missing.
// Tries again after 408, 409, 425, 429, 5xx, no answer or a late one, an answer that is not a chat
// completion, and one that the server broke off (finish_reason "abort", "error", "cancelled" or
// "insufficient_system_resource"). A source that the server refuses (400, 413, 422, 451, an answer without
// text or with half a character) gets an empty target that is not finished, and `refused` is told why, as
// soon as another answer has shown that not every request is refused. Sources are asked for in groups of
// `parallel`; one without an answer is asked for once more, alone, where later ones of its group were
// answered. FileError: another process writes the file; an answer that trying again cannot change (status and
// the beginning of what the server said); the first sources are all refused; too many tries; a server that
// asks to wait for more than ten minutes. What was answered for the sources before that one stays in the
// file.
int64_t chat_file(std::span<const std::string> sources, const ChatConfig&, const Provenance&,
                  const std::string& path,
                  const std::function<void(int64_t lines, int64_t before)>& done = {},
                  const std::function<void(const std::string& why)>& refused = {});

// {"messages": [system, user: source, assistant: target]} lines, as fine-tuning services take them.
std::string fine_tuning_lines(std::span<const Pair>, const std::string& system);
}  // namespace rum
