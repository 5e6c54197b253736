#include "generate/search.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

namespace rum {
Search::Search(const Decoding& d, Token end, int64_t limit) : decoding_(d), end_(end), limit_(limit) {
  live_.resize(d.sample ? static_cast<size_t>(d.best) : 1);  // all read the prompt, which is in slot 0
  for (size_t i = 0; i < live_.size(); ++i) live_[i].draw = static_cast<int32_t>(i);
}
int64_t Search::options(const Decoding& d, int64_t vocab) {
  return d.sample || d.beam == 1 ? 1 : std::min(2 * d.beam, vocab);
}
double Search::score(double log_prob) const {
  const auto tokens = static_cast<double>(std::max<int64_t>(steps_, 1));  // of none the sum is 0
  return log_prob / std::pow(tokens, static_cast<double>(decoding_.length_penalty));
}
void Search::extend(const Candidate& c) {
  const Live& parent = live_[static_cast<size_t>(c.parent)];
  nodes_.push_back({parent.node, c.token});
  next_.push_back({static_cast<int32_t>(nodes_.size() - 1), parent.slot, parent.draw, c.token, c.log_prob});
}
void Search::end(const Candidate& c, bool finished) {
  const Live& parent = live_[static_cast<size_t>(c.parent)];
  int32_t node = parent.node;
  if (!finished) {
    nodes_.push_back({node, c.token});
    node = static_cast<int32_t>(nodes_.size() - 1);
  }
  ended_.push_back({node, parent.draw, c.log_prob, score(c.log_prob), finished});
}

void Search::leave(const Live& l) {
  ended_.push_back({l.node, l.draw, l.log_prob, score(l.log_prob), false});
}

void Search::advance(std::span<const Choice> options, std::span<int32_t> parents) {
  const bool beams = !decoding_.sample && decoding_.beam > 1;
  next_.clear();
  candidates_.clear();
  const size_t each = options.size() / live_.size();
  for (size_t i = 0; i < options.size(); ++i) {
    const Live& l = live_[i / each];
    if (std::isfinite(options[i].log_prob))
      candidates_.push_back(
          {static_cast<int32_t>(i / each), options[i].token, l.log_prob + options[i].log_prob});
    else if (!beams)
      leave(l);
  }
  if (beams && candidates_.empty()) stop();
  ++steps_;
  if (beams)
    advance_beam();
  else
    advance_each();
  live_.swap(next_);
  assign_slots(parents);
}
void Search::advance_each() {
  for (const Candidate& c : candidates_) {
    if (c.token == end_ || steps_ == limit_)
      end(c, c.token == end_);
    else
      extend(c);
  }
}
void Search::advance_beam() {
  const auto width = static_cast<size_t>(decoding_.beam);
  const size_t first = std::min(2 * width, candidates_.size());
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(first),
                    candidates_.end(), [](const Candidate& a, const Candidate& b) {
                      if (a.log_prob != b.log_prob) return a.log_prob > b.log_prob;
                      return std::tie(a.parent, a.token) < std::tie(b.parent, b.token);
                    });
  const size_t before = ended_.size();
  for (size_t i = 0; i < first && next_.size() < width; ++i) {
    const Candidate& c = candidates_[i];
    if (c.token != end_)
      steps_ == limit_ ? end(c, false) : extend(c);
    else if (i < width)
      end(c, true);
  }
  if (ended_.size() > before) rank_ended();
  if (!next_.empty() && ended_.size() == width && score(next_[0].log_prob) <= ended_.back().score)
    next_.clear();
}
void Search::rank_ended() {
  std::stable_sort(ended_.begin(), ended_.end(), [](const Ended& a, const Ended& b) {
    return a.finished != b.finished ? a.finished : a.score > b.score;
  });
  ended_.resize(std::min(ended_.size(), static_cast<size_t>(decoding_.beam)));
}
void Search::stop() {
  end_where([](const Live&) { return true; });
  rank_ended();
}
// The first child of a slot stays where it is, the others take slots whose hypothesis has gone: few copies,
// and none from a slot that is itself overwritten.
void Search::assign_slots(std::span<int32_t> parents) {
  taken_.assign(parents.size(), 0);
  kept_.assign(parents.size(), 0);
  for (size_t s = 0; s < parents.size(); ++s) parents[s] = static_cast<int32_t>(s);
  for (const Live& l : live_) taken_[static_cast<size_t>(l.slot)] = 1;
  size_t free = 0;
  for (Live& l : live_) {
    if (!std::exchange(kept_[static_cast<size_t>(l.slot)], 1)) continue;
    while (taken_[free]) ++free;
    taken_[free] = 1;
    parents[free] = l.slot;
    l.slot = static_cast<int32_t>(free);
  }
}

void Search::end_where(const std::function<bool(const Live&)>& which) {
  std::erase_if(live_, [&](const Live& l) {
    if (!which(l)) return false;
    leave(l);
    return true;
  });
}
std::vector<Token> Search::written(const Live& l) const { return chain(l.node); }
std::vector<Token> Search::chain(int32_t node) const {
  std::vector<Token> out;
  for (int32_t n = node; n >= 0; n = nodes_[static_cast<size_t>(n)].before)
    out.push_back(nodes_[static_cast<size_t>(n)].token);
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<Hypothesis> Search::results() const {
  std::vector<Ended> best = ended_;
  if (decoding_.sample)
    std::sort(best.begin(), best.end(), [](const Ended& a, const Ended& b) { return a.draw < b.draw; });
  best.resize(std::min(best.size(), static_cast<size_t>(decoding_.best)));
  std::vector<Hypothesis> out;
  for (const Ended& e : best) {
    Hypothesis& h = out.emplace_back();
    h.tokens = chain(e.node);
    h.log_prob = e.log_prob;
    h.score = e.score;
    h.finished = e.finished;
  }
  return out;
}
}  // namespace rum
