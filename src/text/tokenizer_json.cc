// Hugging Face's tokenizer.json for byte-level BPE, and for BPE over characters with bytes behind it, read
// strictly: what would tokenize otherwise than this code does is refused by name.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "text/bpe.h"

namespace rum {
namespace {
constexpr size_t kMaxBytes = size_t{1} << 28;
constexpr size_t kMaxValues = size_t{1} << 23;  // a vocabulary of a million with two million merges

struct ByteCharacters {
  std::array<char32_t, 256> character{};
  std::array<int, 0x144> byte{};
  ByteCharacters() {
    byte.fill(-1);
    char32_t next = 0x100;
    for (char32_t b = 0; b < 256; ++b) {
      const bool itself = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      character[b] = itself ? b : next++;
      byte[character[b]] = static_cast<int>(b);
    }
  }
};
const ByteCharacters& byte_characters() {
  static const ByteCharacters table;
  return table;
}

// One reading of one file. Every complaint says where it is.
class Parser {
 public:
  Parser(const std::string& name) : name_(name) {}
  Bpe run(std::string_view text) {
    const Json root = parse_json(text, name_, {.depth = 32, .bytes = kMaxBytes, .values = kMaxValues});
    if (!root.object()) refuse("", "an object is expected", root);
    if (const Json& v = get(root, "", "version"); !v.text() || *v.text() != "1.0")
      refuse("version", "only \"1.0\" is known", v);
    for (const char* key : {"truncation", "padding"})
      if (const Json* j = root.find(key); j && !j->is_null())
        refuse(key, "is not supported here, null is expected", *j);
    if (is_spaced(root))
      read_spaced(root);
    else
      read_byte_level_parts(root);
    if (const Json* p = root.find("post_processor")) {
      read_post_processor(*p, "post_processor");
      bpe_.post_processor = *p;
    }
    const Json* added = root.find("added_tokens");
    if (added && !added->is_null()) read_added(*added);
    const Json& model = get(root, "", "model");
    bpe_.characters() ? read_characters(model) : read_model(model);
    for (const auto* around : {&bpe_.before, &bpe_.after})
      for (const Token t : *around)
        if (static_cast<size_t>(t) >= bpe_.tokens.size())
          refuse(template_, fmt::format("only ids below {} are tokens", bpe_.tokens.size()),
                 Json(int64_t{t}));
    return std::move(bpe_);
  }

 private:
  void read_byte_level_parts(const Json& root) {
    if (const Json* j = root.find("normalizer"); j && !j->is_null()) {
      if (type(*j) != "NFC") refuse("normalizer", "only NFC or null is supported", *j);
      bpe_.nfc = true;
    }
    read_pre_tokenizer(get(root, "", "pre_tokenizer"));
    if (const Json& d = get(root, "", "decoder"); type(d) != (bpe_.characters() ? "Fuse" : "ByteLevel"))
      refuse("decoder", bpe_.characters() ? "Fuse is expected" : "only ByteLevel is supported", d);
  }
  // Llama 2's kind: byte_fallback, and no pre-tokenizer that cuts words.
  static bool is_spaced(const Json& root) {
    const Json* model = root.find("model");
    const Json* fallback = model ? model->find("byte_fallback") : nullptr;
    if (!fallback || !fallback->boolean() || !*fallback->boolean()) return false;
    const Json* p = root.find("pre_tokenizer");
    return !p || p->is_null() || type(*p) == "Metaspace";
  }
  void read_spaced(const Json& root) {
    Spaced& s = bpe_.spaced.emplace();
    if (const Json* j = root.find("normalizer"); j && !j->is_null()) {
      s.normalizer = *j;
      const Json* list = type(*j) == "Sequence" ? &get(*j, "normalizer", "normalizers") : nullptr;
      if (list && !list->array()) refuse("normalizer.normalizers", "an array is expected", *list);
      if (!list) read_normalizer(*j, "normalizer");
      for (size_t i = 0; list && i < list->array()->size(); ++i)
        read_normalizer((*list->array())[i], fmt::format("normalizer.normalizers[{}]", i));
    }
    if (const Json* j = root.find("pre_tokenizer"); j && !j->is_null()) {
      if (!s.normalizer.is_null())
        refuse("pre_tokenizer", "Metaspace is supported where the normalizer is null", *j);
      s.pre_tokenizer = *j;
      s.metaspace = true;
      read_metaspace(*j);
    }
    s.decoder = get(root, "", "decoder");
    read_decoder(s.decoder);
  }
  bool is_text(const Json& j, std::string_view text) const { return j.text() && *j.text() == text; }
  void expect(const Json& object, const std::string& path, const char* key, std::string_view text) const {
    const Json& found = get(object, path, key);
    if (!is_text(found, text))
      refuse(path + "." + key, "only " + to_json(Json(text)) + " is supported", found);
  }
  void read_replace(const Json& j, const std::string& path, std::string_view from,
                    std::string_view to) const {
    const Json& pattern = get(j, path, "pattern");
    if (const Json* text = pattern.find("String"); !text || !is_text(*text, from))
      refuse(path + ".pattern", fmt::format("only {{\"String\":{}}} is supported", to_json(Json(from))),
             pattern);
    expect(j, path, "content", to);
  }
  void read_normalizer(const Json& j, const std::string& path) {
    Spaced& s = *bpe_.spaced;
    bool& seen = type(j) == "Prepend" ? s.prepends : s.replaces;
    if (type(j) == "Prepend")
      expect(j, path, "prepend", kMark);
    else if (type(j) == "Replace")
      read_replace(j, path, " ", kMark);
    else
      refuse(path, "with byte_fallback only Prepend and Replace are supported", j);
    if (std::exchange(seen, true)) refuse(path, "appears twice", j);
  }
  void read_metaspace(const Json& j) {
    const std::string path = "pre_tokenizer";
    Spaced& s = *bpe_.spaced;
    expect(j, path, "replacement", kMark);
    const bool yes = true, prefix = flag(j, path, "add_prefix_space", &yes);
    s.split = flag(j, path, "split", &yes);
    const Json* scheme = j.find("prepend_scheme");
    if (!scheme || is_text(*scheme, "always"))
      s.lead = Spaced::Lead::always;
    else if (is_text(*scheme, "first"))
      s.lead = Spaced::Lead::first;
    else if (is_text(*scheme, "never"))
      s.lead = Spaced::Lead::never;
    else
      refuse(path + ".prepend_scheme", "\"first\", \"always\" or \"never\" is expected", *scheme);
    if (!prefix && s.lead != Spaced::Lead::never)
      refuse(path + ".add_prefix_space", "contradicts prepend_scheme; true is expected", false);
  }
  void read_decoder(const Json& j) {
    const std::string path = "decoder";
    const Json* list = j.find("decoders");
    const Json::Array* steps = list ? list->array() : nullptr;
    const auto is = [&](size_t i, const char* name) { return type((*steps)[i]) == name; };
    if (type(j) != "Sequence" || !steps || steps->size() < 3 || steps->size() > 4 || !is(0, "Replace") ||
        !is(1, "ByteFallback") || !is(2, "Fuse") || (steps->size() == 4 && !is(3, "Strip")))
      refuse(path, "with byte_fallback a Sequence of Replace, ByteFallback, Fuse[, Strip] is expected", j);
    read_replace((*steps)[0], path + ".decoders[0]", kMark, " ");
    if (steps->size() < 4) return;
    const std::string at = path + ".decoders[3]";
    const auto count = [&](const char* key, int64_t most) {
      int64_t n = 0;
      const Json& found = get((*steps)[3], at, key);
      if (!found.whole(n) || n < 0 || n > most)
        refuse(at + "." + key, most ? "0 or 1 is expected" : "0 is expected", found);
      return n;
    };
    expect((*steps)[3], at, "content", " ");
    bpe_.spaced->strip = count("start", 1) == 1;
    count("stop", 0);
  }
  [[noreturn]] void refuse(const std::string& key, const std::string& what) const {
    throw FileError(fmt::format("{}: {}{}{}", name_, key, key.empty() ? "" : ": ", what));
  }
  [[noreturn]] void refuse(const std::string& key, const std::string& what, const Json& found) const {
    refuse(key, what + ", found " + shortened(to_json(found), 400));
  }
  const Json& get(const Json& object, const std::string& path, const char* key) const {
    if (!object.object()) refuse(path, "an object is expected", object);
    if (const Json* j = object.find(key)) return *j;
    refuse(path.empty() ? key : path + "." + key, "is missing");
  }
  bool flag(const Json& object, const std::string& path, const char* key,
            const bool* otherwise = nullptr) const {
    const Json* j = object.find(key);
    if (!j && otherwise) return *otherwise;
    const Json& value = get(object, path, key);
    if (!value.boolean()) refuse(path + "." + key, "true or false is expected", value);
    return *value.boolean();
  }
  static std::string type(const Json& j) {
    const Json* t = j.find("type");
    return t && t->text() ? *t->text() : "";
  }

  void read_pre_tokenizer(const Json& j) {
    const std::string path = "pre_tokenizer";
    if (type(j) == "Split") {
      read_split(j, path);
      if (!bpe_.characters()) refuse(path, "a pattern alone is supported where it cuts characters", j);
      return;
    }
    if (type(j) != "Sequence") {
      if (type(j) != "ByteLevel")
        refuse(path, "only ByteLevel, or a Sequence that ends in it, is supported", j);
      if (!read_byte_level(j, path)) refuse(path, "without a pattern the whole text is one piece", j);
      return;
    }
    const Json& list = get(j, path, "pretokenizers");
    const Json::Array* steps = list.array();
    if (!steps) refuse(path + ".pretokenizers", "an array is expected", list);
    size_t i = 0;
    const auto at = [&] { return fmt::format("{}.pretokenizers[{}]", path, i); };
    const auto is = [&](const char* name) { return i < steps->size() && type((*steps)[i]) == name; };
    if (is("Digits")) {
      if (!flag((*steps)[i], at(), "individual_digits"))
        refuse(at() + ".individual_digits", "only true is supported", false);
      bpe_.split_digits = true;
      ++i;
    }
    if (is("Split")) {
      read_split((*steps)[i], at());
      if (bpe_.characters()) refuse(at(), "characters take a Split alone", (*steps)[i]);
      ++i;
    }
    if (!is("ByteLevel"))
      refuse(at(), "expected [Digits,] [Split,] ByteLevel",
             i < steps->size() ? (*steps)[i] : Json("the end of the list"));
    if (read_byte_level((*steps)[i], at()) && i > 0 && type((*steps)[i - 1]) == "Split")
      refuse(at() + ".use_regex", "cuts a second time behind Split; false is expected", true);
    if (!bpe_.pattern) refuse(at(), "without a pattern the whole text is one piece", (*steps)[i]);
    if (++i < steps->size()) refuse(at(), "nothing is expected behind ByteLevel", (*steps)[i]);
  }
  // True when it cuts by GPT-2's pattern itself.
  bool read_byte_level(const Json& j, const std::string& path) {
    if (flag(j, path, "add_prefix_space"))
      refuse(path + ".add_prefix_space", "would put a space before each text; only false is supported", true);
    const bool yes = true, regex = flag(j, path, "use_regex", &yes);
    if (regex) bpe_.pattern = &pattern_named("gpt2");
    return regex;
  }
  void read_split(const Json& j, const std::string& path) {
    const Json& pattern = get(j, path, "pattern");
    const Json* regex = pattern.find("Regex");
    if (!regex || !regex->text())
      refuse(path + ".pattern",
             "{\"Regex\": ...} is expected ({\"String\": ...} is a literal, not a pattern)", pattern);
    if (const Json& b = get(j, path, "behavior"); !b.text() || *b.text() != "Isolated")
      refuse(path + ".behavior", "only \"Isolated\" is supported", b);
    if (flag(j, path, "invert")) refuse(path + ".invert", "only false is supported", true);
    for (const Pattern& p : patterns())
      if (*regex->text() == p.regex || (p.same && *regex->text() == p.same)) {
        bpe_.pattern = &p;
        return;
      }
    refuse(path + ".pattern.Regex", "no scanner is known for this pattern", *regex);
  }
  void read_post_processor(const Json& j, const std::string& path) {
    if (j.is_null() || type(j) == "ByteLevel") return;
    if (type(j) == "TemplateProcessing") return read_template(j, path);
    if (type(j) != "Sequence") refuse(path, "only ByteLevel and TemplateProcessing are supported", j);
    const Json& list = get(j, path, "processors");
    if (!list.array()) refuse(path + ".processors", "an array is expected", list);
    for (size_t i = 0; i < list.array()->size(); ++i)
      read_post_processor((*list.array())[i], fmt::format("{}.processors[{}]", path, i));
  }
  // What stands before and after the one text of `single`.
  void read_template(const Json& j, const std::string& path) {
    const Json& single = get(j, path, "single");
    if (!single.array()) refuse(path + ".single", "an array is expected", single);
    if (!bpe_.before.empty() || !bpe_.after.empty()) refuse(path, "a second template", j);
    bool behind = false;
    for (const Json& step : *single.array()) {
      if (step.find("Sequence") && behind) refuse(path + ".single", "the text is expected once", single);
      if (step.find("Sequence")) {
        behind = true;
        continue;
      }
      const Json* special = step.find("SpecialToken");
      if (!special) refuse(path + ".single", "SpecialToken or Sequence is expected", step);
      const Json& id = get(*special, path + ".single.SpecialToken", "id");
      if (!id.text()) refuse(path + ".single.SpecialToken.id", "a text is expected", id);
      const Json& known = get(j, path, "special_tokens");
      const Json& token = get(known, path + ".special_tokens", id.text()->c_str());
      const Json& ids = get(token, path + ".special_tokens." + *id.text(), "ids");
      if (!ids.array()) refuse(path + ".special_tokens." + *id.text() + ".ids", "an array is expected", ids);
      for (const Json& t : *ids.array())
        (behind ? bpe_.after : bpe_.before)
            .push_back(read_id(t, path + ".special_tokens." + *id.text() + ".ids"));
    }
    if (!behind) refuse(path + ".single", "the text is expected once", single);
    template_ = path + ".special_tokens";
  }
  void read_added(const Json& list) {
    if (!list.array()) refuse("added_tokens", "an array is expected", list);
    for (size_t i = 0; i < list.array()->size(); ++i) {
      const Json& j = (*list.array())[i];
      const std::string path = fmt::format("added_tokens[{}]", i);
      AddedToken t;
      t.id = read_id(get(j, path, "id"), path + ".id");
      const Json& content = get(j, path, "content");
      if (!content.text() || content.text()->empty()) refuse(path + ".content", "text is expected", content);
      t.content = *content.text();
      const bool no = false, yes = true;
      t.special = flag(j, path, "special");
      t.single_word = flag(j, path, "single_word", &no);
      t.lstrip = flag(j, path, "lstrip", &no);
      t.rstrip = flag(j, path, "rstrip", &no);
      t.normalized = flag(j, path, "normalized", &yes);
      if (!by_content_.try_emplace(t.content, t.id).second)
        refuse(path + ".content", "appears twice", content);
      bpe_.added.push_back(std::move(t));
    }
  }
  Token read_id(const Json& j, const std::string& path) const {
    int64_t id = 0;
    if (!j.whole(id) || id < 0 || id >= int64_t{1} << 30)
      refuse(path, "a whole number from 0 to 2^30 - 1 is expected", j);
    return static_cast<Token>(id);
  }

  void read_model(const Json& m) {
    if (!m.object()) refuse("model", "an object is expected", m);
    if (const Json* t = m.find("type"); t && type(m) != "BPE")
      refuse("model.type", "only \"BPE\" is supported", *t);
    for (const auto& [key, value] : *m.object()) {
      const bool empty = value.is_null() || (value.text() && value.text()->empty());
      const bool off = value.is_null() || (value.boolean() && !*value.boolean());
      if ((key == "continuing_subword_prefix" || key == "end_of_word_suffix") && !empty)
        refuse("model." + key, "is not supported here, null is expected", value);
      if (key == "dropout" && !value.is_null()) refuse("model.dropout", "null is expected", value);
      if (bpe_.spaced) {
        if (key == "unk_token" && !value.is_null() && !value.text())
          refuse("model.unk_token", "text or null is expected", value);
        if (key == "fuse_unk" && !value.boolean())
          refuse("model.fuse_unk", "true or false is expected", value);
        if (key != "vocab" && key != "merges") bpe_.spaced->model.emplace_back(key, value);
      } else if (key == "byte_fallback" && !off) {
        refuse("model.byte_fallback",
               "is supported with a Metaspace pre-tokenizer or none; false is expected", value);
      }
    }
    if (bpe_.spaced && !m.find("type"))
      bpe_.spaced->model.insert(bpe_.spaced->model.begin(), {"type", Json("BPE")});
    const bool no = false;
    bpe_.ignore_merges = flag(m, "model", "ignore_merges", &no);
    read_vocab(get(m, "model", "vocab"));
    const Json& merges = get(m, "model", "merges");
    if (!merges.array()) refuse("model.merges", "an array is expected", merges);
    for (size_t i = 0; i < merges.array()->size(); ++i) read_merge((*merges.array())[i], i);
  }
  // A token for each character: Hugging Face's WordLevel, which too refuses what is not in its vocabulary.
  void read_characters(const Json& m) {
    if (type(m) != "WordLevel") refuse("model", "the pattern cuts characters: WordLevel is expected", m);
    bpe_.ignore_merges = true;
    read_vocab(get(m, "model", "vocab"));
  }
  bool one_character(const std::string& s) const {
    return !s.empty() && decode_utf8(s.data(), s.data() + s.size()).bytes == static_cast<int>(s.size());
  }
  void read_vocab(const Json& vocab) {
    if (!vocab.object()) refuse("model.vocab", "an object is expected", vocab);
    size_t total = vocab.object()->size() + bpe_.added.size();
    for (const auto& [text, id] : *vocab.object()) total -= by_content_.count(text);
    bpe_.tokens.resize(total);
    std::vector<bool> taken(total);
    const auto take = [&](Token id, const std::string& path, std::string bytes) {
      const auto i = static_cast<size_t>(id);
      if (i >= total || taken[i])
        refuse(path,
               fmt::format("{}; the {} tokens must have the ids 0 to {}, each once",
                           i >= total ? "the ids have holes" : "the id is taken", total, total - 1),
               Json(id));
      taken[i] = true;
      bpe_.tokens[i] = std::move(bytes);
    };
    for (const auto& [text, value] : *vocab.object()) {
      const std::string path = "model.vocab[" + to_json(Json(text)) + "]";
      const Token id = read_id(value, path);
      if (const auto a = by_content_.find(text); a != by_content_.end()) {
        if (a->second != id) refuse(path, fmt::format("added_tokens gives it the id {}", a->second), value);
        in_vocab_.insert(text);
        continue;
      }
      std::string bytes = text;
      if (bpe_.spaced && text.empty()) refuse(path, "is empty");
      if (bpe_.characters() && !one_character(text)) refuse(path, "is not a single character");
      if (bytewise() && (!from_characters(text, bytes) || bytes.empty()))
        refuse(path, "is not spelled in the 256 characters that stand for bytes");
      take(id, path, std::move(bytes));
      ordinary_[text] = id;
    }
    auto next = static_cast<Token>(vocab.object()->size());
    for (size_t i = 0; i < bpe_.added.size(); ++i) {
      AddedToken& a = bpe_.added[i];
      const std::string path = fmt::format("added_tokens[{}]", i);
      a.in_vocab = in_vocab_.count(a.content) > 0;
      if (!a.in_vocab && a.id != next)
        refuse(
            path + ".id",
            fmt::format("Hugging Face's library goes by the order of the list and would number it {}", next),
            Json(a.id));
      next += !a.in_vocab;
      if (a.in_vocab && reached(a))
        refuse(path + ".content",
               "is in model.vocab, too, and there it would be made of other text, which is not supported",
               Json(a.content));
      take(a.id, "added_tokens", a.content);
    }
    std::sort(bpe_.added.begin(), bpe_.added.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    if (bpe_.spaced) read_spelling();
    for (int b = 0; b < 256 && bytewise(); ++b)
      if (const std::string c = to_characters(std::string(1, static_cast<char>(b))); !ordinary_.count(c))
        refuse("model.vocab", fmt::format("the token of byte 0x{:02X}, written \"{}\", is missing", b, c));
  }
  // Does the model make it of text that does not hold its content? Hugging Face's does, as it is in the
  // vocabulary; here the model does not know added tokens.
  bool reached(const AddedToken& a) const {
    std::string bytes;
    if (bytewise()) return bpe_.ignore_merges && from_characters(a.content, bytes) && bytes != a.content;
    return bpe_.spaced && (bpe_.ignore_merges || one_character(a.content)) &&
           (a.content.find(kMark) != std::string::npos || (a.normalized && bpe_.spaced->prepends));
  }
  bool bytewise() const { return !bpe_.spaced && !bpe_.characters(); }
  // What the tokens stand for: a mark is a blank, and <0x0A> a byte.
  void read_spelling() {
    bpe_.spaced->spelled = bpe_.tokens;
    std::array<bool, 256> known{};
    for (std::string& t : bpe_.tokens) {
      if (const int b = fallback_byte(t); b >= 0) {
        known[static_cast<size_t>(b)] = true, t.assign(1, static_cast<char>(b));
        continue;
      }
      std::string blanks;
      size_t from = 0;
      for (size_t at; (at = t.find(kMark, from)) != std::string::npos; from = at + kMark.size()) {
        blanks.append(t, from, at - from);
        blanks += ' ';
      }
      t = blanks.append(t, from);
    }
    for (const AddedToken& a : bpe_.added)  // which stands for what was found, the mark before it included
      if (a.normalized && bpe_.spaced->prepends) bpe_.tokens[static_cast<size_t>(a.id)].insert(0, 1, ' ');
    for (size_t b = 0; b < 256; ++b)
      if (!known[b])
        refuse("model.vocab", fmt::format("the token of byte 0x{0:02X}, <0x{0:02X}>, is missing", b));
  }
  void read_merge(const Json& j, size_t i) {
    const auto where = [&] { return fmt::format("model.merges[{}]", i); };
    std::string left, right;
    if (const std::string* line = j.text()) {  // the old spelling: "left right"
      if (line->rfind("#version", 0) == 0) return;
      const size_t space = line->find(' ');
      if (space == std::string::npos || line->find(' ', space + 1) != std::string::npos)
        refuse(where(), "two tokens with one space between are expected", j);
      left = line->substr(0, space);
      right = line->substr(space + 1);
    } else {
      const Json::Array* pair = j.array();
      if (!pair || pair->size() != 2 || !(*pair)[0].text() || !(*pair)[1].text())
        refuse(where(), "a pair of tokens is expected", j);
      left = *(*pair)[0].text();
      right = *(*pair)[1].text();
    }
    const auto find = [&](const std::string& text) {
      const auto t = ordinary_.find(text);
      if (t == ordinary_.end())
        refuse(where(), fmt::format("{} is not a token of the vocabulary", to_json(Json(text))), j);
      return t->second;
    };
    const Token l = find(left), r = find(right);
    find(left + right);
    if (!seen_.insert(uint64_t{static_cast<uint32_t>(l)} << 32 | static_cast<uint32_t>(r)).second)
      refuse(where(), "appears twice", j);
    bpe_.merges.emplace_back(l, r);
  }

  const std::string& name_;
  std::string template_;  // where its ids stand
  Bpe bpe_;
  std::unordered_map<std::string, Token> by_content_, ordinary_;  // added tokens, all others
  std::unordered_set<std::string> in_vocab_;
  std::unordered_set<uint64_t> seen_;
};

}  // namespace

int fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  int byte = 0;
  for (const char c : token.substr(3, 2)) {
    if ((c < '0' || c > '9') && (c < 'A' || c > 'F')) return -1;
    byte = byte * 16 + (c <= '9' ? c - '0' : c - 'A' + 10);
  }
  return byte;
}
char32_t byte_character(uint8_t byte) { return byte_characters().character[byte]; }
std::string to_characters(std::string_view bytes) {
  std::string out;
  for (char b : bytes) append_utf8(out, byte_character(static_cast<uint8_t>(b)));
  return out;
}
bool from_characters(std::string_view text, std::string& bytes) {
  bytes.clear();
  for (const char *p = text.data(), *end = p + text.size(); p < end;) {
    const Character c = decode_utf8(p, end);
    const int byte = c.code < byte_characters().byte.size() ? byte_characters().byte[c.code] : -1;
    if (byte < 0) return false;
    bytes += static_cast<char>(byte);
    p += c.bytes;
  }
  return true;
}

Bpe parse_tokenizer_json(std::string_view json, const std::string& name) { return Parser(name).run(json); }
}  // namespace rum
