// 16 bytes of a row, as they were read. Kernels that hold much of a row hold it so: a number of 16 bits in a
// Pack may take a whole register.
#pragma once
#include "cuda/kernel.h"

namespace rum::cuda {
using Bits = uint4;
template <class T>
struct Floats {
  float at[kPack<T>];
};
// One of the two bf16 numbers of a word: k = 0 or 1.
__device__ __forceinline__ float number_of(uint32_t word, int k) {
  return __uint_as_float(k == 0 ? word << 16 : word & 0xffff0000u);
}
template <class T>
__device__ __forceinline__ Floats<T> unpack(const Bits& b) {
  const uint32_t word[4] = {b.x, b.y, b.z, b.w};
  Floats<T> f;
  SIMT_UNROLL
  for (int k = 0; k < kPack<T>; ++k)
    if constexpr (sizeof(T) == 4)
      f.at[k] = __uint_as_float(word[k]);
    else
      f.at[k] = number_of(word[k / 2], k % 2);
  return f;
}
template <class T>
__device__ __forceinline__ Bits pack(const Floats<T>& f) {
  uint32_t word[4];
  SIMT_UNROLL
  for (int w = 0; w < 4; ++w)
    if constexpr (sizeof(T) == 4)
      word[w] = __float_as_uint(f.at[w]);
    else
      word[w] = simt::pack_bf(f.at[2 * w], f.at[2 * w + 1]);
  return {word[0], word[1], word[2], word[3]};
}
// What is unpacked before this call is unpacked anew after it: the compiler would rather keep the floats, in twice
// as many registers.
__device__ __forceinline__ void forget_floats(Bits& b) {
#ifdef SIMT_GPU
  asm volatile("" : "+r"(b.x), "+r"(b.y), "+r"(b.z), "+r"(b.w));
#else
  static_cast<void>(b);
#endif
}
}  // namespace rum::cuda
