// Wgmma, bulk copies and barriers of hopper.h on emulated threads. Everything happens as late as the rules
// allow: a product is made when its group is waited for, from the registers and the shared memory of that
// moment; a bulk copy lands when the phase of its barrier is complete. What is not there yet is poison, and
// the checker (check.cc) knows who has waited for what.
#include "cuda/simt/hopper.h"

#include <array>
#include <map>

#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

namespace simt {
// cpu.cc
void park(const char* what, const loc& l);
void unpark(Thread& t);
unsigned char* shared_begin();
#ifdef SIMT_CHECK
// check.cc. Clocks: how far whoever holds one knows each thread and each barrier of the block.
void check_release(void* clock);
void check_acquire(const void* clock);
void* check_clock();
void check_joined(void* into, const void* clock);
void check_fence_async();
void check_async_read(const void* p, size_t n, const loc& l);
void check_async_start(const void* p, size_t n, const loc& l);
void check_landed(void* p, size_t n, unsigned barrier, uint32_t phase, void* clock);
void check_global_read(const void* p, size_t n);
void check_reads_begin(unsigned warp, uint32_t kib);
void check_reads_end(unsigned warp, const std::vector<uint32_t>& kibs);
void check_async_block();
#endif
namespace {
constexpr uint32_t kPoison = 0xffffffffu;  // a NaN

struct Bulk {
  unsigned char* to;
  TensorMap map;
  int64_t at[3];
  uint32_t bytes;
};
struct Phases {  // a barrier
  unsigned number = 0, arrivals = 0, pending = 0;
  uint32_t phase = 0;
  int64_t expected = 0, issued = 0;  // bytes, in this phase
  std::vector<Bulk> copies;
  std::vector<Thread*> waiting;
  void *now = nullptr, *done = nullptr;  // clocks: of who has arrived in this phase, and in those before
};
struct Sums {  // of one accumulator
  int n = 0;
  bool flying = false;
  std::vector<float> value;  // as the last product or fence saw it
};
struct Flight {
  detail::Product p;
  int group;
  uint32_t a[4];
  std::vector<uint32_t> kibs;  // of shared memory that it reads, by the warp's first lane
  loc where;
};
struct Of {  // a thread
  int group = 0;
  bool fenced = false;
  std::vector<Flight> flights;
  std::map<float*, Sums> sums;
  std::map<const uint32_t*, std::array<uint32_t, 4>> factors;
  uint64_t issued = 0;  // products, all of them mixed together: what the group's warps must agree on
};
struct Running {  // the block that this host thread works on
  bool used = false;
  std::map<const Barrier*, Phases> barriers;
  std::vector<Of> threads;
};
thread_local Running run;

Running& running() {
  if (!run.used) {
    run.used = true;
    run.threads.assign(blk->n, {});
#ifdef SIMT_CHECK
    check_async_block();
#endif
  }
  return run;
}
Of& mine() { return running().threads[cur->lin]; }
[[noreturn]] void bad(const loc& l, const char* what, const std::string& why) {
  fail("%s at %s:%u: %s", what, l.file_name(), l.line(), why.c_str());
}
Phases& phases(Barrier* b, const char* what, const loc& l) {
  Running& r = running();
  const auto at = r.barriers.find(b);
  if (at == r.barriers.end()) bad(l, what, "this barrier was not initialised");
  if (ldv<Barrier>(b) != at->second.number + 1) bad(l, what, "somebody has written over this barrier");
  return at->second;
}
uint32_t swizzle(uint32_t at) { return at ^ (at >> 7 & 7) << 4; }

void land(const Bulk& c) {
  const unsigned char* const begin = shared_begin();
  const auto first = static_cast<uint32_t>(c.to - begin);
  const uint32_t deep = c.map.rank == 3 ? c.map.box[2] : 1;
  for (uint32_t z = 0; z < deep; ++z)
    for (uint32_t y = 0; y < c.map.box[1]; ++y)
      for (uint32_t x = 0; x < kSwizzledRow; ++x) {
        const int64_t at[3] = {c.at[0] + x, c.at[1] + y, c.at[2] + z};
        const char* from = c.map.base + at[0] * 2;
        bool inside = at[0] >= 0 && at[0] < static_cast<int64_t>(c.map.size[0]);
        for (int d = 1; d < c.map.rank; ++d) {
          inside = inside && at[d] >= 0 && at[d] < static_cast<int64_t>(c.map.size[d]);
          from += at[d] * static_cast<int64_t>(c.map.step[d]);
        }
        uint16_t v = 0;
        if (inside) std::memcpy(&v, from, 2);
        const uint32_t to = swizzle(first + (z * c.map.box[1] + y) * 128 + x * 2);
        std::memcpy(c.to + (to - first), &v, 2);
      }
}
// A phase is complete when all have arrived and all bytes are there, which is never before.
void complete(Phases& b, const char* what, const loc& l) {
  if (b.pending > 0) return;
  if (b.issued > b.expected) bad(l, what, "more bytes were copied than this phase of the barrier expects");
  if (b.issued < b.expected) return;
  for (const Bulk& c : b.copies) {
    land(c);
#ifdef SIMT_CHECK
    check_landed(c.to, c.bytes, b.number, b.phase, b.now);
#endif
  }
#ifdef SIMT_CHECK
  check_joined(b.done, b.now);
#endif
  b.copies.clear();
  b.pending = b.arrivals;
  b.expected = b.issued = 0;
  ++b.phase;
  for (Thread* t : std::exchange(b.waiting, {})) unpark(*t);
}
void arrive(Barrier* at, uint32_t bytes, const char* what, const loc& l) {
  Phases& b = phases(at, what, l);
  if (b.pending == 0) bad(l, what, "more arrivals than this barrier was initialised for");
  b.expected += bytes;
  --b.pending;
#ifdef SIMT_CHECK
  check_release(b.now);
#endif
  complete(b, what, l);
}
void load(void* to, const TensorMap& map, Barrier* at, int64_t x, int64_t y, int64_t z, int rank,
          const loc& l) {
  const char* const what = "bulk_load";
  Phases& b = phases(at, what, l);
  auto* const first = static_cast<unsigned char*>(to);
  const auto offset = static_cast<uint64_t>(first - shared_begin());
  if (offset >= uint64_t{256} << 10) bad(l, what, "its destination is not in shared memory");
  if (offset % kSwizzledAlign != 0) bad(l, what, "a swizzled tile begins at a multiple of 1,024 bytes");
  if (map.rank != rank) bad(l, what, "its map has another number of dimensions");
  if (x % 8 != 0) bad(l, what, "it begins at a multiple of 8 numbers of a row: an H200 stops at any other");
  const uint32_t bytes = 128 * map.box[1] * (rank == 3 ? map.box[2] : 1);
#ifdef SIMT_CHECK
  check_async_start(to, bytes, l);
  for (int64_t k = z; k < z + (rank == 3 ? map.box[2] : 1); ++k)
    for (int64_t j = y; j < y + map.box[1]; ++j) {
      const int64_t left = std::max<int64_t>(x, 0),
                    end = std::min<int64_t>(x + kSwizzledRow, static_cast<int64_t>(map.size[0]));
      if (left >= end || j < 0 || j >= static_cast<int64_t>(map.size[1])) continue;
      if (rank == 3 && (k < 0 || k >= static_cast<int64_t>(map.size[2]))) continue;
      const char* const row = map.base + j * static_cast<int64_t>(map.step[1]) +
                              (rank == 3 ? k * static_cast<int64_t>(map.step[2]) : 0);
      check_global_read(row + left * 2, static_cast<size_t>(end - left) * 2);
    }
#endif
  std::memset(to, 0xff, bytes);
  b.copies.push_back({first, map, {x, y, z}, bytes});
  b.issued += bytes;
  complete(b, what, l);
}

// Where number (r, k) of a factor with rows along k lies, and (k, j) of one across.
uint32_t along(uint64_t d, uint32_t r, uint32_t k) {
  const auto first = static_cast<uint32_t>(d & 0x3fff) << 4, eight = static_cast<uint32_t>(d >> 32 & 0x3fff)
                                                                     << 4;
  return swizzle(first + r / 8 * eight + r % 8 * 128 + k * 2);
}
uint32_t across(uint64_t d, uint32_t k, uint32_t j) {
  const auto first = static_cast<uint32_t>(d & 0x3fff) << 4,
             eight = static_cast<uint32_t>(d >> 32 & 0x3fff) << 4,
             tile = static_cast<uint32_t>(d >> 16 & 0x3fff) << 4;
  return swizzle(first + j / 64 * tile + j % 64 * 2 + k / 8 * eight + k % 8 * 128);
}
float number(uint32_t at) {
  uint16_t bits;
  std::memcpy(&bits, shared_begin() + at, 2);
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}
void check_descriptor(uint64_t d, const loc& l) {
  const auto first = static_cast<uint32_t>(d & 0x3fff) << 4;
  if (d >> 62 != 1) bad(l, "wgmma", "its descriptor is not one of a tile with 128-byte swizzle");
  if (first & 0x380) bad(l, "wgmma", "a swizzled tile begins at a multiple of 1,024 bytes");
  if ((d >> 49 & 7) != 0) bad(l, "wgmma", "its descriptor has a base offset: tiles here need none");
}
// The product of one warp: its 16 rows of A times B, into the sums of its lanes, in the order of k.
void multiply(void* const* lanes, unsigned warp) {
  const Flight& first = *static_cast<const Flight*>(lanes[0]);
  const int n = first.p.n;
  float a[16][16], b[16][128], sum[128];
  for (uint32_t lane = 0; lane < 32; ++lane)
    if (const Flight& f = *static_cast<const Flight*>(lanes[lane]); f.p.a_registers != nullptr)
      for (uint32_t e = 0; e < 8; ++e)  // register e / 2: rows + 8 (odd), columns + 8 (2 and 3)
        a[lane / 4 + e / 2 % 2 * 8][lane % 4 * 2 + e % 2 + e / 4 * 8] =
            std::bit_cast<float>(e % 2 ? f.p.a_registers[e / 2] & 0xffff0000u : f.p.a_registers[e / 2] << 16);
  for (uint32_t k = 0; k < 16; ++k) {
    if (first.p.a_registers == nullptr)
      for (uint32_t r = 0; r < 16; ++r) a[r][k] = number(along(first.p.a, warp % 4 * 16 + r, k));
    for (uint32_t j = 0; j < static_cast<uint32_t>(n); ++j)
      b[k][j] = number(first.p.across ? across(first.p.b, k, j) : along(first.p.b, j, k));
  }
  for (int r = 0; r < 16; ++r) {
    for (int j = 0; j < n; ++j) sum[j] = 0;
    for (int k = 0; k < 16; ++k)
      for (int j = 0; j < n; ++j) sum[j] += a[r][k] * b[k][j];  // products of bf16 are exact in fp32
    for (int j = 0; j < n; ++j) {
      const Flight& f = *static_cast<const Flight*>(lanes[r % 8 * 4 + j % 8 / 2]);
      f.p.d[j / 8 * 4 + r / 8 * 2 + j % 2] += sum[j];
    }
  }
}
bool overlap(const void* p, size_t n, const void* q, size_t m) {
  const auto *a = static_cast<const char*>(p), *b = static_cast<const char*>(q);
  return a < b + m && b < a + n;
}
}  // namespace

// What cpu.cc and check.cc ask.
const char* async_poisoned(const void* p, size_t n, bool write) {  // registers, used while a product has them
  if (!run.used || cur == nullptr) return nullptr;
  for (const Flight& f : run.threads[cur->lin].flights) {
    if (overlap(p, n, f.p.d, static_cast<size_t>(f.p.n / 2) * 4))
      return "sums of a wgmma are used before its group was waited for";
    if (write && f.p.a_registers != nullptr && overlap(p, n, f.p.a_registers, 16))
      return "a factor of a wgmma is changed before its group was waited for";
  }
  return nullptr;
}
void async_thread_ends() {
  if (!run.used) return;
  if (const Of& t = run.threads[cur->lin]; !t.flights.empty())
    bad(t.flights[0].where, "wgmma", "the thread returns, and nobody has waited for it");
}
void async_block_ends() {
  if (!run.used) return;
  for (const auto& [at, b] : run.barriers)
    if (!b.copies.empty())
      fail(
          "bulk_load: the block ends, and a copy has not arrived: its barrier expects %lld bytes, %lld were "
          "asked for",
          static_cast<long long>(b.expected), static_cast<long long>(b.issued));
  for (unsigned t = 0; t < blk->n; ++t)
    if (t % 32 == 0 && t % 128 != 0 && run.threads[t].issued != run.threads[t / 128 * 128].issued)
      fail("wgmma: the warps of a group made different products: warp %u and warp %u", t / 128 * 4, t / 32);
  run = {};
}

uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(static_cast<const unsigned char*>(p) - shared_begin());
}
void barrier_init(Barrier* at, unsigned arrivals, loc l) {
  Running& r = running();
  if (blk->n > 960)
    bad(l, "barrier_init", "the emulation has no barriers in a block of more than 960 threads");
  if (arrivals == 0) bad(l, "barrier_init", "at least one must arrive");
  if (r.barriers.contains(at)) bad(l, "barrier_init", "this barrier was initialised before");
  Phases b;
  b.number = static_cast<unsigned>(r.barriers.size());
  if (b.number == 64) bad(l, "barrier_init", "more than 64 barriers");
  b.arrivals = b.pending = arrivals;
#ifdef SIMT_CHECK
  b.now = check_clock(), b.done = check_clock();
#endif
  stv(at, Barrier{b.number + 1});  // as a thread: the checker sees who uses it without having met this one
  r.barriers[at] = b;
}
void barriers_ready() {}
void barrier_arrive(Barrier* b, loc l) { arrive(b, 0, "barrier_arrive", l); }
void barrier_expect(Barrier* b, uint32_t bytes, loc l) { arrive(b, bytes, "barrier_expect", l); }
void barrier_wait(Barrier* at, uint32_t parity, loc l) {
  Phases& b = phases(at, "barrier_wait", l);
  if (parity > 1) bad(l, "barrier_wait", "a parity is 0 or 1");
  while ((b.phase & 1) == parity) {
    b.waiting.push_back(cur);
    park("barrier_wait", l);
  }
#ifdef SIMT_CHECK
  check_acquire(b.done);
#endif
}
void bulk_load(void* to, const TensorMap& map, Barrier* b, int x, int y, loc l) {
  load(to, map, b, x, y, 0, 2, l);
}
void bulk_load(void* to, const TensorMap& map, Barrier* b, int x, int y, int z, loc l) {
  load(to, map, b, x, y, z, 3, l);
}
void fence_async() {
#ifdef SIMT_CHECK
  running(), check_fence_async();
#endif
}
void wgmma_fence(loc) {
  Of& t = mine();
  t.fenced = true;
  for (auto& [d, s] : t.sums)
    if (!s.flying) std::memcpy(s.value.data(), d, sizeof(float) * s.value.size());
  for (auto& [a, v] : t.factors) std::memcpy(v.data(), a, sizeof v);
}
void wgmma_commit() { ++mine().group; }
namespace detail {
void wgmma(const Product& p, const loc& l) {
  Of& t = mine();
  if (blk->n % 128 != 0) bad(l, "wgmma", "a warpgroup has 128 threads, and this block is not made of them");
  check_descriptor(p.b, l);
  if (p.a_registers == nullptr) check_descriptor(p.a, l);
  if (!t.fenced) bad(l, "wgmma", "no wgmma_fence since its registers were free to be used");
  const auto half = static_cast<size_t>(p.n / 2);
  Sums& s = t.sums[p.d];
  if (s.n == p.n && !s.flying && std::memcmp(s.value.data(), p.d, half * 4) != 0)
    bad(l, "wgmma", "its sums were changed, and no wgmma_fence followed");
  if (s.n != p.n && s.flying) bad(l, "wgmma", "its sums are in flight with another width");
  if (!s.flying) {
    s.n = p.n;
    s.value.assign(p.d, p.d + half);
  }
  if (!p.add && !s.flying) s.value.assign(half, 0.0f);
  if (!p.add && s.flying) bad(l, "wgmma", "its sums are in flight, and it would throw them away");
  s.flying = true;
  for (size_t i = 0; i < half; ++i) std::memcpy(p.d + i, &kPoison, 4);
  Flight f{p, t.group, {}, {}, l};
  if (p.a_registers != nullptr) {
    std::memcpy(f.a, p.a_registers, 16);
    const auto known = t.factors.find(p.a_registers);
    if (known != t.factors.end() && std::memcmp(known->second.data(), f.a, 16) != 0)
      bad(l, "wgmma", "its factor in registers was changed, and no wgmma_fence followed");
    std::memcpy(t.factors[p.a_registers].data(), f.a, 16);
  }
  t.issued = (t.issued * 31 + p.b) * 31 + p.a + static_cast<uint64_t>(p.n + p.add + 2 * p.across);
#ifdef SIMT_CHECK
  if (cur->lane == 0) {  // one for the warp: what the others wrote it must have waited for as well
    std::map<uint32_t, bool> all;
    auto read = [&](uint32_t at) {
      at &= ~15u;
      if (!all.insert({at, true}).second) return;
      check_async_read(shared_begin() + at, 16, l);
      if (f.kibs.empty() || f.kibs.back() != at / 1024) f.kibs.push_back(at / 1024);
    };
    for (uint32_t k = 0; k < 16; k += p.across ? 1 : 8)
      for (uint32_t j = 0; j < static_cast<uint32_t>(p.n); j += p.across ? 8 : 1)
        read(p.across ? across(p.b, k, j) : along(p.b, j, k));
    if (p.a_registers == nullptr)
      for (uint32_t r = 0; r < 64; ++r) read(along(p.a, r, 0)), read(along(p.a, r, 8));
    for (const uint32_t kib : f.kibs) check_reads_begin(cur->warp, kib);
  }
#endif
  t.flights.push_back(f);
}
// The lanes of a warp meet here, as their products are the warp's; then those whose time has come are made.
void wgmma_wait(int groups, const loc& l) {
  Of& me = mine();
  me.fenced = false;
  struct Arrived {
    Of* of;
    size_t ends;
  } in{&me, 0};
  while (in.ends < me.flights.size() && me.flights[in.ends].group < me.group - groups) ++in.ends;
  if (!me.flights.empty() && me.flights.back().group == me.group)
    bad(l, "wgmma_wait", "a product before it was not committed");
  warp_op(
      "wgmma_wait", static_cast<size_t>(groups), ~0u, &in, nullptr,
      [](void* const* lanes, void* const*, uint32_t, const void*) {
        const auto of = [&](int lane) -> Arrived& { return *static_cast<Arrived*>(lanes[lane]); };
        const unsigned warp = cur->warp;
        for (int lane = 0; lane < 32; ++lane) {
          if (of(lane).ends != of(0).ends || of(lane).of->issued != of(0).of->issued)
            fail("wgmma: the lanes of a warp made different products");
          for (auto& [d, s] : of(lane).of->sums) {
            if (!s.flying) continue;
            for (int i = 0; i < s.n / 2; ++i)
              if (std::bit_cast<uint32_t>(d[i]) != kPoison)
                fail("wgmma: its sums were written before its group was waited for");
          }
        }
        for (size_t i = 0; i < of(0).ends; ++i) {
          void* flights[32];
          for (int lane = 0; lane < 32; ++lane) {
            Of& t = *of(lane).of;
            Flight& f = t.flights[i];
            flights[lane] = &f;
            if (f.p.a_registers != nullptr && std::memcmp(f.a, f.p.a_registers, 16) != 0)
              fail("wgmma: its factor in registers was changed before its group was waited for");
            Sums& s = t.sums[f.p.d];
            std::memcpy(f.p.d, s.value.data(), s.value.size() * sizeof(float));
          }
          multiply(flights, warp);
          for (int lane = 0; lane < 32; ++lane) {
            Of& t = *of(lane).of;
            Sums& s = t.sums[t.flights[i].p.d];
            s.value.assign(t.flights[i].p.d, t.flights[i].p.d + s.value.size());
          }
        }
        for (int lane = 0; lane < 32; ++lane) {
          Of& t = *of(lane).of;
#ifdef SIMT_CHECK
          if (lane == 0)
            for (size_t i = 0; i < of(0).ends; ++i) check_reads_end(warp, t.flights[i].kibs);
#endif
          t.flights.erase(t.flights.begin(), t.flights.begin() + static_cast<std::ptrdiff_t>(of(0).ends));
          for (auto& [d, s] : t.sums) {
            s.flying = false;
            for (const Flight& f : t.flights) s.flying = s.flying || f.p.d == d;
            if (!s.flying) continue;
            for (int k = 0; k < s.n / 2; ++k) std::memcpy(d + k, &kPoison, 4);
          }
        }
      },
      nullptr, false, l);
}
void set_registers(int n, bool, const loc& l) {
  if (n % 8 != 0 || n < 24 || n > 256) bad(l, "setmaxnreg", "registers are 24 to 256, a multiple of 8");
}
}  // namespace detail

bool is_hopper() { return true; }
TensorMap tensor_map(const void* base, const std::vector<uint64_t>& size, const std::vector<uint64_t>& step,
                     const std::vector<uint32_t>& box) {
  if (const std::string fault = map_fault(base, size, step, box); !fault.empty())
    fail("a tensor map needs %s", fault.c_str());
  TensorMap m{static_cast<const char*>(base), static_cast<int>(size.size()), {}, {}, {}};
  for (size_t i = 0; i < size.size(); ++i)
    m.size[i] = size[i], m.step[i] = i == 0 ? 2 : step[i - 1], m.box[i] = box[i];
  return m;
}
}  // namespace simt
