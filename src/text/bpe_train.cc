// Training of byte pair encoding (Sennrich et al. 2016), with the outcome of Hugging Face's trainer id for
// id: the most frequent pair first, of equals the one with the smaller ids. Counts of pairs are kept up to
// date word by word; the queue holds old counts, which are put right when they come up.
#include <algorithm>
#include <set>
#include <unordered_set>

#include "base/error.h"
#include "base/threads.h"
#include "text/bpe.h"
#include "text/pair_table.h"

namespace rum {
namespace {
using Counts = std::unordered_map<std::string_view, int64_t>;

// Distinct pieces of all texts with their number. Texts are cut into parts by their count alone.
Counts count_pieces(std::span<const std::string_view> texts, const Pattern& pattern, bool split_digits) {
  constexpr size_t kParts = 8;
  std::vector<Counts> parts(kParts);
  parallel(static_cast<int64_t>(kParts), [&](int64_t i) {
    const size_t part = static_cast<size_t>(i), begin = texts.size() * part / kParts,
                 end = texts.size() * (part + 1) / kParts;
    for (std::string_view text : texts.subspan(begin, end - begin))
      for_each_piece(pattern, split_digits, text, [&](std::string_view piece) { ++parts[part][piece]; });
  });
  for (size_t i = 1; i < kParts; ++i) {
    for (const auto& [piece, n] : parts[i]) parts[0][piece] += n;
    parts[i] = {};
  }
  return std::move(parts[0]);
}

struct Word {
  std::vector<Token> tokens;
  int64_t count;
};

class Trainer {
 public:
  Trainer(const TokenizerConfig& config, const Pattern& pattern) : config_(config) {
    bpe_.pattern = &pattern;
    bpe_.split_digits = config.split_digits;
    add_special();
    add_bytes();
  }
  Bpe run(const Counts& pieces, const std::function<void(int64_t)>& progress) {
    add_words(pieces);
    while (size() < config_.vocab && !queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end());
      Entry top = std::move(queue_.back());
      queue_.pop_back();
      if (const int64_t now = count_[top.pair]; now != top.count) {
        push(std::move(top), now);
        continue;
      }
      if (top.count < 1 || top.count < config_.min_frequency) break;
      merge(top);
      if (progress && bpe_.merges.size() % 64 == 0) progress(static_cast<int64_t>(bpe_.merges.size()));
    }
    keep_last_of_repeated();
    if (progress) progress(static_cast<int64_t>(bpe_.merges.size()));
    return std::move(bpe_);
  }

 private:
  // Words where a pair newly stands. A pair can have several entries, when several pairs make one token.
  struct Entry {
    int64_t count;
    Token left, right;
    size_t pair, serial;
    std::vector<int32_t> words;
    bool operator<(const Entry& o) const {  // the queue's top is the greatest
      if (count != o.count) return count < o.count;
      if (left != o.left) return left > o.left;
      return right != o.right ? right > o.right : serial > o.serial;
    }
  };

  int64_t size() const { return static_cast<int64_t>(bpe_.tokens.size()); }
  Token add_token(std::string bytes) {
    bpe_.tokens.push_back(std::move(bytes));
    return static_cast<Token>(bpe_.tokens.size() - 1);
  }
  void add_special() {
    for (const std::string& s : config_.special) {
      RUM_CHECK(!s.empty() && find_invalid_utf8(s) == std::string::npos,
                "special token {} of {} is empty or not UTF-8", bpe_.added.size() + 1,
                config_.special.size());
      std::string bytes;
      if (from_characters(s, bytes)) {
        RUM_CHECK(bytes.size() > 1, "special token \"{}\" is the name of a byte; choose a longer one", s);
        reserved_.insert(bytes);
      }
      for (const AddedToken& a : bpe_.added)
        RUM_CHECK(a.content != s, "special token \"{}\" appears twice", s);
      AddedToken added;
      added.id = add_token(s);
      added.content = s;
      bpe_.added.push_back(std::move(added));
    }
    RUM_CHECK(
        config_.vocab >= size() + 256 && config_.vocab < int64_t{1} << 30,
        "a vocabulary of {}: at least {} are needed for {} special tokens and 256 bytes, and at most 2^30",
        config_.vocab, size() + 256, size());
  }
  void add_bytes() {  // in order of their characters, which is not the order of bytes
    std::vector<std::pair<char32_t, uint8_t>> order;
    for (int b = 0; b < 256; ++b)
      order.emplace_back(byte_character(static_cast<uint8_t>(b)), static_cast<uint8_t>(b));
    std::sort(order.begin(), order.end());
    for (const auto& [character, b] : order) {
      const std::string bytes(1, static_cast<char>(b));
      byte_[b] = id_[bytes] = add_token(bytes);
    }
  }
  void add_words(const Counts& pieces) {
    for (const auto& [piece, count] : pieces) {
      if (piece.size() < 2) continue;
      RUM_CHECK(words_.size() < INT32_MAX, "more than 2^31 distinct words");
      Word word{{}, count};
      for (char c : piece) word.tokens.push_back(byte_[static_cast<uint8_t>(c)]);
      const auto w = static_cast<int32_t>(words_.size());
      for (size_t i = 0; i + 1 < word.tokens.size(); ++i)
        change(word.tokens[i], word.tokens[i + 1], count, w);
      words_.push_back(std::move(word));
    }
    push_fresh();
  }
  // The count of a pair goes up or down in word w.
  void change(Token left, Token right, int64_t by, int32_t w) {
    int32_t& pair = pairs_.at(left, right);
    if (pair < 0) {
      pair = static_cast<int32_t>(count_.size());
      RUM_CHECK(pair < INT32_MAX, "more than 2^31 distinct pairs");
      count_.push_back(0);
      fresh_.emplace_back();
    }
    const auto p = static_cast<size_t>(pair);
    count_[p] += by;
    if (by < 0) return;
    if (fresh_[p].empty()) touched_.push_back({0, left, right, p, 0, {}});
    if (fresh_[p].empty() || fresh_[p].back() != w) fresh_[p].push_back(w);
  }
  void push_fresh() {
    for (Entry& e : touched_) {
      e.words = std::move(fresh_[e.pair]);
      fresh_[e.pair].clear();
      e.serial = serial_++;
      if (count_[e.pair] > 0) push(std::move(e), count_[e.pair]);
    }
    touched_.clear();
  }
  void push(Entry e, int64_t count) {
    e.count = count;
    queue_.push_back(std::move(e));
    std::push_heap(queue_.begin(), queue_.end());
  }
  void merge(const Entry& e) {
    std::string bytes = bpe_.tokens[static_cast<size_t>(e.left)] + bpe_.tokens[static_cast<size_t>(e.right)];
    if (reserved_.count(bytes)) return;  // text must never give a special token
    const auto [known, fresh] = id_.try_emplace(std::move(bytes), static_cast<Token>(bpe_.tokens.size()));
    if (fresh) add_token(known->first);
    bpe_.merges.emplace_back(e.left, e.right);
    for (int32_t w : e.words) merge_in(words_[static_cast<size_t>(w)], e.left, e.right, known->second, w);
    push_fresh();
  }
  void merge_in(Word& word, Token left, Token right, Token made, int32_t w) {
    std::vector<Token>& t = word.tokens;
    size_t out = 0;
    for (size_t i = 0; i < t.size(); ++i, ++out) {
      if (t[i] != left || i + 1 == t.size() || t[i + 1] != right) {
        t[out] = t[i];
        continue;
      }
      if (out > 0) {
        change(t[out - 1], left, -word.count, w);
        change(t[out - 1], made, word.count, w);
      }
      if (i + 2 < t.size()) {
        change(right, t[i + 2], -word.count, w);
        change(made, t[i + 2], word.count, w);
      }
      t[out] = made;
      ++i;
    }
    t.resize(out);
  }
  // A pair recorded twice has the rank of its last time, as in a table that is overwritten.
  void keep_last_of_repeated() {
    std::unordered_set<uint64_t> seen;
    std::vector<std::pair<Token, Token>> kept;
    for (size_t i = bpe_.merges.size(); i-- > 0;)
      if (seen.insert(PairTable::key(bpe_.merges[i].first, bpe_.merges[i].second)).second)
        kept.push_back(bpe_.merges[i]);
    bpe_.merges.assign(kept.rbegin(), kept.rend());
  }

  const TokenizerConfig& config_;
  Bpe bpe_;
  Token byte_[256] = {};
  std::unordered_map<std::string, Token> id_;
  std::unordered_set<std::string> reserved_;  // special tokens that bytes could spell
  std::vector<Word> words_;
  PairTable pairs_;                          // to an index of the next two
  std::vector<int64_t> count_;               // a merged pair keeps its count: Hugging Face's rule
  std::vector<std::vector<int32_t>> fresh_;  // words since the last push_fresh
  std::vector<Entry> touched_;
  std::vector<Entry> queue_;  // a heap
  size_t serial_ = 0;
};

// The special tokens, then all distinct characters in the order of their codes.
Bpe train_characters(std::span<const std::string_view> texts, const TokenizerConfig& config) {
  RUM_CHECK(!config.split_digits, "characters are tokens of their own, digits too: leave split_digits out");
  std::set<std::string> characters;  // the order of UTF-8 is that of the codes
  for (const std::string_view text : texts) {
    RUM_CHECK(find_invalid_utf8(text) == std::string::npos, "a text to take characters from is not UTF-8");
    for_each_piece(pattern_named(config.pattern), false, text,
                   [&](std::string_view c) { characters.emplace(c); });
  }
  Bpe bpe;
  bpe.pattern = &pattern_named(config.pattern);
  bpe.ignore_merges = true;
  for (const std::string& s : config.special) {
    RUM_CHECK(!s.empty() && find_invalid_utf8(s) == std::string::npos && !characters.contains(s) &&
                  std::count(config.special.begin(), config.special.end(), s) == 1,
              "special token \"{}\" is empty, not UTF-8, a character of the text, or appears twice", s);
    AddedToken added;
    added.id = static_cast<Token>(bpe.tokens.size());
    added.content = s;
    bpe.tokens.push_back(s);
    bpe.added.push_back(std::move(added));
  }
  bpe.tokens.insert(bpe.tokens.end(), characters.begin(), characters.end());
  return bpe;
}
}  // namespace

Bpe train_bpe(std::span<const std::string_view> texts, const TokenizerConfig& config,
              const std::function<void(int64_t)>& progress) {
  const Pattern& pattern = pattern_named(config.pattern);
  if (&pattern == &pattern_named("characters")) return train_characters(texts, config);
  Trainer trainer(config, pattern);  // checks the configuration before the long part
  return trainer.run(count_pieces(texts, pattern, config.split_digits), progress);
}
}  // namespace rum
