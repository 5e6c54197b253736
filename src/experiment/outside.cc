#include "experiment/outside.h"

#include <fmt/format.h>

#include "base/error.h"
#include "data/corpus.h"
#include "text/reader.h"
#include "text/unicode.h"

namespace rum::experiment {
namespace {
// Of a line of generate/generated.h; of other programs' lines less.
Json::Object provenance_in(const Json& line) {
  Json::Object out;
  for (const char* key : {"generator", "checkpoint", "decoding", "seed", "generation"})
    if (const Json* value = line.find(key)) out.emplace_back(key, *value);
  return out;
}
Outside from_json_lines(const std::string& path, int64_t pool) {
  Outside out;
  out.targets.resize(static_cast<size_t>(pool));
  LineReader reader(path, kLineLimit, Form::as_is, BlankEnd::passed_over);
  for (std::string_view line; reader.next(line);) {
    const std::string where = fmt::format("{}: line {}", path, reader.line());
    const Json json = parse_json(line, where);
    const JsonFields j(json, where);
    const int64_t id = j.whole("id");
    const std::string& target = j.text("target");
    if (id < 0 || id >= pool)
      throw FileError(
          fmt::format("{}: id {} is not in the pool, which has ids 0 to {}", where, id, pool - 1));
    OutsideTarget& t = out.targets[static_cast<size_t>(id)];
    if (t.line > 0) throw FileError(fmt::format("{}: id {} appears twice", where, id));
    t.line = reader.line();
    t.target = target;
    if (j.has("source")) t.source = nfc(j.text("source"));
    const Json::Object from = provenance_in(json);
    if (out.lines.empty()) out.from = from;
    if (to_json(Json(from)) != to_json(Json(out.from)))
      throw FileError(
          fmt::format("{}: written by {}, but the lines before by {}; give each its own file, and "
                      "mix them in an arm",
                      where, to_json(Json(from)), to_json(Json(out.from))));
    out.unfinished += !t.target.empty() && j.has("finished") && !j.boolean("finished");
    out.lines += line;
    out.lines += '\n';
  }
  std::string missing;
  int64_t count = 0;
  for (size_t i = 0; i < out.targets.size(); ++i)
    if (out.targets[i].line == 0 && ++count <= 5) missing += fmt::format("{}{}", count > 1 ? ", " : "", i);
  if (count > 0)
    throw FileError(fmt::format("{}: {} ids of the pool are missing: {}{}", path, count, missing,
                                count > 5 ? ", ..." : ""));
  return out;
}
Outside from_pairs(const std::string& path, int64_t pool) {
  Corpus read = read_corpus(path, CorpusKind::pairs, {.empty_sides = true});
  if (std::ssize(read.texts) != pool)
    throw FileError(
        fmt::format("{} has {} lines, the pool {}; expected one pair for each sentence of the pool", path,
                    read.texts.size(), pool));
  Outside out;
  for (Pair& p : read.texts)
    out.targets.push_back({std::ssize(out.targets) + 1, std::move(p.source), std::move(p.target)});
  return out;
}
}  // namespace

Outside read_outside(const std::string& path, int64_t pool) {
  std::string_view start;
  LineReader peek(path);
  const bool json = peek.next(start) && start.starts_with('{');
  return json ? from_json_lines(path, pool) : from_pairs(path, pool);
}
}  // namespace rum::experiment
