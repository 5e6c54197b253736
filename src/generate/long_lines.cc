#include "generate/long_lines.h"

#include "text/unicode.h"
#include "text/words.h"

namespace rum {
namespace {
using Fits = std::function<bool(std::string_view)>;
// Joins neighbours as long as they fit; what does not fit alone goes to `too_long`.
void join(const std::vector<std::string_view>& pieces, const Fits& fits,
          const std::function<void(std::string_view)>& too_long, std::vector<std::string>& out) {
  std::string_view held;
  for (const std::string_view piece : pieces) {
    if (piece.empty()) continue;
    const std::string_view both =
        held.empty()
            ? piece
            : std::string_view(held.data(), static_cast<size_t>(piece.data() + piece.size() - held.data()));
    if (fits(both)) {
      held = both;
      continue;
    }
    if (!held.empty()) out.emplace_back(held);
    held = {};
    if (fits(piece))
      held = piece;
    else
      too_long(piece);
  }
  if (!held.empty()) out.emplace_back(held);
}
}  // namespace

std::vector<std::string> split_to_fit(std::string_view line, const Fits& fits, const Fits& keep) {
  std::vector<std::string> out;
  if (line.empty()) return out;
  if (fits(line)) return {std::string(line)};
  std::vector<std::string_view> sentences;
  size_t from = 0;
  for (const size_t end : sentence_breaks(line)) {
    sentences.push_back(without_outer_blanks(line.substr(from, end - from)));
    from = end;
  }
  sentences.push_back(without_outer_blanks(line.substr(from)));
  const auto by_words = [&](std::string_view sentence) {
    join(
        split_at_blanks(sentence), fits,
        [&](std::string_view word) {
          if (keep(word)) out.emplace_back(word);
        },
        out);
  };
  join(sentences, fits, by_words, out);
  return out;
}
}  // namespace rum
