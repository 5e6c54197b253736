#include "generate/generated.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/clock.h"
#include "base/error.h"
#include "base/output.h"
#include "generate/translate.h"
#include "text/reader.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum {
namespace {
// Texts between two writes, which is what a cut can cost: as many as take about ten seconds.
constexpr size_t kFewestTexts = 16, kMostTexts = 512;
constexpr double kPartSeconds = 10;

Generated from_line(std::string_view text, const std::string& where) {
  const Json json = parse_json(text, where, {.depth = 4, .bytes = kLineLimit * 8, .values = 100});
  const JsonFields l(json, where);
  return {l.whole("id"),
          l.text("source"),
          l.text("target"),
          l.at("log_prob").is_null() ? NAN : l.number("log_prob"),  // as to_json writes it
          l.whole("tokens"),
          l.boolean("finished"),
          {l.text("generator"), l.text("checkpoint"), l.text("decoding"), l.whole("seed"),
           l.whole("generation")}};
}
// Is it a beginning, cut off anywhere, of the line that has this source? A power cut may leave NULs at its end.
bool begins_line(std::string_view found, int64_t id, const std::string& source) {
  found = found.substr(0, found.find_last_not_of('\0') + 1);
  std::string line = to_json(Json(Json::Object{{"id", id}, {"source", source}}));
  line.pop_back();  // more follows
  const size_t both = std::min(found.size(), line.size());
  return found.substr(0, both) == std::string_view(line).substr(0, both);
}
// The beginning of a file, up to the end of its last line that says anything: blank lines and NULs after it,
// which editors and power cuts leave, are no texts.
std::string_view without_blank_end(std::string_view all) {
  const size_t end = all.find_last_not_of(std::string_view("\0 \t\r\n", 5)) + 1;  // 0: there is none
  const size_t line_end = all.find('\n', end);
  if (end == 0) return {};
  return line_end == std::string_view::npos ? all : all.substr(0, line_end + 1);
}
}  // namespace

int64_t sources_done(std::span<const std::string> sources, int64_t best, const Provenance& from,
                     const std::string& path) {
  Disk& disk = Disk::real();
  if (!disk.exists(path)) return 0;
  const std::string there = disk.read(path);
  const std::string_view all = without_blank_end(there);
  size_t line = 0, at = 0, whole = 0;
  for (size_t end; (end = all.find('\n', at)) != std::string::npos; at = end + 1) {
    const size_t id = line++ / static_cast<size_t>(best);
    const std::string where = fmt::format("{}: line {}", path, line);
    const Generated g = from_line(all.substr(at, end - at), where);
    auto same = [&](const char* what, const auto& found, const auto& wanted) {
      if (found != wanted)
        throw FileError(
            fmt::format("{}: {} is \"{}\", but this work has \"{}\" there; remove the file or "
                        "choose another",
                        where, what, found, wanted));
    };
    same("the id", g.id, static_cast<int64_t>(id));
    if (id >= sources.size())
      throw FileError(fmt::format("{}: there are only {} sources; remove the file or choose another", where,
                                  sources.size()));
    same("the source", g.source, sources[id]);
    same("the generator", g.from.generator, from.generator);
    same("the checkpoint", g.from.checkpoint, from.checkpoint);
    same("the decoding", g.from.decoding, from.decoding);
    same("the seed", g.from.seed, from.seed);
    same("the generation", g.from.generation, from.generation);
    if (line % static_cast<size_t>(best) == 0) whole = end + 1;
  }
  const size_t next = line / static_cast<size_t>(best);  // the source that comes then
  if (at < all.size() &&
      (next >= sources.size() || !begins_line(all.substr(at), static_cast<int64_t>(next), sources[next])))
    throw FileError(fmt::format(
        "{}: line {} has no end, and is not the beginning of what this work has there; remove the "
        "file or choose another",
        path, line + 1));
  if (whole < there.size()) std::filesystem::resize_file(path, whole);  // in place: the file is locked
  return static_cast<int64_t>(line) / best;
}
namespace {
// As translations(); a source that cannot be translated gets empty ones. Each keeps its own random stream.
std::vector<std::vector<Candidate>> translations_of_all(const LoadedRun& run,
                                                        std::span<const std::string> sources, Decoding d,
                                                        const BestOf* best_of, const Instruction* instruction,
                                                        const Stop& stop) {
  const std::vector<Candidate> nothing(static_cast<size_t>(d.best), {"", NAN, 0, false});
  const uint32_t first = d.first;
  std::vector<std::vector<Candidate>> out;
  while (out.size() < sources.size()) {
    size_t end = out.size();
    while (end < sources.size() && translatable(run, sources[end], instruction)) ++end;
    d.first = first + static_cast<uint32_t>(out.size());
    for (auto& t : translations(run, sources.subspan(out.size(), end - out.size()), d, best_of, instruction,
                                [&](int64_t) { leave_if(stop); }))
      out.push_back(std::move(t));
    if (end < sources.size()) out.push_back(nothing);
  }
  return out;
}
// Most tokens that the context leaves for a translation.
int64_t room_after(const LoadedRun& run, std::string_view source, const Instruction* instruction) {
  return room(run.model, instruction ? instructed(run.tokenizer, *instruction, source, run.config.chat).prompt
                                     : source_prompt(source, run.tokenizer));
}
}  // namespace
bool translatable(const LoadedRun& run, std::string_view source, const Instruction* instruction,
                  int64_t tokens) {
  return !blank_line(source) && room_after(run, source, instruction) >= tokens;
}
bool fills_context(const LoadedRun& run, std::string_view source, const Candidate& c,
                   const Instruction* instruction) {
  return !c.finished && c.tokens > 0 && c.tokens >= room_after(run, source, instruction);
}
int64_t count_filling_context(const LoadedRun& run, std::span<const Generated> all,
                              const Instruction* instruction, const Instead& instead) {
  return std::count_if(all.begin(), all.end(), [&](const Generated& g) {
    const auto other = instead.find(g.id);
    const std::string& translated = other == instead.end() ? g.source : other->second;
    return fills_context(run, translated, {g.target, g.log_prob, g.tokens, g.finished}, instruction);
  });
}
std::string to_line(const Generated& g) {
  return to_json(Json(Json::Object{{"id", g.id},
                                   {"source", g.source},
                                   {"target", g.target},
                                   {"log_prob", g.log_prob},
                                   {"tokens", g.tokens},
                                   {"finished", g.finished},
                                   {"generator", g.from.generator},
                                   {"checkpoint", g.from.checkpoint},
                                   {"decoding", g.from.decoding},
                                   {"seed", g.from.seed},
                                   {"generation", g.from.generation}})) +
         '\n';
}

std::vector<Generated> read_generated(const std::string& path) {
  std::vector<Generated> out;
  LineReader reader(path, kLineLimit * 8);
  for (std::string_view line; reader.next(line);)
    out.push_back(from_line(line, fmt::format("{}: line {}", path, reader.line())));
  return out;
}

int64_t generate_file(const LoadedRun& run, std::span<const std::string> sources, const Decoding& decoding,
                      const Provenance& from, const std::string& path,
                      const std::function<void(int64_t, int64_t)>& done, const Stop& stop,
                      const BestOf* best_of, const Instruction* instruction, const Instead& instead) {
  RUM_CHECK(decoding.best == 1 || (decoding.sample && best_of == nullptr),
            "a file of {} translations for each source is made of draws alone", decoding.best);
  const AppendLock alone(path);
  const int64_t had = sources_done(sources, decoding.best, from, path);
  if (done) done(had, had);
  size_t most = kFewestTexts;
  for (auto at = static_cast<size_t>(had); at < sources.size();) {
    const double start = seconds_now();
    Decoding d = decoding;
    d.first = static_cast<uint32_t>(at);
    const auto here = sources.subspan(at, std::min(most, sources.size() - at));
    std::vector<std::string> part(here.begin(), here.end());
    for (auto other = instead.lower_bound(static_cast<int64_t>(at));
         other != instead.end() && other->first < static_cast<int64_t>(at + part.size()); ++other)
      part[static_cast<size_t>(other->first) - at] = other->second;
    std::string lines;
    for (const auto& candidates : translations_of_all(run, part, d, best_of, instruction, stop)) {
      for (const Candidate& c : candidates)
        lines +=
            to_line({static_cast<int64_t>(at), sources[at], c.text, c.log_prob, c.tokens, c.finished, from});
      ++at;
    }
    Disk::real().append(path, lines);
    const double took = seconds_now() - start;
    if (took < kPartSeconds / 2) most = std::min(2 * most, kMostTexts);
    if (took > kPartSeconds) most = std::max<size_t>(most / 2, 1);
    if (done) done(static_cast<int64_t>(at), had);
  }
  return had;
}
}  // namespace rum
