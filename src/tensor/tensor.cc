#include "tensor/tensor.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "tensor/arena.h"
#include "tensor/kernel.h"

namespace rum {
namespace {
class CpuBackend final : public Backend {
  // Large blocks ask for huge pages: decoding walks through all weights for every token.
  void* allocate(size_t bytes) override {
    constexpr size_t kHuge = size_t{2} << 20;
    const size_t unit = bytes < kHuge ? 64 : kHuge, size = (bytes + 63) / 64 * 64;
    void* p = nullptr;
    if (::posix_memalign(&p, unit, size) != 0)
      throw OutOfMemory(fmt::format("out of memory: {} MiB more were asked for", bytes >> 20));
    if (unit == kHuge) ::madvise(p, size, MADV_HUGEPAGE);  // a wish: where it fails, small pages serve
    return p;
  }
  void release(void* p) override { std::free(p); }
  void upload(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }
  void download(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }
  void copy(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }
  void fill(void* to, int byte, size_t bytes) override { std::memset(to, byte, bytes); }
  void wait() override {}
  std::string describe() override { return "CPU"; }
};
Backend& cpu() {
  static CpuBackend* const backend = new CpuBackend;  // never destroyed: statics may hold tensors to the end
  return *backend;
}
constinit Backend::Make makers[2] = {cpu, nullptr};
size_t rounded(size_t bytes) { return std::max<size_t>((bytes + 255) / 256 * 256, 256); }
bool& poison() {
  static bool on = std::getenv("RUM_POISON") != nullptr;
  return on;
}
}  // namespace

bool Backend::provide(DeviceKind d, Make make) {
  makers[static_cast<int>(d)] = make;
  return true;
}
void* Backend::start_download(const void* from, size_t bytes) {
  RUM_CHECK(bytes <= kMostQueued, "a queued download of {} bytes: {} at most", bytes, kMostQueued);
  auto* const held = new std::array<std::byte, kMostQueued>;
  download(held->data(), from, bytes);
  return held;
}
void Backend::finish_download(void* started, void* to, size_t bytes) {
  auto* const held = static_cast<std::array<std::byte, kMostQueued>*>(started);
  std::memcpy(to, held->data(), bytes);
  delete held;
}
Backend& Backend::of(DeviceKind d) {
  const Make make = makers[static_cast<int>(d)];
  RUM_CHECK(
      make != nullptr,
      "this build has no CUDA kernels: run on the CPU (--device cpu), or build with `make CUDA=1` where "
      "a CUDA toolkit of 12.4 or newer is installed");
  return make();
}
std::string Backend::missing(DeviceKind d) try {
  of(d);
  return "";
} catch (const Error& e) {
  return e.what();
}
void fail_no_kernel(const char* name, DeviceKind d) {
  fail(fmt::format("{} has no {} kernel: it runs on the {} alone (--device {})", name,
                   d == DeviceKind::cpu ? "cpu" : "cuda", d == DeviceKind::cpu ? "GPU" : "CPU",
                   d == DeviceKind::cpu ? "cuda" : "cpu"));
}
void fail_no_type(DType t) { fail(fmt::format("no kernel for dtype {}", static_cast<int>(t))); }

Shape::Shape(std::initializer_list<int64_t> axes) : rank(static_cast<int>(axes.size())) {
  RUM_CHECK(axes.size() <= 4, "a shape has at most four axes, not {}", axes.size());
  std::copy(axes.begin(), axes.end(), axis.begin());
}
std::string str(const Shape& s) {
  std::string out = "(";
  for (int i = 0; i < s.rank; ++i) out += (i ? ", " : "") + std::to_string(s[i]);
  return out + ")";
}

Arena::~Arena() {
  for (auto& c : chunks_) backend_.release(c.first);
}
size_t Arena::reserved() const {
  size_t n = 0;
  for (auto& c : chunks_) n += c.second;
  return n;
}
void Arena::add_chunk(size_t bytes) {
  chunks_.emplace_back(static_cast<char*>(backend_.allocate(bytes)), bytes);
  free_by_address_[chunks_.back().first] = bytes;
  free_by_size_.insert({bytes, chunks_.back().first});
}
void* Arena::take(size_t bytes) {
  bytes = rounded(bytes);
  auto fit = free_by_size_.lower_bound({bytes, nullptr});
  if (fit == free_by_size_.end()) {
    add_chunk(std::max(bytes, rounded(peak_ / 16)));
    fit = free_by_size_.lower_bound({bytes, nullptr});
  }
  auto [size, p] = *fit;
  free_by_size_.erase(fit);
  free_by_address_.erase(p);
  if (size > bytes) {
    free_by_address_[p + bytes] = size - bytes;
    free_by_size_.insert({size - bytes, p + bytes});
  }
  peak_ = std::max(peak_, in_use_ += bytes);
  trace_ = (trace_ ^ reinterpret_cast<uint64_t>(p)) * 0x100000001B3u + bytes;
  if (poison()) backend_.fill(p, 0xFF, bytes);
  return p;
}
void Arena::set_poison(bool on) { poison() = on; }
void Arena::give(void* block, size_t bytes) {
  char* p = static_cast<char*>(block);
  size_t n = rounded(bytes);
  in_use_ -= n;
  if (poison()) backend_.fill(p, 0xFF, n);
  auto chunk_starts = [&](char* q) {
    return std::any_of(chunks_.begin(), chunks_.end(), [q](auto& c) { return c.first == q; });
  };
  auto after = free_by_address_.lower_bound(p);
  if (after != free_by_address_.end() && after->first == p + n && !chunk_starts(p + n)) {
    n += after->second;
    free_by_size_.erase({after->second, after->first});
    after = free_by_address_.erase(after);
  }
  if (after != free_by_address_.begin() && !chunk_starts(p)) {
    auto before = std::prev(after);
    if (before->first + before->second == p) {
      p = before->first, n += before->second;
      free_by_size_.erase({before->second, before->first});
      free_by_address_.erase(before);
    }
  }
  free_by_address_[p] = n;
  free_by_size_.insert({n, p});
}
void Arena::clear() {
  RUM_CHECK(in_use_ == 0, "{} bytes of the last step are still held", in_use_);
  ++moves_;
  for (auto& c : chunks_) backend_.release(c.first);
  chunks_.clear(), free_by_address_.clear(), free_by_size_.clear();
}
void Arena::settle() {
  RUM_CHECK(in_use_ == 0, "{} bytes of the last step are still held: clone() what outlives a step", in_use_);
  trace_ = 0;
  if (chunks_.size() < 2) return;
  // Peak bytes first; if best fit leaves gaps a further chunk joins, and the next settle() adds it up.
  const size_t bytes = chunks_.front().second >= peak_ ? reserved() : peak_;
  for (auto& c : chunks_) backend_.release(c.first);
  chunks_.clear(), free_by_address_.clear(), free_by_size_.clear();
  ++moves_;
  add_chunk(bytes);
}
Arena*& current_arena() {
  static Arena* a = nullptr;
  return a;
}

Tensor Tensor::declared(Shape s) {
  auto* b = new TensorBody;
  b->shape = s;
  return Tensor(b);
}
Tensor Tensor::empty(Shape s, DType t, DeviceKind d) {
  Arena* const arena = current_arena() && current_arena()->device() == d ? current_arena() : nullptr;
  const size_t bytes = static_cast<size_t>(s.size()) * size_of(t);
  auto* data = static_cast<char*>(arena ? arena->take(bytes) : Backend::of(d).allocate(bytes));
  auto* m = new Storage{arena, d, data, bytes, 1, 0};
  Tensor out = declared(s);
  out.body_->dtype = t, out.body_->device = d, out.body_->storage = m, out.body_->data = m->data;
  return out;
}
void Tensor::release(TensorBody* b) {
  if (--b->handles > 0) return;
  if (Storage* m = b->storage; m && --m->refs == 0) {
    m->arena ? m->arena->give(m->data, m->bytes) : Backend::of(m->device).release(m->data);
    delete m;
  }
  delete b;
}
Tensor Tensor::as(Shape s) const {
  RUM_CHECK(s.size() == size(), "{} cannot be seen as {}", str(shape()), str(s));
  Tensor out = declared(s);
  TensorBody node = *body_;
  out.body_->dtype = node.dtype, out.body_->device = node.device, out.body_->data = node.data;
  ++(out.body_->storage = node.storage)->refs;
  return out;
}
Tensor Tensor::rows(int64_t begin, int64_t end) const {
  RUM_CHECK(0 <= begin && begin <= end && end <= shape()[0], "rows {}..{} of {}", begin, end, str(shape()));
  Tensor out = as(shape());
  out.body_->shape.axis[0] = end - begin;
  out.body_->data += static_cast<size_t>(begin * (size() / shape()[0])) * size_of(dtype());
  return out;
}
Tensor Tensor::clone() const {
  Tensor out = like(*this);
  out.copy_from(*this);
  return out;
}
bool Tensor::shared() const { return body_->handles > 1 || body_->storage->refs > 1; }
double Tensor::at(int64_t i) const {
  const size_t width = size_of(dtype());
  alignas(8) char bytes[8];
  Backend::of(device()).download(bytes, body_->data + static_cast<size_t>(i) * width, width);
  if (dtype() == DType::i32) return *reinterpret_cast<const int32_t*>(bytes);
  double v = 0;
  by_type(dtype(), [&]<class T> { v = static_cast<double>(*reinterpret_cast<const T*>(bytes)); });
  return v;
}
template <class T>
Tensor Tensor::from(std::span<const T> values, Shape s, DType t, DeviceKind d) {
  RUM_CHECK(static_cast<int64_t>(values.size()) == s.size(), "{} numbers for {}", values.size(), str(s));
  if (d != DeviceKind::cpu) return from(values, s, t, DeviceKind::cpu).to(d);
  Tensor out = empty(s, t, d);
  if (t == DType::i32) {
    for (size_t i = 0; i < values.size(); ++i) out.data<int32_t>()[i] = static_cast<int32_t>(values[i]);
  } else {
    by_type(t, [&]<class U> {
      for (size_t i = 0; i < values.size(); ++i)
        out.data<U>()[i] = static_cast<U>(static_cast<Stats<U>>(values[i]));
    });
  }
  return out;
}
void Tensor::copy_from(std::span<const int32_t> v) const {
  RUM_CHECK(dtype() == DType::i32 && size() == static_cast<int64_t>(v.size()),
            "copy of {} integers to {}: expected as many i32", v.size(), str(shape()));
  Backend::of(device()).upload(body_->data, v.data(), v.size_bytes());
}
void Tensor::copy_from(const Tensor& t) const {
  RUM_CHECK(t.shape() == shape() && t.dtype() == dtype(), "copy of {} to {}", str(t.shape()), str(shape()));
  const size_t bytes = static_cast<size_t>(size()) * size_of(dtype());
  if (t.device() == device())
    Backend::of(device()).copy(body_->data, t.body_->data, bytes);
  else if (t.device() == DeviceKind::cpu)
    Backend::of(device()).upload(body_->data, t.body_->data, bytes);
  else
    Backend::of(t.device()).download(body_->data, t.body_->data, bytes);
}
Tensor Tensor::to(DeviceKind d) const {
  if (d == device()) return *this;
  Tensor out = empty(shape(), dtype(), d);
  out.copy_from(*this);
  return out;
}
template Tensor Tensor::from(std::span<const float>, Shape, DType, DeviceKind);
template Tensor Tensor::from(std::span<const double>, Shape, DType, DeviceKind);
template Tensor Tensor::from(std::span<const int32_t>, Shape, DType, DeviceKind);
}  // namespace rum
