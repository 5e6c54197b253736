// Hashed n-grams and their logistic regression: published hashes, n-grams by hand, no
// gradient at the optimum.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/threads.h"
#include "detect/attacks.h"
#include "detect/calibrate.h"
#include "detect/folds.h"
#include "detect/linear.h"
#include "detect/precondition.h"
#include "tests/error_of.h"
#include "tests/scratch.h"

namespace rum::detect::detect_linear_test {
namespace {
using Strings = std::vector<std::string>;
// People and machines that prefer different words; two lines per source.
std::vector<Text> lines(int sources, uint32_t seed = 1, double strength = 0.5) {
  const Strings common{"we", "saw", "the", "old", "house", "near", "river", "with", "them", "today", "again"};
  const Random random{seed, Stream::init};
  std::vector<Text> out;
  for (int i = 0; i < 2 * sources; ++i) {
    Text t;
    t.id = std::to_string(i);
    t.source = "Satz " + std::to_string(i / 2);
    t.author = i % 2 ? Author::machine : Author::human;
    t.generator = i % 2 ? (i % 4 == 1 ? "one" : "two") : "";
    for (uint32_t w = 0; w < 12; ++w) {
      const uint32_t bits = random.bits({static_cast<uint32_t>(i), w}).at[0];
      t.target += common[bits % common.size()] + " ";
      if (w == 5 && Random::uniform(random.bits({static_cast<uint32_t>(i), 99}).at[0]) < strength)
        t.target += t.author == Author::machine ? "quite " : "rather ";
    }
    out.push_back(t);
  }
  return out;
}
Strings ngrams(const std::string& target, const char* kind, const std::string& source = "") {
  Strings out;
  for_each_ngram(Lowered(Text{"", source, target}), parse_ngrams(kind)[0], 1 << 20,
                 [&](const Ngram& g, uint32_t, int) { out.emplace_back(g.bytes); });
  return out;
}

TEST(Ngrams, MurmurHash3AsPublished) {
  EXPECT_EQ(murmur3("", 0), 0);
  EXPECT_EQ(murmur3("", 1), 0x514E28B7);
  EXPECT_EQ(murmur3("hello", 0), 0x248BFA47);
  EXPECT_EQ(murmur3("hello, world", 0), 0x149BBB7F);
  EXPECT_EQ(murmur3("The quick brown fox jumps over the lazy dog", 0x9747B28C), 0x2FA826CD);
}
TEST(Ngrams, ByHand) {
  EXPECT_EQ(ngrams("A  Bé", "char_wb:2-4"),
            (Strings{" a", "a ", " a ", " b", "bé", "é ", " bé", "bé ", " bé "}));
  EXPECT_EQ(ngrams("a  bc\td", "char:3-3"), (Strings{"a b", " bc", "bc\t", "c\td"}));
  EXPECT_EQ(ngrams("I saw it, 2 of_them", "word:1-2"),
            (Strings{"saw", "it", "of_them", "saw it", "it of_them"}));
  EXPECT_EQ(ngrams("so it", "pair", "Das ist"), (Strings{"das\tso", "ist\tso", "das\tit", "ist\tit"}));
  EXPECT_TRUE(ngrams("", "char_wb:2-4").empty());
}
TEST(Ngrams, AWordIsCutAlikeWhateverStandsBesideIt) {
  const Strings of_ab{" a", "ab", "b ", " ab", "ab ", " ab "};
  for (const char* line : {"ab", "ab ", " ab", " ab ", "\tab ", " ab\t", "  AB  ", "\u00a0ab\u00a0"})
    EXPECT_EQ(ngrams(line, "char_wb:2-4"), of_ab) << line;
  Strings twice = of_ab;
  twice.insert(twice.end(), of_ab.begin(), of_ab.end());
  for (const char* line : {"ab ab", " ab ab ", "ab\tab", "ab  ab"})
    EXPECT_EQ(ngrams(line, "char_wb:2-4"), twice) << line;
  std::vector<std::pair<size_t, size_t>> places;  // in the target, without the blanks that belong to no word
  for_each_ngram(Lowered(Text{"", "", "x ab y"}), parse_ngrams("char_wb:3-3")[0], 1 << 20,
                 [&](const Ngram& g, uint32_t, int) { places.emplace_back(g.begin, g.end); });
  EXPECT_EQ(places, (std::vector<std::pair<size_t, size_t>>{{0, 1}, {2, 4}, {2, 4}, {5, 6}}));
}
TEST(Ngrams, WrongKindsAreNamed) {
  EXPECT_EQ(error_of([] { parse_ngrams("words:1-2"); }),
            "no kind of n-grams \"words\"; did you mean \"word\"? Known: char, char_wb, word, pair");
  EXPECT_EQ(error_of([] { parse_ngrams("char:5-2"); }),
            "n-grams \"char:5-2\": expected lengths such as char:2-5");
}
TEST(Ngrams, ACountThatCancelledIsStillOneColumn) {
  Hasher hasher(2);  // nearly everything collides
  const Lowered text(Text{"", "", "abcdefghij klmnopqrst"});
  const auto counts = hasher.count(text, {Analyzer::chars_in_words, 2, 5});
  std::set<uint32_t> columns;
  for (const auto& c : counts) EXPECT_TRUE(columns.insert(c.column).second);
  // By hand: the hashes of a, b and d are 0x3C2569B2, 0x95DE7E03 and 0x27191473, so a counts in column 0, b
  // and d in column 1, b negatively; there the count is 0 after two letters.
  const Lowered letters(Text{"", "", "bdaad"});
  const Ngrams single{Analyzer::chars, 1, 1};
  std::vector<std::pair<uint32_t, int32_t>> counted;
  for (const auto& c : hasher.count(letters, single)) counted.emplace_back(c.column, c.count);
  EXPECT_EQ(counted, (std::vector<std::pair<uint32_t, int32_t>>{{1, 1}, {0, 2}}));
  EXPECT_NEAR(hasher.dot(letters, single, std::vector<double>{3, 5}), 11 / std::sqrt(5), 1e-12);
}

SparseRows random_rows(size_t n, int32_t columns, std::vector<uint8_t>& labels) {
  SparseRows rows;
  rows.columns = columns;
  const Random random{3, Stream::init};
  for (uint32_t i = 0; i < n; ++i) {
    for (uint32_t k = 0; k < 6; ++k) {
      const Bits4 b = random.bits({i, k});
      rows.column.push_back(
          static_cast<int32_t>(b.at[0] % static_cast<uint32_t>(columns / 2)));  // half are never used
      rows.value.push_back(Random::uniform(b.at[1]) - 0.4f);
    }
    rows.begin.push_back(static_cast<int64_t>(rows.column.size()));
    labels.push_back(random.bits({i, 77}).at[0] % 3 == 0);
  }
  return rows;
}
TEST(Logistic, GradientVanishesAtTheOptimum) {
  std::vector<uint8_t> labels;
  const SparseRows rows = random_rows(400, 60, labels);
  for (const double c : {0.0, -1.0, 1e7, 1e308, double{INFINITY}, double{NAN}})
    EXPECT_NE(error_of([&] {
                fit_logistic(rows, labels, c);
              }).find("expected a number above 0 and at most 1000000"),
              std::string::npos)
        << c;
  for (const double c : {0.01, 1.0, 100.0, 1e6}) {
    const Logistic m = fit_logistic(rows, labels, c);
    std::vector<double> gradient(m.weights);
    double by_constant = 0, objective = 0;
    for (const double w : m.weights) objective += w * w / 2;
    for (size_t i = 0; i < rows.size(); ++i) {
      double z = m.constant;
      for (auto k = static_cast<size_t>(rows.begin[i]); k < static_cast<size_t>(rows.begin[i + 1]); ++k)
        z += m.weights[static_cast<size_t>(rows.column[k])] * rows.value[k];
      const double r = c * (1 / (1 + std::exp(-z)) - labels[i]);
      by_constant += r;
      objective += c * std::log1p(std::exp(labels[i] ? -z : z));
      for (auto k = static_cast<size_t>(rows.begin[i]); k < static_cast<size_t>(rows.begin[i + 1]); ++k)
        gradient[static_cast<size_t>(rows.column[k])] += r * rows.value[k];
    }
    // 1-strongly convex in w: the objective is within |gradient|^2 / 2 of its least value.
    double squares = 0;
    for (const double g : gradient) squares += g * g;
    EXPECT_LT(squares / 2, 1e-6 * objective) << c;
    EXPECT_NEAR(by_constant, 0, 1e-2 * c);
    EXPECT_NEAR(m.objective, objective, 1e-9 * objective);
    for (int32_t j = 30; j < 60; ++j) EXPECT_EQ(m.weights[static_cast<size_t>(j)], 0);
  }
}
// If the block has all columns and every row is sampled, the preconditioner is the exact inverse of the
// Hessian.
TEST(Preconditioner, UndoesTheHessian) {
  std::vector<uint8_t> labels;
  SparseRows rows = random_rows(150, 60, labels);
  rows.columns = 30;  // the others are never used
  std::vector<double> curve, v, product, back(31);
  std::vector<std::vector<double>> dense(rows.size(), std::vector<double>(31));
  for (size_t i = 0; i < rows.size(); ++i) {
    curve.push_back(0.1 + 0.01 * static_cast<double>(i));
    std::map<int32_t, float> row;  // each column once, in order
    for (auto e = static_cast<size_t>(rows.begin[i]); e < static_cast<size_t>(rows.begin[i + 1]); ++e)
      row[rows.column[e]] = rows.value[e];
    for (const auto& [column, value] : row) dense[i][static_cast<size_t>(column)] = value;
    dense[i][30] = 1;  // of the constant
  }
  SparseRows sorted;
  sorted.columns = 30;
  for (const auto& row : dense) {
    for (size_t j = 0; j < 30; ++j)
      if (row[j] != 0)
        sorted.column.push_back(static_cast<int32_t>(j)), sorted.value.push_back(static_cast<float>(row[j]));
    sorted.begin.push_back(static_cast<int64_t>(sorted.column.size()));
  }
  for (int j = 0; j < 31; ++j) v.push_back(j % 5 - 2);
  std::vector<double> diagonal(31);
  for (size_t j = 0; j < 31; ++j) {
    product.push_back(j < 30 ? v[j] : 0);
    diagonal[j] = j < 30 ? 1 : 0;
    for (size_t i = 0; i < dense.size(); ++i) {
      diagonal[j] += curve[i] * dense[i][j] * dense[i][j];
      for (size_t k = 0; k < 31; ++k) product[j] += curve[i] * dense[i][j] * dense[i][k] * v[k];
    }
  }
  Preconditioner inverse;
  inverse.set(sorted, curve, diagonal);
  inverse.apply(product, back);
  for (size_t j = 0; j < 31; ++j) EXPECT_NEAR(back[j], v[j], 1e-4) << j;
}
TEST(Linear, SameBitsForAnyNumberOfThreads) {
  const std::vector<Text> texts = lines(600);
  const int before = threads();
  std::vector<std::vector<double>> scores;
  for (const int n : {1, 2, 3}) {
    set_threads(n);
    scores.push_back(fit("linear", texts)->score(texts));
  }
  set_threads(before);
  EXPECT_EQ(scores[0], scores[1]);
  EXPECT_EQ(scores[0], scores[2]);
}
TEST(Linear, ScoresAreRowsTimesWeightsAndPartsAddUp) {
  const std::vector<Text> texts = lines(40);
  LinearOptions o;
  o.features = 1 << 10;
  o.ngrams = parse_ngrams("char_wb:1-4,word:1-2,char:3-3,pair");
  const auto d = fit_linear(texts, o);
  const SparseRows rows = rows_of(texts, o);
  const std::vector<double> scores = d->score(texts);
  for (size_t i = 0; i < texts.size(); ++i) {
    double z = d->model().constant;
    for (auto k = static_cast<size_t>(rows.begin[i]); k < static_cast<size_t>(rows.begin[i + 1]); ++k)
      z += d->model().weights[static_cast<size_t>(rows.column[k])] * rows.value[k];
    EXPECT_NEAR(scores[i], z, 1e-5);  // the rows are in single precision
    const Explanation e = d->explain(texts[i]);
    double sum = e.constant;
    for (const Contribution& c : e.parts) sum += c.adds;
    EXPECT_NEAR(sum, scores[i], 1e-9);
  }
}
TEST(Linear, FileGivesTheSameScores) {
  const Scratch scratch;
  const std::vector<Text> texts = lines(60);
  auto d = fit_calibrated("linear", texts, {}, 3, 1, "platt");
  d->origin.corpora = {{"a file", 0xFEDCBA9876543210}};
  const std::string path = scratch.path + "/d.safetensors";
  save(*d, path);
  const auto back = load(path);
  EXPECT_EQ(back->score(texts), d->score(texts));
  save(*back, scratch.path + "/again");
  EXPECT_EQ(Disk::real().read(scratch.path + "/again"), Disk::real().read(path));
  EXPECT_EQ(back->origin.corpora, d->origin.corpora);
  EXPECT_EQ(back->origin.held_out->auroc, d->origin.held_out->auroc);
  EXPECT_EQ(*probability(back->calibration, 0.3), *probability(d->calibration, 0.3));
  EXPECT_NE(Disk::real().read(path).find("\\\"higher\\\":\\\"machine\\\""), std::string::npos);
}

TEST(Folds, TextsOfOneSourceStayTogetherAndFoldsAreEqual) {
  const std::vector<Text> texts = lines(50);
  const auto fold = folds_of(texts, 5, 1);
  std::vector<int> size(5);
  for (size_t i = 0; i < texts.size(); i += 2) {
    EXPECT_EQ(fold[i], fold[i + 1]);
    ++size[static_cast<size_t>(fold[i])];
  }
  EXPECT_EQ(size, (std::vector<int>{10, 10, 10, 10, 10}));
  EXPECT_NE(folds_of(texts, 5, 2), fold);
}
// Noise, each line four times in each file: who is tried on a line has not read it elsewhere, so finds nothing.
TEST(Folds, NobodyIsTriedOnATextThatHeHasRead) {
  const std::vector<Text> noise = lines(60, 3, 0);
  std::vector<Text> texts;
  for (int copy = 0; copy < 4; ++copy)
    for (size_t i = 0; i < noise.size(); ++i) {
      texts.push_back(noise[i]);
      texts.back().source = copy % 2 ? "" : fmt::format("Satz {} {}", copy, i);
      texts.back().id = fmt::format("{}", texts.size());
      if (copy == 3) texts.back().target += " ";
    }
  const HeldOut h = held_out(texts, cross_fit("linear", texts, {{"features", 4096}}, 3, 1).scores, 3);
  EXPECT_LT(h.auroc, 0.65);
}
TEST(Folds, WhatIsTriedIsNotAmongWhatIsFittedOn) {
  const auto text = [](const char* source, const char* target) {
    return Text{"", source, target, Author::human, "", ""};
  };
  const std::vector<Text> texts{text("a", "same"), text("b", "same "), text("a", "x"), text("c", "y")};
  const auto [seen, unseen, where] = hold_out(texts, {0, 1, 0, 1}, 0);
  EXPECT_EQ(where, (std::vector<size_t>{0, 2}));
  ASSERT_EQ(unseen.size(), 2u);
  EXPECT_EQ(unseen[1].target, "x");
  ASSERT_EQ(seen.size(), 1u);  // "b" says what "a" does
  EXPECT_EQ(seen[0].target, "y");
}
TEST(Folds, CrossFittedScoresAreThoseOfADetectorThatDidNotSeeTheSource) {
  const std::vector<Text> texts = lines(30);
  const auto fold = folds_of(texts, 3, 1);
  const auto scores = cross_fit("linear", texts, {}, 3, 1).scores;
  std::vector<Text> others;
  for (size_t i = 0; i < texts.size(); ++i)
    if (fold[i] != 1) others.push_back(texts[i]);
  const auto by_hand = fit("linear", others)->score(texts);
  for (size_t i = 0; i < texts.size(); ++i) {
    if (fold[i] != 1) continue;
    EXPECT_EQ(scores[i], by_hand[i]);
  }
}
TEST(Folds, NoOrderByChance) {
  EXPECT_FALSE(why_not_order(HeldOut{5, 0.6, 0.02}));
  EXPECT_TRUE(why_not_order(HeldOut{5, 0.53, 0.02}));
  EXPECT_TRUE(why_not_order(HeldOut{5, 0.3, 0.02}));
  EXPECT_TRUE(why_not_order(std::nullopt));
}
// Two of each, parted: one of the six orders of two and two, so no evidence. Parted by a hundred it is.
TEST(Folds, APerfectScoreOfFewTextsOpensNoGate) {
  const auto parted = [](size_t each) {
    std::vector<Text> texts(2 * each);
    std::vector<double> scores;
    for (size_t i = 0; i < texts.size(); ++i) {
      texts[i].author = i < each ? Author::human : Author::machine;
      scores.push_back(static_cast<double>(i));
    }
    return held_out(texts, scores, 2);
  };
  EXPECT_EQ(parted(2).auroc, 1);
  EXPECT_TRUE(why_not_order(parted(2)));
  EXPECT_FALSE(why_not_order(parted(100)));
}
TEST(Folds, EveryMachineIsTriedByEveryDetector) {
  const CrossGenerator m = cross_generator("linear", lines(200, 1, 0.9), {}, 2, 1);
  EXPECT_EQ(m.generators, (Strings{"one", "two"}));
  for (const auto& row : m.matrix)
    for (const Auroc& a : row) EXPECT_GT(a.value, 0.7);  // both prefer the same word
  // Of two, all others are the other one.
  ASSERT_EQ(m.leave_one_out.size(), 2u);
  for (const size_t left_out : {0, 1})
    EXPECT_EQ(m.leave_one_out[left_out].value, m.matrix[1 - left_out][left_out].value);
}
TEST(Combine, TwoDetectorsInOneFile) {
  const Scratch scratch;
  const std::vector<Text> texts = lines(60);
  Json::Array paths;
  for (const char* ngrams : {"char_wb:2-3", "word:1-1"}) {
    paths.emplace_back(scratch.path + "/" + ngrams);
    save(*fit("linear", texts, {{"ngrams", ngrams}, {"features", 4096}}), *paths.back().text());
  }
  const auto both = fit("combine", texts, {{"detectors", paths}});
  save(*both, scratch.path + "/both");
  const std::vector<double> scores = load(scratch.path + "/both")->score(texts);
  EXPECT_EQ(scores, both->score(texts));
  const double area = auroc(by_author(texts, scores)).value;
  for (const Json& p : paths)
    EXPECT_GE(area, auroc(by_author(texts, load(*p.text())->score(texts))).value - 0.02);
  const Explanation e = both->explain(texts[0]);
  double sum = e.constant;
  for (const Contribution& c : e.parts) sum += c.adds;
  EXPECT_NEAR(sum, scores[0], 1e-9);
}

TEST(Attacks, ByHand) {
  const auto all = [](const char* name, const std::string& text) {  // at every place where it could apply
    Draws draws(1, 0);
    for (const Attack& a : attacks())
      if (std::string(name) == a.name) return a.apply(text, 1, draws);
    return std::string("no such attack");
  };
  EXPECT_EQ(all("zero_width", "añ b"), "a\u200Bñ\u200B \u200Bb");
  EXPECT_EQ(all("whitespace", "a b c"), "a  b  c");
  EXPECT_EQ(all("upper_lower", "Ab cd 3e"), "ab Cd 3e");
  EXPECT_EQ(all("upper_lower", "\"(yes\" öl  Äh «¿x» ß? ... 漢"), "\"(Yes\" Öl  äh «¿X» ß? ... 漢");
  EXPECT_EQ(all("article_deletion", "The man saw a dog, an owl."), "man saw dog, owl.");
  EXPECT_EQ(all("article_deletion", " two  blanks stay\tthe\ttab the "), " two  blanks stay\ttab ");
  EXPECT_EQ(all("alternative_spelling", "\"Colour, center."), "\"Color, centre.");
  EXPECT_EQ(all("misspelling", "Their  dog"), "Thier  dog");
  EXPECT_EQ(all("misspelling", "UNTIL they said \"THEIR\""), "UNTILL they siad \"THIER\"");
  EXPECT_EQ(all("paragraph", "One. Two? 3.5"), "One.\n\nTwo?\n\n3.5");
  EXPECT_EQ(all("homoglyph", "vb"), "vb");
  EXPECT_NE(all("homoglyph", "a"), "a");
  EXPECT_EQ(all("number", "no"), "no");
  EXPECT_EQ(attack("number", "in 1984", 1, 0), attack("number", "in 1984", 1, 0));
  EXPECT_EQ(
      error_of([] { attack("homoglyf", "", 1, 0); }).find("did you mean \"homoglyph\"") != std::string::npos,
      true);
}
// all digits of a number or none, so hardly any long number is half changed
TEST(Attacks, HalfOfTheNumbersGetOtherDigits) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "123456.7890123 ";
  const std::string changed = attack("number", text, 1, 0);
  ASSERT_EQ(changed.size(), text.size());
  int other = 0, half = 0;
  for (size_t i = 0; i < text.size(); i += 15) {
    int same = 0;
    for (size_t k = 0; k < 15; ++k) same += changed[i + k] == text[i + k];
    EXPECT_EQ(changed[i + 6], '.');
    other += same < 15;
    half += same > 9 && same < 15;
  }
  EXPECT_NEAR(other, 500, 60);
  EXPECT_LT(half, 3);
}
TEST(Attacks, RateIsTheShareOfPlaces) {
  std::string text = "x";
  for (int i = 0; i < 5000; ++i) text += " x";
  EXPECT_NEAR(static_cast<double>(attack("whitespace", text, 1, 0).size() - text.size()) / 5000, 0.2, 0.03);
}

TEST(DetectBadInput, OneClassNoLabelUnknownOptions) {
  std::vector<Text> texts = lines(4);
  EXPECT_NE(error_of([&] { fit("liner", texts); }).find("did you mean \"linear\"?"), std::string::npos);
  EXPECT_NE(error_of([&] {
              fit("linear", texts, {{"feature", 8}});
            }).find("did you mean \"features\"?"),
            std::string::npos);
  const auto option = [&](const Json::Object& given) {
    return error_of([&] { fit("linear", texts, given); });
  };
  EXPECT_EQ(option({{"ngrams", 99}}), "linear: option \"ngrams\": expected a text, found 99");
  EXPECT_EQ(option({{"C", Json::Array{1, 2}}}), "linear: option \"C\": expected a number, once, found [1,2]");
  EXPECT_EQ(error_of([&] { folds_of(texts, 5, 1); }), "4 sources for 5 folds: expected at least one each");
  for (Text& t : texts) t.author = Author::human;
  EXPECT_EQ(error_of([&] { fit("linear", texts); }),
            "8 texts by people and 0 by machines: a detector is fitted on both");
  texts[3].author = Author::unknown;
  EXPECT_EQ(error_of([&] { fit("linear", texts); }), "text 3: expected a label, human or machine, to fit on");
  texts[0].source = "";
  EXPECT_NE(error_of([&] { rows_of(texts, {.ngrams = parse_ngrams("pair")}); }).find("there is no source"),
            std::string::npos);
}
TEST(DetectBadInput, FilesOfAnotherVersionOrCutShort) {
  const Scratch scratch;
  const std::vector<Text> texts = lines(4);
  const std::string path = scratch.path + "/d";
  save(*fit("linear", texts, {{"features", 64}}), path);
  std::string bytes = Disk::real().read(path);
  for (const size_t kept : {size_t{0}, size_t{7}, size_t{100}, bytes.size() - 1}) {
    Disk::real().replace_text(path, bytes.substr(0, kept));
    EXPECT_THROW(load(path), FileError) << kept;
  }
  std::string other = bytes;
  const size_t weight = other.size() - 8 * (texts.size() + 1);       // the last, before the texts' hashes
  other.replace(weight, 8, std::string("\0\0\0\0\0\0\xF0\x7F", 8));  // infinity
  Disk::real().replace_text(path, other);
  EXPECT_NE(error_of([&] { load(path); }).find("holds what is no number: the file is damaged"),
            std::string::npos);
  other = bytes;
  other.replace(other.find("\\\"version\\\":1"), 13, "\\\"version\\\":9");
  Disk::real().replace_text(path, other);
  EXPECT_EQ(error_of([&] { load(path); }),
            path + ": a detector of format version 9; this program reads version 1: fit it again");
  other = bytes;  // one whose scores mean the opposite
  other.replace(other.find("\\\"higher\\\":\\\"machine"), 20, "\\\"higher\\\":\\\"persons");
  Disk::real().replace_text(path, other);
  EXPECT_NE(error_of([&] { load(path); }).find("higher"), std::string::npos);
  write_safetensors({}, path);
  EXPECT_NE(error_of([&] { load(path); }).find("no detector"), std::string::npos);
}
}  // namespace
}  // namespace rum::detect::detect_linear_test
