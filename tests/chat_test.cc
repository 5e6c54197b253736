// The client of hosted models against a server of our own that answers well, slowly, with refusals, with
// nonsense, or not at all.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/file.h"
#include "base/output.h"
#include "error_of.h"
#include "generate/hosted.h"
#include "generate/http.h"
#include "program.h"
#include "scratch.h"
#include "text/json.h"

namespace rum::chat_test {
namespace {
struct Reply {
  int status = 200;
  std::string body, header;
  double delay = 0;
};
// One connection, one request, one answer; each on a thread of its own.
class Server {
 public:
  using Handler = std::function<Reply(const std::string& head, const Json& body, int number)>;
  explicit Server(Handler handler) : handler_(std::move(handler)), socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET, address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(socket_, 64) != 0 ||
        getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw Error("no port for a server");
    port_ = ntohs(address.sin_port);
    accepting_ = std::jthread([this] {
      for (int c; (c = accept(socket_, nullptr, nullptr)) >= 0;) {
        const std::lock_guard lock(mutex_);
        clients_.emplace_back([this, c] { serve(c); });
      }
    });
  }
  ~Server() {
    shutdown(socket_, SHUT_RDWR);
    accepting_.join();
    clients_.clear();
    close(socket_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1"; }
  int requests() const { return count_; }

 private:
  void serve(int c) {
    std::string all;
    char part[4096];
    size_t head = 0, length = 0;
    for (ssize_t n; (n = read(c, part, sizeof part)) > 0;) {
      all.append(part, static_cast<size_t>(n));
      if (head == 0 && (head = all.find("\r\n\r\n")) == std::string::npos) head = 0;
      if (head > 0) length = std::stoul(all.substr(all.find("Content-Length:") + 15));
      if (head > 0 && all.size() >= head + 4 + length) break;
    }
    const Reply r = handler_(all.substr(0, head), parse_json(all.substr(head + 4), "a request"), ++count_);
    std::this_thread::sleep_for(std::chrono::duration<double>(r.delay));
    const std::string out = "HTTP/1.1 " + std::to_string(r.status) + " X\r\n" + r.header +
                            "Content-Length: " + std::to_string(r.body.size()) +
                            "\r\nConnection: close\r\n\r\n" + r.body;
    [[maybe_unused]] const ssize_t sent = send(c, out.data(), out.size(), MSG_NOSIGNAL);
    close(c);
  }
  Handler handler_;
  int socket_;
  uint16_t port_ = 0;
  std::atomic<int> count_ = 0;
  std::mutex mutex_;
  std::vector<std::jthread> clients_;
  std::jthread accepting_;
};

std::string asked(const Json& body) { return *body.find("messages")->array()->at(1).find("content")->text(); }
Reply completion(const std::string& text, const char* reason = "stop") {
  const Json choice = Json::Object{{"message", Json::Object{{"content", text}}}, {"finish_reason", reason}};
  Json::Array choices;
  choices.push_back(choice);
  return {200, to_json(Json::Object{{"choices", choices}, {"usage", Json::Object{{"completion_tokens", 7}}}}),
          "", 0};
}
Reply echo(const std::string&, const Json& body, int) { return completion("<" + asked(body) + ">"); }
ChatConfig config(const Server& s) {
  ChatConfig c;
  c.url = s.url(), c.model = "m", c.system = "Translate.", c.wait = .01, c.timeout = 5, c.tries = 4;
  return c;
}
struct Chat : testing::Test {
  Scratch folder;
  std::string path = folder.path + "/pool.jsonl";
  std::vector<std::string> sources{"eins", "zwei", "drei \"x\"", "vier", "fünf", "sechs", "sieben"};
  int64_t write(const ChatConfig& c) { return chat_file(sources, c, provenance_of(c), path); }
};

TEST_F(Chat, APoolLikeAnyOther) {
  Json last;
  std::string head;
  std::mutex mutex;
  const Server server([&](const std::string& h, const Json& body, int) {
    const std::lock_guard lock(mutex);
    head = h, last = body;
    return asked(body) == "zwei" ? completion(" two\nlines ", "length") : completion("<" + asked(body) + ">");
  });
  ChatConfig c = config(server);
  c.key = "secret", c.temperature = .5, c.seed = 9;
  EXPECT_EQ(write(c), 0);
  const auto lines = read_generated(path);
  ASSERT_EQ(lines.size(), 7u);
  for (size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(lines[i].id, static_cast<int64_t>(i));
    EXPECT_EQ(lines[i].source, sources[i]);
    EXPECT_EQ(lines[i].tokens, 7);
    EXPECT_TRUE(std::isnan(lines[i].log_prob));
    EXPECT_EQ(lines[i].finished, i != 1);
    if (i != 1) {
      EXPECT_EQ(lines[i].target, "<" + sources[i] + ">");
    }
    EXPECT_EQ(lines[i].from, provenance_of(c));
  }
  EXPECT_EQ(lines[1].target, "two lines");
  EXPECT_EQ(lines[0].from.generator, "m");
  EXPECT_EQ(lines[0].from.decoding.find("chat temperature 0.5 max_tokens 256 system "), 0u);
  EXPECT_NE(head.find("POST /v1/chat/completions "), std::string::npos) << head;
  EXPECT_NE(head.find("Authorization: Bearer secret"), std::string::npos) << head;
  EXPECT_EQ(*last.find("model")->text(), "m");
  for (const auto& [key, sent] : {std::pair{"temperature", .5}, {"max_tokens", 256.}, {"seed", 9.}}) {
    double found = -1;
    EXPECT_TRUE(last.find(key) && last.find(key)->number(found)) << key;
    EXPECT_EQ(found, sent) << key;
  }
  EXPECT_EQ(*last.find("messages")->array()->at(0).find("content")->text(), "Translate.");
  EXPECT_EQ(Disk::real().read(path).find("secret"), std::string::npos);
}
// What a model does not know is left out, and what only it knows is said; both are part of the provenance.
TEST_F(Chat, ParametersAreAddedAndLeftOut) {
  Json last;
  const Server server([&](const std::string&, const Json& body, int) {
    last = body;
    return completion("x");
  });
  ChatConfig c = config(server);
  sources.resize(1);
  c.parameters = parse_json(
      R"({"temperature": null, "max_tokens": null, "seed": null, "max_completion_tokens": 4096,
          "reasoning_effort": "low", "n": 1, "stream": false})",
      "parameters");
  write(c);
  for (const char* key : {"temperature", "max_tokens", "seed"}) EXPECT_EQ(last.find(key), nullptr) << key;
  int64_t limit = 0;
  ASSERT_TRUE(last.find("max_completion_tokens") && last.find("max_completion_tokens")->whole(limit));
  EXPECT_EQ(limit, 4096);
  EXPECT_EQ(*last.find("reasoning_effort")->text(), "low");
  EXPECT_EQ(*last.find("model")->text(), "m");
  EXPECT_EQ(
      read_generated(path).at(0).from.decoding.find(
          "chat max_completion_tokens 4096 reasoning_effort \"low\" n 1 stream false without seed system "),
      0u);
  EXPECT_EQ(provenance_of(config(server)).decoding.find("chat temperature 0 max_tokens 256 system "), 0u);
  for (const char* wrong : {"[1]", R"({"temperature": 1})", R"({"model": "n"})", R"({"model": null})",
                            R"({"top_p": null})", R"({"n": null})", R"({"n": 3})", R"({"stream": true})"}) {
    c.parameters = parse_json(wrong, "parameters");
    EXPECT_NE(error_of([&] { provenance_of(c); }).find("--parameters: "), std::string::npos) << wrong;
  }
}
TEST_F(Chat, CutOffItAsksOnlyForWhatIsMissing) {
  const Server server(echo);
  write(config(server));
  const std::string whole = Disk::real().read(path);
  const size_t third = whole.find("{\"id\":3");
  Disk::real().replace_text(path, whole.substr(0, third + 10));
  const int before = server.requests();
  EXPECT_EQ(write(config(server)), 3);
  EXPECT_EQ(server.requests() - before, 4);
  EXPECT_EQ(Disk::real().read(path), whole);
  ChatConfig other = config(server);
  other.system = "Übersetze.";
  EXPECT_NE(error_of([&] { write(other); }).find("the decoding is"), std::string::npos);
}
TEST_F(Chat, NothingIsAskedThatCannotBeKept) {
  const Server server(echo);
  {
    const AppendLock other(path);
    const std::string e = error_of([&] { write(config(server)); });
    EXPECT_NE(e.find("another process is using it"), std::string::npos) << e;
  }
  path = folder.path + "/none/pool.jsonl";
  EXPECT_NE(error_of([&] { write(config(server)); }).find("there is no folder"), std::string::npos);
  EXPECT_EQ(server.requests(), 0);
}
TEST_F(Chat, ABlankSourceCostsNoOther) {
  const Server server(echo);
  sources[2] = "", sources[4] = " \u200B";
  write(config(server));
  const auto lines = read_generated(path);
  ASSERT_EQ(lines.size(), 7u);
  EXPECT_EQ(lines[2].target + lines[4].target, "");
  EXPECT_FALSE(lines[4].finished);
  EXPECT_EQ(lines[6].target, "<sieben>");
  EXPECT_EQ(server.requests(), 5);
}
TEST_F(Chat, TriesAgainWhatMayPass) {
  // Each source first meets a different problem: 429 with a wait, 500, no JSON, JSON of another kind, no
  // choices.
  std::map<std::string, int> seen;
  std::mutex mutex;
  const Server server([&](const std::string&, const Json& body, int) -> Reply {
    const std::lock_guard lock(mutex);
    const std::string source = asked(body);
    if (seen[source]++ > 0) return completion(source);
    if (source == "eins") return {429, "{}", "Retry-After: 1\r\n", 0};
    if (source == "zwei") return {500, "oh", "", 0};
    if (source == "vier") return {200, "<html>nonsense", "", 0};
    if (source == "fünf") return {200, "[1, 2]", "", 0};
    if (source == "sechs") return {200, "{\"choices\": []}", "", 0};
    if (source == "sieben") return {408, "", "", 0};
    if (source == "drei \"x\"") return {409, "", "", 0};
    return completion(source);
  });
  const auto start = std::chrono::steady_clock::now();
  write(config(server));
  EXPECT_GE(std::chrono::steady_clock::now() - start,
            std::chrono::milliseconds(1000));  // as the server asked
  EXPECT_EQ(server.requests(), 14);
  const auto lines = read_generated(path);
  ASSERT_EQ(lines.size(), 7u);
  for (size_t i = 0; i < 7; ++i) EXPECT_EQ(lines[i].target, sources[i]);
}
// As servers end requests when they stop or fail, with half a text or none: not by the model's or the
// client's will.
TEST_F(Chat, WhatTheServerBrokeOffIsAskedForAgain) {
  const std::map<std::string, const char*> broken{{"eins", "abort"},
                                                  {"drei \"x\"", "error"},
                                                  {"vier", "cancelled"},
                                                  {"sechs", "insufficient_system_resource"}};
  std::set<std::string> seen;
  std::mutex mutex;
  const Server server([&](const std::string&, const Json& body, int) {
    const std::lock_guard lock(mutex);
    const std::string source = asked(body);
    const bool first = seen.insert(source).second;
    if (first && broken.contains(source))
      return completion(source == "eins" ? "" : "half", broken.at(source));
    return completion("<" + source + ">", source == "sieben" ? "tool_calls" : "stop");
  });
  write(config(server));
  EXPECT_EQ(server.requests(), 7 + 4);
  const auto lines = read_generated(path);
  ASSERT_EQ(lines.size(), 7u);
  for (size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(lines[i].target, "<" + sources[i] + ">");
    EXPECT_EQ(lines[i].finished, i != 6);  // no other reason says that a text is whole
  }
}
TEST_F(Chat, AnAnswerThatDoesNotSayWhyItEndedIsWhole) {
  const Server server([](const std::string&, const Json& body, int) -> Reply {
    const char* reason = asked(body) == "eins" ? R"(, "finish_reason": null)" : "";
    return {200, fmt::format(R"({{"choices": [{{"message": {{"content": "x"}}{}}}]}})", reason), "", 0};
  });
  write(config(server));
  for (const Generated& line : read_generated(path)) EXPECT_TRUE(line.finished);
}
TEST_F(Chat, ServersHaveOtherWordsForAWholeAnswer) {
  const std::array words{"eos", "eos_token", "stop_sequence", "end_turn", "", "max_tokens", "tool_calls"};
  const Server server([&](const std::string&, const Json& body, int) -> Reply {
    const auto i = std::find(sources.begin(), sources.end(), asked(body)) - sources.begin();
    return {200,
            fmt::format(R"({{"choices": [{{"message": {{"content": "x"}}, "finish_reason": "{}"}}]}})",
                        words.at(static_cast<size_t>(i))),
            "", 0};
  });
  write(config(server));
  const auto lines = read_generated(path);
  for (size_t i = 0; i < 7; ++i) EXPECT_EQ(lines.at(i).finished, i < 5) << words[i];
}
// A key that is wrong, and a server that asks for hours, would answer the same at once.
TEST_F(Chat, WhatNoFurtherTryCanChangeIsNotAskedAgain) {
  for (const Reply& says : {Reply{401, "who?", "", 0}, Reply{429, "later", "Retry-After: 7200\r\n", 0}}) {
    std::atomic<int> asked_for_it = 0;
    const Server server([&](const std::string&, const Json& body, int) -> Reply {
      if (asked(body) != "zwei") return completion(asked(body));
      ++asked_for_it;
      return says;
    });
    ChatConfig c = config(server);
    c.tries = 3, c.parallel = 7;
    Disk::real().remove(path);
    EXPECT_NE(error_of([&] { write(c); }), "");
    EXPECT_EQ(asked_for_it, 1);
  }
}
TEST_F(Chat, ACountBelowNothingIsNoCount) {
  const Server server([](const std::string&, const Json&, int) -> Reply {
    return {200, R"({"choices": [{"message": {"content": "x"}}], "usage": {"completion_tokens": -5}})", "",
            0};
  });
  write(config(server));
  EXPECT_EQ(read_generated(path).at(0).tokens, 0);
}
// The server fails on the second source as long as others are asked for at its side.
TEST_F(Chat, ASourceThatFailsIsAskedForAloneBeforeAnswersBehindItAreLost) {
  for (const int fails : {3, 8}) {
    std::atomic<int> failed = 0, others = 0;
    const Server server([&](const std::string&, const Json& body, int) -> Reply {
      if (asked(body) == "zwei" && failed++ < fails) return {500, "busy", "", 0};
      ++others;
      return completion("<" + asked(body) + ">");
    });
    ChatConfig c = config(server);
    c.tries = 3, c.parallel = 7;
    Disk::real().remove(path);
    const std::string e = error_of([&] { write(c); });
    EXPECT_EQ(read_generated(path).size(), fails == 3 ? 7u : 1u) << e;
    EXPECT_EQ(failed, fails == 3 ? 4 : 6);
    EXPECT_EQ(e.find("source 1: no answer in 3 tries") != std::string::npos, fails == 8) << e;
    EXPECT_EQ(others, fails == 3 ? 7 : 6);
  }
}
TEST_F(Chat, APasswordIsKeptOutOfTheFile) {
  ChatConfig c;
  for (const char* url : {"http://me:s3cret@host/v1", "me:s3cret@host/v1", "https://s3cret@host?x"}) {
    c.url = url;
    const std::string e = error_of([&] { provenance_of(c); });
    EXPECT_EQ(e.find("--url: expected no name or password before the host; --key-from"), 0u) << e;
    EXPECT_EQ(e.find("s3cret"), std::string::npos);
  }
  c.url = "https://host/v1/models/m@1";
  EXPECT_EQ(error_of([&] { provenance_of(c); }), "");
}
TEST_F(Chat, ASourceThatIsRefusedCostsNoOther) {
  const Server server([&](const std::string&, const Json& body, int) -> Reply {
    const std::string source = asked(body);
    if (source == "eins") return {400, R"({"error": "content filter"})", "", 0};
    if (source == "fünf")
      return {200, R"({"choices": [{"message": {"content": null}, "finish_reason": "content_filter"}]})", "",
              0};
    return source == "vier" ? completion("v", "content_filter") : completion("<" + source + ">");
  });
  for (const int64_t parallel : {1, 4}) {
    ChatConfig c = config(server);
    c.parallel = parallel;
    Disk::real().remove(path);
    std::vector<std::string> why;
    const int before = server.requests();
    chat_file(sources, c, provenance_of(c), path, {}, [&](const std::string& w) { why.push_back(w); });
    EXPECT_EQ(server.requests() - before, 7);
    ASSERT_EQ(why.size(), 2u);
    EXPECT_NE(why[0].find("source 0: status 400: \"{\"error\": \"content filter\"}\""), std::string::npos)
        << why[0];
    EXPECT_NE(why[1].find("source 4: an answer without text, finish_reason \"content_filter\""),
              std::string::npos)
        << why[1];
    const auto lines = read_generated(path);
    ASSERT_EQ(lines.size(), 7u);
    for (size_t i = 0; i < 7; ++i) {
      const bool none = i == 0 || i == 4;
      EXPECT_EQ(lines[i].target, none ? "" : i == 3 ? "v" : "<" + sources[i] + ">");
      EXPECT_EQ(lines[i].finished, !none && i != 3);
    }
  }
}
TEST_F(Chat, AnAnswerWithoutTextIsARefusal) {
  const std::vector<std::string> empty{"", "  \n ", "\u200B", "\u00A0\t"};
  const Server server([&](const std::string&, const Json& body, int) -> Reply {
    for (size_t i = 0; i < empty.size(); ++i)
      if (asked(body) == sources[i]) return completion(empty[i], i == 0 ? "content_filter" : "stop");
    return completion("<" + asked(body) + ">");
  });
  const ChatConfig c = config(server);
  std::vector<std::string> why;
  chat_file(sources, c, provenance_of(c), path, {}, [&](const std::string& w) { why.push_back(w); });
  EXPECT_EQ(server.requests(), 7);
  ASSERT_EQ(why.size(), 4u);
  EXPECT_NE(why[0].find("source 0: an answer without text, finish_reason \"content_filter\""),
            std::string::npos);
  const auto lines = read_generated(path);
  ASSERT_EQ(lines.size(), 7u);
  for (size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(lines[i].target, i < 4 ? "" : "<" + sources[i] + ">");
    EXPECT_EQ(lines[i].finished, i >= 4);
  }
}
// Cut between the two halves of an emoji, as servers do that count UTF-16: no text, and no reason to stop.
TEST_F(Chat, AnAnswerWithHalfACharacterCostsItsSourceAlone) {
  const Server server([](const std::string&, const Json& body, int) -> Reply {
    if (asked(body) != "drei \"x\"") return completion("<" + asked(body) + ">");
    return {200, R"({"choices": [{"message": {"content": "three \ud83d"}, "finish_reason": "length"}]})", "",
            0};
  });
  const ChatConfig c = config(server);
  std::vector<std::string> why;
  chat_file(sources, c, provenance_of(c), path, {}, [&](const std::string& w) { why.push_back(w); });
  EXPECT_EQ(server.requests(), 7);  // it would say the same again
  ASSERT_EQ(why.size(), 1u);
  EXPECT_NE(why[0].find("source 2: an answer with half of a surrogate pair"), std::string::npos) << why[0];
  const auto lines = read_generated(path);
  ASSERT_EQ(lines.size(), 7u);
  for (size_t i = 0; i < 7; ++i) EXPECT_EQ(lines[i].target, i == 2 ? "" : "<" + sources[i] + ">");
  EXPECT_FALSE(lines[2].finished);
}
TEST_F(Chat, ARefusalOfEveryRequestStopsIt) {
  const Server server([](const std::string&, const Json&, int) -> Reply {
    return {400, "there is no such model", "", 0};
  });
  ChatConfig c = config(server);
  c.parallel = 1;
  const std::string e = error_of([&] { write(c); });
  EXPECT_NE(e.find("source 0: status 400: \"there is no such model\"; trying again would not help"),
            std::string::npos)
      << e;
  EXPECT_EQ(server.requests(), 3);
  EXPECT_FALSE(Disk::real().exists(path) && !Disk::real().read(path).empty());
}
TEST_F(Chat, GivesUpWithTheServersOwnWords) {
  const auto failing = [&](Reply with, const char* part, int tries, double timeout = 30) {
    const Server server([&](const std::string&, const Json& body, int) {
      return asked(body) == "sechs" ? with : completion(asked(body));
    });
    ChatConfig c = config(server);
    c.tries = 2, c.timeout = timeout, c.parallel = 1;
    Disk::real().remove(path);
    const std::string e = error_of([&] { write(c); });
    EXPECT_NE(e.find(part), std::string::npos) << e;
    EXPECT_NE(e.find("source 5"), std::string::npos) << e;
    EXPECT_EQ(server.requests(), 5 + tries);
    EXPECT_EQ(read_generated(path).size(), 5u);  // what was answered is kept
  };
  failing({429, "slow down", "", 0}, "no answer in 2 tries, the last: status 429: \"slow down\"", 2);
  failing({200, "<html>", "", 0}, "no whole chat completion, but \"<html>\"", 2);
  failing({401, "wrong key", "", 0}, "status 401: \"wrong key\"; trying again would not help", 1);
  failing({429, "", "Retry-After: 7200\r\n", 0}, "the server asks to wait 7200 s", 1);
  failing({200, "{}", "", 1}, "timed out", 2, .3);
}
// Before the second try .1 seconds, before the third .2, before the fourth .4.
TEST_F(Chat, EachTryWaitsTwiceAsLong) {
  std::vector<std::chrono::steady_clock::time_point> came;
  const Server server([&](const std::string&, const Json& body, int number) -> Reply {
    came.push_back(std::chrono::steady_clock::now());
    return number < 4 ? Reply{425, "", "", 0} : completion(asked(body));
  });
  sources.resize(1);
  ChatConfig c = config(server);
  c.wait = .1;
  write(c);
  ASSERT_EQ(came.size(), 4u);
  for (int i = 0; i < 3; ++i)
    EXPECT_GE(came[static_cast<size_t>(i) + 1] - came[static_cast<size_t>(i)],
              std::chrono::milliseconds(100 << i));
}
// Else the key would be sent to whom the server names.
TEST_F(Chat, FollowsNoRedirection) {
  const Server elsewhere(echo);
  const std::string to = elsewhere.url() + "/chat/completions";
  const Server server([&](const std::string&, const Json&, int) -> Reply {
    return {307, "", "Location: " + to + "\r\n", 0};
  });
  const HttpReply r =
      post_json(server.url() + "/chat/completions", "{}", {"Authorization: Bearer secret"}, 30);
  EXPECT_EQ(r.status, 307) << r.error;
  const std::string e = error_of([&] { write(config(server)); });
  EXPECT_NE(e.find("status 307, which leads to " + to + ";"), std::string::npos) << e;
  EXPECT_EQ(elsewhere.requests(), 0);
}
TEST_F(Chat, AnAbsentServerIsNamed) {
  ChatConfig c;
  {
    const Server server(echo);
    c = config(server);
  }
  c.tries = 2;
  const std::string e = error_of([&] { write(c); });
  EXPECT_NE(e.find(c.url), std::string::npos) << e;
  EXPECT_NE(e.find("no answer in 2 tries"), std::string::npos) << e;
}
TEST_F(Chat, KeepsToItsPace) {
  const Server server(echo);
  ChatConfig c = config(server);
  c.per_minute = 1200;  // one in 50 ms
  const auto start = std::chrono::steady_clock::now();
  write(c);
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(6 * 50));
}
TEST_F(Chat, RequestsGoSideBySide) {
  int open = 0, most = 0;
  std::mutex mutex;
  std::condition_variable together;
  const Server server([&](const std::string&, const Json& body, int) {
    std::unique_lock lock(mutex);
    most = std::max(most, ++open);
    together.notify_all();
    together.wait_for(lock, std::chrono::seconds(30), [&] { return most >= 3; });
    --open;
    return completion(asked(body));
  });
  ChatConfig c = config(server);
  c.parallel = 3;
  write(c);
  EXPECT_EQ(most, 3);
}
TEST_F(Chat, AStrangersFileStaysAsItWas) {
  const Server server(echo);
  Disk::real().replace_text(path, "the only sentence of my thesis");
  EXPECT_NE(error_of([&] { write(config(server)); }).find("line 1 has no end"), std::string::npos);
  EXPECT_EQ(Disk::real().read(path), "the only sentence of my thesis");
  EXPECT_EQ(server.requests(), 0);
}
TEST(ChatProgram, SaysWhatWasRefused) {
  const Server server([](const std::string&, const Json& body, int) {
    return asked(body) == "zwei" ? Reply{422, "no", "", 0} : completion("x");
  });
  Program p;
  p.write("sources", "eins\nzwei\n");
  const Ran ran = p.run({"chat", "--system", "T.", "--input", p.file("sources"), "--output", p.file("pool"),
                         "--url", server.url(), "--model", "m"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_NE(ran.err.find("source 1: status 422: \"no\"; its target is empty"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("1 of 2 sources were refused"), std::string::npos) << ran.err;
  EXPECT_EQ(read_generated(p.file("pool")).size(), 2u);
}
// No number is so large or so small that a clock cannot hold what comes of it.
TEST(ChatProgram, TimesAreWithinWhatAClockCounts) {
  const Server server([](const std::string&, const Json&, int) { return completion("x"); });
  Program p;
  p.write("sources", "eins\n");
  const auto ask = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"chat", "--system", "T.", "--input", p.file("sources"), "--output",
                               p.file("pool"), "--url", server.url(), "--model", "m"});
    return p.run(more);
  };
  const Ran endless = ask({"--timeout", "1e300"});
  EXPECT_EQ(endless.status, 2);
  EXPECT_NE(endless.err.find("--timeout: expected a number"), std::string::npos) << endless.err;
  EXPECT_EQ(ask({"--per-minute", "-1"}).status, 2);
  EXPECT_EQ(server.requests(), 0);
  const Ran seldom = ask({"--per-minute", "1e-300"});  // the first is not waited for
  EXPECT_EQ(seldom.status, 0) << seldom.err;
}
// Whoever starts it again, as job scripts do, must not take the file for whole; and what it advises works.
TEST(ChatProgram, ARefusalIsSaidEachTimeUntilItIsMended) {
  std::atomic<bool> refuses = true;
  const Server server([&](const std::string&, const Json& body, int) {
    return refuses && asked(body) != "eins" ? Reply{422, "no", "", 0} : completion("<" + asked(body) + ">");
  });
  Program p;
  p.write("sources", "eins\nzwei\n\ndrei\n");
  const std::vector<std::string> words{"chat",     "--system",     "T.",    "--input",    p.file("sources"),
                                       "--output", p.file("pool"), "--url", server.url(), "--model",
                                       "m"};
  for (int time = 0; time < 2; ++time) {
    const Ran ran = p.run(words);
    EXPECT_EQ(ran.status, 1) << time;
    EXPECT_NE(ran.err.find("2 of 4 sources were refused"), std::string::npos) << ran.err;
    EXPECT_NE(ran.err.find("cut the file off before line 2, the first of them"), std::string::npos)
        << ran.err;
  }
  const std::string pool = slurp(p.file("pool"));
  p.write("pool", pool.substr(0, pool.find('\n') + 1));
  refuses = false;
  const Ran mended = p.run(words);
  EXPECT_EQ(mended.status, 0) << mended.err;
  EXPECT_EQ(mended.err.find("refused"), std::string::npos) << mended.err;
  std::vector<std::string> targets;
  for (const Generated& g : read_generated(p.file("pool"))) targets.push_back(g.target);
  EXPECT_EQ(targets, (std::vector<std::string>{"<eins>", "<zwei>", "", "<drei>"}));
}
TEST(ChatProgram, OfNoSourcesThereIsAFileToo) {
  const Server server(echo);
  Program p;
  p.write("sources", "");
  const Ran ran = p.run({"chat", "--system", "T.", "--input", p.file("sources"), "--output", p.file("pool"),
                         "--url", server.url(), "--model", "m"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_TRUE(std::filesystem::exists(p.file("pool")));
  EXPECT_EQ(std::filesystem::file_size(p.file("pool")), 0u);
}
TEST(ChatProgram, ALineThatIsNotReadableCostsNoOther) {
  const Server server(echo);
  Program p;
  p.write("sources", "eins\nzw\xFFi\ndrei\n");
  for (int time = 0; time < 2; ++time) {  // and when nothing is left to ask
    const Ran ran = p.run({"chat", "--system", "T.", "--input", p.file("sources"), "--output", p.file("pool"),
                           "--url", server.url(), "--model", "m"});
    EXPECT_EQ(ran.status, 1);
    EXPECT_NE(ran.err.find("sources: line 2, byte 8 "), std::string::npos) << ran.err;
    EXPECT_NE(ran.err.find("1 of 3 lines are not readable; their targets are empty"), std::string::npos)
        << ran.err;
  }
  std::vector<std::string> targets;
  for (const Generated& g : read_generated(p.file("pool"))) targets.push_back(g.target);
  EXPECT_EQ(targets, (std::vector<std::string>{"<eins>", "", "<drei>"}));
  EXPECT_EQ(server.requests(), 2);
}
// A key with a line end would end the header, or begin another one.
TEST(ChatProgram, AKeyThatNoRequestCanCarryIsNotSent) {
  const Server server(echo);
  Program p;
  p.write("sources", "eins\n");
  const std::vector<std::string> words{
      "chat",  "--system",   "T.",      "--input", p.file("sources"), "--output",    p.file("pool"),
      "--url", server.url(), "--model", "m",       "--key-from",      "RUM_TEST_KEY"};
  for (const char* key : {"sk-x\n", "sk-x\r", "sk-x\r\nX-Evil: 1", "sk x", "\tsk-x", "sk-x\x7f", ""}) {
    setenv("RUM_TEST_KEY", key, 1);
    const Ran ran = p.run(words);
    expect_refusal(ran, "--key-from RUM_TEST_KEY: ");
    EXPECT_EQ(ran.err.find("sk"), std::string::npos) << ran.err;
  }
  EXPECT_EQ(server.requests(), 0);
  setenv("RUM_TEST_KEY", "sk-x_Y.z~+/=", 1);
  EXPECT_EQ(p.run(words).status, 0);
  unsetenv("RUM_TEST_KEY");
  std::vector<std::string> none = words;
  none.back() = "";
  EXPECT_EQ(p.run(none).status, 2);
}
TEST(ChatProgram, CountsTheAnswersThatAreCutOff) {
  const Server server([](const std::string&, const Json& body, int) {
    return asked(body) == "zwei" ? completion("two and a ha", "length") : completion("x");
  });
  Program p;
  p.write("sources", "eins\nzwei\ndrei\n");
  const std::vector<std::string> words{"chat",     "--system",     "T.",    "--input",    p.file("sources"),
                                       "--output", p.file("pool"), "--url", server.url(), "--model",
                                       "m",        "--max-tokens", "4"};
  for (int time = 0; time < 2; ++time) {  // also when all were there
    const Ran ran = p.run(words);
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_NE(ran.err.find("1 of 3 answers are cut off, at the limit of tokens or by the server"),
              std::string::npos)
        << ran.err;
  }
}
TEST(ChatProgram, WritesPoolsAndFineTuningLines) {
  const Server server(echo);
  Program p;
  p.write("sources", "eins\nzwei\n"), p.write("pairs.tsv", "eins\tone \"1\"\n");
  const Ran ran = p.run({"chat", "--system", "T.", "--input", p.file("sources"), "--output", p.file("pool"),
                         "--url", server.url() + "/", "--model", "m"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(read_generated(p.file("pool")).at(1).target, "<zwei>");
  EXPECT_EQ(
      p.run({"chat", "--system", "T.", "--pairs", p.file("pairs.tsv"), "--output", p.file("tuning")}).status,
      0);
  const Json line = parse_json(slurp(p.file("tuning")), "tuning");
  const Json::Array& messages = *line.find("messages")->array();
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(*messages[0].find("content")->text(), "T.");
  EXPECT_EQ(*messages[1].find("content")->text(), "eins");
  EXPECT_EQ(*messages[2].find("role")->text(), "assistant");
  EXPECT_EQ(*messages[2].find("content")->text(), "one \"1\"");
  const Ran piped = p.run({"chat", "--system", "T.", "--pairs", p.file("pairs.tsv"), "--output", "-"});
  EXPECT_EQ(piped.status, 0) << piped.err;
  EXPECT_EQ(piped.out, slurp(p.file("tuning")));
  expect_refusal(p.run({"chat", "--system", "T.", "--pairs", p.file("pairs.tsv"), "--output", "."}),
                 "\".\" is a folder; name a file");
  expect_refusal(p.run({"chat", "--system", "T.", "--input", p.file("sources"), "--output", "-", "--url",
                        server.url(), "--model", "m"}),
                 "standard output is not a regular file");
  EXPECT_FALSE(std::filesystem::exists("-"));
  expect_refusal(p.run({"chat", "--system", "T.", "--output", p.file("x")}), "either --input");
  expect_refusal(p.run({"chat", "--system", "T.", "--pairs", p.file("pairs.tsv"), "--output", p.file("x"),
                        "--url", server.url()}),
                 "--url needs --input");
  expect_refusal(p.run({"chat", "--system", "T.", "--output", p.file("x"), "--input", p.file("sources"),
                        "--url", server.url(), "--model", "m", "--parameters", "{top_p: 1}"}),
                 "--parameters: ");
  expect_refusal(p.run({"chat", "--system", "T.", "--output", p.file("x"), "--input", p.file("sources")}),
                 "needs --url and --model");
  expect_refusal(p.run({"chat", "--system", "T.", "--output", p.file("x"), "--input", p.file("sources"),
                        "--url", server.url(), "--model", "m", "--key-from", "RUM_NO_SUCH_KEY"}),
                 "not set");
}
}  // namespace
}  // namespace rum::chat_test
