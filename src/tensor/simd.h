// Vectors of numbers through the compiler's vector extensions: as wide as the target's registers, one source
// for AVX-512, AVX2, SSE and NEON, and for f32, bf16 and f64. Sums run lane by lane and then as a fixed tree,
// so their bits depend on the length alone. float has its own exp and tanh; double calls the standard
// library.
//
// Seven names are enough to read most kernels: Vec<S>, a register of numbers; each(), the loop over a row;
// get() and put(), a vector's worth of it, or what is left at its end; all(x), x in each lane; sum(), all
// lanes added up; first_lanes(), the rest set to 0.
#pragma once
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/threads.h"
#include "tensor/dtype.h"

namespace rum::simd {
// One register: 64 bytes with AVX-512, 32 with AVX, 16 with SSE2 or NEON.
constexpr int kBytes = __BIGGEST_ALIGNMENT__;
// How many numbers that is. The last bits of a sum may differ between programs built for registers of
// another width (16 floats with AVX-512, 8 with AVX, 4 otherwise), and between processors with and without
// the fused multiply-add.
template <class S>
constexpr int kLanes = kBytes / static_cast<int>(sizeof(S));

template <class S>
struct VectorOf {};  // bf16 has none
template <class S>
requires std::is_arithmetic_v<S>
struct VectorOf<S> {
  typedef S type __attribute__((vector_size(kBytes)));
};
template <class S>
using Vec = typename VectorOf<S>::type;  // S is float or double: what kernels compute in (Stats<T>)

template <std::floating_point S>
Vec<S> all(S x) {       // x in every lane
  return x - Vec<S>{};  // x - 0 is always x; x + 0 is not x when x is -0
}
template <std::floating_point S>
Vec<S> read(const S* from) {  // kLanes numbers, from any address
  Vec<S> v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
template <std::floating_point S>
void write(S* to, Vec<S> v) {
  std::memcpy(to, &v, sizeof v);
}
inline Vec<float> read(const bf16* from) {  // widened
  typedef uint16_t Half __attribute__((vector_size(kBytes / 2)));
  typedef uint32_t Full __attribute__((vector_size(kBytes)));
  Half h;
  std::memcpy(&h, from, sizeof h);
  return reinterpret_cast<Vec<float>>(__builtin_convertvector(h, Full) << 16);
}
inline void write(bf16* to, Vec<float> v) {  // rounded to nearest even
  for (int i = 0; i < kLanes<float>; ++i) to[i] = bf16(v[i]);
}
// The first n numbers, 0 < n < kLanes; the other lanes are 0.
template <class T>
Vec<Stats<T>> read(const T* from, int64_t n) {
  if (n < 0 || n > kLanes<Stats<T>>) __builtin_unreachable();  // else GCC warns of impossible sizes
  T part[kLanes<Stats<T>>] = {};
  std::memcpy(static_cast<void*>(part), from, static_cast<size_t>(n) * sizeof(T));
  return read(part);
}
template <class T>
void write(T* to, Vec<Stats<T>> v, int64_t n) {
  if (n < 0 || n > kLanes<Stats<T>>) __builtin_unreachable();  // else GCC warns of impossible sizes
  T part[kLanes<Stats<T>>];
  write(part, v);
  std::memcpy(static_cast<void*>(to), part, static_cast<size_t>(n) * sizeof(T));
}

// f(i, n) for i = begin, begin + kLanes, ...: n of the lanes are in use. In the long loop n is a constant, so
// get() and put() compile to plain loads and stores there.
template <class S, class F>
void each(int64_t begin, int64_t end, F&& f) {
  int64_t i = begin;
  for (; i + kLanes<S> <= end; i += kLanes<S>) f(i, std::integral_constant<int64_t, kLanes<S>>());
  if (i < end) f(i, end - i);
}
// n numbers as each() counts them: a whole vector, or its first n lanes.
template <class T, class N>
Vec<Stats<T>> get(const T* from, N n) {
  if constexpr (std::is_same_v<N, int64_t>)
    return read(from, n);
  else
    return read(from);
}
template <class T, class N>
void put(T* to, Vec<Stats<T>> v, N n) {
  if constexpr (std::is_same_v<N, int64_t>)
    write(to, v, n);
  else
    write(to, v);
}
// As vectors of S, where T is S, bf16, or (rarely, never in a hot loop) of the other width.
template <class S, class T, class N>
Vec<S> get_as(const T* from, N n) {
  if constexpr (std::is_same_v<Stats<T>, S>) {
    return get(from, n);
  } else {
    Vec<S> v{};
    for (int64_t i = 0; i < n; ++i) v[i] = static_cast<S>(from[i]);
    return v;
  }
}

// each() over 0 .. n, cut into pieces for the thread pool.
template <class S, class F>
void each_in_parallel(int64_t n, F&& f) {
  constexpr int64_t piece = 16384;
  parallel((n + piece - 1) / piece,
           [&](int64_t p) { each<S>(p * piece, n < (p + 1) * piece ? n : (p + 1) * piece, f); });
}

// The first n lanes; the others become 0, whatever stood there.
template <class V>
V first_lanes(V v, int64_t n) {
  for (int64_t i = n; i < static_cast<int64_t>(sizeof(V) / sizeof(v[0])); ++i) v[i] = 0;
  return v;
}

// A square of kLanes x kLanes numbers, transposed: in step w = 1, 2, 4, ... the blocks of size w off the
// diagonal change places.
template <class S, int w, int... lane>
void exchange(Vec<S>& low, Vec<S>& high, std::integer_sequence<int, lane...>) {
  const Vec<S> a = low, b = high;
  low = __builtin_shufflevector(a, b, (lane & w ? kLanes<S> + lane - w : lane)...);
  high = __builtin_shufflevector(a, b, (lane & w ? kLanes<S> + lane : lane + w)...);
}
template <class S, int w = 1>
void transpose(Vec<S> (&row)[kLanes<S>]) {
  if constexpr (w < kLanes<S>) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes<S>; ++i)
      if (!(i & w)) exchange<S, w>(row[i], row[i + w], std::make_integer_sequence<int, kLanes<S>>());
    transpose<S, 2 * w>(row);
  }
}

template <class S, class F>
S fold(Vec<S> v, F&& f) {  // a tree: halves, quarters, ...
  S lane[kLanes<S>];
  write(lane, v);
  for (int w = kLanes<S> / 2; w > 0; w /= 2)
    for (int i = 0; i < w; ++i) lane[i] = f(lane[i], lane[i + w]);
  return lane[0];
}
inline float sum(Vec<float> v) {  // of all lanes, as max below
  return fold<float>(v, [](float a, float b) { return a + b; });
}
inline double sum(Vec<double> v) {
  return fold<double>(v, [](double a, double b) { return a + b; });
}
inline float max(Vec<float> v) {
  return fold<float>(v, [](float a, float b) { return a > b ? a : b; });
}
inline double max(Vec<double> v) {
  return fold<double>(v, [](double a, double b) { return a > b ? a : b; });
}
// Lane by lane; a NaN in b stays NaN, never hidden by a limit.
template <class V>
V max(V a, V b) {
  return a > b ? a : b;
}
template <class V>
V min(V a, V b) {
  return a < b ? a : b;
}

template <class S>
Vec<S> sqrt_lanes(Vec<S> x) {  // GCC has no square root for vectors
  S lane[kLanes<S>];
  write(lane, x);
  for (S& v : lane) v = std::sqrt(v);
  return read(lane);
}
inline Vec<float> sqrt(Vec<float> x) { return sqrt_lanes<float>(x); }
inline Vec<double> sqrt(Vec<double> x) { return sqrt_lanes<double>(x); }

// exp(x) = 2^n (1 + p), n = round(x / ln 2), p = exp(r) - 1 of the rest r in [-0.35, 0.35] by its series.
struct Power {
  Vec<float> p;
  Vec<int32_t> n;
};
inline Power split_exp(Vec<float> x) {
  const Vec<float> shift = all(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Vec<float> k = x * 1.44269504f + shift, n = k - shift;
  const Vec<float> r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts, the first exact
  Vec<float> p = all(1.0f / 5040);
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * (r * r) + r;
  return {p, reinterpret_cast<Vec<int32_t>>(k) - 0x4B400000};
}
inline Vec<float> two_to(Vec<int32_t> n) {  // for -127 <= n <= 128: these two give 0 and infinity
  return reinterpret_cast<Vec<float>>((n + 127) << 23);
}
// Error at most 2 units in the last place (tests/simd_test.cc); 0 below -87.68, infinity above 88.37.
inline Vec<float> exp(Vec<float> x) {
  const Power e = split_exp(min(all(89.0f), max(all(-88.0f), x)));
  return (e.p + 1.0f) * two_to(e.n);
}
// tanh(x) = q / (q + 2), q = exp(2x) - 1, without cancellation near 0. Error at most 4 units
// in the last place.
inline Vec<float> tanh(Vec<float> x) {
  const Power e = split_exp(2.0f * min(all(10.0f), max(all(-10.0f), x)));
  const Vec<float> scale = two_to(e.n), q = scale * e.p + (scale - 1.0f);
  return q / (q + 2.0f);
}
inline Vec<double> exp(Vec<double> x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = std::exp(x[i]);
  return x;
}
inline Vec<double> tanh(Vec<double> x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = std::tanh(x[i]);
  return x;
}
}  // namespace rum::simd
