#include "serve/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <ctime>
#include <random>

#include "base/utf8.h"
#include "generate/chat_template.h"
#include "generate/generated.h"
#include "generate/translate.h"
#include "text/json_keys.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::serve {
namespace {
constexpr size_t kMostStops = 4, kMostPrompts = 16;

// The keys of a request. Each function returns `otherwise`, or nothing, if the key is missing or null.
class Fields : public JsonKeys {
 public:
  // at: which of the request's objects it is; empty: the request itself.
  explicit Fields(const Json& json, const std::string& at = "")
      : JsonKeys(json.object(), true),
        within_(at.empty() ? "" : at + ".") {
    if (!json.object()) throw Refusal(400, (at.empty() ? "" : at + ": ") + "expected a JSON object", at);
  }
  [[noreturn]] static void bad(const std::string& key, const std::string& expected, const Json& found) {
    throw Refusal(400, fmt::format("{}: expected {}, found {}", key, expected, shortened(to_json(found), 60)),
                  key);
  }
  double number(const char* key, double otherwise, double low, double high) {
    read(key, otherwise, low, high);
    return otherwise;
  }
  int64_t whole(const char* key, int64_t otherwise, int64_t low, int64_t high) {
    read(key, otherwise, low, high);
    return otherwise;
  }
  bool flag(const char* key) {
    bool out = false;
    read(key, out);
    return out;
  }
  std::string text(const char* key) {
    std::string out;
    read(key, out);
    return out;
  }
  std::vector<std::string> texts(const char* key, size_t most) {  // one text, or a list of texts
    std::vector<std::string> out;
    read(key, out, true);
    if (out.size() > most) bad(key, fmt::format("a text or a list of at most {}", most), *find(key));
    return out;
  }
  // An option that is not supported here: accepted only with its usual value.
  void only(const char* key, const Json& usual) {
    const Json* v = find(key);
    if (v && to_json(*v) != to_json(usual))
      throw Refusal(400,
                    fmt::format("{}{}: this server supports only the value {}", within_, key, to_json(usual)),
                    within_ + key);
  }
  void finish() const {
    if (const std::string* name = unknown())
      throw Refusal(400, fmt::format("unknown key \"{}{}\"{}", within_, *name, did_you_mean(*name, known())),
                    within_ + *name);
  }

 private:
  [[noreturn]] void wrong(const std::string& key, const std::string& expected,
                          const Json& found) const override {
    bad(within_ + key, expected, found);
  }
  std::string within_;
};

std::string new_id(const char* kind) {
  static const uint32_t process = std::random_device()();
  static std::atomic<uint32_t> count = 0;
  return fmt::format("{}-{:08x}{:08x}", kind, process, count++);
}
uint32_t new_seed() {
  static std::atomic<uint32_t> drawn = std::random_device()();
  return drawn++;
}
// The options for decoding; without any, a translation model decodes as its run does.
Decoding decoding_of(Fields& f, const LoadedRun& run, const ServedModel& served, bool chat) {
  Decoding d;
  if (run.translation()) d = run.config.decoding;
  const double usual = run.translation() ? 0 : 1;
  d.temperature = static_cast<float>(f.number("temperature", usual, 0, 2));
  if (d.temperature > 0 && !std::isfinite(1 / d.temperature))
    Fields::bad("temperature", "0, or enough to divide by", *f.find("temperature"));
  d.top_p = static_cast<float>(std::max(f.number("top_p", 1, 0, 1), 1e-6));  // 0: the likeliest token alone
  d.top_k = f.whole("top_k", 0, 0, 1 << 30);
  d.min_p = static_cast<float>(f.number("min_p", 0, 0, 1));
  d.repetition_penalty = static_cast<float>(f.number("repetition_penalty", 1, .01, 100));
  d.no_repeat = f.whole("no_repeat_ngram_size", 0, 0, 1 << 20);
  d.best = f.whole("n", 1, 1, served.most_choices);
  const auto seed = static_cast<uint64_t>(f.whole("seed", new_seed(), INT64_MIN, INT64_MAX));
  d.seed = static_cast<uint32_t>(seed ^ (seed >> 32));
  if (d.temperature > 0) {
    d.sample = true;
    d.beam = 1;
  } else {
    d.temperature = 1;
    d.beam = std::max(d.beam, d.best);
  }
  d.max_new = f.whole("max_tokens", served.most_answer, 1, served.most_answer);
  if (chat) d.max_new = f.whole("max_completion_tokens", d.max_new, 1, served.most_answer);
  return d;
}
// A text, or a list of text parts, concatenated. at: the message's name in what a client is told.
std::string content_of(const Json* content, const std::string& at) {
  const std::string key = at + ".content";
  if (content && content->text()) return *content->text();
  if (!content) throw Refusal(400, fmt::format("{}: expected a text, found none", key), key);
  if (!content->array()) Fields::bad(key, "a text or a list of text parts", *content);
  std::string out;
  for (const Json& part : *content->array()) {
    const Json *type = part.find("type"), *text = part.find("text");
    if (type && type->text() && *type->text() != "text")
      throw Refusal(400,
                    fmt::format("{}: parts of type \"{}\" are not supported, only those of type \"text\"",
                                key, *type->text()),
                    key);
    if (!type || !type->text() || !text || !text->text())
      Fields::bad(key, "parts like {\"type\": \"text\", \"text\": \"...\"}", part);
    out += *text->text();
  }
  return out;
}
std::vector<Message> messages_of(Fields& f) {
  const Json* all = f.find("messages");
  if (!all || !all->array() || all->array()->empty())
    throw Refusal(400, "messages: expected a list of at least one message", "messages");
  std::vector<Message> out;
  for (const Json& m : *all->array()) {
    const std::string at = fmt::format("messages[{}]", out.size());
    Fields said(m, at);
    said.find("name");
    // As clients send back what others answered them.
    for (const char* key : {"refusal", "audio", "function_call"}) said.only(key, Json());
    for (const char* key : {"annotations", "tool_calls"}) said.only(key, Json::Array{});
    std::string role = said.text("role");
    if (role == "developer") role = "system";  // its newer name
    if (role != "system" && role != "user" && role != "assistant")
      Fields::bad(at + ".role", "system, developer, user or assistant", role);
    out.push_back({role, nfc(content_of(said.find("content"), at))});  // as texts for training are read
    said.finish();
  }
  return out;
}
Prompt source_of(const std::string& source, const LoadedRun& run) {
  const std::string line = one_line(source);
  if (!translatable(run, line)) {
    if (blank_line(line)) throw Refusal(400, "there is nothing to translate");
    throw Refusal(413, fmt::format("the sentence is too long for the model's context of {} tokens",
                                   run.model.config().context));
  }
  return source_prompt(line, run.tokenizer);
}
Prompt prompt_of(const std::string& text, const LoadedRun& run) {
  if (run.translation()) return source_of(text, run);
  Prompt p = text_prompt(text, run.tokenizer);
  if (p.tokens.empty()) throw Refusal(400, "prompt: expected a text that is not empty", "prompt");
  return p;
}
ChatPrompt chat_of(const std::vector<Message>& messages, const LoadedRun& run) {
  if (run.translation()) {
    if (messages.back().role != "user")
      throw Refusal(
          400,
          fmt::format("messages: the last one must be the user's, a sentence to translate; its role is "
                      "\"{}\"",
                      messages.back().role),
          "messages");
    return {source_of(messages.back().content, run), run.tokenizer.end(), ""};
  }
  if (auto made = chat_prompt(run.tokenizer, messages, run.config.chat)) return std::move(*made);
  throw Refusal(400,
                "this model was not trained to chat (its tokenizer has no tokens for turns): use "
                "/v1/completions");
}
void check_length(const GenerationRequest& asked, const LoadedRun& run, const ServedModel& served) {
  const auto tokens = static_cast<int64_t>(asked.prompt.tokens.size());
  if (tokens > served.most_prompt || room(run.model, asked.prompt) <= 0)
    throw Refusal(413, fmt::format("the prompt has {} tokens; at most {} are read here", tokens,
                                   std::min(served.most_prompt, run.model.config().context - 1)));
}
void read_what_changes_nothing(Fields& f) {
  for (const char* key : {"user", "metadata", "store", "service_tier", "parallel_tool_calls"}) f.find(key);
  f.only("frequency_penalty", 0);
  f.only("presence_penalty", 0);
  f.only("logit_bias", Json::Object{});
  f.only("logprobs", false);
  f.only("top_logprobs", 0);
  f.only("echo", false);
  f.only("best_of", 1);
  f.only("suffix", "");
  f.only("tools", Json::Array{});
  f.only("tool_choice", "none");
  f.only("modalities", Json::Array{"text"});
  f.only("response_format", Json::Object{{"type", "text"}});
}
}  // namespace

std::string refusal_json(int status, const std::string& message, const std::string& param) {
  const char* type = status >= 500 || status == 429 ? "server_error" : "invalid_request_error";
  return to_json(Json(Json::Object{{"error", Json::Object{{"message", message},
                                                          {"type", type},
                                                          {"param", param.empty() ? Json() : Json(param)},
                                                          {"code", Json()}}}}));
}

Request read_request(std::string_view body, bool chat, const LoadedRun& run, const ServedModel& served) try {
  Json json;
  try {
    json = parse_json(body, "the request", {.depth = 16, .bytes = body.size(), .values = 100000});
  } catch (const FileError& e) {
    throw Refusal(400, e.what());
  }
  Fields f(json);
  Request r;
  r.chat = chat;
  r.id = new_id(chat ? "chatcmpl" : "cmpl");
  r.created = std::time(nullptr);
  const std::string name = f.text("model");
  if (!name.empty() && name != served.name)
    throw Refusal(404, fmt::format("there is no model \"{}\" here, only \"{}\"", name, served.name), "model");
  r.stream = f.flag("stream");
  if (const Json* o = f.find("stream_options")) {
    Fields options(*o, "stream_options");
    r.usage = options.flag("include_usage");
    options.only("include_obfuscation", false);
    options.finish();
  }
  GenerationRequest asked;
  asked.decoding = decoding_of(f, run, served, chat);
  asked.end = run.tokenizer.end();
  asked.stop = f.texts("stop", kMostStops);
  std::erase(asked.stop, "");
  for (std::string& s : asked.stop) s = nfc(s);  // as texts for training are read
  if (chat) {
    ChatPrompt p = chat_of(messages_of(f), run);
    asked.prompt = std::move(p.prompt);
    asked.end = p.end;
    r.prompts.push_back(asked);
  } else {
    const bool seeded = f.find("seed") != nullptr;
    const uint32_t first = asked.decoding.seed;
    for (const std::string& text : f.texts("prompt", kMostPrompts)) {
      const auto i = static_cast<uint32_t>(r.prompts.size());
      constexpr uint32_t kApart = 0x9E3779B9;  // odd: no two of a request are equal
      if (i > 0) asked.decoding.seed = seeded ? first + i * kApart : new_seed();
      asked.prompt = prompt_of(nfc(text), run);
      r.prompts.push_back(asked);
    }
    if (r.prompts.empty()) throw Refusal(400, "prompt: expected a text", "prompt");
  }
  read_what_changes_nothing(f);
  f.finish();
  const auto texts = static_cast<int64_t>(r.prompts.size()) * asked.decoding.best;
  if (texts > served.most_choices)
    throw Refusal(
        400, fmt::format("{} texts in one request; at most {} are generated", texts, served.most_choices),
        "n");
  for (const GenerationRequest& p : r.prompts) {
    check_length(p, run, served);
    r.prompt_tokens += static_cast<int64_t>(p.prompt.tokens.size());
  }
  return r;
} catch (const Refusal&) {
  throw;
} catch (const Error& e) {  // a character that is not in the vocabulary, or a role in the wrong place
  throw Refusal(400, e.what());
}

namespace {
Json::Object frame(const Request& r, const ServedModel& served, bool streamed) {
  const char* kind = "text_completion";
  if (r.chat) kind = streamed ? "chat.completion.chunk" : "chat.completion";
  return {{"id", r.id}, {"object", kind}, {"created", r.created}, {"model", served.name}};
}
Json usage(const Request& r, int64_t tokens) {
  return Json::Object{{"prompt_tokens", r.prompt_tokens},
                      {"completion_tokens", tokens},
                      {"total_tokens", r.prompt_tokens + tokens}};
}
std::string event(const Json& json) { return "data: " + to_json(json) + "\n\n"; }
}  // namespace

std::string answer_json(const Request& r, const ServedModel& served, std::span<const Answer> texts,
                        int64_t tokens) {
  Json::Array choices;
  for (size_t i = 0; i < texts.size(); ++i) {
    Json::Object choice{{"index", static_cast<int64_t>(i)}};
    if (r.chat)
      choice.emplace_back("message", Json::Object{{"role", "assistant"}, {"content", texts[i].text}});
    else
      choice.emplace_back("text", texts[i].text);
    choice.emplace_back("logprobs", Json());
    choice.emplace_back("finish_reason", texts[i].ended);
    choices.push_back(std::move(choice));
  }
  Json::Object out = frame(r, served, false);
  out.emplace_back("choices", std::move(choices));
  out.emplace_back("usage", usage(r, tokens));
  return to_json(Json(std::move(out))) + "\n";
}
std::string piece(const Request& r, const ServedModel& served, int64_t choice, const TextDelta& news,
                  bool first) {
  Json::Object c{{"index", choice}};
  if (r.chat) {
    Json::Object delta;
    if (first) delta.emplace_back("role", "assistant");
    if (!news.text.empty()) delta.emplace_back("content", news.text);
    c.emplace_back("delta", std::move(delta));
  } else {
    c.emplace_back("text", news.text);
  }
  c.emplace_back("finish_reason", news.ended ? Json(news.ended) : Json());
  Json::Object out = frame(r, served, true);
  Json::Array choices;
  choices.push_back(std::move(c));
  out.emplace_back("choices", std::move(choices));
  return event(std::move(out));
}
std::string last_piece(const Request& r, const ServedModel& served, int64_t tokens) {
  std::string out;
  if (r.usage) {
    Json::Object all = frame(r, served, true);
    all.emplace_back("choices", Json::Array{});
    all.emplace_back("usage", usage(r, tokens));
    out = event(std::move(all));
  }
  return out + "data: [DONE]\n\n";
}
namespace {
Json as_json(const ServedModel& served) {
  return Json::Object{
      {"id", served.name}, {"object", "model"}, {"created", served.created}, {"owned_by", "ruminate"}};
}
}  // namespace
std::string model_json(const ServedModel& served) { return to_json(as_json(served)) + "\n"; }
std::string models_json(const ServedModel& served) {
  Json::Array all;
  all.push_back(as_json(served));
  return to_json(Json(Json::Object{{"object", "list"}, {"data", std::move(all)}})) + "\n";
}
}  // namespace rum::serve
