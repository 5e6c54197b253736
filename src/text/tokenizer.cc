#include "text/tokenizer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "text/bpe.h"
#include "text/pair_table.h"

namespace rum {
namespace {
// Pieces met lately and their tokens, one table per thread. A slot is one cache line, and its place follows
// from the piece, so the table has a fixed size; longer pieces are merged anew each time.
struct alignas(64) Slot {
  static constexpr size_t kBytes = 24, kTokens = 8;
  uint32_t model = 0;  // serial number; 0 is nobody's
  uint8_t bytes = 0, tokens = 0;
  uint64_t piece[kBytes / 8] = {};
  Token token[kTokens] = {};

  void set_piece(std::string_view p) {
    bytes = static_cast<uint8_t>(p.size());
    std::memcpy(piece, p.data(), p.size());
  }
  bool same_piece(const Slot& o) const {
    return model == o.model && bytes == o.bytes && piece[0] == o.piece[0] && piece[1] == o.piece[1] &&
           piece[2] == o.piece[2];
  }
  Slot& home(std::vector<Slot>& table) const {
    uint64_t h = (piece[0] ^ bytes) * 0x9E3779B97F4A7C15u;
    h = (h ^ (h >> 32) ^ piece[1]) * 0xC2B2AE3D27D4EB4Fu;
    h = (h ^ (h >> 32) ^ piece[2]) * 0x9E3779B97F4A7C15u;
    return table[(h >> 40) & (table.size() - 1)];
  }
};
constexpr size_t kSlots = size_t{1} << 14;

struct Symbol {
  Token token;  // -1 when it went into the one before
  uint32_t previous, next;
};
struct Candidate {
  int32_t rank;
  uint32_t at;
  Token left, right;
  bool operator<(const Candidate& o) const { return rank != o.rank ? rank > o.rank : at > o.at; }
};
struct Scratch {
  std::vector<Slot> cache = std::vector<Slot>(kSlots);
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
};
Scratch& scratch() {
  static thread_local Scratch s;
  return s;
}
constexpr uint32_t kNone = ~uint32_t{0};

// Blanks as marks.
std::string marked(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  for (const char c : text) c == ' ' ? out += kMark : out += c;
  return out;
}
// A stretch of text as the file's normalizer leaves it.
std::string normalized(const Spaced& s, std::string_view text) {
  std::string out = s.replaces ? marked(text) : std::string(text);
  return s.prepends && !out.empty() ? std::string(kMark) + out : out;
}

// Some of the added tokens, looked for in a text.
class Finder {
 public:
  void add(const AddedToken& a, std::string content) {
    begins_[static_cast<uint8_t>(content[0])] = true;
    tokens_.push_back({&a, std::move(content)});
  }
  // Calls found(token) for each in the text, and between(part) for what is around them.
  template <class Between, class Found>
  void split(std::string_view text, Between&& between, Found&& found) const {
    for (size_t at = 0; at < text.size() && !tokens_.empty();) {
      const Looked* added = nullptr;
      if (begins_[static_cast<uint8_t>(text[at])]) added = longest(text.substr(at));
      if (!added) {
        ++at;
        continue;
      }
      between(text.substr(0, at));
      found(added->token->id);
      text.remove_prefix(at + added->content.size());
      at = 0;
    }
    between(text);
  }

 private:
  struct Looked {
    const AddedToken* token;
    std::string content;  // as it appears in the text that is searched
  };
  // The longest one that the text begins with, or null.
  const Looked* longest(std::string_view text) const {
    const Looked* best = nullptr;
    for (const Looked& a : tokens_)
      if (text.starts_with(a.content) && (!best || a.content.size() > best->content.size())) best = &a;
    if (!best) return nullptr;
    const AddedToken& found = *best->token;
    for (const auto& [flag, set] : {std::pair("lstrip", found.lstrip), std::pair("rstrip", found.rstrip),
                                    std::pair("single_word", found.single_word)})
      RUM_CHECK(!set, "the added token \"{}\" has {}, which is not supported, and stands in a text",
                found.content, flag);
    return best;
  }
  std::vector<Looked> tokens_;
  std::array<bool, 256> begins_{};
};
}  // namespace

struct Tokenizer::Model {
  explicit Model(Bpe b) : bpe(std::move(b)) {
    static std::atomic<uint32_t> models{0};
    serial = ++models;
    byte.fill(-1);
    std::vector<bool> is_added(bpe.tokens.size());
    for (const AddedToken& a : bpe.added) {
      is_added[static_cast<size_t>(a.id)] = true;
      if (a.special) bpe.tokens[static_cast<size_t>(a.id)].clear();
      std::string content = a.content;
      if (a.normalized && bpe.spaced) content = normalized(*bpe.spaced, content);
      if (a.normalized && bpe.nfc) content = nfc(content);
      finders[true][a.normalized].add(a, content);
      if (!a.special) finders[false][a.normalized].add(a, content);
    }
    const std::vector<std::string>& spelled = bpe.spaced ? bpe.spaced->spelled : bpe.tokens;
    for (size_t i = 0; i < spelled.size(); ++i) {
      const auto id = static_cast<Token>(i);
      if (bpe.spaced && spelled[i].size() == 6)
        if (const int b = fallback_byte(spelled[i]); b >= 0 && byte[static_cast<size_t>(b)] < 0)
          byte[static_cast<size_t>(b)] = id;
      if (is_added[i]) continue;
      ids[spelled[i]] = id;
      if (spelled[i].size() == 1) byte[static_cast<uint8_t>(spelled[i][0])] = id;
    }
    for (size_t rank = 0; rank < bpe.merges.size(); ++rank) {
      const auto [l, r] = bpe.merges[rank];
      ranks.at(l, r) = static_cast<int32_t>(rank);
      made.push_back(ids.at(spelled[static_cast<size_t>(l)] + spelled[static_cast<size_t>(r)]));
    }
  }
  void encode(std::string_view piece, std::vector<Token>& out) const;
  void encode_text(std::string_view text, bool special, bool goes_on, std::vector<Token>& out) const;
  void encode_spaced(std::string_view text, bool special, bool goes_on, std::vector<Token>& out) const;
  void characters(std::string_view piece, std::vector<Symbol>& out) const;
  void merge(std::string_view piece, std::vector<Token>& out) const;
  [[noreturn]] void refuse(std::string_view character) const;

  Bpe bpe;
  uint32_t serial;
  std::unordered_map<std::string_view, Token> ids;  // by spelling, added tokens left out; views into bpe
  std::array<Token, 256> byte{};                    // what it is alone
  PairTable ranks;
  std::vector<Token> made;  // by rank
  // Of added tokens, those that are not special, and all; of these, which are looked for in the text as it
  // is, and which in the normalised one.
  std::array<std::array<Finder, 2>, 2> finders;
};

// The tokens of its characters; of one that has none those of its bytes.
void Tokenizer::Model::characters(std::string_view piece, std::vector<Symbol>& out) const {
  out.clear();
  for (const char *p = piece.data(), *end = p + piece.size(); p < end;) {
    const auto bytes = static_cast<size_t>(decode_utf8(p, end).bytes);
    const auto known = bytes == 1 ? ids.end() : ids.find({p, bytes});
    if (known != ids.end())
      out.push_back({known->second, 0, 0});
    else
      for (size_t i = 0; i < bytes; ++i) out.push_back({byte[static_cast<uint8_t>(p[i])], 0, 0});
    p += bytes;
  }
}

// Of all neighbours the pair of lowest rank becomes one token, the leftmost first, until none has a rank.
void Tokenizer::Model::merge(std::string_view piece, std::vector<Token>& out) const {
  if (bpe.ignore_merges) {
    if (const auto whole = ids.find(piece); whole != ids.end()) return out.push_back(whole->second);
    if (bpe.characters()) refuse(piece);
  }
  RUM_CHECK(piece.size() < kNone, "a word of {} bytes, at most 4 GiB", piece.size());
  auto& symbols = scratch().symbols;  // not a structured binding: clang 14 cannot capture one
  auto& heap = scratch().heap;
  heap.clear();
  if (bpe.spaced) {
    characters(piece, symbols);
  } else {
    symbols.resize(piece.size());
    for (size_t i = 0; i < piece.size(); ++i) symbols[i].token = byte[static_cast<uint8_t>(piece[i])];
  }
  const auto n = static_cast<uint32_t>(symbols.size());
  for (uint32_t i = 0; i < n; ++i) {
    symbols[i].previous = i ? i - 1 : kNone;
    symbols[i].next = i + 1 < n ? i + 1 : kNone;
  }
  const auto propose = [&](uint32_t at) {
    const Symbol& s = symbols[at];
    if (s.next == kNone) return;
    const Token right = symbols[s.next].token;
    if (const int32_t rank = ranks.find(s.token, right); rank >= 0)
      heap.push_back({rank, at, s.token, right});
  };
  for (uint32_t i = 0; i < n; ++i) propose(i);
  std::make_heap(heap.begin(), heap.end());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const Candidate c = heap.back();
    heap.pop_back();
    Symbol& left = symbols[c.at];
    if (left.token != c.left || left.next == kNone || symbols[left.next].token != c.right)
      continue;  // outdated
    symbols[left.next].token = -1;
    left.token = made[static_cast<size_t>(c.rank)];
    left.next = symbols[left.next].next;
    if (left.next != kNone) symbols[left.next].previous = c.at;
    for (uint32_t at : {left.previous, c.at}) {
      const size_t before = heap.size();
      if (at != kNone) propose(at);
      if (heap.size() > before) std::push_heap(heap.begin(), heap.end());
    }
  }
  for (uint32_t i = 0; i != kNone && i < n; i = symbols[i].next) out.push_back(symbols[i].token);
}

void Tokenizer::Model::encode(std::string_view piece, std::vector<Token>& out) const {
  if (piece.size() == 1) {
    const Token only = byte[static_cast<uint8_t>(piece[0])];
    if (only < 0) refuse(piece);
    return out.push_back(only);
  }
  if (piece.size() > Slot::kBytes) return merge(piece, out);
  Slot wanted;
  wanted.model = serial;
  wanted.set_piece(piece);
  Slot& slot = wanted.home(scratch().cache);
  if (slot.same_piece(wanted)) {
    out.insert(out.end(), slot.token, slot.token + slot.tokens);
    return;
  }
  const size_t before = out.size();
  merge(piece, out);
  if (const size_t n = out.size() - before; n <= Slot::kTokens) {
    wanted.tokens = static_cast<uint8_t>(n);
    std::copy_n(out.end() - static_cast<ptrdiff_t>(n), n, wanted.token);
    slot = wanted;
  }
}

// As Hugging Face does: tokens that are looked for in the text as it is, then normalisation of what is
// between them, then the other tokens.
void Tokenizer::Model::encode_text(std::string_view text, bool special, bool goes_on,
                                   std::vector<Token>& out) const {
  if (bpe.spaced) return encode_spaced(text, special, goes_on, out);
  const auto take = [&](Token id) { out.push_back(id); };
  const auto ordinary = [&](std::string_view part) {
    for_each_piece(*bpe.pattern, bpe.split_digits, part, [&](std::string_view piece) { encode(piece, out); });
  };
  finders[special][false].split(
      text,
      [&](std::string_view part) {
        const bool as_it_is = !bpe.nfc || find_invalid_utf8(part) != std::string_view::npos || is_nfc(part);
        const std::string other = as_it_is ? "" : nfc(part);
        finders[special][true].split(as_it_is ? part : other, ordinary, take);
      },
      take);
}

// The same where the whole of what stands between added tokens is one word.
void Tokenizer::Model::encode_spaced(std::string_view text, bool special, bool goes_on,
                                     std::vector<Token>& out) const {
  const Spaced& s = *bpe.spaced;
  const auto take = [&](Token id) { out.push_back(id); };
  const auto ordinary = [&](std::string_view part, bool first) {
    if (part.empty()) return;
    if (!s.metaspace) return encode(part, out);
    std::string word = marked(part);
    const bool leads = s.lead == Spaced::Lead::always || (s.lead == Spaced::Lead::first && first);
    if (leads && !word.starts_with(kMark)) word.insert(0, kMark);
    const std::string_view all = word;
    for (size_t at = 0, next; at < all.size(); at = next) {
      next = s.split ? std::min(all.find(kMark, at + 1), all.size()) : all.size();
      encode(all.substr(at, next - at), out);
    }
  };
  finders[special][false].split(
      text,
      [&](std::string_view part) {
        const bool first = !goes_on && part.data() == text.data();
        const std::string normal = normalized(s, part);
        finders[special][true].split(
            normal, [&](std::string_view inner) { ordinary(inner, first && inner.data() == normal.data()); },
            take);
      },
      take);
}

void Tokenizer::Model::refuse(std::string_view character) const {
  const char* p = character.data();
  fail(fmt::format(
      "the character U+{:04X} \"{}\" is not among the {} of this tokenizer; remove it, or train the "
      "tokenizer on text that has it",
      static_cast<uint32_t>(decode_utf8(p, p + character.size()).code), character,
      bpe.tokens.size() - bpe.added.size()));
}

Tokenizer Tokenizer::train(std::span<const std::string_view> texts, const TokenizerConfig& config,
                           const std::function<void(int64_t)>& progress) {
  Tokenizer t;
  t.model_ = std::make_shared<Model>(train_bpe(texts, config, progress));
  return t;
}
Tokenizer Tokenizer::load(const std::string& path) { return parse(Disk::real().read(path), path); }
Tokenizer Tokenizer::parse(std::string_view json, const std::string& name) {
  Tokenizer t;
  t.model_ = std::make_shared<Model>(parse_tokenizer_json(json, name));
  return t;
}
std::string Tokenizer::json() const { return write_tokenizer_json(model_->bpe); }
void Tokenizer::save(const std::string& path) const { Disk::real().replace_text(path, json()); }

std::vector<Token> Tokenizer::encode(std::string_view text) const {
  std::vector<Token> out;
  encode(text, out);
  return out;
}
void Tokenizer::encode(std::string_view text, std::vector<Token>& out, bool goes_on) const {
  model_->encode_text(text, false, goes_on, out);
}
std::vector<Token> Tokenizer::encode_with_special(std::string_view text) const {
  std::vector<Token> out = model_->bpe.before;
  model_->encode_text(text, true, false, out);
  out.insert(out.end(), model_->bpe.after.begin(), model_->bpe.after.end());
  return out;
}
std::string Tokenizer::raw(std::span<const Token> tokens) const {
  std::string out;
  for (Token t : tokens)
    if (t < 0 || t < size()) out += bytes(t);
  return out;
}
bool Tokenizer::strips() const { return model_->bpe.spaced && model_->bpe.spaced->strip; }
std::string Tokenizer::decode(std::span<const Token> tokens, std::span<const Token> before) const {
  std::string out = raw(tokens);
  if (strips() && out.starts_with(' ') && raw(before).empty()) out.erase(0, 1);
  return out;
}
GrowingDecode::GrowingDecode(const Tokenizer& t, std::span<const Token> before)
    : tokenizer_(&t),
      strips_(t.strips() && t.raw(before).empty()) {}
std::string GrowingDecode::add(Token t) {
  std::string out = tokenizer_->raw({&t, 1});
  if (!strips_ || out.empty()) return out;
  strips_ = false;
  if (out.front() == ' ') out.erase(0, 1);
  return out;
}
int64_t Tokenizer::size() const { return static_cast<int64_t>(model_->bpe.tokens.size()); }
Token Tokenizer::special(std::string_view name) const {
  for (const AddedToken& a : model_->bpe.added)
    if (a.content == name) return a.id;
  fail(fmt::format("the tokenizer has no special token \"{}\"", name));
}
std::string Tokenizer::name(Token t) const {
  for (const AddedToken& a : model_->bpe.added)
    if (a.id == t) return a.content;
  return "";
}
std::string_view Tokenizer::bytes(Token t) const {
  RUM_CHECK(t >= 0 && t < size(), "token {}: the tokenizer has 0 to {}", t, size() - 1);
  return model_->bpe.tokens[static_cast<size_t>(t)];
}
uint64_t Tokenizer::hash() const { return hash64(json()); }
void Tokenizer::frame(const std::string& begin, const std::string& end) {
  begin_ = begin.empty() ? -1 : special(begin);
  end_ = end.empty() ? -1 : special(end);
}
Token Tokenizer::end() const { return end_ ? *end_ : special("<eos>"); }
}  // namespace rum
