// What a Hopper GPU (sm_90a) has beyond mma.sync: products of a warpgroup (wgmma), whose operands lie in
// shared memory and whose sums arrive later; bulk copies of a whole tile by one thread (TMA); and barriers in
// shared memory that count arrivals and bytes (mbarriers), so that warps with different work can meet. Inline
// PTX under nvcc; hopper.cc on a CPU, where everything arrives as late as allowed and the checker sees who
// waited.
//
// A tile in shared memory has rows of 128 bytes, and begins at a multiple of 1,024. In row r the piece of 16
// bytes number p lies in place p ^ (r % 8): "128-byte swizzle". Of 8 rows the pieces with one number, which
// is what 8 rows of a product need at once, so lie on different banks:
//
//   place   0 1 2 3 4 5 6 7
//   row 0   0 1 2 3 4 5 6 7      TMA writes tiles this way, and wgmma reads them so, both by the address
//   row 1   1 0 3 2 5 4 7 6      alone: bits 4..6 ^= bits 7..9. A wider tile is several of these, one behind
//   row 2   2 3 0 1 6 7 4 5      the other: 64 numbers of bf16 each.
//   ...
#pragma once
#include "cuda/simt/simt.h"

// What follows is compiled for sm_90a alone: other GPUs get empty kernels.
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define SIMT_HOPPER 1
#endif
#ifdef SIMT_GPU
#include <cuda.h>  // for types: the one function of the driver is asked for by name
#endif

namespace simt {
constexpr int kSwizzledRow = 64, kSwizzledAlign = 1024;  // numbers of bf16; bytes

// A matrix of bf16 in device memory and the box that one bulk copy takes of it: dimension 0 runs along a row.
// What lies outside of the matrix arrives as 0. A kernel takes it as `const __grid_constant__ TensorMap`.
#ifdef SIMT_GPU
using TensorMap = CUtensorMap;
#else
struct TensorMap {
  const char* base;
  int rank;
  uint64_t size[3], step[3];  // step: bytes from one to the next; of dimension 0 they are 2
  uint32_t box[3];
};
#endif
// size, box: numbers of each dimension, 2 or 3 of them; step: bytes, of all dimensions but the first. The box
// is 64 numbers wide and at most 256 high and deep; the base and the steps are multiples of 16 bytes.
TensorMap tensor_map(const void* base, const std::vector<uint64_t>& size, const std::vector<uint64_t>& step,
                     const std::vector<uint32_t>& box);
inline std::string map_fault(const void* base, const std::vector<uint64_t>& size,
                             const std::vector<uint64_t>& step, const std::vector<uint32_t>& box) {
  if (size.size() < 2 || size.size() > 3 || step.size() + 1 != size.size() || box.size() != size.size())
    return "2 or 3 dimensions";
  if (reinterpret_cast<uintptr_t>(base) % 16 != 0) return "a base at a multiple of 16 bytes";
  for (const uint64_t s : size)
    if (s == 0 || s > uint64_t{1} << 32) return "1 to 2^32 numbers of each dimension";
  for (const uint64_t s : step)
    if (s % 16 != 0 || s >= uint64_t{1} << 40) return "steps that are multiples of 16 bytes, below 2^40";
  if (box[0] != kSwizzledRow) return "a box of 64 numbers across: 128 bytes";
  for (const uint32_t b : box)
    if (b == 0 || b > 256) return "a box of 1 to 256 numbers of each dimension";
  return "";
}
bool is_hopper();  // the device is of compute capability 9.0; in emulation always
// Whether this file's kernels are real: without sm_90a they were compiled empty.
[[maybe_unused]] static bool runs_hopper() {
#if defined(SIMT_GPU) && !defined(SIMT_SM90A)
  return false;
#else
  return is_hopper();
#endif
}

// The place in a swizzled tile of number c of row r, both counted in the tile of 64 columns.
__device__ __forceinline__ int swizzled(int r, int c) { return r * 64 + ((c / 8) ^ (r % 8)) * 8 + c % 8; }

using Barrier = uint64_t;  // in shared memory. Phase 0 runs first; waiting for parity 1 then returns at once.

// How wgmma finds a matrix of bf16 in swizzled tiles:
//
//   bits  0..13  first address / 16         32..45  bytes from 8 rows to the next 8 / 16: 1,024 / 16
//        16..29  bytes between tiles / 16   62..63  1: 128-byte swizzle
//
// Bits 16..29 count where the rows of a tile are numbered by k, and the other index runs along them
// (`across`): then 64 of it lie in one tile, the next 64 in the next. From one step of 16 k to the next the
// address grows by 32 bytes along a row, or by 2,048 (16 rows) across.
#ifdef SIMT_GPU
__device__ __forceinline__ uint32_t shared_address(const void* p) { return smem_u32(p); }
#else
uint32_t shared_address(const void* p);
#endif
__device__ __forceinline__ uint64_t tile_descriptor(const void* first, uint32_t tile_bytes = 16) {
  return static_cast<uint64_t>((shared_address(first) & 0x3ffff) >> 4) |
         static_cast<uint64_t>(tile_bytes >> 4) << 16 | uint64_t{1024 >> 4} << 32 | uint64_t{1} << 62;
}

#ifdef SIMT_GPU
#ifdef SIMT_HOPPER
__device__ __forceinline__ void barrier_init(Barrier* b, unsigned arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(smem_u32(b)), "r"(arrivals) : "memory");
}
// By the thread that initialised them, before the __syncthreads after which others use them.
__device__ __forceinline__ void barriers_ready() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
__device__ __forceinline__ void barrier_arrive(Barrier* b) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(smem_u32(b)) : "memory");
}
// Arrives, and lets the phase wait for so many bytes of bulk copies.
__device__ __forceinline__ void barrier_expect(Barrier* b, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(smem_u32(b)), "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void barrier_wait(Barrier* b, uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}\n" ::"r"(smem_u32(b)),
      "r"(parity)
      : "memory");
}
// One thread: the box at (x, y) or (x, y, z) to `to`; its bytes count for the barrier's phase. x is a multiple of
// 8: at any other an H200 stops with "illegal instruction".
__device__ __forceinline__ void bulk_load(void* to, const TensorMap& map, Barrier* b, int x, int y) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], "
      "[%2];" ::"r"(smem_u32(to)),
      "l"(&map), "r"(smem_u32(b)), "r"(x), "r"(y)
      : "memory");
}
__device__ __forceinline__ void bulk_load(void* to, const TensorMap& map, Barrier* b, int x, int y, int z) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], "
      "[%2];" ::"r"(smem_u32(to)),
      "l"(&map), "r"(smem_u32(b)), "r"(x), "r"(y), "r"(z)
      : "memory");
}
// wgmma and bulk copies access shared memory through the async proxy. Between a plain store and such an access
// the storing thread must call this, and then a barrier must follow.
__device__ __forceinline__ void fence_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
// All four warps of the group: before the first product, and after registers of one were touched.
__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
// Waits for all products but those of the last N commits; until then nobody may touch their registers.
template <int N>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}
// Changes the number of registers of each thread; called by all warps of the group together.
template <int N>
__device__ __forceinline__ void fewer_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N));
}
template <int N>
__device__ __forceinline__ void more_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N));
}

#define SIMT_4(d, i) "+f"(d[i][0]), "+f"(d[i][1]), "+f"(d[i][2]), "+f"(d[i][3])
#define SIMT_16(d, i) SIMT_4(d, i), SIMT_4(d, i + 1), SIMT_4(d, i + 2), SIMT_4(d, i + 3)
#define SIMT_32(d) SIMT_16(d, 0), SIMT_16(d, 4)
#define SIMT_64(d) SIMT_32(d), SIMT_16(d, 8), SIMT_16(d, 12)
#define SIMT_NAMES_32                                                                           \
  "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24," \
  "%25,%26,%27,%28,%29,%30,%31}"
#define SIMT_NAMES_64                                                                            \
  "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,"  \
  "%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47," \
  "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}"
// D (64, N) = A (64, 16) B (16, N), or += with `add`. d: lane l of warp w holds, as of mma.sync, of row
// 16 w + l / 4 (and + 8, the second pair) columns 8 j + 2 (l % 4) and the next in d[j].
// Both factors in shared memory; B is given as (N, 16), rows along k.
template <int N>
__device__ __forceinline__ void wgmma(float (&d)[N / 8][4], uint64_t a, uint64_t b, bool add) {
  static_assert(N == 64 || N == 128);
  const int keep = add;
  if constexpr (N == 64)
    asm volatile(
        "{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " SIMT_NAMES_32
        ", %32, %33, p, 1, 1, 0, 0;\n}\n"
        : SIMT_32(d)
        : "l"(a), "l"(b), "r"(keep));
  else
    asm volatile(
        "{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 " SIMT_NAMES_64
        ", %64, %65, p, 1, 1, 0, 0;\n}\n"
        : SIMT_64(d)
        : "l"(a), "l"(b), "r"(keep));
}
// A in registers, each warp's 16 rows as mma.sync has them; B is given as (16, N), across.
template <int N>
__device__ __forceinline__ void wgmma_across(float (&d)[N / 8][4], const uint32_t (&a)[4], uint64_t b,
                                             bool add) {
  static_assert(N == 64 || N == 128);
  const int keep = add;
  if constexpr (N == 64)
    asm volatile(
        "{\n.reg .pred p;\nsetp.ne.b32 p, %37, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " SIMT_NAMES_32
        ", {%32,%33,%34,%35}, %36, p, 1, 1, 1;\n}\n"
        : SIMT_32(d)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(keep));
  else
    asm volatile(
        "{\n.reg .pred p;\nsetp.ne.b32 p, %69, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 " SIMT_NAMES_64
        ", {%64,%65,%66,%67}, %68, p, 1, 1, 1;\n}\n"
        : SIMT_64(d)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(keep));
}
#undef SIMT_4
#undef SIMT_16
#undef SIMT_32
#undef SIMT_64
#undef SIMT_NAMES_32
#undef SIMT_NAMES_64
#endif
#else
void barrier_init(Barrier* b, unsigned arrivals, loc l = loc::current());
void barriers_ready();
void barrier_arrive(Barrier* b, loc l = loc::current());
void barrier_expect(Barrier* b, uint32_t bytes, loc l = loc::current());
void barrier_wait(Barrier* b, uint32_t parity, loc l = loc::current());
void bulk_load(void* to, const TensorMap& map, Barrier* b, int x, int y, loc l = loc::current());
void bulk_load(void* to, const TensorMap& map, Barrier* b, int x, int y, int z, loc l = loc::current());
void fence_async();
void wgmma_fence(loc l = loc::current());
void wgmma_commit();
namespace detail {
struct Product {  // of one thread: in flight from its issue to the wait for its group
  float* d;
  const uint32_t* a_registers;  // null: in shared memory
  uint64_t a, b;
  int n;
  bool across, add;
};
void wgmma(const Product& p, const loc& l);
void wgmma_wait(int groups, const loc& l);
void set_registers(int n, bool more, const loc& l);
}  // namespace detail
template <int N>
void wgmma_wait(loc l = loc::current()) {
  detail::wgmma_wait(N, l);
}
template <int N>
void fewer_registers(loc l = loc::current()) {
  detail::set_registers(N, false, l);
}
template <int N>
void more_registers(loc l = loc::current()) {
  detail::set_registers(N, true, l);
}
template <int N>
void wgmma(float (&d)[N / 8][4], uint64_t a, uint64_t b, bool add, loc l = loc::current()) {
  detail::wgmma({d[0], nullptr, a, b, N, false, add}, l);
}
template <int N>
void wgmma_across(float (&d)[N / 8][4], const uint32_t (&a)[4], uint64_t b, bool add,
                  loc l = loc::current()) {
  detail::wgmma({d[0], a, 0, b, N, true, add}, l);
}
#endif
}  // namespace simt
