#include "metrics/numbered.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "text/words.h"

namespace rum::metrics {
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
  constexpr size_t kPiece = 128, kBatch = 16 * kPiece;  // lines: one batch of strings is alive at a time
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

namespace {
// Calls f(number of all but the last token, last token) for each n-gram of the corpora in turn.
template <class F>
void each_ngram(std::span<const NumberedLines* const> words, const SharedNgrams* shorter, F&& f) {
  for (size_t c = 0; c < words.size(); ++c)
    for (size_t i = 0; i < words[c]->lines(); ++i) {
      const auto tokens = words[c]->line(i), starts = shorter ? shorter->corpora[c].line(i) : tokens;
      const size_t length = tokens.size() - starts.size() + 1;  // of the shorter n-grams
      for (size_t j = 0; j + 1 < starts.size(); ++j) f(static_cast<size_t>(starts[j]), tokens[j + length]);
    }
}
// Lines of the size of the n-grams: each has one fewer than of the shorter ones.
NumberedLines room_for_longer(const NumberedLines& shorter) {
  NumberedLines out;
  out.begins.reserve(shorter.lines() + 1);
  for (size_t i = 0; i < shorter.lines(); ++i)
    out.begins.push_back(out.begins.back() + std::max<size_t>(shorter.line(i).size(), 1) - 1);
  out.tokens.resize(out.begins.back());
  return out;
}
}  // namespace

SharedNgrams longer_ngrams(std::span<const NumberedLines* const> words, const SharedNgrams* shorter) {
  SharedNgrams out;
  std::vector<size_t> ends;  // of the corpora, as if they were concatenated
  size_t total = 0, starts = shorter ? shorter->size : 0;
  for (size_t c = 0; c < words.size(); ++c) {
    out.corpora.push_back(room_for_longer(shorter ? shorter->corpora[c] : *words[c]));
    ends.push_back(total += out.corpora.back().tokens.size());
    if (shorter) continue;
    for (const int32_t t : words[c]->tokens) starts = std::max(starts, static_cast<size_t>(t) + 1);
  }
  RUM_CHECK(total <= INT32_MAX, "{} n-grams are more than the {} that can be numbered", total, INT32_MAX);

  struct Place {
    int32_t last;    // token of an n-gram
    uint32_t ngram;  // its index in the order of each_ngram()
  };
  std::vector<uint32_t> bucket(starts + 1);  // where each begins, by the first n - 1 tokens
  each_ngram(words, shorter, [&](size_t start, int32_t) { ++bucket[start + 1]; });
  for (size_t s = 0; s < starts; ++s) bucket[s + 1] += bucket[s];
  std::vector<Place> places(total);
  uint32_t count = 0;
  each_ngram(words, shorter, [&](size_t start, int32_t last) { places[bucket[start]++] = {last, count++}; });
  for (size_t s = 0, from = 0; s < starts; from = bucket[s++]) {  // bucket[s] is now where it ends
    const std::span<Place> same(places.data() + from, bucket[s] - from);
    std::ranges::sort(same, {}, &Place::last);
    for (size_t i = 0; i < same.size(); ++i) {
      out.size += i == 0 || same[i].last != same[i - 1].last;
      const size_t at = same[i].ngram;
      size_t c = 0;
      while (at >= ends[c]) ++c;
      NumberedLines& corpus = out.corpora[c];
      corpus.tokens[at + corpus.tokens.size() - ends[c]] = static_cast<int32_t>(out.size) - 1;
    }
  }
  std::vector<Place>().swap(places);
  // Renumbered in order of occurrence, so that repeated counting accesses neighbouring memory.
  std::vector<int32_t> number(out.size, -1);
  int32_t next = 0;
  for (NumberedLines& corpus : out.corpora)
    for (int32_t& t : corpus.tokens) {
      int32_t& n = number[static_cast<size_t>(t)];
      if (n < 0) n = next++;
      t = n;
    }
  return out;
}

std::vector<int32_t> count_tokens(std::span<const int32_t> tokens, size_t size) {
  std::vector<int32_t> counts(size);
  for (const int32_t t : tokens) ++counts[static_cast<size_t>(t)];
  return counts;
}
}  // namespace rum::metrics
