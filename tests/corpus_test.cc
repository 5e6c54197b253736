// Corpora: reading, every kind of bad line, cleaning, splits, the prepared folder.
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "data/clean.h"
#include "tests/error_of.h"
#include "tests/grammar/grammar.h"
#include "tests/scratch.h"
#include "text/unicode.h"

namespace rum::corpus_test {
namespace fs = std::filesystem;
namespace {
std::string refusal(std::string_view bytes, CorpusKind kind = CorpusKind::pairs,
                    const ReadRules& rules = {}) {
  return error_of<FileError>([&] { parse_corpus(bytes, "pairs.tsv", kind, rules); });
}
bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(Corpus, ReadsPairs) {
  const Corpus c = parse_corpus(
      "\xEF\xBB\xBF"
      "ein Haus\ta house\r\nzwei\ttwo\nohne Zeilenende\tno line end",
      "f", CorpusKind::pairs);
  ASSERT_EQ(c.texts.size(), 3u);
  EXPECT_EQ(c.texts[0], (Pair{"ein Haus", "a house"}));
  EXPECT_EQ(c.texts[1], (Pair{"zwei", "two"}));
  EXPECT_EQ(c.texts[2], (Pair{"ohne Zeilenende", "no line end"}));
  EXPECT_EQ(c.lines, (std::vector<int32_t>{1, 2, 3}));
}
TEST(Corpus, ReadsDocuments) {
  const Corpus c = parse_corpus("\n\none\r\ntwo\n  \nthree\twith a tab\n", "f", CorpusKind::documents);
  ASSERT_EQ(c.texts.size(), 2u);
  EXPECT_EQ(c.texts[0], (Pair{"", "one\ntwo"}));
  EXPECT_EQ(c.texts[1], (Pair{"", "three\twith a tab"}));
  EXPECT_EQ(c.lines, (std::vector<int32_t>{3, 6}));
}
TEST(Corpus, RefusesWithLineAndReason) {
  EXPECT_TRUE(has(refusal("a\tb\nno tab here\n"),
                  "pairs.tsv: line 2: expected source<TAB>target with one tab, found 0"));
  EXPECT_TRUE(has(refusal("a\tb\tc\n"), "line 1: expected source<TAB>target with one tab, found 2"));
  EXPECT_TRUE(has(refusal("a\tb\n\nc\td\n"), "line 2: expected source<TAB>target with one tab, found 0"));
  EXPECT_TRUE(has(refusal("a\tb\na\xFF\tb\n"), "line 2: byte 2 of the line: 0xFF is not UTF-8"));
  EXPECT_TRUE(has(refusal("a\t\xED\xA0\x80\n"), "byte 3 of the line: 0xED is not UTF-8"));  // a surrogate
  EXPECT_TRUE(has(refusal(std::string_view("a\tb\0c\n", 6)),
                  "line 1: byte 4 of the line: a NUL byte, expected text"));
  EXPECT_TRUE(has(refusal("\tb\n"), "line 1: the source is empty"));
  EXPECT_TRUE(has(refusal("a\t\r\n"), "line 1: the target is empty"));
  EXPECT_TRUE(has(refusal(""), "no text in it"));
  EXPECT_TRUE(has(refusal("\n \n", CorpusKind::documents), "no text in it"));
  EXPECT_TRUE(has(refusal("a\tb\n" + std::string(10'000'000, 'x') + "\ty\n"),
                  "line 2: byte 1048577 of the line: the line is longer than 1048576 bytes"));
}
// A message is text, wherever what it shows is cut.
TEST(Corpus, AMessageHoldsNoHalfCharacter) {
  for (size_t i = 0; i < 2; ++i) {
    std::string line(i, 'x');
    for (int k = 0; k < 50; ++k) line += "\u00e4";
    const std::string why = refusal(line + "\n");
    EXPECT_EQ(find_invalid_utf8(why), std::string::npos) << why;
    EXPECT_TRUE(has(why, "\u00e4...\""));
  }
}
TEST(Corpus, SkipsAndCountsBadLinesWhenAsked) {
  const std::string bytes = "a\tb\nnone\n\xFF\tc\n" + std::string(2'000'000, 'x') + "\ty\nd\te\n\tf\n";
  const Corpus c = parse_corpus(bytes, "f", CorpusKind::pairs, {.skip_bad = true, .empty_sides = true});
  EXPECT_EQ(c.texts, (std::vector<Pair>{{"a", "b"}, {"d", "e"}, {"", "f"}}));
  EXPECT_EQ(c.skipped, 3);
  EXPECT_EQ(c.lines, (std::vector<int32_t>{1, 5, 6}));
  EXPECT_TRUE(has(refusal("none\nnone\n", CorpusKind::pairs, {.skip_bad = true}), "2 bad lines"));
}
TEST(Corpus, EmptyLinesAtTheEndOfPairsAreNoLines) {
  const Corpus c = parse_corpus("a\tb\n\n \n\xC2\xA0\r\n", "f", CorpusKind::pairs);
  EXPECT_EQ(c.texts, (std::vector<Pair>{{"a", "b"}}));
  EXPECT_EQ(c.skipped, 0);
  EXPECT_TRUE(has(refusal("a\tb\n\n\nc\td\n"), "line 2: expected source<TAB>target with one tab, found 0"));
  EXPECT_TRUE(has(refusal("a\tb\tc\n"), "`ruminate data prepare --skip-bad` skips such lines"));
  const Corpus loose = parse_corpus("a\tb\n\n\nc\td\n\n", "f", CorpusKind::pairs, {.skip_bad = true});
  EXPECT_EQ(loose.skipped, 2);
  EXPECT_EQ(loose.lines, (std::vector<int32_t>{1, 4}));
}
TEST(Corpus, TextsAreNfcAndBlankLinesOfAnyKindPartDocuments) {
  const std::string nfd = "Cafe\u0301", nfc = "Caf\u00E9";
  EXPECT_EQ(parse_corpus(nfd + "\t" + nfd + "\n", "f", CorpusKind::pairs).texts.at(0), (Pair{nfc, nfc}));
  const Corpus c = parse_corpus("one\n\u00A0\u3000\ntwo\n", "f", CorpusKind::documents);
  EXPECT_EQ(c.texts, (std::vector<Pair>{{"", "one"}, {"", "two"}}));
}
TEST(Corpus, MissingFileAndGzip) {
  Scratch scratch;
  EXPECT_THROW(read_corpus(scratch.path + "/none.tsv", CorpusKind::pairs), FileError);
  const std::string bytes = corpus_bytes(grammar_pairs(500, 1), CorpusKind::pairs);
  const std::string path = scratch.path + "/pairs.tsv.gz";
  gzFile f = gzopen(path.c_str(), "wb");
  ASSERT_EQ(gzwrite(f, bytes.data(), static_cast<unsigned>(bytes.size())), static_cast<int>(bytes.size()));
  gzclose(f);
  const Corpus zipped = read_corpus(path, CorpusKind::pairs), plain = make_corpus("p", grammar_pairs(500, 1));
  EXPECT_EQ(zipped.texts, plain.texts);
  EXPECT_EQ(zipped.hash, plain.hash);
}
TEST(Corpus, BytesAndBack) {
  for (const CorpusKind kind : {CorpusKind::pairs, CorpusKind::documents}) {
    std::vector<Pair> texts = grammar_pairs(200, 3);
    if (kind == CorpusKind::documents)
      for (Pair& t : texts) t.target = t.source + "\n" + t.target, t.source.clear();
    const Corpus c = parse_corpus(corpus_bytes(texts, kind), "f", kind);
    EXPECT_EQ(c.texts, texts);
    EXPECT_EQ(c.hash, make_corpus("x", texts, kind).hash);
  }
}

TEST(Clean, Normalises) {
  EXPECT_EQ(normalise("  a\t b\u00A0c\u2009d  "), "a b c d");
  EXPECT_EQ(normalise("a\u200Bb\u00ADc\uFEFFd\u200Ee"), "abcde");
  EXPECT_EQ(normalise("u\u0308ber a\u200B\u0308"), "über ä");
  EXPECT_EQ(normalise("a\x01\x7F\u0085z"), "a z");
  EXPECT_EQ(normalise("\n one \r\n\n two\n"), "one\ntwo");
  EXPECT_EQ(normalise(" \u00A0\u200B "), "");
}
TEST(Clean, NormalisingTwiceChangesNothing) {
  std::mt19937 random(5);
  const std::vector<std::string> bits = {"a",      "B",      " ",      "\t",     "\u00A0",
                                         "\u0308", "\u200B", "\u00AD", "\uAC00", "\u1100",
                                         "\u1161", "\u2126", "\n",     "\u0301"};
  for (int trial = 0; trial < 3000; ++trial) {
    std::string s;
    for (int i = 0; i < 12; ++i) s += bits[random() % bits.size()];
    const std::string once = normalise(s);
    EXPECT_EQ(normalise(once), once);
  }
}
TEST(Clean, Folds) {
  EXPECT_EQ(fold("„Über“ – den FLUSS!"), "über den fluss");
  EXPECT_EQ(fold("Don't, 3 x."), "dont 3 x");
  EXPECT_EQ(fold("?!"), "?!");  // nothing but punctuation: itself
}
TEST(Clean, JoinersStayWhereTheyJoin) {
  const std::string persian = "\u0645\u06CC\u200C\u0631\u0648\u0645";       // mi + ZWNJ + ravam
  const std::string hindi = "\u0915\u094D\u200D\u0937";                     // ka, virama, ZWJ, ssa
  const std::string chillu = "\u0D28\u0D4D\u200D";                          // Malayalam, at the end of a word
  const std::string family = "\U0001F468\u200D\U0001F469\u200D\U0001F467";  // one emoji of three
  const std::string heart = "\u2764\uFE0F\u200D\U0001F525";                 // behind a variation selector
  for (const std::string& s : {persian, hindi, chillu, family, heart}) EXPECT_EQ(normalise(s), s);
  EXPECT_EQ(normalise("\u200Cab \u200D cd\u200C e\u200D, \u200C"), "ab cd e,");
  EXPECT_EQ(normalise("a\u200C\u200Cb"), "a\u200Cb");
  // Thai and Khmer: where words part, also behind a vowel sign.
  const std::string thai = "\u0E20\u0E32\u0E29\u0E32\u200B\u0E14\u0E35\u200B\u0E44\u0E17\u0E22",
                    khmer = "\u1797\u17B6\u179F\u17B6\u200B\u1781\u17D2\u1798\u17C2\u179A";
  EXPECT_EQ(normalise(thai), thai);
  EXPECT_EQ(normalise(khmer), khmer);
  EXPECT_EQ(normalise("\u200B" + thai + "\u200B \u200B\u200B."), thai + " .");
  EXPECT_EQ(count_words(thai), 3);
  EXPECT_EQ(normalise("\U0001F468\u200C\U0001F469"), "\U0001F468\U0001F469");
  EXPECT_EQ(fold(persian), fold("\u0645\u06CC\u0631\u0648\u0645"));  // one sentence in two spellings
}
TEST(Clean, MarksBelongToTheLetterBeforeThem) {
  // Hindi: "ki ka ke" differ in vowel signs alone.
  const std::string ki = "\u0915\u0940", ka = "\u0915\u093E", text = ki + " " + ka + " " + ki;
  EXPECT_NE(fold(ki), fold(ka));
  EXPECT_EQ(drop_name(reason_to_drop({text, "one two"}, CleanRules())), std::string("kept"));
  CleanRules rules;
  rules.valid = rules.test = 0, rules.letters = 1;
  const Prepared p = prepare({{text, "one two"}}, rules);
  EXPECT_EQ(p.parts[0].source.tokens, 3);
  EXPECT_EQ(p.parts[0].source.types, 2);
  EXPECT_EQ(drop_name(reason_to_drop({"\u0301 \u0301 a", "b c d"}, rules)), std::string("too few letters"));
}
TEST(Clean, ScriptsWithoutBlanksHaveWords) {
  std::string chinese, thai;
  for (int i = 0; i < 20; ++i) chinese += "\u4F60\u597D\u4E16\u754C";  // "hello world", 80 characters
  for (int i = 0; i < 12; ++i) thai += "\u0E2D\u0E32\u0E01\u0E32\u0E28\u0E14\u0E35";  // "air good", 84
  const std::string english = "one sentence in as many letters as the other side of it has characters";
  CleanRules rules;
  rules.valid = rules.test = 0;
  std::string tibetan;  // "the language of Tibet", its syllables parted by a tsheg: 80 characters
  for (int i = 0; i < 10; ++i) tibetan += "\u0F56\u0F7C\u0F51\u0F0B\u0F66\u0F90\u0F51\u0F0B";
  for (const std::string& s : {chinese, thai, tibetan})
    EXPECT_EQ(drop_name(reason_to_drop({s, english}, rules)), std::string("kept")) << s;
  const Prepared p = prepare({{chinese, english}}, rules);
  EXPECT_EQ(p.parts[0].source.tokens, 40);
  EXPECT_EQ(p.parts[0].source.types, 2);
  rules.kind = CorpusKind::documents, rules.max_words = 10;  // cut between words, and none made up
  const Prepared cut = prepare({{"", thai}}, rules);
  std::string joined;
  ASSERT_EQ(
      cut.parts[0].texts.size() + static_cast<size_t>(cut.dropped[static_cast<size_t>(Drop::duplicate)]),
      3u);  // 24 words
  for (const Pair& t : cut.parts[0].texts) EXPECT_EQ(t.target.find(' '), std::string::npos);
}
// Sentences without blanks of scripts that ICU has no dictionary for, each longer than a word may be.
TEST(Clean, ScriptsWithoutBlanksAndWithoutADictionaryAreKept) {
  const std::string javanese =  // Universal Declaration of Human Rights, article 1: "All are born free ..."
      "\uA9B1\uA9A7\uA9BC\uA9A4\uA9C0\uA9B2\uA9B8\uA9AE\uA9BA\uA9B4\uA981\uA98F\uA9AD\uA9B2\uA9B6\uA982\uA9B2"
      "\uA98F"
      "\uA9BA\uA98F\uA99F\uA9C0\uA99B\uA9B6\uA9A9\uA982\uA9A2\uA9B6\uA98F\uA9AD\uA9A4\uA9C0\uA9A2\uA982\uA9A7"
      "\uA9BA"
      "\uA9A9\uA982\uA9A0\uA9A7\uA9A0\uA9C0\uA9AD\uA9A4\uA9C0\uA9B2\uA98F\uA9C0\uA9B2\uA98F\uA9C0\uA98F\uA981"
      "\uA9A5"
      "\uA99D";
  const std::string tai_tham =  // the same article, Northern Thai
      "\u1A3E\u1A36\u1A69\u1A69\u1A54\u1A7C\u1A34\u1A60\u1A45\u1A63\u1A60\u1A3F\u1A34\u1A62\u1A60\u1A26\u1A49"
      "\u1A60"
      "\u1A43\u1A63\u1A60\u1A3F\u1A20\u1A6E\u1A60\u1A2F\u1A3E\u1A63\u1A3E\u1A66\u1A4B\u1A65\u1A54\u1A41\u1A3D"
      "\u1A63"
      "\u1A60\u1A37\u1A53\u1A43\u1A20\u1A62\u1A60\u1A36\u1A36\u1A71\u1A20\u1A60\u1A3F\u1A41\u1A32\u1A65\u1A48"
      "\u1A62"
      "\u1A60\u1A20";
  const std::string tai_lue =  // "the Tai Lue language of Sipsong Panna", New Tai Lue
      "\u1985\u19C4\u19BA\u1991\u199F\u19B9\u19C9\u1989\u19B2\u19C7\u1989\u19B8\u19C2\u1997\u19C3\u1993"
      "\u19B1";
  const std::string yi =  // "The Yi language is called Nuosu", its syllables one character each
      "\uA188\uA320\uA259\uA2C0\uA1C9\uA16F\uA06A\uA1C2\uA322";
  const std::string english =
      "All people are born free and equal, with the same dignity and the same rights, everywhere in this "
      "world";
  const CleanRules rules;
  for (const std::string& s : {javanese, tai_tham, tai_lue, yi}) {
    std::string longer = s;
    while (characters(longer) <= static_cast<size_t>(rules.word_characters)) longer += s;
    EXPECT_EQ(drop_name(reason_to_drop({longer, english}, rules)), std::string("kept")) << longer;
    EXPECT_EQ(drop_name(reason_to_drop({english, longer}, rules)), std::string("kept")) << longer;
    // Beside it a word of a script with blanks is as long as before.
    EXPECT_EQ(drop_name(reason_to_drop({longer + " " + std::string(61, 'x'), english}, rules)),
              std::string("a word too long"));
  }
  std::string hindi;
  for (int i = 0; i < 61; ++i) hindi += "\u0915";
  for (const std::string& s : {std::string(61, 'x'), hindi})
    EXPECT_EQ(drop_name(reason_to_drop({s, english}, rules)), std::string("a word too long")) << s;
}
TEST(Clean, WordsAreCountedBetweenBlanksOfAnyKindAndAsIcuFindsThem) {
  for (const auto& [text, words] : {std::pair{"", 0},
                                    {" \u00A0\u200B\t", 0},
                                    {"ein Haus.", 2},
                                    {" ein\u3000 Haus\u00A0- ja\t", 4},
                                    {"\u4F60\u597D\u4E16\u754C", 2},
                                    {"\u4F60\u597D\u4E16\u754C GPT", 3}})
    EXPECT_EQ(count_words(text), words) << text;
}
TEST(Clean, JudgesByEachRule) {
  CleanRules r;
  r.min_words = 2, r.max_words = 4, r.max_characters = 30, r.word_characters = 12, r.ratio = 2;
  const std::pair<Pair, Drop> cases[] = {
      {{"ein Haus", "a house"}, Drop::none},
      {{"", "a house"}, Drop::empty},
      {{"ein Haus", ""}, Drop::empty},
      {{"Haus", "a house"}, Drop::short_},
      {{"ein Haus", "a b c d e"}, Drop::long_},
      {{"eins zwei drei vier", "one two three four"}, Drop::none},
      {{"neunundneunzig mal neununddrei", "99 times one hundred"}, Drop::word},
      {{"aaaaaaaaaa bbbbbbbbbb cccccccccc", "a house"}, Drop::characters},
      {{"aaaaaaaaaa bbbbbbbbbbbb", "a b"}, Drop::ratio},
      {{"1 2 3 a", "a house"}, Drop::letters},
      {{"ein Haus", "ein Haus"}, Drop::copy}};
  for (const auto& [text, expected] : cases)
    EXPECT_EQ(drop_name(reason_to_drop(text, r)), std::string(drop_name(expected)))
        << text.source << " | " << text.target;
  r.kind = CorpusKind::documents;
  EXPECT_EQ(reason_to_drop({"", "a document may be as long as it likes"}, r), Drop::none);
  EXPECT_EQ(reason_to_drop({"", "word"}, r), Drop::short_);
}

// Grammar pairs, some twice, some with a second translation or other spacing.
std::vector<Pair> raw_pairs(int count) {
  std::vector<Pair> raw = grammar_pairs(count, 11);
  std::mt19937 random(1);
  for (int i = 0; i < count; i += 3) {
    Pair t = raw[random() % static_cast<size_t>(count)];
    if (i % 2 == 0) t.target = "Well, " + t.target;
    if (i % 5 == 0) t.source = "  " + t.source + "\u00A0";
    raw.push_back(t);
  }
  return raw;
}
TEST(Clean, PartsShareNoSide) {
  CleanRules rules;
  rules.valid = 200, rules.test = 400;
  const Prepared p = prepare(raw_pairs(6000), rules);
  EXPECT_EQ(p.parts[1].texts.size(), 200u);
  EXPECT_EQ(p.parts[2].texts.size(), 400u);
  EXPECT_GT(p.parts[0].texts.size(), 4000u);
  std::map<std::string, size_t> where;  // folded side -> part
  for (size_t part : {1u, 2u, 0u})
    for (const Pair& t : p.parts[part].texts)
      for (const std::string& side : {"s " + fold(t.source), "t " + fold(t.target)}) {
        const auto [at, fresh] = where.try_emplace(side, part);
        EXPECT_EQ(at->second, part) << side;
        if (part != 0) {
          EXPECT_TRUE(fresh) << "twice in one held-out part: " << side;
        }
      }
  int64_t sum = 0;
  for (int64_t n : p.dropped) sum += n;
  EXPECT_EQ(sum, p.read);
  EXPECT_GT(p.dropped[static_cast<size_t>(Drop::duplicate)], 0);
  EXPECT_GT(p.dropped[static_cast<size_t>(Drop::held_out)], 0);
}
TEST(Clean, KeepsEveryDistinctPairOnce) {
  CleanRules rules;
  rules.valid = rules.test = 0;
  const std::vector<Pair> raw = raw_pairs(2000);
  const Prepared p = prepare(raw, rules);
  std::set<std::string> expected, found;
  for (const Pair& t : raw) expected.insert(normalise(t.source) + "\t" + normalise(t.target));
  for (const Pair& t : p.parts[0].texts) EXPECT_TRUE(found.insert(t.source + "\t" + t.target).second);
  EXPECT_EQ(found, expected);
}
TEST(Clean, OrderOfTheInputDoesNotMatterTheSeedDoes) {
  CleanRules rules;
  rules.valid = 50, rules.test = 100;
  std::vector<Pair> raw = raw_pairs(2000);
  const Prepared a = prepare(raw, rules);
  std::shuffle(raw.begin(), raw.end(), std::mt19937(9));
  const Prepared b = prepare(raw, rules);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(a.parts[i].texts, b.parts[i].texts);
  rules.seed = 2;
  EXPECT_NE(prepare(raw, rules).parts[2].texts, a.parts[2].texts);
}
TEST(Clean, SmallCorporaKeepMostForTraining) {
  const Prepared p = prepare(grammar_pairs(100, 1), CleanRules());
  EXPECT_EQ(p.parts[1].texts.size(), 5u);
  EXPECT_EQ(p.parts[2].texts.size(), 10u);
}
TEST(Clean, EachPartHasATextOrTheMinimumIsNamed) {
  for (const int n : {3, 10, 19}) {
    const Prepared p = prepare(grammar_pairs(n, 1), CleanRules());
    for (const Part& part : p.parts) EXPECT_FALSE(part.texts.empty()) << n;
  }
  for (const int n : {1, 2})
    expect_error([&] { prepare(grammar_pairs(n, 1), CleanRules()); },
                 "too few for at least 1 to train on, 1 in valid");
}
TEST(Clean, AsManyAsAskedAreHeldOutOrItIsSaid) {
  CleanRules rules;
  rules.valid = 30, rules.test = 40;
  const Prepared p = prepare(grammar_pairs(100, 1), rules);
  EXPECT_EQ(p.parts[1].texts.size(), 30u);
  EXPECT_EQ(p.parts[2].texts.size(), 40u);
  for (rules.test = 70; *rules.test < 1'000'000'000'000; *rules.test *= 1000)
    expect_error([&] { prepare(grammar_pairs(100, 1), rules); }, "30 in valid (--valid) and 70");
}
TEST(Clean, CountsTokensAndTypes) {
  CleanRules rules;
  rules.valid = rules.test = 0;
  const Prepared p = prepare({{"Das Haus, das alte.", "The old house."}}, rules);
  EXPECT_EQ(p.parts[0].source.tokens, 6);  // das haus , das alte .
  EXPECT_EQ(p.parts[0].source.types, 5);
  EXPECT_EQ(p.parts[0].target.tokens, 4);
  EXPECT_DOUBLE_EQ(p.parts[0].source.mean, 6);
}
TEST(Clean, CutsLongDocuments) {
  CleanRules rules;
  rules.kind = CorpusKind::documents, rules.max_words = 4, rules.valid = rules.test = 0;
  const Prepared p = prepare({{"", "a b\nc d\ne f g h i j\nk"}, {"", "short"}}, rules);
  std::set<std::string> found;
  for (const Pair& t : p.parts[0].texts) found.insert(t.target);
  EXPECT_EQ(found, (std::set<std::string>{"a b\nc d", "e f g h", "i j\nk", "short"}));
  // What parts Thai words stays between those of one piece, and is no word itself.
  const std::string good = "\u0E14\u0E35", air = "\u0E2D\u0E32\u0E01\u0E32\u0E28", gap = "\u200B";
  rules.max_words = 2;
  const Prepared thai = prepare({{"", good + gap + air + gap + air + gap + good}}, rules);
  ASSERT_EQ(thai.parts[0].texts.size(), 2u);
  for (const Pair& t : thai.parts[0].texts)
    EXPECT_TRUE(t.target == good + gap + air || t.target == air + gap + good) << t.target;
  EXPECT_EQ(thai.parts[0].target.tokens, 4);
}
// Each document has a word of its own, in each of its lines: it tells where pieces have come from.
TEST(Clean, PiecesOfADocumentStayTogether) {
  CleanRules rules;
  rules.kind = CorpusKind::documents, rules.max_words = 4, rules.valid = 7, rules.test = 12;
  std::vector<Pair> raw;
  for (char d = 'a'; d <= 't'; ++d) {
    std::string text;
    for (char line = 'a'; line < 'a' + 5; ++line) text += fmt::format("word{} {}{} line and\n", d, d, line);
    raw.push_back({"", text});
  }
  const Prepared p = prepare(raw, rules);
  std::map<std::string, size_t> where;
  for (size_t part = 0; part < 3; ++part)
    for (const Pair& t : p.parts[part].texts) {
      const auto [at, fresh] = where.try_emplace(t.target.substr(0, 5), part);
      EXPECT_EQ(at->second, part) << t.target;
    }
  EXPECT_EQ(where.size(), 20u);
  EXPECT_EQ(p.parts[1].texts.size(), 7u);
  EXPECT_EQ(p.parts[2].texts.size(), 12u);
  // Three documents in test and two in valid; of the last one of each three pieces are left over.
  EXPECT_EQ(p.parts[0].texts.size(), 15u * 5);
  EXPECT_EQ(p.dropped[static_cast<size_t>(Drop::held_out)], 6);
  EXPECT_EQ(p.read, 20);
  EXPECT_EQ(p.texts, 100);
  std::reverse(raw.begin(), raw.end());
  const Prepared again = prepare(raw, rules);
  for (size_t part = 0; part < 3; ++part) EXPECT_EQ(again.parts[part].texts, p.parts[part].texts);
  const Scratch scratch;
  const std::string table = stats_table(save_prepared(p, scratch.path, Json::Array{}));
  for (const char* row : {"documents read                       20\n",
                          "cut into pieces                     100\n", "part         pieces "})
    EXPECT_TRUE(has(table, row)) << table;
  // A single document can only be parted itself.
  rules.valid.reset(), rules.test.reset();
  const Prepared one = prepare({raw[0]}, rules);
  EXPECT_EQ(one.parts[0].texts.size(), 3u);
}
TEST(Prepared, TheTableOfDocumentsHasNoSources) {
  const Scratch scratch;
  CleanRules rules;
  rules.kind = CorpusKind::documents, rules.valid = rules.test = 0;
  const Prepared p = prepare({{"", "one two three"}}, rules);
  const std::string table = stats_table(save_prepared(p, scratch.path, Json::Array{}));
  EXPECT_TRUE(has(table, "train             1              3         3    3.00\n")) << table;
  EXPECT_FALSE(has(table, "source") || has(table, "target") || has(table, " -")) << table;
}
TEST(Clean, NothingLeftIsAnErrorWithCounts) {
  const std::string said = error_of([] {
    prepare({{"", "b"}, {"gleich viel", "gleich viel"}}, CleanRules());
  });
  EXPECT_TRUE(has(said, "1 empty side, 1 source equals target")) << said;
  EXPECT_TRUE(has(said, "has a flag for each limit")) << said;
}

TEST(Prepared, FolderIsReadBackAndChecked) {
  Scratch scratch;
  const std::string folder = scratch.path + "/out";
  const Prepared p = prepare(raw_pairs(1000), CleanRules());
  const Json stats = save_prepared(p, folder, Json::Array{});
  for (size_t i = 0; i < 3; ++i) {
    const Corpus c = read_corpus(folder + "/" + kPartNames[i] + ".tsv", CorpusKind::pairs);
    EXPECT_EQ(c.texts, p.parts[i].texts);
    EXPECT_EQ(c.hash, p.parts[i].hash);
  }
  EXPECT_EQ(to_json(check_prepared(folder)), to_json(stats));
  EXPECT_TRUE(has(stats_table(stats), "kept"));
  {
    const FileLock other(folder);
    EXPECT_THROW(save_prepared(p, folder, Json::Array{}), FileError);
  }
  Disk::real().append(folder + "/valid.tsv", "x\ty\n");
  EXPECT_THROW(check_prepared(folder), FileError);
  Disk::real().remove(folder + "/stats.json");
  EXPECT_THROW(check_prepared(folder), FileError);
}

TEST(Prepared, OnlyWhatWasPreparedThereIsReplaced) {
  Scratch scratch;
  Disk& disk = Disk::real();
  const std::string folder = scratch.path + "/corpus";
  const auto refusal = [&](const std::vector<std::string>& inputs) {
    return error_of([&] { check_prepared_output(folder, CorpusKind::pairs, inputs); });
  };
  EXPECT_EQ(refusal({"raw.tsv"}), "");  // it is not there
  disk.make_folders(folder);
  for (const char* name : {"train.tsv", "valid.tsv", "test.tsv", "stats.json"}) {
    const std::string path = folder + "/" + name;
    disk.replace_text(path, "{\"mine\":1}");
    EXPECT_TRUE(has(refusal({}), path + ": it is there, but was not prepared there")) << refusal({});
    EXPECT_TRUE(has(refusal({path}), path + ": it is read here as well")) << refusal({path});
    disk.remove(path);
  }
  disk.replace_text(folder + "/raw.tsv", "mine");
  disk.replace_text(folder + "/train.txt", "mine");  // of documents
  EXPECT_EQ(refusal({folder + "/raw.tsv"}), "");
  const Prepared p = prepare(raw_pairs(1000), CleanRules());
  const Json stats = save_prepared(p, folder, Json::Array{});
  EXPECT_EQ(refusal({}), "");  // its own
  const std::string train = disk.read(folder + "/train.tsv");
  disk.replace_text(folder + "/train.tsv", train + "mine\tmeins\n");
  EXPECT_TRUE(
      has(refusal({}), folder + "/train.tsv: it is there, but was not prepared there, or has been changed"));
  disk.replace_text(folder + "/train.tsv", train);
  EXPECT_TRUE(has(refusal({folder + "/valid.tsv"}), "it is read here as well"));
  // Killed before stats.json had its name, it may begin again, and leaves nothing behind.
  fs::rename(folder + "/stats.json", folder + "/stats.json.ruminate-0123abcd.tmp");
  EXPECT_EQ(refusal({}), "");
  save_prepared(p, folder, Json::Array{});
  EXPECT_EQ(disk.list(folder), (std::vector<std::string>{"raw.tsv", "stats.json", "test.tsv", "train.tsv",
                                                         "train.txt", "valid.tsv"}));
  EXPECT_EQ(to_json(check_prepared(folder)), to_json(stats));
  disk.remove(folder + "/stats.json");
  EXPECT_TRUE(has(refusal({}), "was not prepared there"));
}
TEST(Prepared, AFolderMayBeALink) {
  Scratch scratch;
  fs::create_directory(scratch.path + "/there");
  fs::create_directory_symlink("there", scratch.path + "/link");
  save_prepared(prepare(raw_pairs(1000), CleanRules()), scratch.path + "/link", Json::Array{});
  EXPECT_TRUE(fs::exists(scratch.path + "/there/stats.json"));
  const FileLock other(scratch.path + "/there");  // it is the folder that is locked
  EXPECT_TRUE(has(error_of([&] {
                    save_prepared(prepare(raw_pairs(1000), CleanRules()), scratch.path + "/link",
                                  Json::Array{});
                  }),
                  "another process is using it"));
}

TEST(Grammar, WritesManyDifferentPairsAndTheSameAgain) {
  const std::vector<Pair> a = grammar_pairs(25'000, 7), b = grammar_pairs(25'000, 8);
  EXPECT_EQ(std::vector<Pair>(a.begin(), a.begin() + 1000), grammar_pairs(1000, 7));
  EXPECT_NE(a, b);
  std::map<std::string, std::string> translation;
  for (const std::vector<Pair>* all : {&a, &b})
    for (const Pair& t : *all) {
      const auto [at, fresh] = translation.try_emplace(t.source, t.target);
      EXPECT_EQ(at->second, t.target) << t.source;
    }
  EXPECT_GT(translation.size(), 30'000u);
}
TEST(Grammar, KnowsGerman) {
  std::set<std::string> words;
  bool separated = false, last = false;
  for (const Pair& t : grammar_pairs(5000, 1)) {
    EXPECT_EQ(normalise(t.source), t.source);
    EXPECT_FALSE(has(t.source, "der rote Ball.")) << "an object takes the accusative: " << t.source;
    separated = separated || (has(t.source, "macht") && has(t.source, " auf.") && has(t.target, "opens"));
    last = last || (has(t.source, "weil") && has(t.source, "aufmacht.") && has(t.target, "because"));
  }
  EXPECT_TRUE(separated && last);
}
}  // namespace
}  // namespace rum::corpus_test
