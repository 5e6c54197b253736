// A pool translated in a stage: interrupted anywhere and started again, the file has the bytes of an
// uninterrupted run, whatever the batch and the number of threads. Files of other jobs are refused.
#include "generate/generated.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/error.h"
#include "base/hash.h"
#include "base/threads.h"
#include "checkpoint/weights.h"
#include "generate/log_probs.h"
#include "generate/translate.h"
#include "metrics/chrf.h"
#include "run/provenance.h"
#include "tests/error_of.h"
#include "tests/grammar/grammar.h"
#include "tests/run_folder.h"
#include "tests/scratch.h"
#include "text/unicode.h"
#include "train/evaluate.h"
#include "train/trainer.h"

namespace rum::generated_test {
using namespace metrics;
namespace fs = std::filesystem;
namespace {

// Two models of a few steps, one of each kind, trained once for all tests.
class Generation : public testing::TestWithParam<ModelKind> {
 protected:
  static Scratch& folder() {
    static Scratch scratch;
    return scratch;
  }
  static const LoadedRun& run(ModelKind kind) {
    static std::map<ModelKind, std::unique_ptr<LoadedRun>> runs;
    if (!runs.contains(kind)) {
      RunConfig c;
      c.folder = folder().path + (kind == ModelKind::gpt ? "/gpt" : "/pair");
      c.model_kind = kind;
      runs[kind] = train(std::move(c), grammar_pairs(200, 7));
    }
    return *runs[kind];
  }
  // A model from target to source, and one of targets alone.
  static const LoadedRun& reverse() {
    static std::unique_ptr<LoadedRun> run;
    if (!run) {
      auto pairs = grammar_pairs(200, 7);
      for (Pair& t : pairs) std::swap(t.source, t.target);
      RunConfig c;
      c.folder = folder().path + "/reverse";
      run = train(std::move(c), pairs);
    }
    return *run;
  }
  static const LoadedRun& lm() {
    static std::unique_ptr<LoadedRun> run;
    if (!run) {
      auto texts = grammar_pairs(200, 7);
      for (Pair& t : texts) t.source.clear();
      RunConfig c;
      c.folder = folder().path + "/lm";
      c.kind = CorpusKind::documents;
      run = train(std::move(c), texts);
    }
    return *run;
  }
  static std::unique_ptr<LoadedRun> train(RunConfig c, const std::vector<Pair>& texts) {
    c.model = {.context = 96, .layers = 1, .heads = 2, .kv_heads = 0, .width = 16, .inner = 32};
    c.bpe.vocab = 300, c.tokens = 256, c.steps = 30, c.bleu_texts = 0, c.schedule.warmup = 2;
    c.schedule.peak = 1e-2f;
    return quietly_trained(std::move(c), texts);
  }
  const LoadedRun& run() const { return run(GetParam()); }
  std::string file(const std::string& name) const {
    const std::string path = folder().path + "/" + name;
    fs::remove(path);
    return path;
  }
  static std::vector<std::string> sources(int n) {
    std::vector<std::string> out;
    for (const Pair& t : grammar_pairs(n, 11)) out.push_back(t.source);
    return out;
  }
  std::string bytes(std::span<const std::string> pool, const Decoding& d, const std::string& path) const {
    generate_file(run(), pool, d, provenance_of(run(), d), path);
    return Disk::real().read(path);
  }
};
class OneSequence : public Generation {};  // sources take room in the context
const Decoding kModes[] = {{.max_ratio = 1.5f},
                           {.beam = 3, .max_ratio = 1.5f},
                           {.sample = true, .temperature = .8f, .top_k = 50, .max_ratio = 1.5f, .seed = 4}};

TEST_P(Generation, LinesSayWhatTheModelWroteAndWhereItCameFrom) {
  const auto pool = sources(40);
  for (const Decoding& d : kModes) {
    const std::string path = file("lines.jsonl");
    bytes(pool, d, path);
    const auto lines = read_generated(path);
    ASSERT_EQ(lines.size(), pool.size());
    std::vector<Pair> pairs;
    std::vector<Example> examples;
    for (size_t i = 0; i < lines.size(); ++i) {
      const Generated& g = lines[i];
      EXPECT_EQ(g.id, static_cast<int64_t>(i));
      EXPECT_EQ(g.source, pool[i]);
      EXPECT_EQ(g.from.generator, GetParam() == ModelKind::gpt ? "gpt" : "pair");
      EXPECT_EQ(g.from.checkpoint, hex64(weights_hash(run().params)));
      EXPECT_EQ(g.from.seed, d.seed);
      // One text alone, with its number: what generate() says.
      const Prompt p = source_prompt(pool[i], run().tokenizer);
      Decoding alone = d;
      alone.first = static_cast<uint32_t>(i);
      const Hypothesis h = generate(run().model, {&p, 1}, run().tokenizer.special(kEos), alone)[0][0];
      EXPECT_EQ(g.target, one_line(run().tokenizer.decode(h.tokens)));
      EXPECT_EQ(g.log_prob, h.log_prob);
      EXPECT_EQ(g.tokens, static_cast<int64_t>(h.tokens.size()) + h.finished);
      EXPECT_EQ(to_line(g), to_line(lines[i]));
      Example& e = examples.emplace_back(Example{p.tokens, p.prefix});
      e.tokens.insert(e.tokens.end(), h.tokens.begin(), h.tokens.end());
      if (h.finished) e.tokens.push_back(run().tokenizer.special(kEos));
    }
    const auto scores = log_probs(run().model, examples);  // the scorer, a path of its own
    for (size_t i = 0; i < lines.size(); ++i)
      EXPECT_NEAR(lines[i].log_prob, scores[i], 1e-4 * std::max(1.0, -scores[i]));
  }
  EXPECT_EQ(describe(kModes[0]), "greedy max_new 0 max_ratio 1.5");
  EXPECT_EQ(describe(kModes[1]), "beam 3 length_penalty 1 max_new 0 max_ratio 1.5");
  EXPECT_EQ(describe(kModes[2]), "sample temperature 0.8 top_k 50 top_p 1 min_p 0 max_new 0 max_ratio 1.5");
}

TEST_P(Generation, CutOffAnywhereItEndsWithTheSameBytes) {
  const auto pool = sources(12);
  for (const Decoding& d : kModes) {
    const std::string path = file("cut.jsonl"), whole = bytes(pool, d, path);
    ASSERT_EQ(std::count(whole.begin(), whole.end(), '\n'), 12);
    EXPECT_EQ(bytes(pool, d, path), whole);  // nothing to do
    for (size_t cut = 0; cut < whole.size(); cut += 61 + cut % 157) {
      std::ofstream(path, std::ios::binary) << whole.substr(0, cut);
      int64_t last = -1, before = -1;
      const int64_t had = generate_file(run(), pool, d, provenance_of(run(), d), path,
                                        [&](int64_t lines, int64_t b) { last = lines, before = b; });
      EXPECT_EQ(had, std::count(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut), '\n'));
      EXPECT_EQ(last, 12);
      EXPECT_EQ(before, had);
      ASSERT_EQ(Disk::real().read(path), whole) << "cut at byte " << cut;
    }
  }
}

// A power cut may leave NULs where a line was to stand.
TEST_P(Generation, OnlyABeginningOfItsOwnLineIsCutOff) {
  const auto pool = sources(4);
  const Decoding& d = kModes[0];
  const std::string path = file("tail.jsonl"), whole = bytes(pool, d, path);
  const size_t second = whole.find('\n') + 1, third = whole.find('\n', second) + 1;
  const std::string one = whole.substr(0, second), nuls(9, '\0');
  for (const std::string& tail : {std::string(), nuls, std::string("{\"i"), "{\"id\":1,\"sou" + nuls,
                                  whole.substr(second, third - second - 1)}) {
    Disk::real().replace_text(path, one + tail);
    EXPECT_EQ(bytes(pool, d, path), whole);
  }
  for (const std::string& tail : {nuls, std::string("\n"), std::string(" \r\n\n"), "\n" + nuls + "\n"})
    for (const std::string& before : {std::string(), one, whole}) {  // no text, one, or all of them
      Disk::real().replace_text(path, before + tail);
      EXPECT_EQ(bytes(pool, d, path), whole);
    }
  for (const std::string& tail :
       {std::string("the only sentence of my thesis"), std::string("{\"id\":1,\"text\":\"mine\"}"),
        std::string("{\"id\":2,\"source\":"), std::string("{\"idea\":"), "x" + nuls})
    for (const std::string& before : {std::string(), one}) {
      Disk::real().replace_text(path, before + tail);
      const std::string e = error_of([&] { bytes(pool, d, path); });
      EXPECT_NE(e.find(before.empty() ? "line 1 has no end" : "line 2 has no end"), std::string::npos) << e;
      EXPECT_EQ(Disk::real().read(path), before + tail);
    }
  Disk::real().replace_text(path, whole + "{\"id\":4");  // one more than there are
  EXPECT_NE(error_of([&] { bytes(pool, d, path); }).find("line 5 has no end"), std::string::npos);
}

// Its context holds 96 tokens, those of the source and <sep> among them.
TEST_P(OneSequence, WhatEndsWithTheContextIsToldFromWhatIsFinished) {
  std::string source;
  while (source_prompt(source, run().tokenizer).tokens.size() < 48) source += '!';
  EXPECT_TRUE(translatable(run(), source, nullptr, 48));
  EXPECT_FALSE(translatable(run(), source, nullptr, 49));
  EXPECT_FALSE(translatable(run(), " ", nullptr, 1));
  EXPECT_TRUE(fills_context(run(), source, {"x", 0, 48, false}));
  EXPECT_FALSE(fills_context(run(), source, {"x", 0, 48, true}));
  EXPECT_FALSE(fills_context(run(), source, {"x", 0, 47, false}));  // max_new or max_ratio ended it
  EXPECT_FALSE(fills_context(run(), source, {"", 0, 0, false}));    // left out
}

TEST_P(OneSequence, ASourceThatLeavesRoomForOneTokenIsTranslated) {
  const Tokenizer& tokenizer = run().tokenizer;
  std::vector<std::string> source{""};
  Prompt p;
  while ((p = source_prompt(source[0], tokenizer)).tokens.size() < 95) source[0] += '!';
  ASSERT_EQ(room(run().model, p), 1);
  size_t words = 0;
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const Decoding d{.sample = true, .seed = seed};
    const Hypothesis h = generate(run().model, {&p, 1}, tokenizer.end(), d)[0][0];
    const std::string there = translate(run().model, tokenizer, source, d)[0];
    EXPECT_EQ(there, tokenizer.decode(h.tokens));
    words += !there.empty();
  }
  EXPECT_GT(words, 0u);
}

TEST_P(Generation, BatchAndThreadsDoNotMatter) {
  const auto pool = sources(30);
  const int before = threads();
  for (Decoding d : kModes) {
    d.batch = 64;
    const std::string whole = bytes(pool, d, file("whole.jsonl"));
    for (const int64_t batch : {1, 5, 200})
      for (const int n : {1, 3}) {
        d.batch = batch;
        set_threads(n);
        EXPECT_EQ(bytes(pool, d, file("part.jsonl")), whole) << batch << " " << n;
      }
  }
  set_threads(before);
}

TEST_P(Generation, OtherWorkIsRefused) {
  auto pool = sources(5);
  const Decoding d = kModes[2];
  const std::string path = file("other.jsonl"), whole = bytes(pool, d, path);
  auto refusal = [&](const Decoding& with, const Provenance& from) {
    const std::string e = error_of([&] { generate_file(run(), pool, with, from, path); });
    EXPECT_EQ(Disk::real().read(path), whole);
    return e;
  };
  auto expect = [](const std::string& e, const char* part) {
    EXPECT_NE(e.find(part), std::string::npos) << e;
  };
  Decoding other = d;
  other.seed = 5;
  expect(refusal(other, provenance_of(run(), other)), "line 1: the seed is \"4\", but this work has \"5\"");
  other = d, other.top_k = 49;
  expect(refusal(other, provenance_of(run(), other)), "the decoding is");
  Provenance from = provenance_of(run(), d);
  from.generation = 2;
  expect(refusal(d, from), "the generation is \"1\"");
  from = provenance_of(run(), d), from.checkpoint = "0";
  expect(refusal(d, from), "the checkpoint is");
  other = d, other.best = 2, from = provenance_of(run(), other);
  expect(refusal(other, from), "the decoding is");
  other.sample = false;
  expect(refusal(other, from), "made of draws alone");
  from = provenance_of(run(), d);
  std::swap(pool[1], pool[2]);
  expect(refusal(d, from), "line 2: the source is");
  std::swap(pool[1], pool[2]);
  pool.pop_back();
  expect(refusal(d, from), "line 5: there are only 4 sources");
  pool = sources(5);
  const size_t second = whole.find('\n') + 1;
  auto with_line = [&](const std::string& line) {
    std::ofstream(path, std::ios::binary) << whole.substr(0, second) << line << '\n';
    return error_of([&] { generate_file(run(), pool, d, from, path); });
  };
  expect(with_line("{\"id\":1}"), "line 2: \"source\" is missing");
  expect(with_line("nonsense"), "other.jsonl: line 2");
  expect(with_line(whole.substr(0, second - 1)), "line 2: the id is \"0\"");
  std::string wrong = whole.substr(0, second - 1);
  wrong.replace(wrong.find("\"finished\":"), 11, "\"finished\":3,\"x\":");
  expect(with_line(wrong), "\"finished\": expected true or false, found 3");
}
TEST_P(Generation, WhatCannotBeTranslatedIsAnEmptyTargetAndChangesNoOther) {
  const auto pool = sources(7);
  auto holes = pool;
  holes[2] = " \u00A0", holes[5] = std::string(3000, 'x');
  const Decoding d = kModes[2];  // draws: each source has its own stream
  const std::string of_whole = file("whole.jsonl"), of_holes = file("holes.jsonl");
  bytes(pool, d, of_whole), bytes(holes, d, of_holes);
  const auto whole = read_generated(of_whole), with = read_generated(of_holes);
  ASSERT_EQ(with.size(), pool.size());
  for (size_t i = 0; i < pool.size(); ++i) {
    const bool hole = i == 2 || i == 5;
    EXPECT_EQ(with[i].target, hole ? "" : whole[i].target) << i;
    EXPECT_EQ(with[i].finished, !hole && whole[i].finished) << i;
  }
}
TEST_P(Generation, ASecondWriterIsRefused) {
  const std::string path = file("two.jsonl");
  const FileLock other(path);
  const auto pool = sources(2);
  const Decoding d = kModes[0];
  const std::string e = error_of([&] { generate_file(run(), pool, d, provenance_of(run(), d), path); });
  EXPECT_NE(e.find("another process is using it"), std::string::npos) << e;
}
TEST_P(Generation, SeveralDrawsOfASourceStandTogether) {
  const auto pool = sources(9);
  Decoding d = kModes[2];
  d.best = 3;
  const std::string path = file("draws.jsonl"), whole = bytes(pool, d, path);
  const auto lines = read_generated(path);
  ASSERT_EQ(lines.size(), 27u);
  for (size_t i = 0; i < pool.size(); ++i) {
    const Prompt p = source_prompt(pool[i], run().tokenizer);
    Decoding alone = d;
    alone.first = static_cast<uint32_t>(i);
    const auto drawn = generate(run().model, {&p, 1}, run().tokenizer.special(kEos), alone)[0];
    for (size_t k = 0; k < 3; ++k) {
      EXPECT_EQ(lines[3 * i + k].id, static_cast<int64_t>(i));
      EXPECT_EQ(lines[3 * i + k].target, one_line(run().tokenizer.decode(drawn[k].tokens)));
    }
  }
  for (size_t cut = 0; cut < whole.size(); cut += 173) {
    std::ofstream(path, std::ios::binary) << whole.substr(0, cut);
    const int64_t had = generate_file(run(), pool, d, provenance_of(run(), d), path);
    EXPECT_EQ(had, std::count(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut), '\n') / 3);
    ASSERT_EQ(Disk::real().read(path), whole) << "cut at byte " << cut;
  }
}

TEST_P(Generation, TheBestOfSeveralIsTheOneThatTheirScoresName) {
  const auto pool = sources(60);
  Decoding draws = kModes[2];
  draws.best = 5, draws.temperature = .5f;
  bytes(pool, draws, file("draws.jsonl")), bytes(pool, kModes[0], file("greedy.jsonl"));
  const auto drawn = read_generated(folder().path + "/draws.jsonl"),
             greedy = read_generated(folder().path + "/greedy.jsonl");
  const auto log_p = [](const LoadedRun& of, const Pair& t) {
    const Example e = to_example(t, of.tokenizer);
    return log_probs(of.model, {&e, 1})[0] / static_cast<double>(load_of(e, {}).scored);
  };
  const auto mbr_score = [](const Generated& g, const std::vector<Generated>& all) {
    double sum = 0;
    for (const Generated& other : all) {
      const Reference reference{other.target};
      const auto metric = make_chrf({.beta = 1});
      sum += metric->score(count(*metric, {g.target}, std::span(&reference, 1))[0]);
    }
    return sum;
  };
  const auto channel = [&](const Generated& g, const std::vector<Generated>&) {
    if (g.target.empty()) return -std::numeric_limits<double>::infinity();
    return g.log_prob / static_cast<double>(g.tokens) + 20 * log_p(reverse(), {g.target, g.source}) +
           .2 * log_p(lm(), {"", g.target});
  };
  const std::pair<BestOf, std::function<double(const Generated&, const std::vector<Generated>&)>> ways[] = {
      {best_by_mbr(5, "chrf1"), mbr_score}, {best_by_channel(5, reverse(), &lm(), {20, .2}), channel}};
  for (const auto& way : ways) {
    const BestOf& best_of = way.first;
    const auto& score = way.second;
    const std::string path = file("best.jsonl");
    Decoding d = draws;
    d.best = 1;
    Provenance from = provenance_of(run(), d);
    from.decoding = describe(best_of, d);
    EXPECT_NE(from.decoding.find("best of greedy and 5 x sample temperature 0.5"), std::string::npos);
    generate_file(run(), pool, d, from, path, {}, {}, &best_of);
    const std::string whole = Disk::real().read(path);
    const auto kept = read_generated(path);
    ASSERT_EQ(kept.size(), pool.size());
    int not_greedy = 0;
    for (size_t i = 0; i < pool.size(); ++i) {
      std::vector<Generated> all(drawn.begin() + static_cast<std::ptrdiff_t>(5 * i),
                                 drawn.begin() + static_cast<std::ptrdiff_t>(5 * i + 5));
      all.push_back(greedy[i]);
      double highest = -INFINITY;
      for (const Generated& g : all) highest = std::max(highest, score(g, all));
      const bool there = std::any_of(all.begin(), all.end(), [&](const Generated& g) {
        return g.target == kept[i].target && g.log_prob == kept[i].log_prob &&
               score(g, all) >= highest - 1e-4 * std::abs(highest);
      });
      EXPECT_TRUE(there) << best_of.how << ": " << kept[i].target;
      not_greedy += kept[i].target != greedy[i].target;
    }
    EXPECT_GT(not_greedy, 0) << best_of.how;
    std::ofstream(path, std::ios::binary) << whole.substr(0, whole.size() / 2);
    generate_file(run(), pool, d, from, path, {}, {}, &best_of);
    EXPECT_EQ(Disk::real().read(path), whole);
  }
  EXPECT_NE(error_of([] {
              best_by_channel(5, lm(), nullptr, {1, 0});
            }).find("plain-text"),
            std::string::npos);
  EXPECT_NE(error_of([] {
              best_by_channel(5, reverse(), &reverse(), {1, 1});
            }).find("translates"),
            std::string::npos);
  EXPECT_NE(error_of([] {
              best_by_channel(5, reverse(), nullptr, {1, 1});
            }).find("there is none"),
            std::string::npos);
  EXPECT_NE(error_of([] { best_by_mbr(5, "chrf3"); }).find("chrf1"), std::string::npos);
}
INSTANTIATE_TEST_SUITE_P(Kinds, OneSequence, testing::Values(ModelKind::gpt));
INSTANTIATE_TEST_SUITE_P(Kinds, Generation, testing::Values(ModelKind::gpt, ModelKind::encoder_decoder),
                         [](const auto& i) { return i.param == ModelKind::gpt ? "gpt" : "encoder_decoder"; });
}  // namespace
}  // namespace rum::generated_test
