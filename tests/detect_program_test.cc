// `ruminate detect` as people run it: fit, calibrate, score, evaluate, plan, and what it refuses.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>
#include <tuple>

#include "base/file.h"
#include "checkpoint/safetensors.h"
#include "data/corpus.h"
#include "data/loader.h"
#include "data/plan.h"
#include "tests/program.h"
#include "tests/run_folder.h"
#include "text/json.h"
#include "text/tokenizer.h"
#include "text/words.h"

namespace rum::detect_program_test {
namespace {
// Line i by a person, or by a machine that uses words of its own in `share` of the lines. Hardly any two are
// equal: nobody is tried on one that he has read.
std::string line(int i, bool machine, int percent) {
  static const char* words[] = {"house", "river", "night", "garden", "letter", "winter", "market", "window"};
  std::string out = "they found the";
  uint32_t bits = static_cast<uint32_t>(2 * i + machine + 1) * 2654435761u;
  for (int k = 0; k < 6; ++k)
    out += std::string(" ") + words[(bits ^= bits >> 15, bits *= 2246822519u) >> 29];
  if (i * 37 % 100 < percent) out += machine ? " furthermore" : " anyway";
  return out;
}
struct Detecting : Program, testing::Test {
  std::string human, machine, human_pairs, machine_pairs, sources;
  void make(int lines, int percent) {
    for (int i = 0; i < lines; ++i) {
      const std::string source = "Satz " + std::to_string(i);
      human += line(i, false, percent) + "\n";
      machine += line(i + 3, true, percent) + "\n";
      sources += source + "\n";
      human_pairs += source + "\t" + line(i, false, percent) + "\n";
      machine_pairs += source + "\t" + line(i + 3, true, percent) + "\n";
    }
    write("human", human), write("machine", machine), write("sources", sources);
    write("human.tsv", human_pairs), write("pool.tsv", machine_pairs);
  }
  // Machine's pairs of other sources: no detector here was fitted on them.
  void make_new_pool(int lines, int percent) {
    std::string pairs;
    for (int i = 1000; i < 1000 + lines; ++i)
      pairs += "Satz " + std::to_string(i) + "\t" + line(i, true, percent) + "\n";
    write("new.tsv", pairs);
  }
  Ran detect(std::vector<std::string> words) {
    words.insert(words.begin(), "detect");
    for (std::string& w : words)
      if (w.starts_with("@")) w = file(w.substr(1));
    return run(words);
  }
  Ran fit() {
    return detect({"fit", "--human", "@human", "--machine", "m=" + file("machine"), "--source", "@sources",
                   "--option", "features=4096", "-o", "@d"});
  }
};
TEST_F(Detecting, FitCalibrateScoreEvaluatePlan) {
  make(300, 60);
  make_new_pool(300, 60);
  const Ran fitted = fit();
  ASSERT_EQ(fitted.status, 0) << fitted.err;
  EXPECT_NE(fitted.out.find("fitted on 300 texts by people and 300 by machines"), std::string::npos);
  EXPECT_EQ(fitted.out.find("may not order"), std::string::npos) << fitted.out;
  const Ran calibrated = detect(
      {"calibrate", "--detector", "@d", "--human", "@human", "--fpr", "0.05", "--minimum", "30", "-o", "@c"});
  ASSERT_EQ(calibrated.status, 0) << calibrated.err;

  write("new.jsonl",
        "{\"id\": \"a\", \"generation\": \"they found the house and the river furthermore\", \"model\": "
        "\"m\"}\n"
        "{\"id\": \"b\", \"text\": \"short\"}\n{\"id\": \"c\", \"text\": \"  \"}\n");
  const Ran scored = detect({"score", "--detector", "@c", "--in", "@new.jsonl"});
  ASSERT_EQ(scored.status, 0) << scored.err;
  EXPECT_EQ(scored.err, file("new.jsonl") +
                            ": line 3: there is no text; it has no score\n"
                            "1 of 3 texts have no score\n");
  EXPECT_TRUE(scored.out.ends_with("\n{\"id\":\"c\",\"score\":null}\n")) << scored.out;
  const size_t second = scored.out.find('\n') + 1;
  const Json a = parse_json(scored.out.substr(0, second), "a");
  const Json b = parse_json(scored.out.substr(second, scored.out.find('\n', second) - second), "b");
  EXPECT_EQ(to_json(*a.find("id")), "\"a\"");
  double p = 0;
  ASSERT_TRUE(a.find("probability")->number(p));
  EXPECT_GT(p, 0.5);
  EXPECT_EQ(to_json(*b.find("abstains")), "true");
  EXPECT_TRUE(b.find("probability")->is_null());
  const Ran raid = detect({"score", "--detector", "@c", "--in", "@new.jsonl", "--format", "raid"});
  const Json list = parse_json(raid.out, "RAID's list");  // as its evaluation reads it
  ASSERT_TRUE(list.array());
  EXPECT_EQ(*list.array()->front().find("id")->text(), "a");

  const Ran judged = detect({"evaluate", "--detector", "@d", "@c", "--human", "@human.tsv", "--machine",
                             "m=" + file("pool.tsv"), "--attacks", "--matrix", "--option", "features=1024"});
  ASSERT_EQ(judged.status, 0) << judged.err;
  const Json all = parse_json(judged.out, "out"), &one = *all.find(file("d"));
  double area = 0;
  ASSERT_TRUE(one.find("auroc")->number(area));
  EXPECT_GT(area, 0.7);
  EXPECT_EQ(to_json(*one.find("by_generator")->find("m")->find("machines")), "300");
  for (const char* test :
       {"against_the_first", "documents_against_the_first"}) {  // the same but for its calibration
    EXPECT_EQ(to_json(*all.find(file("c"))->find(test)->find("p")), "1") << test;
    EXPECT_EQ(to_json(*all.find(file("c"))->find(test)->find("difference")), "0") << test;
  }
  EXPECT_NE(one.find("attacks")->find("homoglyph"), nullptr);
  EXPECT_NE(all.find("matrix")->find("fitted_on_one")->find("m"), nullptr);

  const Ran planned = detect(
      {"plan", "--pool", "@new.tsv", "--detector", "@d", "--keep", "0.5", "--exponent", "2", "-o", "@plan"});
  ASSERT_EQ(planned.status, 0) << planned.err;
  const Plan plan = load_plan(file("plan"));
  ASSERT_EQ(plan.rows.size(), 150u);
  EXPECT_EQ(plan.corpora[0], read_corpus(file("new.tsv"), CorpusKind::pairs).hash);
  double weights = 0;
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    EXPECT_GE(plan.rows[i].score, plan.rows[i == 0 ? 0 : i - 1].score);
    weights += plan.rows[i].weight;
  }
  EXPECT_NEAR(weights, 150, 1e-3);
  const Ran steep =
      detect({"plan", "--pool", "@new.tsv", "--detector", "@d", "--exponent", "1000", "-o", "@steep"});
  const Plan few = load_plan(file("steep"));
  const auto left_out =
      std::count_if(few.rows.begin(), few.rows.end(), [](const PlanRow& r) { return r.weight == 0; });
  EXPECT_GT(left_out, 0);
  EXPECT_NE(steep.out.find(fmt::format("; {} of them have weight 0 and will be left out", left_out)),
            std::string::npos)
      << steep.out << steep.err;
  // Shuffled: of the same pairs, the order in which a run without a plan reads them.
  std::vector<int32_t> best, read;
  for (const PlanRow& r : plan.rows) best.push_back(r.example);
  const Ran mixed = detect({"plan", "--pool", "@new.tsv", "--detector", "@d", "--keep", "0.5", "--order",
                            "shuffled", "--seed", "7", "-o", "@mixed"});
  ASSERT_EQ(mixed.status, 0) << mixed.err;
  const Plan shuffled = load_plan(file("mixed"));
  EXPECT_TRUE(shuffled.reshuffle && shuffled.seed == 7);
  std::sort(best.begin(), best.end());
  for (const PlanRow& r : shuffled.rows) read.push_back(r.example);
  int64_t rises = 0;
  for (size_t i = 1; i < read.size(); ++i) rises += read[i] > read[i - 1];
  EXPECT_NEAR(static_cast<double>(rises), 74.5,
              5 * 3.6);  // by chance: half, and a deviation of sqrt(151 / 12)
  std::sort(read.begin(), read.end());
  EXPECT_EQ(read, best);
  const Ran piped = detect({"plan", "--pool", "@new.tsv", "--detector", "@d", "--keep", "0.5", "--order",
                            "shuffled", "--seed", "7", "-o", "-"});
  EXPECT_EQ(piped.out, slurp(file("mixed"))) << piped.err;
  expect_refusal(detect({"fit", "--human", "@human", "--machine", "@machine", "-o", "-"}), "standard output");
  const Ran folded = detect({"plan", "--pool", "@pool.tsv", "--human", "@human.tsv", "--option",
                             "features=1024", "--order", "human-last", "-o", "@plan"});
  ASSERT_EQ(folded.status, 0) << folded.err;
  EXPECT_GE(load_plan(file("plan")).rows.front().score, load_plan(file("plan")).rows.back().score);
}
// Two machines of different strength and two decodings; the counts say what each number is based on.
TEST_F(Detecting, EvaluatesByLengthDecodingGeneratorAndDocument) {
  make(200, 60);
  ASSERT_EQ(fit().status, 0);
  std::string texts;
  for (int i = 0; i < 200; ++i) {
    const std::string source = ", \"source\": \"Satz " + std::to_string(i) + "\"";
    texts += "{\"text\": \"" + line(i, false, 60) + "\", \"label\": \"human\"" + source + "}\n";
    texts += "{\"text\": \"" + line(i + 3, true, 90) + "\", \"model\": \"loud\", \"decoding\": \"" +
             (i % 4 == 0 ? "sampled" : "greedy") + "\"" + source + "}\n";
    texts += "{\"text\": \"" + line(i + 5, true, 20) + "\", \"model\": \"quiet\", \"decoding\": \"greedy\"" +
             source + "}\n";
  }
  write("three.jsonl", texts);
  const Ran judged = detect({"evaluate", "--detector", "@d", "--in", "@three.jsonl", "--document-lines", "8",
                             "--matrix", "--option", "features=1024", "--folds", "2"});
  ASSERT_EQ(judged.status, 0) << judged.err;
  const Json all = parse_json(judged.out, "out"), &one = *all.find(file("d"));
  const auto number = [](const Json* j) {
    double x = NAN;
    if (j) j->number(x);
    return x;
  };
  const Json &machines = *one.find("by_generator"), &decodings = *one.find("by_decoding");
  EXPECT_GT(number(machines.find("loud")->find("auroc")), number(machines.find("quiet")->find("auroc")));
  EXPECT_EQ(number(decodings.find("sampled")->find("machines")), 50);
  EXPECT_EQ(number(decodings.find("greedy")->find("machines")), 350);
  EXPECT_GT(number(one.find("paired_accuracy")), 0.6);
  EXPECT_EQ(number(one.find("documents")->find("scores")->find("humans")), 25);
  double people = 0;  // each line is in one length class
  for (const auto& [name, length] : *one.find("by_length")->object()) {
    EXPECT_TRUE(name == "longer" || name.ends_with(" characters")) << name;
    if (length.find("humans")) people += number(length.find("humans"));
  }
  EXPECT_EQ(people, 200);
  const Json& matrix = *all.find("matrix");
  for (const char* on : {"loud", "quiet"}) {
    EXPECT_GT(number(matrix.find("fitted_on_one")->find("loud")->find(on)->find("auroc")), 0.5) << on;
    EXPECT_GT(number(matrix.find("fitted_on_all_others")->find(on)->find("auroc")), 0.5) << on;
  }
}
// By hand: mean, deviation and range over the three.
TEST_F(Detecting, SeveralSeedsOfOneRecipeHaveASpread) {
  make(60, 60);
  std::vector<std::string> words{"evaluate", "--human",  "@human",   "--machine",
                                 "@machine", "--source", "@sources", "--spread"};
  for (const char* name : {"a", "b", "c"}) {
    ASSERT_EQ(detect({"fit", "--human", "@human", "--machine", "@machine", "--source", "@sources", "--option",
                      std::string("features=") + (*name == 'a'   ? "16"
                                                  : *name == 'b' ? "32"
                                                                 : "64"),
                      "-o", std::string("@") + name})
                  .status,
              0);
    words.insert(words.end(), {"--detector", std::string("@") + name});
  }
  const Ran r = detect(words);
  ASSERT_EQ(r.status, 0) << r.err;
  const Json all = parse_json(r.out, "out");
  const auto number = [](const Json& j) {
    double v = NAN;
    EXPECT_TRUE(j.number(v));
    return v;
  };
  std::vector<double> areas;
  for (const char* name : {"a", "b", "c"}) areas.push_back(number(*all.find(file(name))->find("auroc")));
  const Json& area = *all.find("spread")->find("auroc");
  const double mean = (areas[0] + areas[1] + areas[2]) / 3;
  double squares = 0;
  for (const double a : areas) squares += (a - mean) * (a - mean);
  EXPECT_GT(squares, 0);
  EXPECT_NEAR(number(*area.find("mean")), mean, 1e-12);
  EXPECT_NEAR(number(*area.find("sd")), std::sqrt(squares / 2), 1e-12);
  EXPECT_EQ(number(*area.find("low")), *std::min_element(areas.begin(), areas.end()));
  EXPECT_EQ(number(*area.find("high")), *std::max_element(areas.begin(), areas.end()));
  words.insert(words.end(), {"--format", "text"});
  EXPECT_NE(detect(words).out.find(fmt::format("{:.3f} ± ", mean)), std::string::npos);
  expect_refusal(detect({"evaluate", "--detector", "@a", "--human", "@human", "--spread"}),
                 "several --detector");
}
TEST_F(Detecting, ScoresThatAreAllEqualAreAnError) {
  make(60, 50);
  ASSERT_EQ(fit().status, 0);
  std::string same;
  for (int i = 0; i < 30; ++i) same += "the same words\n";
  write("same", same);
  expect_refusal(
      detect({"evaluate", "--detector", "@d", "--human", "@same", "--machine", "m=" + file("same")}),
      "this detector cannot tell texts apart");
}
TEST_F(Detecting, NoOrderByADetectorNoBetterThanChance) {
  make(60, 0);
  make_new_pool(60, 0);
  ASSERT_EQ(fit().status, 0);
  const std::vector<std::string> plan{"plan", "--pool", "@new.tsv", "--detector", "@d", "-o", "@plan"};
  const Ran refused = detect(plan);
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(
      refused.err.find("this detector may not order a corpus: on sources that it had not seen its AUROC is"),
      std::string::npos)
      << refused.err;
  EXPECT_FALSE(std::filesystem::exists(file("plan")));
  std::vector<std::string> anyway = plan;
  anyway.emplace_back("--anyway");
  const Ran done = detect(anyway);
  EXPECT_EQ(done.status, 0);
  EXPECT_EQ(done.err.substr(0, 9), "warning: ");
}
TEST_F(Detecting, WhatADetectorLearnedByHeartIsNoAnswer) {
  make(100, 50);
  const Ran fitted = detect({"fit", "--human", "@human.tsv", "--machine", "m=" + file("pool.tsv"), "--option",
                             "features=4096", "-o", "@d"});
  ASSERT_EQ(fitted.status, 0) << fitted.err;
  const Ran calibrated =
      detect({"calibrate", "--detector", "@d", "--human", "@human.tsv", "--fpr", "0.2", "-o", "@c"});
  EXPECT_EQ(calibrated.status, 0);
  EXPECT_NE(calibrated.err.find("100 of these 100 texts are among those that it was fitted on"),
            std::string::npos)
      << calibrated.err;
  const std::string pool = slurp(file("pool.tsv"));
  ASSERT_EQ(pool.back(), '\n');
  for (const std::string& same : {pool, pool.substr(0, pool.size() - 1), "\xEF\xBB\xBF" + pool}) {
    write("same.tsv", same);
    expect_refusal(detect({"plan", "--pool", "@same.tsv", "--detector", "@d", "-o", "@plan"}),
                   "100 of these 100 texts are among those that it was fitted on: what it has memorised");
  }
}
// A sample of the texts, in another order or form, is as well known as their files.
TEST_F(Detecting, TextsThatADetectorWasFittedOnAreCounted) {
  make(120, 50);
  human += "caf\u00E9 in the winter garden\n";
  write("human", human);
  ASSERT_EQ(fit().status, 1);  // one source is missing
  write("sources", sources + "Satz 120\n"), write("machine", machine + "cafe in the winter garden\n");
  ASSERT_EQ(fit().status, 0);
  // 40 lines backwards, blanks around them, one of them decomposed; and 60 of later sources.
  std::string sample = "  cafe\u0301 in the winter garden \n", later, mixed;
  for (int i = 39; i > 0; --i) sample += line(i, false, 50) + "\n";
  for (int i = 200; i < 260; ++i) later += line(i, true, 50) + "\n";
  write("sample", sample), write("later", later);
  const auto warned = [&](const std::string& detector, const std::string& people) {
    const Ran r = detect({"evaluate", "--detector", detector, "--human", people, "--machine", "@later"});
    EXPECT_EQ(r.status, 0) << r.err;
    return r.err;
  };
  EXPECT_EQ(warned("@d", "@sample"), "warning: " + file("d") +
                                         ": 40 of these 100 texts are among those that it was fitted on: its "
                                         "results on them are too optimistic\n");
  // To order a corpus, a few that occur again by chance do not matter: 5 of 100 do not, 6 do.
  for (const int known : {5, 6}) {
    std::string pool;
    for (int i = 0; i < 100; ++i)
      pool += "Satz\t" + (i < known ? line(i, false, 50) : line(i + 300, true, 50)) + "\n";
    write("new.tsv", pool);
    const Ran planned = detect({"plan", "--anyway", "--pool", "@new.tsv", "--detector", "@d", "-o", "@plan"});
    EXPECT_EQ(planned.status, known == 6) << planned.err;
    EXPECT_NE(planned.err.find(fmt::format("{} of these 100 texts are among those", known)),
              std::string::npos)
        << planned.err;
  }
  // Detectors of before know only whole files.
  TensorFile old = read_safetensors(file("d"));
  ASSERT_EQ(std::erase_if(old.tensors, [](const auto& t) { return t.first == "origin.texts"; }), 1U);
  write_safetensors(old, file("old"));
  EXPECT_EQ(warned("@old", "@sample"), "");
  EXPECT_EQ(warned("@old", "@human"), "warning: " + file("old") + ": it was fitted on " + file("human") +
                                          ": its results on them are too optimistic\n");
}
// What its detectors know by heart, a combination knows, too.
TEST_F(Detecting, ACombinationHasSeenWhatItsDetectorsHaveSeen) {
  make(60, 50);
  std::string later_human, later_machine;
  for (int i = 100; i < 160; ++i) {
    later_human += "Satz " + std::to_string(i) + "\t" + line(i, false, 50) + "\n";
    later_machine += "Satz " + std::to_string(i) + "\t" + line(i, true, 50) + "\n";
  }
  write("later.tsv", later_human), write("later_pool.tsv", later_machine);
  for (const std::string name : {"a", "b"})
    ASSERT_EQ(detect({"fit", "--human", "@human.tsv", "--machine", "@pool.tsv", "--option",
                      name == "a" ? "features=4096" : "features=64", "-o", "@" + name})
                  .status,
              0);
  const std::vector<std::string> both{
      "--kind", "combine", "--option", "detectors=" + file("a"), "--option", "detectors=" + file("b")};
  const auto combine = [&](std::vector<std::string> words) {
    words.insert(words.end(), both.begin(), both.end());
    return detect(words);
  };
  const std::string why =
      "a: 60 of these 120 texts are among those that it was fitted on: what it has memorised cannot be held "
      "out";
  expect_refusal(combine({"fit", "--human", "@human.tsv", "--machine", "@later_pool.tsv", "-o", "@both"}),
                 why);
  EXPECT_FALSE(std::filesystem::exists(file("both")));
  expect_refusal(combine({"evaluate", "--matrix", "--human", "@human.tsv", "--machine", "@later_pool.tsv"}),
                 why);
  expect_refusal(combine({"plan", "--human", "@human.tsv", "--pool", "@later_pool.tsv", "-o", "@plan"}), why);
  ASSERT_EQ(combine({"fit", "--human", "@later.tsv", "--machine", "@later_pool.tsv", "-o", "@both"}).status,
            0);
  const Ran judged =
      detect({"evaluate", "--detector", "@both", "--human", "@human.tsv", "--machine", "@later_pool.tsv"});
  EXPECT_NE(judged.err.find("both: 120 of these 120 texts are among those that it, or a detector that it "
                            "combines, was fitted on: "),
            std::string::npos)
      << judged.err;
  EXPECT_NE(detect({"calibrate", "--detector", "@both", "--human", "@human.tsv", "--fpr", "0.2", "-o", "@c"})
                .err.find("both: 60 of these 60 texts"),
            std::string::npos);
  expect_refusal(detect({"plan", "--anyway", "--pool", "@pool.tsv", "--detector", "@c", "-o", "@plan"}),
                 "c: 60 of these 60 texts are among those that it, or a detector that it combines,");
}
TEST_F(Detecting, FlagsThatWouldChangeNothingAreRefused) {
  make(60, 60);
  ASSERT_EQ(fit().status, 0);
  const std::vector<std::string> texts{"--human", "@human.tsv", "--machine", "@pool.tsv"};
  const auto refused = [&](std::vector<std::string> words, const std::vector<std::string>& more,
                           const std::string& why) {
    words.insert(words.end(), more.begin(), more.end());
    expect_refusal(detect(words), why);
    EXPECT_FALSE(std::filesystem::exists(file("x")));
  };
  const std::vector<std::pair<std::string, std::string>> recipe{
      {"--kind", "linear"}, {"--option", "C=2"}, {"--folds", "3"}};
  for (const auto& [flag, value] : recipe) {
    refused({"evaluate", "--detector", "@d", flag, value}, texts,
            flag + " is for the detectors that --matrix");
    refused({"plan", "--detector", "@d", "--pool", "@pool.tsv", "-o", "@x", flag, value}, {},
            flag + " is for detectors that are fitted here");
  }
  refused({"evaluate", "--matrix", "--attacks"}, texts, "--attacks needs a --detector");
  refused({"evaluate", "--matrix", "--document-lines", "5"}, texts, "--document-lines needs a --detector");
  refused({"calibrate", "--detector", "@d", "--human", "@human", "--fpr", "0.3", "--curve", "isotonic", "-o",
           "@x"},
          {}, "--curve isotonic needs machine texts");
  write("quality", "1\n");
  for (const std::vector<std::string>& more : std::vector<std::vector<std::string>>{
           {"--attacks"}, {"--quality", "@quality"}, {"--document-lines", "5"}}) {
    std::vector<std::string> words{"evaluate", "--detector", "@d", "--format", "md"};
    words.insert(words.end(), more.begin(), more.end());
    refused(words, texts, more[0] + " needs --format json");
  }
  refused({"explain", "--detector", "@d", "--in", "@human", "--window", "5", "--features", "3"}, {},
          "--features needs whole texts");
  refused({"explain", "--detector", "@d", "--in", "@human", "--stride", "5"}, {}, "--stride needs --window");
  refused({"evaluate", "--detector", "@d", "@d"}, texts, "are the same file, and a detector is not compared");
}
TEST_F(Detecting, ATextThatTheModelCannotReadCostsNoOther) {
  write_run(file("lm"), {.kind = CorpusKind::documents, .pattern = "characters"});  // a context of 64
  std::string people, machines;
  std::vector<std::string> fit;
  for (const Pair& t : grammar_pairs(200, 5))
    if (t.target.size() < 50) fit.push_back(t.target);
  ASSERT_GE(fit.size(), 40u);
  for (size_t i = 0; i < 40; ++i) (i % 2 == 0 ? people : machines) += fit[i] + "\n";
  write("people", people), write("machines", machines);
  const Ran made = detect({"fit", "--kind", "likelihood", "--option", "model=" + file("lm"), "--human",
                           "@people", "--machine", "@machines", "-o", "@d"});
  ASSERT_EQ(made.status, 0) << made.err;
  const std::string two = fit[0] + "\n" + fit[1] + "\n";
  write("good", two), write("some", fit[0] + "\n" + std::string(100, 'e') + "\n\u20ac\n" + fit[1] + "\n");
  const auto score = [&](const char* in, const char* format) {
    return detect({"score", "--detector", "@d", "--in", in, "--format", format});
  };
  const Ran good = score("@good", "plain"), some = score("@some", "plain");
  ASSERT_EQ(good.status, 0) << good.err;
  EXPECT_EQ(some.status, 1);
  const size_t end = good.out.find('\n') + 1;
  EXPECT_EQ(some.out, good.out.substr(0, end) + "nan\nnan\n" + good.out.substr(end));
  for (const char* part : {"some: line 2: it needs 10", "the context of ", "holds 64; it has no score",
                           "some: line 3: the character U+20AC", "2 of 4 texts have no score"})
    EXPECT_NE(some.err.find(part), std::string::npos) << some.err;
  const Ran lines = score("@some", "json"), list = score("@some", "raid");
  EXPECT_NE(lines.out.find("{\"id\":\"2\",\"score\":null}\n"), std::string::npos) << lines.out;
  EXPECT_EQ(parse_json(list.out, "RAID's list").array()->size(), 4u);
}
// They are left out, and the rest is judged as if they were not there.
TEST_F(Detecting, TextsThatTheModelCannotReadAreLeftOut) {
  write_run(file("lm"), {.kind = CorpusKind::documents, .pattern = "characters"});  // a context of 64
  std::string lines[4];  // of people and machines to fit on, and to be judged
  std::vector<std::string> fit;
  for (const Pair& t : grammar_pairs(300, 5))
    if (t.target.size() < 50) fit.push_back(t.target);
  ASSERT_GE(fit.size(), 80u);
  for (size_t i = 0; i < 80; ++i) lines[i % 4] += fit[i] + "\n";
  write("people", lines[0]), write("machines", lines[1]);
  const Ran made = detect({"fit", "--kind", "likelihood", "--option", "model=" + file("lm"), "--human",
                           "@people", "--machine", "@machines", "-o", "@d"});
  ASSERT_EQ(made.status, 0) << made.err;
  const std::string longer = std::string(100, 'e') + "\n";
  write("h", lines[2]), write("m", lines[3]), write("h+", lines[2] + longer), write("m+", longer + lines[3]);
  const auto evaluate = [&](const char* human, const char* machine) {
    return detect({"evaluate", "--detector", "@d", "--human", human, "--machine", machine});
  };
  const Ran good = evaluate("@h", "@m"), some = evaluate("@h+", "@m+");
  ASSERT_EQ(good.status, 0) << good.err;
  ASSERT_EQ(some.status, 0) << some.err;
  for (const std::string& part :
       {file("h+") + ": line 21: it needs 10", file("m+") + ": line 1: it needs 10",
        std::string("holds 64; it is left out"), file("d") + ": 2 of 42 texts are left out\n"})
    EXPECT_NE(some.err.find(part), std::string::npos) << part << some.err;
  const Json one = *parse_json(good.out, "").find(file("d")),
             other = *parse_json(some.out, "").find(file("d"));
  EXPECT_EQ(one.find("left_out"), nullptr);
  ASSERT_NE(other.find("left_out"), nullptr);
  EXPECT_EQ(to_json(*other.find("left_out")), "2");
  for (const char* key : {"auroc", "eer", "humans", "machines", "probabilities"})
    EXPECT_EQ(to_json(*one.find(key)), to_json(*other.find(key))) << key;
  // A plan has the same lines in the same order, whatever stands between them.
  std::string pool, pool_and_longer, line;
  std::istringstream machine(lines[3]);
  for (int i = 0; std::getline(machine, line); ++i) {
    pool += "x\t" + line + "\n";
    pool_and_longer += "x\t" + line + "\n" + (i == 6 ? "x\t" + longer : "");
  }
  write("pool.tsv", pool), write("pool+.tsv", pool_and_longer);
  std::vector<int64_t> orders[2];
  for (const bool with : {false, true}) {
    const Ran r = detect({"plan", "--detector", "@d", "--pool", with ? "@pool+.tsv" : "@pool.tsv", "--anyway",
                          "--exponent", "1", "-o", "@plan"});
    ASSERT_EQ(r.status, 0) << r.err;
    if (with) {
      for (const std::string& part : {file("pool+.tsv") + ": line 8: it needs 10",
                                      file("pool+.tsv") + ": 1 of 21 pairs are left out\n"})
        EXPECT_NE(r.err.find(part), std::string::npos) << r.err;
      EXPECT_NE(r.out.find("20 of 21 pairs"), std::string::npos) << r.out;
    }
    for (const PlanRow& row : load_plan(file("plan")).rows)
      orders[with].push_back(row.example - (with && row.example > 7));
    EXPECT_EQ(orders[with].size(), 20u);
  }
  EXPECT_EQ(orders[0], orders[1]);
  const Ran explained = detect({"explain", "--detector", "@d", "--in", "@m+"});
  EXPECT_EQ(explained.status, 1);
  EXPECT_NE(explained.err.find("holds 64; it is left out\n1 of 21 texts are left out\n"), std::string::npos)
      << explained.err;
  EXPECT_NE(explained.out.find("text 2\n"), std::string::npos);
  expect_refusal(detect({"explain", "--detector", "@d", "--in", "@m+", "--id", "1"}),
                 file("m+") + ": line 1 needs 10");
}
// Whoever removes what a fold alone complains of meets the next fold.
TEST_F(Detecting, TextsTooLongToFitOnAreCountedOfAll) {
  write_run(file("lm"), {.kind = CorpusKind::documents, .pattern = "characters"});  // a context of 64
  std::string texts[2];
  for (int i = 0; i < 40; ++i)
    for (std::string& t : texts)
      t += (i % 13 == 7 ? std::string(100, 'e') : "the man " + std::string(i, 's')) + "\n";
  write("people", texts[0]), write("machines", texts[1]);
  for (const char* folds : {"2", "10"})
    for (const char* statistic : {"curvature", "rank"}) {
      const Ran r = detect({"fit", "--kind", "likelihood", "--option", "model=" + file("lm"), "--option",
                            std::string("statistic=") + statistic, "--folds", folds, "--human", "@people",
                            "--machine", "@machines", "-o", "@d"});
      expect_refusal(r, file("people") + ": line 8: it needs 10");
      EXPECT_NE(r.err.find("6 of 80 texts cannot be judged"), std::string::npos) << r.err;
    }
}
TEST_F(Detecting, ALineThatCannotBeReadCostsNoOther) {
  make(60, 60);
  ASSERT_EQ(fit().status, 0);
  const Ran good = detect({"score", "--detector", "@d", "--in", "@human", "--format", "plain"});
  const size_t line = human.find('\n') + 1, answer = good.out.find('\n') + 1;
  write("gap", human.substr(0, line) + " \n" + human.substr(line));
  const Ran gap = detect({"score", "--detector", "@d", "--in", "@gap", "--format", "plain"});
  EXPECT_EQ(gap.status, 0) << gap.err;
  EXPECT_EQ(gap.out, good.out.substr(0, answer) + "nan\n" + good.out.substr(answer));
  write("gap", "\n\n");
  expect_refusal(detect({"score", "--detector", "@d", "--in", "@gap"}), "all 2 lines are empty");
  for (const std::string& bad : {std::string("\xff"), std::string(1, '\0'), std::string(2 << 20, 'x')}) {
    write("bad", human.substr(0, line) + bad + "\n" + human.substr(line));
    const Ran some = detect({"score", "--detector", "@d", "--in", "@bad", "--format", "plain"});
    EXPECT_EQ(some.status, 1);
    EXPECT_EQ(some.out, good.out.substr(0, answer) + "nan\n" + good.out.substr(answer));
    EXPECT_NE(some.err.find("line 2"), std::string::npos) << some.err;
    EXPECT_NE(some.err.find("1 of 61 texts have no score"), std::string::npos) << some.err;
  }
  write("bad.jsonl", "{\"text\": \"they\"}\n{\"text\": \n{\"id\": \"last\", \"text\": \"they\"}\n");
  const Ran json = detect({"score", "--detector", "@d", "--in", "@bad.jsonl"});
  EXPECT_EQ(json.status, 1);
  EXPECT_NE(json.out.find("{\"id\":\"2\",\"score\":null}\n{\"id\":\"last\",\"score\":"), std::string::npos)
      << json.out;
}
// A file that an editor or a script has given one more line end.
TEST_F(Detecting, BlankLinesAtTheEndAreNoTexts) {
  make(60, 60);
  ASSERT_EQ(fit().status, 0);
  const Ran good = detect({"score", "--detector", "@d", "--in", "@human.tsv"});
  write("more.tsv", human_pairs + "\n \n"), write("one.jsonl", "{\"text\": \"they\"}\n\n");
  const Ran more = detect({"score", "--detector", "@d", "--in", "@more.tsv"});
  EXPECT_EQ(more.status, 0) << more.err;
  EXPECT_EQ(more.out, good.out);
  EXPECT_EQ(more.err.find("empty"), std::string::npos) << more.err;
  EXPECT_EQ(detect({"score", "--detector", "@d", "--in", "@one.jsonl"}).status, 0);
  write("gap.tsv", "a\tb\n\nc\td\n"), write("no.tsv", "a\nb\n");
  expect_refusal(detect({"evaluate", "--detector", "@d", "--human", "@gap.tsv", "--machine", "@pool.tsv"}),
                 "gap.tsv: line 2: expected source<TAB>target");
  expect_refusal(detect({"score", "--detector", "@d", "--in", "@no.tsv"}),
                 "no.tsv: line 1: expected source<TAB>");
  std::string qualities;
  for (int i = 0; i < 60; ++i) qualities += std::to_string(i) + "\n";
  write("quality", qualities + "\n");
  const Ran judged = detect({"evaluate", "--detector", "@d", "--human", "@human.tsv", "--machine",
                             "@pool.tsv", "--quality", "@quality"});
  EXPECT_EQ(judged.status, 0) << judged.err;
  write("pairs.txt", human_pairs);
  EXPECT_NE(detect({"score", "--detector", "@d", "--in", "@pairs.txt"})
                .err.find("60 lines of plain text have a tab"),
            std::string::npos);
}
// One part that cannot be measured leaves the others.
TEST_F(Detecting, AQualityThatIsAllEqualIsAFaultOfItsOwn) {
  make(60, 60);
  ASSERT_EQ(fit().status, 0);
  std::string same;
  for (int i = 0; i < 60; ++i) same += "7\n";
  write("quality", same);
  const Ran r = detect({"evaluate", "--detector", "@d", "--human", "@human.tsv", "--machine", "@pool.tsv",
                        "--quality", "@quality"});
  ASSERT_EQ(r.status, 0) << r.err;
  const Json all = parse_json(r.out, "out"), &one = *all.find(file("d"));
  EXPECT_NE(one.find("auroc"), nullptr);
  EXPECT_EQ(*one.find("spearman_with_quality")->find("fault")->text(), "constant");
}
// The same characters, composed or not, as lines and as escapes in JSON.
TEST_F(Detecting, EqualTextsScoreTheSameInEveryForm) {
  make(60, 60);
  ASSERT_EQ(fit().status, 0);
  write("forms", "they found the caf\u00E9\nthey found the cafe\u0301\n");
  write("forms.jsonl", "{\"text\": \"they found the cafe\\u0301\"}\n{\"text\": \"they found the cafe\"}\n");
  const Ran r = detect({"score", "--detector", "@d", "--in", "@forms", "@forms.jsonl", "--format", "plain"});
  ASSERT_EQ(r.status, 0) << r.err;
  std::istringstream lines(r.out);
  std::string composed, parted, escaped, other;
  lines >> composed >> parted >> escaped >> other;
  EXPECT_EQ(parted, composed);
  EXPECT_EQ(escaped, composed);
  EXPECT_NE(other, composed);
}
TEST_F(Detecting, IsotonicWhereAskedFor) {
  make(100, 50);
  ASSERT_EQ(detect({"fit", "--human", "@human", "--machine", "@machine", "--source", "@sources", "--option",
                    "features=4096", "--curve", "isotonic", "-o", "@d"})
                .status,
            0);
  ASSERT_EQ(detect({"calibrate", "--detector", "@d", "--human", "@human", "--machine", "@machine", "--fpr",
                    "0.2", "-o", "@platt"})
                .status,
            0);
  ASSERT_EQ(detect({"calibrate", "--detector", "@d", "--human", "@human", "--machine", "@machine", "--fpr",
                    "0.2", "--curve", "isotonic", "-o", "@isotonic"})
                .status,
            0);
  // A step function of the scores has few values, a logistic curve one for each score.
  const auto values = [&](const char* detector) {
    const Ran scored = detect({"score", "--detector", detector, "--in", "@human", "@machine"});
    std::set<double> out;
    std::istringstream lines(scored.out);
    for (std::string one; std::getline(lines, one);) {
      double p = -1;
      if (parse_json(one, "line").find("probability")->number(p)) out.insert(p);
    }
    return out;
  };
  const auto platt = values("@platt"), isotonic = values("@isotonic");
  EXPECT_GT(platt.size(), 50u);
  EXPECT_LT(isotonic.size(), platt.size() / 2);
  EXPECT_EQ(*isotonic.begin(), 0);  // only people below the lowest machine
  EXPECT_EQ(*isotonic.rbegin(), 1);
}
// Texts that get no verdict set no threshold and no curve, and probabilities are not judged by them: all is as
// if they had not been given. People's short texts score low here, their long ones high.
TEST_F(Detecting, TextsTooShortForAVerdictDoNotCount) {
  make(60, 60);
  ASSERT_EQ(fit().status, 0);
  for (const auto& [name, machines, n] : {std::tuple{"people", false, 250}, {"machines", true, 100}}) {
    std::string low, high;
    for (int i = 1000; i < 1000 + n; ++i) {
      low += fmt::format("they {} it anyway {}\n", machines ? "lost" : "found", i);
      high += line(2 * i + machines, true, 100) + (machines ? " furthermore\n" : "\n");  // from 62 characters
    }
    write(std::string("short-") + name, low), write(std::string("long-") + name, high);
    write(std::string("all-") + name, low + high);
  }
  const auto calibrate = [&](const std::string& which, const char* minimum, const char* fpr) {
    return detect({"calibrate", "--detector", "@d", "--human", "@" + which + "people", "--machine",
                   "@" + which + "machines", "--minimum", minimum, "--fpr", fpr, "-o", "@" + which});
  };
  ASSERT_EQ(calibrate("long-", "60", "0.05").status, 0);
  const Ran all = calibrate("all-", "60", "0.05");
  ASSERT_EQ(all.status, 0) << all.err;
  EXPECT_NE(all.err.find("350 texts do not count: it will abstain below 60 characters\n"), std::string::npos);
  EXPECT_NE(all.out.find("at most 0.05 of people, of 250 texts\n"), std::string::npos) << all.out;
  EXPECT_TRUE(slurp(file("all-")) == slurp(file("long-")));
  const Ran scored = detect({"score", "--detector", "@all-", "--in", "@all-people"});
  int verdicts = 0, flagged = 0;
  std::istringstream lines(scored.out);
  for (std::string one; std::getline(lines, one);) {
    const Json text = parse_json(one, "line");
    verdicts += to_json(*text.find("abstains")) == "false";
    flagged += to_json(*text.find("flagged")).find("true") != std::string::npos;
  }
  EXPECT_EQ(verdicts, 250);
  EXPECT_GT(flagged, 0);
  EXPECT_LE(flagged, 12);  // 5 %
  expect_refusal(calibrate("all-", "60", "0.01"),
                 "needs 1000 human texts, so that ten are flagged; there are 250");
  expect_refusal(calibrate("all-", "1000", "0.05"), "expected human texts of at least 1000 characters");

  const auto judged = [&](const std::string& which) {
    const Ran r = detect({"evaluate", "--detector", "@all-", "--human", "@" + which + "people", "--machine",
                          "@" + which + "machines"});
    EXPECT_EQ(r.status, 0) << r.err;
    const Json out = parse_json(r.out, "out"), &one = *out.find(file("all-"));
    return std::pair{to_json(*one.find("abstains")), to_json(*one.find("probabilities"))};
  };
  const auto [none, probabilities] = judged("long-");
  EXPECT_EQ(none, "0");
  EXPECT_NE(probabilities.find("accuracy"), std::string::npos);
  EXPECT_EQ(judged("all-"), (std::pair<std::string, std::string>("0.5", probabilities)));
  EXPECT_EQ(judged("short-"), (std::pair<std::string, std::string>("1", "null")));
}
// A model that judges its own output, recognised by hash or by ranks, is reported separately and never
// orders.
struct WhiteBox : Detecting {
  Ran train(const std::string& name, int seed, const std::string& steps) {
    return run({"train", file("c.toml"), "--set", "run.folder=" + file(name), "--set",
                "run.seed=" + std::to_string(seed), "--set", "train.steps=" + steps, "--set",
                "train.eval_every=" + steps, "--set", "model.width=32"});
  }
  // A run's translations of the sources, as JSON lines and as pairs.
  void translate(const std::string& name, std::vector<std::string> more) {
    std::vector<std::string> words{"translate", file("run"),          "-i", file("sources"), "--jsonl",
                                   "-o",        file(name + ".jsonl")};
    words.insert(words.end(), more.begin(), more.end());
    const Ran r = run(words);
    ASSERT_EQ(r.status, 0) << r.err;
    std::istringstream lines(slurp(file(name + ".jsonl")));
    std::string pairs;
    for (std::string one; std::getline(lines, one);) {
      const Json j = parse_json(one, name);
      const std::string& target = *j.find("target")->text();
      if (!blank_line(target)) pairs += *j.find("source")->text() + "\t" + target + "\n";
    }
    write(name + ".tsv", pairs);
  }
  Ran fit_likelihood(const std::string& run, const std::string& texts, const std::string& detector) {
    return detect({"fit", "--kind", "likelihood", "--option", "model=" + file(run), "--option",
                   "statistic=log_likelihood", "--human", "@people.tsv", "--in", texts, "-o", detector});
  }
};
TEST_F(WhiteBox, IsShownApartAndNeverOrders) {
  corpora();
  config();
  ASSERT_EQ(train("run", 1, "400").status, 0);
  ASSERT_EQ(train("other", 2, "100").status, 0);
  std::string from, people;
  std::istringstream lines(slurp(file("train.tsv")));
  int count = 0;
  for (std::string one; std::getline(lines, one) && count < 60; ++count) {
    from += one.substr(0, one.find('\t')) + "\n";
    people += one + "\n";
  }
  write("sources", from), write("people.tsv", people);
  translate("greedy", {"--beam", "1"}), translate("sampled", {"--sample", "--top-k", "5"});

  const Ran own = fit_likelihood("run", "@greedy.jsonl", "@own");
  ASSERT_EQ(own.status, 0) << own.err;
  EXPECT_NE(own.out.find("60 of the machines' texts are by a model that it asks itself"), std::string::npos)
      << own.out;
  EXPECT_NE(own.out.find("it may not order a corpus"), std::string::npos) << own.out;
  const auto refused = [&](std::vector<std::string> words, const std::string& why) {
    words.insert(words.begin(), {"plan", "--anyway", "-o", "@plan"});
    const Ran r = detect(words);
    expect_refusal(r, why);
    EXPECT_FALSE(std::filesystem::exists(file("plan")));
  };
  refused({"--pool", "@greedy.tsv", "--detector", "@own"},
          "60 of these 60 texts are among those that it was fitted on");
  // By its ranks: the pairs do not say who wrote them.
  refused({"--pool", "@greedy.tsv", "--human", "@people.tsv", "--kind", "likelihood", "--option",
           "model=" + file("run")},
          "never orders this corpus: 60 of 60 texts were written by a model that it asks itself");
  // By the hash: draws have other ranks than 1.
  refused({"--pool", "@sampled.tsv", "--detector", "@own", "--provenance", "@sampled.jsonl"},
          "texts were written by a model that it asks itself");
  refused({"--pool", "@people.tsv", "--detector", "@own", "--provenance", "@sampled.jsonl"},
          "people.tsv: line 1 is not among the texts of");
  // Another model may judge them.
  const Ran others = fit_likelihood("other", "@greedy.jsonl", "@others");
  ASSERT_EQ(others.status, 0) << others.err;
  refused({"--pool", "@greedy.tsv", "--detector", "@others", "--provenance", "@greedy.jsonl"},
          "60 of these 60 texts are among those that it was fitted on");
  const Ran planned = detect({"plan", "--pool", "@sampled.tsv", "--detector", "@others", "--provenance",
                              "@sampled.jsonl", "--anyway", "-o", "@plan"});
  EXPECT_EQ(planned.status, 0) << planned.err;

  const Ran judged = detect(
      {"evaluate", "--detector", "@own", "@others", "--human", "@people.tsv", "--in", "@greedy.jsonl"});
  ASSERT_EQ(judged.status, 0) << judged.err;
  const Json all = parse_json(judged.out, "out");
  const Json &apart = *all.find(file("own")), &plain = *all.find(file("others"));
  EXPECT_EQ(apart.find("auroc"), nullptr);
  EXPECT_EQ(to_json(*apart.find("white_box")->find("by_generator")->find("run")->find("machines")), "60");
  EXPECT_EQ(plain.find("white_box"), nullptr);
  EXPECT_NE(plain.find("auroc"), nullptr);
  const Ran scored = detect({"score", "--detector", "@own", "--in", "@sampled.jsonl"});
  EXPECT_NE(scored.err.find("texts were written by a model that it asks itself"), std::string::npos);
  EXPECT_NE(scored.out.find("\"white_box\":true"), std::string::npos);
  EXPECT_NE(
      detect({"explain", "--detector", "@own", "--in", "@greedy.jsonl", "--id", "3"}).out.find("white-box: "),
      std::string::npos);

  // Its own words are no measure of other machines': they set no probability, and are marked where it is tried.
  const Ran calibrated = detect({"calibrate", "--detector", "@own", "--human", "@people.tsv", "--fpr", "0.2",
                                 "--in", "@greedy.jsonl", "-o", "@calibrated"});
  ASSERT_EQ(calibrated.status, 0) << calibrated.err;
  EXPECT_NE(calibrated.err.find("60 of the machines' texts are by a model that the detector asks itself"),
            std::string::npos)
      << calibrated.err;
  const Ran mine = detect({"score", "--detector", "@calibrated", "--in", "@people.tsv"});
  EXPECT_EQ(mine.out.find("probability"), std::string::npos) << mine.out;
  for (const auto& [asked, own_texts] : {std::pair{"run", "60"}, {"other", ""}}) {
    const Ran tried = detect({"evaluate", "--matrix", "--kind", "likelihood", "--option",
                              "model=" + file(asked), "--human", "@people.tsv", "--in", "@greedy.jsonl"});
    ASSERT_EQ(tried.status, 0) << tried.err;
    const Json table = parse_json(tried.out, "matrix");
    const Json* marked =
        table.find("matrix")->find("fitted_on_one")->find("run")->find("run")->find("white_box");
    EXPECT_EQ(marked ? to_json(*marked) : "", own_texts);
  }

  // A language model's page shows ranks and their histogram besides what each token adds.
  const Ran page =
      detect({"explain", "--detector", "@own", "--in", "@people.tsv", "--id", "3", "--html", "@page"});
  ASSERT_EQ(page.status, 0) << page.err;
  for (const char* part :
       {"How likely the model held each token", "How many tokens have which rank", "What each part adds"})
    EXPECT_NE(slurp(file("page")).find(part), std::string::npos) << part;

  // The detector's weights with another tokenizer.
  TokenizerConfig bpe{.vocab = 300};
  bpe.special = {kSep, kEos};
  Tokenizer::train(std::vector<std::string_view>{from}, bpe).save(file("run/tokenizer.json"));
  expect_refusal(detect({"score", "--detector", "@own", "--in", "@people.tsv"}),
                 "tokenizer.json: not the tokenizer that ");
}
TEST_F(Detecting, BadInputIsNamed) {
  make(20, 50);
  const auto refused = [&](const std::vector<std::string>& words, const std::string& why) {
    const Ran r = detect(words);
    EXPECT_EQ(r.status, 1) << why;
    EXPECT_NE(r.err.find(why), std::string::npos) << r.err;
    EXPECT_FALSE(std::filesystem::exists(file("d")));
  };
  refused({"fit", "--human", "@human", "-o", "@d"}, "20 texts by people and 0 by machines");
  write("short", "Satz\nSatz\n");
  refused({"fit", "--human", "@human", "--machine", "@machine", "--source", "@short", "-o", "@d"},
          "short has 2 lines, " + file("human") + " has more");
  write("long", sources + "Satz\n");
  refused({"fit", "--human", "@human", "--machine", "@machine", "--source", "@long", "-o", "@d"},
          "human has 20 lines, " + file("long") + " has more");
  write("wrong.jsonl", "{\"text\": \"a\", \"label\": \"human\"}\n{\"text\": \"b\", \"label\": \"robot\"}\n");
  refused({"fit", "--in", "@wrong.jsonl", "-o", "@d"},
          "wrong.jsonl: line 2: label \"robot\": expected human or machine");
  write("few.jsonl", "{\"text\": \"a\", \"label\": \"human\"}\n{\"text\": \"b\", \"label\": \"machine\"}\n");
  refused({"fit", "--in", "@few.jsonl", "-o", "@d"}, "2 sources for 5 folds");
  write("apart.tsv", "a\tthe one\n"), write("other.tsv", "b\tanother\n");
  refused({"fit", "--human", "@apart.tsv", "--machine", "@other.tsv", "--folds", "2", "-o", "@d"},
          "with one of 2 folds held out, ");
  // Equal texts leave nothing to learn from: said before a classifier learns, which would take an hour here.
  std::string equal;
  for (int i = 0; i < 60; ++i) equal += "Das Haus ist alt.\n";
  const Ran at_once = shell(
      "ulimit -t 20; " + program_path() + " detect fit --kind classifier --option steps=100000 --human " +
      write("equal", equal) + " --machine " + write("same", equal) + " -o " + file("d"));
  expect_refusal(at_once, "with one of 5 folds held out, 0 texts by people and 0 by machines are left");
  write("blank", "\n \n");
  refused({"fit", "--human", "@blank", "--machine", "@blank", "-o", "@d"}, "all 4 lines are empty");
  refused({"score", "--detector", "@human", "--in", "@human"}, "human: byte 0: expected a header of at most");
  refused({"calibrate", "--detector", "@nothing", "--human", "@human", "-o", "@d"},
          "nothing: cannot open: No such file");
}
// An unusable output is reported before anything is fitted, or even read; a device stays a device.
TEST_F(Detecting, OutputsAreCheckedFirstAndDevicesWrittenToAsTheyAre) {
  make(60, 60);
  const std::string nowhere = file("none/d");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"fit", "--human", "@none", "--machine", "@none", "-o", nowhere},
           {"calibrate", "--detector", "@none", "--human", "@none", "-o", nowhere},
           {"score", "--detector", "@none", "--in", "@none", "-o", nowhere},
           {"plan", "--detector", "@none", "--pool", "@none.tsv", "-o", nowhere},
           {"explain", "--detector", "@none", "--in", "@none", "--html", nowhere}}) {
    const Ran r = detect(words);
    EXPECT_EQ(r.status, 1) << words[0];
    EXPECT_NE(r.err.find("there is no folder " + file("none")), std::string::npos) << r.err;
  }
  expect_refusal(detect({"fit", "--human", "-", "--machine", "deepl=-", "-o", "@d"}),
                 "standard input (-) can be read only once");
  ASSERT_EQ(fit().status, 0);
  ASSERT_EQ(mkfifo(file("pipe").c_str(), 0600), 0);
  const int reader = open(file("pipe").c_str(), O_RDWR);  // else opening it would fail
  const Ran direct = detect({"score", "--detector", "@d", "--in", "@human.tsv"});
  EXPECT_EQ(detect({"score", "--detector", "@d", "--in", "@human.tsv", "-o", "@pipe"}).status, 0);
  std::string got(direct.out.size(), '\0');
  EXPECT_EQ(read(reader, got.data(), got.size()), static_cast<ssize_t>(got.size()));
  EXPECT_EQ(got, direct.out);
  const Ran r = detect({"calibrate", "--detector", "@d", "--human", "@human", "--fpr", ".5", "-o", "@pipe"});
  EXPECT_EQ(r.status, 1);
  EXPECT_NE(r.err.find("pipe is not a regular file"), std::string::npos) << r.err;
  EXPECT_TRUE(std::filesystem::is_fifo(file("pipe")));
  close(reader);
}
TEST_F(Detecting, SharesThatAreNoneAreNamedBeforeAnythingIsRead) {
  for (const char* share : {"0", "1", "2", "-0.1", "5%", "0,05", "nan", "inf", " "}) {
    const Ran r = detect({"calibrate", "--detector", "@nothing", "--human", "@none", "-o", "@d",
                          std::string("--fpr=") + share});
    EXPECT_EQ(r.status, 1) << share;
    EXPECT_EQ(r.err, fmt::format("ruminate detect: --fpr {}: expected a share of the texts, more than 0 and "
                                 "less than 1, such as 0.05\n",
                                 share));
  }
}
TEST_F(Detecting, APackedFileIsReadAsWhatItHolds) {
  make(60, 60);
  ASSERT_EQ(fit().status, 0);
  write("both.jsonl",
        "{\"id\": \"a\", \"text\": \"they found\"}\n{\"id\": \"b\", \"text\": \"the house\"}\n");
  for (const std::string name : {"human.tsv", "both.jsonl"}) {
    const Ran plain = detect({"score", "--detector", "@d", "--in", "@" + name});
    const std::string text = Disk::real().read(file(name));
    gzFile gz = gzopen(file(name + ".gz").c_str(), "wb");
    gzwrite(gz, text.data(), static_cast<unsigned>(text.size()));
    gzclose(gz);
    const Ran packed = detect({"score", "--detector", "@d", "--in", "@" + name + ".gz"});
    EXPECT_EQ(packed.status, 0) << packed.err;
    EXPECT_EQ(packed.out, plain.out);
  }
}
TEST_F(Detecting, TextsOfOneIdAreNamed) {
  make(60, 60);
  ASSERT_EQ(fit().status, 0);
  write("same.jsonl",
        "{\"id\": \"a\", \"text\": \"they\"}\n{\"id\": 7, \"text\": \"found\"}\n"
        "{\"id\": \"7\", \"text\": \"it\"}\n");
  const Ran same = detect({"score", "--detector", "@d", "--in", "@same.jsonl", "--format", "raid"});
  EXPECT_EQ(same.status, 0);
  EXPECT_EQ(same.err, "warning: several texts have the id 7; answers are in the order of the texts\n");
  EXPECT_EQ(detect({"score", "--detector", "@d", "--in", "@human.tsv"}).err.find("the id"),
            std::string::npos);
}
TEST_F(Detecting, LinesOfBothAndEmptyLinesAreCounted) {
  make(40, 60);
  write("human", human + "the same words\n\n"), write("machine", machine + "the same words\n\n");
  write("sources", sources + "Satz\nSatz 2\n");
  const Ran r = fit();
  EXPECT_EQ(r.status, 0);
  EXPECT_EQ(r.err.substr(0, 22), "2 empty lines left out");
  EXPECT_NE(r.err.find("both as human and as machine text"), std::string::npos);
}
}  // namespace
}  // namespace rum::detect_program_test
