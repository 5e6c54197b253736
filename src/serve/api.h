// OpenAI's protocol: requests, which are parsed strictly, and answers and streamed pieces as JSON. No sockets
// here.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "run/run.h"
#include "serve/engine.h"
#include "text/json.h"

namespace rum::serve {
struct ServedModel {
  std::string name;            // the name that clients use
  int64_t created = 0;         // the model, for its clients; seconds since 1970
  int64_t most_prompt = 4096;  // tokens
  int64_t most_answer = 512;   // tokens of one text, including the end token
  int64_t most_choices = 16;   // texts per request
};
// A request that is refused, with the HTTP status.
struct Refusal : Error {
  Refusal(int s, const std::string& message, std::string p = "")
      : Error(message),
        status(s),
        param(std::move(p)) {}
  int status;
  std::string param;  // the key of the request that is wrong
};
std::string refusal_json(int status, const std::string& message, const std::string& param = "");

struct Request {
  bool chat = false, stream = false, usage = false;  // usage: token counts at the end of a stream
  std::string id;
  int64_t created = 0;  // when it came, in seconds since 1970
  // Several only for /completions. Each draws with a seed of its own: the request's for the first one and seeds
  // that follow from it for the others, or new ones where the request names none.
  std::vector<GenerationRequest> prompts;
  int64_t prompt_tokens = 0;
};
// Refusal: 400 for an invalid or unsupported request, 404 for an unknown model, 413 for a prompt that is too
// long.
Request read_request(std::string_view body, bool chat, const LoadedRun&, const ServedModel&);

struct Answer {  // one text of an answer
  std::string text;
  const char* ended = "stop";
};
// The answer in one piece; choices[p * n + k]: text k of prompt p.
std::string answer_json(const Request&, const ServedModel&, std::span<const Answer>, int64_t tokens);
// Pieces of a stream, as Server-Sent Events: the first of a choice, its new text, its end, the end of the
// stream.
std::string piece(const Request&, const ServedModel&, int64_t choice, const TextDelta&, bool first);
std::string last_piece(const Request&, const ServedModel&, int64_t tokens);
std::string model_json(const ServedModel&);
std::string models_json(const ServedModel&);  // a list of it alone
}  // namespace rum::serve
