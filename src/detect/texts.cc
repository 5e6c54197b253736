#include "detect/texts.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/hash.h"
#include "text/reader.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::detect {
namespace {
// "lines.tsv.gz" -> "lines.tsv".
std::string_view without_packing(std::string_view path) {
  for (const std::string_view packed : {".gz", ".xz", ".zst", ".bz2"})
    if (path.ends_with(packed)) return path.substr(0, path.size() - packed.size());
  return path;
}
class Reading {
 public:
  Reading(const TextFile& file, Texts& out)
      : file_(file),
        out_(out),
        json_(without_packing(file.path).ends_with(".jsonl")),
        pairs_(without_packing(file.path).ends_with(".tsv")),
        shown_(std::make_shared<const std::string>(rum::shown(file.path))),
        lines_(file.path, kLineLimit, Form::nfc, json_ || pairs_ ? BlankEnd::passed_over : BlankEnd::kept) {
    if (!file.sources.empty()) sources_.emplace(file.sources, kLineLimit, Form::nfc);
  }
  void all() {
    if (sources_ && (json_ || pairs_))
      fail(file_.path + ": it has its own sources; leave out the file of sources");
    Hash64 hash;
    for (Text t; next(t, hash);) {
      if (sources_) t.source = next_source();
      if (t.bad.empty() && without_trailing_blanks(t.target).empty()) {
        ++out_.empty;
        if (!file_.keep_bad) continue;
        t.bad = place_of(t) + ": there is no text";
      }
      out_.texts.push_back(std::move(t));
    }
    if (lines_.line() == 0) throw FileError(lines_.path() + ": no line in it; expected one text a line");
    end_of_sources();
    out_.corpora.emplace_back(file_.path, hash.value());
  }

 private:
  // The text of the next line; false at the end.
  bool next(Text& t, Hash64& hash) {
    t = {.author = file_.author, .generator = file_.generator};
    std::string_view line;
    try {
      if (!lines_.next(line)) return false;
      t.file = shown_, t.line = lines_.line();
      hash.add(line);
      hash.add("\n");
      out_.tabbed += !json_ && !pairs_ && line.find('\t') != std::string_view::npos;
      t.id = std::to_string(t.line);
      read(line, t);
    } catch (const LineError& e) {
      t.file = shown_, t.line = lines_.line();
      t.id = std::to_string(t.line);
      keep_bad(t, e);
    }
    return true;
  }
  void keep_bad(Text& t, const LineError& e) const {  // in a handler
    if (!file_.keep_bad) throw;
    t.target.clear();
    t.bad = e.what();
  }
  void read(std::string_view line, Text& t) const {
    if (json_)
      from_json(line, t);
    else if (pairs_)
      from_pair(line, t);
    else
      t.target = line;
  }
  [[noreturn]] void bad(const std::string& what) const {
    throw LineError(fmt::format("{}: line {}: {}", file_.path, lines_.line(), what));
  }
  void from_pair(std::string_view line, Text& t) const {
    const size_t tab = line.find('\t');
    const auto tabs = std::count(line.begin(), line.end(), '\t');
    if (tabs != 1) bad(fmt::format("expected source<TAB>target with one tab, found {}", tabs));
    t.source = line.substr(0, tab);
    t.target = line.substr(tab + 1);
  }
  // The text under one of these keys, if any. An escape may undo the line's form, so it is restored.
  std::optional<std::string> text(const Json& j, std::initializer_list<const char*> keys) const {
    for (const char* key : keys)
      if (const Json* found = j.find(key); found != nullptr && !found->is_null()) {
        if (!found->text()) bad(fmt::format("\"{}\": expected a text", key));
        return nfc(*found->text());
      }
    return std::nullopt;
  }
  Json parsed(std::string_view line) const try {
    return parse_json(line, fmt::format("{}: line {}", file_.path, lines_.line()));
  } catch (const FileError& e) {
    throw LineError(e.what());
  }
  void from_json(std::string_view line, Text& t) const {
    const Json j = parsed(line);
    if (!j.object()) bad("expected a JSON object");
    const auto target = text(j, {"target", "text", "generation"});
    if (!target) bad("expected \"target\", \"text\" or \"generation\"");
    t.target = *target;
    if (const auto source = text(j, {"source"})) t.source = *source;
    if (const auto decoding = text(j, {"decoding"})) t.decoding = *decoding;
    if (const auto checkpoint = text(j, {"checkpoint"})) t.checkpoint = *checkpoint;
    if (int64_t id = 0; j.find("id") && j.find("id")->whole(id))
      t.id = std::to_string(id);  // as `ruminate translate --jsonl` writes it
    else if (const auto given = text(j, {"id"}))
      t.id = *given;
    if (const auto model = text(j, {"generator", "model"})) {
      t.author = *model == "human" ? Author::human : Author::machine;
      if (t.author == Author::machine) t.generator = *model;
    }
    const auto label = text(j, {"label"});
    if (!label) return;
    if (*label != "human" && *label != "machine")
      bad(fmt::format("label \"{}\": expected human or machine", *label));
    t.author = *label == "human" ? Author::human : Author::machine;
  }
  std::string next_source() {
    std::string_view line;
    if (!sources_->next(line))
      throw FileError(fmt::format("{} has {} lines, {} has more; expected a source for every line",
                                  file_.sources, sources_->line(), file_.path));
    return std::string(line);
  }
  void end_of_sources() {
    std::string_view line;
    if (sources_ && sources_->next(line))
      throw FileError(fmt::format("{} has {} lines, {} has more; expected a line for every source",
                                  file_.path, lines_.line(), file_.sources));
  }
  const TextFile& file_;
  Texts& out_;
  const bool json_, pairs_;
  const std::shared_ptr<const std::string> shown_;
  LineReader lines_;
  std::optional<LineReader> sources_;
};
}  // namespace

void read_texts(const TextFile& file, Texts& out) { Reading(file, out).all(); }
int64_t count_in_both(std::span<const Text> texts) {
  std::map<std::pair<std::string_view, std::string_view>, int> authors;
  for (const Text& t : texts)
    if (t.author != Author::unknown && t.bad.empty())
      authors[{t.source, t.target}] |= t.author == Author::human ? 1 : 2;
  int64_t both = 0;
  for (const auto& [text, who] : authors) both += who == 3;
  return both;
}
}  // namespace rum::detect
