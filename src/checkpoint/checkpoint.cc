// Checkpoints: safetensors with checksums, a name that sorts, and rules for which to trust and which to keep.
#include "checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/hash.h"
#include "base/number.h"
#include "base/unfinished.h"
#include "checkpoint/safetensors.h"

namespace rum {
namespace {
constexpr const char *kKind = "ruminate", *kKindValue = "checkpoint 1", *kStep = "step",
                     *kBodyHash = "body_hash", *kHeaderHash = "header_hash", *kFormat = "format";
constexpr const char* kOurs[] = {kKind, kStep, kBodyHash, kHeaderHash, kFormat};
const std::string kZeros(16, '0');

std::string hash_of_body(const TensorFile& file) {  // the tensors tile the body in their order
  Hash64 hash;
  for (const auto& [name, t] : file.tensors) hash.add({t.data<const char>(), bytes_of(t).size()});
  return hex64(hash.value());
}
// The header names its own hash once: a quote inside of any other string would be escaped.
std::string hash_of_header(std::string header, const std::string& digits) {
  const std::string field = fmt::format("\"{}\":\"{}\"", kHeaderHash, digits);
  const size_t at = header.find(field);
  if (at == std::string::npos) return "a field written in another way";
  header.replace(at + field.size() - 17, 16, kZeros);
  return hex64(hash64(header));
}

int64_t whole_number(std::string_view text) {  // -1 when it is none
  return text.starts_with('-') ? -1 : number_in<int64_t>(text).value_or(-1);
}

Checkpoint validated(TensorFile file, const std::string& name) {
  auto refuse = [&](const std::string& why) -> void { throw FileError(name + ": " + why); };
  auto field = [&](const char* key) {
    const auto found = file.meta.find(key);
    if (found == file.meta.end())
      refuse(fmt::format("header: expected \"{}\" in __metadata__, found none", key));
    return found->second;
  };
  if (!file.meta.contains(kKind))
    refuse("a safetensors file but not a checkpoint of ruminate: its __metadata__ has no \"ruminate\"");
  if (file.meta[kKind] != kKindValue)
    refuse(fmt::format("header: expected a \"{}\", found a \"{}\"", kKindValue, file.meta[kKind]));
  const std::string header_hash = field(kHeaderHash), body_hash = field(kBodyHash);
  const std::string header_found =
      header_hash.size() == 16 ? hash_of_header(file.header, header_hash) : "another length";
  if (header_found != header_hash)
    refuse(fmt::format("bytes 0 to {}: the header is damaged: expected the checksum {}, found {}",
                       file.header.size() - 1, header_hash, header_found));
  if (const std::string found = hash_of_body(file); found != body_hash)
    refuse(fmt::format("byte {} to the end: the tensors are damaged: expected the checksum {}, found {}",
                       file.header.size(), body_hash, found));
  Checkpoint out{whole_number(field(kStep)), {}, std::move(file.tensors)};
  if (out.step < 0) refuse(fmt::format("header: expected a step, found \"{}\"", field(kStep)));
  for (const char* ours : kOurs) file.meta.erase(ours);
  out.meta = std::move(file.meta);
  return out;
}

constexpr std::string_view kBefore = "step-", kAfter = ".ckpt";
int64_t step_of(std::string_view name) {  // -1: not a checkpoint's name
  if (!name.starts_with(kBefore) || !name.ends_with(kAfter)) return -1;
  if (name.size() < kBefore.size() + 8 + kAfter.size()) return -1;
  return whole_number(name.substr(kBefore.size(), name.size() - kBefore.size() - kAfter.size()));
}
}  // namespace

void save(const Checkpoint& checkpoint, const std::string& path, Disk& disk) {
  RUM_CHECK(checkpoint.step >= 0, "a checkpoint of step {}", checkpoint.step);
  for (const char* ours : kOurs)
    RUM_CHECK(!checkpoint.meta.contains(ours), "the key \"{}\" of a checkpoint is set by save()", ours);
  TensorFile file = in_file_order({checkpoint.meta, checkpoint.tensors});
  file.meta[kKind] = kKindValue;
  file.meta[kStep] = std::to_string(checkpoint.step);
  file.meta[kBodyHash] = hash_of_body(file);
  file.meta[kHeaderHash] = kZeros;
  file.meta[kHeaderHash] = hash_of_header(safetensors_header(file), kZeros);
  write_safetensors(file, path, disk);
}
Checkpoint load(const std::string& path, Disk& disk) { return validated(read_safetensors(path, disk), path); }
Checkpoint parse_checkpoint(std::string_view bytes, const std::string& name) {
  return validated(parse_safetensors(bytes, name), name);
}

namespace {
template <class T>
T noted_as(const Checkpoint& c, const std::string& key, const char* expected) {
  const auto at = c.meta.find(key);
  const std::string text = at == c.meta.end() ? "" : at->second;
  const auto v = number_in<T>(text);
  if (!v || !std::isfinite(static_cast<double>(*v)))
    throw FileError(
        fmt::format("the checkpoint of step {} notes {} = \"{}\", expected {}; it was not written by "
                    "`ruminate train`",
                    c.step, key, text, expected));
  return *v;
}
}  // namespace
int64_t noted(const Checkpoint& c, const std::string& key) {
  return noted_as<int64_t>(c, key, "a whole number");
}
double noted_number(const Checkpoint& c, const std::string& key) {
  return noted_as<double>(c, key, "a number");
}

std::string checkpoint_path(const std::string& folder, int64_t step) {
  return fmt::format("{}/{}{:08}{}", folder, kBefore, step, kAfter);
}
std::vector<int64_t> saved_steps(const std::string& folder, Disk& disk) {
  std::vector<int64_t> steps;
  for (const std::string& name : disk.list(folder))
    if (const int64_t step = step_of(name); step >= 0) steps.push_back(step);
  std::sort(steps.begin(), steps.end());
  return steps;
}
std::optional<Found> newest_valid(const std::string& folder,
                                  const std::function<void(const std::string&)>& warn, Disk& disk) {
  if (!disk.exists(folder)) return {};
  std::vector<int64_t> steps = saved_steps(folder, disk);
  std::vector<std::string> damaged;
  for (; !steps.empty(); steps.pop_back()) {
    const std::string path = checkpoint_path(folder, steps.back());
    try {
      Found found{path, load(path, disk)};
      for (const std::string& why : damaged)
        if (warn) warn(fmt::format("{}; falling back to the checkpoint before it", why));
      return found;
    } catch (const FileError& e) {
      damaged.emplace_back(e.what());
    }
  }
  if (damaged.empty()) return {};
  throw FileError(fmt::format("{}: none of its checkpoints ({}) can be read; restore a copy of one. {}",
                              folder, damaged.size(), fmt::join(damaged, "; ")));
}
void remove_stale(const std::string& folder, Disk& disk) {
  if (!disk.exists(folder)) return;
  for (const std::string& name : disk.list(folder))
    if (name.starts_with(kBefore) && is_unfinished(name)) disk.remove(folder + "/" + name);
}
void retain(const std::string& folder, const std::vector<int64_t>& keep, Disk& disk) {
  const std::vector<int64_t> steps = saved_steps(folder, disk);
  for (const int64_t step : steps)
    if (step != steps.back() && std::find(keep.begin(), keep.end(), step) == keep.end())
      disk.remove(checkpoint_path(folder, step));
}
}  // namespace rum
