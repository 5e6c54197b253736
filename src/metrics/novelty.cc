#include "metrics/novelty.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/threads.h"
#include "metrics/explain.h"
#include "metrics/lexical_diversity.h"
#include "text/words.h"

namespace rum::metrics {
namespace {
const Explanation novelty_{"novelty", "n-gram novelty",
                           "share of the text's n-grams (novelty_3: n = 3) that the training corpus does not "
                           "hold; words_v2, none crosses a line",
                           "McCoy et al. 2023 (RAVEN).", "Depends on the size of the training corpus."};
const Explanation longest_{"longest_copy", "Longest copied stretch",
                           "tokens of the longest stretch of one line of the text that stands in one line of "
                           "the training corpus",
                           "McCoy et al. 2023 (RAVEN)."};
}  // namespace

double Novelty::Order::share() const {
  return ngrams == 0 ? kUndefined : static_cast<double>(novel) / static_cast<double>(ngrams);
}

// The automaton of Blumer et al. 1985, built on line, for several texts: each line starts at the root again.
CopyFinder::CopyFinder(NumberedLines text) : text_(std::move(text)) {
  RUM_CHECK(text_.tokens.size() < size_t{1} << 29, "novelty: a text of {} tokens; at most {} fit",
            text_.tokens.size(), size_t{1} << 29);
  states_.push_back({-1, 0});
  for (size_t i = 0; i < text_.lines(); ++i) {
    int32_t last = 0;
    for (const int32_t token : text_.line(i)) last = extend(last, token);
  }
}
void CopyFinder::connect(int32_t from, int32_t token, int32_t to) {
  int32_t& target = targets_.at(from, token);
  if (target < 0) {
    State& s = states_[static_cast<size_t>(from)];
    edges_.push_back({token, s.edges});
    s.edges = static_cast<int32_t>(edges_.size()) - 1;
  }
  target = to;
}
int32_t CopyFinder::copy_of(int32_t state, int32_t length) {
  const auto copy = static_cast<int32_t>(states_.size());
  states_.push_back({states_[static_cast<size_t>(state)].link, length});
  for (int32_t e = states_[static_cast<size_t>(state)].edges; e >= 0;) {
    const Edge edge = edges_[static_cast<size_t>(e)];
    connect(copy, edge.token, targets_.find(state, edge.token));
    e = edge.next;
  }
  return copy;
}
// The state reached from `last` by `token`.
int32_t CopyFinder::extend(int32_t last, int32_t token) {
  const auto at = [&](int32_t i) -> State& { return states_[static_cast<size_t>(i)]; };
  // The state that suffixes of `last` already reach by `token`: split if it also holds longer stretches.
  const auto reached_from = [&](int32_t p) {
    const int32_t q = targets_.find(p, token);
    if (at(q).length == at(p).length + 1) return q;
    const int32_t copy = copy_of(q, at(p).length + 1);
    at(q).link = copy;
    for (; p >= 0 && targets_.find(p, token) == q; p = at(p).link) connect(p, token, copy);
    return copy;
  };
  if (targets_.find(last, token) >= 0) return reached_from(last);
  const auto state = static_cast<int32_t>(states_.size());
  states_.push_back({0, at(last).length + 1});
  int32_t p = last;
  for (; p >= 0 && targets_.find(p, token) < 0; p = at(p).link) connect(p, token, state);
  if (p >= 0) {
    const int32_t link = reached_from(p);
    at(state).link = link;
  }
  return state;
}

void CopyFinder::train(std::span<const int32_t> line) {
  int32_t state = 0, length = 0;  // the longest stretch of the text that ends here
  for (const int32_t token : line) {
    int32_t next = token < 0 ? -1 : targets_.find(state, token);
    while (next < 0 && state > 0 && token >= 0) {
      state = states_[static_cast<size_t>(state)].link;
      length = states_[static_cast<size_t>(state)].length;
      next = targets_.find(state, token);
    }
    if (next < 0) {
      state = length = 0;
      continue;
    }
    state = next;
    ++length;
    State& s = states_[static_cast<size_t>(state)];
    s.attested = std::max(s.attested, length);
  }
}
void CopyFinder::train(std::span<const std::string> lines, const Vocabulary& of_text) {
  constexpr size_t kPiece = 256;
  std::vector<std::vector<int32_t>> numbers(lines.size());
  parallel(static_cast<int64_t>((lines.size() + kPiece - 1) / kPiece), [&](int64_t piece) {
    const size_t from = static_cast<size_t>(piece) * kPiece;
    for (size_t i = from; i < std::min(lines.size(), from + kPiece); ++i)
      for (const std::string& w : words(lines[i])) numbers[i].push_back(of_text.find(w));
  });
  for (const auto& line : numbers) train(line);
}

Novelty CopyFinder::novelty(size_t orders) const {
  // If a stretch is attested, so are its suffixes: longest states first, each passes that on to its link.
  std::vector<int32_t> attested(states_.size()), by_length(states_.size());
  for (size_t i = 0; i < states_.size(); ++i) attested[i] = states_[i].attested;
  std::iota(by_length.begin(), by_length.end(), 0);
  std::sort(by_length.begin(), by_length.end(), [&](int32_t a, int32_t b) {
    return states_[static_cast<size_t>(a)].length > states_[static_cast<size_t>(b)].length;
  });
  for (const int32_t i : by_length) {
    const State& s = states_[static_cast<size_t>(i)];
    if (attested[static_cast<size_t>(i)] > 0 && s.link > 0)
      attested[static_cast<size_t>(s.link)] = states_[static_cast<size_t>(s.link)].length;
  }
  // The other way round: a state that is not attested itself has the longest attested suffix of its link.
  for (auto i = by_length.rbegin(); i != by_length.rend(); ++i) {
    const auto s = static_cast<size_t>(*i);
    if (attested[s] == 0 && states_[s].link > 0) attested[s] = attested[static_cast<size_t>(states_[s].link)];
  }
  Novelty out;
  out.orders.resize(orders);
  for (size_t i = 0; i < text_.lines(); ++i) {
    int32_t state = 0;
    const auto line = text_.line(i);
    for (size_t j = 0; j < line.size(); ++j) {
      state = targets_.find(state, line[j]);
      const int64_t copied = attested[static_cast<size_t>(state)];  // tokens up to this one
      for (size_t n = 1; n <= std::min(orders, j + 1); ++n)
        ++out.orders[n - 1].ngrams, out.orders[n - 1].novel += static_cast<int64_t>(n) > copied;
      if (copied <= out.longest) continue;
      out.longest = copied;
      out.line = static_cast<int64_t>(i);
      out.begin = static_cast<int64_t>(j) + 1 - copied;
    }
  }
  return out;
}
}  // namespace rum::metrics
