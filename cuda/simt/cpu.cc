// The fibre scheduler and the device memory of the CPU emulation.
// Scheduling: each stack runs a loop that starts the next CUDA thread. As long as no thread blocks, one stack
// runs them all. A thread that blocks keeps its stack; the loop continues on a fresh one.
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdarg>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "cuda/simt/simt.h"
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define SIMT_ASAN 1
#endif
#if !defined(__x86_64__) && !defined(SIMT_UCONTEXT)
#define SIMT_UCONTEXT 1
#endif
#ifdef SIMT_UCONTEXT
#include <ucontext.h>
#endif
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

namespace simt {
constinit thread_local Thread* cur = nullptr;
constinit thread_local Block* blk = nullptr;
Config cfg;
Stats stats;
void async_thread_ends();  // hopper.cc
void async_block_ends();
#ifdef SIMT_CHECK  // hooks into check.cc
void check_block_begin(void* arena, size_t used, unsigned threads);
void check_shared_alloc(void* p, size_t n);
void check_mark(void* p, size_t n, int state);
void check_launch(void* args, size_t bytes);
void check_met(const Thread* warp, uint32_t mask);
void check_all_met(unsigned threads);
void* check_stack(size_t n);
void check_allow(const void* p, size_t n);
void check_block_end();
bool check_alloc(size_t n, void** out);
bool check_free(void* p);
void* check_arena(int worker);
#endif

// ------------------------------------------------------------------ context switch
constexpr size_t kStackBytes = 128 << 10;
struct Stack {
#ifdef SIMT_UCONTEXT
  ucontext_t uc;
#endif
  void* sp = nullptr;
  unsigned char* mem = nullptr;
  void* asan_fake = nullptr;
};
#ifndef SIMT_UCONTEXT
extern "C" void simt_switch_asm(void** save, void* load);
asm(R"(
.text
.globl simt_switch_asm
.type simt_switch_asm,@function
simt_switch_asm:
  .cfi_startproc
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .cfi_endproc
.size simt_switch_asm,.-simt_switch_asm
)");
#endif

struct SharedSlot {
  const void* key;
  unsigned char* p;
  size_t bytes;
};
struct Worker {
  Block block;
  std::vector<Thread> th;
  std::vector<std::vector<WarpOp>> wops;
  std::vector<unsigned> order, ready;  // ready: FIFO (head index) or random pick
  size_t ready_head = 0;
  unsigned next = 0, live = 0, at_bar = 0;
  loc bar_loc;
  int bar_kind = 0;
  std::vector<Stack*> pool;
  Stack main;
  Stack* running = nullptr;
  std::vector<AsyncCopy> cpq;
  uint64_t spins = 0;  // yields since a thread last finished
  unsigned char* arena = nullptr;
  size_t arena_cap = 320 << 10, arena_used = 0, static_used = 0;
  std::vector<SharedSlot> slots;
  void (*thunk)(void*) = nullptr;
  void* args = nullptr;
  std::minstd_rand rng;
  uint64_t switches = 0, barriers = 0, warp_ops = 0;
};
static thread_local Worker* W = nullptr;
static std::atomic<int> worker_ids{0};

// An error in a kernel ends the program, as a fibre cannot throw. SIMT_ABORT=1: stops in the debugger at the
// thread.
[[noreturn]] static void stop() {
  if (getenv("SIMT_ABORT")) std::abort();
  _Exit(66);
}
void fail(const char* fmt, ...) {
  char buf[1024];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(buf, sizeof buf, fmt, ap);
  va_end(ap);
  if (!cur) rum::fail(buf);  // an error in host code: it can be caught
  fprintf(stderr, "SIMT ERROR: %s\n  in thread (%u,%u,%u) of block (%u,%u,%u)\n", buf, cur->tid.x, cur->tid.y,
          cur->tid.z, blk->bid.x, blk->bid.y, blk->bid.z);
  fflush(stderr);
  stop();
}

static void stack_entry();
static void switch_to(Stack* from, Stack* to, bool from_dies = false) {
  (void)from_dies;
  ++W->switches;
  W->running = to;
#ifdef SIMT_ASAN
  __sanitizer_start_switch_fiber(from_dies ? nullptr : &from->asan_fake, to->mem, kStackBytes);
#endif
#ifdef SIMT_UCONTEXT
  swapcontext(&from->uc, &to->uc);
#else
  simt_switch_asm(&from->sp, to->sp);
#endif
#ifdef SIMT_ASAN
  __sanitizer_finish_switch_fiber(from->asan_fake, nullptr, nullptr);
#endif
}
static Stack* get_stack() {
  Stack* s;
  if (W->pool.empty()) {
    s = new Stack;
#ifdef SIMT_CHECK
    s->mem = static_cast<unsigned char*>(check_stack(kStackBytes + 4096));
#else
    s->mem = static_cast<unsigned char*>(mmap(nullptr, kStackBytes + 4096, PROT_READ | PROT_WRITE,
                                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
#endif
    mprotect(s->mem, 4096, PROT_NONE);  // guard page: a stack overflow faults instead of corrupting
    s->mem += 4096;
  } else {
    s = W->pool.back();
    W->pool.pop_back();
  }
#ifdef SIMT_ASAN
  ASAN_UNPOISON_MEMORY_REGION(s->mem, kStackBytes);
#endif
#ifdef SIMT_UCONTEXT
  getcontext(&s->uc);
  s->uc.uc_stack.ss_sp = s->mem;
  s->uc.uc_stack.ss_size = kStackBytes;
  s->uc.uc_link = nullptr;
  makecontext(&s->uc, stack_entry, 0);
#else
  void** sp = reinterpret_cast<void**>(s->mem + kStackBytes - 64);
  *--sp = nullptr;  // return address of stack_entry: ends backtraces
  *--sp = reinterpret_cast<void*>(&stack_entry);
  for (int i = 0; i < 6; ++i) *--sp = nullptr;  // rbp rbx r12-r15
  s->sp = sp;
#endif
  return s;
}
static void set_current(Thread* t) { cur = t; }
static void deadlock() {
  fprintf(stderr, "SIMT ERROR: deadlock in block (%u,%u,%u): no thread can run\n", blk->bid.x, blk->bid.y,
          blk->bid.z);
  std::map<std::string, std::vector<unsigned>> g;
  for (unsigned i = 0; i < W->block.n; ++i) {
    Thread& t = W->th[i];
    char k[400];
    if (t.state == State::Done)
      snprintf(k, sizeof k, "returned from the kernel");
    else
      snprintf(k, sizeof k, "waiting in %s at %s:%u", t.what, t.where.file_name(), t.where.line());
    g[k].push_back(t.lin);
  }
  for (auto& [k, v] : g) {
    fprintf(stderr, "  %zu threads %s: ", v.size(), k.c_str());
    for (size_t i = 0; i < v.size() && i < 6; ++i) fprintf(stderr, "%u ", v[i]);
    fprintf(stderr, "%s\n", v.size() > 6 ? "..." : "");
  }
  stop();
}
// Picks what runs next: returns the stack to switch to (a blocked thread's or a fresh one), or main when the
// block is done.
static Stack* pick_next() {
  Worker& w = *W;
  size_t nready = w.ready.size() - w.ready_head;
  bool start = w.next < w.block.n && (cfg.order != Config::Random || nready == 0 ||
                                      w.rng() % (nready + w.block.n - w.next) >= nready);
  if (start) return get_stack();
  if (nready) {
    if (cfg.order == Config::Random)
      std::swap(w.ready[w.ready_head], w.ready[w.ready_head + w.rng() % nready]);
    Thread& t = w.th[w.ready[w.ready_head++]];
    if (w.ready_head == w.ready.size()) {
      w.ready.clear();
      w.ready_head = 0;
    }
    return t.stack;
  }
  if (w.live == 0) return &w.main;
  deadlock();
  return nullptr;
}
static void make_ready(Thread& t) {
  t.state = State::Ready;
  W->ready.push_back(t.lin);
}
static void block_current(State s, const char* what, const loc& l) {
  Thread* me = cur;
  me->state = s;
  me->what = what;
  me->where = l;
  me->stack = W->running;
  Stack* to = pick_next();
  if (to != me->stack) switch_to(me->stack, to);
  me->state = State::Running;
  set_current(me);
}
static void release_barrier() {
  Worker& w = *W;
  int count = 0, all = 1, any = 0;
  for (unsigned i = 0; i < w.block.n; ++i)
    if (Thread& t = w.th[i]; t.state == State::AtBarrier) {
      count += t.bar_pred != 0;
      all &= t.bar_pred != 0;
      any |= t.bar_pred != 0;
    }
  int out[4] = {0, count, all, any};
  for (unsigned i = 0; i < w.block.n; ++i)
    if (Thread& t = w.th[i]; t.state == State::AtBarrier) {
      t.bar_out = out[w.bar_kind];
      ++t.bar_epoch;
      make_ready(t);
    }
  w.at_bar = 0;
  ++w.barriers;
#ifdef SIMT_CHECK
  check_all_met(w.block.n);
#endif
}
int block_barrier(int kind, int pred, const loc& l) {
  Worker& w = *W;
  static const char* names[] = {"__syncthreads", "__syncthreads_count", "__syncthreads_and",
                                "__syncthreads_or"};
  if (w.at_bar == 0) {
    w.bar_loc = l;
    w.bar_kind = kind;
  } else if (kind != w.bar_kind || l.line() != w.bar_loc.line() || l.column() != w.bar_loc.column() ||
             strcmp(l.file_name(), w.bar_loc.file_name()))
    fail("divergent barrier: this thread is at %s:%u:%u but %u others wait at %s:%u:%u", l.file_name(),
         l.line(), l.column(), w.at_bar, w.bar_loc.file_name(), w.bar_loc.line(), w.bar_loc.column());
  cur->bar_pred = pred;
  ++w.at_bar;
  if (w.at_bar == w.live) {  // last to arrive; threads that returned do not count
    cur->state = State::AtBarrier;
    cur->stack = W->running;
    Thread* me = cur;
    release_barrier();
    // keep running: take this thread off the ready list
    w.ready.erase(std::find(w.ready.begin() + w.ready_head, w.ready.end(), me->lin));
    me->state = State::Running;
  } else
    block_current(State::AtBarrier, names[kind], l);
  return cur->bar_out;
}
void warp_op(const char* name, size_t sig, uint32_t mask, void* in, void* out, WarpFn fn, const void* ctx,
             bool orders, const loc& l) {
  Worker& w = *W;
  ++w.warp_ops;
  Thread* me = cur;
  if (!(mask >> me->lane & 1))
    fail("%s at %s:%u: lane %u is not in its own mask 0x%08x", name, l.file_name(), l.line(), me->lane, mask);
  unsigned base = me->warp * 32, lanes = std::min(32u, w.block.n - base);
  if (lanes < 32 && (mask >> lanes))
    fail("%s at %s:%u: mask 0x%08x names lanes that this %u-lane warp does not have", name, l.file_name(),
         l.line(), mask, lanes);
  auto& ops = w.wops[me->warp];
  WarpOp* op = nullptr;
  for (auto& o : ops) {
    if (o.mask == mask && o.name == name && o.sig == sig) {
      op = &o;
      break;
    }
    if (o.mask & mask) {
      unsigned other = std::countr_zero(o.arrived);
      fail(
          "warp collective mismatch: lane %u calls %s(mask 0x%08x) at %s:%u while lane %u waits in %s(mask "
          "0x%08x) at %s:%u",
          me->lane, name, mask, l.file_name(), l.line(), other, o.name, o.mask,
          w.th[base + other].where.file_name(), w.th[base + other].where.line());
    }
  }
  if (!op) {
    for (unsigned i = 0; i < lanes; ++i)
      if ((mask >> i & 1) && w.th[base + i].state == State::Done)
        fail("%s at %s:%u: mask 0x%08x names lane %u, which has returned from the kernel", name,
             l.file_name(), l.line(), mask, i);
    op = &ops.emplace_back();
    op->name = name, op->mask = mask, op->sig = sig;
  }
  op->arrived |= 1u << me->lane;
  op->in[me->lane] = in;
  op->out[me->lane] = out;
  if (op->arrived == mask) {
    WarpOp o = *op;  // on the stack, where the checker lets a kernel's code read
    ops.erase(ops.begin() + (op - ops.data()));
    fn(o.in, o.out, mask, ctx);
    for (unsigned i = 0; i < 32; ++i)
      if (mask >> i & 1) {
        Thread& t = w.th[base + i];
        if (orders) ++t.warp_epoch;
        if (&t != me) make_ready(t);
      }
#ifdef SIMT_CHECK
    if (orders) check_met(&w.th[base], mask);
#endif
  } else
    block_current(State::InWarpOp, name, l);
}
void yield_thread() {
  if (!cur) return;
  if (++W->spins > 20000000) deadlock();
  W->ready.push_back(cur->lin);
  block_current(State::Ready, "__nanosleep", loc::current());
}

// For hopper.cc: blocks the thread until unpark.
void park(const char* what, const loc& l) { block_current(State::Parked, what, l); }
void unpark(Thread& t) { make_ready(t); }
unsigned char* shared_begin() { return W->arena; }

static void finish_thread(Thread& t) {
  Worker& w = *W;
  async_thread_ends();
  if (t.cp_n) fail("the thread returns without having waited for %d cp.async copies", t.cp_n);
  t.state = State::Done;
  --w.live;
  w.spins = 0;
  for (auto& o : w.wops[t.warp])
    if (o.mask >> t.lane & 1)
      fail("lane %u returned, but lanes 0x%08x wait for it in %s (mask 0x%08x) at %s:%u", t.lane, o.arrived,
           o.name, o.mask, w.th[t.warp * 32 + std::countr_zero(o.arrived)].where.file_name(),
           w.th[t.warp * 32 + std::countr_zero(o.arrived)].where.line());
  if (w.live && w.at_bar == w.live) release_barrier();
  if (w.live == 0) async_block_ends();
}
static void stack_entry() {
#ifdef SIMT_ASAN
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
  for (;;) {
    Worker& w = *W;
    while (w.next < w.block.n) {
      Thread& t = w.th[w.order[w.next++]];
      t.state = State::Running;
      set_current(&t);
      w.thunk(w.args);
      finish_thread(t);
      if (cfg.order == Config::Random && w.ready.size() > w.ready_head) break;  // let the picker choose
    }
    Stack* me = w.running;
    set_current(nullptr);
    Stack* to = pick_next();
    w.pool.push_back(me);  // safe: nothing runs between here and the switch
    if (to == me) continue;
    switch_to(me, to, true);
  }
}
// ------------------------------------------------------------------ shared memory of the running block
static unsigned char* arena_take(size_t bytes, size_t align) {
  Worker& w = *W;
  size_t off = (w.arena_used + 64 + align - 1) / align * align;  // 64-byte red zone before every array
  if (off + bytes + 64 > w.arena_cap) fail("shared memory arena exhausted");
  w.arena_used = off + bytes;
  unsigned char* p = w.arena + off;
#ifdef SIMT_ASAN
  ASAN_UNPOISON_MEMORY_REGION(p, bytes);
#endif
  memset(p, 0xff, bytes);  // NaN pattern: uninitialised shared memory shows
#ifdef SIMT_CHECK
  check_shared_alloc(p, bytes);
#endif
  return p;
}
void* shared_slot(const void* key, size_t bytes, size_t align) {
  Worker& w = *W;
  for (auto& s : w.slots)
    if (s.key == key) return s.p;
  w.static_used += (bytes + 15) & ~size_t(15);
  if (w.static_used > cfg.max_static_shared)
    fail("static shared memory of the block exceeds %zu bytes", cfg.max_static_shared);
  if (w.static_used + w.block.dyn_bytes > cfg.max_shared)
    fail("shared memory of the block exceeds %zu bytes", cfg.max_shared);
  unsigned char* p = arena_take(bytes, align);
  w.slots.push_back({key, p, bytes});
  return p;
}
// ------------------------------------------------------------------ grid
static void run_block(Worker& w, unsigned lin, dim3 grid, dim3 bd, size_t smem) {
  Block& b = w.block;
  b.bid_lin = lin;
  b.bid = dim3(lin % grid.x, lin / grid.x % grid.y, lin / (grid.x * grid.y));
  b.bdim = bd;
  b.gdim = grid;
  b.n = bd.x * bd.y * bd.z;
  b.dyn_bytes = smem;
  if (w.th.size() < b.n) {
    w.th.resize(1024);
    w.cpq.resize(1024 * 64);
  }  // addresses stay the same as long as the worker lives
#ifdef SIMT_CHECK
  check_allow(&cur, sizeof cur);
  check_allow(&blk, sizeof blk);
  check_allow(&w, sizeof w);
  check_allow(w.th.data(), w.th.size() * sizeof(Thread));
  check_allow(w.cpq.data(), w.cpq.size() * sizeof(AsyncCopy));
#endif
  for (unsigned i = 0; i < b.n; ++i) {
    Thread& t = w.th[i];
    t.tid = dim3(i % bd.x, i / bd.x % bd.y, i / (bd.x * bd.y));
    t.lin = i;
    t.lane = i & 31;
    t.warp = i >> 5;
    t.bar_epoch = t.warp_epoch = 0;
    t.state = State::NotStarted;
    t.cp_group = t.cp_n = 0;
    t.cp = &w.cpq[size_t(i) * 64];
  }
  w.wops.resize((b.n + 31) / 32);
  if (w.order.size() != b.n || cfg.order != Config::InOrder) {
    w.order.resize(b.n);
    for (unsigned i = 0; i < b.n; ++i) w.order[i] = cfg.order == Config::Reverse ? b.n - 1 - i : i;
    w.rng.seed(cfg.seed * 7919 + lin);
    if (cfg.order == Config::Random) std::shuffle(w.order.begin(), w.order.end(), w.rng);
  }
  w.ready.clear();
  w.ready_head = 0;
  w.next = 0;
  w.live = b.n;
  w.at_bar = 0;
  w.slots.clear();
#ifdef SIMT_CHECK
  check_block_begin(w.arena, w.arena_used, b.n);
#endif
  w.arena_used = 0;
  w.static_used = 0;
#ifdef SIMT_ASAN
  ASAN_POISON_MEMORY_REGION(w.arena, w.arena_cap);
#endif
  w.spins = 0;
  blk = &b;
  b.dyn = smem ? arena_take(smem, 128) : nullptr;
  switch_to(&w.main, pick_next());
  set_current(nullptr);
  blk = nullptr;
#ifdef SIMT_CHECK
  check_block_end();
#endif
}
static Worker* worker() {
  if (!W) {
    W = new Worker;
    {
      static std::mutex m;
      static auto* all = new std::vector<Worker*>;
      std::lock_guard l(m);
      all->push_back(W);
    }  // reachable: not a leak
    int id = worker_ids++;
    (void)id;
#ifdef SIMT_CHECK
    W->arena = static_cast<unsigned char*>(check_arena(id));
#else
    W->arena = static_cast<unsigned char*>(aligned_alloc(1024, W->arena_cap));
#endif
#ifdef SIMT_ASAN
    pthread_attr_t a;
    pthread_getattr_np(pthread_self(), &a);
    void* m;
    size_t n;
    pthread_attr_getstack(&a, &m, &n);
    pthread_attr_destroy(&a);
    W->main.mem = static_cast<unsigned char*>(m) + (n > kStackBytes ? n - kStackBytes : 0);
#endif
  }
  return W;
}
struct Pool {  // host threads that share the blocks of a launch
  std::mutex m;
  std::condition_variable cv, cv_done;
  std::function<void()> job;
  uint64_t gen = 0;
  int busy = 0;
  bool quit = false;
  std::vector<std::thread> th;
  explicit Pool(int n) {
    for (int i = 0; i < n; ++i)
      th.emplace_back([this] {
        uint64_t seen = 0;
        for (;;) {
          std::function<void()> j;
          {
            std::unique_lock l(m);
            cv.wait(l, [&] { return quit || gen != seen; });
            if (quit) return;
            seen = gen;
            j = job;
          }
          j();
          {
            std::lock_guard l(m);
            if (--busy == 0) cv_done.notify_all();
          }
        }
      });
  }
  void run(std::function<void()> j) {
    {
      std::lock_guard l(m);
      job = j;
      ++gen;
      busy = int(th.size());
    }
    cv.notify_all();
    j();
    std::unique_lock l(m);
    cv_done.wait(l, [&] { return busy == 0; });
  }
  ~Pool() {
    {
      std::lock_guard l(m);
      quit = true;
    }
    cv.notify_all();
    for (auto& t : th) t.join();
  }
};
static void read_env() {
  static bool done = false;
  if (done) return;
  done = true;
  if (auto s = getenv("SIMT_WORKERS")) cfg.workers = atoi(s);
  if (auto s = getenv("SIMT_SEED")) cfg.seed = strtoull(s, nullptr, 10);
  if (auto s = getenv("SIMT_ORDER")) {
    cfg.order = Config::InOrder;
    if (!strcmp(s, "reverse")) cfg.order = Config::Reverse;
    if (!strcmp(s, "random")) cfg.order = Config::Random;
  }
#ifdef SIMT_CHECK
  cfg.workers = 1;
#endif
}
void run_grid(dim3 grid, dim3 bd, size_t smem, void (*thunk)(void*), void* args,
              [[maybe_unused]] size_t args_bytes) {
  read_env();
  unsigned nt = bd.x * bd.y * bd.z;
  uint64_t nb = uint64_t(grid.x) * grid.y * grid.z;
  if (nt == 0 || nb == 0 || nt > 1024 || bd.z > 64 || grid.y > 65535 || grid.z > 65535)
    fail("launch refused: grid (%u,%u,%u) block (%u,%u,%u)", grid.x, grid.y, grid.z, bd.x, bd.y, bd.z);
  if (smem > cfg.max_shared) fail("launch refused: %zu bytes of dynamic shared memory", smem);
  if (cur) fail("launch from inside a kernel");
#ifdef SIMT_CHECK
  check_launch(args, args_bytes);
#endif
  std::atomic<uint64_t> next{0};
  auto job = [&] {
    Worker& w = *worker();
    w.thunk = thunk;
    w.args = args;
    for (uint64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < nb;)
      run_block(w, unsigned(cfg.order == Config::Reverse ? nb - 1 - i : i), grid, bd, smem);
    stats.switches += w.switches;
    stats.barriers += w.barriers;
    stats.warp_ops += w.warp_ops;
    w.switches = w.barriers = w.warp_ops = 0;
  };
  ++stats.launches;
  stats.blocks += nb;
  stats.threads += nb * nt;
  if (cfg.workers > 1 && nb > 1) {
    static Pool pool(cfg.workers - 1);
    pool.run(job);
  } else
    job();
}
// ------------------------------------------------------------------ device memory
// ASan red zones come with malloc. With SIMT_GUARD=1 device memory is accessible only while the device works or
// copies: host code that touches it, which would fail on any GPU but not here, is stopped at that access.
class Guard {
 public:
  static Guard* get() {  // null: not enabled
    static Guard* const guard = getenv("SIMT_GUARD") ? new Guard : nullptr;
    return guard;
  }
  void* take(size_t n) {
    n = whole(n);
    const auto fits = free_.lower_bound(n);
    char* const p = fits == free_.end() ? base_ + std::exchange(top_, top_ + n) : fits->second;
    if (p + n > base_ + kMost) return nullptr;
    if (fits != free_.end()) {
      if (fits->first > n) free_.emplace(fits->first - n, p + n);
      free_.erase(fits);
    }
    protect(depth_ > 0);
    return p;
  }
  void give(void* p, size_t n) { free_.emplace(whole(n), static_cast<char*>(p)); }
  void open() {
    if (depth_++ == 0) protect(true);
  }
  void close() {
    if (--depth_ == 0) protect(false);
  }

 private:
  static constexpr size_t kMost = size_t{64} << 30, kPage = 4096, kHuge = size_t{2} << 20;
  static size_t whole(size_t n) { return (n + kPage) / kPage * kPage; }
  Guard() {
    void* const all =
        mmap(nullptr, kMost + kHuge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    base_ = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(all) + kHuge - 1) / kHuge * kHuge);
    madvise(base_, kMost, MADV_HUGEPAGE);  // changing the protection of 2 MB pages is 512 times as fast
    struct sigaction stop {};
    stop.sa_flags = SA_SIGINFO | SA_RESETHAND;
    stop.sa_sigaction = [](int, siginfo_t* at, void*) {
      const char* const p = static_cast<const char*>(at->si_addr);
      if (p >= get()->base_ && p < get()->base_ + kMost) {
        const char said[] = "the host touches device memory (SIMT_GUARD=1), which is impossible with a GPU\n";
        if (write(2, said, sizeof said - 1) < 0) return;
      }
    };  // and once more, to end it
    sigaction(SIGSEGV, &stop, nullptr);
  }
  void protect(bool usable) {
    if (top_ > 0)
      mprotect(base_, (top_ + kHuge - 1) / kHuge * kHuge, usable ? PROT_READ | PROT_WRITE : PROT_NONE);
  }
  char* base_;
  size_t top_ = 0;
  int depth_ = 0;
  std::multimap<size_t, char*> free_;  // by size
};
struct DeviceWorks {
  DeviceWorks() {
    if (Guard* const g = Guard::get()) g->open();
  }
  ~DeviceWorks() {
    if (Guard* const g = Guard::get()) g->close();
  }
};

static std::map<void*, size_t> allocated;
static size_t allocated_bytes = 0;
static void* note(void* p, size_t n) {
  allocated[p] = n;
  allocated_bytes += n;
  return p;
}
void* dev_malloc(size_t n) {
  if (recording()) fail("memory was requested while a step is being recorded");
  if (const char* most = getenv("SIMT_MEMORY"))
    if (const size_t all = strtoull(most, nullptr, 10); allocated_bytes + n > all)
      throw rum::OutOfMemory("the emulated GPU is out of memory: " + std::to_string(n) +
                             " bytes were requested, " + std::to_string(allocated_bytes) + " of " +
                             std::to_string(all) + " are in use");
#ifdef SIMT_CHECK
  void* q;
  if (check_alloc(n, &q)) return note(q, n);
#endif
  const size_t whole = (n + 255) / 256 * 256 + 256;
  const DeviceWorks now;
  void* p = Guard::get() ? Guard::get()->take(whole) : aligned_alloc(256, whole);
  memset(p, 0xff, n);  // uninitialised device memory is NaN
#ifdef SIMT_ASAN
  ASAN_POISON_MEMORY_REGION(static_cast<char*>(p) + n, whole - n);
#endif
  return note(p, n);
}
void dev_free(void* p) {
  const auto at = allocated.find(p);
  const size_t n = at == allocated.end() ? 0 : at->second;
  if (n > 0) {
    allocated_bytes -= n;
    allocated.erase(at);
  }
#ifdef SIMT_CHECK
  if (check_free(p)) return;
#endif
  if (Guard* const g = Guard::get())
    g->give(p, (n + 255) / 256 * 256 + 256);
  else
    free(p);
}
void written([[maybe_unused]] void* d, [[maybe_unused]] size_t n) {
#ifdef SIMT_CHECK
  check_mark(d, n, 2);
#endif
}
void h2d(void* d, const void* s, size_t n) {
  const DeviceWorks now;
  memcpy(d, s, n);
  written(d, n);
}
void d2h(void* d, const void* s, size_t n) {
  const DeviceWorks now;
  memcpy(d, s, n);
}
void d2d(void* d, const void* s, size_t n) {
  enqueue([=] {
    memcpy(d, s, n);
    written(d, n);
  });
}
void dev_fill(void* d, int byte, size_t n) {
  enqueue([=] {
    memset(d, byte, n);
    written(d, n);
  });
}
std::string describe() { return "emulation on a CPU"; }

// ------------------------------------------------------------------ recording
static Recording* open_recording = nullptr;
bool recording() { return open_recording != nullptr; }
void enqueue(std::function<void()> work) {
  if (open_recording) return open_recording->push_back(std::move(work));
  const DeviceWorks now;
  work();
}
void begin_recording() { open_recording = new Recording; }
void* end_recording() { return std::exchange(open_recording, nullptr); }
void replay(void* r) {
  const DeviceWorks now;
  for (auto& work : *static_cast<Recording*>(r)) work();
}
void discard(void* r) { delete static_cast<Recording*>(r); }
}  // namespace simt
