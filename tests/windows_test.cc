// Plain text in windows: characters as tokens, pieces enumerated by hand, streams that resume to the same
// bits, and texts longer than any context.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "checkpoint/checkpoint.h"
#include "data/loader.h"
#include "generate/log_probs.h"
#include "generate/translate.h"
#include "run/folder.h"
#include "run/resume.h"
#include "run/run.h"
#include "tests/error_of.h"
#include "tests/grammar/grammar.h"
#include "tests/run_folder.h"
#include "tests/scratch.h"
#include "tests/stopped_run.h"
#include "text/unicode.h"
#include "train/data.h"
#include "train/evaluate.h"
#include "train/trainer.h"

namespace rum::windows_test {
namespace fs = std::filesystem;
namespace {
bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }
std::string read(const std::string& path) { return Disk::real().read(path); }

Tokenizer characters_of(std::string_view text) {
  return Tokenizer::train(std::span(&text, 1), {.special = {kEos, kSep}, .pattern = "characters"});
}
Corpus document(const std::string& text) { return make_corpus("text", {{"", text}}, CorpusKind::documents); }
// Each piece's input, and its last prediction, as text.
std::vector<std::string> pieces_of(const TokenCorpus& c, const Tokenizer& t) {
  std::vector<std::string> out;
  for (size_t i = 0; i < c.pieces.size(); ++i) {
    const Example e = c.example(i);
    out.push_back(t.decode(e.tokens) + (e.goes_on ? "+" : "") +
                  (e.tokens.back() == t.special(kEos) ? "." : ""));
  }
  return out;
}

TEST(Characters, AreTheVocabularyInOrderBehindTheSpecialTokens) {
  const Tokenizer t = characters_of("b\u00fcab\n\u20acb");
  ASSERT_EQ(t.size(), 2 + 5);
  EXPECT_EQ(t.encode("\nab\u00fc\u20ac"), (std::vector<Token>{2, 3, 4, 5, 6}));
  EXPECT_EQ(t.decode(t.encode("a\u20ac\nb")), "a\u20ac\nb");
  EXPECT_EQ(t.encode(""), std::vector<Token>{});
  const std::string unknown = error_of([&] { t.encode("abx"); }),
                    wide = error_of([&] { t.encode("a\u00e4"); });
  EXPECT_TRUE(has(unknown, "U+0078 \"x\" is not among the 5")) << unknown;
  EXPECT_TRUE(has(wide, "U+00E4")) << wide;
  EXPECT_EQ(error_of([&] { characters_of("a\xff"); }), "a text to take characters from is not UTF-8");
  const std::string_view text = "ab";
  const TokenizerConfig digits{.pattern = "characters", .split_digits = true};
  EXPECT_TRUE(has(error_of([&] { Tokenizer::train(std::span(&text, 1), digits); }), "split_digits"));
}
TEST(Characters, FileIsAWordLevelOfSingleCharacters) {
  const Tokenizer t = characters_of("b\u00fcab\n");
  const std::string json = t.json();
  for (const char* part : {"\"WordLevel\"", "\"\u00fc\": 5", "\"\\n\": 2", "\"[\\\\s\\\\S]\"", "\"Fuse\""})
    EXPECT_TRUE(has(json, part)) << part << json;
  const Tokenizer back = Tokenizer::parse(json, "back");
  EXPECT_EQ(back.json(), json);
  EXPECT_EQ(back.encode("\u00fcb\na"), t.encode("\u00fcb\na"));
  EXPECT_EQ(back.special(kSep), 1);
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string bad = json;
    bad.replace(bad.find(from), from.size(), to);
    return error_of([&] { Tokenizer::parse(bad, "t.json"); });
  };
  EXPECT_TRUE(has(refused("\"a\": 3", "\"an\": 3"), "is not a single character"));
  EXPECT_TRUE(has(refused("\"WordLevel\"", "\"BPE\""), "WordLevel is expected"));
  EXPECT_TRUE(has(refused("\"Fuse\"", "\"ByteLevel\""), "Fuse is expected"));
  EXPECT_TRUE(has(refused("[\\\\s\\\\S]", " ?\\\\S+|\\\\s+(?!\\\\S)|\\\\s+"), "a pattern alone"));
}

TEST(Pack, APieceThatGoesOnPredictsItsLastTokenAndDoesNotReadIt) {
  const std::vector<Example> two{{{11, 12, 13, 14}, 0, 1, true}, {{14, 15, 2}, 0, 1, false}};
  const Packed p = pack(two, {.tokens = 8, .texts = 3});
  EXPECT_EQ(p.ids, (std::vector<int32_t>{11, 12, 13, 14, 15, 2, 0, 0}));
  EXPECT_EQ(p.targets, (std::vector<int32_t>{12, 13, 14, 15, 2, 0, 0, 0}));
  EXPECT_EQ(p.positions, (std::vector<int32_t>{0, 1, 2, 0, 1, 2, 0, 0}));
  EXPECT_EQ(p.offsets, (std::vector<int32_t>{0, 3, 6, 8}));
  EXPECT_EQ(p.weights, (std::vector<float>{1, 1, 1, 1, 1, 0, 0, 0}));
  EXPECT_EQ(p.used, 6);
  EXPECT_EQ(positions_of(two[0], {}), 3);
}

TEST(Pieces, ByHand) {
  const Tokenizer t = characters_of("abcdefghij");
  const BatchShape shape{.tokens = 12, .texts = 4};
  const auto cut = [&](const std::string& text, Windows w) {
    return pieces_of(tokenize(document(text), t, shape, 3, w), t);
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(cut("abcdefghij", Windows::stream_in_order), (Texts{"abcd+", "defg+", "ghij+"}));
  EXPECT_EQ(cut("abcdefghi", Windows::stream_in_order), (Texts{"abcd+", "defg+", "ghi+"}));
  EXPECT_EQ(cut("abcdefgh", Windows::stream_in_order), (Texts{"abcd+", "defg+", "gh+"}));
  EXPECT_EQ(cut("abcdefg", Windows::stream_in_order), (Texts{"abcd+", "defg+"}));
  EXPECT_EQ(cut("ab", Windows::stream_in_order), (Texts{"ab+"}));
  EXPECT_TRUE(has(error_of([&] { cut("a", Windows::stream_in_order); }), "nothing to predict"));
  // A document has an end token, which is predicted once.
  EXPECT_EQ(cut("ab", Windows::documents), (Texts{"ab."}));
  EXPECT_EQ(cut("abc", Windows::documents), (Texts{"abc+."}));
  EXPECT_EQ(cut("abcd", Windows::documents), (Texts{"abcd+", "d."}));
  EXPECT_EQ(cut("abcdefgh", Windows::documents), (Texts{"abcd+", "defg+", "gh."}));
  const TokenCorpus two = tokenize(make_corpus("text", {{"", "ab"}, {"", "abcdefgh"}}, CorpusKind::documents),
                                   t, shape, 3, Windows::documents);
  EXPECT_EQ(two.note, "text: 1 of 2 documents are longer than 3 tokens and are cut into 3 pieces");
  EXPECT_EQ(two.pieces[1].text, 1);
  // A batch that is smaller than the context cuts, too.
  EXPECT_EQ(
      pieces_of(tokenize(document("abcdef"), t, {.tokens = 2, .texts = 1}, 9, Windows::stream_in_order), t),
      (Texts{"abc+", "cde+", "ef+"}));
}

// Rows that a loss falls on, as (token read, token predicted).
std::vector<std::vector<Token>> windows_at(const Loader& loader, int64_t step) {
  std::vector<std::vector<Token>> out;
  for (const Packed& p : loader.at(step))
    for (size_t s = 0; s + 1 < p.offsets.size() && p.offsets[s] < p.used; ++s) {
      std::vector<Token> w(p.ids.begin() + p.offsets[s], p.ids.begin() + p.offsets[s + 1]);
      w.push_back(p.targets[static_cast<size_t>(p.offsets[s + 1]) - 1]);
      out.push_back(std::move(w));
    }
  return out;
}
// 103 different characters, so that a window's text shows its position.
std::string ramp() {
  std::string text;
  for (char32_t c = 0x4E00; c < 0x4E00 + 103; ++c) append_utf8(text, c);
  return text;
}
TEST(Stream, InOrderIsTheTextFromItsFirstTokenToItsLast) {
  const std::vector<Corpus> corpus{document(ramp())};
  const Tokenizer t = characters_of(ramp());
  const Plan plan{{{0, 0}}, {corpus[0].hash}, false, 1};
  const LoaderConfig c{
      .shape = {.tokens = 20, .texts = 2}, .context = 10, .windows = Windows::stream_in_order};
  const Loader loader(plan, corpus, t, c, 0);
  ASSERT_EQ(loader.steps(), 6);  // 102 predictions, ten in a window, two windows in a step
  EXPECT_EQ(loader.pieces(), 11);
  EXPECT_EQ(loader.target_tokens(6), 102);
  Token next = 2;
  for (int64_t step = 0; step < 6; ++step)
    for (const std::vector<Token>& w : windows_at(loader, step)) {
      for (size_t i = 0; i < w.size(); ++i) EXPECT_EQ(w[i], next + static_cast<Token>(i));
      next += static_cast<Token>(w.size()) - 1;
    }
  EXPECT_EQ(next, 2 + 102);
}
TEST(Stream, EachEpochTilesTheTextFromAnotherPlaceInAnotherOrder) {
  const std::vector<Corpus> corpus{document(ramp())};
  const Tokenizer t = characters_of(ramp());
  const int64_t size[] = {1};
  const Plan plan = shuffled_plan(size, std::span(&corpus[0].hash, 1), 7);
  LoaderConfig c{.shape = {.tokens = 30, .texts = 3}, .context = 10, .windows = Windows::stream};
  const Loader loader(plan, corpus, t, c, 90);
  ASSERT_EQ(loader.pieces(), 9);
  EXPECT_EQ(loader.steps_per_epoch(), 3);
  std::set<Token> shifts;
  std::set<std::vector<Token>> orders;
  for (int64_t epoch = 0; epoch < 30; ++epoch) {
    std::vector<Token> begins;
    for (int64_t step = epoch * 3; step < epoch * 3 + 3; ++step)
      for (const std::vector<Token>& w : windows_at(loader, step)) {
        ASSERT_EQ(w.size(), 11u);
        for (size_t i = 1; i < w.size(); ++i) ASSERT_EQ(w[i], w[0] + static_cast<Token>(i));
        begins.push_back(w[0] - 2);
      }
    orders.insert(begins);
    std::sort(begins.begin(), begins.end());
    ASSERT_EQ(begins.size(), 9u);
    for (size_t i = 1; i < begins.size(); ++i) EXPECT_EQ(begins[i], begins[i - 1] + 10);
    EXPECT_GE(begins[0], 0);
    EXPECT_LE(begins[8] + 10, 102);
    shifts.insert(begins[0]);
  }
  EXPECT_GE(shifts.size(), 9u);  // of 13
  EXPECT_EQ(orders.size(), 30u);
  // A pure function of the step: another loader, another number of steps.
  const Loader again(plan, corpus, t, c, 400);
  for (const int64_t step : {89, 4, 0}) EXPECT_EQ(windows_at(loader, step), windows_at(again, step));
  c.epochs = 5;
  EXPECT_EQ(Loader(plan, corpus, t, c, 90).steps(), 15);
  c.target_tokens = 100000;
  EXPECT_EQ(Loader(plan, corpus, t, c, 0).steps(), 15);
}

struct Scene {
  Scratch scratch;
  RunConfig config;
  Progress progress;
  Scene() {
    std::string text;
    for (const Pair& t : grammar_pairs(200, 3)) text += t.target + (text.size() % 3 == 0 ? "\n\n" : "\n");
    const size_t cut = text.size() * 9 / 10;
    write(file("train.txt"), text.substr(0, cut)), write(file("valid.txt"), text.substr(cut));
    config.folder = file("run");
    config.kind = CorpusKind::documents, config.windows = Windows::stream;
    config.train = {file("train.txt")}, config.valid = file("valid.txt");
    config.bpe.pattern = "characters";
    config.model = {
        .context = 24, .layers = 2, .heads = 2, .kv_heads = 0, .width = 16, .inner = 32, .dropout = 0.1f};
    config.tokens = 24 * 5;
    config.schedule = {.peak = 5e-3f, .warmup = 5};
    config.steps = 24, config.eval_every = 12, config.save_every = 1, config.keep = 30;
    testing::internal::CaptureStderr();
  }
  ~Scene() { testing::internal::GetCapturedStderr(); }
  std::string file(const std::string& name) const { return scratch.path + "/" + name; }
  Outcome train(bool resume = false) { return Trainer(config, progress, resume).run({}); }
};
TEST(Stream, ResumesToTheSameBits) {
  Scene s;
  ASSERT_TRUE(s.train().finished);
  const std::string whole = read(RunFolder{s.config.folder}.model());
  for (const int64_t from : {0, 1, 11, 23}) {
    const RunConfig again = stopped_run(s.config, from, s.file("again"));
    ASSERT_EQ(Trainer(again, s.progress, true).run({}).step, 24);
    const auto a = load(checkpoint_path(RunFolder{s.config.folder}.checkpoints(), 24)).tensors,
               b = load(checkpoint_path(RunFolder{again.folder}.checkpoints(), 24)).tensors;
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i)
      EXPECT_EQ(0, std::memcmp(a[i].second.data<char>(), b[i].second.data<char>(),
                               static_cast<size_t>(a[i].second.size()) * size_of(a[i].second.dtype())))
          << a[i].first << " resumed from step " << from;
  }
}
TEST(Stream, ValidationScoresEachTokenOnceAndWindowByWindowTheSame) {
  Scene s;
  ASSERT_TRUE(s.train().finished);
  const auto run = load_run(s.config.folder);
  const std::string text = read(s.config.valid);
  const EvaluationBatches all =
      evaluation_batches(read_stream(s.config.valid), run->tokenizer, run->config, 0);
  double scored = 0;
  for (const auto& examples : all.batches) scored += figures(examples, all.shape).total_weight;
  EXPECT_EQ(scored,
            static_cast<double>(text.size()) - 1);  // ASCII: a token a byte, the first one is not predicted
  double sum = 0;
  for (size_t at = 0; at + 1 < text.size(); at += 24)
    sum -= log_probs(run->model,
                     std::vector<Example>{{run->tokenizer.encode(text.substr(at, 25)), 0, 1, true}})[0];
  EXPECT_NEAR(mean_nll(run->model, all), sum / scored, 1e-6);
  EXPECT_EQ(evaluation_batches(read_stream(s.config.valid), run->tokenizer, run->config, 5).batches.size(),
            1u);
}
TEST(Stream, AnUnknownCharacterIsNamedBeforeTheRunBegins) {
  Scene s;
  write(s.config.valid, "the dog\nsees a \u20ac\n");
  const std::string e = error_of([&] { s.train(); });
  EXPECT_TRUE(has(e, s.config.valid + ": line 2: ") && has(e, "U+20AC")) << e;
  EXPECT_FALSE(fs::exists(s.config.folder));
  s.config.kind = CorpusKind::pairs;
  EXPECT_TRUE(has(error_of([&] { s.train(); }), "needs data.kind"));
}

// ---- texts that no context holds
TEST(TooLong, DocumentsAreCutInEverySet) {
  Scene s;
  s.config.windows = Windows::documents, s.config.test = s.config.valid;
  std::ofstream(s.config.train[0], std::ios::app) << "\n\n" << std::string(500, 'a') << "\n";
  ASSERT_TRUE(s.train().finished);
  const std::string log = read(s.config.folder + "/log.txt");
  EXPECT_TRUE(has(log, "train.txt: ") && has(log, "valid.txt: ") && has(log, "are longer than 24 tokens"))
      << log;
}
TEST(TooLong, PairsAreLeftOutOfEverySetAndCounted) {
  for (const ModelKind kind : {ModelKind::gpt, ModelKind::encoder_decoder})
    for (const Positions positions : {Positions::learned, Positions::rope}) {
      Scene s;
      s.config.kind = CorpusKind::pairs, s.config.windows = Windows::documents, s.config.model_kind = kind;
      s.config.model.positions = positions, s.config.model.context = 60, s.config.tokens = 256;
      s.config.bpe = {.vocab = 320, .special = {}, .pattern = "gpt2"};
      std::mt19937 random(1);  // letters in an order that merges hardly shorten
      std::string letters(400, ' ');
      for (char& c : letters) c = static_cast<char>('a' + random() % 26);
      const std::string longest = "ein Wort\t" + letters + "\n";
      const auto pairs = grammar_pairs(60, 1);
      const auto part = [&](size_t a, size_t b) {
        return longest + corpus_bytes({pairs.begin() + static_cast<std::ptrdiff_t>(a),
                                       pairs.begin() + static_cast<std::ptrdiff_t>(b)},
                                      CorpusKind::pairs);
      };
      write(s.file("train.txt"), part(0, 40)), write(s.file("valid.txt"), part(40, 50));
      write(s.file("test.txt"), part(50, 60));
      s.config.test = s.file("test.txt");
      ASSERT_TRUE(s.train().finished);
      const std::string log = read(s.config.folder + "/log.txt");
      for (const char* name : {"train.txt: ", "valid.txt: ", "test.txt: "})
        EXPECT_TRUE(has(log, name)) << log;
      EXPECT_TRUE(has(log, "of 11 pairs are left out") && has(log, "the first is line 1 with")) << log;
      EXPECT_TRUE(has(read(RunFolder{s.config.folder}.results()), " on 10 texts"));  // BLEU of the others
      // A set with nothing else is refused before a folder is made.
      s.config.folder = s.file("other"), s.config.valid = s.file("only.txt");
      write(s.config.valid, longest);
      EXPECT_TRUE(has(error_of([&] { s.train(); }), "only.txt: 1 of 1 pairs are left out"));
      EXPECT_FALSE(fs::exists(s.config.folder));
    }
}
// An encoder-decoder reads source and target each from position 0: neither may have more tokens than the context,
// the separator and the end being one on each side.
TEST(TooLong, SourceAndTargetOfAnEncoderDecoderEachHaveTheContext) {
  const Scratch folder;
  write_run(folder.path, {.model = ModelKind::encoder_decoder, .context = 16, .pattern = "characters"});
  const auto run = load_run(folder.path);
  const std::string letter(1, grammar_pairs(1, 5)[0].source[0]);
  auto letters = [&](size_t n) {
    std::string out;
    while (out.size() < n) out += letter;
    return out;
  };
  for (const auto& [source, target, fits] :
       {std::tuple{15, 3, true}, {16, 3, false}, {3, 15, true}, {3, 16, false}, {15, 15, true}}) {
    const std::vector<Pair> text{
        {letters(static_cast<size_t>(source)), letters(static_cast<size_t>(target))}};
    const std::vector<SentenceScore> scored = sentence_scores(run->model, run->tokenizer, text);
    EXPECT_EQ(scored[0].tokens, fits ? target + 1 : 0) << source << " " << target;
  }
}
TEST(Epochs, AreBoundedAndSaid) {
  Scene s;
  s.config.steps = 1'000'000'000, s.config.schedule.warmup = 90, s.config.epochs = 2;
  s.config.save_every = 1000;
  const Outcome out = s.train();
  ASSERT_TRUE(out.finished);
  const int64_t windows = (static_cast<int64_t>(fs::file_size(s.config.train[0])) - 1) / 24 - 1;
  EXPECT_EQ(out.step, (2 * windows + 4) / 5);
  const std::string makes =
      fmt::format("train.epochs = 2 makes it {0} steps, with a warm-up of {1}", out.step, out.step / 10);
  EXPECT_TRUE(has(read(s.config.folder + "/log.txt"), makes));
  // The same for so many tokens.
  const std::string model = read(RunFolder{s.config.folder}.model());
  RunConfig tokens = s.config;
  tokens.folder = s.file("tokens"), tokens.steps = 1, tokens.target_tokens = 1'000'000;
  ASSERT_EQ(Trainer(tokens, s.progress, false).run({}).step, out.step);
  EXPECT_TRUE(has(read(tokens.folder + "/log.txt"), "train.target_tokens = 1000000 would be "));
  EXPECT_TRUE(has(read(tokens.folder + "/log.txt"), makes));
  EXPECT_EQ(read_config(RunFolder{tokens.folder}.config()).schedule.warmup, out.step / 10);
  // More than anybody can lay out.
  tokens.epochs = 1 << 20, tokens.target_tokens = 0, tokens.steps = 1'000'000'000;
  EXPECT_TRUE(has(error_of([&] { Trainer(tokens, s.progress, false); }), "train for fewer steps"));
  for (const char* shipped : {"translate", "text"})
    EXPECT_GT(read_config(std::string("data/configs/") + shipped + ".toml").epochs, 0) << shipped;
}
// What train.epochs has cut short is asked for again when that limit rises.
TEST(Epochs, MoreOfThemContinueARun) {
  const auto steps = [](const Scene& s, int64_t epochs) {
    const int64_t windows = (static_cast<int64_t>(fs::file_size(s.config.train[0])) - 1) / 24 - 1;
    return (epochs * windows + 4) / 5;
  };
  const auto resumed = [](Scene& s, int64_t epochs) {
    RunConfig c = resumed_config(s.config.folder);
    c.epochs = epochs;
    return Trainer(c, s.progress, true).run({}).step;
  };
  for (const bool tokens : {false, true}) {
    Scene s;
    s.config.steps = tokens ? 1 : 100'000, s.config.target_tokens = tokens ? 1'000'000 : 0,
    s.config.epochs = 1;
    s.config.save_every = 1000, s.config.eval_every = 1000;
    ASSERT_EQ(s.train().step, steps(s, 1));
    EXPECT_EQ(resumed(s, 1), steps(s, 1));
    EXPECT_EQ(resumed(s, 2), steps(s, 2));
    EXPECT_EQ(resumed(s, 3), steps(s, 3));
  }
  // Where the steps were asked for, they stay, and it is said why nothing is trained.
  Scene s;
  s.config.steps = 6, s.config.epochs = 1;
  ASSERT_EQ(s.train().step, 6);
  testing::internal::GetCapturedStderr();
  testing::internal::CaptureStderr();
  EXPECT_EQ(resumed(s, 2), 6);
  const std::string said = testing::internal::GetCapturedStderr();
  testing::internal::CaptureStderr();
  EXPECT_TRUE(has(said, "train.epochs = 2 only limits train.steps = 6")) << said;
}
}  // namespace
}  // namespace rum::windows_test
