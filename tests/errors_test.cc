// Error analysis by hand: every count of short sentences, and the whole against a slow implementation.
#include "metrics/errors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "base/random.h"
#include "base/threads.h"
#include "metrics/explain.h"
#include "metrics/significance.h"
#include "tests/turkish.h"
#include "text/words.h"

namespace rum::errors_test {
using namespace metrics;
namespace {
using Strings = std::vector<std::string>;
constexpr Language en = Language::english, de = Language::german;

HumanText human(const Strings& lines) {
  HumanText h;
  h.add(lines);
  return h;
}
SentenceErrors errors(const std::string& hyp, const std::string& ref, const std::string& source = "",
                      Language language = en, const Strings& lexicon = {}) {
  HumanText h = human({ref});
  h.add(lexicon);
  return find_errors(hyp, ref, source, {h, language});
}
double value(const char* name, const ErrorCounts& c) { return error_measure(name).value(c).value_or(NAN); }

TEST(Numbers, AreWrittenAlike) {
  const std::pair<const char*, Strings> cases[] = {
      {"", {}},
      {"no digits", {}},
      {"1.000 and 1,000 and 1000", {"1000", "1000", "1000"}},
      {"3,5 or 3.5", {"3.5", "3.5"}},
      {"1.234.567,89 and 1,234,567.89", {"1234567.89", "1234567.89"}},
      {"10 000, 10\u00A0000, 10\u202F000, 10'000, 10\u2019000",
       {"10000", "10000", "10000", "10000", "10000"}},
      {"1 000 000,5", {"1000000.5"}},
      {"in 2005 100 people", {"2005", "100"}},  // the first group has four digits
      {"12 34 and 1 0000", {"12", "34", "1", "0000"}},
      {"0,125 and 0.125", {"0.125", "0.125"}},  // no thousands begin with 0
      {"3,50", {"3.50"}},
      {"26.11.2026", {"26", "11", "2026"}},
      {"1.2.3", {"1", "2", "3"}},
      {"1,2,3", {"1", "2", "3"}},
      {"1.000.00", {"1", "000", "00"}},
      {"1,5.000", {"1", "5", "000"}},
      {"ends with 3. Then 4, and 5.", {"3", "4", "5"}},
      {"4:30 10-12 50% \u20AC7", {"4", "30", "10", "12", "50", "7"}},
      {"A8 and 3rd and 007", {"8", "3", "007"}},
      {".5 5.", {"5", "5"}},
      {"1'5", {"1", "5"}},
      {"1,000 000", {"1000", "000"}},  // one separator for all thousands
  };
  for (const auto& [line, expected] : cases) EXPECT_EQ(numbers_in(line), expected) << line;
}
TEST(Names, StandInsideASentence) {
  const std::pair<const char*, Strings> cases[] = {
      {"Yesterday Peter met Anna.", {"Peter", "Anna"}},
      {"Peter came. Then she left! Why? Because: Nobody said (Or did) \"Good\" \u201CDay\u201D", {}},
      {"the Mr. Smith, Dr Jones; and Bob", {"Mr", "Dr", "Jones", "Bob"}},
      {"today I think I'm right, I\u2019ll see", {}},
      {"we saw Peter's and Anna\u2019s house", {"Peter", "Anna"}},
      {"the SPD-ruled Willy-Brandt house", {"SPD", "Willy", "Brandt"}},
      {"Anti-Semitism is old", {"Semitism"}},  // its first half begins the sentence
      {"A HEADING ABOUT PETER", {}},
      {"Peter And Anna 2026", {}},
      {"in \u00C4gypten, \u00DCber \u00DF", {"\u00C4gypten", "\u00DCber"}},
      {"", {}},
      {"123 456", {}},
  };
  for (const auto& [line, expected] : cases) EXPECT_EQ(names_in(line, en), expected) << line;
  EXPECT_EQ(names_in("heute sah I Peters Hund", de), (Strings{"I", "Peters", "Hund"}));
}
TEST(Names, MayBeginTheOtherSide) {
  const SentenceErrors e =
      errors("Peter came yesterday with Anna.", "Yesterday Peter came with Eva, Eva's friend.");
  EXPECT_EQ(e.words.names_missing, (Strings{"Eva", "Eva"}));
  EXPECT_EQ(e.words.names_added, (Strings{"Anna"}));
  EXPECT_EQ(e.counts.names, 4);  // Anna; Peter, Eva, Eva
  EXPECT_DOUBLE_EQ(value("name_mismatch", e.counts), 3. / 4);
  EXPECT_EQ(errors("he met peter", "he met Peter").words.names_missing, Strings{"Peter"});  // case counts
}
TEST(Negation, IsFoundInBothLanguages) {
  for (const char* line :
       {"He does not know", "Don't!", "he can\u2019t", "Nobody knows", "NEVER", "no-one", "cannot"})
    EXPECT_TRUE(negated(words(line), en)) << line;
  for (const char* line : {"He knows", "a knot", "nota bene", "nicht", "", "known"})
    EXPECT_FALSE(negated(words(line), en)) << line;
  for (const char* line :
       {"Er wei\u00DF es nicht.", "Keiner", "mit keinem", "Nie!", "weder noch", "ohne ihn", "niemandem"})
    EXPECT_TRUE(negated(words(line), de)) << line;
  for (const char* line : {"Er wei\u00DF es.", "not", "die Niete", "ein", "nichtig"})
    EXPECT_FALSE(negated(words(line), de)) << line;
  ErrorCounts sum;
  for (const auto& [h, r] :
       {std::pair{"not here", "here"}, {"here", "not never here"}, {"not", "no"}, {"a", "b"}})
    sum += errors(h, r).counts;
  EXPECT_EQ(sum.negated, 4);
  EXPECT_EQ(sum.negation_missing, 1);
  EXPECT_EQ(sum.negation_added, 1);
  EXPECT_DOUBLE_EQ(value("negation_mismatch", sum), .5);
}
TEST(Errors, LengthsFarOff) {
  const auto line = [](int n) {
    std::string s;
    for (int i = 0; i < n; ++i) s += "w" + std::to_string(i) + " ";
    return s;
  };
  struct Case {
    int hyp, ref;
    bool over, under;
  };
  for (const Case& c : {Case{9, 6, true, false},
                        {8, 6, false, false},
                        {6, 9, false, true},
                        {6, 8, false, false},
                        {5, 3, false, false},
                        {6, 3, true, false},
                        {13, 9, false, false},
                        {14, 9, true, false},
                        {0, 3, false, true},
                        {0, 2, false, false},
                        {3, 0, true, false},
                        {0, 0, false, false}}) {
    const ErrorCounts e = errors(line(c.hyp), line(c.ref)).counts;
    EXPECT_EQ(e.over, c.over) << c.hyp << " " << c.ref;
    EXPECT_EQ(e.under, c.under) << c.hyp << " " << c.ref;
  }
  EXPECT_DOUBLE_EQ(value("length_ratio", errors("a b c", "a b").counts), 1.5);
}
TEST(Errors, MissingContentWeighsByInformation) {
  // 8 words: the 4, a 2, cat 1, dog 1; so 1, 2, 3 and 3 bits.
  HumanText h = human({"the the the the"});
  h.add(Strings{"a a cat dog"});
  EXPECT_DOUBLE_EQ(h.information("the"), 1);
  EXPECT_DOUBLE_EQ(h.information("never seen"), 3);
  const ErrorCounts e = find_errors("a dog a the", "The the cat, a dog", "", {h, en}).counts;
  EXPECT_DOUBLE_EQ(e.bits, 1 + 1 + 3 + 2 + 3);
  EXPECT_DOUBLE_EQ(e.bits_missing, 1 + 3);  // one "the", and the cat
  EXPECT_DOUBLE_EQ(value("content_missing", e), .4);
}
TEST(Errors, CopiedAndInvented) {
  // hund stands in the source; gleep nowhere; cat in the lexicon; big in the reference; mp3 has a number.
  const SentenceErrors e = errors("The big Hund and the hund gleep, cat MP3", "The big dog and",
                                  "Der Hund, in MP3", en, {"Cat! in"});
  EXPECT_EQ(e.words.copied, (Strings{"hund", "hund"}));
  EXPECT_EQ(e.words.invented, Strings{"gleep"});
  EXPECT_DOUBLE_EQ(value("copied_words", e.counts), 2. / 9);
  EXPECT_DOUBLE_EQ(value("invented_words", e.counts), 1. / 9);
  // Without a source nothing is known to be copied.
  const SentenceErrors none = errors("Hund gleep", "dog");
  EXPECT_EQ(none.words.invented, (Strings{"hund", "gleep"}));
  EXPECT_TRUE(std::isnan(value("copied_words", none.counts)));
  EXPECT_DOUBLE_EQ(value("invented_words", none.counts), 1);
  // From English its names may be copied; from German nothing shows what is a name.
  const char* source = "we saw the Tower with Bob";
  EXPECT_EQ(errors("wir sahen the Tower mit Bob", "wir sahen ihn mit", source, de).words.copied,
            Strings{"the"});
  EXPECT_EQ(errors("wir sahen the Tower mit Bob", "wir sahen ihn mit", source, en).words.copied,
            (Strings{"the", "tower", "bob"}));
}
TEST(Errors, Repeats) {
  const auto repeated = [](const char* hyp, const char* ref) { return errors(hyp, ref).words.repeated; };
  EXPECT_EQ(repeated("the the the", "the"), (Strings{"the the", "the the"}));
  EXPECT_EQ(repeated("very very good", "very very good"), Strings{});
  EXPECT_EQ(repeated("Very very very good", "very very good"), Strings{"very very"});
  EXPECT_EQ(repeated("a b a b a b", "a b"), (Strings{"a b", "a b", "b a"}));
  EXPECT_EQ(repeated("a b, a b; a b", "a b a b"), (Strings{"a b", "b a"}));
  EXPECT_EQ(repeated("a b c", ""), Strings{});
  EXPECT_EQ(repeated("ab abab", ""), Strings{});  // "ab abab" is no word twice
  EXPECT_DOUBLE_EQ(value("repeated_bigrams", errors("a b a b a b", "a b").counts), 3. / 5);
}
TEST(Errors, TerEditsByKind) {
  // The words as Tercom cuts them, in lower case: b -> x, d missing, "e f" moved to the front.
  const ErrorCounts same = errors("A b c.", "a b c.").counts;
  EXPECT_EQ(same.insertions + same.deletions + same.substitutions + same.shifts, 0);
  EXPECT_EQ(same.ter_words, 3);
  const ErrorCounts e = errors("a x c", "a b c d").counts;
  EXPECT_EQ(e.substitutions, 1);
  EXPECT_EQ(e.insertions, 1);
  EXPECT_EQ(e.deletions, 0);
  EXPECT_DOUBLE_EQ(value("ter", e), .5);
  EXPECT_DOUBLE_EQ(value("ter_insert", e), .25);
  EXPECT_EQ(errors("a b c z", "a b c").counts.deletions, 1);
  const ErrorCounts moved = errors("e f a b c d", "a b c d e f").counts;
  EXPECT_EQ(moved.shifts, 1);
  EXPECT_DOUBLE_EQ(value("ter_shift", moved), 1. / 6);
  EXPECT_DOUBLE_EQ(value("ter", moved), 1. / 6);
}
TEST(Errors, EmptySidesAndWhatIsUndefined) {
  const ErrorCounts nothing = errors("", "").counts;
  EXPECT_EQ(nothing.sentences, 1);
  for (const ErrorMeasure& m : error_measures()) {
    const bool by_sentence = m.chances[0] == &ErrorCounts::sentences;
    EXPECT_EQ(m.value(nothing).has_value(), by_sentence) << m.name;
    EXPECT_FALSE(m.value({}).has_value()) << m.name;
    EXPECT_NE(explain(m.name).find("Source: "), std::string::npos);
  }
  const ErrorCounts lost = errors("", "Peter has 3 cats, not 4").counts;
  EXPECT_EQ(lost.numbers_missing, 2);
  EXPECT_EQ(lost.negation_missing, 1);
  EXPECT_EQ(lost.bits_missing, lost.bits);
  EXPECT_EQ(lost.under, 1);
  EXPECT_EQ(lost.insertions, 6);
  EXPECT_DOUBLE_EQ(value("length_ratio", lost), 0);
  EXPECT_TRUE(std::isnan(value("invented_words", lost)));
  EXPECT_THROW(error_measure("name_mismach"), Error);
}

// Sentences of a few words, names and numbers; the same in every run.
std::string sentence(uint32_t text, uint32_t stream) {
  static const Strings vocabulary = {
      "the", "The", "Peter", "not",          "3,5", "1.000",  "1000",         "Hund",  "gleep",
      "a",   "cat", "can't", "\u00C4gypten", "2.",  "\u2014", "Willy-Brandt", "nicht", "I"};
  const Random r{7, Stream::sample};
  std::string out;
  const uint32_t length = r.bits({0, 0, stream, text}).at[0] % 14;
  for (uint32_t i = 0; i < length; ++i)
    out += vocabulary[r.bits({1, i, stream, text}).at[0] % vocabulary.size()] + " ";
  return out;
}
struct Corpus {
  Strings hyps, refs, sources;
};
Corpus corpus(uint32_t lines) {
  Corpus c;
  for (uint32_t i = 0; i < lines; ++i) {
    c.hyps.push_back(sentence(i, 1)), c.refs.push_back(sentence(i, 2)), c.sources.push_back(sentence(i, 3));
  }
  return c;
}
// The words that a has more often than b, counted with a table.
int surplus(const Strings& a, const Strings& b) {
  std::map<std::string, int> count;
  for (const std::string& w : a) ++count[w];
  for (const std::string& w : b) --count[w];
  int out = 0;
  for (const auto& [w, n] : count) out += std::max(n, 0);
  return out;
}
Strings pairs(const Strings& w) {
  Strings out;
  for (size_t i = 1; i < w.size(); ++i) out.push_back(w[i - 1] + " " + w[i]);
  return out;
}
TEST(Errors, ASecondCountAgrees) {
  const Corpus c = corpus(400);
  const HumanText h = human({"the cat 1000"});
  const ErrorRules rules{h, en};
  const auto found = find_errors(c.hyps, c.refs, c.sources, rules);
  for (size_t i = 0; i < c.hyps.size(); ++i) {
    const Strings hyp = words(c.hyps[i]), ref = words(c.refs[i]), source = words(c.sources[i]);
    const ErrorCounts& e = found[i].counts;
    EXPECT_EQ(e.numbers_missing, surplus(numbers_in(c.refs[i]), numbers_in(c.hyps[i])));
    EXPECT_EQ(e.numbers_added, surplus(numbers_in(c.hyps[i]), numbers_in(c.refs[i])));
    EXPECT_EQ(e.names, static_cast<double>(names_in(c.hyps[i], en).size() + names_in(c.refs[i], en).size()));
    int copied = 0, invented = 0;
    for (const std::string& w : hyp) {
      const std::set<std::string> known = {"the", "cat"};
      if (known.contains(w) || w.find_first_of("0123456789") != std::string::npos) continue;
      if (std::find(ref.begin(), ref.end(), w) != ref.end()) continue;
      ++(std::find(source.begin(), source.end(), w) != source.end() ? copied : invented);
    }
    EXPECT_EQ(e.copied, copied) << c.hyps[i];
    EXPECT_EQ(e.invented, invented) << c.hyps[i];
    std::map<std::string, int> in_hyp, in_ref;
    for (const std::string& p : pairs(hyp)) ++in_hyp[p];
    for (const std::string& p : pairs(ref)) ++in_ref[p];
    int repeated = 0;
    for (const auto& [p, n] : in_hyp) {
      const size_t space = p.find(' ');
      const bool twice = p.substr(0, space) == p.substr(space + 1);
      repeated += std::max(0, n - std::max(in_ref[p], twice ? 0 : 1));
    }
    EXPECT_EQ(e.repeated, repeated) << c.hyps[i];
  }
}
TEST(Errors, TerIsTheMetrics) {
  const Corpus c = corpus(200);
  ErrorCounts sum;
  const HumanText h;
  for (const SentenceErrors& e : find_errors(c.hyps, c.refs, {}, {h, en})) sum += e.counts;
  const Reference reference(c.refs.begin(), c.refs.end());
  const auto ter = make_metric("ter");
  EXPECT_NEAR(100 * value("ter", sum), ter->score(count(*ter, c.hyps, {&reference, 1}).sum()), 1e-9);
}
TEST(Errors, SumsDoNotDependOnThreadsOrLocale) {
  const Corpus c = corpus(1000);
  const HumanText h = human(c.refs);
  const auto bits = [&] {
    std::vector<double> out;
    for (const SentenceErrors& e : find_errors(c.hyps, c.refs, c.sources, {h, en}))
      for (const NamedCount& n : error_counts()) out.push_back(e.counts.*n.count);
    return out;
  };
  const int before = threads();
  set_threads(1);
  const auto one = bits();
  set_threads(3);
  EXPECT_EQ(one, bits());
  set_threads(before);
  const Turkish turkish;
  if (!turkish) GTEST_SKIP() << Turkish::kMissing;
  EXPECT_EQ(one, bits());
}
TEST(Errors, WorstFirst) {
  const HumanText h = human({"a"});
  const Strings hyps = {"1", "1 2 3", "", "4", "5 6"}, refs = {"1", "1", "", "5", "7 8"};
  const auto found = find_errors(hyps, refs, {}, {h, en});
  const ErrorMeasure& m = error_measure("number_mismatch");  // 0, 1/2, undefined, 1 of 2, 1 of 4
  EXPECT_EQ(worst_sentences(found, m, 10), (std::vector<size_t>{4, 3, 1}));
  EXPECT_EQ(worst_sentences(found, m, 1), (std::vector<size_t>{4}));
  // Words against none cannot be a share of them, and are the worst there is.
  const Strings said = {"one", "two words", "nothing to say"}, meant = {"ein", "two words", ""};
  EXPECT_EQ(worst_sentences(find_errors(said, meant, {}, {h, en}), error_measure("ter"), 9),
            (std::vector<size_t>{2, 0}));
}
TEST(Errors, BadInput) {
  const HumanText h;
  const Strings two = {"a", "b"}, one = {"a"};
  EXPECT_THROW(find_errors(two, one, {}, {h, en}), Error);
  EXPECT_THROW(find_errors(two, two, one, {h, en}), Error);
  try {
    find_errors("fine \xFF", "a", "", {h, en});
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("byte 6"), std::string::npos) << e.what();
  }
}
TEST(Errors, AMillionCharacters) {
  const std::string longer(1'000'000, '7');
  const ErrorCounts e = errors(longer, "a").counts;
  EXPECT_EQ(e.numbers_added, 1);
  EXPECT_EQ(e.hyp_words, 1);
}
}  // namespace
}  // namespace rum::errors_test
