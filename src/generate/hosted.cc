#include "generate/hosted.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <iterator>
#include <mutex>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/hash.h"
#include "base/output.h"
#include "base/utf8.h"
#include "generate/http.h"
#include "text/json.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum {
namespace {
using Clock = std::chrono::steady_clock;
std::chrono::duration<double> seconds(double s) { return std::chrono::duration<double>(s); }

// Else every line of the file, and every error, would repeat the password.
void check_url(const std::string& url) {
  const size_t scheme = url.find("://"), host = scheme == std::string::npos ? 0 : scheme + 3;
  RUM_CHECK(url.substr(host, url.find_first_of("/?#", host) - host).find('@') == std::string::npos,
            "--url: expected no name or password before the host; --key-from names a variable with a key");
}

constexpr double kLongestGap = 1e6;  // seconds between two requests; a clock counts no further than 9e9
// Lets requests begin at most so often a minute, evenly spread.
class Pace {
 public:
  explicit Pace(double per_minute) : gap_(per_minute > 0 ? std::min(60 / per_minute, kLongestGap) : 0) {}
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
// All that a request says but for model and messages.
Json::Object parameters(const ChatConfig& c) {
  Json::Object out{{"temperature", c.temperature}, {"max_tokens", c.max_tokens}, {"seed", c.seed}};
  RUM_CHECK(c.parameters.object(), "--parameters: expected a JSON object, found {}", to_json(c.parameters));
  for (const auto& [key, value] : *c.parameters.object()) {
    const bool ours = std::erase_if(out, [&](const auto& x) { return x.first == key; }) > 0;
    const std::string given = to_json(value);
    const bool fixed = key == "model" || key == "messages" || (key == "n" && given != "1") ||
                       (key == "stream" && given != "false");
    RUM_CHECK(value.is_null() ? ours : !ours && !fixed,
              "--parameters: {}: expected null, which leaves out temperature, max_tokens or seed, or a "
              "parameter that has no flag of its own and leaves an answer one text in one piece",
              to_json(Json(Json::Object{{key, value}})));
    if (!ours) out.emplace_back(key, value);
  }
  return out;
}
std::string request(const ChatConfig& c, const std::string& source) {
  Json::Array messages;
  messages.push_back(message("system", c.system));
  messages.push_back(message("user", source));
  Json::Object out{{"model", c.model}, {"messages", std::move(messages)}};
  for (auto& x : parameters(c)) out.push_back(std::move(x));
  return to_json(std::move(out));
}
const Json* member(const Json* of, const char* key) { return of ? of->find(key) : nullptr; }

struct Asked {
  explicit Asked(std::string why = "") : refused(std::move(why)) { line.log_prob = NAN; }
  Generated line;
  std::string refused;  // why it has no text
  bool answered = false;
};
// What an answer says, or nothing where it is not a chat completion, or one that the server broke off.
// What servers say where the model has ended its answer: OpenAI's word, and those of TGI, Together and
// others.
bool is_whole(std::string_view finish_reason) {
  constexpr std::string_view kEnds[] = {"stop", "eos", "eos_token", "stop_sequence", "end_turn", ""};
  return std::find(std::begin(kEnds), std::end(kEnds), finish_reason) != std::end(kEnds);
}
std::optional<Asked> answer(const std::string& body) {
  Json json;
  try {
    json = parse_json(body, "the answer", {.depth = 16, .bytes = size_t{1} << 26, .values = 100000});
  } catch (const FileError& e) {  // of half a character the server would say the same again
    if (std::string_view(e.what()).find(kHalfSurrogate) == std::string_view::npos) return {};
    Asked out(fmt::format("an answer with {}", kHalfSurrogate));
    out.answered = true;
    return out;
  }
  const Json* choices = member(&json, "choices");
  if (!choices || !choices->array() || choices->array()->empty()) return {};
  const Json& first = choices->array()->front();
  const Json *const said = member(&first, "message"), *const content = member(said, "content"),
                    *const reason = member(&first, "finish_reason");
  const std::string ended = reason && reason->text() ? *reason->text() : "stop";
  for (const char* broken : {"abort", "error", "cancelled", "insufficient_system_resource"})
    if (ended == broken) return {};
  Asked out;
  out.answered = true;
  Generated& g = out.line;
  if (const Json* tokens = member(member(&json, "usage"), "completion_tokens"))
    if (int64_t n = 0; tokens->whole(n)) g.tokens = std::max<int64_t>(n, 0);
  const bool none = said && said->object() && (!content || content->is_null());
  if (!none && (!content || !content->text())) return {};
  if (!none) g.target = one_line(*content->text());
  if (blank_line(g.target)) {
    g.target.clear();
    out.refused = fmt::format("an answer without text, finish_reason \"{}\"", one_line(ended));
    return out;
  }
  const size_t begin = g.target.find_first_not_of(' ');
  g.target.erase(0, std::min(begin, g.target.size()));
  g.target.erase(g.target.find_last_not_of(' ') + 1);
  g.finished = is_whole(ended);
  return out;
}
constexpr double kLongestWait = 600;  // seconds that a server may ask for
bool is_one_of(int status, std::initializer_list<int> all) {
  return std::find(all.begin(), all.end(), status) != all.end();
}
bool worth_another_try(int status) {
  return status >= 500 || is_one_of(status, {0, 200, 408, 409, 425, 429});
}
// The tries were used up; a later one may still bring an answer.
struct NoAnswer : FileError {
  using FileError::FileError;
};
// May it be this source alone that is refused? A key, an address or a name that is wrong concerns them all.
bool may_be_the_source(int status) { return is_one_of(status, {400, 413, 422, 451}); }
bool may_answer_yet(const std::exception_ptr& failure) try {
  std::rethrow_exception(failure);
} catch (const NoAnswer&) {
  return true;
} catch (...) {
  return false;
}
constexpr size_t kMostRefused = 3;  // before any answer
std::string said(const HttpReply& r) {
  if (r.status == 0) return r.error;
  const std::string beginning = one_line(shortened(r.body, 200));
  if (r.status == 200) return fmt::format("no whole chat completion, but \"{}\"", beginning);
  if (!r.leads_to.empty())
    return fmt::format("status {}, which leads to {}; give the address that answers", r.status, r.leads_to);
  return fmt::format("status {}: \"{}\"", r.status, beginning);
}

Asked ask(const ChatConfig& c, const std::string& source, int64_t id, Pace& pace) {
  const std::string url = c.url + "/chat/completions", body = request(c, source);
  std::vector<std::string> headers;
  if (!c.key.empty()) headers.push_back("Authorization: Bearer " + c.key);
  double wait = c.wait;
  for (int64_t tried = 1;; ++tried) {
    pace.wait();
    const HttpReply r = post_json(url, body, headers, c.timeout);
    if (r.status == 200)
      if (auto a = answer(r.body)) return std::move(*a);
    if (may_be_the_source(r.status)) return Asked(said(r));
    if (!worth_another_try(r.status))
      throw FileError(fmt::format("{}: source {}: {}; trying again would not help", url, id, said(r)));
    if (tried == c.tries)
      throw NoAnswer(
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
  check_url(c.url);
  std::string decoding = "chat";
  bool seeded = false;
  for (const auto& [key, value] : parameters(c)) {
    double n = 0;
    if (key == "seed")
      seeded = true;
    else
      decoding += fmt::format(" {} {}", key, value.number(n) ? fmt::format("{}", n) : to_json(value));
  }
  if (!seeded) decoding += " without seed";
  return {c.model, c.url, fmt::format("{} system {}", decoding, hex64(hash64(c.system))), c.seed, generation};
}

int64_t chat_file(std::span<const std::string> sources, const ChatConfig& c, const Provenance& from,
                  const std::string& path, const std::function<void(int64_t, int64_t)>& done,
                  const std::function<void(const std::string&)>& refused) {
  const AppendLock alone(path);
  const int64_t had = sources_done(sources, 1, from, path);
  Pace pace(c.per_minute);
  bool works = had > 0;  // was any request answered?
  std::string lines;     // not yet in the file
  std::vector<std::string> why;
  for (auto at = static_cast<size_t>(had); at < sources.size();) {
    const size_t n = std::min(static_cast<size_t>(c.parallel), sources.size() - at);
    std::vector<std::optional<Asked>> answers(n);
    std::vector<std::exception_ptr> failures(n);
    const auto have_answered = [&](size_t k) {
      try {
        if (blank_line(sources[at + k])) return void(answers[k].emplace());
        answers[k] = ask(c, sources[at + k], static_cast<int64_t>(at + k), pace);
      } catch (...) {
        failures[k] = std::current_exception();
      }
    };
    {
      std::vector<std::jthread> threads;
      for (size_t k = 0; k < n; ++k) threads.emplace_back(have_answered, k);
    }
    // Answers behind a source without one would be lost: it is asked for once more, alone.
    size_t end = n;
    while (end > 0 && !(answers[end - 1] && answers[end - 1]->answered)) --end;
    for (size_t j = 0; j < end; ++j) {
      if (!answers[j] && may_answer_yet(failures[j])) have_answered(j);
      if (!answers[j]) break;
    }
    size_t k = 0;
    for (; k < n && answers[k]; ++k) {
      Generated& line = answers[k]->line;
      line.id = static_cast<int64_t>(at + k);
      line.source = sources[at + k];
      line.from = from;
      lines += to_line(line);
      works = works || answers[k]->answered;
      if (!answers[k]->refused.empty())
        why.push_back(fmt::format("{}/chat/completions: source {}: {}", c.url, at + k, answers[k]->refused));
    }
    const bool enough = at + n == sources.size() || why.size() >= kMostRefused;
    if (k == n && !works && !why.empty() && enough)
      throw FileError(why.front() + "; trying again would not help");
    if (works || why.empty()) {
      if (!lines.empty()) Disk::real().append(path, lines);
      for (const std::string& w : why)
        if (refused) refused(w + "; its target is empty");
      lines.clear(), why.clear();
    }
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
