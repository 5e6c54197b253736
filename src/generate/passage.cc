#include "generate/passage.h"

#include <algorithm>

namespace rum {
std::vector<std::vector<Token>> write_passages(const Model& model, std::span<const Token> prompt, Token end,
                                               const Decoding& decoding, int64_t count) {
  const auto half = static_cast<size_t>(model.config().context + 1) / 2;
  const auto texts = static_cast<size_t>(count);
  std::vector<std::vector<Token>> out(texts, {prompt.begin(), prompt.end()});
  std::vector<bool> finished(texts);
  Decoding d = decoding;
  for (int64_t left = decoding.max_new, part = 0;; ++part) {
    d.max_new = left;
    d.seed = decoding.seed + static_cast<uint32_t>(part) * 0x9E3779B9u;
    int64_t written = 0;
    for (size_t at = 0, to = 0; at < texts; at = to) {  // texts side by side that all continue
      for (to = at; to < texts && !finished[to];) ++to;
      if (to == at) {
        ++to;
        continue;
      }
      std::vector<Prompt> prompts;
      for (size_t i = at; i < to; ++i) {
        const std::span<const Token> all(out[i]);
        const std::span<const Token> read = part == 0 ? all : all.last(std::min(half, all.size()));
        prompts.push_back({{read.begin(), read.end()}});
      }
      d.first = decoding.first + static_cast<uint32_t>(at);
      const auto more = generate(model, prompts, end, d);
      for (size_t i = at; i < to; ++i) {
        const Hypothesis& h = more[i - at].front();
        out[i].insert(out[i].end(), h.tokens.begin(), h.tokens.end());
        finished[i] = h.finished;
        written = std::max(written, static_cast<int64_t>(h.tokens.size()));
      }
    }
    left -= written;
    if (left <= 0 || written == 0) return out;
  }
}
}  // namespace rum
