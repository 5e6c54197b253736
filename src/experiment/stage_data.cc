// Data stages: the sets of an experiment, its tokenizer, and the basic targets.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "data/loader.h"
#include "edits/targets.h"
#include "pipeline/stage.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

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

// ---- import: an external model's translations of the pool, as source<TAB>target lines in the pool's order,
// or as JSON lines {"id": place in the pool, "target": text, ...}, which are kept as generated.jsonl; sources
// that are there must be the pool's, or the targets would be learned beside sentences that they do not
// translate. counts.json says how many sources have no target, how many targets are unfinished, and "from":
// what the lines say of who wrote them.
void check_source(const std::string& where, const std::string& source, const edits::TargetSet& pool,
                  size_t i) {
  if (source != pool.texts[i].source)
    throw FileError(fmt::format("{}: its source is not that of the pool's pair {} (\"{}\")", where, i,
                                pool.texts[i].source));
}
struct Imported {
  edits::TargetSet targets;
  std::string lines{};
  int64_t unfinished = 0;
  Json::Object from{};
};
// Of a line of generate/generated.h; of other programs' lines less.
Json::Object provenance_in(const Json& line) {
  Json::Object out;
  for (const char* key : {"generator", "checkpoint", "decoding", "seed", "generation"})
    if (const Json* value = line.find(key)) out.emplace_back(key, *value);
  return out;
}
Imported from_json_lines(const std::string& path, const edits::TargetSet& pool) {
  std::vector<std::optional<std::string>> by_id(pool.texts.size());
  Imported out;
  LineReader reader(path, kLineLimit, Form::as_is, BlankEnd::passed_over);
  for (std::string_view line; reader.next(line);) {
    const std::string where = fmt::format("{}: line {}", path, reader.line());
    const Json json = parse_json(line, where);
    const JsonFields j(json, where);
    const int64_t id = j.whole("id");
    const std::string& target = j.text("target");
    if (id < 0 || id >= static_cast<int64_t>(by_id.size()))
      throw FileError(
          fmt::format("{}: id {} is not in the pool, which has ids 0 to {}", where, id, by_id.size() - 1));
    if (by_id[static_cast<size_t>(id)]) throw FileError(fmt::format("{}: id {} appears twice", where, id));
    if (j.has("source")) check_source(where, nfc(j.text("source")), pool, static_cast<size_t>(id));
    const Json::Object from = provenance_in(json);
    if (out.lines.empty()) out.from = from;
    if (to_json(Json(from)) != to_json(Json(out.from)))
      throw FileError(
          fmt::format("{}: written by {}, but the lines before by {}; give each its own file, and "
                      "mix them in an arm",
                      where, to_json(Json(from)), to_json(Json(out.from))));
    out.unfinished += !target.empty() && j.has("finished") && !j.boolean("finished");
    out.lines += line;
    out.lines += '\n';
    by_id[static_cast<size_t>(id)] = target;
  }
  std::string missing;
  int64_t count = 0;
  for (size_t i = 0; i < by_id.size(); ++i) {
    if (!by_id[i] && ++count <= 5) missing += fmt::format("{}{}", count > 1 ? ", " : "", i);
    out.targets.ids.push_back(static_cast<int64_t>(i)),
        out.targets.texts.push_back({pool.texts[i].source, by_id[i].value_or("")});
  }
  if (count > 0)
    throw FileError(fmt::format("{}: {} ids of the pool are missing: {}{}", path, count, missing,
                                count > 5 ? ", ..." : ""));
  return out;
}
Imported from_pairs(const std::string& path, const edits::TargetSet& pool) {
  Imported out{{pool.ids, read_corpus(path, CorpusKind::pairs, {.empty_sides = true}).texts, {}}};
  const std::vector<Pair>& texts = out.targets.texts;
  if (texts.size() != pool.texts.size())
    throw FileError(
        fmt::format("{} has {} lines, the pool {}; expected one pair for each sentence of the pool", path,
                    texts.size(), pool.texts.size()));
  for (size_t i = 0; i < texts.size(); ++i)
    check_source(fmt::format("{}: line {}", path, i + 1), texts[i].source, pool, i);
  return out;
}
void import(const StageContext& x) {
  const std::string path = JsonFields(x.stage.hints, x.stage.label).text("file");
  const edits::TargetSet pool = edits::read_pool(x.input("split"));
  std::string_view start;
  LineReader peek(path);
  const bool json = peek.next(start) && start.starts_with('{');
  const Imported in = json ? from_json_lines(path, pool) : from_pairs(path, pool);
  if (json) Disk::real().replace_text(x.folder + "/generated.jsonl", in.lines);
  const auto left_out = std::ranges::count_if(in.targets.texts, &std::string::empty, &Pair::target);
  Disk::real().replace_text(x.folder + "/counts.json",
                            to_json(Json(Json::Object{{"sources", std::ssize(pool.texts)},
                                                      {"left_out", int64_t{left_out}},
                                                      {"unfinished", in.unfinished},
                                                      {"from", in.from}})) +
                                "\n");
  edits::write_targets(x.folder, in.targets);
}

const StageKind kinds[] = {{"split", 2, false, split},
                           {"tokenizer", 1, false, tokenizer},
                           {"human", 1, false, human},
                           {"import", 2, false, import}};
}  // namespace
}  // namespace rum::experiment
