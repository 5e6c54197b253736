// `ruminate experiment`, from its corpora to its report, on pairs of our own grammar.
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/hash.h"
#include "checkpoint/safetensors.h"
#include "edits/targets.h"
#include "experiment/arms.h"
#include "experiment/results.h"
#include "experiment/subset.h"
#include "generate/generated.h"
#include "metrics/chrf.h"
#include "pipeline/store.h"
#include "tests/csv.h"
#include "tests/error_of.h"
#include "tests/grammar/smoke.h"
#include "tests/program.h"
#include "tests/replaced.h"
#include "tests/run_folder.h"
#include "text/words.h"

namespace rum::experiment_program_test {
using namespace metrics;
using namespace experiment;
namespace {
namespace fs = std::filesystem;

struct Experiment : Program {
  std::string config = slurp("data/configs/experiments/smoke.toml");
  Experiment() {
    write_smoke_corpus(scratch.path);
    for (int files = 4; files > 0; --files) config = replaced(config, "data/cache/smoke", scratch.path);
  }
  std::vector<std::string> words(const char* action, const std::string& folder,
                                 std::vector<std::string> more = {}) {
    write("c.toml", config);
    std::vector<std::string> out{"experiment", action, file("c.toml"), "--folder", file(folder)};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
};
// Everything but times: when it was made, and the table of how long stages took.
std::string timeless(std::string html) {
  for (const auto& [from, to] :
       {std::pair{"Made ", " on "}, std::pair{">hours of one process</th>", "</table>"}}) {
    const size_t begin = html.find(from), end = html.find(to, begin);
    EXPECT_NE(end, std::string::npos) << from;
    if (end != std::string::npos) html.erase(begin, end - begin);
  }
  return html;
}

// One candidate of each source is kept: by the oracle one closest to the human target, by minimum Bayes risk
// the one most like the others. The candidates are drawn once for all ways to choose.
void expect_choices(const Experiment& e) {
  std::map<std::string, std::set<std::string>> drawn;  // by how, the stages of the candidates
  int64_t chosen = 0, sampled = 0;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages"))) {
    const std::string folder = entry.path().string(), id = entry.path().filename().string();
    if (id.starts_with("generate-")) {
      const Json facts = parse_json(slurp(folder + "/stage.json"), id);
      sampled += facts.find("parameters")->find("draws") != nullptr &&
                 facts.find("parameters")->find("set") == nullptr;
    }
    if (!id.starts_with("choose-")) continue;
    const Json facts = parse_json(slurp(folder + "/stage.json"), id);
    const std::string how = *facts.find("parameters")->find("choose")->text();
    std::map<int64_t, std::vector<std::string>> candidates;
    std::string split;
    for (const Json& input : *facts.find("inputs")->array()) {
      const std::string from = e.file("x/stages/" + *input.text());
      if (input.text()->starts_with("split-")) split = from;
      if (!input.text()->starts_with("generate-") || (how == "channel" && !candidates.empty())) continue;
      drawn[how].insert(*input.text());
      for (const Generated& g : read_generated(from + "/generated.jsonl"))
        candidates[g.id].push_back(g.target);
    }
    const auto metric = make_chrf({.beta = how == "mbr" ? 1 : 2});
    const auto score = [&](const std::string& hypothesis, const std::string& reference) {
      std::vector<double> row(metric->columns().size());
      const std::string_view h = hypothesis, r = reference;
      metric->count({&h, 1}, {&r, 1}, row);
      return metric->score(row);
    };
    const edits::TargetSet pool = edits::read_pool(split);
    for (const Generated& g : read_generated(folder + "/generated.jsonl")) {
      const std::vector<std::string>& all = candidates.at(g.id);
      EXPECT_EQ(all.size(), how == "channel" ? 4u : 5u);
      EXPECT_TRUE(std::find(all.begin(), all.end(), g.target) != all.end()) << g.target;
      if (how == "channel" || g.id % 10 != 0) continue;
      const auto value = [&](const std::string& text) {
        if (how == "oracle") return score(text, pool.texts[static_cast<size_t>(g.id)].target);
        double sum = 0;
        for (const std::string& other : all) sum += score(text, other);
        return sum;
      };
      for (const std::string& other : all)
        EXPECT_GE(value(g.target), value(other) - 1e-6) << how << ": " << other;
    }
    ++chosen;
  }
  EXPECT_EQ(chosen, 3 * 2);
  EXPECT_EQ(sampled, 2 * 2);  // at each seed once, the consistency scorer's too; and two draws as targets
  EXPECT_EQ(drawn["mbr"], drawn["oracle"]);
}

// Weights chosen by BLEU are those of the evaluation with the highest one, of equal ones that of the lowest
// loss.
void expect_best_by_bleu(const Experiment& e) {
  int64_t chosen = 0;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages"))) {
    const std::string folder = entry.path().string();
    const std::string facts = slurp(folder + "/stage.json");
    if (!entry.path().filename().string().starts_with("train-") ||
        facts.find("\"train.best\"") == std::string::npos || facts.find("judge_set") != std::string::npos)
      continue;
    ++chosen;
    std::string best;
    double highest = -1, lowest = 0;
    std::istringstream lines(slurp(folder + "/run/metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const Json j = parse_json(line, "metrics");
      const Json *bleu = j.find("valid_bleu"), *step = j.find("step");
      double score = 0, loss = 0;
      if (bleu == nullptr || !bleu->number(score) || !j.find("valid_loss")->number(loss)) continue;
      if (score < highest || (score == highest && loss >= lowest)) continue;
      highest = score, lowest = loss;
      best = to_json(*step);
    }
    EXPECT_EQ(read_safetensors(folder + "/run/best.safetensors").meta["step"], best);
  }
  EXPECT_EQ(chosen, 2);  // at each seed
}
// Drawn twice, a sentence has two targets, and they are two.
void expect_draws(const Experiment& e) {
  int64_t drawn = 0;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages"))) {
    const std::string folder = entry.path().string();
    if (!entry.path().filename().string().starts_with("generate-") ||
        slurp(folder + "/stage.json").find("\"name\": \"self/twice\"") == std::string::npos)
      continue;
    ++drawn;
    std::map<int64_t, std::vector<std::string>> by_id;
    for (const Generated& g : read_generated(folder + "/generated.jsonl")) by_id[g.id].push_back(g.target);
    EXPECT_EQ(by_id.size(), 500u);
    int64_t differ = 0;
    for (const auto& [id, texts] : by_id) {
      ASSERT_EQ(texts.size(), 2u) << id;
      differ += texts[0] != texts[1];
    }
    EXPECT_GT(differ, 100);
    EXPECT_GT(edits::read_targets(folder).ids.size(), 900u);  // some translations are empty
  }
  EXPECT_EQ(drawn, 2);  // at each seed
}

// The second generation of a chain over parts of 166: its text names its generation and is of the third
// part; beside it stand the two parts before, of which a quarter of the generated ones has human targets.
void expect_generations(const Experiment& e) {
  int64_t second = 0, joined = 0;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages"))) {
    const std::string folder = entry.path().string(), id = entry.path().filename().string();
    const std::string facts = slurp(folder + "/stage.json");
    if (id.starts_with("generate-") && facts.find("\"generation\": 2") != std::string::npos &&
        facts.find("\"first\"") != std::string::npos) {
      ++second;
      const edits::TargetSet t = edits::read_targets(folder);
      EXPECT_GE(t.ids.front(), 332);
      EXPECT_LT(t.ids.back(), 498);
      EXPECT_EQ(read_generated(folder + "/generated.jsonl").front().from.generation, 2);
    }
    if (!id.starts_with("join-") ||
        facts.find("accumulate, a quarter fresh, generation 2") == std::string::npos)
      continue;
    ++joined;
    const edits::TargetSet all = edits::read_targets(folder);
    std::map<int64_t, int64_t> by_part, human;
    std::string split;
    for (const auto& other : fs::directory_iterator(e.file("x/stages")))
      if (other.path().filename().string().starts_with("split-")) split = other.path().string();
    const edits::TargetSet pool = edits::read_pool(split);
    for (size_t i = 0; i < all.ids.size(); ++i) {
      ++by_part[all.ids[i] / 166];
      human[all.ids[i] / 166] += pool.texts[static_cast<size_t>(all.ids[i])].target == all.texts[i].target;
    }
    EXPECT_EQ(by_part[0], 166);
    EXPECT_EQ(human[0], 166);
    for (const int64_t part : {1, 2}) {
      EXPECT_GT(by_part[part], 120);  // some translations are empty
      EXPECT_GE(human[part], 42);     // a quarter of 166, and what the generator got right
    }
  }
  EXPECT_EQ(second, 2 * 2);
  EXPECT_EQ(joined, 2);
}

// Of a mixture with tags the generated pairs have one before their source, the human ones none.
void expect_tags(const Experiment& e) {
  int64_t mixtures = 0, human = 0, tagged = 0;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages"))) {
    const std::string folder = entry.path().string();
    if (slurp(folder + "/stage.json").find("\"tagged\": true") == std::string::npos) continue;
    ++mixtures;
    std::string split;
    for (const auto& other : fs::directory_iterator(e.file("x/stages")))
      if (other.path().filename().string().starts_with("split-")) split = other.path().string();
    const edits::TargetSet pool = edits::read_pool(split), mixed = edits::read_targets(folder);
    for (size_t i = 0; i < mixed.ids.size(); ++i) {
      const Pair& original = pool.texts[static_cast<size_t>(mixed.ids[i])];
      if (mixed.texts[i].source == original.source) {
        ++human;
        EXPECT_EQ(mixed.texts[i].target, original.target);
      } else {
        ++tagged;
        EXPECT_EQ(mixed.texts[i].source, "\xC2\xA4 " + original.source);
      }
    }
  }
  EXPECT_EQ(mixtures, 2);  // at each seed
  EXPECT_EQ(human, 2 * 125);
  EXPECT_GT(tagged, 2 * 300);
}
// A claim that waits for its arms counts in the correction, so that the first verdict is the last; one that
// was chosen later counts only for its like.
void expect_corrected_over_all(const Experiment& e, const char* report) {
  struct Judged {
    bool later;
    double p = 1, corrected = 1;
  };
  std::vector<Judged> all;  // by BLEU
  const Json written = parse_json(slurp(e.file(report)), report);
  for (const Claim& c : parse_experiment(e.config, "c.toml").claims) {
    if (c.kind != "students") continue;
    all.push_back({c.chosen_later});
    for (const Json& claim : *written.find("claims")->array()) {
      if (*claim.find("id")->text() != c.id) continue;
      const Json& by_bleu = claim.find("rows")->array()->front();
      by_bleu.find("p")->number(all.back().p), by_bleu.find("p_holm")->number(all.back().corrected);
    }
  }
  int64_t later = 0;
  for (const Judged& a : all) {
    const auto counts = [&](const Judged& x) { return a.later || !x.later; };
    double expected = 0;  // the largest p times the number of those not smaller, over p up to its own
    for (const Judged& x : all) {
      if (!counts(x) || x.p > a.p) continue;
      double not_smaller = 0;
      for (const Judged& y : all) not_smaller += counts(y) && y.p >= x.p;
      expected = std::max(expected, std::min(1.0, not_smaller * x.p));
    }
    EXPECT_NEAR(a.corrected, expected, 1e-12);
    later += a.later;
  }
  EXPECT_EQ(later, 1);
}
// A difference is that of the two arms' means over seeds, between students of one recipe, judged by the same
// kind of weights where both are.
void expect_differences(const Experiment& e) {
  std::map<std::string, std::vector<double>> seeds;  // by arm, volume, weights and score
  for (auto row : read_csv(slurp(e.file("x/results.csv"))))
    if (row["group"] != "targets" && row["group"] != "floor")
      seeds[row["arm"] + "|" + row["volume"] + "|" + row["weights"] + "|" + row["measure"]].push_back(
          std::stod(row["value"]));
  std::map<std::string, std::string> against;
  for (auto row : read_csv(slurp(e.file("x/differences.csv")))) {
    std::string other = row["against"], weights = "last";
    against[row["arm"] + "|" + row["volume"] + "|" + row["weights"]] = other;
    if (other.ends_with(", best weights")) other.resize(other.rfind(", ")), weights = "best";
    if (const size_t part = other.rfind(", 50 % of the pool"); part != std::string::npos) other.resize(part);
    const auto &a = seeds.at(row["arm"] + "|" + row["volume"] + "|" + row["weights"] + "|" + row["score"]),
               &b = seeds.at(other + "|" + row["volume"] + "|" + weights + "|" + row["score"]);
    ASSERT_EQ(a.size(), 2u);
    EXPECT_NEAR(std::stod(row["value"]), (a[0] + a[1] - b[0] - b[1]) / 2, 1e-9) << row["arm"];
  }
  EXPECT_EQ(against.at("self, greedy|1|last"), "human");
  EXPECT_EQ(against.at("self, greedy|0.5|last"), "human, 50 % of the pool");
  EXPECT_EQ(against.at("self, greedy, encoder-decoder|1|last"), "human, encoder-decoder");
  EXPECT_EQ(against.at("human, 25 %|1|best"), "human, best weights");
  EXPECT_FALSE(against.contains("human|1|best"));  // it would be compared with itself
}
// It learned from 700 pairs of the seed set and 300 of the judge set.
void expect_learned_from_both(const Experiment& e) {
  int64_t informed = 0;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages"))) {
    const std::string folder = entry.path().string();
    if (slurp(folder + "/stage.json").find("\"and_judge_set\": true") == std::string::npos) continue;
    ++informed;
    EXPECT_NE(slurp(folder + "/data.json").find("\"pairs\":1000"), std::string::npos) << folder;
  }
  EXPECT_EQ(informed, 2);  // at each seed
}

// The mean over seeds of the pairs that students of the whole pool saw, rounded once.
void expect_pool_pairs(const Experiment& e) {
  const Store store(e.file("x"));
  const ExperimentConfig c = parse_experiment(e.config, "c.toml");
  const ExperimentGraph g = experiment_graph(c, &store);
  std::map<std::string, double> pairs;
  for (const StudentRun& run : g.students)
    if (run.volume == 1 && !run.targets_stage.empty())
      pairs[run.arm->name] +=
          static_cast<double>(edits::read_targets(store.folder(run.targets_stage)).ids.size()) / 2;
  std::set<std::string> found;
  for (auto row : read_csv(slurp(e.file("x/results.csv")))) {
    const std::string arm = row["arm"];
    if (row["volume"] != "1" || row["weights"] != "last" || !pairs.contains(arm)) continue;
    found.insert(arm);
    EXPECT_EQ(std::stod(row["pool_pairs"]), std::round(pairs.at(arm))) << arm;
    // 700 pairs taught self, 200 taught low.
    if (arm == "human, worst first by dual cross-entropy of the generated") {
      EXPECT_EQ(row["targets"] + ":" + row["seed_pairs"], "human:0");
    } else if (arm == "two generators") {
      EXPECT_EQ(row["targets"] + ":" + row["seed_pairs"], "self/greedy in turn with low/greedy:700 200");
    }
  }
  EXPECT_EQ(found.size(), pairs.size());
}

// A claim with minus_with is about one difference less another, at each seed. An arm with another's targets
// has its students, so what it differs by is the same in every draw: nothing is left, without any width.
void expect_difference_of_differences(const Experiment& e) {
  const Store store(e.file("x"));
  const auto claim = [](const char* id, const char* minus) {
    return fmt::format(
        "\n[[claim]]\nid = \"{}\"\ntext = \"x\"\nkind = \"students\"\nbetter = \"human\"\nworse = "
        "\"self, greedy\"\nminus_with = {}\n",
        id, minus);
  };
  const ExperimentConfig c = parse_experiment(
      e.config + "\n[[arm]]\nname = \"again\"\ntargets = \"self/greedy\"\n" +
          claim("more", "[\"human\", \"two generators\"]") + claim("none", "[\"human\", \"again\"]"),
      "c.toml");
  const ExperimentGraph g = experiment_graph(c, &store);
  const ExperimentResults r = gather(c, g, store);
  const auto by_seed = [&](const char* name, size_t m) {
    for (const ArmResult& a : r.arms)
      if (a.arm->name == name && a.weights == "last" && a.volume == 1) return a.replicates[m].by_seed;
    return std::vector<double>{};
  };
  int64_t found = 0;
  for (const ClaimResult& claim : r.claims)
    for (size_t m = 0; m < claim.rows.size() && !claim.claim->minus_with.first.empty(); ++m, ++found) {
      const ClaimResult::Row& row = claim.rows[m];
      EXPECT_TRUE(std::isnan(row.randomised));
      EXPECT_FALSE(row.gap);
      if (claim.claim->id == "none") {
        EXPECT_EQ(std::tuple(row.difference.value, row.difference.low, row.difference.high),
                  std::tuple(0., 0., 0.));
        EXPECT_EQ(row.verdict, Verdict::undecided);
        continue;
      }
      const auto human = by_seed("human", m), self = by_seed("self, greedy", m),
                 two = by_seed("two generators", m);
      ASSERT_EQ(human.size(), 2u);
      std::vector<double> more;  // human - self - (human - two)
      for (size_t s = 0; s < 2; ++s) more.push_back(two[s] - self[s]);
      EXPECT_NEAR(row.difference.value, (more[0] + more[1]) / 2, 1e-9);
      EXPECT_NEAR(row.difference.seeds.sd, std::abs(more[0] - more[1]) / std::sqrt(2), 1e-9);
      EXPECT_NEAR(row.from, (human[0] - two[0] + human[1] - two[1]) / 2, 1e-9);
      EXPECT_NEAR(row.to, (human[0] - self[0] + human[1] - self[1]) / 2, 1e-9);
      // The same draws as of "self, greedy" against "two generators".
      const auto arm = [&](const char* name) -> const ArmResult& {
        return *std::find_if(r.arms.begin(), r.arms.end(), [&](const ArmResult& a) {
          return a.arm->name == name && a.weights == "last" && a.volume == 1;
        });
      };
      const Effect plain = difference(arm("two generators").replicates[m], arm("self, greedy").replicates[m]);
      EXPECT_NEAR(row.difference.low, plain.low, 1e-9);
      EXPECT_NEAR(row.difference.high, plain.high, 1e-9);
    }
  EXPECT_EQ(found, 6);
}
// A claim over several pairs of arms is about the mean of their differences.
void expect_mean_difference(const Experiment& e) {
  const Store store(e.file("x"));
  const ExperimentConfig c = parse_experiment(e.config, "c.toml");
  const ExperimentGraph g = experiment_graph(c, &store);
  const ExperimentResults r = gather(c, g, store);
  int64_t rows = 0;
  for (const ClaimResult& claim : r.claims) {
    if (claim.claim->id != "C6") continue;
    ASSERT_EQ(claim.rows.size(), 3u);
    rows += 3;
    for (size_t m = 0; m < 3; ++m) {
      const auto score = [&](const char* name) {
        for (const ArmResult& a : r.arms)
          if (a.arm->name == name && a.weights == "last" && a.volume == 1) return a.scores[m].value;
        return std::nan("");
      };
      const double better =
          (score("best half by dual cross-entropy") + score("best half by several scores in turn")) / 2;
      EXPECT_NEAR(claim.rows[m].difference.value, better - score("self, greedy"), 1e-9);
    }
  }
  EXPECT_EQ(rows, 3);
}

TEST(ExperimentProgram, EveryArmFromCorporaToReport) {
  Experiment e;
  // First one group alone: its report says what it leaves out, and a full run reuses its stages.
  const Ran part = e.run(e.words("run", "x", {"--group", "A"}));
  ASSERT_EQ(part.status, 0) << part.err;
  const Ran early = e.run(e.words("report", "x", {"--output", e.file("early")}));
  ASSERT_EQ(early.status, 0) << early.err;
  EXPECT_NE(early.out.find("C1"), std::string::npos) << early.out;
  EXPECT_NE(early.out.find("arms are made; left out: "), std::string::npos) << early.out;
  expect_corrected_over_all(e, "early/claims.json");  // without the arms of some
  const Ran ran = e.run(e.words("run", "x"));
  ASSERT_EQ(ran.status, 0) << ran.err;
  const Ran again = e.run(e.words("run", "x"));
  EXPECT_NE(again.err.find("0 of them now"), std::string::npos) << again.err;
  EXPECT_EQ(e.run(e.words("jobs", "x", {"--plain"})).out, "");  // nothing is left to do
  expect_choices(e);
  expect_draws(e);
  expect_best_by_bleu(e);
  expect_generations(e);
  expect_learned_from_both(e);
  expect_tags(e);
  // The linear detector and the density pair were tried on texts of both authors, at both seeds.
  int64_t tried = 0;
  for (const auto& found : std::filesystem::recursive_directory_iterator(e.file("x")))
    if (found.path().filename() == "match.json")
      tried += slurp(found.path().string()).find("held-out AUROC") != std::string::npos;
  EXPECT_EQ(tried, 12);  // so were a classifier, the head over states, and a detector of two generations
  const Ran report = e.run(e.words("report", "x"));
  ASSERT_EQ(report.status, 0) << report.err;
  expect_corrected_over_all(e, "x/claims.json");
  expect_differences(e);
  EXPECT_EQ(report.out.find("left out"), std::string::npos) << report.out;
  EXPECT_NE(slurp(e.file("early/report.html")).find("Arms that are not finished yet, and left out: "),
            std::string::npos);
  for (const char* claim : {"C1", "C3", "C4", "C5"})
    EXPECT_NE(report.out.find(claim), std::string::npos) << report.out;
  const std::string html = slurp(e.file("x/report.html"));
  for (const char* part :
       {">Claims</h2>", "Learning curves", "A fraction of real data", "What each mechanism costs", "wanted",
        ">Samples</h2>", "What differs from the paper", "Training curves",
        "Validity of what ranks self/greedy", "ROC", "Gap closed, by NLL", "Read with care",
        "Chains of generations", "Where generated text helps",
        "<td data-label=\"arm\">not tuned further</td>", "&ldquo;nearest to the human target&rdquo;",
        "minimum Bayes risk under chrf1", "<tr><td data-label=\"set\">judge set"})
    EXPECT_NE(html.find(part), std::string::npos) << part;
  const size_t pair =
      html.find("<td data-label=\"arm\">human, encoder-decoder</td>");  // it is compared only with itself
  ASSERT_NE(pair, std::string::npos);
  EXPECT_EQ(html.substr(pair, html.find("</tr>", pair) - pair).find("["), std::string::npos);
  EXPECT_LT(html.size(), 2'000'000u);
  for (const char* bad : {"http://", "https://", "<script", ">nan<", ">-nan<", ">inf<"})
    EXPECT_EQ(html.find(bad), std::string::npos) << bad;
  expect_pool_pairs(e);
  expect_mean_difference(e);
  expect_difference_of_differences(e);
  // 14 arms, volumes and weights at 2 seeds, 3 scores each; and every sentence of each.
  const std::string rows = slurp(e.file("x/results.csv")), sentences = slurp(e.file("x/sentences.csv"));
  EXPECT_GT(std::count(rows.begin(), rows.end(), '\n'), 14 * 2 * 3);
  EXPECT_EQ((std::count(sentences.begin(), sentences.end(), '\n') - 1) % 200, 0);
  const Json claims = parse_json(slurp(e.file("x/claims.json")), "claims.json");
  ASSERT_EQ(claims.find("claims")->array()->size(), 5u);
  for (const Json& row : *claims.find("claims")->array()->back().find("rows")->array())
    EXPECT_TRUE(row.find("gap_closed")->find("share")) << "C6 names a ceiling";
  for (const Json& claim : *claims.find("claims")->array()) {
    int64_t sentences = -1;  // of errors those that two people translated, 60 sources of the pool
    if (const Json* j = claim.find("sentences")) j->whole(sentences);
    const std::string id = *claim.find("id")->text();
    for (const Json& row : *claim.find("rows")->array()) {
      if (id != "C5") break;  // human text is more diverse: of yule_k that is a smaller one
      double difference = 0;
      row.find("difference")->number(difference);
      const std::string verdict = *row.find("verdict")->text();
      const double more = *row.find("by")->text() == "yule_k" ? -difference : difference;
      EXPECT_TRUE(verdict == "undecided" || (more > 0) == (verdict == "holds")) << to_json(row);
    }
    if (id == "C4") {
      EXPECT_GT(sentences, 20);
    } else if (id == "C5") {
      EXPECT_GT(sentences, 300);
    } else {
      EXPECT_EQ(sentences, -1) << id;
    }
  }

  // Without text, no corpus text remains: no five words in a row.
  ASSERT_EQ(e.run(e.words("report", "x", {"--no-text", "--output", e.file("bare")})).status, 0);
  std::set<std::string> runs;
  for (const char* corpus : {"train.tsv", "test.tsv"}) {
    std::string text = slurp(e.file(corpus));
    std::replace(text.begin(), text.end(), '\t', '\n');
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      const auto w = words(line);
      for (size_t i = 0; i + 5 <= w.size(); ++i)
        runs.insert(fmt::format("{}", fmt::join(w.begin() + static_cast<ptrdiff_t>(i),
                                                w.begin() + static_cast<ptrdiff_t>(i + 5), " ")));
    }
  }
  ASSERT_GT(runs.size(), 1000u);
  const auto holds_text = [&](const std::string& file) {
    const auto w = words(slurp(e.file(file)));
    for (size_t i = 0; i + 5 <= w.size(); ++i)
      if (runs.contains(fmt::format("{}", fmt::join(w.begin() + static_cast<ptrdiff_t>(i),
                                                    w.begin() + static_cast<ptrdiff_t>(i + 5), " "))))
        return true;
    return false;
  };
  EXPECT_TRUE(holds_text("x/report.html"));  // so the search does find text that is there
  for (const auto& entry : fs::directory_iterator(e.file("bare")))
    EXPECT_FALSE(holds_text("bare/" + entry.path().filename().string())) << entry.path();

  // Targets as chats.
  const Ran chats = e.run(e.words("export", "x", {"--arm", "self, greedy", "--seed", "2"}));
  ASSERT_EQ(chats.status, 0) << chats.err;
  const Json first = parse_json(chats.out.substr(0, chats.out.find('\n')), "chat");
  EXPECT_EQ(*(*first.find("messages")->array())[0].find("content")->text(),
            "Translate from German to English.");
  EXPECT_EQ(*(*first.find("messages")->array())[1].find("role")->text(), "user");
  const Ran told = e.run(e.words("export", "x", {"--arm", "self, greedy", "--system", "Be short."}));
  EXPECT_NE(told.out.find("\"content\":\"Be short.\""), std::string::npos) << told.err;
  const std::string whole = e.config;
  e.config = replaced(whole, "[data]", "[data]\nlanguages = [\"en\", \"de\"]");
  const Ran german = e.run(e.words("export", "x", {"--arm", "self, greedy"}));
  EXPECT_NE(german.out.find("\"content\":\"Translate from English to German.\""), std::string::npos)
      << german.err;
  e.config = whole;
  const Ran written =
      e.run(e.words("export", "x", {"--arm", "self, greedy", "--seed", "2", "-o", e.file("chats")}));
  EXPECT_EQ(written.status, 0) << written.err;
  EXPECT_EQ(slurp(e.file("chats")), chats.out);
  const auto exported_to = [&](const std::string& to) {
    return e.run(e.words("export", "x", {"--arm", "self, greedy", "--seed", "2", "--output", to}));
  };
  EXPECT_EQ(exported_to("-").out, chats.out);
  EXPECT_FALSE(fs::exists("-"));
  expect_refusal(exported_to("."), "\".\" is a folder; name a file");
  for (const char* input : {"c.toml", "train.tsv"}) {
    const std::string before = slurp(e.file(input));
    expect_refusal(exported_to(e.file(input)), "it is read here as well");
    EXPECT_EQ(slurp(e.file(input)), before);
  }
  expect_refusal(e.run(e.words("report", "x", {"--output", "-"})), "\"-\" is no folder");
  expect_refusal(e.run(e.words("export", "x", {"--arm", "self, gredy"})), "did you mean \"self, greedy\"?");
  expect_refusal(e.run(e.words("export", "x", {})), "export needs --sources or --arm NAME; known: human; ");
  expect_refusal(e.run(e.words("export", "x", {"--arm", "human", "--seed", "9"})), "experiment.seeds = 2");
  expect_refusal(e.run(e.words("report", "x", {"--arm", "human"})),
                 "--arm is for `ruminate experiment export`");
  expect_refusal(e.run(e.words("status", "x", {"--output", "x"})),
                 "--output is for `ruminate experiment report`");
  const Ran listed = e.run(e.words("jobs", "unmade", {"--plain", "--threads", "3"}));
  EXPECT_NE(listed.out.find(" --threads 3 "), std::string::npos) << listed.out.substr(0, 400) << listed.err;

  // Without its corpora a finished experiment reports the same.
  const std::vector<std::string> files{"train.tsv", "valid.tsv", "test.tsv", "outside.jsonl"};
  for (const std::string& file : files) fs::rename(e.file(file), e.file(file + ".away"));
  EXPECT_EQ(e.run(e.words("status", "x")).status, 0);
  const Ran away = e.run(e.words("report", "x"));
  EXPECT_EQ(away.status, 0) << away.err;
  EXPECT_EQ(timeless(slurp(e.file("x/report.html"))), timeless(html));
  expect_refusal(e.run(e.words("run", "x")), "cannot open");
  expect_refusal(e.run(e.words("status", "none")), "cannot open");
  for (const std::string& file : files) fs::rename(e.file(file + ".away"), e.file(file));

  // Foreign files in a stage are kept; altered files are refused, whatever their contents.
  std::string judged;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages")))
    if (entry.path().filename().string().starts_with("judge-")) judged = entry.path().string();
  std::ofstream(judged + "/notes.txt") << "mine";
  const Ran left = e.run(e.words("run", "x"));
  EXPECT_NE(left.err.find("kept: notes.txt"), std::string::npos) << left.err;
  EXPECT_NE(left.err.find("0 of them now"), std::string::npos) << left.err;
  EXPECT_EQ(e.run(e.words("report", "x")).status, 0);
  const std::string facts = slurp(judged + "/stage.json"), before = slurp(judged + "/test.jsonl");
  const std::string hash = hex64(hash64(before));
  for (const std::string& now :
       {before + "{\"nll\": 1}\n", before + before, std::string("[]\n"), std::string()}) {
    std::ofstream(judged + "/test.jsonl") << now;
    expect_refusal(e.run(e.words("report", "x")), "test.jsonl does not match its checksum");
    std::ofstream(judged + "/stage.json") << replaced(facts, hash, hex64(hash64(now)));
    expect_refusal(e.run(e.words("report", "x")), "test.jsonl: ");
    std::ofstream(judged + "/stage.json") << facts;
  }
  // A damaged stage is made again, with the same content.
  const Ran mended = e.run(e.words("run", "x"));
  EXPECT_EQ(slurp(judged + ".old-1/notes.txt"), "mine");
  EXPECT_NE(mended.err.find("is damaged (test.jsonl does not match its checksum): making it again"),
            std::string::npos)
      << mended.err;
  EXPECT_NE(mended.err.find("1 of them now"), std::string::npos) << mended.err;
  ASSERT_EQ(e.run(e.words("report", "x")).status, 0);
  EXPECT_EQ(timeless(slurp(e.file("x/report.html"))), timeless(html));
  EXPECT_EQ(slurp(e.file("x/sentences.csv")), sentences);
}

// A config that is small enough to run often: one seed, three arms.
std::string small(const std::string& config) {
  std::string out = replaced(config, "seeds = 2", "seeds = 1");
  const size_t arms = out.find("[[arm]]"), claims = out.find("[[claim]]"),
               c3 = out.find("[[claim]]\nid = \"C3\""), gate = out.find("[gate]");
  out = out.substr(0, arms) +
        "[[arm]]\nname = \"human\"\ntargets = \"human\"\n[[arm]]\nname = \"self, greedy\"\ntargets = "
        "\"self/greedy\"\n" +
        "[[arm]]\nname = \"mixed\"\ntargets = \"self/greedy\"\napply = [{ op = \"mix\", real = 0.5 }]\n" +
        out.substr(claims, c3 - claims) + out.substr(gate);
  return out;
}
// What small() makes, made once for all tests: a copy in this folder of an experiment.
void copy_small(const Experiment& to, const std::string& folder) {
  static const std::unique_ptr<Experiment> made = [] {
    auto e = std::make_unique<Experiment>();
    e->config = small(e->config);
    const Ran r = e->run(e->words("run", "x"));
    EXPECT_EQ(r.status, 0) << r.err;
    return e;
  }();
  fs::create_directories(fs::path(to.file(folder)).parent_path());
  fs::copy(made->file("x"), to.file(folder), fs::copy_options::recursive);
}
void expect_nothing_of_one_seed(const Experiment& e, const std::string& folder) {
  const Json claims = parse_json(slurp(e.file(folder + "/claims.json")), "claims.json");
  const Json& c1 = claims.find("claims")->array()->front();
  ASSERT_EQ(c1.find("rows")->array()->size(), 3u);
  for (const Json& row : *c1.find("rows")->array()) EXPECT_EQ(*row.find("verdict")->text(), "undecided");
  EXPECT_FALSE(*claims.find("gate")->find("met")->boolean());
  const std::string html = slurp(e.file(folder + "/report.html"));
  EXPECT_NE(html.find("1 seed tells nothing about the variance between seeds"), std::string::npos);
  EXPECT_NE(html.find("arms, 1 seed each; they learned"), std::string::npos);
  for (const char* bad : {"±not defined", "1 seeds", "<b>helps</b>", "<b>hurts</b>"})
    EXPECT_EQ(html.find(bad), std::string::npos) << bad;
}
TEST(ExperimentProgram, KilledAtRandomItEndsAsIfItHadNotBeen) {
  Experiment e;
  // All kinds of stages that continue where they stopped, or read the output of several others.
  e.config = small(e.config) +
             "[[arm]]\nname = \"mbr\"\ntargets = \"self/mbr\"\n"
             "[[arm]]\nname = \"tuned\"\ntargets = \"human\"\nfrom = \"self\"\n"
             "[[chain]]\nname = \"c\"\ngenerations = 2\nkeep = true\nfresh = 0.25\n";
  const Ran whole = e.run(e.words("run", "whole"));
  ASSERT_EQ(whole.status, 0) << whole.err;
  ASSERT_EQ(e.run(e.words("report", "whole")).status, 0);
  expect_nothing_of_one_seed(e, "whole");
  // Ctrl-C once something is made: it says how to go on.
  const pid_t asked = e.start(e.words("run", "killed"));
  for (int i = 0; i < 3000 && !fs::exists(e.file("killed/stages")); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  kill(asked, SIGINT);
  const Ran stopped = e.end(asked);
  EXPECT_EQ(stopped.status, 130) << stopped.err;
  EXPECT_TRUE(std::regex_search(stopped.err, std::regex("stopped: [0-9]+ of [0-9]+ stages are made; the same "
                                                        "command continues\n$")))
      << stopped.err;
  const int kills = std::getenv("RUM_TEST_ALL") ? 100 : 6;
  const Random random{3, Stream::sample};
  int killed = 0;
  for (uint32_t i = 0; i < 1000 && killed < kills; ++i) {
    const pid_t child = e.start(e.words("run", "killed"));
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + random.bits({0, 0, 0, i}).at[0] % 700));
    kill(child, SIGKILL);
    if (e.end(child).status == 128 + SIGKILL) {
      ++killed;
    } else {  // it was finished: start another one
      fs::remove_all(e.file("killed"));
    }
  }
  EXPECT_EQ(killed, kills);
  const Ran rest = e.run(e.words("run", "killed"));
  ASSERT_EQ(rest.status, 0) << rest.err;
  ASSERT_EQ(e.run(e.words("report", "killed")).status, 0);
  EXPECT_EQ(timeless(slurp(e.file("killed/report.html"))), timeless(slurp(e.file("whole/report.html"))));
  for (const char* f : {"results.csv", "sentences.csv", "claims.json"})
    EXPECT_EQ(slurp(e.file(std::string("killed/") + f)), slurp(e.file(std::string("whole/") + f))) << f;
}
TEST(ExperimentProgram, AChangedSettingRedoesWhatDependsOnIt) {
  Experiment e;
  copy_small(e, "x");
  e.config = replaced(small(e.config), "real = 0.5", "real = 0.25");
  const Ran ran = e.run(e.words("run", "x"));
  ASSERT_EQ(ran.status, 0) << ran.err;
  // The mixture, its measures, its student, the evaluation: nothing else.
  EXPECT_NE(ran.err.find("4 of them now"), std::string::npos) << ran.err;
}
TEST(ExperimentProgram, ASourceLongerThanTheContextIsLeftOutWithACount) {
  Experiment e;
  e.config = small(e.config);
  const auto lengthen = [&](const char* file, int which) {
    std::istringstream lines(slurp(e.file(file)));
    std::string longer;
    int number = 0;
    for (std::string line; std::getline(lines, line); longer += line + "\n")
      if (++number == which)
        for (int i = 0; i < 7; ++i) line = line.substr(0, line.find('\t')) + " " + line;
    e.write(file, longer);
  };
  lengthen("train.tsv", 710);  // of the pool
  lengthen("test.tsv", 3);
  std::vector<std::string> pairs;
  std::istringstream lines(slurp(e.file("test.tsv")));
  for (std::string line; std::getline(lines, line);) pairs.push_back(line);
  pairs.at(99) = pairs.at(0);  // of the 100 that are read
  e.write("test.tsv", fmt::format("{}\n", fmt::join(pairs, "\n")));
  const size_t repeated = 100 - std::set(pairs.begin(), pairs.begin() + 100).size();
  const Ran ran = e.run(e.words("run", "x"));
  ASSERT_EQ(ran.status, 0) << ran.err;
  const Ran report = e.run(e.words("report", "x"));
  ASSERT_EQ(report.status, 0) << report.err;
  std::istringstream results(slurp(e.file("x/results.csv")));
  for (std::string row; std::getline(results, row);)
    EXPECT_EQ(row.find("NLL,,"), std::string::npos) << row;  // without a number
  EXPECT_NE(slurp(e.file("x/report.html")).find("<li>1 of 100 test pairs does not fit the context"),
            std::string::npos);
  EXPECT_GE(repeated, 1u);
  EXPECT_NE(slurp(e.file("x/report.html"))
                .find(fmt::format("<li>{} of 100 test pairs repeat an earlier one", repeated)),
            std::string::npos);
  int stages = 0;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages"))) {
    const std::string stage = entry.path().filename().string();
    if (stage.starts_with("judge-")) {
      std::istringstream judged(slurp(entry.path() / "test.jsonl"));
      int64_t number = 0;
      for (std::string line; std::getline(judged, line); ++number)
        EXPECT_EQ(line.find("\"nll\":0,\"tokens\":0}") != std::string::npos, number == 2) << line;
      EXPECT_GT(number, 3);
    }
    if (!stage.starts_with("generate-")) continue;
    ++stages;
    EXPECT_NE(slurp(entry.path() / "counts.json").find("\"left_out\":1"), std::string::npos) << stage;
    const std::string targets = slurp(entry.path() / "targets.tsv");
    EXPECT_LT(std::count(targets.begin(), targets.end(), '\n'), 500) << stage;
  }
  EXPECT_GE(stages, 1);
}
// As `ruminate translate --template` would write it, cut off or not.
TEST(ExperimentProgram, AModelOfPlainTextTranslatesAsItIsTold) {
  Experiment e;
  write_run(e.file("told"), {.kind = CorpusKind::documents, .context = 128});
  e.config = small(e.config) + "[generator.told]\nmodel = \"" + e.file("told") +
             "\"\ntemplate = \"say {source}:\"\n[[arm]]\nname = \"told\"\ngroup = \"T\"\ntargets = "
             "\"told/greedy\"\n";
  ASSERT_EQ(e.run(e.words("run", "x", {"--group", "T"})).status, 0);
  std::string stage;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages")))
    if (slurp(entry.path() / "stage.json").find("say {source}:") != std::string::npos)
      stage = entry.path().string();
  const std::string whole = slurp(stage + "/generated.jsonl");
  std::string sources;
  int64_t unfinished = 0;  // its context of 128 tokens ends before max_new, 256
  for (const Generated& g : read_generated(stage + "/generated.jsonl")) {
    sources += g.source + "\n";
    unfinished += !g.finished;
  }
  ASSERT_GT(unfinished, 0);
  EXPECT_NE(slurp(stage + "/counts.json").find(fmt::format("\"unfinished\":{}}}", unfinished)),
            std::string::npos)
      << slurp(stage + "/counts.json");
  e.write("de", sources);
  ASSERT_EQ(e.run({"translate", e.file("told"), "--input", e.file("de"), "--template",
                   "say {source}:", "--jsonl", "--output", e.file("pool"), "--generator", "told/greedy"})
                .status,
            0);
  EXPECT_TRUE(whole == slurp(e.file("pool")));

  const std::string part = stage + ".part";
  fs::remove(stage + "/stage.json");
  fs::rename(stage, part);
  Disk::real().replace_text(part + "/generated.jsonl", whole.substr(0, whole.size() / 2));
  ASSERT_EQ(e.run(e.words("run", "x", {"--group", "T"})).status, 0);
  EXPECT_TRUE(slurp(stage + "/generated.jsonl") == whole);
  // Without the model its output is still recognised.
  fs::rename(e.file("told"), e.file("away"));
  const Ran report = e.run(e.words("report", "x", {"--group", "T"}));
  EXPECT_EQ(report.status, 0) << report.err;
  EXPECT_NE(slurp(e.file("x/report.html")).find(fmt::format("<li>{} translations break off ", unfinished)),
            std::string::npos);
  expect_refusal(e.run(e.words("run", "x", {"--group", "T"})), "not a run folder");
}
// What a config names is looked at before the first stage, which may be hours before the one that reads it.
TEST(ExperimentProgram, GivenModelsAndTranslationsAreCheckedFirst) {
  Experiment e;
  const std::string whole = small(e.config);
  const auto refuse = [&](const std::string& generator, const std::string& targets, const std::string& part) {
    e.config = whole + generator + "[[arm]]\nname = \"given\"\ntargets = \"" + targets + "\"\n";
    for (const char* command : {"status", "run"}) expect_refusal(e.run(e.words(command, "x")), part);
    EXPECT_FALSE(fs::exists(e.file("x")));
  };
  const auto given = [&](const char* run, const char* told = "") {
    return "[generator.given]\nmodel = \"" + e.file(run) + "\"\n" + told;
  };
  write_run(e.file("run"), {});
  write_run(e.file("other"), {.vocab = 310});
  fs::copy(e.file("run"), e.file("mixed"), fs::copy_options::recursive);
  fs::copy_file(e.file("other/tokenizer.json"), e.file("mixed/tokenizer.json"),
                fs::copy_options::overwrite_existing);
  refuse(given("mixed"), "given/greedy", "generator given: " + e.file("mixed/model.safetensors"));
  fs::copy(e.file("run"), e.file("cut"), fs::copy_options::recursive);
  fs::resize_file(e.file("cut/model.safetensors"), fs::file_size(e.file("cut/model.safetensors")) / 2);
  refuse(given("cut"), "given/greedy", "generator given: " + e.file("cut/model.safetensors"));
  refuse(given("none"), "given/greedy", e.file("none") + ": ");
  write_run(e.file("told"), {.kind = CorpusKind::documents, .context = 16});
  refuse(given("told", "template = \"{source} =\"\nchat = true\n"), "given/greedy",
         "generator given: this model was not trained to chat");
  refuse(given("told", "template = \"0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 {source}\"\n"), "given/greedy",
         "told: its context of 16 tokens has no room for a translation behind ");
  const std::string outside = slurp(e.file("outside.jsonl"));
  e.write("outside.jsonl", outside.substr(outside.find('\n') + 1));
  refuse("", "outside", "outside.jsonl: 1 ids of the pool are missing: 0");
}
TEST(ExperimentProgram, AConfigThatIsNotThereMayBeOneThatShips) {
  const Experiment e;
  const std::string shipped = "data/configs/experiments";
  const auto said = [&](const std::string& config) {
    const Ran ran = e.run({"experiment", "run", config});
    EXPECT_EQ(ran.status, 1);
    return ran.err;
  };
  const std::string missing = ": cannot open: No such file or directory; expected a TOML file";
  for (const char* name : {"smoke.toml", "smoke", "experiments/smoke.toml"}) {
    EXPECT_NE(said(name).find(name + missing + "; did you mean \"" + shipped + "/smoke.toml\"?"),
              std::string::npos)
        << said(name);
  }
  EXPECT_NE(said("smoek.toml")
                .find("smoek.toml" + missing + ", such as those in " + shipped +
                      "; did you mean \"smoke\"? Known: chain, "),
            std::string::npos)
      << said("smoek.toml");
  const std::string elsewhere = "cd " + e.scratch.path + " && " + fs::absolute(program_path()).string();
  const Ran alone = e.shell(elsewhere + " experiment run smoke.toml");
  EXPECT_EQ(alone.status, 1);
  EXPECT_TRUE(alone.err.ends_with("smoke.toml" + missing + "\n")) << alone.err;
}
TEST(ExperimentProgram, AConfigOfSomethingElseIsNotOverwritten) {
  Experiment e;
  fs::create_directory(e.file("x"));
  e.write("x/config.toml", "[run]\nfolder = \"x\"\n");
  expect_refusal(e.run(e.words("run", "x")), "x/config.toml: it is not of an experiment");
  EXPECT_EQ(slurp(e.file("x/config.toml")), "[run]\nfolder = \"x\"\n");
  EXPECT_EQ(std::distance(fs::directory_iterator(e.file("x")), {}), 1);
  fs::rename(e.file("x/config.toml"), e.file("x/log.txt"));
  expect_refusal(e.run(e.words("run", "x")), "x/log.txt: it is not of an experiment");
  EXPECT_EQ(slurp(e.file("x/log.txt")), "[run]\nfolder = \"x\"\n");
}
// Of a pool that nobody translated twice, and a gate that asks for BLEU alone.
TEST(ExperimentProgram, WhatIsNotDefinedHasNoNumber) {
  Experiment e;
  copy_small(e, "x");
  for (const auto& entry : fs::directory_iterator(e.file("x/stages"))) {
    if (!entry.path().filename().string().starts_with("measure-")) continue;
    const std::string path = entry.path().string(), before = slurp(path + "/measures.json");
    Json measures = parse_json(before, path);
    for (auto& [key, value] : std::get<Json::Object>(measures.value))
      if (key == "floor") value = Json(Json::Object{});
    const std::string now = to_json(measures);
    std::ofstream(path + "/measures.json") << now;
    const std::string facts = slurp(path + "/stage.json");
    std::ofstream(path + "/stage.json") << replaced(facts, hex64(hash64(before)), hex64(hash64(now)));
  }
  e.config = replaced(small(e.config), "claim = \"C1\"\nhalf_width = 50\n", "") +
             "[[claim]]\nid = \"C4\"\ntext = \"errors\"\nkind = \"errors\"\nbetter = \"human\"\n"
             "worse = \"self/greedy\"\nmeasures = [\"ter\"]\n";
  const Ran report = e.run(e.words("report", "x"));
  ASSERT_EQ(report.status, 0) << report.err;
  EXPECT_NE(report.out.find("errors (C4): ter (no floor): undecided\n"), std::string::npos) << report.out;
  EXPECT_TRUE(std::regex_search(report.out, std::regex("\ngate: [a-zA-Z ]+ \\(BLEU [0-9.]+ of 0.50\\)\n")))
      << report.out;
  const Json all = parse_json(slurp(e.file("x/claims.json")), "claims.json");
  EXPECT_EQ(all.find("gate")->find("half_width"), nullptr);
  const Json& row = all.find("claims")->array()->back().find("rows")->array()->front();
  for (const char* key : {"difference", "low", "seed_sd", "seed_low", "seed_high"})
    EXPECT_TRUE(row.find(key)->is_null()) << key;
}
TEST(ExperimentProgram, TwoRunsAtOnceAreRefused) {
  Experiment e;
  e.config = small(e.config);
  fs::create_directories(e.file("x/locks"));
  const FileLock held(e.file("x/locks/experiment"));
  expect_refusal(e.run(e.words("run", "x")), "another process runs this experiment");
}
TEST(ExperimentProgram, JobsAreCommandsThatMakeTheWholeExperiment) {
  Experiment e;
  e.config = small(e.config);
  const Ran jobs = e.run(e.words("jobs", "x", {"--plain"}));
  ASSERT_EQ(jobs.status, 0) << jobs.err;
  std::istringstream lines(jobs.out);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const std::string id = line.substr(line.rfind(' ') + 1);
    const Ran made = e.run(e.words("stage", "x", {"--stage", id, "--threads", "1"}));
    EXPECT_EQ(made.status, 0) << made.err;
  }
  EXPECT_GT(count, 10);
  EXPECT_EQ(e.run(e.words("report", "x")).status, 0);
  EXPECT_NE(e.run(e.words("jobs", "y", {"--slurm"})).out.find("sbatch --parsable"), std::string::npos);
  expect_refusal(e.run(e.words("report", "y")), "no arm is finished yet");
  fs::create_directory(e.file("theirs"));
  e.write("theirs/report.html", "mine");
  expect_refusal(e.run(e.words("report", "x", {"--output", e.file("theirs")})), "not of an earlier report");
  EXPECT_EQ(slurp(e.file("theirs/report.html")), "mine");
  expect_refusal(e.run(e.words("stage", "x", {"--stage", "train-1"})), "no stage \"train-1\"");
  const Ran wrong = e.run(e.words("rum", "x"));
  EXPECT_EQ(wrong.status, 2);
  EXPECT_NE(wrong.err.find("unknown \"rum\"; did you mean \"run\"? Known: run, status, "), std::string::npos)
      << wrong.err;
}
// As a user runs it: paths of the config itself, no flags but the groups.
TEST(ExperimentProgram, MakeReproduceRunsAScaleAndWritesItsReport) {
  const Experiment e;
  for (const char* folder : {"build", "data/cache", "data/configs/experiments"})
    fs::create_directories(e.file(folder));
  fs::create_symlink(fs::absolute(program_path()), e.file("build/ruminate"));
  fs::create_directory_symlink(e.scratch.path, e.file("data/cache/smoke"));
  std::string config = small(slurp("data/configs/experiments/smoke.toml"));
  config = replaced(config, "name = \"human\"", "group = \"A\"\nname = \"human\"");
  config = replaced(config, "name = \"self, greedy\"", "group = \"B\"\nname = \"self, greedy\"");
  e.write("data/configs/experiments/smoke.toml", config);
  e.write("data/smoke.sh", "exit 1  # the corpus is there\n");
  copy_small(e, "runs/experiments/smoke");
  int64_t judged = 0;  // what it finds unmade
  for (const auto& entry : fs::directory_iterator(e.file("runs/experiments/smoke/stages")))
    if (entry.path().filename().string().starts_with("judge-")) judged += fs::remove_all(entry.path()) > 0;
  EXPECT_EQ(judged, 3);  // one of them in no group
  const std::string command = "cd " + e.scratch.path + " && bash " +
                              fs::absolute("tools/reproduce.sh").string() + " smoke A B >said 2>&1";
  ASSERT_EQ(system(command.c_str()), 0) << slurp(e.file("said"));
  EXPECT_NE(slurp(e.file("said")).find(" stages are made, 2 of them now"), std::string::npos)
      << slurp(e.file("said"));
  EXPECT_NE(slurp(e.file("said")).find("C1"), std::string::npos) << slurp(e.file("said"));
  EXPECT_TRUE(fs::exists(e.file("runs/experiments/smoke/report.html")));
}
TEST(ExperimentProgram, TheCorpusIsTheConfigsUnlessOneIsGiven) {
  Experiment e;
  const std::string given = e.run(e.words("jobs", "x", {"--plain"})).out;
  EXPECT_FALSE(given.empty());
  EXPECT_EQ(e.run(e.words("status", "x")).status, 0);
  EXPECT_FALSE(fs::exists(e.file("x")));  // who only asks makes nothing
  for (int files = 4; files > 0; --files)
    e.config = replaced(e.config, "\"" + e.scratch.path, "\"" + e.file("gone"));
  expect_refusal(e.run(e.words("jobs", "x")), "gone/train.tsv: cannot open");
  const std::vector<std::string> flags{"--plain", "--data", e.scratch.path, "--generated",
                                       "outside=" + e.file("outside.jsonl")};
  const Ran moved = e.run(e.words("jobs", "x", flags));
  EXPECT_EQ(moved.status, 0) << moved.err;
  EXPECT_EQ(std::count(moved.out.begin(), moved.out.end(), '\n'),
            std::count(given.begin(), given.end(), '\n'));
  std::istringstream lines(moved.out);
  for (std::string line; std::getline(lines, line);)
    EXPECT_NE(line.find("--data " + e.scratch.path), std::string::npos) << line;
}
// An installed program has no build/ruminate.
TEST(ExperimentProgram, JobsCallTheProgramThatListsThem) {
  Experiment e;
  e.words("jobs", "x");
  const std::string ours = fs::canonical(program_path()).string();
  fs::copy_file(ours, e.file("here"));
  for (const std::string& program : {ours, std::string("./here")}) {
    const std::string command =
        "cd " + e.scratch.path + " && " + program + " experiment jobs c.toml --folder x --plain >jobs";
    ASSERT_EQ(system(command.c_str()), 0);
    EXPECT_EQ(slurp(e.file("jobs")).find(program + " experiment stage c.toml "), 0u) << program;
  }
}
// What a model that is run elsewhere is asked: before its answers are there, and so before anything can run.
TEST(ExperimentProgram, ThePoolsSourcesAreExportedFirst) {
  Experiment e;
  fs::remove(e.file("outside.jsonl"));
  expect_refusal(e.run(e.words("run", "x")), "outside.jsonl: cannot open");
  const Ran ran = e.run(e.words("export", "x", {"--sources", "-o", e.file("sources.txt")}));
  ASSERT_EQ(ran.status, 0) << ran.err;
  std::set<std::string> trained;  // sources of the corpus that it is a part of
  std::istringstream train(slurp(e.file("train.tsv"))), sources(slurp(e.file("sources.txt")));
  for (std::string line; std::getline(train, line);) trained.insert(line.substr(0, line.find('\t')));
  int64_t n = 0;
  for (std::string line; std::getline(sources, line); ++n) EXPECT_TRUE(trained.contains(line)) << line;
  EXPECT_EQ(n, 500);
  for (const char* owned : {"x/log.txt", "x/stages/seed.tsv"})
    expect_refusal(e.run(e.words("export", "x", {"--sources", "-o", e.file(owned)})),
                   "it belongs to the experiment ");
  expect_refusal(e.run(e.words("export", "x", {"--sources", "--arm", "human"})),
                 "--arm needs `export` without --sources");
  expect_refusal(e.run(e.words("report", "x", {"--sources"})),
                 "--sources is for `ruminate experiment export`");
}
// Names that would run commands if they were pasted into a script unquoted.
TEST(ExperimentProgram, JobsRunNothingButTheirStages) {
  Experiment e;
  e.config = small(e.config);
  const std::string folder = "x '$(touch ran)'; touch ran `touch ran` \"end";
  e.write("sbatch",
          "#!/bin/bash\nfor word; do last=$word; done\nSLURM_ARRAY_TASK_ID=1 bash -c \"$last\"\n"
          "echo 7\n");
  const std::string ours = fs::proximate(program_path()).string();
  ASSERT_FALSE(ours.starts_with("/") || ours.starts_with("..")) << "it would be written over";
  fs::create_directories(fs::path(e.file(ours)).parent_path());
  e.write(ours, "#!/bin/bash\nprintf '%s\\n' \"$7\" \"${@: -1}\" >>seen\n");
  for (const std::string& program : {std::string("sbatch"), ours})
    fs::permissions(e.file(program), fs::perms::owner_all);
  for (const char* kind : {"--plain", "--slurm"}) {
    const Ran jobs = e.run(e.words("jobs", folder, {kind}));
    ASSERT_EQ(jobs.status, 0) << jobs.err;
    e.write("script", jobs.out), e.write("seen", "");
    ASSERT_EQ(system(("cd " + e.scratch.path + " && PATH=.:$PATH bash script >said 2>&1").c_str()), 0)
        << slurp(e.file("said"));
    EXPECT_FALSE(fs::exists(e.file("ran"))) << jobs.out;
    std::istringstream seen(slurp(e.file("seen")));
    std::string where, id;
    while (std::getline(seen, where) && std::getline(seen, id)) EXPECT_EQ(where, e.file(folder));
    EXPECT_EQ(id.substr(0, 5), "judge") << "the last wave";
  }
}
TEST(ExperimentProgram, BadInputIsRefusedWithItsPlace) {
  Experiment e;
  e.config = small(e.config);
  expect_refusal(e.run(e.words("jobs", "x\ntouch ran")), "without control characters");
  expect_refusal(e.run(e.words("jobs", "a", {"--slurm", "--plain"})), "--plain needs commands alone");
  expect_refusal(e.run(e.words("report", "a", {"--jobs", "2"})), "--jobs needs `ruminate experiment run`");
  expect_refusal(e.run(e.words("export", "a", {"--threads", "2"})),
                 "--threads needs `ruminate experiment run`");
  for (const char* command : {"status", "jobs", "report", "run"})
    expect_refusal(e.run(e.words(command, "train.tsv")), "train.tsv\" is a file; name a folder");
  expect_refusal(e.run(e.words("run", "a", {"--group", "A"})), "no group \"A\"; there are none");
  const std::string train = slurp(e.file("train.tsv")), test = slurp(e.file("test.tsv")),
                    outside = slurp(e.file("outside.jsonl"));
  e.write("test.tsv", train.substr(0, train.find('\n') + 1) + test);
  expect_refusal(e.run(e.words("run", "a")), "overlap in 1 pairs (line 1 and line 1 share a source)");
  size_t judge = 0;  // a pair beyond seed set and pool
  for (int line = 0; line < 1300; ++line) judge = train.find('\n', judge) + 1;
  e.write("test.tsv", train.substr(judge, train.find('\n', judge) + 1 - judge) + test);
  expect_refusal(e.run(e.words("run", "a")), "overlap in 1 pairs (line 1 and line 1301 share a source)");
  e.write("test.tsv", test);
  e.config = replaced(e.config, "pool_pairs = 500", "pool_pairs = 1500");
  expect_refusal(e.run(e.words("run", "b")),
                 "data.seed_pairs, data.pool_pairs and data.judge_pairs ask for 2500");
  e.config = replaced(e.config, "pool_pairs = 1500", "pool_pairs = 500");
  const std::string given = e.config;
  e.config = replaced(e.config, "with = \"low/greedy\"", "with = \"informed/greedy\"") +
             "[[arm]]\nname = \"by quality\"\ntargets = \"self/greedy\"\n"
             "apply = [{ op = \"filter\", by = \"quality\", keep = 0.5 }]\n";
  expect_refusal(e.run(e.words("run", "b")), "generator informed learned from the judge set, so ");
  e.config = given;
  // A volume that is too small for a batch.
  const std::string arms = e.config;
  e.config = replaced(e.config, "name = \"human\"\ntargets = \"human\"\n",
                      "name = \"human\"\ntargets = \"human\"\nvolumes = [0.003, 1.0]\n");
  expect_refusal(e.run(e.words("run", "v")), "fewer than a batch of 256");
  e.config = arms;
  // The output of an external model.
  copy_small(e, "c");
  e.config = replaced(e.config, "targets = \"self/greedy\"", "targets = \"outside\"");
  const auto refuse = [&](const std::string& lines, const char* part) {
    e.write("outside.jsonl", lines);
    expect_refusal(e.run(e.words("run", "c")), part);
  };
  refuse(outside.substr(outside.find('\n') + 1), "1 ids of the pool are missing: 0");
  refuse(outside + outside.substr(0, outside.find('\n') + 1), "line 501: id 0 appears twice");
  refuse(outside + "{\"id\": 500, \"target\": \"x\"}\n", "id 500 is not in the pool, which has ids 0 to 499");
  refuse(outside + "{\"id\": 3}\n", "\"target\" is missing");
  refuse("Haus\thouse\n", "has 1 lines, the pool 500");
  // Blank lines at the end are none; sources, where they are, are the pool's, in any form of Unicode.
  refuse(outside.substr(outside.find('\n') + 1) + "\n \n", "1 ids of the pool are missing: 0");
  std::string aligned;
  for (const auto& entry : fs::directory_iterator(e.file("c/stages")))
    if (entry.path().filename().string().starts_with("split-"))
      for (const Pair& t : edits::read_pool(entry.path().string()).texts) {
        const auto id = std::count(aligned.begin(), aligned.end(), '\n');
        aligned += to_json(Json::Object{{"id", int64_t{id}}, {"source", t.source}, {"target", "x"}}) + "\n";
      }
  ASSERT_EQ(std::count(aligned.begin(), aligned.end(), '\n'), 500);
  const std::string again = "{\"id\": 0, \"target\": \"x\"}\n";
  std::string decomposed = aligned;
  for (size_t at = 0; (at = decomposed.find("\u00FC", at)) != std::string::npos;)
    decomposed.replace(at, 2, "u\u0308");
  EXPECT_NE(decomposed, aligned);
  refuse(aligned + again, "line 501: id 0 appears twice");
  // The last of these is the first that is another.
  const std::string nonsense = "{\"id\": 499, \"source\": \"Unsinn.\", \"target\": \"x\"}\n";
  for (std::string* all : {&aligned, &decomposed}) {
    all->pop_back();
    all->resize(all->rfind('\n') + 1);
    refuse(*all + nonsense, "line 500: its source is not that of the pool's pair 499 (\"");
  }
  fs::remove(e.file("outside.jsonl"));
  expect_refusal(e.run(e.words("run", "c")), "outside.jsonl: cannot open: No such file");
  expect_refusal(
      e.shell("cd " + e.scratch.path + " && exec " + fs::absolute(program_path()).string() +
              " experiment run " + fs::absolute("data/configs/experiments/laptop.toml").string()),
      "data/cache/tatoeba/train.tsv: there is no such file; `make reproduce SCALE=...` fetches it");
  expect_refusal(e.run({"experiment", "run", e.file("none.toml")}), "none.toml: cannot open: No such file");
}
}  // namespace
}  // namespace rum::experiment_program_test
