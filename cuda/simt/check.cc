// memcheck, initcheck, racecheck and access-pattern lint for emulated kernels. Kernel sources are compiled
// with -fsanitize=thread, so the compiler inserts a call of __tsan_* at every memory access, but the program
// is not linked with libtsan: this file is the runtime instead. Every 2 bytes of device or shared memory have
// a shadow cell (last write, last readers, code addresses). This file itself is compiled without -fsanitize.
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "cuda/simt/simt.h"
#undef threadIdx
#undef blockIdx
extern char __executable_start, _end;

namespace simt {
void check_mark(void* p, size_t n, int state);
struct Cell {
  uint64_t w, r;
  uint32_t wpc, rpc;
};
constexpr size_t kRegion = size_t(4) << 30, kArena = 320 << 10, kStacks = size_t(1) << 30;
static unsigned char *region, *stacks;
static Cell* shadow;
static size_t brk_ = 8 << 20, stack_brk;  // the first 8 MiB hold the shared-memory arenas
static std::map<unsigned char*, size_t> live;
static uint64_t launch_no = 1;
static std::vector<std::pair<const unsigned char*, size_t>> allowed(
    1);  // emulator state that kernels touch; [0]: launch arguments
static int errors = 0;
static bool lint = false, abort_on_error = false;
static uintptr_t img;

// access id: 63 valid | 62 atomic | 61:60 reader class | 59:50 launch | 49:30 block | 29:20 thread | 19:10
// barriers | 9:0 __syncwarps
// Landing: a bulk copy to it is in flight.
enum : uint64_t {
  Invalid = 0,
  Uninit = 1,
  HostInit = 2,
  Landing = 3,
  Valid = 1ull << 63,
  Atomic = 1ull << 62
};
static uint64_t f_launch(uint64_t v) { return v >> 50 & 1023; }
static uint64_t f_block(uint64_t v) { return v >> 30 & 0xfffff; }
static uint64_t f_tid(uint64_t v) { return v >> 20 & 1023; }
static uint64_t f_bar(uint64_t v) { return v >> 10 & 1023; }
static uint64_t f_wep(uint64_t v) { return v & 1023; }
static int f_cls(uint64_t v) { return v >> 60 & 3; }
[[gnu::always_inline]] static inline uint64_t me_id() {
  return Valid | launch_no << 50 | uint64_t(blk->bid_lin & 0xfffff) << 30 | uint64_t(cur->lin) << 20 |
         uint64_t(cur->bar_epoch & 1023) << 10 | (cur->warp_epoch & 1023);
}
// Happens-before between lanes: what lane l did before warp_epoch seen[t][l] comes before what thread t of
// its warp does now. __syncwarp joins these clocks among the lanes of its mask only. Between blocks: a fence
// releases what its thread did and knew; an atomic leaves that at its address and takes what others have left
// there; the next fence of the taker acquires it (the GPU's memory model requires both fences), and barriers
// pass it on to the block.
using Lanes = std::array<uint32_t, 32>;
// The barriers of hopper.h join threads of different warps, so a clock has an entry for each thread of the
// block, and after them one for each barrier: its phases order what bulk copies have written.
using Clock = std::vector<uint32_t>;  // empty: nothing is known
constexpr unsigned kClock = 1024, kBarriers = kClock - 64;
struct Release {
  uint64_t id;  // of the fence
  Lanes seen;
  Clock knows = {};
};
struct Taken {
  std::vector<Release>* from = nullptr;
  size_t count = 0;
  uint64_t id = 0;  // of the fence that made it known
};
static std::vector<Lanes> seen(1024);
static std::vector<Release> released(1024);  // per thread: its last fence; id 0: none
static std::vector<Taken> taken(1024);       // per thread, until its next fence
static std::vector<Taken> known;             // of this block
static std::map<const void*, std::vector<Release>> left;
static bool async = false;  // this block has used what hopper.h declares
static std::vector<Clock> knows(1024);
static uint32_t landed[kClock - kBarriers];
static std::deque<Clock> clocks;  // of this block's barriers
static std::vector<Release> async_fences;
static void join(Clock& to, const Clock& from) {
  if (from.empty()) return;
  if (to.empty()) to.resize(kClock);
  for (unsigned i = 0; i < kClock; ++i) to[i] = std::max(to[i], from[i]);
}
static bool within(const Clock& clock, uint64_t p) {
  if (clock.empty()) return false;
  const unsigned who = unsigned(f_tid(p));
  const uint32_t now = who < kBarriers ? (cur - cur->lin + who)->warp_epoch : landed[who - kBarriers];
  return now - ((now - f_wep(p)) & 1023) < clock[who];
}
static bool earlier(uint64_t a, uint64_t b) { return ((a - b) & 1023) >= 512; }  // both have 10 bits

// p, of this block, comes before what `cur` does now
[[gnu::always_inline]] static inline bool in_block(uint64_t p, uint64_t me) {
  if (async && f_tid(p) >= kBarriers) return within(knows[cur->lin], p);
  if (f_tid(p) == f_tid(me) || f_bar(p) != f_bar(me)) return true;
  if (async && within(knows[cur->lin], p)) return true;
  if (f_tid(p) / 32 != f_tid(me) / 32) return false;
  const uint32_t now = (cur - cur->lin + f_tid(p))->warp_epoch;
  return now - ((now - f_wep(p)) & 1023) < seen[cur->lin][f_tid(p) % 32];
}
static bool covers(const Release& r, uint64_t p) {
  if (f_block(r.id) != f_block(p)) return false;
  if (f_bar(r.id) != f_bar(p)) return earlier(f_bar(p), f_bar(r.id));
  if (f_tid(r.id) == f_tid(p)) return !earlier(f_wep(r.id), f_wep(p));
  if (within(r.knows, p)) return true;
  return f_tid(r.id) / 32 == f_tid(p) / 32 && earlier(f_wep(p), r.seen[f_tid(p) % 32]);
}
static bool across_blocks(uint64_t p, uint64_t me) {
  for (const Taken& t : known)
    if (in_block(t.id, me))
      for (size_t i = 0; i < t.count; ++i)
        if (covers((*t.from)[i], p)) return true;
  return false;
}
static void meet_at(const void* p) {  // at an atomic
  auto at = left.find(p);
  if (at != left.end()) taken[cur->lin] = {&at->second, at->second.size()};
  if (released[cur->lin].id != 0) left[p].push_back(released[cur->lin]);
}
void check_fence() {
  if (!cur) return;
  const uint64_t id = me_id();
  released[cur->lin] = {id, seen[cur->lin], knows[cur->lin]};
  if (Taken& t = taken[cur->lin]; t.from) t.id = id, known.push_back(t), t = {};
  ++cur->warp_epoch;
}
void check_met(const Thread* warp, uint32_t mask) {
  Lanes all{};
  for (unsigned m = 0; m < 32; ++m)
    if (mask >> m & 1) {
      for (unsigned l = 0; l < 32; ++l) all[l] = std::max(all[l], seen[warp[m].lin][l]);
      all[m] = std::max(all[m], warp[m].warp_epoch);
    }
  for (unsigned m = 0; m < 32; ++m)
    if (mask >> m & 1) seen[warp[m].lin] = all;
  if (!async) return;
  Clock joined;
  for (unsigned m = 0; m < 32; ++m)
    if (mask >> m & 1) join(joined, knows[warp[m].lin]);
  for (unsigned m = 0; m < 32; ++m)
    if (mask >> m & 1) knows[warp[m].lin] = joined;
}
void check_all_met(unsigned threads) {
  if (!async) return;
  Clock joined;
  for (unsigned t = 0; t < threads; ++t) join(joined, knows[t]);
  for (unsigned t = 0; t < threads; ++t) knows[t] = joined;
}
[[gnu::always_inline]] static inline bool ordered(uint64_t p, uint64_t me, bool shared) {
  if (!(p & Valid) || f_launch(p) != launch_no) return true;
  if (f_block(p) != f_block(me)) return shared || across_blocks(p, me);
  return in_block(p, me);
}
static void init() {
  if (region) return;
  auto map = [](size_t n) {
    void* p = mmap(nullptr, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) fail("checker: cannot reserve %zu bytes", n);
    return p;
  };
  region = static_cast<unsigned char*>(map(kRegion));
  shadow = static_cast<Cell*>(map(kRegion / 2 * sizeof(Cell)));
  stacks = static_cast<unsigned char*>(map(kStacks));
  img = reinterpret_cast<uintptr_t>(&__executable_start);
  lint = getenv("SIMT_LINT");
  abort_on_error = getenv("SIMT_ABORT");
  atexit([] {
    if (errors) {
      fprintf(stderr, "SIMT CHECK: %d distinct errors\n", errors);
      fflush(nullptr);
      _Exit(66);
    }
  });
}
static std::string where(uint32_t pc) {
  if (!pc) return "?";
  Dl_info di;
  uintptr_t a = img + pc - 1;
  dladdr(&__executable_start, &di);
  char cmd[512], line[512];
  std::string out;
  snprintf(cmd, sizeof cmd, "addr2line -Cifpse /proc/%d/exe 0x%lx 2>/dev/null", getpid(),
           *(uint16_t*)(img + 16) == 3 ? (unsigned long)(a - img) : (unsigned long)a);
  FILE* f = popen(cmd, "r");
  while (f && fgets(line, sizeof line, f)) {
    std::string s(line);
    while (!s.empty() && s.back() == '\n') s.pop_back();
    if (size_t q = s.rfind(" at "); q != std::string::npos) {
      std::string fn = s.substr(0, s.find('(')), fl = s.substr(q + 4);
      s = fl + (fn.find("inlined") == std::string::npos ? " " + fn : "");
    }
    if (s.find("simt/cpu.h") != std::string::npos || s.find("simt/mma.h") != std::string::npos ||
        s.find("simt/simt.h") != std::string::npos)
      continue;
    if (out.empty()) out = s;
  }
  if (f) pclose(f);
  return out.empty() ? "?" : out;
}
static std::string who(uint64_t v) {
  char b[96];
  if (async && f_tid(v) >= kBarriers)
    snprintf(b, sizeof b, "a bulk copy of barrier %lu of block %lu", f_tid(v) - kBarriers, f_block(v));
  else
    snprintf(b, sizeof b, "thread %lu of block %lu", f_tid(v), f_block(v));
  return b;
}
static const loc* asked_at = nullptr;  // source line of an access by the hardware: a product, a bulk copy
static bool reporting = false;         // the report may itself run instrumented code
static void report(const char* kind, const void* addr, size_t n, bool write, uint32_t pc, uint64_t me,
                   uint64_t prev = 0, uint32_t ppc = 0, const char* prev_what = "") {
  struct Quiet {
    Quiet() { reporting = true; }
    ~Quiet() { reporting = false; }
  } quiet;
  static std::set<std::tuple<std::string, uint32_t, uint32_t>> seen;
  if (!seen.insert({kind, asked_at ? asked_at->line() : pc, ppc}).second) return;
  ++errors;
  const std::string place =
      asked_at ? asked_at->file_name() + (":" + std::to_string(asked_at->line())) : where(pc);
  size_t off = static_cast<const unsigned char*>(addr) - region;
  const char* space = "host";
  if (off < (8 << 20))
    space = "shared";
  else if (off < kRegion)
    space = "global";
  fprintf(stderr, "SIMT CHECK: %s: %s of %zu bytes at %s %p by %s\n    at %s\n", kind,
          write ? "write" : "read", n, space, addr, who(me).c_str(), place.c_str());
  if (prev)
    fprintf(stderr, "    conflicts with %s by %s\n    at %s\n", prev_what, who(prev).c_str(),
            where(ppc).c_str());
  if (off >= (8 << 20) && off < kRegion) {
    auto it = live.upper_bound(static_cast<unsigned char*>(const_cast<void*>(addr)));
    if (it != live.begin()) {
      --it;
      fprintf(stderr, "    nearest allocation: %zu bytes at %p (address is at offset %td)\n", it->second,
              (void*)it->first, static_cast<const unsigned char*>(addr) - it->first);
    }
  }
  if (abort_on_error) std::abort();
}
// ---------------------------------------------------------------- lint: banks and sectors
struct Rec {
  uint32_t pc, warp, occ;
  uint16_t lane, size;
  uint64_t off;
  bool write;
};
static std::vector<Rec> recs;
static std::unordered_map<uint64_t, uint32_t> occs;
struct PcStat {
  uint64_t warps = 0, degree = 0, worst = 0, ideal = 0;
  bool shared = false, write = false;
  uint32_t size = 0;
};
static std::map<uint32_t, PcStat> pcs;
static void lint_flush() {
  std::sort(recs.begin(), recs.end(), [](const Rec& a, const Rec& b) {
    return std::tie(a.pc, a.warp, a.occ, a.lane) < std::tie(b.pc, b.warp, b.occ, b.lane);
  });
  for (size_t i = 0, j; i < recs.size(); i = j) {
    for (j = i; j < recs.size() && recs[j].pc == recs[i].pc && recs[j].warp == recs[i].warp &&
                recs[j].occ == recs[i].occ;)
      ++j;
    PcStat& s = pcs[recs[i].pc];
    s.shared = recs[i].off < (8 << 20);
    s.write = recs[i].write;
    s.size = recs[i].size;
    uint64_t deg = 0, ideal = 0;
    if (s.shared) {
      unsigned lanes = s.size <= 4 ? 32 : 128 / s.size;  // lanes served per phase
      for (unsigned l0 = 0; l0 < 32; l0 += lanes) {
        std::set<uint64_t> words;
        int bank[32] = {};
        int mx = 0;
        for (size_t k = i; k < j; ++k)
          if (recs[k].lane / lanes == l0 / lanes)
            for (unsigned b = 0; b < s.size; b += 4)
              if (words.insert((recs[k].off + b) / 4).second)
                mx = std::max(mx, ++bank[(recs[k].off + b) / 4 % 32]);
        deg += mx;
        ideal += mx > 0;
      }
    } else {
      std::set<uint64_t> sect;
      uint64_t bytes = 0;
      std::set<uint64_t> uniq;
      for (size_t k = i; k < j; ++k) {
        if (uniq.insert(recs[k].off).second) bytes += s.size;
        for (unsigned b = 0; b < s.size; b += 4) sect.insert((recs[k].off + b) / 32);
      }
      deg = sect.size();
      ideal = (bytes + 31) / 32;
    }
    ++s.warps;
    s.degree += deg;
    s.ideal += ideal;
    s.worst = std::max(s.worst, deg);
  }
  recs.clear();
  occs.clear();
}
static void lint_print() {
  for (auto& [pc, s] : pcs)
    if (s.degree > s.ideal * 5 / 4)
      fprintf(stderr, "SIMT LINT: %s %s (%u B): %.1f %s per warp access, ideal %.1f   at %s\n",
              s.shared ? "shared" : "global", s.write ? "write" : "read ", s.size,
              double(s.degree) / double(s.warps), s.shared ? "wavefronts" : "sectors",
              double(s.ideal) / double(s.warps), where(pc).c_str());
  pcs.clear();
}
// ---------------------------------------------------------------- what products in flight read
// A product reads shared memory at any time between its issue and the end of the wait for its group. A writer
// must therefore have synchronised with the warp after that wait. Kept per KiB, since swizzled tiles consist of
// whole KiB.
struct Ended {
  uint32_t bar;
  Lanes epochs;
};
struct Readers {
  int flying[32];
  const Ended* last[32];
};
static std::vector<Readers> readers;
static std::deque<Ended> ended;
const char* async_poisoned(const void* p, size_t n, bool write);  // hopper.cc
unsigned char* shared_begin();
static uint64_t id_of(unsigned tid, uint32_t bar, uint32_t epoch) {
  return Valid | launch_no << 50 | uint64_t(blk->bid_lin & 0xfffff) << 30 | uint64_t(tid) << 20 |
         uint64_t(bar & 1023) << 10 | (epoch & 1023);
}
static void check_readers(const unsigned char* a, size_t n, uint32_t pc) {
  const size_t first = size_t(a - shared_begin()) / 1024, last = size_t(a + n - 1 - shared_begin()) / 1024;
  for (size_t k = first; k <= last && k < readers.size(); ++k)
    for (unsigned w = 0; w < (blk->n + 31) / 32; ++w) {
      Readers& r = readers[k];
      if (r.flying[w] > 0) {
        report("written while a wgmma reads it", a, n, true, pc, me_id());
        continue;
      }
      if (r.last[w] == nullptr || r.last[w]->bar != cur->bar_epoch) continue;
      bool met = false;
      for (unsigned l = 0; l < 32 && !met; ++l)
        met = in_block(id_of(w * 32 + l, r.last[w]->bar, r.last[w]->epochs[l]), me_id());
      if (!met) report("race", a, n, true, pc, me_id(), id_of(w * 32, 0, 0), 0, "a wgmma's read");
    }
}
// ---------------------------------------------------------------- the access check
// A cell remembers its last reader, and of what kind the others were: enough where all meet at once. Barriers of
// hopper.h order some threads after some others, so there each reader of shared memory is kept.
static std::unordered_map<const Cell*, std::vector<uint64_t>> cell_readers;  // of this block, by plain loads
static void keep_reader(const Cell* c, uint64_t me) {
  std::vector<uint64_t>& all = cell_readers[c];
  for (uint64_t& r : all)
    if (f_tid(r) == f_tid(me)) return void(r = me);
  all.push_back(me);
}
static uint64_t late_reader(const Cell* c,
                            uint64_t me) {  // one that a write by `me` does not come after; or 0
  const auto at = cell_readers.find(c);
  if (at == cell_readers.end()) return 0;
  for (const uint64_t r : at->second)
    if (!ordered(r, me, true)) return r;
  cell_readers.erase(at);
  return 0;
}
[[gnu::noinline]] static void host_access(const unsigned char* a, size_t n, bool write, uint32_t pc) {
  if (size_t(a - stacks) < kStacks) {
    if (const char* const what = async_poisoned(a, n, write)) report(what, a, n, write, pc, me_id());
    return;
  }
  if (a >= reinterpret_cast<unsigned char*>(&__executable_start) &&
      a < reinterpret_cast<unsigned char*>(&_end))
    return;
  for (auto& [q, m] : allowed)
    if (size_t(a - q) < m) return;
  report("host pointer used in a kernel", a, n, write, pc, me_id());
}
[[gnu::noinline]] static void device_access(const unsigned char* p, size_t n, bool write, bool atomic,
                                            uint32_t pc) {
  const size_t off = size_t(p - region);
  const uint64_t me = me_id();
  bool shared = off < (8 << 20);
  if (atomic && write) meet_at(p);
  if (reinterpret_cast<uintptr_t>(p) % n && (n & (n - 1)) == 0 && n <= 16)
    report("misaligned access", p, n, write, pc, me);
  if (lint && blk->bid_lin == 0)
    recs.push_back(
        {pc, cur->warp, occs[uint64_t(cur->lin) << 32 | pc]++, uint16_t(cur->lane), uint16_t(n), off, write});
  // Neighbours mostly have the same past: what was right for the one before is right for this one.
  const bool alike = !(async && shared);  // where readers are kept cell by cell
  uint64_t right_w = Invalid, right_r = 0, next = 0;
  for (Cell *c = shadow + off / 2, *e = shadow + (off + n + 1) / 2; c != e; ++c) {
    if (right_w != Invalid && c->w == right_w && c->r == right_r) {
      (write ? c->w : c->r) = next;
      (write ? c->wpc : c->rpc) = pc;
      continue;
    }
    const uint64_t was_w = c->w, was_r = c->r;
    if (c->w == Invalid) {
      report("out of bounds", p, n, write, pc, me);
      return;
    }
    if (c->w == Landing) {
      report("used before a bulk copy has landed", p, n, write, pc, me);
      return;
    }
    bool both_atomic = atomic && (c->w & Atomic);
    if (!both_atomic && !ordered(c->w, me, shared)) {
      report("race", p, n, write, pc, me, c->w, c->wpc, c->w & Atomic ? "an atomic" : "a write");
      c->w = HostInit;
      c->r = 0;
      continue;
    }
    bool right = alike;
    if (!write || atomic) {
      if (c->w == Uninit) {
        report("uninitialised read", p, n, write, pc, me);
        c->w = HostInit;
        right = false;
      }
    }
    uint64_t r = c->r;
    bool same_launch = (r & Valid) && f_launch(r) == launch_no;
    bool same_block = same_launch && f_block(r) == f_block(me),
         same_epoch = same_block && f_bar(r) == f_bar(me);
    bool same_warp = same_epoch && f_tid(r) / 32 == f_tid(me) / 32;
    if (!write) {
      int cls = 0;  // 0 one reader, 1 lanes of a warp, 2 warps of a block, 3 blocks
      if (same_launch && !shared && (!same_block || f_cls(r) == 3))
        cls = 3;
      else if (same_warp)
        cls = f_tid(r) == f_tid(me) ? f_cls(r) : std::max(f_cls(r), ordered(r, me, shared) ? 0 : 1);
      else if (same_epoch)
        cls = 2;
      if (async && shared) keep_reader(c, me);
      c->r = me | uint64_t(cls) << 60;
      c->rpc = pc;
    } else {
      bool bad = false;
      if (async && shared) {
        const uint64_t late = late_reader(c, me);
        bad = late != 0;
        if (bad) r = late;
      } else if (same_launch) {
        switch (f_cls(r)) {
          case 0:
            bad = !ordered(r, me, shared);
            break;
          case 1:
            bad = same_epoch &&
                  (!same_warp || (f_tid(r) == f_tid(me) && f_wep(r) == f_wep(me)) || !ordered(r, me, shared));
            break;
          case 2:
            bad = same_epoch;
            break;
          case 3:
            bad = true;
            break;
        }
      }
      if (bad && !(atomic && (r & Atomic))) {
        report("race", p, n, write, pc, me, r, c->rpc, "a read");
        c->r = 0;
        right = false;
      }
      c->w = me | (atomic ? uint64_t(Atomic) : 0);
      c->wpc = pc;
    }
    if (right) right_w = was_w, right_r = was_r, next = write ? c->w : c->r;
  }
  if (async && write && shared) check_readers(p, n, pc);
}
[[gnu::always_inline]] static inline void access(const void* p, size_t n, bool write, bool atomic,
                                                 void* ret) {
  if (!cur || reporting) return;  // host code
  auto* a = static_cast<const unsigned char*>(p);
  const uint32_t pc = uint32_t(reinterpret_cast<uintptr_t>(ret) - img);
  if (size_t(a - region) < kRegion)
    device_access(a, n, write, atomic, pc);
  else if (async || size_t(a - stacks) >= kStacks)  // most are of a thread's own variables
    host_access(a, n, write, pc);
}
// ---------------------------------------------------------------- services for hopper.cc
struct Asked {
  explicit Asked(const loc& l) { asked_at = &l; }
  ~Asked() { asked_at = nullptr; }
};
void check_async_block() {
  async = true;
  readers.assign(kArena / 1024, {});
  cell_readers.clear();
}
void* check_clock() { return &clocks.emplace_back(kClock); }
void check_release(void* clock) {
  Clock& to = *static_cast<Clock*>(clock);
  join(to, knows[cur->lin]);
  for (unsigned l = 0; l < 32; ++l)
    to[cur->warp * 32 + l] = std::max(to[cur->warp * 32 + l], seen[cur->lin][l]);
  to[cur->lin] = ++cur->warp_epoch;
}
void check_acquire(const void* clock) { join(knows[cur->lin], *static_cast<const Clock*>(clock)); }
void check_joined(void* into, const void* clock) {
  join(*static_cast<Clock*>(into), *static_cast<const Clock*>(clock));
}
void check_fence_async() {
  async_fences.push_back({me_id(), seen[cur->lin], knows[cur->lin]});
  ++cur->warp_epoch;
}
static bool stored_plainly(uint64_t p) {  // by a thread of this block, with no fence_async since
  if (!(p & Valid) || f_launch(p) != launch_no || f_tid(p) >= kBarriers) return false;
  static uint64_t last_p = 0, last_me = 0;  // often many cells have the same writer
  if (p == last_p && me_id() == last_me) return false;
  for (const Release& f : async_fences)
    if (covers(f, p) && in_block(f.id, me_id())) {
      last_p = p;
      last_me = me_id();
      return false;
    }
  return true;
}
static const char* async_fault(const Cell& c, uint64_t me, bool write) {  // null: none
  if (c.w == Invalid) return "out of bounds";
  if (c.w == Landing) return "used before a bulk copy has landed";
  if (c.w == Uninit && !write) return "uninitialised read";
  if (!ordered(c.w, me, true)) return "race";
  if (stored_plainly(c.w)) return "no fence_async after a plain store";
  if (write && late_reader(&c, me) != 0) return "race with a read";
  return nullptr;
}
static bool allowed_async(const Cell& c, const void* p, size_t n, bool write) {
  const uint64_t me = me_id();
  const char* const kind = async_fault(c, me, write);
  if (kind == nullptr) return true;
  report(kind, p, n, write, 0, me, (c.w & Valid) ? c.w : 0, c.wpc, "a write");
  return false;
}
void check_async_read(const void* p, size_t n, const loc& l) {
  const Asked at(l);
  const size_t off = size_t(static_cast<const unsigned char*>(p) - region);
  for (size_t i = off / 2; i < (off + n) / 2; ++i)
    if (!allowed_async(shadow[i], p, n, false)) return;
}
void check_async_start(const void* p, size_t n, const loc& l) {
  const Asked at(l);
  const size_t off = size_t(static_cast<const unsigned char*>(p) - region);
  for (size_t i = off / 2; i < (off + n) / 2; ++i)
    if (!allowed_async(shadow[i], p, n, true)) break;
  check_readers(static_cast<const unsigned char*>(p), n, 0);
  check_mark(const_cast<void*>(p), n, Landing);
}
void check_landed(void* p, size_t n, unsigned barrier, uint32_t phase, void* clock) {
  const size_t off = size_t(static_cast<unsigned char*>(p) - region);
  for (size_t i = off / 2; i < (off + n) / 2; ++i)
    shadow[i] = {id_of(kBarriers + barrier, 0, phase), 0, 0, 0};
  landed[barrier] = phase + 1;
  (*static_cast<Clock*>(clock))[kBarriers + barrier] = phase + 1;
}
void check_global_read(const void* p, size_t n) { access(p, n, false, false, __builtin_return_address(0)); }
void check_reads_begin(unsigned warp, uint32_t kib) {
  if (kib < readers.size()) ++readers[kib].flying[warp];
}
void check_reads_end(unsigned warp, const std::vector<uint32_t>& kibs) {
  Ended& e = ended.emplace_back();
  e.bar = cur->bar_epoch;
  for (unsigned l = 0; l < 32; ++l) e.epochs[l] = (cur - cur->lin + warp * 32 + l)->warp_epoch;
  for (const uint32_t k : kibs)
    if (k < readers.size()) --readers[k].flying[warp], readers[k].last[warp] = &e;
}
void checked_copy(void* reg, const void* mem, size_t n, bool store) noexcept {
  access(mem, n, store, false, __builtin_return_address(0));
  if (store)
    memcpy(const_cast<void*>(mem), reg, n);
  else
    memcpy(reg, mem, n);
}
// ---------------------------------------------------------------- services for cpu.cc
void check_mark(void* p, size_t n, int state) {
  size_t off = static_cast<unsigned char*>(p) - region;
  if (off >= kRegion) return;
  for (size_t i = off / 2; i < (off + n + 1) / 2; ++i) shadow[i] = {uint64_t(state), 0, 0, 0};
}
bool check_alloc(size_t n, void** out) {
  init();
  brk_ = (brk_ + 512 + 255) / 256 * 256;  // never reused, so that use after free is found
  if (brk_ + n + 512 > kRegion) fail("checker: device memory (%zu bytes) exhausted", kRegion);
  unsigned char* p = region + brk_;
  brk_ += n;
  memset(p, 0xff, n);
  check_mark(p, n, Uninit);
  live[p] = n;
  *out = p;
  return true;
}
bool check_free(void* q) {
  auto* p = static_cast<unsigned char*>(q);
  if (!p) return true;
  auto it = live.find(p);
  if (it == live.end()) fail("free of %p, which is not a live device allocation", q);
  check_mark(p, it->second, Invalid);
  const uintptr_t first = (reinterpret_cast<uintptr_t>(p) + 4095) / 4096 * 4096,
                  end = (reinterpret_cast<uintptr_t>(p) + it->second) / 4096 * 4096;
  if (first < end) madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);  // whole pages only
  live.erase(it);
  return true;
}
void* check_arena(int worker) {
  init();
  return region + size_t(worker) * kArena;
}
void* check_stack(size_t n) {
  init();
  stack_brk += n;
  if (stack_brk > kStacks) fail("checker: stacks exhausted");
  return stacks + stack_brk - n;
}
// used: bytes of shared memory that the block before took.
void check_block_begin(void* arena, size_t used, unsigned threads) {
  std::fill_n(seen.begin(), threads, Lanes{});
  std::fill_n(released.begin(), threads, Release{});
  std::fill_n(taken.begin(), threads, Taken{});
  known.clear();
  if (async) {
    async = false;
    std::fill(knows.begin(), knows.end(), Clock{});
    std::fill(std::begin(landed), std::end(landed), 0);
    clocks.clear();
    async_fences.clear();
    ended.clear();
  }
  size_t o = (static_cast<unsigned char*>(arena) - region) / 2;
  memset(static_cast<void*>(shadow + o), 0, (used + 1) / 2 * sizeof(Cell));
}
void check_shared_alloc(void* p, size_t n) { check_mark(p, n, Uninit); }
void check_block_end() {
  if (lint && !recs.empty()) {
    lint_flush();
    lint_print();
  }
}
void check_allow(const void* p, size_t n) {
  for (auto& [q, m] : allowed)
    if (q == p) {
      m = n;
      return;
    }
  allowed.push_back({static_cast<const unsigned char*>(p), n});
}
void check_launch(void* args, size_t n) {
  init();
  left.clear();
  allowed[0] = {static_cast<unsigned char*>(args), n};
  if (++launch_no == 1024) {  // clock wraps: forget old accesses, keep init state
    launch_no = 1;
    for (auto& [p, sz] : live)
      for (size_t i = (p - region) / 2; i < (p - region + sz + 1) / 2; ++i) {
        if (shadow[i].w & Valid) shadow[i].w = HostInit;
        shadow[i].r = 0;
      }
  }
}
}  // namespace simt

// ---------------------------------------------------------------- the compiler's interface
#define RET __builtin_return_address(0)
extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
#define RW(N)                                                                       \
  void __tsan_read##N(void* p) { simt::access(p, N, false, false, RET); }           \
  void __tsan_write##N(void* p) { simt::access(p, N, true, false, RET); }           \
  void __tsan_unaligned_read##N(void* p) { simt::access(p, N, false, false, RET); } \
  void __tsan_unaligned_write##N(void* p) { simt::access(p, N, true, false, RET); } \
  void __tsan_volatile_read##N(void* p) { simt::access(p, N, false, true, RET); }   \
  void __tsan_volatile_write##N(void* p) { simt::access(p, N, true, true, RET); }
RW(1) RW(2) RW(4) RW(8) RW(16) void __tsan_read_range(void* p, size_t n) {
  simt::access(p, n, false, false, RET);
}
void __tsan_write_range(void* p, size_t n) { simt::access(p, n, true, false, RET); }
#define AT(N, T)                                                                                       \
  T __tsan_atomic##N##_load(const volatile T* p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); } \
  void __tsan_atomic##N##_store(volatile T* p, T v, int) {                                             \
    simt::access((void*)p, sizeof(T), true, true, RET);                                                \
    __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                                          \
  }                                                                                                    \
  T __tsan_atomic##N##_exchange(volatile T* p, T v, int) {                                             \
    simt::access((void*)p, sizeof(T), true, true, RET);                                                \
    return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                                \
  }                                                                                                    \
  T __tsan_atomic##N##_fetch_add(volatile T* p, T v, int) {                                            \
    simt::access((void*)p, sizeof(T), true, true, RET);                                                \
    return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                                 \
  }                                                                                                    \
  T __tsan_atomic##N##_fetch_sub(volatile T* p, T v, int) {                                            \
    simt::access((void*)p, sizeof(T), true, true, RET);                                                \
    return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST);                                                 \
  }                                                                                                    \
  T __tsan_atomic##N##_fetch_or(volatile T* p, T v, int) {                                             \
    simt::access((void*)p, sizeof(T), true, true, RET);                                                \
    return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST);                                                  \
  }                                                                                                    \
  T __tsan_atomic##N##_fetch_and(volatile T* p, T v, int) {                                            \
    simt::access((void*)p, sizeof(T), true, true, RET);                                                \
    return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST);                                                 \
  }                                                                                                    \
  bool __tsan_atomic##N##_compare_exchange_strong(volatile T* p, T* e, T v, int, int) {                \
    simt::access((void*)p, sizeof(T), true, true, RET);                                                \
    return __atomic_compare_exchange_n(p, e, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);            \
  }                                                                                                    \
  bool __tsan_atomic##N##_compare_exchange_weak(volatile T* p, T* e, T v, int, int) {                  \
    simt::access((void*)p, sizeof(T), true, true, RET);                                                \
    return __atomic_compare_exchange_n(p, e, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);            \
  }
AT(8, uint8_t) AT(16, uint16_t) AT(32, uint32_t) AT(64, uint64_t) void __tsan_atomic_thread_fence(int) {}
void __tsan_atomic_signal_fence(int) {}
}
