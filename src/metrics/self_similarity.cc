#include "metrics/self_similarity.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/threads.h"
#include "metrics/lexical_diversity.h"
#include "metrics/sentence_diversity.h"
#include "metrics/tokenize.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::metrics {
namespace {
// Calls f(number, how often) for each distinct number of the line.
template <class F>
void each_type(std::span<const int32_t> line, std::vector<int32_t>& sorted, F&& f) {
  sorted.assign(line.begin(), line.end());
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0, j; i < sorted.size(); i = j) {
    for (j = i; j < sorted.size() && sorted[j] == sorted[i]; ++j) {
    }
    f(sorted[i], static_cast<int32_t>(j - i));
  }
}
// The length closest to its own among all other lines; of two equally close, the shorter.
int64_t closest_other_length(int64_t own, const std::vector<int64_t>& sorted) {
  const auto first = std::lower_bound(sorted.begin(), sorted.end(), own);
  const auto after = std::upper_bound(first, sorted.end(), own);
  if (after - first > 1) return own;
  if (first == sorted.begin()) return after == sorted.end() ? 0 : *after;
  if (after == sorted.end()) return *(first - 1);
  return own - *(first - 1) <= *after - own ? *(first - 1) : *after;
}
std::vector<std::string> cut_13a(std::string_view line) {
  std::vector<std::string> out;
  static const Tokenize tokenize = bleu_tokenizer("13a");
  const std::string tokens = tokenize(without_trailing_blanks(line));
  for (const std::string_view t : split_at_blanks(tokens)) out.emplace_back(t);
  return out;
}
std::vector<std::string> cut_rouge(std::string_view line) {
  std::vector<std::string> out;
  bool inside = false;
  for (const char c : lower_case(line)) {
    const bool part = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (part && !inside) out.emplace_back();
    if (part) out.back() += c;
    inside = part;
  }
  return out;
}
// Columns of a row of BLEU with 4 orders.
constexpr size_t kHypLen = 0, kRefLen = 1, kMatches = 2, kTotals = 6, kColumns = 10;
double method1(std::span<const double> row) {  // sentence_bleu of NLTK with its smoothing `method1`
  if (row[kMatches] == 0) return 0;
  double sum = 0;
  for (size_t n = 0; n < 4; ++n)
    sum += std::log((row[kMatches + n] > 0 ? row[kMatches + n] : 0.1) / std::max(1.0, row[kTotals + n])) / 4;
  return 100 * std::exp(sum + (row[kHypLen] > row[kRefLen] ? 0 : 1 - row[kRefLen] / row[kHypLen]));
}
}  // namespace

Rows leave_one_out(const NumberedLines& tokens) {
  const size_t lines = tokens.lines();
  Rows out{kColumns, std::vector<double>(lines * kColumns)};
  const auto at = [&](size_t line, size_t column) -> double& { return out.values[line * kColumns + column]; };
  std::vector<int64_t> lengths;
  for (size_t i = 0; i < lines; ++i) lengths.push_back(static_cast<int64_t>(tokens.line(i).size()));
  std::vector<int64_t> sorted_lengths = lengths;
  std::sort(sorted_lengths.begin(), sorted_lengths.end());
  for (size_t i = 0; i < lines; ++i) {
    at(i, kHypLen) = static_cast<double>(lengths[i]);
    at(i, kRefLen) = static_cast<double>(closest_other_length(lengths[i], sorted_lengths));
  }

  struct Best {  // an n-gram's highest count in a line, that line, and its highest count in another
    int32_t count = 0, line = -1, second = 0;
  };
  const NumberedLines* const words[] = {&tokens};
  SharedNgrams longer;
  for (size_t n = 0; n < kNgramOrders; ++n) {
    if (n > 0) longer = longer_ngrams(words, n == 1 ? nullptr : &longer);
    const NumberedLines& ngrams = n == 0 ? tokens : longer.corpora[0];
    int32_t size = 0;
    for (const int32_t t : ngrams.tokens) size = std::max(size, t + 1);
    std::vector<Best> best(static_cast<size_t>(size));
    std::vector<int32_t> sorted;
    for (size_t i = 0; i < lines; ++i)
      each_type(ngrams.line(i), sorted, [&](int32_t ngram, int32_t c) {
        Best& b = best[static_cast<size_t>(ngram)];
        if (c > b.count)
          b = {c, static_cast<int32_t>(i), b.count};
        else
          b.second = std::max(b.second, c);
      });
    constexpr size_t kPiece = 1024;  // lines
    parallel(static_cast<int64_t>((lines + kPiece - 1) / kPiece), [&](int64_t piece) {
      std::vector<int32_t> room;
      const size_t from = static_cast<size_t>(piece) * kPiece;
      for (size_t i = from; i < std::min(lines, from + kPiece); ++i) {
        const auto line = ngrams.line(i);
        at(i, kTotals + n) = static_cast<double>(line.size());
        each_type(line, room, [&](int32_t ngram, int32_t c) {
          const Best& b = best[static_cast<size_t>(ngram)];
          at(i, kMatches + n) += std::min(c, b.line == static_cast<int32_t>(i) ? b.second : b.count);
        });
      }
    });
  }
  return out;
}

std::vector<double> self_bleu(std::span<const std::string> lines) {
  std::vector<double> out;
  if (lines.size() < 2) return out;
  BleuConfig config;
  config.effective_order = true;
  Vocabulary vocabulary;
  const Rows rows = leave_one_out(number_lines(lines, vocabulary, cut_13a));
  for (size_t i = 0; i < rows.size(); ++i) out.push_back(bleu(rows[i], config).score);
  return out;
}
std::vector<double> self_bleu_words(const NumberedLines& words) {
  std::vector<double> out;
  if (words.lines() < 2) return out;
  const Rows rows = leave_one_out(words);
  for (size_t i = 0; i < rows.size(); ++i) out.push_back(method1(rows[i]));
  return out;
}

int64_t longest_common_subsequence(std::span<const int32_t> a, std::span<const int32_t> b,
                                   std::vector<uint64_t>& masks) {
  int64_t length = 0;
  std::vector<bool> carries(a.size() > 64 ? b.size() : 0);  // from the previous block, for each token of b
  for (size_t first = 0; first < a.size(); first += 64) {
    const auto block = a.subspan(first, std::min<size_t>(64, a.size() - first));
    for (size_t i = 0; i < block.size(); ++i) masks[static_cast<size_t>(block[i])] |= uint64_t{1} << i;
    uint64_t row = ~uint64_t{0};  // a zero bit: the length grows at this token of a
    for (size_t j = 0; j < b.size(); ++j) {
      const uint64_t hits = row & masks[static_cast<size_t>(b[j])];
      unsigned long long sum;
      bool carry = __builtin_uaddll_overflow(row, hits, &sum);
      if (!carries.empty()) {
        if (carries[j]) carry |= __builtin_uaddll_overflow(sum, 1, &sum);
        carries[j] = carry;
      }
      row = sum | (row & ~hits);
    }
    for (const int32_t token : block) masks[static_cast<size_t>(token)] = 0;
    const uint64_t used = block.size() == 64 ? ~uint64_t{0} : (uint64_t{1} << block.size()) - 1;
    length += std::popcount(~row & used);
  }
  return length;
}

double homogenization_rouge_l(std::span<const std::string> lines, size_t most) {
  if (lines.size() < 2) return kUndefined;
  std::vector<std::string> some;
  if (lines.size() > most) {
    for (size_t i = 0; i < most; ++i) some.push_back(lines[i * lines.size() / most]);
    lines = some;
  }
  Vocabulary vocabulary;
  const NumberedLines tokens = number_lines(lines, vocabulary, cut_rouge);
  std::vector<double> rows(lines.size());  // row i: pairs (i, j > i)
  parallel(static_cast<int64_t>(rows.size()), [&](int64_t piece) {
    const auto i = static_cast<size_t>(piece);
    std::vector<uint64_t> masks(vocabulary.size());
    for (size_t j = i + 1; j < rows.size(); ++j) {
      const auto a = tokens.line(i), b = tokens.line(j);
      if (a.empty() || b.empty()) continue;
      rows[i] += 2 * static_cast<double>(longest_common_subsequence(a, b, masks)) /
                 static_cast<double>(a.size() + b.size());
    }
  });
  double sum = 0;
  for (const double row : rows) sum += row;
  const auto n = static_cast<double>(rows.size());
  return sum / (n * (n - 1) / 2);
}
}  // namespace rum::metrics
