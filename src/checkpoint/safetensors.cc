// The strict reader makes the reference reader's checks in the same order, each with a message of its own.
#include "checkpoint/safetensors.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>

#include "base/error.h"
#include "base/free_memory.h"
#include "base/utf8.h"
#include "tensor/backend.h"
#include "text/json.h"

namespace rum {
namespace {
constexpr uint64_t kMaxHeader = 100'000'000;  // the reference's limit, for reading and writing
constexpr size_t kMaxValues = 1 << 20;  // about 95,000 tensors; bounds memory and time of a hostile header
constexpr const char* kMeta = "__metadata__";

struct TypeName {
  DType type;
  const char* name;
};
constexpr TypeName kTypes[] = {  // in the order of the file: the reference sorts by alignment
    {DType::f64, "F64"},
    {DType::f32, "F32"},
    {DType::i32, "I32"},
    {DType::bf16, "BF16"},
    {DType::i8, "I8"}};
struct OtherType {
  const char* name;
  uint64_t bytes;  // 0: less than one
};
constexpr OtherType kOtherTypes[] = {
    {"BOOL", 1},        {"U8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"F8_E8M0", 1}, {"F8_E4M3FNUZ", 1},
    {"F8_E5M2FNUZ", 1}, {"I16", 2}, {"U16", 2},     {"F16", 2},     {"U32", 4},     {"C64", 8},
    {"I64", 8},         {"U64", 8}, {"F4", 0},      {"F6_E2M3", 0}, {"F6_E3M2", 0}};
size_t rank_of(DType t) {
  return static_cast<size_t>(
      std::find_if(std::begin(kTypes), std::end(kTypes), [t](const TypeName& n) { return n.type == t; }) -
      kTypes);
}

// A name out of the file, quoted and cut, for a message.
std::string shown(std::string_view name) { return to_json(Json(shortened(name, 80))); }

struct Entry {
  std::string name, stored;  // as what type, by its name
  DType type = DType::f32;   // where it is one of ours
  uint64_t width = 0;        // bytes of a number
  std::vector<uint64_t> axes;
  uint64_t begin = 0, end = 0;
  Shape shape() const {
    Shape s;
    s.rank = static_cast<int>(axes.size());
    std::transform(axes.begin(), axes.end(), s.axis.begin(),
                   [](uint64_t axis) { return static_cast<int64_t>(axis); });
    return s;
  }
};
// Where the bytes come from: a file or memory.
struct Source {
  std::string name;
  uint64_t size;
  std::function<void(uint64_t offset, std::span<std::byte> to)> read;
};

// One file while it is read: the header's text, and how to point at a byte of it.
class Reader {
 public:
  // any_type: also those that are none of ours.
  explicit Reader(const Source& source, bool any_type = false) : source_(source), any_type_(any_type) {}
  TensorFile read();
  void read_entries();
  const std::vector<Entry>& entries() const { return entries_; }
  uint64_t body() const { return header_.size(); }
  const std::map<std::string, std::string>& meta() const { return meta_; }

 private:
  [[noreturn]] void refuse(uint64_t byte, const std::string& expected, const std::string& found) const {
    throw FileError(fmt::format("{}: byte {}: expected {}, found {}", source_.name, byte, expected, found));
  }
  [[noreturn]] void refuse(std::string_view tensor, const std::string& expected,
                           const std::string& found) const {
    const size_t at = header_.find(to_json(Json(tensor)), 8);
    refuse(at == std::string::npos ? 8 : at, expected, fmt::format("{} in {}", found, shown(tensor)));
  }
  void read_header();
  void read_meta(const Json&);
  Entry entry(const std::string& name, const Json&) const;
  void set_type(Entry&, const Json*) const;
  std::vector<uint64_t> numbers(const std::string& name, const char* key, const Json*) const;
  void check_offsets() const;
  uint64_t bytes_of_shape(const Entry&) const;
  Tensor tensor(const Entry&) const;

  const Source& source_;
  bool any_type_;
  std::string header_;
  std::map<std::string, std::string> meta_;
  std::vector<Entry> entries_;
};

void Reader::read_header() {
  if (source_.size < 8)
    refuse(0, "the 8 bytes of a header's length", fmt::format("a file of {} bytes", source_.size));
  uint64_t length = 0;
  source_.read(0, std::as_writable_bytes(std::span(&length, 1)));
  if (length > kMaxHeader)
    refuse(0, fmt::format("a header of at most {} bytes", kMaxHeader), fmt::format("a length of {}", length));
  if (length > source_.size - 8)
    refuse(0, fmt::format("a header that ends within the {} bytes of the file", source_.size),
           fmt::format("a length of {}", length));
  header_.resize(8 + length);
  source_.read(0, std::as_writable_bytes(std::span(header_)));
}

void Reader::read_meta(const Json& json) {
  const Json::Object* object = json.object();
  if (!object) refuse(kMeta, "an object of strings", "another value");
  for (const auto& [key, value] : *object) {
    if (!value.text()) refuse(kMeta, "an object of strings", "no string for the key " + shown(key));
    meta_[key] = *value.text();
  }
}

void Reader::set_type(Entry& e, const Json* json) const {
  const std::string* text = json ? json->text() : nullptr;
  if (!text) refuse(e.name, "a string \"dtype\"", json ? "another value" : "none");
  e.stored = *text;
  for (const TypeName& known : kTypes)
    if (*text == known.name) return void((e.type = known.type, e.width = size_of(known.type)));
  for (const OtherType& other : kOtherTypes)
    if (*text == other.name) {
      if (!any_type_ || other.bytes == 0)
        refuse(e.name, "a dtype of F32, BF16, F64, I32, I8", "the unsupported dtype " + *text);
      return void(e.width = other.bytes);
    }
  refuse(e.name, "a dtype of the format", "the unknown dtype " + shown(*text));
}

std::vector<uint64_t> Reader::numbers(const std::string& name, const char* key, const Json* json) const {
  const Json::Array* array = json ? json->array() : nullptr;
  if (!array) refuse(name, fmt::format("an array \"{}\"", key), json ? "another value" : "none");
  std::vector<uint64_t> out;
  for (const Json& value : *array) {
    int64_t whole = -1;
    if (!value.whole(whole) || whole < 0) {
      std::string found = to_json(value);
      if (value.array() || value.object()) found = "brackets";
      if (value.text()) found = shown(*value.text());
      refuse(name, fmt::format("whole numbers from 0 to 2^63 - 1 in \"{}\"", key), found);
    }
    out.push_back(static_cast<uint64_t>(whole));
  }
  return out;
}

Entry Reader::entry(const std::string& name, const Json& json) const {
  const Json::Object* object = json.object();
  if (!object) refuse(name, "an object with dtype, shape and data_offsets", "another value");
  for (const auto& [key, value] : *object)
    if (key != "dtype" && key != "shape" && key != "data_offsets")
      refuse(name, "only dtype, shape and data_offsets", "the key " + shown(key));
  Entry e;
  e.name = name;
  set_type(e, json.find("dtype"));
  e.axes = numbers(name, "shape", json.find("shape"));
  if (e.axes.size() > 4) refuse(name, "at most 4 axes", fmt::format("{}", e.axes.size()));
  const std::vector<uint64_t> offsets = numbers(name, "data_offsets", json.find("data_offsets"));
  if (offsets.size() != 2) refuse(name, "2 data_offsets", fmt::format("{}", offsets.size()));
  e.begin = offsets[0];
  e.end = offsets[1];
  return e;
}

uint64_t Reader::bytes_of_shape(const Entry& e) const {
  uint64_t bytes = e.width;
  std::string shape;
  bool fits = true;
  // The size of a type goes first: an overflow by it is one by the number of elements, or of bytes.
  for (const uint64_t axis : e.axes) {
    fits = fits && !__builtin_mul_overflow(bytes, axis, &bytes);
    shape += fmt::format("{}{}", shape.empty() ? "" : ", ", axis);
  }
  if (!fits || bytes > INT64_MAX)
    refuse(e.name, "a shape of less than 2^63 bytes", fmt::format("the shape [{}]", shape));
  return bytes;
}

// The tensors must tile the buffer: from 0 to its end, without holes or overlaps.
void Reader::check_offsets() const {
  uint64_t at = 0;
  for (const Entry& e : entries_) {
    if (e.begin != at)
      refuse(e.name, fmt::format("data_offsets that begin at {}", at),
             fmt::format("{} at {}", e.begin < at ? "an overlap" : "a hole", e.begin));
    if (e.end < e.begin)
      refuse(e.name, fmt::format("data_offsets that end at {} or later", e.begin),
             fmt::format("an end of {}", e.end));
    if (const uint64_t bytes = bytes_of_shape(e); e.end - e.begin != bytes)
      refuse(e.name, fmt::format("data_offsets {} bytes apart, as dtype and shape say", bytes),
             fmt::format("{}", e.end - e.begin));
    at = e.end;
  }
  const uint64_t buffer = source_.size - header_.size();
  if (at > buffer)
    refuse(source_.size, fmt::format("{} bytes of tensors after the header", at),
           fmt::format("the end of the file after {}", buffer));
  if (at < buffer)
    refuse(header_.size() + at, "the end of the file after the last tensor",
           fmt::format("{} more bytes", buffer - at));
}

Tensor Reader::tensor(const Entry& e) const {
  Tensor t = Tensor::empty(e.shape(), e.type, DeviceKind::cpu);
  source_.read(header_.size() + e.begin, {t.data<std::byte>(), e.end - e.begin});
  return t;
}

void Reader::read_entries() {
  read_header();
  {
    const Json json =
        parse_json(std::string_view(header_).substr(8), source_.name + ": header, which begins at byte 8",
                   {.depth = 3, .bytes = kMaxHeader, .values = kMaxValues});
    const Json::Object* object = json.object();
    if (!object) refuse(8, "a JSON object", "another value");
    for (const auto& [name, value] : *object) {
      if (name == kMeta)
        read_meta(value);
      else
        entries_.push_back(entry(name, value));
    }
  }
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  check_offsets();
}
TensorFile Reader::read() {
  read_entries();
  check_memory(source_.name,
               static_cast<double>(source_.size));  // a file with holes takes no room on the disk
  TensorFile out{std::move(meta_), {}, {}};
  for (const Entry& e : entries_) out.tensors.emplace_back(e.name, tensor(e));
  out.header = std::move(header_);
  return out;
}

}  // namespace

Disk::Part bytes_of(const Tensor& t) { return {t.data<const std::byte>(), t.bytes()}; }

const char* type_name(DType t) { return kTypes[rank_of(t)].name; }
std::optional<DType> type_of(std::string_view name) {
  for (const TypeName& known : kTypes)
    if (name == known.name) return known.type;
  return {};
}

TensorFile parse_safetensors(std::string_view bytes, const std::string& name) {
  const Source memory{name, bytes.size(), [bytes](uint64_t offset, std::span<std::byte> to) {
                        if (!to.empty()) std::memcpy(to.data(), bytes.data() + offset, to.size());
                      }};
  return Reader(memory).read();
}
TensorFile read_safetensors(const std::string& path, Disk& disk) {
  File file(path, disk.calls());
  const Source source{path, file.size(),
                      [&](uint64_t offset, std::span<std::byte> to) { file.read(offset, to); }};
  return Reader(source).read();
}

SafetensorsFile::SafetensorsFile(const std::string& path, Disk& disk) : file_(path, disk.calls()) {
  const Source source{path, file_.size(),
                      [&](uint64_t offset, std::span<std::byte> to) { file_.read(offset, to); }};
  Reader reader(source, true);
  reader.read_entries();
  body_ = reader.body();
  meta_ = reader.meta();
  for (const Entry& e : reader.entries()) tensors_.push_back({e.name, e.stored, e.shape(), e.begin, e.end});
}
void SafetensorsFile::read(const StoredTensor& t, uint64_t offset, std::span<std::byte> to) {
  RUM_CHECK(offset + to.size() <= t.end - t.begin, "\"{}\" has {} bytes, not {}", t.name, t.end - t.begin,
            offset + to.size());
  file_.read(body_ + t.begin + offset, to);
}

TensorFile in_file_order(const TensorFile& file) {
  TensorFile out{file.meta, {}, {}, file.half};
  out.meta.emplace("format", "pt");  // without it Hugging Face's loader fails
  for (const auto& [name, t] : file.tensors) {
    RUM_CHECK(t && (t.data<char>() || t.size() == 0), "tensor \"{}\" has no memory to save", name);
    RUM_CHECK(name != kMeta, "a tensor cannot be named {}", kMeta);
    out.tensors.emplace_back(name, t.to(DeviceKind::cpu));
  }
  auto key = [](const auto& named) { return std::pair(rank_of(named.second.dtype()), named.first); };
  std::sort(out.tensors.begin(), out.tensors.end(),
            [&](const auto& a, const auto& b) { return key(a) < key(b); });
  std::map<std::string_view, int> count;
  for (const auto& [name, t] : out.tensors)
    RUM_CHECK(++count[name] == 1, "tensor \"{}\" appears twice", name);
  return out;
}

std::string safetensors_header(const TensorFile& file) {
  RUM_CHECK(10 * file.tensors.size() + file.meta.size() + 2 <= kMaxValues,
            "{} tensors are too many for one safetensors file", file.tensors.size());
  Json::Object meta, all;
  for (const auto& [key, value] : file.meta) meta.emplace_back(key, value);
  all.emplace_back(kMeta, std::move(meta));
  uint64_t at = 0;
  for (const auto& [name, t] : file.tensors) {
    Json::Array shape;
    for (int i = 0; i < t.shape().rank; ++i) shape.emplace_back(t.shape()[i]);
    const uint64_t end = at + bytes_of(t).size();
    const char* type = file.half && t.dtype() == DType::bf16 ? "F16" : type_name(t.dtype());
    all.emplace_back(
        name,
        Json::Object{{"dtype", type}, {"shape", std::move(shape)}, {"data_offsets", Json::Array{at, end}}});
    at = end;
  }
  std::string text = to_json(Json(std::move(all)));
  text.resize((text.size() + 7) / 8 * 8, ' ');
  RUM_CHECK(text.size() <= kMaxHeader, "a safetensors header of {} bytes: at most {} are allowed",
            text.size(), kMaxHeader);
  const uint64_t length = text.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  return out + text;
}

void write_safetensors(const TensorFile& file, const std::string& path, Disk& disk) {
  const TensorFile ordered = in_file_order(file);
  const std::string header = safetensors_header(ordered);
  std::vector<Disk::Part> parts{std::as_bytes(std::span(header))};
  for (const auto& [name, t] : ordered.tensors) parts.push_back(bytes_of(t));
  disk.replace(path, parts);
}
}  // namespace rum
