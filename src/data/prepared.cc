// The folder that cleaning leaves behind: three parts, and stats.json, which describes them (clean.h).
#include <fmt/format.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/shell.h"
#include "data/clean.h"

namespace rum {
namespace {
std::string grouped(int64_t n) {  // 1,234,567
  std::string s;
  const std::string digits = fmt::format("{}", n);
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) s += ',';
    s += digits[i];
  }
  return s;
}
const Json& member(const Json& j, std::string_view key) {
  const Json* found = j.find(key);
  if (!found) throw FileError(fmt::format("stats.json: expected the key \"{}\", it is missing", key));
  return *found;
}
int64_t whole(const Json& j, const std::string& key) {
  int64_t n = 0;
  if (!member(j, key).whole(n)) throw FileError(fmt::format("stats.json: \"{}\" is not a whole number", key));
  return n;
}
double number(const Json& j, const std::string& key) {
  double n = 0;
  if (!member(j, key).number(n)) throw FileError(fmt::format("stats.json: \"{}\" is not a number", key));
  return n;
}
std::string words(const Json& j, const std::string& key) {
  const std::string* s = member(j, key).text();
  if (!s) throw FileError(fmt::format("stats.json: \"{}\" is not a string", key));
  return *s;
}
Json side_json(const SideStats& s) {
  return Json::Object{{"tokens", s.tokens}, {"types", s.types}, {"mean", s.mean}};
}
Json stats_json(const Prepared& p, const Json& inputs) {
  const bool pairs = p.rules.kind == CorpusKind::pairs;
  Json::Object dropped, parts;
  for (size_t d = 1; d < kDrops; ++d) dropped.emplace_back(drop_name(static_cast<Drop>(d)), p.dropped[d]);
  for (size_t i = 0; i < p.parts.size(); ++i) {
    const Part& part = p.parts[i];
    Json::Object o{{"file", fmt::format("{}.{}", kPartNames[i], pairs ? "tsv" : "txt")},
                   {"texts", static_cast<int64_t>(part.texts.size())},
                   {"hash", hex64(part.hash)}};
    if (pairs) o.emplace_back("source", side_json(part.source));
    o.emplace_back("target", side_json(part.target));
    parts.emplace_back(kPartNames[i], std::move(o));
  }
  const CleanRules& r = p.rules;
  return Json::Object{{"version", 1},
                      {"kind", pairs ? "pairs" : "documents"},
                      {"rules", Json::Object{{"min_words", r.min_words},
                                             {"max_words", r.max_words},
                                             {"max_characters", r.max_characters},
                                             {"ratio", static_cast<double>(r.ratio)},
                                             {"letters", static_cast<double>(r.letters)},
                                             {"word_characters", r.word_characters},
                                             {"valid", r.valid},
                                             {"test", r.test},
                                             {"seed", static_cast<int64_t>(r.seed)}}},
                      {"inputs", inputs},
                      {"read", p.read},
                      {"kept", p.dropped[0]},
                      {"dropped", std::move(dropped)},
                      {"parts", std::move(parts)}};
}
}  // namespace

std::string stats_table(const Json& stats) {
  const std::string kind = words(stats, "kind");
  std::string out;
  auto row = [&](std::string_view name, int64_t n) {
    fmt::format_to(std::back_inserter(out), "  {:<26} {:>12}\n", name, grouped(n));
  };
  row(fmt::format("{} read", kind), whole(stats, "read"));
  if (const auto* dropped = member(stats, "dropped").object())
    for (const auto& [name, value] : *dropped)
      if (int64_t n = 0; value.whole(n) && n > 0) row("- " + name, n);
  row("kept", whole(stats, "kept"));
  fmt::format_to(std::back_inserter(out), "\n  {:<8} {:>10} {:>14} {:>9} {:>7} {:>14} {:>9} {:>7}\n", "part",
                 kind, "source tokens", "types", "mean", "target tokens", "types", "mean");
  for (const char* name : kPartNames) {
    const Json& part = member(member(stats, "parts"), name);
    fmt::format_to(std::back_inserter(out), "  {:<8} {:>10}", name, grouped(whole(part, "texts")));
    for (const char* side : {"source", "target"}) {
      const Json* s = part.find(side);
      if (s)
        fmt::format_to(std::back_inserter(out), " {:>14} {:>9} {:>7.2f}", grouped(whole(*s, "tokens")),
                       grouped(whole(*s, "types")), number(*s, "mean"));
      else
        fmt::format_to(std::back_inserter(out), " {:>14} {:>9} {:>7}", "-", "-", "-");
    }
    out += '\n';
  }
  return out;
}

Json save_prepared(const Prepared& p, const std::string& folder, const Json& inputs, Disk& disk) {
  const Json stats = stats_json(p, inputs);
  const std::string last = folder + "/stats.json";
  disk.make_folders(folder);
  if (disk.exists(last)) disk.remove(last);
  for (size_t i = 0; i < p.parts.size(); ++i)
    disk.replace_text(folder + "/" + words(member(member(stats, "parts"), kPartNames[i]), "file"),
                      corpus_bytes(p.parts[i].texts, p.rules.kind));
  disk.replace_text(last, to_json(stats, 1) + "\n");
  return stats;
}

Json check_prepared(const std::string& folder, Disk& disk) {
  const std::string path = folder + "/stats.json";
  if (!disk.exists(path))
    throw FileError(fmt::format("{}: not there; `ruminate data prepare --output {}` makes it", path,
                                shell_quoted(folder)));
  Json stats = parse_json(disk.read(path), path);
  for (const char* name : kPartNames) {
    const Json& part = member(member(stats, "parts"), name);
    const std::string file = words(part, "file");
    if (file.find('/') != std::string::npos)
      throw FileError(fmt::format("{}: \"{}\" is not a file name", path, file));
    const uint64_t hash = hash64(disk.read(folder + "/" + file));
    if (hex64(hash) != words(part, "hash"))
      throw FileError(fmt::format("{}/{}: hash {:016x}, but stats.json says {}; prepare the corpus again",
                                  folder, file, hash, words(part, "hash")));
  }
  return stats;
}
}  // namespace rum
