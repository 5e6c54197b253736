#include "train/run.h"

#include <fmt/format.h>

#include <charconv>
#include <map>

#include "base/error.h"
#include "base/hash.h"
#include "checkpoint/safetensors.h"

namespace rum {
int64_t noted(const Checkpoint& c, const std::string& key) {
  const auto at = c.meta.find(key);
  const std::string text = at == c.meta.end() ? "" : at->second;
  int64_t v = 0;
  if (const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), v);
      bad != std::errc() || text.empty() || end != text.data() + text.size())
    throw FileError(
        fmt::format("the checkpoint of step {} notes {} = \"{}\", expected a whole number; it was not "
                    "written by `ruminate train`",
                    c.step, key, text));
  return v;
}

uint64_t weights_hash(const ParameterBlock& block) {
  Hash64 hash;
  for (const auto& [name, t] : named_weights(block, block.master())) {
    hash.add(name + str(t.shape()));
    hash.add({t.data<char>(), static_cast<size_t>(t.size()) * size_of(t.dtype())});
  }
  return hash.value();
}

// Without a copy on the device first: a run saves when its memory is exhausted, too.
static Tensor copy_on_cpu(const Tensor& t) {
  return t.device() == DeviceKind::cpu ? t.clone() : t.to(DeviceKind::cpu);
}
Named named_weights(const ParameterBlock& block, const Tensor& flat, const std::string& prefix) {
  Named out;
  for (const ParameterBlock::Entry& e : block.entries())
    out.emplace_back(prefix + e.name,
                     copy_on_cpu(flat.rows(e.offset, e.offset + e.shape.size()).as(e.shape)));
  return out;
}

void set_weights(const ParameterBlock& block, const Tensor& flat, const Named& from,
                 const std::string& prefix, const std::string& file) {
  std::map<std::string, const Tensor*> by_name;
  for (const auto& [name, tensor] : from)
    if (name.starts_with(prefix)) by_name[name.substr(prefix.size())] = &tensor;
  for (const ParameterBlock::Entry& e : block.entries()) {
    const auto at = by_name.find(e.name);
    if (at == by_name.end())
      throw FileError(
          fmt::format("{}: no tensor \"{}{}\"; this file is of another model", file, prefix, e.name));
    const Tensor& t = *at->second;
    if (t.shape() != e.shape || t.dtype() != flat.dtype())
      throw FileError(
          fmt::format("{}: \"{}{}\" is {}, the model's config says {}; this file is of another model", file,
                      prefix, e.name, str(t.shape()), str(e.shape)));
    Backend::of(flat.device())
        .upload(flat.data<char>() + static_cast<size_t>(e.offset) * size_of(flat.dtype()), t.data<char>(),
                static_cast<size_t>(t.size()) * size_of(t.dtype()));
    by_name.erase(at);
  }
  for (const auto& [name, tensor] : by_name)
    if (!name.starts_with("adamw."))
      throw FileError(fmt::format("{}: tensor \"{}\" is no part of the model; this file is of another model",
                                  file, name));
}

namespace {
bool is_file(const std::string& path, const char* extension) { return path.ends_with(extension); }
}  // namespace

DeviceKind pick_device(const std::string& name) {
  if (name == "cuda") Backend::of(DeviceKind::cuda);
  const bool gpu = name == "cuda" || (name == "auto" && Backend::missing(DeviceKind::cuda).empty());
  return gpu ? DeviceKind::cuda : DeviceKind::cpu;
}

std::unique_ptr<LoadedRun> load_run(const std::string& given, DeviceKind device) {
  Disk& disk = Disk::real();
  RunFolder folder{given};
  std::string file;
  if (is_file(given, ".ckpt") || is_file(given, ".safetensors")) {
    file = given;
    const size_t slash = given.rfind('/');
    folder.path = slash == std::string::npos ? "." : given.substr(0, slash);
    if (!disk.exists(folder.config())) folder.path += "/..";
  }
  if (!disk.exists(folder.config()))
    throw FileError(fmt::format(
        "{}: not a run folder, there is no config.toml in it; `ruminate train` makes one", given));
  auto run = std::make_unique<LoadedRun>();
  run->config = read_config(folder.config());
  run->tokenizer = Tokenizer::load(folder.tokenizer());
  Named weights;
  if (file.empty() && disk.exists(folder.model())) file = folder.model();
  if (is_file(file, ".safetensors")) {
    weights = read_safetensors(file).tensors;
  } else {
    if (file.empty()) {
      auto newest = newest_valid(folder.checkpoints());
      if (!newest)
        throw FileError(fmt::format("{}: no checkpoint yet; `ruminate train --resume` goes on", given));
      const int64_t best = noted(newest->checkpoint, "best_step");  // 0: none was evaluated yet
      const std::string path = checkpoint_path(folder.checkpoints(), best);
      file = best > 0 && disk.exists(path) ? path : newest->path;
    }
    weights = load(file).tensors;
  }
  run->model.emplace(run->config.model_kind, Params(run->params),
                     model_config(run->config, run->tokenizer.size()));
  run->params.materialise(device, DType::f32, run->config.seed);
  set_weights(run->params, run->params.master(), weights, "", file);
  run->params.refresh_shadow();
  run->source = file;
  return run;
}
}  // namespace rum
