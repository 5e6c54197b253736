#include "huggingface/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "base/utf8.h"
#include "text/json.h"

namespace rum {
namespace {
constexpr const char *kOneFile = "model.safetensors", *kIndex = "model.safetensors.index.json",
                     *kHead = "lm_head.weight";

float from_half(uint16_t h) {  // exact: every f16 number is an f32 number
  const uint32_t sign = uint32_t{h & 0x8000u} << 16, exponent = h >> 10 & 31, fraction = h & 1023;
  if (exponent == 0) return (sign ? -1.0f : 1.0f) * static_cast<float>(fraction) * 0x1p-24f;
  const uint32_t bits = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | bits << 23 | fraction << 13);
}

// Converts rows of type From to rows of type To; `from` may be the transpose, (columns, rows).
template <class From, class To, class Convert>
void place(const From* from, int64_t rows, int64_t columns, bool transposed, To* to, Convert&& convert) {
  constexpr int64_t kBlock = 32;  // block of a transpose: both sides stay in the cache
  if (!transposed) {
    for (int64_t i = 0; i < rows * columns; ++i) to[i] = convert(from[i]);
    return;
  }
  for (int64_t r = 0; r < rows; r += kBlock)
    for (int64_t c = 0; c < columns; ++c)
      for (int64_t i = r; i < std::min(rows, r + kBlock); ++i)
        to[i * columns + c] = convert(from[c * rows + i]);
}
// Copies one stored tensor into `rows` rows of ours, from row `first` on.
void put(const std::string& type, const std::byte* from, const Tensor& to, int64_t first, int64_t rows,
         bool transposed) {
  const int64_t columns = to.size() / to.shape()[0], at = first * columns;
  if (to.dtype() == DType::bf16) {
    place(reinterpret_cast<const bf16*>(from), rows, columns, transposed, to.data<bf16>() + at,
          [](bf16 x) { return x; });
    return;
  }
  float* const out = to.data<float>() + at;
  if (type == "F32")
    place(reinterpret_cast<const float*>(from), rows, columns, transposed, out, [](float x) { return x; });
  else if (type == "BF16")
    place(reinterpret_cast<const bf16*>(from), rows, columns, transposed, out,
          [](bf16 x) { return static_cast<float>(x); });
  else
    place(reinterpret_cast<const uint16_t*>(from), rows, columns, transposed, out, from_half);
}
bool finite(const Tensor& t) {
  bool all = true;
  for (int64_t i = 0; i < t.size(); ++i)
    if (t.dtype() == DType::bf16)
      all &= (t.data<bf16>()[i].bits & 0x7F80) != 0x7F80;
    else
      all &= (std::bit_cast<uint32_t>(t.data<float>()[i]) & 0x7F800000) != 0x7F800000;
  return all;
}
}  // namespace

void refuse_pointer(const std::string& path) {
  constexpr std::string_view kPointer = "version https://git-lfs.github.com/";
  File file(path);
  std::string start(std::min<uint64_t>(file.size(), kPointer.size()), ' ');
  file.read(0, std::as_writable_bytes(std::span(start)));
  if (start == kPointer)
    throw FileError(path +
                    ": a Git LFS pointer, not the file itself; `git lfs pull` in its folder fetches it");
}

HubWeights::HubWeights(std::string folder) : folder_(std::move(folder)) {
  Disk& disk = Disk::real();
  if (disk.exists(folder_ + "/" + kOneFile))
    open(kOneFile);
  else if (disk.exists(folder_ + "/" + kIndex))
    open_shards(kIndex);
  else
    refuse_others();
}
void HubWeights::refuse_others() const {
  for (const std::string& name : Disk::real().list(folder_))
    for (const char* pickle : {".bin", ".pt", ".pth", ".ckpt", ".pkl"})
      if (name.ends_with(pickle))
        throw FileError(
            fmt::format("{}/{}: a pickle file, which can run any program when it is read, so it is refused; "
                        "save the model as {} where you trust it",
                        folder_, name, kOneFile));
  throw FileError(
      fmt::format("{}: no weights in it; expected {}, or shards with {}", folder_, kOneFile, kIndex));
}
void HubWeights::open(const std::string& name) {
  const auto [at, is_new] = files_.try_emplace(folder_ + "/" + name);
  if (!is_new) return;
  refuse_pointer(at->first);
  at->second = std::make_unique<SafetensorsFile>(at->first);
  for (const StoredTensor& t : at->second->tensors())
    if (!tensors_.try_emplace(t.name, Place{at->second.get(), &at->first, &t}).second)
      throw FileError(fmt::format("{}: \"{}\" is in another shard, too", at->first, t.name));
}
void HubWeights::open_shards(const std::string& index) {
  const std::string path = folder_ + "/" + index;
  refuse_pointer(path);
  const Json json =
      parse_json(Disk::real().read(path), path, {.depth = 8, .bytes = 1 << 26, .values = 1 << 20});
  const Json* map = json.find("weight_map");
  if (!map || !map->object())
    throw FileError(path + ": weight_map: expected an object with the shard of each tensor");
  for (const auto& [tensor, shard] : *map->object()) {
    const std::string* name = shard.text();
    if (!name || name->find('/') != std::string::npos || !name->ends_with(".safetensors"))
      throw FileError(
          fmt::format("{}: weight_map.{}: expected the name of a .safetensors file beside it, found {}", path,
                      tensor, shortened(to_json(shard), 80)));
    if (!Disk::real().exists(folder_ + "/" + *name))
      throw FileError(fmt::format("{}/{}: the shard is missing; {} says that \"{}\" is in it", folder_, *name,
                                  index, tensor));
    open(*name);
    const auto found = tensors_.find(tensor);
    if (found == tensors_.end() || *found->second.path != folder_ + "/" + *name)
      throw FileError(
          fmt::format("{}/{}: no tensor \"{}\" in it, but {} says so", folder_, *name, tensor, index));
  }
}

const HubWeights::Place& HubWeights::find(const Family& family, const std::string& name) const {
  const std::string_view prefix = family.prefix;
  auto at = tensors_.find(name);
  if (at == tensors_.end() && name.starts_with(prefix)) at = tensors_.find(name.substr(prefix.size()));
  if (at == tensors_.end())
    throw FileError(fmt::format("{}: no tensor \"{}\" in its weights", folder_, name));
  const StoredTensor& t = *at->second.tensor;
  if (t.type != "F32" && t.type != "BF16" && t.type != "F16")
    throw FileError(fmt::format("{}: \"{}\": expected weights of type F32, BF16 or F16, found {}",
                                *at->second.path, t.name, t.type));
  return at->second;
}

Tensor HubWeights::read(const Family& family, const GptConfig& c, const std::string& ours,
                        const Shape& shape) {
  const Parts parts = parts_of(family, c, ours, shape);
  std::vector<const Place*> places;
  bool all_bf16 = true;
  for (size_t i = 0; i < parts.names.size(); ++i) {
    places.push_back(&find(family, parts.names[i]));
    const StoredTensor& t = *places.back()->tensor;
    Shape expected = shape;
    expected.axis[0] = parts.rows[i];
    if (parts.transposed) std::swap(expected.axis[0], expected.axis[1]);
    if (t.shape != expected)
      throw FileError(fmt::format("{}: \"{}\" is {}, config.json makes it {}", *places.back()->path, t.name,
                                  str(t.shape), str(expected)));
    all_bf16 = all_bf16 && t.type == "BF16";
    half_ = half_ && t.type == "F16";
    read_.insert(t.name);
  }
  const Tensor out = Tensor::empty(shape, all_bf16 ? DType::bf16 : DType::f32, DeviceKind::cpu);
  RUM_CHECK(out.data<char>(), "{}: not enough memory for {}", folder_, ours);
  int64_t row = 0;
  std::vector<std::byte> bytes;
  for (size_t i = 0; i < places.size(); row += parts.rows[i++]) {
    bytes.resize(places[i]->tensor->end - places[i]->tensor->begin);
    places[i]->file->read(*places[i]->tensor, 0, bytes);
    put(places[i]->tensor->type, bytes.data(), out, row, parts.rows[i], parts.transposed);
    if (!finite(out.rows(row, row + parts.rows[i])))
      throw FileError(
          fmt::format("{}: \"{}\" holds numbers that are not finite: the file is damaged, or its "
                      "training failed",
                      *places[i]->path, places[i]->tensor->name));
  }
  return out;
}

// Files may contain the embedding twice. If the copies differ, transformers 5 does not tie them, and 4
// overwrites one.
void HubWeights::check_tied(const Family& family, const GptConfig& c) const {
  const Place& head = find(family, kHead);
  const Place& table = find(family, parts_of(family, c, "tokens", Shape{c.vocab, c.width}).names.front());
  const auto bytes = [](const Place& p) { return p.tensor->end - p.tensor->begin; };
  bool same = head.tensor->type == table.tensor->type && bytes(head) == bytes(table);
  std::vector<std::byte> a(size_t{1} << 20), b(a.size());
  for (uint64_t at = 0; same && at < bytes(head); at += a.size()) {
    const size_t n = std::min<uint64_t>(a.size(), bytes(head) - at);
    head.file->read(*head.tensor, at, std::span(a).first(n));
    table.file->read(*table.tensor, at, std::span(b).first(n));
    same = std::memcmp(a.data(), b.data(), n) == 0;
  }
  if (!same)
    throw FileError(
        fmt::format("{}: \"{}\" differs from \"{}\", but config.json says tie_word_embeddings = "
                    "true; it must say false, or the tensor must go",
                    *head.path, kHead, table.tensor->name));
}
void HubWeights::check_all_read(const Family& family, const GptConfig& c) const {
  std::set<std::string> known;
  for (const char* constant : family.ignored)
    for (int64_t block = 0; block < c.layers; ++block) {
      std::string name = constant;
      name.replace(name.find('#'), 1, std::to_string(block));
      known.insert(name);
      known.insert(family.prefix + name);
    }
  if (c.tied && tensors_.contains(kHead)) {
    check_tied(family, c);
    known.insert(kHead);
  }
  for (const auto& [name, place] : tensors_)
    if (!read_.contains(name) && !known.contains(name))
      throw FileError(fmt::format("{}: \"{}\": a {} model of this config has no such tensor", *place.path,
                                  name, family.name));
}
}  // namespace rum
