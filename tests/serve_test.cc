// `ruminate serve`: the protocol, its refusals, many clients at once, and clients that behave badly.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <future>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "error_of.h"
#include "generate/hosted.h"
#include "generate/http.h"
#include "generate/translate.h"
#include "program.h"
#include "run_folder.h"
#include "sanitizer.h"
#include "serve/api.h"
#include "serve/slow_clients.h"
#include "text/json.h"
#include "text/unicode.h"

namespace rum::serve_test {
namespace {
using std::chrono::steady_clock;

// ---- what needs no socket
TEST(StreamedText, TellsNothingThatMayStillBecomeAStopOrACharacter) {
  const std::string stops[] = {"END", "\n\n"};
  serve::StreamedText t;
  EXPECT_EQ(t.add("on", stops), "on");
  EXPECT_EQ(t.add("e E", stops), "e ");
  EXPECT_EQ(t.add("N", stops), "");
  EXPECT_EQ(t.add("T", stops), "ENT");
  EXPECT_EQ(t.add("\xC3", stops), "");
  EXPECT_EQ(t.add("\xA4\n", stops), "ä");
  EXPECT_FALSE(t.stopped());
  EXPECT_EQ(t.add("EN", stops), "\n");
  EXPECT_EQ(t.add("D and on", stops), "");
  EXPECT_TRUE(t.stopped());
  EXPECT_EQ(t.add("more", stops), "");
  serve::StreamedText cut;
  EXPECT_EQ(cut.add("a\xE2\x82", stops), "a");
  EXPECT_EQ(cut.rest(), "\xE2\x82");
}

struct Refusals : testing::Test {
  Scratch folder;
  std::unique_ptr<LoadedRun> pairs, texts;
  void SetUp() override {
    write_run(folder.path + "/pairs", {});
    write_run(folder.path + "/texts", {.kind = CorpusKind::documents});
    pairs = load_run(folder.path + "/pairs"), texts = load_run(folder.path + "/texts");
  }
  static serve::ServedModel served() {
    serve::ServedModel m;
    m.name = "m", m.most_prompt = 40;
    return m;
  }
  // The status and the message.
  static std::string said(const LoadedRun& run, const std::string& body, bool chat = false) {
    try {
      serve::read_request(body, chat, run, served());
    } catch (const serve::Refusal& e) {
      return fmt::format("{} {}: {}", e.status, e.param, e.what());
    }
    return "";
  }
};
TEST_F(Refusals, NameTheKeyAndWhatWasExpected) {
  const std::pair<const char*, const char*> cases[] = {
      {"{", "400 : the request: "},
      {"[]", "400 : expected a JSON object"},
      {R"({"prompt":"a","prompt":"b"})", "400 : the request: "},
      {R"({})", "400 prompt: "},
      {R"({"prompt":""})", "400 prompt: "},
      {R"({"prompt":[1,2]})", "400 prompt: prompt: expected a text or a list"},
      {R"({"prompt":"a","temprature":1})",
       "400 temprature: unknown key \"temprature\"; did you mean \"temperature\"?"},
      {R"({"prompt":"a","temperature":-1})",
       "400 temperature: temperature: expected a number from 0 to 2, found -1"},
      {R"({"prompt":"a","temperature":"hot"})", "400 temperature: "},
      {R"({"prompt":"a","temperature":1e-40})",
       "400 temperature: temperature: expected 0, or enough to divide"},
      {R"({"prompt":"a","max_tokens":0})", "400 max_tokens: "},
      {R"({"prompt":"a","max_tokens":513})",
       "400 max_tokens: max_tokens: expected a whole number from 1 to 512, found 513"},
      {R"({"prompt":"a","n":1000})", "400 n: "},
      {R"({"prompt":["a","b","c"],"n":8})", "400 n: 24 texts in one request; at most 16"},
      {R"({"prompt":"a","model":"gpt"})", "404 model: there is no model \"gpt\" here, only \"m\""},
      {R"({"prompt":"a","logprobs":5})", "400 logprobs: logprobs: this server supports only the value false"},
      {R"({"prompt":"a","stream_options":"foo"})",
       "400 stream_options: stream_options: expected a JSON object"},
      {R"({"prompt":"a","stream_options":{"include_usage":"yes"}})",
       "400 stream_options.include_usage: stream_options.include_usage: expected true or false, found"},
      {R"({"prompt":"a","stream_options":{"usage":true}})",
       "400 stream_options.usage: unknown key \"stream_options.usage\""},
      {R"({"prompt":"a","top_p":-0.1})", "400 top_p: "},
      {R"({"prompt":"a","seed":1.5})", "400 seed: "},
      {R"({"prompt":"a","tool_choice":"auto"})", "400 tool_choice: "},
      {R"({"prompt":"a","modalities":["text","audio"]})", "400 modalities: "},
      {R"({"prompt":"a","presence_penalty":1.5})", "400 presence_penalty: "},
      {R"({"prompt":"a","stop":["a","b","c","d","e"]})", "400 stop: "},
      {R"({"prompt":"a","stream":"yes"})", "400 stream: "},
  };
  for (const auto& [body, expected] : cases)
    EXPECT_EQ(said(*texts, body).find(expected), 0u) << body << "\n" << said(*texts, body);
  EXPECT_EQ(said(*texts, R"({"prompt":"a","model":"m","user":"u","presence_penalty":0,"stop":null})"), "");
  EXPECT_EQ(said(*texts, "{\"prompt\":\"" + std::string(500, 'x') + "\"}").find("413 : the prompt has 5"),
            0u);
  EXPECT_EQ(said(*texts, R"({"messages":[{"role":"user","content":"a"}]})", true)
                .find("400 : this model was not trained to chat"),
            0u);
  EXPECT_EQ(said(*pairs, R"({"messages":[]})", true).find("400 messages: "), 0u);
  EXPECT_EQ(said(*pairs, R"({"messages":[{"role":"user","content":[1]}]})", true)
                .find("400 messages[0].content: messages[0].content: expected parts like"),
            0u);
  const auto parts = [&](const std::string& content) {
    return said(*pairs, R"({"messages":[{"role":"user","content":)" + content + "}]}", true);
  };
  EXPECT_EQ(parts(R"([{"type":"text","text":"a"},{"type":"text","text":" b"}])"), "");
  EXPECT_EQ(parts("[]").find("400 : there is nothing"), 0u);
  EXPECT_EQ(
      parts(R"([{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}}])")
          .find(
              "400 messages[0].content: messages[0].content: parts of type \"image_url\" are not supported"),
      0u);
  EXPECT_EQ(
      parts(R"([{"type":"text"}])").find("400 messages[0].content: messages[0].content: expected parts like"),
      0u);
  EXPECT_EQ(
      parts(R"([{"text":"a"}])").find("400 messages[0].content: messages[0].content: expected parts like"),
      0u);
  EXPECT_EQ(
      said(*pairs, R"({"messages":[{"role":"user","content":" "}]})", true).find("400 : there is nothing"),
      0u);
  EXPECT_EQ(said(*pairs, "{\"prompt\":\"" + std::string(5000, 'x') + "\"}").find("413 : "), 0u);
  EXPECT_EQ(said(*pairs, R"({"messages":[{"role":"user","content":"a"}]})", true), "");
}

TEST_F(Refusals, OfAMessageNameWhatIsNotRead) {
  const auto of = [&](const std::string& first) {
    return said(*pairs, R"({"messages":[)" + first + R"(,{"role":"user","content":"a"}]})", true);
  };
  const std::pair<const char*, const char*> cases[] = {
      {R"(1)", "400 messages[0]: messages[0]: expected a JSON object"},
      {R"({"content":"a"})", "400 messages[0].role: "},
      {R"({"role":"user"})", "400 messages[0].content: messages[0].content: expected a text, found none"},
      {R"({"role":"assistant","content":null})",
       "400 messages[0].content: messages[0].content: expected a text, found none"},
      {R"({"role":"user","content":7})",
       "400 messages[0].content: messages[0].content: expected a text or a list of text parts, found 7"},
      {R"({"role":"tool","content":"a"})",
       "400 messages[0].role: messages[0].role: expected system, developer, user or assistant, found "
       "\"tool\""},
      {R"({"role":"user","content":"a","text":"b"})",
       "400 messages[0].text: unknown key \"messages[0].text\""},
      {R"({"role":"assistant","content":null,"tool_calls":[{"id":"1"}]})", "400 messages[0].tool_calls: "},
  };
  for (const auto& [first, expected] : cases) EXPECT_EQ(of(first).find(expected), 0u) << of(first);
  EXPECT_EQ(of(R"({"role":"developer","content":"a","name":"me"})"), "");
  // As OpenAI's library for Python writes an answer that is sent back.
  EXPECT_EQ(of(R"({"content":"a","refusal":null,"role":"assistant","annotations":[],"audio":null,)"
               R"("function_call":null,"tool_calls":null})"),
            "");
}
TEST_F(Refusals, ButNotOfWhatOrdinaryClientsSend) {
  const auto read = [&](const std::string& more) {
    return serve::read_request(R"({"prompt":"a",)" + more + "}", false, *texts, served()).prompts[0];
  };
  read(
      R"("tool_choice":"none","modalities":["text"],"logprobs":false,"stream_options":{"include_usage":true})");
  const float least = read(R"("top_p":0)").decoding.top_p;  // less than any likeliest token has
  EXPECT_GT(least, 0);
  EXPECT_LT(static_cast<double>(least) * static_cast<double>(texts->tokenizer.size()), 1);
  const auto seed = [&](const char* n) { return read(fmt::format("\"seed\":{}", n)).decoding.seed; };
  EXPECT_EQ(seed("4294967295"), UINT32_MAX);  // those that fit are taken as they are
  EXPECT_EQ(seed("-1"), seed("-1"));
  EXPECT_NE(seed("1099511627776"), seed("2199023255552"));  // 2^40, 2^41
}
TEST_F(Refusals, EachPromptHasASeedOfItsOwn) {
  const auto seeds = [&](const std::string& more) {
    std::vector<uint32_t> out;
    for (const auto& w :
         serve::read_request(R"({"prompt":["a","a","a"])" + more + "}", false, *texts, served()).prompts)
      out.push_back(w.decoding.seed);
    return out;
  };
  const auto differ = [](const std::vector<uint32_t>& s) {
    return std::set<uint32_t>(s.begin(), s.end()).size() == 3;
  };
  EXPECT_TRUE(differ(seeds("")));
  EXPECT_NE(seeds(""), seeds(""));
  const auto given = seeds(R"(,"seed":5)");
  EXPECT_EQ(given[0], 5u);
  EXPECT_TRUE(differ(given));
  EXPECT_EQ(given, seeds(R"(,"seed":5)"));
}
TEST_F(Refusals, TextsAreReadInNfcAsForTraining) {
  const auto read = [&](const LoadedRun& run, const std::string& body, bool chat = false) {
    return serve::read_request(body, chat, run, served()).prompts[0].prompt.tokens;
  };
  const std::string apart = "e\u0301", composed = "\u00e9";
  for (const LoadedRun* run : {texts.get(), pairs.get()})
    EXPECT_EQ(read(*run, R"({"prompt":")" + apart + "\"}"), read(*run, R"({"prompt":")" + composed + "\"}"));
  const auto said = [](const std::string& text) {
    return R"({"messages":[{"role":"user","content":")" + text + "\"}]}";
  };
  EXPECT_EQ(read(*pairs, said(apart), true), read(*pairs, said(composed), true));
  const std::string stops = R"({"prompt":"a","stop":[")" + apart + "\"]}";
  EXPECT_EQ(serve::read_request(stops, false, *texts, served()).prompts[0].stop,
            std::vector<std::string>{composed});
}
TEST_F(Refusals, AnAnswerIsCreatedWhenItIsAskedFor) {
  serve::ServedModel m = served();
  m.created = 7;
  const int64_t before = std::time(nullptr);
  const serve::Request r = serve::read_request(R"({"prompt":"a"})", false, *texts, m);
  const serve::Answer answers[1];
  int64_t created = 0;
  parse_json(serve::answer_json(r, m, answers, 1), "an answer").find("created")->whole(created);
  EXPECT_GE(created, before);
  EXPECT_LE(created, std::time(nullptr));
}

// Where penalties leave two tokens only, there are no three texts.
TEST(Engine, ASearchThatFindsFewerTextsEndsAll) {
  Scratch folder;
  write_run(folder.path + "/run", {.kind = CorpusKind::documents, .context = 400});
  const auto run = load_run(folder.path + "/run");
  serve::Engine engine(*run, 8, 8);
  serve::GenerationRequest w{
      {}, {.beam = 3, .no_repeat = 1, .best = 3, .max_new = 1}, run->tokenizer.end(), {}};
  for (Token t = 2; t < run->tokenizer.size(); ++t)
    if (t != 100 && t != 101) w.prompt.tokens.push_back(t);
  w.prompt.tokens.push_back(0), w.prompt.tokens.push_back(1);
  const auto job = engine.begin(w);
  std::vector<std::string> ends;
  serve::TextDelta delta;
  while (!job->over() && job->wait(delta, std::chrono::seconds(2)))
    if (delta.ended) ends.emplace_back(delta.ended);
  EXPECT_TRUE(job->over());
  EXPECT_EQ(ends, (std::vector<std::string>{"length", "length", "stop"}));
}
TEST(Engine, OfASearchOnlyTheTokensUpToAStopCount) {
  Scratch folder;
  write_run(folder.path + "/run", {.kind = CorpusKind::documents});
  const auto run = load_run(folder.path + "/run");
  serve::Engine engine(*run, 8, 8);
  serve::GenerationRequest w{{}, {.beam = 3, .max_new = 20}, -1, {}};
  run->tokenizer.encode("the ", w.prompt.tokens);
  const std::vector<Token> all = generate(run->model, {&w.prompt, 1}, -1, w.decoding).front()[0].tokens;
  size_t needed = 0;
  for (GrowingDecode decode(run->tokenizer, w.prompt.tokens); needed < all.size();) {
    const std::string text = decode.add(all[needed++]);
    if (needed < 3 || text.empty() || static_cast<unsigned char>(text[0]) >= 0x80) continue;
    w.stop = {text.substr(0, 1)};
    break;
  }
  ASSERT_FALSE(w.stop.empty());
  size_t first = 0;  // it may come earlier
  for (GrowingDecode decode(run->tokenizer, w.prompt.tokens); first < needed;)
    if (decode.add(all[first++]).find(w.stop[0]) != std::string::npos) break;
  ASSERT_LT(first, all.size());
  const auto job = engine.begin(w);
  serve::TextDelta delta;
  while (!job->over() && job->wait(delta, std::chrono::seconds(2))) {
  }
  EXPECT_EQ(job->tokens(), static_cast<int64_t>(first));
}

// Keeps an engine's thread until go(), so that what is asked for meanwhile waits in its queue.
class BusyEngine {
 public:
  explicit BusyEngine(serve::Engine& engine)
      : holds_([this, &engine] {
          engine.call([this] {
            held_.set_value();
            go_.get_future().wait();
          });
        }) {
    held_.get_future().wait();
  }
  ~BusyEngine() { go(); }
  void go() {
    if (!std::exchange(gone_, true)) go_.set_value();
  }

 private:
  std::promise<void> held_, go_;
  bool gone_ = false;
  std::jthread holds_;
};
TEST(Engine, WhoHasLeftKeepsNoPlaceInTheQueue) {
  Scratch folder;
  write_run(folder.path + "/run", {.kind = CorpusKind::documents});
  const auto run = load_run(folder.path + "/run");
  serve::Engine engine(*run, 8, 1);
  BusyEngine busy(engine);
  serve::GenerationRequest w{{}, {.max_new = 2}, -1, {}};
  run->tokenizer.encode("the ", w.prompt.tokens);
  const auto left = engine.begin(w);
  ASSERT_TRUE(left);
  EXPECT_FALSE(engine.begin(w));
  left->cancel();
  const auto stays = engine.begin(w);
  EXPECT_TRUE(stays);
  busy.go();
  serve::TextDelta delta;
  while (stays && !stays->over() && stays->wait(delta, std::chrono::seconds(2))) {
  }
  EXPECT_TRUE(stays && stays->over());
}

// A connection of this process with itself.
struct SlowClients : testing::Test {
  int listens = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), served = -1;
  int port = 0, client_port = 0;
  static int bound(sockaddr_in& at, int s) {
    at.sin_family = AF_INET, at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    bind(s, reinterpret_cast<sockaddr*>(&at), size);
    getsockname(s, reinterpret_cast<sockaddr*>(&at), &size);
    return ntohs(at.sin_port);
  }
  void SetUp() override {
    sockaddr_in at{}, from{};
    port = bound(at, listens), client_port = bound(from, client);
    listen(listens, 1);
    ASSERT_EQ(connect(client, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    served = accept(listens, nullptr, nullptr);
  }
  ~SlowClients() override {
    for (const int s : {served, client, listens}) close(s);
  }
  bool is_cut() const { return send(served, "x", 1, MSG_NOSIGNAL) == -1; }
};
// The HTTP library and the system name a link-local client differently.
TEST_F(SlowClients, TheInterfaceIsNoPartOfAClientsName) {
  serve::SlowClients slow(port, std::chrono::seconds(30));
  const auto now = steady_clock::now();
  slow.look(now);
  slow.answering("127.0.0.1%eth0", client_port);
  slow.look(now + std::chrono::seconds(31));
  EXPECT_FALSE(is_cut());  // its answer is not cut off
  slow.answered("127.0.0.1%eth0", client_port);
  slow.look(steady_clock::now() + std::chrono::seconds(31));
  EXPECT_TRUE(is_cut());
}
TEST_F(SlowClients, AreKnownWhenNoMoreFilesCanBeOpened) {
  serve::SlowClients slow(port, std::chrono::seconds(30));
  const auto now = steady_clock::now();
  slow.look(now);
  slow.answering("127.0.0.1", client_port);
  rlimit usual{};
  getrlimit(RLIMIT_NOFILE, &usual);
  const auto with_files = [&](rlim_t most) {
    const rlimit limit{most, usual.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  };
  with_files(0);
  EXPECT_EQ(open("/dev/null", O_RDONLY), -1);
  slow.look(now + std::chrono::seconds(1));
  with_files(usual.rlim_cur);
  slow.look(now + std::chrono::seconds(2));
  slow.look(now + std::chrono::seconds(60));
  EXPECT_FALSE(is_cut());  // its answer is under way
  slow.answered("127.0.0.1", client_port);
  with_files(0);
  slow.look(steady_clock::now() + std::chrono::seconds(31));
  with_files(usual.rlim_cur);
  EXPECT_TRUE(is_cut());
}

// A search of one width may be asked for one hypothesis or for several, by requests that wait side by side.
TEST(Engine, EveryRequestGetsAsManyTextsOfASearchAsItAskedFor) {
  Scratch folder;
  write_run(folder.path + "/run", {});
  const auto run = load_run(folder.path + "/run");
  serve::Engine engine(*run, 8, 8);
  BusyEngine busy(engine);
  serve::GenerationRequest w{
      source_prompt("a", run->tokenizer), {.beam = 3, .max_new = 4}, run->tokenizer.end(), {}};
  const auto one = engine.begin(w);
  w.decoding.best = 3;
  const auto three = engine.begin(w);
  busy.go();
  std::vector<std::map<int32_t, std::string>> texts;
  for (const auto& job : {one, three}) {
    texts.emplace_back();
    serve::TextDelta delta;
    while (!job->over() && job->wait(delta, std::chrono::seconds(2))) texts.back()[delta.draw] += delta.text;
    EXPECT_TRUE(job->over()) << job->request.decoding.best;
  }
  EXPECT_EQ(texts[0].size(), 1u);
  EXPECT_EQ(texts[1].size(), 3u);
  EXPECT_EQ(texts[0][0], texts[1][0]);
}

// ---- the program
struct Serve : testing::Test {
  Program p;
  pid_t child = -1;
  int port = 0;
  std::unique_ptr<LoadedRun> run;

  void start(CorpusKind kind, std::vector<std::string> more = {}, int64_t context = 64) {
    write_run(p.file("run"), {.kind = kind, .context = context});
    start(std::move(more));
  }
  void start(std::vector<std::string> more) {  // with the run that is there
    run = load_run(p.file("run"));
    std::vector<std::string> words{"serve", p.file("run"), "--port", "0", "--name", "m"};
    words.insert(words.end(), more.begin(), more.end());
    child = p.start(words);
    for (int i = 0; i < 2000 && port == 0; ++i) {
      const std::string out = slurp(p.file("out"));
      const size_t at = out.find("127.0.0.1:");
      if (out.find('\n') != std::string::npos && at != std::string::npos)
        port = std::stoi(out.substr(at + 10));
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ASSERT_GT(port, 0) << slurp(p.file("err"));
  }
  Ran end() {
    kill(child, SIGTERM);
    const Ran r = p.end(child);
    child = -1;
    return r;
  }
  ~Serve() override {
    if (child > 0) kill(child, SIGKILL), waitpid(child, nullptr, 0);
  }
  std::string url(const std::string& path) const { return fmt::format("http://127.0.0.1:{}{}", port, path); }
  HttpReply post(const std::string& path, const std::string& body,
                 std::vector<std::string> headers = {}) const {
    return post_json(url(path), body, headers, 30);
  }
  int connected() const {
    const int s = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET, to.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    to.sin_port = htons(static_cast<uint16_t>(port));
    EXPECT_EQ(connect(s, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    return s;
  }
  static void say(int s, const std::string& text) {
    for (size_t at = 0; at < text.size();) {
      const ssize_t n = send(s, text.data() + at, text.size() - at, MSG_NOSIGNAL);
      if (n <= 0) return;
      at += static_cast<size_t>(n);
    }
  }
  static std::string hear(int s) {  // until the server closes
    std::string out;
    char part[4096];
    for (ssize_t n; (n = read(s, part, sizeof part)) > 0;) out.append(part, static_cast<size_t>(n));
    close(s);
    return out;
  }
  // Asks for a text, and returns as soon as the server has begun to answer: with news, or with its head,
  // which it sends while the request waits.
  int begun(const std::string& body, const char* until = "\ndata: ") const {
    const int s = connected();
    say(s, "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n\r\n" + body);
    std::string heard;
    char c = 0;
    while (heard.find(until) == std::string::npos && read(s, &c, 1) == 1) heard += c;
    return s;
  }
  std::string raw(const std::string& path, const std::string& body, const std::string& host = "localhost",
                  const std::string& more = "") const {
    const int s = connected();
    say(s, "POST " + path + " HTTP/1.1\r\nHost: " + host + more +
               "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return hear(s);
  }
  // As it comes back from JSON: an untrained model writes bytes that are not text.
  std::string translated(const std::string& source) const {
    Decoding d = run->config.decoding;
    const std::string one[] = {source};
    return *parse_json(to_json(Json(translate(run->model, run->tokenizer, one, d).front())), "json").text();
  }
};
const Json* at(const Json& json, std::initializer_list<const char*> path) {
  const Json* out = &json;
  for (const char* key : path) {
    if (out && out->array())
      out = &out->array()->at(std::stoul(key));
    else if (out)
      out = out->find(key);
  }
  return out;
}
std::string text_at(const std::string& body, std::initializer_list<const char*> path) {
  const Json json = parse_json(body, "an answer");
  const Json* t = at(json, path);
  return t && t->text() ? *t->text() : "(none in " + body + ")";
}

TEST_F(Serve, TheClientOfHostedModelsTalksToIt) {
  start(CorpusKind::pairs);
  std::vector<std::string> sources;
  for (const Pair& pair : grammar_pairs(12, 7)) sources.push_back(pair.source);
  ChatConfig c;
  c.url = url("/v1"), c.model = "m", c.system = "Translate.", c.parallel = 6;
  ASSERT_EQ(chat_file(sources, c, provenance_of(c), p.file("pool.jsonl")), 0);
  const auto lines = read_generated(p.file("pool.jsonl"));
  ASSERT_EQ(lines.size(), sources.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string expected = one_line(translated(sources[i]));  // the client trims blanks
    expected.erase(0, expected.find_first_not_of(' '));
    expected.erase(expected.find_last_not_of(' ') + 1);
    EXPECT_EQ(lines[i].target, expected) << sources[i];
  }
  const HttpReply models = post("/v1/models", "{}");
  EXPECT_EQ(models.status, 405);  // GET alone
  EXPECT_NE(text_at(models.body, {"error", "message"}).find("/v1/models"), std::string::npos);
  const auto get = [&](const std::string& path) {
    const int asking = connected();
    say(asking, "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    const std::string all = hear(asking);
    return all.substr(all.find("\r\n\r\n"));
  };
  EXPECT_EQ(text_at(get("/v1/models/m"), {"id"}), "m");
  const std::string list = get("/v1/models");
  EXPECT_EQ(text_at(list, {"object"}), "list");
  EXPECT_EQ(text_at(list, {"data", "0", "id"}), "m");
  EXPECT_EQ(text_at(list, {"data", "0", "object"}), "model");
  // Without a length there is no body, and nothing to wait for.
  for (const char* path : {"/v1/completions", "/v1/models"}) {
    const int bodiless = connected();
    say(bodiless, fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\n\r\n", path));
    EXPECT_EQ(hear(bodiless).find("HTTP/1.1 411"), 0u) << path;
  }
  const std::string page = raw("/look", sources[0]);
  EXPECT_EQ(page.find("HTTP/1.1 200"), 0u) << page.substr(0, 300);
  for (const char* part : {"<details>", "data:image/png", "class=\"tokens\"", "Layer 2"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  EXPECT_EQ(raw("/look", "x", "evil.example").find("HTTP/1.1 403"), 0u);
  EXPECT_EQ(raw("/look", "x", "127.evil.example:80").find("HTTP/1.1 403"), 0u);
  const Ran r = end();
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_EQ(r.err, "ended\n");
}

TEST_F(Serve, StreamsWhatItWouldHaveAnsweredWhole) {
  start(CorpusKind::documents);
  for (const char* rest : {R"("temperature":0})", R"("temperature":1,"seed":5,"n":3})",
                           R"("temperature":0,"no_repeat_ngram_size":2})"}) {
    const std::string body = std::string(R"({"prompt":"the ","max_tokens":12,)") + rest;
    const HttpReply whole = post("/v1/completions", body);
    ASSERT_EQ(whole.status, 200) << whole.body << whole.error;
    std::vector<std::string> texts(3), ends(3);
    const HttpReply streamed = post("/v1/completions", R"({"stream":true,)" + body.substr(1));
    std::istringstream in(streamed.body);
    std::string line, last;
    while (std::getline(in, line)) {
      if (line.empty()) continue;
      ASSERT_EQ(line.rfind("data: ", 0), 0u) << line;
      last = line.substr(6);
      if (last == "[DONE]") break;
      const Json json = parse_json(last, "a piece");
      int64_t index = 0;
      at(json, {"choices", "0", "index"})->whole(index);
      texts[static_cast<size_t>(index)] += *at(json, {"choices", "0", "text"})->text();
      if (const Json* e = at(json, {"choices", "0", "finish_reason"}); e->text())
        ends[static_cast<size_t>(index)] = *e->text();
    }
    EXPECT_EQ(last, "[DONE]");
    const Json json = parse_json(whole.body, "the answer");
    const auto& choices = *json.find("choices")->array();
    for (size_t k = 0; k < choices.size(); ++k) {
      EXPECT_EQ(*choices[k].find("text")->text(), texts[k]) << body;
      EXPECT_EQ(*choices[k].find("finish_reason")->text(), ends[k]);
    }
  }
  // Two prompts that are counted by their tokens, and all that is written for them.
  const Json counted = parse_json(
      post("/v1/completions", R"({"prompt":["the ","a the "],"n":2,"max_tokens":1,"temperature":1})").body,
      "json");
  const auto tokens = [&](const char* text) {
    return static_cast<int64_t>(run->tokenizer.encode(text).size());
  };
  const int64_t asked = tokens("the ") + tokens("a the ");
  for (const auto& [key, expected] :
       {std::pair{"prompt_tokens", asked}, {"completion_tokens", int64_t{4}}, {"total_tokens", asked + 4}}) {
    int64_t n = -1;
    const Json* found = rum::serve_test::at(counted, {"usage", key});
    EXPECT_TRUE(found && found->whole(n));
    EXPECT_EQ(n, expected) << key;
  }
  // A stop cuts the text before it.
  const std::string all =
      text_at(post("/v1/completions", R"({"prompt":"the ","max_tokens":12,"temperature":0})").body,
              {"choices", "0", "text"});
  size_t at = 1;
  while (at < all.size() && !std::isalnum(static_cast<unsigned char>(all[at]))) ++at;
  ASSERT_LT(at, all.size()) << all;
  const HttpReply cut =
      post("/v1/completions",
           R"({"prompt":"the ","max_tokens":12,"temperature":0,"stop":[")" + all.substr(at, 1) + "\"]}");
  EXPECT_EQ(text_at(cut.body, {"choices", "0", "text"}), all.substr(0, all.find(all[at])));
  EXPECT_EQ(text_at(cut.body, {"choices", "0", "finish_reason"}), "stop");
}

TEST_F(Serve, AHundredClientsAtOnceLoseNothing) {
  start(CorpusKind::pairs);
  std::vector<std::string> sources, expected;
  for (const Pair& pair : grammar_pairs(200, 9)) {
    if (pair.source.size() > 45 || sources.size() == 100) continue;  // which certainly fit into the context
    sources.push_back(pair.source);
    expected.push_back(translated(pair.source));
  }
  ASSERT_EQ(sources.size(), 100u);
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> clients;
    for (size_t i = 0; i < sources.size(); ++i)
      clients.emplace_back([&, i] {
        const HttpReply r = post("/v1/completions", to_json(Json(Json::Object{{"prompt", sources[i]}})));
        const std::string text = r.status == 200 ? text_at(r.body, {"choices", "0", "text"}) : "";
        right += r.status == 200 && text == expected[i];
        EXPECT_EQ(r.status, 200) << r.error << r.body;
        EXPECT_EQ(text, expected[i]) << sources[i];
      });
  }
  EXPECT_EQ(right, 100);
}

int64_t peak_kib(pid_t process) {
  std::istringstream in(slurp("/proc/" + std::to_string(process) + "/status"));
  for (std::string line; std::getline(in, line);)
    if (line.rfind("VmHWM:", 0) == 0) return std::stoll(line.substr(6));
  return -1;
}
TEST_F(Serve, BadClientsHoldUpNobody) {
  start(CorpusKind::documents,
        {"--clients", "24", "--patience", "5", "--waiting", "8", "--max-body", "100000"});
  const std::string good = R"({"prompt":"the ","max_tokens":4,"temperature":0})";
  ASSERT_EQ(post("/v1/completions", good).status, 200);
  const int64_t before = peak_kib(child);
  // Clients that send half a request and no more, and clients that send a byte now and then: more than may
  // connect. They have three times the patience only as long as nobody else needs their place.
  std::vector<int> slow;
  for (int i = 0; i < 20; ++i) {
    slow.push_back(connected());
    say(slow.back(), "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Le");
  }
  std::atomic<bool> over = false;
  std::jthread dripping([&] {
    std::vector<int> drips;
    for (int i = 0; i < 20; ++i) drips.push_back(connected());
    while (!over) {
      for (const int s : drips) say(s, "G");
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
    for (const int s : drips) close(s);
  });
  EXPECT_EQ(post("/v1/completions", good).status, 200);
  over = true;
  for (const int s : slow) close(s);
  // Bodies of 10 MB, with a length and without one.
  const std::string large(10'000'000, 'x');
  EXPECT_EQ(raw("/v1/completions", large).find("HTTP/1.1 413"), 0u);
  const int s = connected();
  say(s, "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n989680\r\n" +
             large + "\r\n0\r\n\r\n");
  close(s);
  // Clients that leave in the middle: their requests are not continued.
  for (int i = 0; i < 30; ++i) {
    const int leaving = connected();
    const std::string body = R"({"prompt":"the ","max_tokens":50,"temperature":1,"stream":true})";
    say(leaving, "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
                     std::to_string(body.size()) + "\r\n\r\n" + body);
    close(leaving);
  }
  HttpReply last;
  for (int tries = 0; tries < 50 && last.status != 200; ++tries) {
    last = post("/v1/completions", good);
    if (last.status == 429) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(last.status, 200) << last.body << last.error;
  EXPECT_LT(peak_kib(child) - before, 64 * 1024);
  // It ends even if a client still holds a connection.
  const int idle = connected();
  say(idle, "GET / HT");
  const Ran r = end();
  EXPECT_EQ(r.status, 0) << r.err;
  close(idle);
}

// So little memory that no more than a few threads can be started: clients that say nothing take them all.
TEST_F(Serve, WithoutMoreThreadsASlowClientMakesRoom) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs its memory";
  start(CorpusKind::documents);
  int64_t used = 0;
  std::istringstream in(slurp("/proc/" + std::to_string(child) + "/status"));
  for (std::string line; std::getline(in, line);)
    if (line.rfind("VmSize:", 0) == 0) used = std::stoll(line.substr(7)) * 1024;
  ASSERT_GT(used, 0);
  const auto most = static_cast<rlim_t>(used + (int64_t{40} << 20));
  const rlimit limit{most, most};
  ASSERT_EQ(prlimit(child, RLIMIT_AS, &limit, nullptr), 0);
  std::vector<int> idle;
  for (int i = 0; i < 12; ++i) idle.push_back(connected());
  const int asks = connected();
  const timeval patience{30, 0};
  setsockopt(asks, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  say(asks, "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(hear(asks).substr(0, 12), "HTTP/1.1 200");
  const Ran r = end();
  EXPECT_EQ(r.status, 0) << r.err;
  for (const int s : idle) close(s);
}
TEST_F(Serve, RefusesWhatIsNotMeantForIt) {
  start(CorpusKind::documents, {"--max-prompt", "50"});
  const std::string good = R"({"prompt":"a","max_tokens":1})", completions = "/v1/completions";
  const auto status = [&](const std::string& more, const std::string& host = "localhost") {
    return raw(completions, good, host, more).substr(0, 12);
  };
  EXPECT_EQ(status("", "LocalHost:80"), "HTTP/1.1 200");
  for (const char* own : {"http://localhost:3000", "http://127.0.0.1", "https://[::1]:8080"})
    EXPECT_EQ(status(std::string("\r\nOrigin: ") + own), "HTTP/1.1 200") << own;
  for (const char* foreign :
       {"https://evil.example", "null", "http://localhost.evil.example", "http://127.evil.example:80"})
    EXPECT_EQ(status(std::string("\r\nOrigin: ") + foreign), "HTTP/1.1 403") << foreign;
  EXPECT_EQ(status("\r\nContent-Type: multipart/form-data; boundary=x"), "HTTP/1.1 415");
  EXPECT_EQ(status("\r\nContent-Encoding: gzip"), "HTTP/1.1 400");
  const int malformed = connected();
  say(malformed,
      "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n");
  EXPECT_EQ(hear(malformed).substr(0, 12), "HTTP/1.1 400");
  EXPECT_EQ(raw("/look", std::string(51, '\x01')).substr(0, 12), "HTTP/1.1 413");
  // The program reads its prompt as the server does.
  const auto written = [&](const char* prompt) {
    return p.run({"generate", p.file("run"), "--prompt", prompt, "--greedy", "--max-new", "8"}).out;
  };
  EXPECT_EQ(written("e\u0301"), written("\u00e9"));
  EXPECT_NE(written("\u00e9"), "");
}
TEST_F(Serve, AFailureIsTold) {
  write_run(p.file("run"), {.kind = CorpusKind::documents});
  std::string weights = slurp(p.file("run/model.safetensors"));
  weights.replace(weights.size() - 4096, 4096, std::string(4096, '\xFF'));  // no numbers
  p.write("run/model.safetensors", weights);
  start(std::vector<std::string>{});
  const std::string body = R"({"prompt":"the ","max_tokens":4)";
  const HttpReply whole = post("/v1/completions", body + "}");
  EXPECT_EQ(whole.status, 0) << whole.body;  // not taken for an answer, but there for who looks
  EXPECT_NE(text_at(whole.body, {"error", "message"}).find("not finite"), std::string::npos);
  const std::string streamed = post("/v1/completions", body + R"(,"stream":true})").body;
  ASSERT_EQ(streamed.find("data: {"), 0u) << streamed;
  EXPECT_NE(text_at(streamed.substr(6), {"error", "message"}).find("not finite"), std::string::npos);
}
// There is news of it at each token, and it would take minutes: what a text contains is by far the likeliest
// here, and it does not contain its end.
constexpr const char* kEndless =
    R"({"prompt":"the cat is","temperature":0,"repetition_penalty":0.01,"stream":true})";
TEST_F(Serve, WhoLeavesIsNotWrittenFor) {
  start(CorpusKind::documents, {"--max-tokens", "60000"}, 60000);
  close(begun(kEndless));
  EXPECT_EQ(post("/v1/completions", R"({"prompt":"the ","max_tokens":2})").status, 200);
}

// While one text is written, one of the requests waits and the others are to come again.
TEST_F(Serve, MoreThanMayWaitAreRefused) {
  start(CorpusKind::documents, {"--max-tokens", "60000", "--waiting", "1"}, 60000);
  const int first = begun(kEndless);
  std::vector<std::future<HttpReply>> others;
  for (int i = 0; i < 3; ++i)
    others.push_back(std::async(std::launch::async, [this] {
      return post("/v1/completions", R"({"prompt":"the ","max_tokens":2})");
    }));
  int refused = 0, answered = 0;
  for (int i = 0; i < 3000 && refused < 2; ++i)
    for (std::future<HttpReply>& f : others)
      if (f.valid() && f.wait_for(std::chrono::milliseconds(10)) == std::future_status::ready) {
        const HttpReply r = f.get();
        EXPECT_EQ(r.status, 429) << r.error;
        EXPECT_EQ(r.retry_after, 1);
        EXPECT_EQ(text_at(r.body, {"error", "message"}), "too many requests wait already");
        ++refused;
      }
  close(first);
  for (std::future<HttpReply>& f : others)
    if (f.valid()) answered += f.get().status == 200;
  EXPECT_EQ(refused, 2);
  EXPECT_EQ(answered, 1);
}
TEST_F(Serve, WhatIsInProgressIsFinishedAtTheEnd) {
  start(CorpusKind::documents, {"--max-tokens", "60000"}, 60000);
  const int asks = begun(R"({"prompt":"the ","temperature":0,"stream":true,"max_tokens":400,)"
                         R"("stream_options":{"include_usage":true},"repetition_penalty":0.01})");
  std::future<std::string> rest = std::async(std::launch::async, [&] { return hear(asks); });
  const Ran r = end();
  EXPECT_EQ(r.status, 0) << r.err;
  const std::string heard = rest.get();
  EXPECT_NE(heard.find(R"("finish_reason":"length")"), std::string::npos) << heard.substr(0, 999);
  EXPECT_NE(heard.find(R"("completion_tokens":400,)"), std::string::npos);
  EXPECT_NE(heard.find("data: [DONE]"), std::string::npos);
}
TEST_F(Serve, ButNotForLongerThanItsPatience) {
  start(CorpusKind::documents, {"--max-tokens", "60000", "--patience", "1"}, 60000);
  const int streams = begun(kEndless), waits = begun(R"({"prompt":"the "})", "\r\n\r\n");
  std::future<std::string> rest = std::async(std::launch::async, [&] { return hear(streams); });
  std::future<std::string> other = std::async(std::launch::async, [&] { return hear(waits); });
  const Ran r = end();
  EXPECT_EQ(r.status, 0) << r.err;
  // Neither looks like an answer: a stream ends with an error, and a body of chunks without its last one (RFC
  // 9112, 7.1).
  const std::string streamed = rest.get(), whole = other.get(), last_chunk = "\r\n0\r\n\r\n";
  EXPECT_NE(streamed.find("data: {\"error\":{\"message\":\"the server was stopped"), std::string::npos)
      << streamed.substr(0, 999);
  EXPECT_EQ(streamed.find("data: [DONE]"), std::string::npos);
  EXPECT_TRUE(streamed.ends_with(last_chunk));
  EXPECT_NE(whole.find("{\"error\":{\"message\":\"the server was stopped"), std::string::npos) << whole;
  EXPECT_FALSE(whole.ends_with(last_chunk)) << whole;
}
// Where it listens is said in this one line alone.
TEST_F(Serve, APortThatNobodyIsToldEndsIt) {
  write_run(p.file("run"), {});
  const Ran r = p.shell("timeout 60 " + program_path() + " serve " + p.file("run") + " --port 0 >&-");
  expect_refusal(r, "standard output cannot be written");
}
TEST_F(Serve, AsksForTheKey) {
  setenv("RUM_TEST_KEY", "secret", 1);
  start(CorpusKind::pairs, {"--key-from", "RUM_TEST_KEY"});
  unsetenv("RUM_TEST_KEY");
  EXPECT_EQ(post("/v1/completions", R"({"prompt":"a"})").status, 401);
  EXPECT_EQ(post("/v1/completions", R"({"prompt":"a"})", {"Authorization: Bearer wrong"}).status, 401);
  EXPECT_EQ(post("/v1/completions", R"({"prompt":"a"})", {"Authorization: Bearer secret"}).status, 200);
  Program other;
  expect_refusal(other.run({"serve", p.file("run"), "--port", std::to_string(port)}),
                 "cannot listen there: another server is running there; --port 0 takes any free port");
  expect_refusal(
      other.run({"serve", p.file("run"), "--port", "0", "--host", "192.0.2.1"}),  // of documentation
      "cannot listen there: it is no address of this machine");
  const std::string no_name(64, 'x');  // too long a label for any resolver to be asked
  expect_refusal(other.run({"serve", p.file("run"), "--port", "0", "--host", no_name}),
                 "cannot listen there: no address is known by this name");
  expect_refusal(other.run({"serve", p.file("run"), "--key-from", "RUM_NO_SUCH_KEY"}), "is not set");
  // As a file written on Windows sets it: nobody could send this key.
  setenv("RUM_TEST_KEY", "secret\r", 1);
  expect_refusal(other.run({"serve", p.file("run"), "--key-from", "RUM_TEST_KEY"}),
                 "--key-from RUM_TEST_KEY: the key there holds a space or a control character");
  unsetenv("RUM_TEST_KEY");
}
}  // namespace
}  // namespace rum::serve_test
