#include "generate/hosted.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/output.h"
#include "generate/http.h"
#include "text/json.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum {
namespace {
using Clock = std::chrono::steady_clock;
std::chrono::duration<double> seconds(double s) { return std::chrono::duration<double>(s); }

// Lets requests begin at most so often a minute, evenly spread.
class Pace {
 public:
  explicit Pace(double per_minute) : gap_(per_minute > 0 ? 60 / per_minute : 0) {}
  void wait() {
    Clock::time_point mine;
    {
      const std::lock_guard lock(mutex_);
      mine = std::max(next_, Clock::now());
      next_ = mine + std::chrono::duration_cast<Clock::duration>(seconds(gap_));
    }
    std::this_thread::sleep_until(mine);
  }

 private:
  double gap_;
  std::mutex mutex_;
  Clock::time_point next_ = Clock::now();
};

Json message(const char* role, const std::string& content) {
  return Json::Object{{"role", role}, {"content", content}};
}
std::string request(const ChatConfig& c, const std::string& source) {
  Json::Array messages;
  messages.push_back(message("system", c.system));
  messages.push_back(message("user", source));
  return to_json(Json::Object{{"model", c.model},
                              {"messages", std::move(messages)},
                              {"temperature", c.temperature},
                              {"max_tokens", c.max_tokens},
                              {"seed", c.seed}});
}
const Json* member(const Json* of, const char* key) { return of ? of->find(key) : nullptr; }

// What an answer says, or nothing where it is not a chat completion.
std::optional<Generated> answer(const std::string& body) {
  Json json;
  try {
    json = parse_json(body, "the answer", {.depth = 16, .bytes = size_t{1} << 26, .values = 100000});
  } catch (const FileError&) {
    return {};
  }
  const Json* choices = member(&json, "choices");
  if (!choices || !choices->array() || choices->array()->empty()) return {};
  const Json& first = choices->array()->front();
  const Json *content = member(member(&first, "message"), "content"),
             *reason = member(&first, "finish_reason");
  if (!content || !content->text()) return {};
  Generated g;
  g.target = one_line(*content->text());
  const size_t begin = g.target.find_first_not_of(' ');
  g.target.erase(0, std::min(begin, g.target.size()));
  g.target.erase(g.target.find_last_not_of(' ') + 1);
  g.log_prob = NAN;
  g.finished = !(reason && reason->text() && *reason->text() == "length");
  if (const Json* tokens = member(member(&json, "usage"), "completion_tokens")) tokens->whole(g.tokens);
  return g;
}
constexpr double kLongestWait = 600;  // seconds that a server may ask for
bool worth_another_try(int status) { return status == 0 || status == 200 || status == 429 || status >= 500; }
std::string said(const HttpReply& r) {
  if (r.status == 0) return r.error;
  const std::string beginning = one_line(std::string_view(r.body).substr(0, 200));
  if (r.status == 200) return fmt::format("no chat completion, but \"{}\"", beginning);
  return fmt::format("status {}: \"{}\"", r.status, beginning);
}

Generated ask(const ChatConfig& c, const std::string& source, int64_t id, Pace& pace) {
  const std::string url = c.url + "/chat/completions", body = request(c, source);
  std::vector<std::string> headers;
  if (!c.key.empty()) headers.push_back("Authorization: Bearer " + c.key);
  double wait = c.wait;
  for (int64_t tried = 1;; ++tried) {
    pace.wait();
    const HttpReply r = post_json(url, body, headers, c.timeout);
    if (r.status == 200)
      if (auto g = answer(r.body)) return std::move(*g);
    if (!worth_another_try(r.status))
      throw FileError(fmt::format("{}: source {}: {}; trying again would not help", url, id, said(r)));
    if (tried == c.tries)
      throw FileError(
          fmt::format("{}: source {}: no answer in {} tries, the last: {}", url, id, tried, said(r)));
    if (r.retry_after > kLongestWait)
      throw FileError(
          fmt::format("{}: source {}: the server asks to wait {:.0f} s; type the command again then", url, id,
                      r.retry_after));
    std::this_thread::sleep_for(seconds(std::max(wait, r.retry_after)));
    wait = std::min(2 * wait, 60.0);
  }
}
}  // namespace

Provenance provenance_of(const ChatConfig& c, int64_t generation) {
  return {c.model, c.url,
          fmt::format("chat temperature {} max_tokens {} system {}", c.temperature, c.max_tokens,
                      hex64(hash64(c.system))),
          c.seed, generation};
}

int64_t chat_file(std::span<const std::string> sources, const ChatConfig& c, const Provenance& from,
                  const std::string& path, const std::function<void(int64_t, int64_t)>& done) {
  const AppendLock alone(path);
  const int64_t had = sources_done(sources, 1, from, path);
  Pace pace(c.per_minute);
  for (auto at = static_cast<size_t>(had); at < sources.size();) {
    const size_t n = std::min(static_cast<size_t>(c.parallel), sources.size() - at);
    std::vector<std::optional<Generated>> answers(n);
    std::vector<std::exception_ptr> failures(n);
    {
      std::vector<std::jthread> threads;
      for (size_t k = 0; k < n; ++k)
        threads.emplace_back([&, k] {
          try {
            if (blank_line(sources[at + k])) return void(answers[k].emplace().log_prob = NAN);
            answers[k] = ask(c, sources[at + k], static_cast<int64_t>(at + k), pace);
          } catch (...) {
            failures[k] = std::current_exception();
          }
        });
    }
    std::string lines;
    size_t k = 0;
    for (; k < n && answers[k]; ++k) {
      answers[k]->id = static_cast<int64_t>(at + k);
      answers[k]->source = sources[at + k];
      answers[k]->from = from;
      lines += to_line(*answers[k]);
    }
    if (!lines.empty()) Disk::real().append(path, lines);
    if (k < n) std::rethrow_exception(failures[k]);
    at += n;
    if (done) done(static_cast<int64_t>(at), had);
  }
  return had;
}

std::string fine_tuning_lines(std::span<const Pair> pairs, const std::string& system) {
  std::string out;
  for (const Pair& p : pairs) {
    Json::Array messages;
    messages.push_back(message("system", system));
    messages.push_back(message("user", p.source));
    messages.push_back(message("assistant", p.target));
    out += to_json(Json::Object{{"messages", std::move(messages)}}) + '\n';
  }
  return out;
}
}  // namespace rum
