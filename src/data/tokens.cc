#include "data/tokens.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/threads.h"
#include "data/clean.h"

namespace rum {
namespace {
// Tokens of each text, and where they lie.
struct Encoded {
  std::vector<Token> all;
  std::vector<int64_t> begin{0};  // text i is all[begin[i] .. begin[i + 1])
  std::vector<int32_t> prefix, source_words;
};
// In which of its lines, from 0, does a text have what the tokenizer refuses?
int32_t refused_line(const std::string& text, const Tokenizer& tokenizer) {
  int32_t line = 0;
  for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1, ++line)
    try {
      tokenizer.encode(std::string_view(text).substr(begin, end + 1 - begin));
    } catch (const Error&) {
      return line;
    }
  return line;
}
// Appends texts first .. last - 1 to `to`.
void encode_some(const Corpus& c, size_t first, size_t last, const Tokenizer& tokenizer, bool with_end,
                 Encoded& to) {
  constexpr size_t kPart = 256;
  std::vector<Encoded> part((last - first + kPart - 1) / kPart);
  parallel(static_cast<int64_t>(part.size()), [&](int64_t p) {
    Encoded& t = part[static_cast<size_t>(p)];
    const size_t from = first + static_cast<size_t>(p) * kPart;
    for (size_t i = from; i < std::min(from + kPart, last); ++i) try {
        Example e = to_example(c.texts[i], tokenizer);
        if (!with_end && tokenizer.end() >= 0) e.tokens.pop_back();
        t.all.insert(t.all.end(), e.tokens.begin(), e.tokens.end());
        t.begin.push_back(static_cast<int64_t>(t.all.size()));
        t.prefix.push_back(e.prefix);
        if (c.kind == CorpusKind::pairs)
          t.source_words.push_back(static_cast<int32_t>(count_words(c.texts[i].source)));
      } catch (const Error& e) {
        const std::string line =
            c.lines.empty()
                ? ""
                : fmt::format("line {}: ", c.lines[i] + refused_line(c.texts[i].target, tokenizer));
        fail(fmt::format("{}: {}{}", c.name, line, e.what()));
      }
  });
  for (const Encoded& t : part) {
    const int64_t from = to.begin.back();
    to.all.insert(to.all.end(), t.all.begin(), t.all.end());
    for (size_t i = 1; i < t.begin.size(); ++i) to.begin.push_back(from + t.begin[i]);
    to.prefix.insert(to.prefix.end(), t.prefix.begin(), t.prefix.end());
    to.source_words.insert(to.source_words.end(), t.source_words.begin(), t.source_words.end());
  }
}
Encoded encode(const Corpus& c, const Tokenizer& tokenizer, bool with_end, const Tokenized& done) {
  constexpr size_t kBatch = 1 << 14;  // texts whose tokens are held twice for a moment
  Encoded out;
  out.begin.reserve(c.texts.size() + 1);
  out.prefix.reserve(c.texts.size());
  for (size_t first = 0; first < c.texts.size(); first += kBatch) {
    const size_t last = std::min(first + kBatch, c.texts.size());
    encode_some(c, first, last, tokenizer, with_end, out);
    if (first == 0 && last < c.texts.size())  // about what is to come: to grow would cost a copy
      out.all.reserve((out.all.size() / last + 1) * c.texts.size() / 8 * 9);
    if (done) done(c, first, last);
  }
  return out;
}

// Cuts the texts, one after another, and remembers what is to be said about it.
class Cutter {
 public:
  Cutter(const Corpus& corpus, const BatchShape& shape, int64_t context, Windows windows)
      : corpus_(corpus),
        shape_(shape),
        context_(context),
        windows_(windows),
        most_(std::min({context > 0 ? context : std::numeric_limits<int32_t>::max() - 1, shape.tokens,
                        shape.scored > 0 ? shape.scored : shape.tokens})) {}
  void add(int32_t text, int64_t begin, int64_t end, int32_t prefix) {
    const int64_t n = end - begin;
    RUM_CHECK(corpus_.kind == CorpusKind::documents || prefix > 0,
              "{}: example {} has no source; `ruminate data prepare` drops such pairs", corpus_.name, text);
    if (windows_ != Windows::documents)
      stream(text, begin, n);
    else if (corpus_.kind == CorpusKind::pairs)
      pair(text, begin, n, prefix);
    else
      document(text, begin, n);
  }
  std::string note() const {
    if (left_out_ > 0)
      return fmt::format(
          "{}: {} of {} pairs are left out: the context holds {} positions and a batch {} tokens{}; the "
          "first "
          "is {}",
          corpus_.name, left_out_, corpus_.texts.size(), context_, shape_.tokens,
          shape_.scored > 0 ? fmt::format(", {} of them with a loss (batch.scored)", shape_.scored) : "",
          first_);
    if (cut_ > 0)
      return fmt::format("{}: {} of {} documents are longer than {} tokens and are cut into {} pieces",
                         corpus_.name, cut_, corpus_.texts.size(), most_, pieces_of_cut_);
    return "";
  }
  std::vector<TextPiece> pieces;
  std::vector<int64_t> slack;

 private:
  void push(int32_t text, int64_t begin, int64_t tokens, int32_t prefix, bool goes_on) {
    pieces.push_back({begin, static_cast<int32_t>(tokens), prefix, text, goes_on});
  }
  void stream(int32_t text, int64_t begin, int64_t n) {
    RUM_CHECK(n > 1, "{}: {} tokens in it; there is nothing to predict", corpus_.name, n);
    const int64_t full = (n - 1) / most_;
    if (windows_ == Windows::stream) {  // one window fewer than would fit leaves room for a shift
      const int64_t count = std::max<int64_t>(full - 1, 1), size = std::min(most_ + 1, n);
      for (int64_t i = 0; i < count; ++i) push(text, begin + i * most_, size, 0, true);
      return slack.push_back(n - ((count - 1) * most_ + size));
    }
    for (int64_t at = 0; at + 1 < n; at += most_)
      push(text, begin + at, std::min(most_ + 1, n - at), 0, true);
  }
  void document(int32_t text, int64_t begin, int64_t n) {
    if (n > most_) ++cut_;
    for (int64_t at = 0; at == 0 || at + 1 < n; at += most_) {
      const int64_t left = n - at;
      push(text, begin + at, std::min(left, most_ + 1), 0, left > most_);
      pieces_of_cut_ += n > most_;
    }
  }
  void pair(int32_t text, int64_t begin, int64_t n, int32_t prefix) {
    const Example e{std::vector<Token>(static_cast<size_t>(n)), prefix};
    if (fits(std::span(&e, 1), shape_) && (context_ == 0 || positions_of(e, shape_) <= context_))
      return push(text, begin, n, prefix, false);
    if (left_out_++ > 0) return;
    first_ =
        fmt::format("{} with {} tokens ({} of the source, {} of the target)",
                    corpus_.lines.empty() ? fmt::format("example {}", text)
                                          : fmt::format("line {}", corpus_.lines[static_cast<size_t>(text)]),
                    n, prefix - 1, n - prefix);
  }
  const Corpus& corpus_;
  const BatchShape& shape_;
  int64_t context_;
  Windows windows_;
  int64_t most_;  // tokens that a piece of plain text reads
  int64_t left_out_ = 0, cut_ = 0, pieces_of_cut_ = 0;
  std::string first_;  // pair that was left out
};
}  // namespace

Example to_example(const Pair& t, const Tokenizer& tokenizer, float weight) {
  Example e;
  e.weight = weight;
  if (!t.source.empty()) {
    tokenizer.encode(t.source, e.tokens);
    e.tokens.push_back(tokenizer.special(kSep));
    e.prefix = static_cast<int32_t>(e.tokens.size());
  } else if (tokenizer.begin() >= 0) {
    e.tokens.push_back(tokenizer.begin());
  }
  tokenizer.encode(t.target, e.tokens);
  if (tokenizer.end() >= 0) e.tokens.push_back(tokenizer.end());
  return e;
}

int64_t positions_of(const Example& e, const BatchShape& shape) {
  const auto n = static_cast<int64_t>(e.tokens.size()) - e.goes_on;
  if (shape.sources > 0) return std::max<int64_t>(e.prefix, n - e.prefix);
  return shape.restart && e.prefix > 0 ? std::max<int64_t>(e.prefix - 1, n - e.prefix + 1) : n;
}

TokenCorpus tokenize(const Corpus& corpus, const Tokenizer& tokenizer, const BatchShape& shape,
                     int64_t context, Windows windows, const Tokenized& done) {
  Encoded texts = encode(corpus, tokenizer, windows == Windows::documents, done);
  Cutter cutter(corpus, shape, context, windows);
  cutter.pieces.reserve(corpus.texts.size());
  for (size_t i = 0; i < corpus.texts.size(); ++i)
    cutter.add(static_cast<int32_t>(i), texts.begin[i], texts.begin[i + 1], texts.prefix[i]);
  return {std::move(texts.all), std::move(cutter.pieces), cutter.note(), std::move(cutter.slack),
          std::move(texts.source_words)};
}

Example TokenCorpus::example(size_t piece, float weight, int64_t shift) const {
  const TextPiece& p = pieces[piece];
  const auto from = all.begin() + p.begin + shift;
  return {{from, from + p.tokens}, p.prefix, weight, p.goes_on};
}
}  // namespace rum
