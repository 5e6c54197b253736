// The folder that cleaning leaves behind: three parts, and stats.json, which describes them (clean.h).
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "base/output.h"
#include "base/shell.h"
#include "data/clean.h"
#include "text/file_set.h"
#include "text/table.h"

namespace rum {
namespace {
std::string part_file(size_t part, CorpusKind kind) {
  return fmt::format("{}.{}", kPartNames[part], kind == CorpusKind::pairs ? "tsv" : "txt");
}
constexpr const char* kStats = "stats.json";
std::vector<std::string> files_of(CorpusKind kind) {
  std::vector<std::string> out;
  for (size_t i = 0; i < kPartNames.size(); ++i) out.push_back(part_file(i, kind));
  out.emplace_back(kStats);  // the last to be written
  return out;
}
// Whether an earlier preparation wrote this file of the folder as it is now: its stats.json says so, or was
// about to.
bool prepared_earlier(const std::string& folder, const std::string& file, Disk& disk) {
  const auto ours = [&](const JsonFields& stats) {
    const JsonFields parts = stats.object("parts");
    return std::any_of(kPartNames.begin(), kPartNames.end(), [&](const char* name) {
      const JsonFields part = parts.object(name);
      return file == kStats || (part.text("file") == file &&
                                part.text("hash") == hex64(hash64(disk.read(folder + "/" + file))));
    });
  };
  return has_mark(folder, kStats, ours, disk);
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
    Json::Object o{{"file", part_file(i, p.rules.kind)},
                   {"texts", static_cast<int64_t>(part.texts.size())},
                   {"hash", hex64(part.hash)}};
    if (pairs) o.emplace_back("source", side_json(part.source));
    o.emplace_back("target", side_json(part.target));
    parts.emplace_back(kPartNames[i], std::move(o));
  }
  const CleanRules& r = p.rules;
  Json::Object out{{"version", 1},
                   {"kind", pairs ? "pairs" : "documents"},
                   {"rules", Json::Object{{"min_words", r.min_words},
                                          {"max_words", r.max_words},
                                          {"max_characters", r.max_characters},
                                          {"ratio", static_cast<double>(r.ratio)},
                                          {"letters", static_cast<double>(r.letters)},
                                          {"word_characters", r.word_characters},
                                          {"valid", *r.valid},
                                          {"test", *r.test},
                                          {"seed", static_cast<int64_t>(r.seed)}}},
                   {"inputs", inputs},
                   {"read", p.read}};
  if (!pairs) out.emplace_back("texts", p.texts);
  out.emplace_back("kept", p.dropped[0]);
  out.emplace_back("dropped", std::move(dropped));
  out.emplace_back("parts", std::move(parts));
  return out;
}
}  // namespace

std::string stats_table(const Json& json) {
  const JsonFields stats(json, "stats.json");
  const std::string& kind = stats.text("kind");
  std::string out;
  auto row = [&](std::string_view name, int64_t n) {
    fmt::format_to(std::back_inserter(out), "  {:<26} {:>12}\n", name, counted(n));
  };
  row(fmt::format("{} read", kind), stats.whole("read"));
  // Documents may have been cut; folders of earlier versions don't say and count pieces as documents.
  const bool cut = stats.has("texts") && stats.whole("texts") != stats.whole("read");
  if (cut) row("cut into pieces", stats.whole("texts"));
  if (const auto* dropped = stats.at("dropped").object())
    for (const auto& [name, value] : *dropped)
      if (int64_t n = 0; value.whole(n) && n > 0) row("- " + name, n);
  row("kept", stats.whole("kept"));
  const bool pairs = kind == "pairs";
  fmt::format_to(std::back_inserter(out), "\n  {:<8} {:>10}", "part", cut ? "pieces" : kind);
  if (pairs) fmt::format_to(std::back_inserter(out), " {:>14} {:>9} {:>7}", "source tokens", "types", "mean");
  fmt::format_to(std::back_inserter(out), " {:>14} {:>9} {:>7}\n", pairs ? "target tokens" : "tokens",
                 "types", "mean");
  for (const char* name : kPartNames) {
    const JsonFields part = stats.object("parts").object(name);
    fmt::format_to(std::back_inserter(out), "  {:<8} {:>10}", name, counted(part.whole("texts")));
    for (const char* side : {"source", "target"}) {
      if (!part.has(side)) continue;  // documents have a target side alone
      const JsonFields s = part.object(side);
      fmt::format_to(std::back_inserter(out), " {:>14} {:>9} {:>7.2f}", counted(s.whole("tokens")),
                     counted(s.whole("types")), s.number("mean"));
    }
    out += '\n';
  }
  return out;
}

void check_prepared_output(const std::string& folder, CorpusKind kind, const std::vector<std::string>& inputs,
                           Disk& disk) {
  check_output_folder(folder);
  if (!disk.exists(folder)) return;
  for (const std::string& file : files_of(kind)) {
    const std::string path = folder + "/" + file;
    check_output(path, inputs);
    if (disk.exists(path) && !prepared_earlier(folder, file, disk))
      throw FileError(path +
                      ": it is there, but was not prepared there, or has been changed since; move it away, "
                      "or name another folder");
  }
}
Json save_prepared(const Prepared& p, const std::string& folder, const Json& inputs, Disk& disk) {
  const Json stats = stats_json(p, inputs);
  const std::vector<std::string> names = files_of(p.rules.kind);
  std::vector<std::pair<std::string, std::string>> files;
  for (size_t i = 0; i < p.parts.size(); ++i)
    files.emplace_back(names[i], corpus_bytes(p.parts[i].texts, p.rules.kind));
  files.emplace_back(kStats, to_json(stats, 1) + "\n");
  write_file_set(folder, names, files, disk);
  return stats;
}

Json check_prepared(const std::string& folder, Disk& disk) {
  const std::string path = folder + "/" + kStats;
  if (!disk.exists(path))
    throw FileError(fmt::format("{}: not there; `ruminate data prepare --output {}` makes it", path,
                                shell_quoted(folder)));
  Json stats = parse_json(disk.read(path), path);
  for (const char* name : kPartNames) {
    const JsonFields part = JsonFields(stats, path).object("parts").object(name);
    const std::string& file = part.text("file");
    if (file.find('/') != std::string::npos)
      throw FileError(fmt::format("{}: \"{}\" is not a file name", path, file));
    const uint64_t hash = hash64(disk.read(folder + "/" + file));
    if (hex64(hash) != part.text("hash"))
      throw FileError(fmt::format("{}/{}: hash {:016x}, but stats.json says {}; prepare the corpus again",
                                  folder, file, hash, part.text("hash")));
  }
  return stats;
}
}  // namespace rum
