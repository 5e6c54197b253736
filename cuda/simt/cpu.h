// The part of CUDA C++ that the kernels use, on a CPU. Each CUDA thread is a fibre, started lazily: a kernel
// that never blocks runs as a plain loop. A block runs on one host thread; blocks are spread over the host
// threads.
//   SIMT_ORDER=inorder|reverse|random SIMT_SEED=7   in which order the threads of a block run
// SIMT_GUARD=1   the host cannot touch device memory, as with a GPU (not in the checked build)
//   SIMT_MEMORY=bytes   how much memory the device has; unset: no limit
//   SIMT_LINT=1    (checked build) bank conflicts and uncoalesced accesses of block 0
// SIMT_ABORT=1   stop in gdb at the failing thread; break FILE:LINE if simt::cur->lin == 37
#pragma once
#define SIMT_CPU 1
#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <source_location>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
// Always inline: the checker does not see a struct that a function returns directly into memory.
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __constant__ static const
#define __grid_constant__
// __noinline__ must stay undefined: libstdc++ spells __attribute__((__noinline__)).
// __restrict__ is native to g++.
#define __align__(n) alignas(n)
#define SIMT_UNROLL
#define SIMT_ROLLED
#define SIMT_SHARED(T, name, ...) auto& name = ::simt::static_shared<T __VA_ARGS__>([] {})

// ---------------------------------------------------------------- vector types
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
template <class T>
struct alignas(2 * sizeof(T)) simt_vec2 {
  T x, y;
};
template <class T>
struct alignas(4 * sizeof(T)) simt_vec4 {
  T x, y, z, w;
};
using float2 = simt_vec2<float>;
using float4 = simt_vec4<float>;
using uint2 = simt_vec2<unsigned>;
using uint4 = simt_vec4<unsigned>;
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

namespace simt {
using loc = std::source_location;

// ---------------------------------------------------------------- bf16, rounded to nearest even
struct bf16 {
  uint16_t bits;
};
__forceinline__ float to_f(bf16 v) { return std::bit_cast<float>(uint32_t(v.bits) << 16); }
__forceinline__ bf16 to_bf(float f) {
  uint32_t u = std::bit_cast<uint32_t>(f);
  if ((u & 0x7fffffffu) > 0x7f800000u) return {0x7fff};  // NaN
  return {uint16_t((u + 0x7fffu + ((u >> 16) & 1)) >> 16)};
}
__forceinline__ uint32_t pack_bf(float lo, float hi) {
  return uint32_t(to_bf(lo).bits) | uint32_t(to_bf(hi).bits) << 16;
}

// ---------------------------------------------------------------- per-thread and per-block state
enum class State : uint8_t { NotStarted, Running, Ready, AtBarrier, InWarpOp, Parked, Done };
struct Stack;
struct AsyncCopy {
  void* dst;
  const void* src;
  uint32_t bytes, zfill;
  int group;
};
struct Thread {
  dim3 tid;
  unsigned lin = 0, lane = 0, warp = 0;
  uint32_t bar_epoch = 0,
           warp_epoch = 0;  // block barriers passed, __syncwarps and fences: the checker's clock
  State state = State::NotStarted;
  Stack* stack = nullptr;
  loc where;  // where it is blocked
  const char* what = "";
  int bar_pred = 0, bar_out = 0;
  int cp_group = 0, cp_n = 0;  // cp.async emulation: current group number, queued copies
  AsyncCopy* cp = nullptr;
};
struct WarpOp {  // one pending warp collective
  const char* name;
  uint32_t mask, arrived = 0;
  size_t sig;
  void* in[32];
  void* out[32];
};
struct Block {
  dim3 bid, bdim, gdim;
  unsigned bid_lin = 0, n = 0;
  size_t dyn_bytes = 0;
  unsigned char* dyn = nullptr;
};
extern constinit thread_local Thread* cur;  // the CUDA thread now executing on this host thread
extern constinit thread_local Block* blk;

// runtime services (cpu.cc)
[[noreturn]] void fail(const char* fmt, ...) __attribute__((format(printf, 1, 2)));
void* shared_slot(const void* key, size_t bytes, size_t align);
int block_barrier(int kind, int pred, const loc& l);  // kind 0 sync, 1 count, 2 and, 3 or
using WarpFn = void (*)(void* const* in, void* const* out, uint32_t mask, const void* ctx);
void warp_op(const char* name, size_t sig, uint32_t mask, void* in, void* out, WarpFn fn, const void* ctx,
             bool orders_memory, const loc& l);
void yield_thread();  // for spin loops
void run_grid(dim3 grid, dim3 block, size_t smem, void (*thunk)(void*), void* args, size_t args_bytes);

struct Config {
  int workers = 2;  // host threads                                  SIMT_WORKERS
  enum { InOrder, Reverse, Random } order = InOrder;  //                     SIMT_ORDER=inorder|reverse|random
  uint64_t seed = 1;  //                                                SIMT_SEED
  size_t max_static_shared = 48 << 10, max_shared = 227 << 10;
};
extern Config cfg;
struct Stats {
  std::atomic<uint64_t> launches{0}, blocks{0}, threads{0}, switches{0}, barriers{0}, warp_ops{0};
};
extern Stats stats;

// ---------------------------------------------------------------- the device: memory, and one stream
void* dev_malloc(size_t n);
void dev_free(void* p);
void h2d(void* d, const void* s, size_t n);  // at once; not for recordings
void d2h(void* d, const void* s, size_t n);
void d2d(void* d, const void* s, size_t n);
void dev_fill(void* d, int byte, size_t n);
inline void sync() {}
inline void need_device() {}
std::string describe();
void written(void* d, size_t n);  // tells the checker that something other than a kernel wrote there

// Work runs at once, or is recorded while a recording is open: launches with their arguments, copies, fills
// and library calls, as in a CUDA graph.
using Recording = std::vector<std::function<void()>>;
void enqueue(std::function<void()> work);
bool recording();
void begin_recording();
void* end_recording();
void replay(void*);
void discard(void*);

template <class T, class Key>
T& static_shared(Key) {
  static const char key = 0;  // one per declaration site (unique lambda type) and template instance
  return *static_cast<T*>(shared_slot(&key, sizeof(T), std::max<size_t>(alignof(T), 16)));
}
template <class T>
T* dyn_shared() {
  return reinterpret_cast<T*>(blk->dyn);
}

template <class... P, class... A>
void launch(void (*k)(P...), dim3 grid, dim3 block, size_t smem, A&&... a) {
  struct Pack {
    void (*k)(P...);
    std::tuple<std::remove_cv_t<P>...> args;
  };
  enqueue([pack = Pack{k, {static_cast<P>(std::forward<A>(a))...}}, grid, block, smem]() mutable {
    run_grid(
        grid, block, smem,
        [](void* p) {
          Pack copy = *static_cast<Pack*>(p);  // kernel parameters are per-thread copies
          std::apply(copy.k, copy.args);
        },
        &pack, sizeof pack);
  });
}

// One access of sizeof(V) bytes, as the hardware does it. In the checked build it goes to the runtime as a
// whole, so that the compiler cannot split it and checks of alignment, banks and sectors see a vector access.
#ifdef SIMT_CHECK
void checked_copy(void* reg, const void* mem, size_t n, bool store) noexcept;
#endif
template <class V, class T>
inline V ldv(const T* p) {
  if (reinterpret_cast<uintptr_t>(p) % sizeof(V))
    fail("misaligned %zu-byte vector load at %p", sizeof(V), (const void*)p);
#ifdef SIMT_CHECK
  V v;
  checked_copy(&v, p, sizeof(V), false);
  return v;
#else
  return *reinterpret_cast<const V*>(p);
#endif
}
template <class V, class T>
inline void stv(T* p, const V& v) {
  if (reinterpret_cast<uintptr_t>(p) % sizeof(V))
    fail("misaligned %zu-byte vector store at %p", sizeof(V), (void*)p);
#ifdef SIMT_CHECK
  checked_copy(const_cast<V*>(&v), p, sizeof(V), true);
#else
  *reinterpret_cast<V*>(p) = v;
#endif
}
}  // namespace simt

#define threadIdx (::simt::cur->tid)
#define blockIdx (::simt::blk->bid)
#define blockDim (::simt::blk->bdim)
#define gridDim (::simt::blk->gdim)
constexpr int warpSize = 32;

// ---------------------------------------------------------------- barriers, fences
inline void __syncthreads(simt::loc l = simt::loc::current()) { simt::block_barrier(0, 0, l); }
inline int __syncthreads_count(int p, simt::loc l = simt::loc::current()) {
  return simt::block_barrier(1, p, l);
}
inline int __syncthreads_and(int p, simt::loc l = simt::loc::current()) {
  return simt::block_barrier(2, p, l);
}
inline int __syncthreads_or(int p, simt::loc l = simt::loc::current()) {
  return simt::block_barrier(3, p, l);
}
#ifdef SIMT_CHECK
namespace simt {
void check_fence();
}
inline void __threadfence() { simt::check_fence(); }
#else
inline void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
#endif
inline void __threadfence_block() {}
inline void __nanosleep(unsigned) { simt::yield_thread(); }

// ---------------------------------------------------------------- warp collectives
inline void __syncwarp(uint32_t mask = ~0u, simt::loc l = simt::loc::current()) {
  simt::warp_op(
      "__syncwarp", 0, mask, nullptr, nullptr, [](void* const*, void* const*, uint32_t, const void*) {},
      nullptr, true, l);
}
namespace simt {
template <class T>
struct ShflIn {
  T v;
  int arg, width;
};
enum { Idx, Up, Down, Xor };
template <int Mode, class T>
T shfl(const char* name, uint32_t mask, T v, int arg, int width, const loc& l) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  ShflIn<T> in{v, arg, width};
  T out;
  warp_op(
      name, sizeof(T) * 8 + Mode, mask, &in, &out,
      [](void* const* ins, void* const* outs, uint32_t m, const void*) {
        for (int lane = 0; lane < 32; ++lane) {
          if (!(m >> lane & 1)) continue;
          auto& me = *static_cast<ShflIn<T>*>(ins[lane]);
          int base = lane & ~(me.width - 1), src = lane;
          if constexpr (Mode == Idx) src = base + (me.arg & (me.width - 1));
          if constexpr (Mode == Up) {
            src = lane - me.arg;
            if (src < base) src = lane;
          }
          if constexpr (Mode == Down) {
            src = lane + me.arg;
            if (src >= base + me.width) src = lane;
          }
          if constexpr (Mode == Xor) {
            src = lane ^ me.arg;
            if (src >= base + me.width) src = lane;
          }
          if (!(m >> src & 1))
            fail(
                "warp shuffle: lane %d reads lane %d, which is not in mask 0x%08x (undefined value on the "
                "GPU)",
                lane, src, m);
          *static_cast<T*>(outs[lane]) = static_cast<ShflIn<T>*>(ins[src])->v;
        }
      },
      nullptr, false, l);
  return out;
}
template <class T, class F>
T reduce(const char* name, uint32_t mask, T v, F, const loc& l) {  // F: stateless binary op
  T in = v, out;
  warp_op(
      name, sizeof(T), mask, &in, &out,
      [](void* const* ins, void* const* outs, uint32_t m, const void*) {
        T acc{};
        bool first = true;
        for (int i = 0; i < 32; ++i)
          if (m >> i & 1) {
            T x = *static_cast<T*>(ins[i]);
            acc = first ? x : F{}(acc, x);
            first = false;
          }
        for (int i = 0; i < 32; ++i)
          if (m >> i & 1) *static_cast<T*>(outs[i]) = acc;
      },
      nullptr, false, l);
  return out;
}
inline uint32_t ballot(const char* name, uint32_t mask, int pred, const loc& l) {
  int in = pred;
  uint32_t out;
  warp_op(
      name, 4, mask, &in, &out,
      [](void* const* ins, void* const* outs, uint32_t m, const void*) {
        uint32_t b = 0;
        for (int i = 0; i < 32; ++i)
          if ((m >> i & 1) && *static_cast<int*>(ins[i])) b |= 1u << i;
        for (int i = 0; i < 32; ++i)
          if (m >> i & 1) *static_cast<uint32_t*>(outs[i]) = b;
      },
      nullptr, false, l);
  return out;
}
struct Min {
  template <class T>
  T operator()(T a, T b) const {
    return b < a ? b : a;
  }
};
struct Max {
  template <class T>
  T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};
}  // namespace simt
#define SIMT_SHFL(NAME, MODE, ARG)                                                        \
  template <class T>                                                                      \
  T NAME(uint32_t mask, T v, ARG a, int width = 32, simt::loc l = simt::loc::current()) { \
    return simt::shfl<simt::MODE>(#NAME, mask, v, int(a), width, l);                      \
  }
SIMT_SHFL(__shfl_sync, Idx, int)
SIMT_SHFL(__shfl_up_sync, Up, unsigned)
SIMT_SHFL(__shfl_down_sync, Down, unsigned)
SIMT_SHFL(__shfl_xor_sync, Xor, int)
inline unsigned __ballot_sync(uint32_t m, int p, simt::loc l = simt::loc::current()) {
  return simt::ballot("__ballot_sync", m, p, l);
}
inline int __any_sync(uint32_t m, int p, simt::loc l = simt::loc::current()) {
  return simt::ballot("__any_sync", m, p, l) != 0;
}
inline int __all_sync(uint32_t m, int p, simt::loc l = simt::loc::current()) {
  return simt::ballot("__all_sync", m, p, l) == m;
}
template <class T>
T __reduce_add_sync(uint32_t m, T v, simt::loc l = simt::loc::current()) {
  return simt::reduce("__reduce_add_sync", m, v, std::plus<>{}, l);
}
template <class T>
T __reduce_min_sync(uint32_t m, T v, simt::loc l = simt::loc::current()) {
  return simt::reduce("__reduce_min_sync", m, v, simt::Min{}, l);
}
template <class T>
T __reduce_max_sync(uint32_t m, T v, simt::loc l = simt::loc::current()) {
  return simt::reduce("__reduce_max_sync", m, v, simt::Max{}, l);
}
template <class T>
uint32_t __match_any_sync(uint32_t mask, T v, simt::loc l = simt::loc::current()) {
  T in = v;
  uint32_t out;
  simt::warp_op(
      "__match_any_sync", sizeof(T), mask, &in, &out,
      [](void* const* ins, void* const* outs, uint32_t m, const void*) {
        for (int i = 0; i < 32; ++i)
          if (m >> i & 1) {
            uint32_t r = 0;
            for (int j = 0; j < 32; ++j)
              if ((m >> j & 1) && *static_cast<T*>(ins[j]) == *static_cast<T*>(ins[i])) r |= 1u << j;
            *static_cast<uint32_t*>(outs[i]) = r;
          }
      },
      nullptr, false, l);
  return out;
}
uint32_t __activemask() =
    delete;  // the language does not define the result; kernels must pass a mask that they know

// ---------------------------------------------------------------- atomics (relaxed, as CUDA's)
template <class T, class F>
T simt_rmw(T* p, F f) {
  using U =
      std::conditional_t<sizeof(T) == 8, uint64_t, std::conditional_t<sizeof(T) == 4, uint32_t, uint16_t>>;
  U* q = reinterpret_cast<U*>(p);
  U old = __atomic_load_n(q, __ATOMIC_RELAXED);
  for (;;) {
    U nw = std::bit_cast<U>(f(std::bit_cast<T>(old)));
    if (__atomic_compare_exchange_n(q, &old, nw, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
      return std::bit_cast<T>(old);
  }
}
template <class T>
T atomicAdd(T* p, std::type_identity_t<T> v) {
  if constexpr (std::is_integral_v<T>)
    return __atomic_fetch_add(p, v, __ATOMIC_RELAXED);
  else
    return simt_rmw(p, [v](T o) { return T(o + v); });
}
template <class T>
T atomicMax(T* p, std::type_identity_t<T> v) {
  return simt_rmw(p, [v](T o) { return o < v ? v : o; });
}
template <class T>
T atomicMin(T* p, std::type_identity_t<T> v) {
  return simt_rmw(p, [v](T o) { return v < o ? v : o; });
}
template <class T>
T atomicExch(T* p, std::type_identity_t<T> v) {
  return simt_rmw(p, [v](T) { return v; });
}
template <class T>
T atomicCAS(T* p, std::type_identity_t<T> c, std::type_identity_t<T> v) {
  return simt_rmw(p, [c, v](T o) { return o == c ? v : o; });
}
template <class T>
T atomicOr(T* p, std::type_identity_t<T> v) {
  return __atomic_fetch_or(p, v, __ATOMIC_RELAXED);
}

// ---------------------------------------------------------------- math and load intrinsics
template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}
template <class T>
void __stcs(T* p, T v) {
  *p = v;
}
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline void sincospif(float x, float* sine, float* cosine) {
  const double angle = 3.14159265358979323846 * static_cast<double>(x);
  *sine = static_cast<float>(std::sin(angle));
  *cosine = static_cast<float>(std::cos(angle));
}
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __ffs(int x) { return x ? std::countr_zero(unsigned(x)) + 1 : 0; }
inline int __clz(int x) { return std::countl_zero(unsigned(x)); }
inline unsigned __float_as_uint(float f) { return std::bit_cast<unsigned>(f); }
inline int __float_as_int(float f) { return std::bit_cast<int>(f); }
inline float __uint_as_float(unsigned u) { return std::bit_cast<float>(u); }
inline float __int_as_float(int u) { return std::bit_cast<float>(u); }
using std::max;
using std::min;
