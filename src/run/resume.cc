#include "run/resume.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "run/folder.h"
#include "text/toml.h"

namespace rum {
namespace fs = std::filesystem;
namespace {
// The reason for a key, or for all keys of a section.
constexpr std::pair<const char*, const char*> kFixed[] = {
    {"run.seed", "the order of the texts and the dropout of all steps follow from it"},
    {"data.kind", "the steps so far have read the texts that way"},
    {"data.windows", "the steps so far have read the texts that way"},
    {"tokenizer.", "the weights know the tokens of the run's own tokenizer"},
    {"model.", "the weights are of another model"},
    {"train.from", "the run has weights of its own by now"},
    {"lora.", "the run's adapters are of another shape"},
};

// A folder without a name, such as ".", by one that messages and provenance can show.
std::string with_a_name(const std::string& given) {
  const std::string folder = without_end_slashes(given);
  const fs::path last = fs::path(folder).filename();
  if (last != "." && last != "..") return folder;
  std::error_code unknown;
  const fs::path whole = fs::canonical(folder, unknown);
  return unknown ? folder : whole.string();
}

// The folder that the relative paths of a config start from: as far above the run's folder as the config
// says. Empty where it does not say.
fs::path starting_folder(const RunConfig& c, const std::string& folder) {
  const fs::path noted = fs::path(c.folder).lexically_normal();
  std::error_code unknown;
  fs::path at = fs::canonical(folder, unknown);
  if (unknown || noted.is_absolute()) return {};
  for (const fs::path& part : noted) {
    if (part == "..") return {};
    if (!part.empty() && part != ".") at = at.parent_path();
  }
  return at;
}

// What is 0 means another value: 0 heads of keys are as many as heads.
void fill_in(RunConfig& a, RunConfig& b) {
  for (RunConfig* c : {&a, &b}) c->model = model_config(*c, 0);
}
}  // namespace

std::string found_path(const std::string& path, const RunConfig& c, const std::string& folder) {
  if (path.empty() || Disk::real().exists(path)) return path;
  const std::string there = (starting_folder(c, folder) / path).string();
  return Disk::real().exists(there) ? there : path;
}

RunConfig resumed_config(const std::string& given) {
  const RunFolder run{with_a_name(given)};
  check_run_folder(run, given, "start without --resume");
  RunConfig c = read_config(run.config());
  const RunConfig noted = c;
  const auto find = [&](std::string& path) { path = found_path(path, noted, run.path); };
  std::for_each(c.train.begin(), c.train.end(), find);
  for (std::string* path : {&c.valid, &c.test, &c.plan}) find(*path);
  // Only adapters need those weights again. Of other runs the key stays as it is: it may not change.
  if (c.lora.rank > 0) find(c.from);
  c.folder = run.path;
  return c;
}

std::string why_fixed(const std::string& key) {
  for (const auto& [fixed, reason] : kFixed)
    if (key == fixed || (std::string_view(fixed).ends_with('.') && key.starts_with(fixed))) return reason;
  return "";
}

void check_whole(const std::string& path, const std::string& then, const std::string& checkpoint) {
  const auto there = parse_toml(Disk::real().read(path), path).lines,
             noted = parse_toml(then, checkpoint).lines;
  std::vector<std::string> lost;
  for (const Key& key : keys())
    if (noted.contains(key.name) && !there.contains(key.name)) lost.push_back(key.name);
  if (!lost.empty())
    throw FileError(fmt::format(
        "{}: cut off: {} of the run's keys are missing, {} to {}; put the whole file back, of which "
        "the header of {} has a copy",
        path, lost.size(), lost.front(), lost.back(), checkpoint));
}

void check_same_model(const std::string& path, const RunConfig& now, const std::string& then,
                      const std::string& weights) {
  check_whole(path, then, weights);
  RunConfig a = parse_config(then, weights), b = now;
  fill_in(a, b);
  const auto decides = [](const Key& key) {  // what the model makes of a text
    return shapes_weights(key) || key.name.starts_with("lora.") || key.name == "data.kind" ||
           key.name == "tokenizer.begin" || key.name == "tokenizer.end";
  };
  for (const Key& key : keys())
    if (decides(key) && key.get(a) != key.get(b))
      throw FileError(fmt::format("{}: {} = {}, but {} was trained with {}: put the old value back", path,
                                  key.name, key.get(b), weights, key.get(a)));
}

std::vector<std::string> changes(const RunConfig& then, const RunConfig& now, int64_t step) {
  std::vector<std::string> out;
  for (const Key& key : keys())
    if (key.name != "run.folder" && key.get(then) != key.get(now))
      out.push_back(
          fmt::format("{} = {}, was {} up to step {}", key.name, key.get(now), key.get(then), step));
  return out;
}

void check_resumed(const RunConfig& then, const RunConfig& now) {
  RunConfig a = then, b = now;
  fill_in(a, b);
  // What adapters are trained beside may lie elsewhere: the trainer compares hashes.
  if (now.lora.rank > 0) a.from = b.from;
  for (const Key& key : keys())
    if (const std::string reason = why_fixed(key.name); !reason.empty())
      RUM_CHECK(
          key.get(a) == key.get(b),
          "{} = {}, but this run has {}: {}. `ruminate train --help` marks what a resumed run may change",
          key.name, key.get(b), key.get(a), reason);
}

bool evaluated_alike(const RunConfig& a, const RunConfig& b) {
  return a.best == b.best && a.eval_texts == b.eval_texts &&
         (a.best != Best::score || a.bleu_texts == b.bleu_texts);
}
}  // namespace rum
