// Byte-level BPE: round trips of any bytes, trainer and encoder against naive ones written here, ids that
// Hugging Face's tokenizers 0.23.3 gives, and tokenizer.json files that are wrong in one place.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <thread>

#include "base/error.h"
#include "tests/error_of.h"
#include "tests/replaced.h"
#include "text/bpe.h"
#include "text/json.h"

namespace rum::tokenizer_test {
namespace {
using Texts = std::vector<std::string>;
Tokenizer train(const Texts& texts, const TokenizerConfig& config) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return Tokenizer::train(views, config);
}
// Random sentences of few syllables: many pairs, many ties.
Texts sentences(uint32_t seed, size_t count) {
  const Texts syllables = {"ka", "ro", "mi", "an", "th", "e", "ü", "ß", "st",
                           "en", "1",  "2",  "'s", "!",  " ", " ", " "};
  std::mt19937 random(seed);
  Texts out(count);
  for (std::string& s : out)
    for (size_t n = 1 + random() % 40; n-- > 0;) s += syllables[random() % syllables.size()];
  return out;
}
// Patterns whose pieces consist of bytes: all except that of characters (tests/windows_test.cc).
std::vector<Pattern> byte_patterns() {
  std::vector<Pattern> out(patterns().begin(), patterns().end());
  std::erase_if(out, [](const Pattern& p) { return std::string_view(p.name) == "characters"; });
  return out;
}
std::string random_bytes(std::mt19937& random) {
  std::string s(random() % 48, '\0');
  const uint32_t kind = static_cast<uint32_t>(random() % 3);
  for (char& c : s)
    c = static_cast<char>(kind == 0   ? random()
                          : kind == 1 ? ' ' + random() % 96
                                      : "ae \xc3\xa4\xbc\xe2\xff'\n"[random() % 11]);
  return s;
}

TEST(ByteCharacters, AreGpt2s) {  // facts: 188 bytes are themselves, the other 68 are U+0100.. in order
  EXPECT_EQ(to_characters(std::string("\0\t\n \x7f\x80\xa0\xad", 8)),
            "\u0100\u0109\u010a\u0120\u0121\u0122\u0142\u0143");
  EXPECT_EQ(to_characters("!~\xa1\xac\xae\xff"), "!~\u00a1\u00ac\u00ae\u00ff");
  std::string all, bytes;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  EXPECT_TRUE(from_characters(to_characters(all), bytes) && bytes == all);
  EXPECT_FALSE(from_characters("a b", bytes) || from_characters("\u0144", bytes) ||
               from_characters("\xff", bytes));
}
void round_trips(int64_t count) {
  std::vector<Tokenizer> all;
  for (const Pattern& p : byte_patterns())
    for (bool digits : {false, true})
      all.push_back(train(sentences(1, 300),
                          {.vocab = 700, .special = {"<s>"}, .pattern = p.name, .split_digits = digits}));
  std::mt19937 random(7);
  for (int64_t i = 0; i < count; ++i) {
    const std::string s = random_bytes(random);
    const Tokenizer& t = all[static_cast<size_t>(i) % all.size()];
    ASSERT_EQ(t.decode(t.encode(s)), s);
  }
}
TEST(Tokenizer, RoundTripsRandomBytes) { round_trips(100000); }
TEST(Tokenizer, RoundTripsTenMillionRandomByteStrings) {
  if (!std::getenv("RUM_TEST_ALL")) GTEST_SKIP() << "long; set RUM_TEST_ALL=1";
  round_trips(10000000);
}

// ---- Training ---------------------------------------------------------------------------------------------
// Counts all pairs anew for each merge.
std::vector<std::string> naive_tokens(const Texts& texts, const TokenizerConfig& config) {
  std::vector<std::string> tokens = config.special;
  std::map<char32_t, char> order;
  for (int b = 0; b < 256; ++b) order[byte_character(static_cast<uint8_t>(b))] = static_cast<char>(b);
  std::map<char, Token> byte;
  for (const auto& [character, b] : order)
    byte[b] = static_cast<Token>(tokens.size()), tokens.emplace_back(1, b);
  std::vector<std::vector<Token>> words;
  for (const std::string& text : texts)
    for_each_piece(pattern_named(config.pattern), config.split_digits, text, [&](std::string_view piece) {
      words.emplace_back();
      for (char c : piece) words.back().push_back(byte[c]);
    });
  while (static_cast<int64_t>(tokens.size()) < config.vocab) {
    std::map<std::pair<Token, Token>, int64_t> counts;
    for (const auto& w : words)
      for (size_t i = 1; i < w.size(); ++i) ++counts[{w[i - 1], w[i]}];
    std::pair<Token, Token> best;
    int64_t most = 0;
    for (const auto& [pair, n] : counts)  // ascending, so that the smaller of equal pairs stays
      if (n > most) most = n, best = pair;
    if (most < std::max<int64_t>(config.min_frequency, 1)) break;
    const auto made = static_cast<Token>(tokens.size());
    tokens.push_back(tokens[static_cast<size_t>(best.first)] + tokens[static_cast<size_t>(best.second)]);
    for (auto& w : words) {
      std::vector<Token> merged;
      for (size_t i = 0; i < w.size(); ++i) {
        const bool here = i + 1 < w.size() && w[i] == best.first && w[i + 1] == best.second;
        merged.push_back(here ? made : w[i]), i += here;
      }
      w = merged;
    }
  }
  return tokens;
}
TEST(Trainer, EqualsRecountingEverything) {
  for (uint32_t seed = 0; seed < 6; ++seed) {
    TokenizerConfig config{.vocab = 256 + 2 + 150, .special = {"<s>", "</s>"}};
    config.pattern = patterns()[seed % 4].name, config.split_digits = seed % 2 == 1,
    config.min_frequency = 1 + seed % 3;
    Texts texts = sentences(seed, 30);
    texts.insert(texts.end(), {"aaaaaaa aaaa aaa a", "ababababa", ""});
    const Tokenizer t = train(texts, config);
    const std::vector<std::string> expected = naive_tokens(texts, config);
    ASSERT_EQ(t.size(), static_cast<int64_t>(expected.size()));
    for (size_t i = 2; i < expected.size(); ++i) ASSERT_EQ(t.bytes(static_cast<Token>(i)), expected[i]) << i;
  }
}
TEST(Trainer, GivesHuggingFacesIds) {
  const Texts texts = {"the cat sat on the mat", "the hat that the cat had", "a cat, a hat and a mat",
                       "Über den Hügeln übt der Übermut", "99 cats had 199 hats"};
  const std::string merges =
      R"([["a","t"],["t","h"],["Ġ","h"],["c","at"],["Ġ","cat"],["th","e"],["e","r"],["Ġ","a"],["Ġh","at"],["9","9"],)"
      R"(["a","d"],["b","er"],["m","at"],["Ã","¼"],["Ã","ľ"],["Ġ","d"],["Ġ","the"],["Ġ","mat"],["Ġh","ad"],["Ãľ","ber"]])";
  TokenizerConfig config{.vocab = 280, .special = {"<s>", "</s>"}};
  const Tokenizer t = train(texts, config);
  EXPECT_EQ(t.size(), 278);  // no pair is left that occurs twice
  const Json j = parse_json(t.json(), "json");
  EXPECT_EQ(to_json(*j.find("model")->find("merges")), merges);
  const std::string text = "that übermütige cat's 1999 hats\n";
  EXPECT_EQ(t.encode(text), (std::vector<Token>{259, 258, 222, 271, 269, 78,  271, 85,  74, 72, 70,
                                                262, 8,   84,  222, 18,  267, 26,  266, 84, 200}));
  config.split_digits = true;
  EXPECT_EQ(train(texts, config).encode(text),
            (std::vector<Token>{259, 258, 222, 270, 268, 78, 270, 85, 74,  72, 70,
                                262, 8,   84,  222, 18,  26, 26,  26, 266, 84, 200}));
}
TEST(Trainer, TextNeverBecomesASpecialToken) {
  const Texts texts(50, "<s> and <s> and </s>");
  const Tokenizer t = train(texts, {.vocab = 300, .special = {"<s>", "</s>"}, .pattern = "whitespace"});
  for (Token id : t.encode("<s> and </s><s>")) EXPECT_GT(id, t.special("</s>"));
  EXPECT_EQ(t.special("<s>"), 0);
  EXPECT_EQ(t.decode(std::vector<Token>{0, t.encode("x")[0], 1}), "x");
  EXPECT_EQ(Tokenizer::parse(t.json(), "json").json(), t.json());
  EXPECT_THROW(t.special("<pad>"), Error);
  EXPECT_THROW(t.bytes(static_cast<Token>(t.size())), Error);
  EXPECT_THROW(t.bytes(-1), Error);
}
TEST(Trainer, RefusesWhatCannotBe) {
  const auto refused = [](const TokenizerConfig& config, const char* part) {
    return error_of([&] { train({"text"}, config); }).find(part) != std::string::npos;
  };
  EXPECT_TRUE(refused({.vocab = 257, .special = {"<s>", "</s>"}}, "at least 258"));
  EXPECT_TRUE(refused({.special = {"<s>", "<s>"}}, "appears twice"));
  EXPECT_TRUE(refused({.special = {""}}, "empty"));
  EXPECT_TRUE(refused({.special = {"\xff"}}, "not UTF-8"));
  EXPECT_TRUE(refused({.special = {"!"}}, "name of a byte"));
  EXPECT_TRUE(refused({.pattern = "gpt9"}, "gpt9"));
}

// ---- Encoding ---------------------------------------------------------------------------------------------
// Joins the leftmost pair of lowest rank, one at a time, by the merges in the file.
class NaiveEncoder {
 public:
  explicit NaiveEncoder(const std::string& json) {
    const Json root = parse_json(json, "json");
    const Json& model = *root.find("model");
    for (const auto& [text, id] : *model.find("vocab")->object()) {
      int64_t i = 0;
      id.whole(i), ids_[text] = static_cast<Token>(i);
    }
    for (const Json& m : *model.find("merges")->array()) {
      const size_t rank = ranks_.size();
      ranks_[{*(*m.array())[0].text(), *(*m.array())[1].text()}] = rank;
    }
  }
  std::vector<Token> encode(std::string_view piece) const {
    std::vector<std::string> s;
    for (char c : piece) s.push_back(to_characters(std::string(1, c)));
    for (;;) {
      size_t best = ranks_.size(), at = 0;
      for (size_t i = 0; i + 1 < s.size(); ++i)
        if (const auto r = ranks_.find({s[i], s[i + 1]}); r != ranks_.end() && r->second < best)
          best = r->second, at = i;
      if (best == ranks_.size()) break;
      s[at] += s[at + 1], s.erase(s.begin() + static_cast<ptrdiff_t>(at) + 1);
    }
    std::vector<Token> out;
    for (const std::string& t : s) out.push_back(ids_.at(t));
    return out;
  }

 private:
  std::map<std::string, Token> ids_;
  std::map<std::pair<std::string, std::string>, size_t> ranks_;
};
// The tokenizer's file with its merges in another order: legal, and the ranks no longer rise along a token.
std::string shuffled_merges(const std::string& json, uint32_t seed) {
  Json root = parse_json(json, "json");
  for (auto& [key, value] : std::get<Json::Object>(root.value))
    if (key == "model")
      for (auto& [inner, list] : std::get<Json::Object>(value.value))
        if (inner == "merges") {
          auto& merges = std::get<Json::Array>(list.value);
          std::shuffle(merges.begin(), merges.end(), std::mt19937(seed));
        }
  return to_json(root);
}
TEST(Encoder, EqualsJoiningOnePairAtATime) {
  const Tokenizer trained =
      train(sentences(3, 400), {.vocab = 900, .pattern = "whitespace", .min_frequency = 2});
  for (uint32_t seed = 0; seed < 3; ++seed) {
    const std::string json = seed ? shuffled_merges(trained.json(), seed) : trained.json();
    const Tokenizer t = Tokenizer::parse(json, "json");
    const NaiveEncoder naive(json);
    for (const std::string& text : sentences(50 + seed, 200)) {
      for (int repeat = 0; repeat < 2; ++repeat) {  // the second time from the cache
        std::vector<Token> expected;
        for_each_piece(pattern_named("whitespace"), false, text, [&](std::string_view piece) {
          for (Token id : naive.encode(piece)) expected.push_back(id);
        });
        ASSERT_EQ(t.encode(text), expected) << text;
      }
    }
    std::string word;  // one long word, the same letters many times over
    for (const std::string& s : sentences(99, 40))
      for (char c : s)
        if (c != ' ') word += c;
    EXPECT_EQ(t.encode(word + std::string(300, 'e')), naive.encode(word + std::string(300, 'e')));
  }
}
TEST(Encoder, ThreadsAndTokenizersDoNotDisturbEachOther) {
  const Texts texts = sentences(4, 200);
  const Tokenizer a = train(texts, {.vocab = 600}), b = train(sentences(5, 200), {.vocab = 500});
  std::vector<std::vector<Token>> expected[2];
  for (const std::string& s : texts) expected[0].push_back(a.encode(s));
  for (const std::string& s : texts) expected[1].push_back(b.encode(s));
  std::vector<std::thread> threads;
  std::array<int, 4> wrong{};
  for (size_t k = 0; k < wrong.size(); ++k)
    threads.emplace_back([&, k] {
      for (size_t i = 0; i < texts.size(); ++i)
        wrong[k] += (a.encode(texts[i]) != expected[0][i]) + (b.encode(texts[i]) != expected[1][i]);
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, (std::array<int, 4>{}));
}

// ---- Files ------------------------------------------------------------------------------------------------
std::string base_json() {
  static const std::string json = to_json(parse_json(
      train({"hat hat that"}, {.vocab = 262, .special = {"<s>"}, .min_frequency = 1}).json(), "json"));
  return json;
}
std::string edited(const std::string& from, const std::string& to) { return replaced(base_json(), from, to); }
std::string complaint(const std::string& json) {
  return error_of<FileError>([&] { Tokenizer::parse(json, "t.json"); });
}
TEST(TokenizerFile, IsWrittenAsHuggingFaceWritesIt) {
  const std::string json = base_json();
  EXPECT_EQ(
      json.find(
          R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":0,"content":"<s>",)"
          R"("single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}])"),
      0u);
  const auto has = [&](const char* part) { return json.find(part) != std::string::npos; };
  EXPECT_TRUE(has(
      R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})"));
  EXPECT_TRUE(has(R"("model":{"type":"BPE","dropout":null,"unk_token":null,)"));
  EXPECT_TRUE(has(R"("vocab":{"<s>":0,"!":1,)"));
  for (const Pattern& p : byte_patterns())
    for (bool digits : {false, true}) {
      const Tokenizer t = train({"a text"}, {.vocab = 260, .pattern = p.name, .split_digits = digits});
      const Tokenizer back = Tokenizer::parse(t.json(), "json");
      EXPECT_EQ(back.json(), t.json());
      EXPECT_EQ(back.hash(), t.hash());
      EXPECT_EQ(t.json().find("Digits") != std::string::npos, digits);
    }
}
TEST(TokenizerFile, OldSpellingsAreRead) {
  EXPECT_EQ(Tokenizer::parse(edited(R"(["a","t"])", R"("#version: 0.2","a t")"), "json").json(),
            Tokenizer::parse(base_json(), "json").json());
  EXPECT_EQ(complaint(edited(R"(,"use_regex":true)", "")), "");
  EXPECT_EQ(complaint(edited(R"("type":"BPE",)", "")), "");
  // A special token outside the vocabulary, as in Llama 3.
  const std::string json =
      edited(R"("added_tokens":[)", R"("added_tokens":[{"id":262,"content":"<|end|>","special":true},)");
  EXPECT_EQ(Tokenizer::parse(json, "json").special("<|end|>"), 262);
  EXPECT_EQ(Tokenizer::parse(Tokenizer::parse(json, "json").json(), "json").size(), 263);
}
TEST(TokenizerFile, IgnoreMergesTakesWholeWords) {
  const std::string json = edited(R"("merges":[)", R"("merges":[["z","z"],)");
  EXPECT_NE(complaint(json).find("\"zz\" is not a token"), std::string::npos);
  const std::string with = edited(R"("vocab":{)", R"("vocab":{"qqq":262,)");  // a token that no merge makes
  EXPECT_EQ(Tokenizer::parse(with, "json").encode("qqq").size(), 3u);
  std::string whole = with;
  whole.replace(whole.find(R"("ignore_merges":false)"), 21, R"("ignore_merges":true)");
  EXPECT_EQ(Tokenizer::parse(whole, "json").encode("qqq"), (std::vector<Token>{262}));
  EXPECT_EQ(Tokenizer::parse(whole, "json").json().find(R"("ignore_merges": false)"), std::string::npos);
}
// tokenizers 0.23.3 takes no note of the id of a token that model.vocab lacks: <a> gets 262 and <b> 263, whatever
// the file says, and <s> 261.
TEST(TokenizerFile, AddedTokensAreNumberedInTheirOrder) {
  const auto added = [](int a, int b) {
    return edited(R"("added_tokens":[)",
                  fmt::format(R"("added_tokens":[{{"id":{},"content":"<a>","special":false}},)"
                              R"({{"id":{},"content":"<b>","special":false}},)",
                              a, b));
  };
  EXPECT_EQ(Tokenizer::parse(added(262, 263), "json").encode("x<a>y<b>"),
            (std::vector<Token>{88, 262, 89, 263}));
  EXPECT_EQ(complaint(added(263, 262)),
            "t.json: added_tokens[0].id: Hugging Face's library goes by the order of the list and would "
            "number it 262, found 263");
  EXPECT_EQ(complaint(edited(R"("<s>":0,"!":1)", R"("!":1)")),
            "t.json: added_tokens[0].id: Hugging Face's library goes by the order of the list and would "
            "number it 261, found 0");
}
// With ignore_merges tokenizers 0.23.3 makes " z" 262, as its model finds the word "Ġz"; the others as here.
TEST(TokenizerFile, AnAddedTokenThatTheModelWouldMakeIsRefused) {
  const auto file = [](const std::string& content, const char* ignores) {
    const std::string with = edited(R"("vocab":{)", R"("vocab":{")" + content + R"(":262,)"),
                      added = R"("added_tokens":[{"id":262,"content":")" + content + R"(","special":false},)";
    return replaced(replaced(with, R"("added_tokens":[)", added), R"("ignore_merges":false)",
                    std::string(R"("ignore_merges":)") + ignores);
  };
  EXPECT_EQ(Tokenizer::parse(file("Ġz", "false"), "json").encode("x z"), (std::vector<Token>{88, 221, 90}));
  EXPECT_EQ(Tokenizer::parse(file("z!", "true"), "json").encode("x z!"), (std::vector<Token>{88, 221, 262}));
  const std::string said = complaint(file("Ġz", "true"));
  EXPECT_NE(said.find("added_tokens[0].content: is in model.vocab, too"), std::string::npos) << said;
}
TEST(TokenizerFile, EveryDefectHasItsSentence) {
  const struct {
    const char *from, *to;
    std::initializer_list<const char*> parts;
  } cases[] = {
      {"{", "[", {"t.json", "byte"}},
      {R"("version":"1.0")", R"("version":"2.0")", {"version", "\"1.0\"", "found \"2.0\""}},
      {R"("version":"1.0",)", "", {"version: is missing"}},
      {R"("truncation":null)", R"("truncation":{"max_length":5})", {"truncation", "null is expected"}},
      {R"("normalizer":null)", R"("normalizer":{"type":"NFD"})", {"normalizer", "found {\"type\":\"NFD\"}"}},
      {R"({"type":"ByteLevel","add_prefix_space":false)",
       R"({"type":"Metaspace","add_prefix_space":false)",
       {"pre_tokenizer", "only ByteLevel", "Metaspace"}},
      {R"("add_prefix_space":false)", R"("add_prefix_space":true)", {"add_prefix_space", "only false"}},
      {R"("add_prefix_space":false)",
       R"("add_prefix_space":0)",
       {"add_prefix_space", "true or false", "found 0"}},
      {R"("use_regex":true)", R"("use_regex":false)", {"pre_tokenizer", "one piece"}},
      {R"("decoder":{"type":"ByteLevel")", R"("decoder":{"type":"WordPiece")", {"decoder", "WordPiece"}},
      {R"("post_processor":null)",
       R"("post_processor":{"type":"BertProcessing"})",
       {"post_processor", "BertProcessing"}},
      {R"("type":"BPE")", R"("type":"Unigram")", {"model.type", "Unigram"}},
      {R"("dropout":null)", R"("dropout":0.1)", {"model.dropout", "found 0.1"}},
      {R"("byte_fallback":false)", R"("byte_fallback":true)", {"model.byte_fallback"}},
      {R"("end_of_word_suffix":null)",
       R"("end_of_word_suffix":"</w>")",
       {"model.end_of_word_suffix", "</w>"}},
      {R"("ignore_merges":false)", R"("ignore_merges":"no")", {"model.ignore_merges", "true or false"}},
      {R"("vocab":{)", R"("vocab":7,"x":{)", {"model.vocab", "an object is expected", "found 7"}},
      {R"("merges":[)", R"("merges":7,"x":[)", {"model.merges", "an array is expected"}},
      {R"("!":1,)", R"("!":1,"!":1,)", {"\"!\" appears twice"}},
      {R"("!":1,)", R"("!":2,)", {"model.vocab", "the id is taken", "found 2"}},
      {R"("!":1,)", R"("!":-1,)", {"model.vocab[\"!\"]", "whole number", "found -1"}},
      {R"("!":1,)", R"("!":"1",)", {"model.vocab[\"!\"]", "whole number"}},
      {R"("!":1,)", R"("!":1.5,)", {"model.vocab[\"!\"]", "whole number", "found 1.5"}},
      {R"("!":1,)", R"("!":262,)", {"model.vocab[\"!\"]", "ids have holes", "0 to 261", "found 262"}},
      {R"("!":1,)", R"("!":1000000000,)", {"ids have holes", "found 1000000000"}},
      {R"("!":1,)", R"("!":99999999999999999999,)", {"model.vocab[\"!\"]", "whole number"}},
      {R"("!":1,)", R"("!!":1,)", {"model.vocab", "byte 0x21", "missing"}},
      {R"("!":1,)", R"("a b":1,)", {"model.vocab[\"a b\"]", "256 characters"}},
      {R"("!":1,)", R"("":1,)", {"model.vocab[\"\"]", "256 characters"}},
      {R"(["a","t"])", R"(["a","z"])", {"model.merges[", "\"az\" is not a token", "found [\"a\",\"z\"]"}},
      {R"(["a","t"])", R"(["a","€"])", {"model.merges[", "\"€\" is not a token"}},
      {R"(["a","t"])", R"(["a"])", {"model.merges[", "a pair of tokens"}},
      {R"(["a","t"])", R"(["a",1])", {"model.merges[", "a pair of tokens"}},
      {R"(["a","t"])", R"("at")", {"model.merges[", "one space"}},
      {R"(["a","t"])", R"("a t x")", {"model.merges[", "one space"}},
      {R"(["a","t"])", R"(["a","t"],["a","t"])", {"model.merges[", "appears twice"}},
      {R"("id":0)", R"("id":5)", {"model.vocab[\"<s>\"]", "added_tokens gives it the id 5"}},
      {R"("id":0)", R"("id":-5)", {"added_tokens[0].id", "found -5"}},
      {R"("id":0,"content":"<s>")",
       R"("id":0,"content":"<t>")",
       {"added_tokens[0].id", "number it 262", "found 0"}},
      {R"("id":0,"content":"<s>")",
       R"("id":900,"content":"<t>")",
       {"added_tokens[0].id", "number it 262", "found 900"}},
      {R"("content":"<s>")", R"("content":"")", {"added_tokens[0].content", "text is expected"}},
      {R"("special":true)", R"("special":1)", {"added_tokens[0].special", "true or false"}},
      {R"("id":0,)", "", {"added_tokens[0].id: is missing"}},
      {R"("id":0,"content":"<s>")", R"("id":1,"content":"!")", {"byte 0x21", "missing"}},
  };
  EXPECT_EQ(complaint(base_json()), "");
  for (const auto& c : cases) {
    const std::string message = complaint(edited(c.from, c.to));
    EXPECT_EQ(message.rfind("t.json: ", 0), 0u) << message;
    for (const char* part : c.parts)
      EXPECT_NE(message.find(part), std::string::npos) << message << "\nlacks " << part;
    EXPECT_LT(message.size(), 700u);
  }
}
TEST(TokenizerFile, PreTokenizersAreRefusedByNameOrPattern) {
  const std::string byte_level =
      R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false})";
  const auto with = [&](const std::string& steps) {
    return complaint(edited(
        R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})",
        R"("pre_tokenizer":{"type":"Sequence","pretokenizers":[)" + steps + "]}"));
  };
  const auto split = [](const std::string& pattern, const char* behavior = "Isolated",
                        const char* invert = "false") {
    return R"({"type":"Split","pattern":)" + pattern + R"(,"behavior":")" + behavior + R"(","invert":)" +
           invert + "},";
  };
  const std::string gpt2 = R"({"Regex":)" + to_json(Json(pattern_named("gpt2").regex)) + "}";
  const auto expect = [](const std::string& message, const char* part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  EXPECT_EQ(with(split(gpt2) + byte_level), "");
  expect(with(split(R"({"Regex":"\\p{L}+|\\W"})") + byte_level),
         R"(no scanner is known for this pattern, found "\\p{L}+|\\W")");
  expect(with(split(R"({"String":"\\s+"})") + byte_level), "is a literal");
  expect(with(split(gpt2, "Removed") + byte_level), "only \"Isolated\"");
  expect(with(split(gpt2, "Isolated", "true") + byte_level), "invert");
  expect(with(R"({"type":"Digits","individual_digits":false},)" + byte_level), "individual_digits");
  expect(with(R"({"type":"Punctuation"},)" + byte_level), "Punctuation");
  expect(with(byte_level), "one piece");
  expect(with(""), "the end of the list");
  expect(with(split(gpt2) + byte_level + "," + byte_level), "nothing is expected behind");
}
TEST(TokenizerFile, CutAnywhereIsAFileError) {
  const std::string json = base_json();
  for (size_t n = 0; n < json.size(); n += 7) EXPECT_NE(complaint(json.substr(0, n)), "") << n;
  EXPECT_THROW(Tokenizer::load("/no/such/tokenizer.json"), FileError);
}
// A tokenizer of the 256 bytes only, so that ids can be checked: a byte's id is its index among the bytes of
// the trained one.
Tokenizer with(std::string_view from, std::string_view to) {
  TokenizerConfig config;
  config.vocab = 256;
  const std::vector<std::string_view> nothing{"x"};
  return Tokenizer::parse(replaced(Tokenizer::train(nothing, config).json(), from, to), "t.json");
}
std::string added(const std::string& more) {
  const auto one = [&](int id, const char* content, const char* special) {
    return fmt::format(R"({{"id":{},"content":"{}","special":{},"single_word":false,"rstrip":false{}}})", id,
                       content, special, more);
  };
  return R"("added_tokens": [)" + one(256, "<br>", "false") + "," + one(257, "<br><b>", "false") + "," +
         one(258, "<end>", "true") + "]";
}
TEST(Tokenizer, AddedTokensAreFoundTheLongestFirst) {
  const Tokenizer t = with(R"("added_tokens": [])", added(""));
  const auto bytes = [&](std::string_view s) { return t.encode(s); };
  std::vector<Token> expected = bytes("a");
  for (const Token id : {256, 257}) expected.push_back(id);
  const auto rest = bytes("<b <end>");  // a special token is not made from text ...
  EXPECT_EQ(rest.size(), 8u);
  expected.insert(expected.end(), rest.begin(), rest.end());
  EXPECT_EQ(t.encode("a<br><br><b><b <end>"), expected);
  expected.resize(expected.size() - 5), expected.push_back(258);  // ... unless all are requested
  EXPECT_EQ(t.encode_with_special("a<br><br><b><b <end>"), expected);
  EXPECT_EQ(t.decode(t.encode("a<br>b")), "a<br>b");
  const Tokenizer strips = with(R"("added_tokens": [])", added(R"(,"lstrip":true)"));
  EXPECT_EQ(strips.encode("<b>").size(), 3u);
  EXPECT_NE(error_of([&] { strips.encode("a <br>"); }).find("\"<br>\" has lstrip"), std::string::npos);
}
TEST(Tokenizer, ATemplateIsPutAroundOrRefusedByItsKey) {
  std::string json = with(R"("added_tokens": [])", added("")).json();
  const auto parse = [&](const std::string& post) {
    std::string s = json;
    const std::string from = R"("post_processor": null)";
    EXPECT_NE(s.find(from), std::string::npos);
    return Tokenizer::parse(s.replace(s.find(from), from.size(), R"("post_processor": )" + post), "t.json");
  };
  const std::string begin =
      R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<end>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"<end>":{"id":"<end>","ids":[)";
  const Tokenizer t = parse(begin + R"(258],"tokens":["<end>"]}}})");
  std::vector<Token> expected{258};
  for (const Token x : t.encode("one")) expected.push_back(x);
  EXPECT_EQ(expected.size(), 4u);
  EXPECT_EQ(t.encode_with_special("one"), expected);
  EXPECT_NE(error_of([&] {
              parse(begin + R"(999],"tokens":["<end>"]}}})");
            }).find("special_tokens: only ids below 259"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              parse(R"({"type":"TemplateProcessing","single":[],"special_tokens":{}})");
            }).find("post_processor.single"),
            std::string::npos);
}
// Text between added tokens is normalised, and so are tokens that say so, with which Hugging Face's tokenizers
// 0.23.3 finds "<e\u0301>" in either form; ids beyond the vocabulary decode to nothing.
TEST(Tokenizer, NormalisesWhereTheFileAsksForIt) {
  const std::string decomposed = "e\u0301", composed = "\u00e9", token = "<" + decomposed + ">";
  const auto parse = [&](const char* normalizer, const char* normalized) {
    std::string json =
        with(R"("added_tokens": [])", R"("added_tokens": [{"id": 256, "content": ")" + token +
                                          R"(", "special": false, "normalized": )" + normalized + "}]")
            .json();
    const std::string none = R"("normalizer": null)";
    return Tokenizer::parse(json.replace(json.find(none), none.size(), normalizer), "t.json");
  };
  const Tokenizer bare = parse(R"("normalizer": null)", "false"),
                  nfc = parse(R"("normalizer": {"type": "NFC"})", "false");
  EXPECT_NE(bare.encode(decomposed), bare.encode(composed));
  EXPECT_EQ(nfc.encode(decomposed), bare.encode(composed));
  std::vector<Token> expected = bare.encode(composed);
  expected.push_back(256);
  EXPECT_EQ(nfc.encode(decomposed + token), expected);
  EXPECT_NE(nfc.encode("<" + composed + ">"), std::vector<Token>{256});
  const Tokenizer either = parse(R"("normalizer": {"type": "NFC"})", "true");
  EXPECT_EQ(either.encode(token), std::vector<Token>{256});
  EXPECT_EQ(either.encode("<" + composed + ">"), std::vector<Token>{256});
  EXPECT_EQ(nfc.decode(nfc.encode("\xff" + decomposed)), "\xff" + decomposed);  // not text: as it is
  EXPECT_EQ(Tokenizer::parse(nfc.json(), "t.json").encode(decomposed), bare.encode(composed));
  EXPECT_EQ(nfc.decode(std::vector<Token>{nfc.encode("a")[0], 300}), "a");
}
TEST(Tokenizer, QwensDigitsStandAlone) {
  const Tokenizer llama = train({"1234 1234"}, {.vocab = 262, .pattern = "llama3"}),
                  qwen = train({"1234 1234"}, {.vocab = 262, .pattern = "qwen2"});
  EXPECT_LT(llama.encode("1234").size(), 4u);
  EXPECT_EQ(qwen.encode("1234").size(), 4u);
}
TEST(Tokenizer, IsToldWhatStandsAroundATextOfItsOwn) {
  Tokenizer t = train({"a b"}, {.vocab = 262, .special = {"<eos>", "<s>"}});
  EXPECT_EQ(t.begin(), -1);
  EXPECT_EQ(t.end(), 0);
  t.frame("<s>", "");
  EXPECT_EQ(t.begin(), 1);
  EXPECT_EQ(t.end(), -1);
  EXPECT_NE(error_of([&] { t.frame("<no>", ""); }).find("no special token \"<no>\""), std::string::npos);
}
}  // namespace
}  // namespace rum::tokenizer_test
