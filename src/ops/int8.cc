// Products in int8. A row of activations x and a row of weights w are rounded to 8 bits with a scale each:
//
//   x_j ~ s_x p_j, s_x = max |x| / 127     w_j ~ s_w q_j     sum_j x_j w_j ~ s_x s_w sum_j p_j q_j
//
// The last sum is one of integers, so neither its order nor how many numbers an instruction takes at once can
// change it. What is rounded (the p_j, and the result's scaling) is done by the same code for all
// instruction sets; the Makefile has this file compiled without fused multiply-adds, which would make it
// depend on the processor.
//
// vpdpbusd of AVX-512 adds four products of an unsigned and a signed byte to each 32-bit sum, without
// saturation. So activations are kept as x' = p + 128, in 1 .. 255, and since
//
//   sum_j p_j q_j = sum_j x'_j q_j - 128 sum_j q_j
//
// the sums start at -128 sum_j q_j, which is known when the weights are packed: the shift costs nothing. A
// sum in between may wrap around 2^32; the last one is within 127^2 k, below 2^31 up to the k checked below.
//
// AVX2's vpmaddubsw saturates at 16 bits. It gets |p| as its unsigned factor and as its signed one q where p
// is not negative, else the complement ~q = -q - 1: so each negative p makes the sum too small by |p|, with
// which the sums start. No sum of two such products is beyond 2 * 127 * 128 = 32512 < 2^15.
//
// NEON multiplies signed bytes, p = x' - 128 with its highest bit flipped: sdot as vpdpbusd does, older
// processors to 16 bits, of which the sum of two is within 2 * 127^2 = 32258.
#include "ops/int8.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "base/error.h"
#include "base/round_up.h"
#include "base/threads.h"
#include "ops/micro.h"
#include "tensor/arena.h"

namespace rum {
namespace {
constexpr int64_t kPanel = 64, kGroup = 4;  // outputs, and inputs whose bytes stand side by side
constexpr int64_t kGroupBytes = kPanel * kGroup;
#if defined(__AVX2__) && !defined(__AVX512VNNI__)
constexpr int64_t kRows = 5;  // of activations, at once in registers: 10 sums and 6 others, all 16
#else
constexpr int64_t kRows = 6;
#endif
constexpr int64_t kMostInputs = 1 << 17;  // 127^2 times this is below 2^31
constexpr int64_t kStartBytes = 64;       // behind a row's signs, where its sums start
constexpr float kLeast = 1e-30f;          // rows of nothing larger count as 0
using Ints = simd::Vec<int32_t>;
constexpr int64_t kLanes = simd::kLanes<float>;

int64_t panels_of(int64_t outputs) { return (outputs + kPanel - 1) / kPanel; }
int64_t groups_of(int64_t inputs) { return (inputs + kGroup - 1) / kGroup; }

// A row of p as a path wants it, filled up with zeros to `step`: x', or |p|, the signs behind them and then the
// sum of the negative |p|. Returns s_x. A number that is not finite makes s_x not finite, and so everything
// that comes of the row.
template <bool apart>
float round_row(const float* x, int64_t k, int64_t step, uint8_t* to) {
  typedef uint8_t Bytes __attribute__((vector_size(kLanes)));
  Ints tops{};  // the bits of |x|: as integers they are in order, and those of NaN are the largest
  simd::each<float>(0, k, [&](int64_t j, auto n) {
    const Ints bits = reinterpret_cast<Ints>(simd::get(x + j, n)) & 0x7FFFFFFF;
    tops = bits > tops ? bits : tops;
  });
  int32_t most = 0;
  for (int i = 0; i < kLanes; ++i) most = std::max(most, tops[i]);
  const float top = std::bit_cast<float>(most);
  if (top < kLeast) {
    std::fill_n(to, apart ? 2 * step + kStartBytes : step, apart ? uint8_t{0} : uint8_t{128});
    return 0;
  }
  const float inverse = 127 / top;
  const simd::Vec<float> shift = simd::all(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  simd::each<float>(0, k, [&](int64_t j, auto n) {
    const simd::Vec<float> rounded = simd::get(x + j, n) * inverse + shift;
    const Bytes bytes = __builtin_convertvector(reinterpret_cast<Ints>(rounded) + 128, Bytes);
    std::memcpy(to + j, &bytes, static_cast<size_t>(n));
  });
  std::fill(to + k, to + step, uint8_t{128});
  if constexpr (apart) {
    int32_t negative = 0;
    for (int64_t j = 0; j < step; ++j) {  // to whole cache lines: the compiler takes vectors
      const auto p = static_cast<int8_t>(to[j] ^ 128);
      const auto sign = static_cast<uint8_t>(p < 0 ? 255 : 0);
      const auto size = static_cast<uint8_t>((static_cast<uint8_t>(p) ^ sign) - sign);
      to[j] = size;
      to[step + j] = sign;
      negative += size & sign;
    }
    std::memcpy(to + 2 * step, &negative, sizeof negative);
  }
  return top / 127;
}

[[maybe_unused]] int32_t four(const void* bytes) {
  int32_t v;
  std::memcpy(&v, bytes, sizeof v);
  return v;
}

// The paths. Each adds up a panel: group after group of 4 inputs, for each of which it holds 4 numbers of
// each of 64 outputs.
#ifdef __AVX512VNNI__
// sums += p q, four bytes each. GCC 12 copies the sums around the intrinsic, which halves the speed.
inline void add_products(__m512i& sums, __m512i p, __m512i q) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(p), "v"(q));
}
template <int R>
void vnni_rows(const uint8_t* x, int64_t step, int64_t groups, const int8_t* panel, const int32_t* starts,
               int32_t* sums, const int8_t* ahead) {
  __m512i s[R][4];
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) s[r][v] = _mm512_loadu_si512(starts + 16 * v);
  for (int64_t g = 0; g < groups; ++g, x += kGroup, panel += kGroupBytes, ahead += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
    __m512i w[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) w[v] = _mm512_loadu_si512(panel + 64 * v);
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      const __m512i four_inputs = _mm512_set1_epi32(four(x + r * step));
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) add_products(s[r][v], four_inputs, w[v]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) _mm512_storeu_si512(sums + r * kPanel + 16 * v, s[r][v]);
}
void vnni(const uint8_t* x, int64_t step, int64_t rows, int64_t groups, const int8_t* panel,
          const int32_t* starts, int32_t* sums, const int8_t* ahead) {
  last_rows<kRows>(0, rows,
                   [&]<int R>(int64_t) { vnni_rows<R>(x, step, groups, panel, starts, sums, ahead); });
}
#endif

#ifdef __AVX2__
// sums += |p| (q xor signs), four bytes each. Zen 3 takes 1.2 times as long in the order that GCC 12 makes of
// intrinsics.
inline void add_products(__m256i& sums, __m256i sizes, __m256i signs, __m256i q, __m256i ones) {
  __m256i part;
  asm("vpxor %3, %4, %1\n\tvpmaddubsw %1, %2, %1\n\tvpmaddwd %1, %5, %1\n\tvpaddd %1, %0, %0"
      : "+x"(sums), "=&x"(part)
      : "x"(sizes), "x"(signs), "x"(q), "x"(ones));
}
// R rows and vectors of V * 8 outputs at once. Not inlined: GCC 12 would keep sums in memory.
template <int R, int V>
[[gnu::noinline]] void avx2_rows(const uint8_t* x, int64_t step, int64_t groups, const int8_t* panel,
                                 int32_t* sums) {
  const uint8_t* const signs = x + (step - kStartBytes) / 2;
  const __m256i ones = _mm256_set1_epi16(1);
  // One row waits for the panel, which comes faster from memory at several places at once.
  constexpr int64_t kStreams = R == 1 ? 4 : 1;
  const int64_t part = groups / kStreams;
  for (int64_t at = 0; at < kPanel; at += 8 * V) {
    __m256i s[R][V];
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) s[r][v] = _mm256_set1_epi32(four(x + (r + 1) * step - kStartBytes));
    auto add = [&](int64_t g) __attribute__((always_inline)) {
      const int8_t* from = panel + g * kGroupBytes + at * kGroup;
      __m256i w[V];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) w[v] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 32 * v));
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) {
        const __m256i sign = _mm256_set1_epi32(four(signs + r * step + g * kGroup));
        const __m256i size = _mm256_set1_epi32(four(x + r * step + g * kGroup));
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) add_products(s[r][v], size, sign, w[v], ones);
      }
    };
    for (int64_t g = 0; g < part; ++g)
#pragma GCC unroll 4
      for (int64_t i = 0; i < kStreams; ++i) add(i * part + g);
    for (int64_t g = kStreams * part; g < groups; ++g) add(g);
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + r * kPanel + at + 8 * v), s[r][v]);
  }
}
void avx2(const uint8_t* x, int64_t step, int64_t rows, int64_t groups, const int8_t* panel, const int32_t*,
          int32_t* sums, const int8_t*) {
  last_rows<kRows>(0, rows, [&]<int R>(int64_t) {
    constexpr int kFew = R == 2 ? 4 : 2, kAtOnce = R == 1 ? 8 : kFew;
    avx2_rows<R, kAtOnce>(x, step, groups, panel, sums);
  });
}
#endif

#ifdef __aarch64__
inline int32x4_t add_products(int32x4_t sums, int8x16_t p, int8x16_t q) {
#ifdef __ARM_FEATURE_DOTPROD
  return vdotq_s32(sums, p, q);
#else
  return vpadalq_s16(sums, vpaddq_s16(vmull_s8(vget_low_s8(p), vget_low_s8(q)), vmull_high_s8(p, q)));
#endif
}
template <int R>
void neon_rows(const uint8_t* x, int64_t step, int64_t groups, const int8_t* panel, int32_t* sums) {
  for (int64_t at = 0; at < kPanel; at += 16) {
    int32x4_t s[R][4];
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) s[r][v] = vdupq_n_s32(0);
    for (int64_t g = 0; g < groups; ++g) {
      int8x16_t w[4];
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) w[v] = vld1q_s8(panel + g * kGroupBytes + at * kGroup + 16 * v);
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) {
        const int32x4_t inputs = vdupq_n_s32(four(x + r * step + g * kGroup));
        const int8x16_t p = veorq_s8(vreinterpretq_s8_s32(inputs), vdupq_n_s8(-128));
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) s[r][v] = add_products(s[r][v], p, w[v]);
      }
    }
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) vst1q_s32(sums + r * kPanel + at + 4 * v, s[r][v]);
  }
}
void neon(const uint8_t* x, int64_t step, int64_t rows, int64_t groups, const int8_t* panel, const int32_t*,
          int32_t* sums, const int8_t*) {
  last_rows<kRows>(0, rows, [&]<int R>(int64_t) { neon_rows<R>(x, step, groups, panel, sums); });
}
#endif

// In 32-bit lanes, four bytes of an output each. They are taken apart by shifts, which keep the sign.
template <int R>
void plain_rows(const uint8_t* x, int64_t step, int64_t groups, const int8_t* panel, int32_t* sums) {
  for (int64_t at = 0; at < kPanel; at += kLanes) {
    Ints s[R];
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) s[r] = Ints{};
    for (int64_t g = 0; g < groups; ++g) {
      Ints w;
      std::memcpy(&w, panel + g * kGroupBytes + at * kGroup, sizeof w);
      const Ints first = w << 24 >> 24, second = w << 16 >> 24, third = w << 8 >> 24, fourth = w >> 24;
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) {
        const uint8_t* p = x + r * step + g * kGroup;
        s[r] += first * (p[0] - 128) + second * (p[1] - 128) + third * (p[2] - 128) + fourth * (p[3] - 128);
      }
    }
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) std::memcpy(sums + r * kPanel + at, &s[r], sizeof s[r]);
  }
}
void plain(const uint8_t* x, int64_t step, int64_t rows, int64_t groups, const int8_t* panel, const int32_t*,
           int32_t* sums, const int8_t*) {
  static_assert(std::endian::native == std::endian::little);
  last_rows<kRows>(0, rows, [&]<int R>(int64_t) { plain_rows<R>(x, step, groups, panel, sums); });
}

constexpr Int8Path kPaths[] = {
#ifdef __AVX512VNNI__
    {"AVX512-VNNI", false, vnni},
#endif
#ifdef __AVX2__
    {"AVX2", true, avx2},
#endif
#ifdef __aarch64__
    {"NEON", false, neon},
#endif
    {"plain vectors", false, plain}};

// c = s_x s_w sums [+ bias], for `rows` rows and a panel's outputs up to n.
void scale_out(const int32_t* sums, int64_t rows, const float* x_scales, const float* w_scales,
               const float* bias, float* c, int64_t step, int64_t n) {
  for (int64_t r = 0; r < rows; ++r)
    simd::each<float>(0, n, [&](int64_t o, auto lanes) {
      Ints sum;
      std::memcpy(&sum, sums + r * kPanel + o, sizeof sum);
      simd::Vec<float> y = __builtin_convertvector(sum, simd::Vec<float>);
      y *= x_scales[r] * simd::read(w_scales + o);
      if (bias) y += simd::get(bias + o, lanes);
      simd::put(c + r * step + o, y, lanes);
    });
}

struct Used {
  uint64_t version;
  Int8Weights weights;
};
std::map<const void*, Used> used;  // by the address of the f32 weights
}  // namespace

std::span<const Int8Path> int8_paths() { return kPaths; }

Int8Matrix quantize(const Tensor& weight) {
  const int64_t n = weight.shape().rows(), k = weight.shape()[-1];
  Int8Matrix out{Tensor::empty({n, k}, DType::i8, DeviceKind::cpu),
                 Tensor::empty({n}, DType::f32, DeviceKind::cpu)};
  for (int64_t o = 0; o < n; ++o) {
    const float* w = weight.data<float>() + o * k;
    float top = 0;
    for (int64_t j = 0; j < k; ++j) {
      RUM_CHECK(std::isfinite(w[j]), "a weight is {}: it has no form in int8", w[j]);
      top = std::max(top, std::abs(w[j]));
    }
    // Up to the next number whose last 7 of 24 bits are 0.
    const uint32_t up = (std::bit_cast<uint32_t>(top / 127) + 0x7Fu) & ~0x7Fu;
    const float scale = top < kLeast ? 0 : std::bit_cast<float>(up);
    out.scale.data<float>()[o] = scale;
    for (int64_t j = 0; j < k; ++j)
      out.q.data<int8_t>()[o * k + j] = static_cast<int8_t>(scale == 0 ? 0 : std::nearbyint(w[j] / scale));
  }
  return out;
}
void dequantize(const Int8Matrix& m, Tensor& weight) {
  const int64_t n = weight.shape().rows(), k = weight.shape()[-1];
  for (int64_t o = 0; o < n; ++o)
    for (int64_t j = 0; j < k; ++j)
      weight.data<float>()[o * k + j] = m.q.data<int8_t>()[o * k + j] * m.scale.data<float>()[o];
}

Int8Weights int8_zeros(const Shape& shape) {
  const int64_t n = shape[0], k = shape[1], panels = panels_of(n);
  RUM_CHECK(k <= kMostInputs, "a layer of {} inputs: int8 sums hold {}", k, kMostInputs);
  const auto zeros = [](int64_t size, DType t) {
    Tensor out = Tensor::empty({size}, t, DeviceKind::cpu);
    out.zero();
    return out;
  };
  return {n, k, zeros(panels * groups_of(k) * kGroupBytes, DType::i8), zeros(panels * kPanel, DType::i32),
          zeros(panels * kPanel, DType::f32)};
}
// Input j of output o is at [j / kGroup * kGroupBytes + j % kGroup] from here.
static int64_t first_of(const Int8Weights& w, int64_t o) {
  return o / kPanel * groups_of(w.inputs) * kGroupBytes + o % kPanel * kGroup;
}
void pack_rows(const Int8Matrix& rows, int64_t begin, Int8Weights& out) {
  const int64_t n = rows.q.shape()[0], k = out.inputs;
  RUM_CHECK(rows.q.shape()[1] == k && begin + n <= out.outputs, "rows {}..{} of {} inputs for ({}, {})",
            begin, begin + n, rows.q.shape()[1], out.outputs, k);
  for (int64_t i = 0; i < n; ++i) {
    const int8_t* q = rows.q.data<int8_t>() + i * k;
    int8_t* to = out.panels.data<int8_t>() + first_of(out, begin + i);
    int32_t sum = 0;
    for (int64_t j = 0; j < k; ++j) {
      to[j / kGroup * kGroupBytes + j % kGroup] = q[j];
      sum += q[j];
    }
    out.starts.data<int32_t>()[begin + i] = -128 * sum;
    out.scales.data<float>()[begin + i] = rows.scale.data<float>()[i];
  }
}
Int8Weights pack(const Int8Matrix& m) {
  Int8Weights out = int8_zeros(m.q.shape());
  pack_rows(m, 0, out);
  return out;
}
void int8_row(const Int8Weights& w, int64_t o, float* to) {
  const int8_t* from = w.panels.data<int8_t>() + first_of(w, o);
  for (int64_t j = 0; j < w.inputs; ++j)
    to[j] = from[j / kGroup * kGroupBytes + j % kGroup] * w.scales.data<float>()[o];
}

void int8_product(const Tensor& a, const Int8Weights& w, Tensor& c, const Tensor& bias,
                  const Int8Path& path) {
  const int64_t m = a.shape().rows(), n = w.outputs, k = w.inputs, groups = groups_of(k);
  RUM_CHECK(a.shape()[-1] == k && c.size() == m * n && (!bias || bias.size() == n) &&
                a.dtype() == DType::f32 && c.dtype() == DType::f32 && (!bias || bias.dtype() == DType::f32),
            "int8: {} {} times ({}, {})' into {} {}", str(a.shape()), name_of(a.dtype()), n, k,
            str(c.shape()), name_of(c.dtype()));
  const int64_t padded = round_up(k, 64), step = path.apart ? 2 * padded + kStartBytes : padded;
  const Tensor rounded = Tensor::empty({m * step}, DType::i8, DeviceKind::cpu);
  const Tensor scales = Tensor::empty({m}, DType::f32, DeviceKind::cpu);
  auto* const x = rounded.data<uint8_t>();
  auto* const s = scales.data<float>();
  constexpr int64_t few = 16;
  parallel((m + few - 1) / few, [&](int64_t p) {
    for (int64_t i = p * few; i < std::min(m, (p + 1) * few); ++i)
      s[i] =
          (path.apart ? round_row<true> : round_row<false>)(a.data<float>() + i * k, k, padded, x + i * step);
  });
  // A piece: a strip of rows and some panels, about 64 KiB of weights. The shape alone decides.
  constexpr int64_t strip = 16 * kRows;
  const int64_t panel_bytes = groups * kGroupBytes, some = std::max<int64_t>(1, 65536 / panel_bytes);
  const int64_t down = (m + strip - 1) / strip, panels = panels_of(n);
  parallel(down * ((panels + some - 1) / some), [&](int64_t p) {
    alignas(64) int32_t sums[kRows * kPanel];
    const int64_t end = std::min(m, (p % down + 1) * strip), last = std::min(panels, (p / down + 1) * some);
    for (int64_t panel = p / down * some; panel < last; ++panel)
      for (int64_t i = p % down * strip; i < end; i += kRows) {
        const int64_t rows = std::min(kRows, end - i), o = panel * kPanel;
        const int8_t* const q = w.panels.data<int8_t>() + panel * panel_bytes;
        // The first four groups of rows fetch a quarter of the next panel each.
        const int8_t* const ahead = q + panel_bytes + (i / kRows % 16 % 4) * panel_bytes / 4;
        path.panel(x + i * step, step, rows, groups, q, w.starts.data<int32_t>() + o, sums, ahead);
        scale_out(sums, rows, s + i, w.scales.data<float>() + o, bias ? bias.data<float>() + o : nullptr,
                  c.data<float>() + i * n + o, n, std::min(kPanel, n - o));
      }
  });
}

void use_int8(const Tensor& weight, Int8Weights w) {
  used.insert_or_assign(weight.data<void>(), Used{weight.version(), std::move(w)});
}
const Int8Weights* int8_weights(const Tensor& weight) {
  const auto at = used.find(weight.data<void>());
  if (at == used.end()) return nullptr;
  RUM_CHECK(at->second.version == weight.version(),
            "a weight in int8 has changed: it is for inference alone");
  return &at->second.weights;
}
void int8_forget(const Tensor& block) {
  const char* begin = block.data<char>();
  std::erase_if(used, [&](const auto& u) {
    const auto* at = static_cast<const char*>(u.first);
    return at >= begin && at < begin + block.bytes();
  });
}
}  // namespace rum
