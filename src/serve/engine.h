// One model that answers many at once: a thread of its own takes the requests that wait and writes those that
// are decoded alike side by side. What a text becomes does not depend on what it was written beside.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "generate/generate.h"
#include "run/run.h"

namespace rum::serve {
struct Writing {  // what is asked for: decoding.best texts after one prompt
  Prompt prompt;
  Decoding decoding;              // without beam search each text keeps its own max_new within a batch
  Token end = -1;                 // ends a text, as the tokenizer's does
  std::vector<std::string> stop;  // a text ends before the first of these
};
struct Told {  // what is new of one of the texts
  int32_t draw = 0;
  std::string text;
  const char* ended = nullptr;  // "stop", "length", or "abort" when the server ends; null: it continues
};
// The text of growing tokens, as far as it can be told: no half character, nothing that may begin a stop.
class GrowingText {
 public:
  std::string add(std::string_view bytes, std::span<const std::string> stops);  // what can be told now
  std::string rest();                                                           // at the end
  bool stopped() const { return stopped_; }

 private:
  std::string held_;
  bool stopped_ = false;
};

class Job {  // one request under way, for the thread that waits for it
 public:
  explicit Job(Writing w) : asked(std::move(w)) {}
  // What has come: false when nothing has in this time. Rethrows what went wrong.
  bool wait(Told&, std::chrono::milliseconds);
  void cancel() { cancelled_ = true; }
  bool over() const { return over_; }         // has wait() told the end of every text?
  int64_t tokens() const { return tokens_; }  // written so far, of all texts
  const Writing asked;

 private:
  friend class Engine;
  void tell(Told);
  void fail(std::exception_ptr);
  struct Draw {
    GrowingDecode decode;
    GrowingText text{};
    size_t told = 0;  // tokens
  };
  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<Told> told_;
  std::exception_ptr failure_;
  std::vector<Draw> draws_;  // of the engine's thread
  std::atomic<bool> cancelled_ = false;
  std::atomic<int64_t> tokens_ = 0;
  int64_t ended_ = 0;  // texts whose end wait() has told
  bool over_ = false;
};

class Engine {
 public:
  Engine(const LoadedRun&, int64_t batch, int64_t waiting);  // texts side by side; most requests that wait
  ~Engine();
  std::shared_ptr<Job> begin(Writing);  // null: too many wait, or the engine is stopping
  // Runs on the engine's thread, the only one that may touch the model. false: too many wait, or the
  // engine is stopping.
  bool call(const std::function<void()>&);
  void stop();  // what waits or is being written ends with "abort"

 private:
  struct Item {
    std::shared_ptr<Job> work;  // or
    std::packaged_task<void()> call;
  };
  bool push(Item);
  void serve();
  void abandon(Job&) const;
  std::vector<std::shared_ptr<Job>> alike(std::shared_ptr<Job> first);
  void write(const std::vector<std::shared_ptr<Job>>&);
  bool follow(Job&, int32_t draw, Token) const;
  void finish(Job&, std::span<const Hypothesis>) const;

  const LoadedRun& run_;
  const int64_t batch_, waiting_;
  std::mutex mutex_;
  std::condition_variable come_;
  std::deque<Item> queue_;
  std::atomic<bool> stopping_ = false;
  std::jthread thread_;  // last: it uses all of the above
};
}  // namespace rum::serve
