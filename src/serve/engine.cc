#include "serve/engine.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "text/unicode.h"

namespace rum::serve {
namespace {
// The length of the longest suffix of the text that is a prefix of `stop`.
size_t beginning_of(std::string_view stop, std::string_view text) {
  for (size_t n = std::min(stop.size() - 1, text.size()); n > 0; --n)
    if (text.ends_with(stop.substr(0, n))) return n;
  return 0;
}
// Whether two requests can be generated in one batch.
bool decoded_alike(const GenerationRequest& a, const GenerationRequest& b) {
  const auto shared = [](Decoding d) {
    if (d.beam == 1 && d.max_new > 0) d.max_new = 1;  // each text has its own limit
    return describe(d);
  };
  return a.end == b.end && shared(a.decoding) == shared(b.decoding);
}
std::exception_ptr server_stopped() {
  return std::make_exception_ptr(Error("the server was stopped before the answer was whole"));
}
}  // namespace

std::string StreamedText::add(std::string_view bytes, std::span<const std::string> stops) {
  if (stopped_) return "";
  held_ += bytes;
  size_t end = held_.size() - unfinished_character(held_);
  for (const std::string& stop : stops) {
    const size_t at = held_.find(stop);
    if (at != std::string::npos) {
      end = stopped_ ? std::min(end, at) : at;
      stopped_ = true;
    } else if (!stopped_) {
      end = std::min(end, held_.size() - beginning_of(stop, held_));
    }
  }
  std::string out = held_.substr(0, end);
  held_.erase(0, stopped_ ? held_.size() : end);
  return out;
}
std::string StreamedText::rest() { return std::exchange(held_, ""); }

bool Job::wait(TextDelta& delta, std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  if (!news_.wait_for(lock, most, [&] { return !deltas_.empty() || failure_; })) return false;
  if (deltas_.empty()) std::rethrow_exception(failure_);
  delta = std::move(deltas_.front());
  deltas_.pop_front();
  ended_ += delta.ended != nullptr;
  over_ = ended_ == request.decoding.best;
  return true;
}
void Job::tell(TextDelta d) {
  const std::lock_guard lock(mutex_);
  deltas_.push_back(std::move(d));
  news_.notify_one();
}
void Job::fail(std::exception_ptr e) {
  const std::lock_guard lock(mutex_);
  failure_ = e;
  news_.notify_one();
}

Engine::Engine(const LoadedRun& run, int64_t batch, int64_t waiting)
    : run_(run),
      batch_(batch),
      waiting_(waiting),
      thread_([this] { serve(); }) {}
Engine::~Engine() { stop(); }
void Engine::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    come_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}
bool Engine::push(Item item) {
  const std::lock_guard lock(mutex_);
  // Clients that have left take no place.
  std::erase_if(queue_, [](const Item& i) { return i.job && i.job->cancelled_; });
  if (stopping_ || static_cast<int64_t>(queue_.size()) >= waiting_) return false;
  queue_.push_back(std::move(item));
  come_.notify_one();
  return true;
}
std::shared_ptr<Job> Engine::begin(GenerationRequest request) {
  auto job = std::make_shared<Job>(std::move(request));
  return push({job, {}}) ? job : nullptr;
}
bool Engine::call(const std::function<void()>& f) {
  std::packaged_task<void()> task(f);
  std::future<void> result = task.get_future();
  if (!push({nullptr, std::move(task)})) return false;
  result.get();
  return true;
}

void Engine::serve() {
  while (true) {
    Item item;
    {
      std::unique_lock lock(mutex_);
      come_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      item = std::move(queue_.front());
      queue_.pop_front();
    }
    if (!item.job)
      item.call();
    else if (stopping_)
      item.job->fail(server_stopped());
    else
      write(alike(std::move(item.job)));
  }
}
// The first job and all waiting jobs that can be batched with it, in order.
std::vector<std::shared_ptr<Job>> Engine::alike(std::shared_ptr<Job> first) {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Job>> out{std::move(first)};
  for (auto it = queue_.begin(); it != queue_.end() && static_cast<int64_t>(out.size()) < batch_;) {
    if (it->job && decoded_alike(it->job->request, out.front()->request)) {
      out.push_back(std::move(it->job));
      it = queue_.erase(it);
    } else {
      ++it;
    }
  }
  return out;
}
void Engine::write(const std::vector<std::shared_ptr<Job>>& jobs) {
  if (std::all_of(jobs.begin(), jobs.end(), [](const auto& job) { return job->cancelled_.load(); })) return;
  std::vector<Prompt> prompts;
  Decoding d = jobs.front()->request.decoding;
  d.batch = batch_;
  for (const auto& job : jobs) {
    job->draws_.assign(static_cast<size_t>(d.best),
                       {GrowingDecode(run_.tokenizer, job->request.prompt.tokens)});
    prompts.push_back(job->request.prompt);
    prompts.back().seed = job->request.decoding.seed;
    d.max_new = std::max(d.max_new, job->request.decoding.max_new);
  }
  const Follower follower{[&](size_t text, int32_t draw, Token t) { return follow(*jobs[text], draw, t); },
                          [&](size_t text, std::span<const Hypothesis> all) { finish(*jobs[text], all); },
                          [&](size_t text) { return !jobs[text]->cancelled_ && !stopping_; }};
  try {
    generate(run_.model, prompts, jobs.front()->request.end, d, {}, &follower);
  } catch (...) {
    for (const auto& job : jobs) job->fail(std::current_exception());
  }
}
bool Engine::follow(Job& job, int32_t draw, Token t) const {
  Job::Draw& of = job.draws_[static_cast<size_t>(draw)];
  ++of.tokens;
  ++job.tokens_;
  if (t == run_.tokenizer.end() || job.cancelled_ || stopping_) return false;
  std::string text = of.text.add(of.decode.add(t), job.request.stop);
  if (!text.empty()) job.tell({draw, std::move(text), nullptr});
  const int64_t most = job.request.decoding.max_new;
  return !of.text.stopped() && (most == 0 || static_cast<int64_t>(of.tokens) < most);
}
void Engine::finish(Job& job, std::span<const Hypothesis> all) const {
  for (size_t k = 0; k < all.size(); ++k) {
    const Hypothesis& h = all[k];
    Job::Draw& of = job.draws_[k];
    std::string text;
    // With beam search all tokens, else the last one; those behind a stop are no part of the answer.
    for (size_t i = of.tokens; i < h.tokens.size() && !of.text.stopped(); ++i, ++job.tokens_)
      text += of.text.add(of.decode.add(h.tokens[i]), job.request.stop);
    const bool stopped =
        of.text.stopped() || h.finished || (!h.tokens.empty() && h.tokens.back() == run_.tokenizer.end());
    if (!of.text.stopped()) text += of.text.rest();
    if (!stopped && stopping_) return job.fail(server_stopped());
    job.tell({static_cast<int32_t>(k), std::move(text), stopped ? "stop" : "length"});
  }
  // A search may find fewer than were asked for: where no tokens are left that penalties allow.
  for (auto k = static_cast<int32_t>(all.size()); k < job.request.decoding.best; ++k) {
    if (stopping_) return job.fail(server_stopped());
    job.tell({k, "", "stop"});
  }
}
}  // namespace rum::serve
