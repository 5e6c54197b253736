// Data stages: the sets of an experiment, its tokenizer, and the basic targets.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "data/loader.h"
#include "edits/targets.h"
#include "experiment/outside.h"
#include "pipeline/stage.h"
#include "text/tokenizer.h"

namespace rum::experiment {
namespace {
// ---- split: seed set, pool, judge set, valid, test, disjoint on both sides
using Sides = std::unordered_map<std::string_view, int64_t>;  // a sentence and its line
void add_sides(const Corpus& c, Sides& sources, Sides& targets) {
  for (size_t i = 0; i < c.texts.size(); ++i) {
    sources.try_emplace(c.texts[i].source, c.lines[i]);
    targets.try_emplace(c.texts[i].target, c.lines[i]);
  }
}
// Sets from different files may not share a sentence, or the test would be invalid.
void refuse_overlap(const Corpus& held_out, const Corpus& other, const Sides& sources, const Sides& targets) {
  std::string examples;
  int64_t count = 0;
  for (size_t i = 0; i < held_out.texts.size(); ++i) {
    const auto s = sources.find(held_out.texts[i].source), t = targets.find(held_out.texts[i].target);
    const bool by_source = s != sources.end();
    if (!by_source && t == targets.end()) continue;
    if (++count <= 5)
      examples += fmt::format("{}line {} and line {} share a {}", count > 1 ? ", " : "", held_out.lines[i],
                              by_source ? s->second : t->second, by_source ? "source" : "target");
  }
  if (count > 0)
    throw FileError(
        fmt::format("{} and {} overlap in {} pairs ({}{}); the sets of an experiment must be disjoint on "
                    "both sides: `ruminate data prepare` makes such files",
                    held_out.name, other.name, count, examples, count > 5 ? ", ..." : ""));
}
Corpus first(Corpus c, int64_t pairs) {
  if (pairs > 0 && pairs < static_cast<int64_t>(c.texts.size())) {
    c.texts.resize(static_cast<size_t>(pairs));
    c.lines.resize(static_cast<size_t>(pairs));
  }
  return c;
}
void split(const StageContext& x) {
  const JsonFields p = x.parameters(), at(x.stage.hints, x.stage.label);
  const auto read = [&](const char* key) { return read_corpus(at.text(key), CorpusKind::pairs); };
  const Corpus train = read("train"), valid = first(read("valid"), p.whole("valid_pairs")),
               test = first(read("test"), p.whole("test_pairs"));
  Sides sources, targets;
  add_sides(train, sources, targets);
  refuse_overlap(valid, train, sources, targets);
  refuse_overlap(test, train, sources, targets);
  sources.clear();
  targets.clear();
  add_sides(valid, sources, targets);
  refuse_overlap(test, valid, sources, targets);

  // Within `train` a sentence often has several translations: the pool takes no pair with a side in the seed
  // set, and the judge set none with a side in either.
  const auto seeds = static_cast<size_t>(p.whole("seed_pairs"));
  const std::vector<Pair> seed(
      train.texts.begin(),
      train.texts.begin() + static_cast<std::ptrdiff_t>(std::min(seeds, train.texts.size())));
  sources.clear();
  targets.clear();
  size_t next = seed.size();
  int64_t passed_over = 0;
  const auto take = [&](const std::vector<Pair>& before, const char* set, const char* key) {
    for (const Pair& t : before) {
      sources.try_emplace(t.source, 0);
      targets.try_emplace(t.target, 0);
    }
    const auto wanted = static_cast<size_t>(p.whole(key));
    std::vector<Pair> out;
    for (; next < train.texts.size() && out.size() < wanted; ++next) {
      const Pair& t = train.texts[next];
      if (sources.contains(t.source) || targets.contains(t.target))
        ++passed_over;
      else
        out.push_back(t);
    }
    if (out.size() < wanted)
      throw FileError(
          fmt::format("{}: {} pairs are left for the {}, data.{} asks for {} ({} pairs share a sentence with "
                      "another set)",
                      train.name, out.size(), set, key, wanted, passed_over));
    return out;
  };
  const std::vector<Pair> pool = take(seed, "pool", "pool_pairs"),
                          judges = take(pool, "judge set", "judge_pairs");
  const std::pair<const char*, const std::vector<Pair>*> sets[] = {
      {"seed", &seed}, {"pool", &pool}, {"judge", &judges}, {"valid", &valid.texts}, {"test", &test.texts}};
  Json::Object counts;
  for (const auto& [name, texts] : sets) {
    counts.emplace_back(name, static_cast<int64_t>(texts->size()));
    if (!texts->empty())
      Disk::real().replace_text(fmt::format("{}/{}.tsv", x.folder, name),
                                corpus_bytes(*texts, CorpusKind::pairs));
  }
  counts.emplace_back("passed_over", passed_over);
  Disk::real().replace_text(x.folder + "/counts.json", to_json(Json(std::move(counts)), 1) + "\n");
}

// ---- tokenizer: one for all models, trained on the seed set, which is real text
void tokenizer(const StageContext& x) {
  const JsonFields p = x.parameters();
  const Corpus seed = read_corpus(x.input("split") + "/seed.tsv", CorpusKind::pairs);
  std::vector<std::string_view> texts;
  for (const Pair& t : seed.texts) {
    texts.push_back(t.source);
    texts.push_back(t.target);
  }
  TokenizerConfig c;
  c.vocab = static_cast<decltype(c.vocab)>(p.whole("vocab"));
  c.min_frequency = static_cast<decltype(c.min_frequency)>(p.whole("min_frequency"));
  c.pattern = p.text("pattern");
  c.split_digits = p.boolean("split_digits");
  c.special = {kEos, kSep};
  Tokenizer::train(texts, c).save(x.folder + "/tokenizer.json");
}

// ---- targets
void human(const StageContext& x) { edits::write_targets(x.folder, edits::read_pool(x.input("split"))); }

// ---- import: an external model's translations of the pool (outside.h); JSON lines are kept as
// generated.jsonl. counts.json says how many sources have no target, how many targets are unfinished, and
// "from": what the lines say of who wrote them.
void import(const StageContext& x) {
  const std::string path = JsonFields(x.stage.hints, x.stage.label).text("file");
  const edits::TargetSet pool = edits::read_pool(x.input("split"));
  const Outside in = read_outside(path, std::ssize(pool.texts));
  edits::TargetSet out;
  int64_t left_out = 0;
  for (size_t i = 0; i < in.targets.size(); ++i) {
    const OutsideTarget& t = in.targets[i];
    const std::string& source = pool.texts[i].source;
    if (t.source && *t.source != source)  // it would be learned beside a sentence that it does not translate
      throw FileError(fmt::format("{}: line {}: its source is not that of the pool's pair {} (\"{}\")", path,
                                  t.line, i, source));
    left_out += t.target.empty();
    out.ids.push_back(static_cast<int64_t>(i));
    out.texts.push_back({source, t.target});
  }
  if (!in.lines.empty()) Disk::real().replace_text(x.folder + "/generated.jsonl", in.lines);
  Disk::real().replace_text(x.folder + "/counts.json",
                            to_json(Json(Json::Object{{"sources", std::ssize(pool.texts)},
                                                      {"left_out", left_out},
                                                      {"unfinished", in.unfinished},
                                                      {"from", in.from}})) +
                                "\n");
  edits::write_targets(x.folder, out);
}

const StageKind kinds[] = {{"split", 2, false, split},
                           {"tokenizer", 1, false, tokenizer},
                           {"human", 1, false, human},
                           {"import", 2, false, import}};
}  // namespace
}  // namespace rum::experiment
