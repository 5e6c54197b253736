#include "metrics/numbered.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "text/words.h"

namespace rum {
int32_t Vocabulary::add(std::string_view word) {
  if (const auto found = numbers_.find(word); found != numbers_.end()) return found->second;
  const auto number = static_cast<int32_t>(words_.size());
  words_.push_back(&numbers_.emplace(word, number).first->first);
  return number;
}
int32_t Vocabulary::find(std::string_view word) const {
  const auto found = numbers_.find(word);
  return found == numbers_.end() ? -1 : found->second;
}

NumberedLines number_lines(std::span<const std::string> lines, Vocabulary& vocabulary, Cut cut) {
  constexpr size_t kPiece = 256, kBatch = 64 * kPiece;  // lines: strings of one batch live at a time
  NumberedLines out;
  out.begins.reserve(lines.size() + 1);
  std::vector<std::vector<std::string>> batch;
  for (size_t first = 0; first < lines.size(); first += kBatch) {
    const size_t size = std::min(kBatch, lines.size() - first);
    batch.assign(size, {});
    parallel(static_cast<int64_t>((size + kPiece - 1) / kPiece), [&](int64_t piece) {
      const size_t from = static_cast<size_t>(piece) * kPiece;
      for (size_t i = from; i < std::min(size, from + kPiece); ++i) try {
          batch[i] = cut(lines[first + i]);
        } catch (const Error& e) {
          fail(fmt::format("line {}: {}", first + i + 1, e.what()));
        }
    });
    for (const auto& tokens : batch) {
      for (const std::string& token : tokens) out.tokens.push_back(vocabulary.add(token));
      out.begins.push_back(out.tokens.size());
    }
  }
  return out;
}
NumberedLines number_words(std::span<const std::string> lines, Vocabulary& vocabulary) {
  return number_lines(lines, vocabulary, words);
}

NumberedLines number_ngrams(const NumberedLines& tokens, const NumberedLines& shorter, NgramTable& table) {
  NumberedLines out;
  out.tokens.reserve(shorter.tokens.size());
  for (size_t i = 0; i < tokens.lines(); ++i) {
    const auto words = tokens.line(i), starts = shorter.line(i);
    for (size_t j = 0; j + 1 < starts.size(); ++j) {
      const size_t length = words.size() - starts.size() + 1;  // of the shorter n-grams
      int32_t& number = table.numbers.at(starts[j], words[j + length]);
      if (number < 0) number = table.size++;
      out.tokens.push_back(number);
    }
    out.begins.push_back(out.tokens.size());
  }
  return out;
}

std::vector<int32_t> count_tokens(std::span<const int32_t> tokens, size_t size) {
  std::vector<int32_t> counts(size);
  for (const int32_t t : tokens) ++counts[static_cast<size_t>(t)];
  return counts;
}
}  // namespace rum
