#include "generate/penalties.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_set>
#include <vector>

namespace rum {
namespace {
// The tokens that have followed, somewhere in the text, what its last n - 1 tokens are.
std::vector<Token> would_repeat(std::span<const Token> text, size_t n) {
  std::vector<Token> out;
  if (text.size() < n) return out;
  const std::span<const Token> last = text.last(n - 1);
  for (size_t i = 0; i + n <= text.size(); ++i)
    if (std::equal(last.begin(), last.end(), text.begin() + static_cast<std::ptrdiff_t>(i)))
      out.push_back(text[i + n - 1]);
  return out;
}
}  // namespace

void penalise(const Penalties& p, std::span<float> scores, std::span<const Token> text) {
  if (p.repetition != 1)
    for (const Token t : std::unordered_set<Token>(text.begin(), text.end())) {
      float& score = scores[static_cast<size_t>(t)];
      score = score < 0 ? score * p.repetition : score / p.repetition;
    }
  if (p.no_repeat > 0)
    for (const Token t : would_repeat(text, static_cast<size_t>(p.no_repeat)))
      scores[static_cast<size_t>(t)] = -INFINITY;
}

void best_after(const Penalties& p, std::span<float> logits, std::span<const Token> text,
                std::span<Choice> out) {
  const double sum = log_sum_exp(logits);
  for (float& z : logits) z = static_cast<float>(static_cast<double>(z) - sum);
  penalise(p, logits, text);
  std::vector<Token> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto score = [&](Token t) { return logits[static_cast<size_t>(t)]; };
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(out.size()), ids.end(),
                    [&](Token a, Token b) { return score(a) != score(b) ? score(a) > score(b) : a < b; });
  for (size_t i = 0; i < out.size(); ++i) out[i] = {ids[i], static_cast<double>(score(ids[i]))};
}
}  // namespace rum
