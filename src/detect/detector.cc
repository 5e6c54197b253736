// The registry of kinds, and the file format of detectors.
#include "detect/detector.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "base/names.h"
#include "detect/calibrate.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::detect {
namespace {
constexpr int64_t kVersion = 1;
constexpr const char* kHead = "detector";       // key of the metadata
constexpr const char* kTexts = "origin.texts";  // a tensor: rows of two halves of 32 bits

std::vector<const Kind*>& kinds() {
  static std::vector<const Kind*> all;
  return all;
}
uint64_t from_hex(const std::string& digits) { return std::stoull(digits, nullptr, 16); }

Json::Object head_of(const Origin& o) {
  Json::Array corpora, generators(o.generators.begin(), o.generators.end());
  for (const auto& [path, hash] : o.corpora)
    corpora.emplace_back(Json::Object{{"path", path}, {"hash", hex64(hash)}});
  Json::Object out{{"corpora", std::move(corpora)},
                   {"humans", o.humans},
                   {"machines", o.machines},
                   {"generators", std::move(generators)}};
  if (o.white_box > 0) out.emplace_back("white_box", o.white_box);
  if (o.held_out)
    out.emplace_back("held_out", Json::Object{{"folds", o.held_out->folds},
                                              {"auroc", o.held_out->auroc},
                                              {"error", o.held_out->error}});
  return out;
}
Origin origin_of(const JsonFields& head) {
  Origin o;
  for (const JsonFields& c : head.objects("corpora")) {
    const std::string& digits = c.text("hash");
    if (digits.size() != 16 || digits.find_first_not_of("0123456789abcdef") != std::string::npos)
      c.refuse("hash", "16 hexadecimal digits");
    o.corpora.emplace_back(c.text("path"), from_hex(digits));
  }
  for (const Json& g : head.array("generators"))
    if (const std::string* name = g.text()) o.generators.push_back(*name);
  o.humans = head.whole("humans");
  o.machines = head.whole("machines");
  o.white_box = head.whole("white_box", 0);
  if (head.has("held_out")) {
    const JsonFields h = head.object("held_out");
    o.held_out = HeldOut{h.whole("folds"), h.number("auroc"), h.number("error")};
  }
  return o;
}
// Beside a detector's own tensors, and back: hashes of 8 bytes each, in a type that files have.
Tensor tensor_of(const std::vector<uint64_t>& hashes) {
  const Tensor out = Tensor::empty({static_cast<int64_t>(hashes.size()), 2}, DType::i32, DeviceKind::cpu);
  std::memcpy(out.data<int32_t>(), hashes.data(), hashes.size() * sizeof(uint64_t));
  return out;
}
std::vector<uint64_t> hashes_of(const Tensor& t, const std::string& path) {
  if (t.dtype() != DType::i32 || t.shape().rank != 2 || t.shape()[1] != 2)
    throw FileError(fmt::format("{}: tensor {}: expected i32 [texts, 2]", path, kTexts));
  std::vector<uint64_t> out(static_cast<size_t>(t.shape()[0]));
  std::memcpy(out.data(), t.data<int32_t>(), out.size() * sizeof(uint64_t));
  return out;
}
}  // namespace

Kind::Kind(const char* n, const char* h,
           std::unique_ptr<Detector> (*f)(std::span<const Text>, const Json::Object&),
           std::unique_ptr<Detector> (*l)(const Saved&, const std::string&))
    : name(n),
      help(h),
      fit(f),
      load(l) {
  kinds().push_back(this);
  std::sort(kinds().begin(), kinds().end(),
            [](const Kind* a, const Kind* b) { return std::strcmp(a->name, b->name) < 0; });
}
std::span<const Kind* const> Kind::all() { return kinds(); }
const Kind& Kind::named(const std::string& name) { return find_named(kinds(), name, "kind of detector"); }

std::string place_of(const Text& t) {
  return t.file ? fmt::format("{}: line {}", *t.file, t.line) : "text " + t.id;
}
namespace {
Origin authors_of(std::span<const Text> texts) {
  Origin origin;
  std::set<std::string> generators;
  for (const Text& t : texts) {
    RUM_CHECK(t.author != Author::unknown, "{}: expected a label, human or machine, to fit on", place_of(t));
    ++(t.author == Author::human ? origin.humans : origin.machines);
    if (!t.generator.empty()) generators.insert(t.generator);
  }
  RUM_CHECK(origin.humans > 0 && origin.machines > 0,
            "{} texts by people and {} by machines: a detector is fitted on both", origin.humans,
            origin.machines);
  origin.generators.assign(generators.begin(), generators.end());
  return origin;
}
}  // namespace
uint64_t text_hash(const Text& t) { return hash64(nfc(without_outer_blanks(t.target))); }
void check_authors(std::span<const Text> texts) { authors_of(texts); }
std::unique_ptr<Detector> fit(const std::string& kind, std::span<const Text> texts,
                              const Json::Object& options) {
  const Kind& k = Kind::named(kind);
  Origin origin = authors_of(texts);
  auto detector = k.fit(texts, options);
  detector->kind = k.name;
  detector->origin = std::move(origin);
  for (const Text& t : texts) detector->origin.texts.push_back(text_hash(t));
  return detector;
}

Saved pack(const Detector& d) {
  Saved out = d.saved();
  out.settings =
      Json::Object{{"version", kVersion},
                   {"kind", d.kind},
                   {"higher", "machine"},  // what a higher score means, for other readers of the file
                   {"origin", head_of(d.origin)},
                   {"calibration", to_json_object(d.calibration)},
                   {"settings", std::move(out.settings)}};
  if (!d.origin.texts.empty()) out.tensors.emplace_back(kTexts, tensor_of(d.origin.texts));
  return out;
}
std::unique_ptr<Detector> unpack(const Saved& saved, const std::string& path) {
  const Json json(saved.settings);
  const JsonFields head(json, path);
  if (const int64_t version = head.whole("version"); version != kVersion)
    throw FileError(
        fmt::format("{}: a detector of format version {}; this program reads version {}: fit it "
                    "again",
                    path, version, kVersion));
  if (head.text("higher") != "machine") head.refuse("higher", "\"machine\"");
  const std::string& name = head.text("kind");
  if (!head.at("settings").object()) head.refuse("settings", "an object");
  Saved own{*head.at("settings").object(), {}};
  Origin origin = origin_of(head.object("origin"));
  for (const auto& [tensor, numbers] : saved.tensors)
    if (tensor == kTexts)
      origin.texts = hashes_of(numbers, path);
    else
      own.tensors.emplace_back(tensor, numbers);
  Calibration calibration = calibration_of(head.object("calibration"));
  auto detector = Kind::named(name).load(own, path);
  detector->kind = name;
  detector->calibration = std::move(calibration);
  detector->origin = std::move(origin);
  return detector;
}

void save(const Detector& d, const std::string& path, Disk& disk) {
  Saved packed = pack(d);
  write_safetensors({{{kHead, to_json(Json(std::move(packed.settings)))}}, std::move(packed.tensors)}, path,
                    disk);
}
std::unique_ptr<Detector> load(const std::string& path, Disk& disk) {
  TensorFile file = read_safetensors(path, disk);
  const auto head = file.meta.find(kHead);
  if (head == file.meta.end())
    throw FileError(path +
                    ": no detector: its metadata has no \"detector\"; `ruminate detect fit` makes one");
  const Json parsed = parse_json(head->second, path);
  if (!parsed.object()) throw FileError(path + ": the detector's head is no JSON object");
  return unpack({*parsed.object(), std::move(file.tensors)}, path);
}
}  // namespace rum::detect
