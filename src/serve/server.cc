#include "serve/server.h"

// Debian's library is built with these; they change the structs of its header.
#define CPPHTTPLIB_OPENSSL_SUPPORT
#define CPPHTTPLIB_ZLIB_SUPPORT
#define CPPHTTPLIB_BROTLI_SUPPORT
#include <arpa/inet.h>
#include <httplib.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <list>
#include <optional>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "base/say.h"
#include "serve/serve_page.h"
#include "serve/slow_clients.h"
#include "serve/text_page.h"
#include "text/unicode.h"

namespace rum::serve {
namespace {
// Between two checks that a client is still connected, and for clients that are too slow.
constexpr auto kGlance = std::chrono::milliseconds(200), kShort = std::chrono::milliseconds(50);

// One thread per connection, so that none waits for a slow one; when all are in use, or the system gives no
// more, the slowest client is cut off before the next one is accepted.
class Connections : public httplib::TaskQueue {
 public:
  Connections(size_t most, SlowClients& slow) : most_(most), slow_(slow) {}
  using Accepted = decltype(std::declval<httplib::TaskQueue>().enqueue({}));  // bool in newer versions
  Accepted enqueue(std::function<void()> serve) override {
    slow_.accepted();
    std::unique_lock lock(mutex_);
    while (running_ >= most_ || !started(serve)) {
      const size_t busy = running_;
      lock.unlock();
      if (busy == 0) {  // nobody's end would give a thread
        serve();
        break;
      }
      slow_.make_room();
      lock.lock();
      free_.wait_for(lock, kShort, [&] { return running_ < busy; });
    }
    return Accepted(1);
  }
  void shutdown() override {
    std::list<std::unique_ptr<Thread>> all;
    {
      const std::lock_guard lock(mutex_);
      all.swap(threads_);
    }
    all.clear();  // joins them
  }

 private:
  struct Thread {
    bool over = false;
    std::jthread thread;
  };
  bool started(const std::function<void()>& serve) {  // under the lock
    threads_.remove_if([](const std::unique_ptr<Thread>& t) { return t->over; });
    Thread& t = *threads_.emplace_back(std::make_unique<Thread>());
    try {
      t.thread = std::jthread([this, &t, serve] {
        serve();
        // Under this lock: whoever sees that it is over does not wait for it.
        const std::lock_guard done(mutex_);
        t.over = true;
        --running_;
        free_.notify_one();
      });
    } catch (const std::system_error&) {  // too many threads, or no memory for its stack
      threads_.pop_back();
      return false;
    }
    ++running_;
    return true;
  }
  const size_t most_;
  SlowClients& slow_;
  std::mutex mutex_;
  std::condition_variable free_;
  size_t running_ = 0;
  std::list<std::unique_ptr<Thread>> threads_;
};

void refuse(httplib::Response& to, int status, const std::string& message, const std::string& param = "") {
  to.status = status;
  to.set_content(refusal_json(status, message, param) + "\n", "application/json");
  if (status == 429) to.set_header("Retry-After", "1");
  if (status == 413) to.set_header("Connection", "close");  // the rest of the body is not read
}
// Guards against DNS rebinding: a foreign web page whose name resolves to this machine cannot read answers. A
// name may begin with 127., too: only an address is one of this machine.
bool names_this_machine(const std::string& host_header) {
  std::string host = lower_case(host_header.substr(0, host_header.rfind(':')));
  if (host_header.starts_with("[")) host = host_header.substr(0, host_header.find(']') + 1);
  in_addr v4{};
  const bool loopback = inet_pton(AF_INET, host.c_str(), &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
  return host_header.empty() || host == "localhost" || host == "[::1]" || loopback;
}
// A foreign web page cannot read an answer, but it could make the model work. Browsers say where a page is
// from.
bool of_this_machine(const std::string& origin_header) {
  const size_t scheme = origin_header.find("://");
  return origin_header.empty() ||
         (scheme != std::string::npos && names_this_machine(origin_header.substr(scheme + 3)));
}
// Why nobody can listen there: the library does not say.
std::string why_not_bound(const std::string& host, int64_t port) {
  addrinfo hints{}, *all = nullptr;
  hints.ai_socktype = SOCK_STREAM, hints.ai_flags = AI_PASSIVE;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &all) != 0)
    return "no address is known by this name";
  const int s = socket(all->ai_family, all->ai_socktype, all->ai_protocol), yes = 1;
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const int why = s >= 0 && ::bind(s, all->ai_addr, all->ai_addrlen) == 0 && listen(s, 1) == 0 ? 0 : errno;
  if (s >= 0) close(s);
  freeaddrinfo(all);
  if (why == EADDRNOTAVAIL) return "it is no address of this machine";
  if (why == EACCES) return "ports below 1024 are the administrator's; choose another";
  if (why == EADDRINUSE) return "another server is running there; --port 0 takes any free port";
  return why == 0 ? "try again" : std::generic_category().message(why);
}
}  // namespace

struct Server::State {
  const LoadedRun& run;
  const ServedModel model;
  const ServerConfig config;
  Engine engine;
  httplib::Server http;
  int socket = -1, port = 0;
  std::optional<SlowClients> slow;

  State(const LoadedRun& r, ServedModel m, const ServerConfig& c)
      : run(r),
        model(std::move(m)),
        config(c),
        engine(r, c.batch, c.waiting) {
    limits();
    routes();
    bind();
  }

  void limits() {
    http.new_task_queue = [this] { return new Connections(static_cast<size_t>(config.clients), *slow); };
    http.set_read_timeout(config.patience);
    http.set_write_timeout(config.patience);
    http.set_keep_alive_timeout(2);
    http.set_keep_alive_max_count(1000);
    http.set_payload_max_length(static_cast<size_t>(config.most_body));
    http.set_tcp_nodelay(true);
    http.set_socket_options([this](int s) {
      const int yes = 1;
      setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
      socket = s;
    });
  }
  void bind() {
    if (config.port == 0)
      port = http.bind_to_any_port(config.host);
    else if (http.bind_to_port(config.host, static_cast<int>(config.port)))
      port = static_cast<int>(config.port);
    RUM_CHECK(port > 0, "{}, port {}: cannot listen there: {}", config.host, config.port,
              why_not_bound(config.host, config.port));
    slow.emplace(port, std::chrono::seconds(3 * config.patience));
    listen(socket, 1024);  // the library's default is a queue of five
  }
  void routes() {
    http.set_pre_routing_handler([this](const httplib::Request& q, httplib::Response& a) {
      if (q.method == "POST")
        slow->reading(q.remote_addr, q.remote_port);
      else
        slow->answering(q.remote_addr, q.remote_port);
      a.set_header("X-Content-Type-Options", "nosniff");
      const bool local = config.host == "::1" || names_this_machine(config.host);
      if (local && !names_this_machine(q.get_header_value("Host")))
        refuse(a, 403, "this server answers only requests to a name of this machine");
      else if (local && !of_this_machine(q.get_header_value("Origin")))
        refuse(a, 403, "this server answers no web page of another machine");
      else if (!config.key.empty() && q.path != "/" &&
               q.get_header_value("Authorization") != "Bearer " + config.key)
        refuse(a, 401, "expected the header \"Authorization: Bearer KEY\" with this server's key");
      // The library would wait for a body until the connection ends.
      else if ((q.method == "POST" || q.method == "PUT" || q.method == "PATCH") &&
               !q.has_header("Content-Length") && !q.has_header("Transfer-Encoding"))
        refuse(a, 411, "expected a body of JSON and its Content-Length");
      else
        return httplib::Server::HandlerResponse::Unhandled;
      a.set_header("Connection", "close");
      return httplib::Server::HandlerResponse::Handled;
    });
    http.set_logger([this](const httplib::Request& q, const httplib::Response&) {
      slow->answered(q.remote_addr, q.remote_port);
    });
    http.Get("/", [this](const httplib::Request&, httplib::Response& a) {
      a.set_content(serve_page(model.name, run.translation()), "text/html; charset=utf-8");
    });
    http.Get("/v1/models", [this](const httplib::Request&, httplib::Response& a) {
      a.set_content(models_json(model), "application/json");
    });
    http.Get("/v1/models/(.+)", [this](const httplib::Request& q, httplib::Response& a) {
      if (q.matches[1] != model.name)
        return refuse(
            a, 404, fmt::format("there is no model \"{}\" here, only \"{}\"", q.matches[1].str(), model.name),
            "model");
      a.set_content(model_json(model), "application/json");
    });
    post("/look", [this](const std::string& body, httplib::Response& a) { look(body, a); });
    post("/v1/completions",
         [this](const std::string& body, httplib::Response& a) { answer(body, false, a); });
    post("/v1/chat/completions",
         [this](const std::string& body, httplib::Response& a) { answer(body, true, a); });
    http.set_error_handler([](const httplib::Request& q, httplib::Response& a) {
      if (!a.body.empty()) return;
      std::string why = "this request is malformed";
      const bool reads = q.path == "/" || q.path.starts_with("/v1/models");
      const bool asks = q.path == "/look" || q.path == "/v1/completions" || q.path == "/v1/chat/completions";
      if (a.status == 404 && ((reads && q.method != "GET") || (asks && q.method != "POST"))) {
        a.status = 405;
        a.set_header("Allow", reads ? "GET" : "POST");
        why = fmt::format("{} {}: expected {}", q.method, q.path, reads ? "GET" : "POST");
      }
      if (a.status == 404) why = q.method + " " + q.path + ": not found";
      if (a.status == 413) why = "the request is too long";
      refuse(a, a.status, why);
    });
    http.set_exception_handler([](const httplib::Request&, httplib::Response& a, std::exception_ptr) {
      refuse(a, 500, "the server failed on this request");
    });
  }
  // Reads a body of bounded size in bounded time, and turns failures into refusals.
  void post(const char* path, std::function<void(const std::string&, httplib::Response&)> use) {
    http.Post(path, [this, use](const httplib::Request& q, httplib::Response& a,
                                const httplib::ContentReader& read) {
      if (q.is_multipart_form_data()) {
        a.set_header("Connection", "close");  // the body is not read
        return refuse(a, 415, "expected a body of JSON, found a form");
      }
      std::string body;
      bool long_one = false, late = false;
      const auto begun = std::chrono::steady_clock::now();
      const auto until = begun + std::chrono::seconds(3 * config.patience);
      const bool whole = read([&](const char* data, size_t n) {
        long_one = body.size() + n > static_cast<size_t>(config.most_body);
        late = std::chrono::steady_clock::now() > until;
        if (long_one || late) return false;
        body.append(data, n);
        return true;
      });
      if (long_one || a.status == 413)
        return refuse(a, 413, fmt::format("the request is longer than {} bytes", config.most_body));
      if (!whole || late) {
        a.set_header("Connection", "close");
        // The library does not say why: before its patience is over it is what the bytes are.
        if (std::chrono::steady_clock::now() - begun < std::chrono::seconds(config.patience))
          return refuse(a, 400, "the body is not what the headers say: its length, chunks or encoding");
        return refuse(a, 408, "the whole request did not arrive in time");
      }
      slow->answering(q.remote_addr, q.remote_port);
      try {
        use(body, a);
      } catch (const Refusal& e) {
        refuse(a, e.status, e.what(), e.param);
      } catch (const Error& e) {
        refuse(a, 400, e.what());
      }
    });
  }
  void look(const std::string& bytes, httplib::Response& a) {
    if (find_invalid_utf8(bytes) != std::string::npos) throw Refusal(400, "the text is not UTF-8");
    const std::string text = nfc(bytes);
    const auto tokens = static_cast<int64_t>(run.tokenizer.encode(text).size());
    if (tokens > model.most_prompt)
      throw Refusal(
          413, fmt::format("the text has {} tokens; at most {} are read here", tokens, model.most_prompt));
    std::string html;
    std::string wrong;
    const bool done = engine.call([&] {
      try {
        html = text_page(run, text);
      } catch (const Error& e) {
        wrong = e.what();
      }
    });
    if (!done) return refuse(a, 429, "too many requests wait already");
    if (!wrong.empty()) throw Refusal(400, wrong);
    a.set_content(html, "text/html; charset=utf-8");
  }

  struct Answering {  // a request in progress
    Request request;
    std::vector<std::shared_ptr<Job>> jobs;
    std::vector<Answer> answers;
    std::vector<bool> begun;
    ~Answering() {
      for (const auto& j : jobs) j->cancel();
    }
    int64_t tokens() const {
      int64_t sum = 0;
      for (const auto& j : jobs) sum += j->tokens();
      return sum;
    }
  };
  void answer(const std::string& body, bool chat, httplib::Response& a) {
    auto at = std::make_shared<Answering>();
    at->request = read_request(body, chat, run, model);
    for (const GenerationRequest& w : at->request.prompts) {
      auto job = engine.begin(w);
      if (!job) return refuse(a, 429, "too many requests wait already");
      at->jobs.push_back(std::move(job));
    }
    at->answers.resize(at->jobs.size() * static_cast<size_t>(at->request.prompts[0].decoding.best));
    at->begun.resize(at->answers.size());
    // Both kinds of answer are sent in chunks, so that a client that has left is noticed while the model
    // generates.
    const char* type = at->request.stream ? "text/event-stream" : "application/json";
    a.set_chunked_content_provider(type, [this, at](size_t, httplib::DataSink& to) { return send(*at, to); });
  }
  // Sends the whole answer; false ends the connection. The status has been sent, so the body tells of a
  // failure: in a stream as its last event; else it is left without its end, so that no client takes the
  // error for an answer.
  bool send(Answering& at, httplib::DataSink& to) const try {
    const auto each = static_cast<size_t>(at.request.prompts[0].decoding.best);
    auto glanced = std::chrono::steady_clock::now();
    for (size_t p = 0; p < at.jobs.size(); ++p)
      while (!at.jobs[p]->over()) {
        TextDelta delta;
        const bool news = at.jobs[p]->wait(delta, kGlance);
        if (const auto now = std::chrono::steady_clock::now(); now - glanced >= kGlance) {
          if (!to.is_writable()) return false;  // the client has left
          glanced = now;
        }
        if (!news) continue;
        const size_t choice = p * each + static_cast<size_t>(delta.draw);
        if (at.request.stream) {
          if (!write(to, piece(at.request, model, static_cast<int64_t>(choice), delta, !at.begun[choice])))
            return false;
          at.begun[choice] = true;
          continue;
        }
        at.answers[choice].text += delta.text;
        if (delta.ended) at.answers[choice].ended = delta.ended;
      }
    const bool sent = write(to, at.request.stream ? last_piece(at.request, model, at.tokens())
                                                  : answer_json(at.request, model, at.answers, at.tokens()));
    to.done();
    return sent;
  } catch (const std::exception& e) {
    say("a request failed: {}", e.what());
    const std::string failed = refusal_json(500, e.what());
    const bool sent = write(to, at.request.stream ? "data: " + failed + "\n\n" : failed + "\n");
    if (!at.request.stream) return false;
    to.done();
    return sent;
  }
  static bool write(httplib::DataSink& to, const std::string& text) {
    return to.write(text.data(), text.size());
  }
};

Server::Server(const LoadedRun& run, ServedModel model, const ServerConfig& config)
    : state_(std::make_unique<State>(run, std::move(model), config)) {}
Server::~Server() = default;
int Server::port() const { return state_->port; }
void Server::run(const Stop& stop) {
  State& s = *state_;
  std::jthread watch([&](const std::stop_token& over) {  // its end is asked for when this function is left
    const auto wait = [&](int64_t seconds, const Stop& enough) {
      const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
      while (!over.stop_requested() && !enough() && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    };
    while (!over.stop_requested() && !stop()) {
      wait(1, stop);
      s.slow->look();
    }
    s.http.stop();
    wait(s.config.patience, [] { return false; });  // for requests in progress
    s.engine.stop();
    wait(1, [] { return false; });
    s.slow->cut_all();
  });
  const bool served = s.http.listen_after_bind();
  RUM_CHECK(served || stop(), "{}, port {}: no more connections can be accepted", s.config.host, s.port);
}
}  // namespace rum::serve
