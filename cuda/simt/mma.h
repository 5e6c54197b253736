// Tensor cores: mma.sync m16n8k16 bf16, ldmatrix, cp.async; ex2.approx. Inline PTX under nvcc; on the
// CPU the same functions are warp collectives that follow the fragment layouts of the PTX ISA exactly.
#pragma once
namespace simt {
#ifdef SIMT_GPU
__device__ __forceinline__ uint32_t smem_u32(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// D(16x8,f32) += A(16x16,bf16,row) * B(16x8,bf16,col)
__device__ __forceinline__ void mma_bf16_16816(float (&d)[4], const uint32_t (&a)[4],
                                               const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// lane l supplies the address of row l%8 of matrix l/8 (16 bytes each)
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(smem_u32(row))
               : "memory");
}
__device__ __forceinline__ void ldmatrix_x4_trans(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(smem_u32(row))
               : "memory");
}
// 16 bytes global -> shared; !valid writes zeros and does not read src
__device__ __forceinline__ void cp_async16(void* dst, const void* src, bool valid = true) {
  int n = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(smem_u32(dst)), "l"(src), "r"(n)
               : "memory");
}
// 8 bytes, as above
__device__ __forceinline__ void cp_async8(void* dst, const void* src, bool valid = true) {
  int n = valid ? 8 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;\n" ::"r"(smem_u32(dst)), "l"(src), "r"(n)
               : "memory");
}
// 2^x, 2 ulp; numbers below 2^-126 become 0
__device__ __forceinline__ float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(y) : "f"(x));
  return y;
}
__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }
template <int N>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(N) : "memory");
}
#else
namespace detail {
struct MmaIn {
  const uint32_t *a, *b;
};
inline float bf_half(uint32_t u, int hi) { return std::bit_cast<float>(hi ? u & 0xffff0000u : u << 16); }
template <bool Trans>
void ldmatrix(const char* name, uint32_t (&r)[4], const void* row, const loc& l) {
  if (reinterpret_cast<uintptr_t>(row) % 16)
    fail("%s at %s:%u: row address %p not 16-byte aligned", name, l.file_name(), l.line(), row);
  uint4 mine = ldv<uint4>(
      static_cast<const uint4*>(row));  // each lane reads its own row, so the checker knows who reads
  warp_op(
      name, 64, ~0u, &mine, r,
      [](void* const* in, void* const* out, uint32_t, const void*) {
        for (int lane = 0; lane < 32; ++lane)
          for (int m = 0; m < 4; ++m) {
            auto at = [&](int rr, int cc) {
              uint32_t v = static_cast<const uint32_t*>(in[8 * m + rr])[cc >> 1];
              return cc & 1 ? v >> 16 : v & 0xffffu;
            };
            int g = lane >> 2, t = 2 * (lane & 3);
            static_cast<uint32_t*>(out[lane])[m] =
                Trans ? (at(t, g) | at(t + 1, g) << 16) : (at(g, t) | at(g, t + 1) << 16);
          }
      },
      nullptr, false, l);
}
inline void cp_run(Thread& t,
                   int upto_group) {  // performs queued copies of groups <= upto_group, as late as allowed
  int keep = 0;
  for (int i = 0; i < t.cp_n; ++i) {
    AsyncCopy& c = t.cp[i];
    if (c.group <= upto_group && c.bytes == 8) {
      stv(static_cast<uint2*>(c.dst), c.zfill ? uint2{} : ldv<uint2>(static_cast<const uint2*>(c.src)));
    } else if (c.group <= upto_group) {
      stv(static_cast<uint4*>(c.dst), c.zfill ? uint4{} : ldv<uint4>(static_cast<const uint4*>(c.src)));
    } else
      t.cp[keep++] = c;
  }
  t.cp_n = keep;
}
}  // namespace detail
inline void mma_bf16_16816(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                           loc l = loc::current()) {
  detail::MmaIn in{a, b};
  warp_op(
      "mma.m16n8k16", 0, ~0u, &in, d,
      [](void* const* ins, void* const* outs, uint32_t, const void*) {
        float A[16][16], B[8][16];  // B[n][k]
        for (int lane = 0; lane < 32; ++lane) {
          auto& x = *static_cast<detail::MmaIn*>(ins[lane]);
          int g = lane >> 2, t = 2 * (lane & 3);
          for (int h = 0; h < 2; ++h) {
            A[g][t + h] = detail::bf_half(x.a[0], h);
            A[g + 8][t + h] = detail::bf_half(x.a[1], h);
            A[g][t + 8 + h] = detail::bf_half(x.a[2], h);
            A[g + 8][t + 8 + h] = detail::bf_half(x.a[3], h);
            B[g][t + h] = detail::bf_half(x.b[0], h);
            B[g][t + 8 + h] = detail::bf_half(x.b[1], h);
          }
        }
        for (int lane = 0; lane < 32; ++lane) {
          float* o = static_cast<float*>(outs[lane]);
          int g = lane >> 2, t = 2 * (lane & 3);
          for (int e = 0; e < 4; ++e) {
            const float *ar = A[g + 8 * (e >> 1)], *br = B[t + (e & 1)];
            float s = 0;  // products of bf16 are exact in fp32
            for (int k = 0; k < 16; ++k) s += ar[k] * br[k];
            o[e] += s;
          }
        }
      },
      nullptr, false, l);
}
inline void ldmatrix_x4(uint32_t (&r)[4], const void* row, loc l = loc::current()) {
  detail::ldmatrix<false>("ldmatrix.x4", r, row, l);
}
inline void ldmatrix_x4_trans(uint32_t (&r)[4], const void* row, loc l = loc::current()) {
  detail::ldmatrix<true>("ldmatrix.x4.trans", r, row, l);
}
namespace detail {
template <class V>  // as wide as the copy
void cp_async(void* dst, const void* src, bool valid) {
  if (reinterpret_cast<uintptr_t>(dst) % sizeof(V) || (valid && reinterpret_cast<uintptr_t>(src) % sizeof(V)))
    fail("cp.async: misaligned address");
  if (cur->cp_n == 64) fail("cp.async: more than 64 copies in flight in one thread");
  // the hardware may write from now on,
  V gone;
  std::memset(&gone, 0xff, sizeof gone);
  stv(static_cast<V*>(dst), gone);  // so the old contents are destroyed now
  cur->cp[cur->cp_n++] = {dst, src, sizeof(V), !valid, cur->cp_group};  // and the new ones arrive late
}
}  // namespace detail
inline void cp_async16(void* dst, const void* src, bool valid = true) {
  detail::cp_async<uint4>(dst, src, valid);
}
inline void cp_async8(void* dst, const void* src, bool valid = true) {
  detail::cp_async<uint2>(dst, src, valid);
}
inline float exp2_approx(float x) { return x < -126 ? 0 : std::exp2(x); }
inline void cp_async_commit() { ++cur->cp_group; }
template <int N>
inline void cp_async_wait() {
  detail::cp_run(*cur, cur->cp_group - 1 - N);
}
#endif
}  // namespace simt
