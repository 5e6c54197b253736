// Sets of targets: aligned with human ones, measured beside them, ordered and weighed.
#include "edits/targets.h"

#include <cmath>
#include <sstream>

#include "base/random.h"
#include "experiment/measures.h"
#include "metrics/chrf.h"
#include "metrics/diversity.h"
#include "metrics/errors.h"
#include "pipeline/store.h"
#include "tests/error_of.h"
#include "tests/program.h"
#include "tests/scratch.h"

namespace rum::targets_test {
using namespace metrics;
using namespace experiment;
namespace {
namespace fs = std::filesystem;

const std::function<bool()> kGoOn = [] { return false; };

// Kinds of stages for these tests.
// Targets, one "id source<TAB>target" a line, and a seed set.
void write_some_targets(const StageContext& x) {
  edits::TargetSet t;
  std::istringstream lines(*x.stage.parameters.find("text")->text());
  for (std::string line; std::getline(lines, line);) {
    const size_t blank = line.find(' '), tab = line.find('\t');
    t.ids.push_back(std::stoi(line));
    t.texts.push_back({line.substr(blank + 1, tab - blank - 1), line.substr(tab + 1)});
  }
  edits::write_targets(x.folder, t);
  Disk::real().replace_text(x.folder + "/seed.tsv", "eins\tone\n");
}
void write_some_scores(const StageContext& x) {
  Disk::real().replace_text(x.folder + "/scores.tsv", *x.stage.parameters.find("text")->text());
}
const StageKind kinds[] = {{"test-scores", 1, false, write_some_scores},
                           {"test-targets", 1, false, write_some_targets}};

TEST(Targets, FilesThatDoNotAgreeAreRefused) {
  const Scratch scratch;
  const auto file = [&](const char* name, const std::string& text) {
    Disk::real().replace_text(scratch.path + "/" + name, text);
  };
  const auto said = [&] { return error_of<FileError>([&] { edits::read_targets(scratch.path); }); };
  edits::write_targets(scratch.path, {{3, 5}, {{"a", "A"}, {"b", "B"}}, {1, .5f}});
  EXPECT_EQ(said(), "");
  file("weights.txt", "1\n");
  EXPECT_EQ(said(), scratch.path + ": 1 weights for 2 pairs");
  file("ids.txt", "3\n5\n6\n");
  EXPECT_EQ(said(), scratch.path + ": 3 ids for 2 pairs");
}
TEST(Targets, AreAlignedBySentence) {
  // Pool sentences 0 and 2 are one source, translated by two people; the machine left 1 out.
  const edits::TargetSet human{{0, 1, 2, 3}, {{"a", "A"}, {"b", "B"}, {"a", "AA"}, {"a", "A"}}, {}},
      machine{{0, 2, 3}, {{"a", "x"}, {"a", "y"}, {"a", "z"}}, {}};
  const auto [m, h] = edits::aligned(machine, human);
  EXPECT_EQ(m.ids, (std::vector<int64_t>{0, 2, 3}));
  EXPECT_EQ(h.ids, m.ids);
  EXPECT_EQ(edits::sides(m.texts, &Pair::target), (std::vector<std::string>{"x", "y", "z"}));
  EXPECT_EQ(edits::sides(h.texts, &Pair::target), (std::vector<std::string>{"A", "AA", "A"}));
  const edits::TranslatedTwice t = translated_twice(machine, human);
  EXPECT_EQ(t.references, std::vector<std::string>{"A"});  // the third says the same as the first
  EXPECT_EQ(t.second, std::vector<std::string>{"AA"});
  EXPECT_EQ(t.targets, std::vector<std::string>{"x"});
  EXPECT_TRUE(translated_twice({{1}, {{"b", "x"}}, {}}, human).sources.empty());
  // Each of several targets is compared with the same two.
  const edits::TranslatedTwice each = translated_twice({{0, 0}, {{"a", "x"}, {"a", "y"}}, {}}, human);
  EXPECT_EQ(each.targets, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(each.second, (std::vector<std::string>{"AA", "AA"}));
  // Of a sentence with several targets each is kept.
  const auto [two, twice] = edits::aligned({{2, 0, 2}, {{"a", "y"}, {"a", "x"}, {"a", "z"}}, {}}, human);
  EXPECT_EQ(two.ids, (std::vector<int64_t>{0, 2, 2}));
  EXPECT_EQ(edits::sides(two.texts, &Pair::target), (std::vector<std::string>{"x", "y", "z"}));
  EXPECT_EQ(edits::sides(twice.texts, &Pair::target), (std::vector<std::string>{"A", "AA", "AA"}));
}
// What a measure stage says of targets beside human ones.
struct Measured {
  Json all;
  Measured(const char* human_text, const char* targets_text, Json::Object parameters = {}) {
    Scratch scratch;
    Store store(scratch.path);
    Progress progress;
    progress.be_silent();
    Graph g;
    const std::string human = g.add("test-targets", "human", {{"text", human_text}}, {}),
                      targets = g.add("test-targets", "targets", {{"text", targets_text}}, {}),
                      measured = g.add("measure", "m", std::move(parameters),
                                       {{"targets", targets}, {"human", human}, {"split", human}});
    for (const std::string& id : {human, targets, measured}) store.make(g, id, progress, kGoOn);
    const std::string file = store.folder(measured) + "/measures.json";
    all = parse_json(slurp(file), file);
  }
  double operator()(const char* group, const char* measure, const char* key) const {
    double out = NAN;
    all.find(group)->find(measure)->find(key)->number(out);
    return out;
  }
};
// What a joined set is compared by is all of it, each target with its sentence's human one.
TEST(Targets, AreMeasuredWithAllThatASentenceHas) {
  const Measured at("0 a\tone two\n1 b\tthree\n",
                    "0 a\tone six\n1 b\tthree\n0 a\tfour two\n1 b\tfive three\n");
  EXPECT_EQ(at("diversity", "tokens", "value"), 7);
  EXPECT_EQ(at("diversity", "types", "value"), 6);
  EXPECT_DOUBLE_EQ(at("errors", "ter", "value"), 3. / 6);  // six, four and five, of six human words
  EXPECT_EQ(at("errors", "ter", "chances"), 6);
  EXPECT_EQ(at("errors", "1-bleu", "chances"), 4);
  // Sentence BLEU is 100 for "three"; of two words one is right, and no pair, which counts half: 50 for each
  // other.
  EXPECT_DOUBLE_EQ(at("errors", "1-bleu", "value"), 1 - (1 + 3 * .5) / 4);
  // Character n-grams that match, of all: "onesix" and "onetwo" 3/6, 2/5, 1/4, 0, 0, 0, "fourtwo" beside
  // "onetwo" 4/7 and 4/6, 2/6 and 2/5, 1/5 and 1/4, 0, 0, 0, "fivethree" beside "three" 5/9 and 5/5, 4/8,
  // 3/7, 2/6, 1/5.
  const auto f = [](double p, double r) { return 5 * p * r / (4 * p + r); };
  const double six = (3. / 6 + 2. / 5 + 1. / 4) / 6,
               four = f((4. / 7 + 2. / 6 + 1. / 5) / 6, (4. / 6 + 2. / 5 + 1. / 4) / 6),
               five = f((5. / 9 + 4. / 8 + 3. / 7 + 2. / 6 + 1. / 5) / 5, 1);
  EXPECT_NEAR(at("errors", "1-chrf", "value"), 1 - (1 + six + four + five) / 4, 1e-12);
}
// Human text that is repeated beside each of several translations looks poor: here no bigram of it occurs
// once, though it is the generator's own text.
TEST(Targets, OfWhichASentenceHasSeveralAreNotComparedInDiversity) {
  const Measured one("0 a\tone two\n1 b\tthree four\n", "0 a\tone two\n1 b\tthree four\n"),
      two("0 a\tone two\n1 b\tthree four\n",
          "0 a\tone two\n1 b\tthree four\n0 a\tfive six\n1 b\tseven eight\n");
  EXPECT_EQ(one("diversity", "distinct_2", "value"), one("diversity", "distinct_2", "human"));
  EXPECT_EQ(one("diversity", "distinct_2", "p"), 1);
  for (const TargetMeasure& m : measures_of("diversity")) {
    EXPECT_TRUE(std::isnan(two("diversity", m.name, "human"))) << m.name;
    EXPECT_TRUE(std::isnan(two("diversity", m.name, "p"))) << m.name;
  }
  EXPECT_EQ(two("diversity", "types", "value"), 8);
}
// Lines that are drawn several times are repeated on both sides. Swapped by sentence, in all four ways the
// types differ by one; line by line they would be equally many in half of the eight.
TEST(Targets, OfWhichSomeAreRepeatedAreSwappedBySentence) {
  const Measured at("0 a\tone one\n1 b\ttwo\n", "0 a\tthree four\n0 a\tthree four\n1 b\tfive\n");
  EXPECT_EQ(at("diversity", "types", "value"), 3);
  EXPECT_EQ(at("diversity", "types", "human"), 2);
  EXPECT_EQ(at("diversity", "types", "p"), 1);
}
// By hand: of n sentences whose targets all have an error that the second translations lack, two of the 2^n
// swaps go as far, however many such targets each has.
TEST(Targets, OfOneSentenceCountOnceForTheFloor) {
  std::string human, once, thrice;
  for (int i = 0; i < 4; ++i) {
    for (int person = 0; person < 2; ++person)
      human += fmt::format("{0} s{1}\tSee {1}0 {2}.\n", 2 * i + person, i + 1, person ? "cats" : "dogs");
    once += fmt::format("{} s{}\tSee 77 dogs.\n", 2 * i, i + 1);
  }
  for (int draw = 0; draw < 3; ++draw) thrice += once;
  const Measured one(human.c_str(), once.c_str()), three(human.c_str(), thrice.c_str());
  for (const Measured* at : {&one, &three}) {
    EXPECT_EQ((*at)("floor", "number_mismatch", "value"), 1);
    EXPECT_EQ((*at)("floor", "number_mismatch", "human"), 0);
    EXPECT_EQ((*at)("floor", "number_mismatch", "p"), 2. / 16);
    int64_t sentences = 0;
    at->all.find("floor_sentences")->whole(sentences);
    EXPECT_EQ(sentences, 4);
  }
  EXPECT_EQ(three("floor", "number_mismatch", "chances"), 3 * one("floor", "number_mismatch", "chances"));
}

// Shares of three or four numbers say little, so how many there are is written beside them.
TEST(Targets, HaveTheirErrorsCountedWithTheChancesForThem) {
  const Measured at("0 a\tSee 3 of 4 cats.\n1 a\tSee 3 of all cats.\n2 b\tNo number.\n",
                    "0 a\tSee 3 of 5 cats.\n2 b\tNo number.\n");
  EXPECT_EQ(at("errors", "number_mismatch", "chances"), 4);  // 3 and 4, 3 and 5
  EXPECT_EQ(at("errors", "number_mismatch", "value"), .5);
  EXPECT_EQ(at("errors", "negation_mismatch", "chances"), 2);
  EXPECT_EQ(at("errors", "1-bleu", "chances"), 2);
  EXPECT_EQ(at("floor", "number_mismatch", "chances"), 4);
  EXPECT_EQ(at("floor", "number_mismatch", "value"), .5);
  EXPECT_EQ(at("floor", "number_mismatch", "human_chances"), 3);
  EXPECT_DOUBLE_EQ(at("floor", "number_mismatch", "human"), 1. / 3);
  EXPECT_EQ(at("floor", "1-chrf", "human_chances"), 1);
  EXPECT_LT(at("floor", "1-chrf", "value"),
            at("floor", "1-chrf", "human"));  // "5" is closer to "4" than "all"
}

// In English "nicht" denies nothing, so nothing is lost with it.
TEST(Targets, HaveTheirErrorsCountedInTheirLanguage) {
  const auto measured = [](Json::Object parameters) {
    return Measured("0 a\tDas ist nicht gut.\n1 a\tDas ist nicht wahr.\n", "0 a\tDas ist gut.\n",
                    std::move(parameters));
  };
  const Measured german = measured({{"language", "de"}}), english = measured({});
  for (const char* group : {"errors", "floor"}) {
    EXPECT_EQ(german(group, "negation_mismatch", "value"), 1);
    EXPECT_GE(german(group, "negation_mismatch", "chances"), 1);
    EXPECT_EQ(english(group, "negation_mismatch", "chances"), 0);
  }
}

// Two targets of each sentence are as diverse as the whole list read twice, in whatever order their file
// has them.
TEST(Targets, OfOneSentenceDoNotLookLikeRepetition) {
  constexpr int kSentences = 60;
  std::string side_by_side, first, second;
  for (int i = 0; i < kSentences; ++i) {
    std::string text = "s\t";
    for (int j = 0; j < 10; ++j) text += fmt::format("{}w{}", j ? " " : "", (7 * i + 13 * j) % 150);
    side_by_side += fmt::format("{} {}\n{} {}\n", i, text, i, text);
    first += fmt::format("{} {}\n", i, text);
    second += fmt::format("{} {}\n", kSentences + i, text);
  }
  const auto mtld = [&](const std::string& text) {
    return Measured((first + second).c_str(), text.c_str())("diversity", "mtld", "value");
  };
  EXPECT_DOUBLE_EQ(mtld(side_by_side), mtld(first + second));
}

// What an operation makes of such targets by such scores.
edits::TargetSet selected(const char* op, Json::Object parameters, const char* targets_text,
                          const char* scores_text) {
  Scratch scratch;
  Store store(scratch.path);
  Progress progress;
  progress.be_silent();
  Graph g;
  const std::string targets = g.add("test-targets", "targets", {{"text", targets_text}}, {}),
                    scores = g.add("test-scores", "scores", {{"text", scores_text}}, {}),
                    out = g.add(op, op, std::move(parameters),
                                {{"targets", targets}, {"split", targets}, {"by", scores}});
  for (const std::string& id : {targets, scores, out}) store.make(g, id, progress, kGoOn);
  return edits::read_targets(store.folder(out));
}
// The probability of a machine rounds to 1 from log odds of 37 on, but even then no weight is 0. Each line at
// most once, so all are drawn.
TEST(Targets, OfWhichADetectorIsSureAreResampled) {
  for (const int64_t temperature : {1, 10})
    EXPECT_EQ(selected("resample", {{"temperature", temperature}, {"most", int64_t{1}}, {"seed", int64_t{1}}},
                       "0 a\tA\n1 b\tB\n2 c\tC\n", "id\tscore\n0\t-40\n1\t-41\n2\t-42\n")
                  .ids,
              (std::vector<int64_t>{0, 1, 2}));
}
// The best of the short and of the long sources; by words all would be of one length, and the best two short.
TEST(Targets, OfSourcesWithoutBlanksAreFilteredWithinBinsOfLength) {
  EXPECT_EQ(selected("filter", {{"keep", .5}, {"bins", int64_t{2}}, {"seed", int64_t{1}}},
                     "0 \u4F60\u597D\tA\n1 \u4ED6\u6765\u4E86\tB\n"
                     "2 \u6211\u4EEC\u660E\u5929\u53BB\u5317\u4EAC\u3002\tC\n"
                     "3 \u5979\u6628\u5929\u4E5F\u53BB\u4E86\u5317\u4EAC\u3002\tD\n",
                     "id\tscore\n0\t4\n1\t3\n2\t2\n3\t1\n")
                .ids,
            (std::vector<int64_t>{0, 2}));
}
// Best first by the given scores: b, d, c, a. Of c there is no human target, and of b there are two.
TEST(Targets, OfOthersStandInTheOrderOrWithTheWeightsOfTheGenerated) {
  Scratch scratch;
  Store store(scratch.path);
  Progress progress;
  progress.be_silent();
  Graph g;
  const auto targets = [&](const char* label, const char* text) {
    return g.add("test-targets", label, {{"text", text}}, {});
  };
  const std::string generated = targets("generated", "0 a\tA\n1 b\tB\n2 c\tC\n3 d\tD\n"),
                    human = targets("human", "0 a\tone\n1 b\ttwo\n1 b\tsecond\n3 d\tfour\n"),
                    scores = g.add("test-scores", "scores",
                                   {{"text", "id\tscore\n0\t-2\n1\t1.5\n2\t-1\n3\t0\n"}}, {}),
                    ordered = g.add("order", "ordered", {{"first", "best"}, {"seed", int64_t{1}}},
                                    {{"targets", generated}, {"split", human}, {"by", scores}}),
                    weighed = g.add("weigh", "weighed", {{"seed", int64_t{1}}},
                                    {{"targets", generated}, {"split", human}, {"by", scores}});
  const auto replaced_in = [&](const std::string& of) {
    return g.add("replace", "replaced", {{"seed", int64_t{1}}},
                 {{"targets", of}, {"split", human}, {"with", human}});
  };
  const std::string in_order = replaced_in(ordered), with_weights = replaced_in(weighed);
  for (const std::string& id : {generated, human, scores, ordered, weighed, in_order, with_weights})
    store.make(g, id, progress, kGoOn);
  const edits::TargetSet order = edits::read_targets(store.folder(in_order));
  EXPECT_TRUE(order.ordered);
  EXPECT_EQ(order.ids, (std::vector<int64_t>{1, 3, 0}));
  EXPECT_EQ(edits::sides(order.texts, &Pair::source), (std::vector<std::string>{"b", "d", "a"}));
  EXPECT_EQ(edits::sides(order.texts, &Pair::target), (std::vector<std::string>{"two", "four", "one"}));
  const edits::TargetSet weights = edits::read_targets(store.folder(with_weights)),
                         before = edits::read_targets(store.folder(weighed));
  EXPECT_FALSE(weights.ordered);
  EXPECT_EQ(edits::sides(weights.texts, &Pair::target), (std::vector<std::string>{"one", "two", "four"}));
  EXPECT_EQ(weights.weights, (std::vector<float>{before.weights[0], before.weights[1], before.weights[3]}));
  EXPECT_LT(weights.weights[0], weights.weights[1]);
  // Without a sentence in common nothing is left.
  const std::string foreign = targets("of other sentences", "7 x\tX\n"),
                    nothing = g.add("replace", "nothing", {{"seed", int64_t{1}}},
                                    {{"targets", generated}, {"split", human}, {"with", foreign}});
  store.make(g, foreign, progress, kGoOn);
  expect_error([&] { store.make(g, nothing, progress, kGoOn); }, "no pair has a target");
}

// What each measure says of texts whose order is known: 1,000 words drawn at random from 800 or from 40, and
// targets that are the reference or a spoilt one.
TEST(Measures, GoTheirOwnWay) {
  const Random random{8, Stream::sample};
  std::vector<std::string> rich, poor;
  for (uint32_t i = 0; i < 200; ++i) {
    rich.emplace_back(), poor.emplace_back();
    for (uint32_t w = 0; w < 5; ++w) {
      const uint32_t bits = random.bits({0, 0, i, w}).at[0];
      rich.back() += fmt::format("w{} ", bits % 800), poor.back() += fmt::format("w{} ", bits % 40);
    }
  }
  ComparedCorpora corpora;
  corpora.add(rich), corpora.add(poor), corpora.attest(rich);
  for (const TargetMeasure& m : measures_of("diversity")) {
    const Measure measure = find_measure(m.name, 500);
    const double difference =
        measure(sample(corpora, 0, measure.needs())) - measure(sample(corpora, 1, measure.needs()));
    if (m.better != 0) {
      EXPECT_GT(m.better * difference, 0) << m.name;
    }
  }
  HumanText people;
  const std::vector<std::string> reference{"He did not see 3 of the men in Rome.",
                                           "The cat sat on the mat today."},
      source{"Er sah 3 nicht.", "Die Katze sass heute."},
      spoilt{"Sah Men of see the of see the of see the 4 blorp in Oslo and went home again.", "Katze sat."};
  people.add(reference);
  const auto sum = [&](const std::vector<std::string>& targets) {
    ErrorCounts out;
    for (const SentenceErrors& s : find_errors(targets, reference, source, {people, Language::english}))
      out += s.counts;
    return out;
  };
  size_t differ = 0, i = 0;
  const auto all = measures_of("errors");
  ASSERT_EQ(all.size(), 2 + error_measures().size());
  EXPECT_STREQ(all[0].name, "1-bleu");
  EXPECT_STREQ(all[1].name, "1-chrf");
  for (const TargetMeasure& m : all.subspan(2)) {
    const ErrorMeasure& measure = error_measures()[i++];
    EXPECT_STREQ(m.name, measure.name);
    if (m.better == 0) continue;
    EXPECT_EQ(m.better, -1) << m.name;
    const double good = measure.value(sum(reference)).value_or(NAN),
                 bad = measure.value(sum(spoilt)).value_or(NAN);
    EXPECT_LE(good, bad) << m.name;
    differ += good < bad;
  }
  EXPECT_GE(differ, 10u);
}
}  // namespace
}  // namespace rum::targets_test
