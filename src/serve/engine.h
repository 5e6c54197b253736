// One model that answers many requests at once: its own thread takes the waiting requests and generates those
// with equal decoding in one batch. A text does not depend on the others in its batch.
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
struct GenerationRequest {  // decoding.best texts after one prompt
  Prompt prompt;
  Decoding decoding;              // without beam search each text in a batch has its own max_new
  Token end = -1;                 // ends a text, as the tokenizer's does
  std::vector<std::string> stop;  // a text ends before the first of these
};
struct TextDelta {  // news of one text
  int32_t draw = 0;
  std::string text;
  const char* ended = nullptr;  // "stop" or "length"; null: it continues
};
// Turns growing tokens into text that is safe to send: no partial character, no possible beginning of a stop.
class StreamedText {
 public:
  std::string add(std::string_view bytes, std::span<const std::string> stops);  // what can be sent now
  std::string rest();                                                           // at the end
  bool stopped() const { return stopped_; }

 private:
  std::string held_;
  bool stopped_ = false;
};

class Job {  // a request in progress, for the thread that waits for it
 public:
  explicit Job(GenerationRequest r) : request(std::move(r)) {}
  // Waits for news; false if there is none in this time. Rethrows errors, after the news before them.
  bool wait(TextDelta&, std::chrono::milliseconds);
  void cancel() { cancelled_ = true; }
  bool over() const { return over_; }         // has wait() reported the end of every text?
  int64_t tokens() const { return tokens_; }  // generated so far, in all texts
  const GenerationRequest request;

 private:
  friend class Engine;
  void tell(TextDelta);
  void fail(std::exception_ptr);
  struct Draw {
    GrowingDecode decode;
    StreamedText text{};
    size_t tokens = 0;  // of it that were told
  };
  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<TextDelta> deltas_;
  std::exception_ptr failure_;
  std::vector<Draw> draws_;  // of the engine's thread
  std::atomic<bool> cancelled_ = false;
  std::atomic<int64_t> tokens_ = 0;
  int64_t ended_ = 0;  // texts whose end wait() has reported
  bool over_ = false;
};

class Engine {
 public:
  // batch: texts per batch; waiting: the most requests that may wait.
  Engine(const LoadedRun&, int64_t batch, int64_t waiting);
  ~Engine();
  std::shared_ptr<Job> begin(GenerationRequest);  // null: too many wait, or the engine is stopping
  // Runs on the engine's thread, the only one that may touch the model; rethrows what that throws. false: too
  // many wait, or the engine is stopping.
  bool call(const std::function<void()>&);
  void stop();  // requests that wait or are in progress fail

 private:
  struct Item {
    std::shared_ptr<Job> job;  // or
    std::packaged_task<void()> call;
  };
  bool push(Item);
  void serve();
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
