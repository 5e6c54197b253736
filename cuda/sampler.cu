// GPU twin of src/generate/sampler.cc. Nothing is sorted: thresholds are found by bisection, each step a sum
// over the row, which stays in the cache. A token's key is the bits of its logit, arranged so that a likelier
// token has a larger key.
#include <cmath>

#include "cuda/softmax.h"
#include "generate/sampler.h"

namespace rum::cuda {
namespace {
using Key = uint32_t;
__device__ __forceinline__ Key key_of(float z) {  // rises with z; -0 is 0
  const uint32_t bits = __float_as_uint(z + 0.0f);
  return bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
}
__device__ __forceinline__ float of_key(Key k) {
  return __uint_as_float(k >> 31 != 0 ? k & 0x7fffffffu : ~k);
}

// Reduces the values of all threads with op; every thread gets the result. May be called repeatedly.
template <class S, class F>
__device__ S over_block(S v, const F& op) {
  SIMT_SHARED(S, part, [kRowWarps]);
  for (int o = 16; o > 0; o >>= 1) v = op(v, __shfl_xor_sync(0xffffffffu, v, o));
  __syncthreads();  // the result of the previous call has been read
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = v;
  __syncthreads();
  v = part[0];
  for (unsigned w = 1; w < blockDim.x / 32; ++w) v = op(v, part[w]);
  return v;
}
template <class T>
__device__ Softmax softmax_of(const T* z, int64_t width) {
  Softmax p = Softmax::none();
  along_row(z, 0, width, [&]<int V>(int64_t, const float(&x)[V]) { p.take(x); });
  return join_block(p);
}
__device__ double log_prob(float z, const Softmax& p) {
  const double base = static_cast<double>(Softmax::base(p.top)) / static_cast<double>(kLog2e);
  return static_cast<double>(z) - base - log(static_cast<double>(p.sum));
}

// A Choice has padding that no field covers: writing 16 bytes at once overwrites that too.
__device__ __forceinline__ void put(Choice* to, int64_t token, double log_prob) {
  struct alignas(16) Whole {
    int32_t token, gap;
    double log_prob;
  };
  static_assert(sizeof(Whole) == sizeof(Choice) && offsetof(Choice, log_prob) == 8);
  simt::stv(to, Whole{static_cast<int32_t>(token), 0, log_prob});
}

// Threads: one block per row that is read; one without a row returns.
// Reads: each logit once from memory and once more from the cache for each token.
// Writes: `count` tokens and their log-probabilities.
// Sums: exponentials as in cross-entropy.
// Limit: memory for one token, the cache for many.
// Ladder: none.
template <class T>
__global__ void best_of_rows(const T* logits, const Read* reads, int64_t width, int count, Choice* out) {
  const int64_t from = reads[blockIdx.x].row;
  if (from < 0) return;
  const T* const z = logits + from * width;
  const Softmax p = softmax_of(z, width);
  using Place = unsigned long long;  // the key, then the smaller id: no two are equal
  Place last = ~Place{0};
  for (int c = 0; c < count; ++c) {
    Place best = 0;
    along_row(z, 0, width, [&]<int V>(int64_t j, const float(&x)[V]) {
      for (int k = 0; k < V; ++k) {
        const Place at = Place{key_of(x[k])} << 32 | (0xffffffffu - static_cast<uint32_t>(j + k));
        if (at > best && at < last) best = at;
      }
    });
    last = over_block(best, [](Place a, Place b) { return a > b ? a : b; });
    if (threadIdx.x == 0)
      put(out + static_cast<int64_t>(blockIdx.x) * count + c, 0xffffffffu - static_cast<uint32_t>(last),
          log_prob(of_key(static_cast<Key>(last >> 32)), p));
  }
}

// One row and how to draw from it. The allowed tokens are the likeliest ones: all with keys above `bound`,
// and of those with exactly that key, which weigh the same, the first `ties` by id.
template <class T>
struct Row {
  const T* z;
  int64_t width;
  float top, scale, least;  // scale: 1 / temperature; tokens that weigh less than `least` are excluded

  __device__ double weight(float logit) const {
    const float w = exp_of((logit - top) * scale);
    return w < least ? 0.0 : static_cast<double>(w);
  }
  template <class F>
  __device__ double sum(int64_t begin, int64_t end, const F& f) const {  // of f(logit)
    double all = 0;
    along_row(z, begin, end, [&]<int V>(int64_t, const float(&x)[V]) {
      for (int k = 0; k < V; ++k) all += f(x[k]);
    });
    return over_block(all, [](double a, double b) { return a + b; });
  }
  template <class F>
  __device__ double above(Key k, const F& f) const {
    return sum(0, width, [&](float v) { return key_of(v) > k ? f(v) : 0.0; });
  }
  // The smallest key in floor..key(top) above which the sum of f does not reach `goal`.
  template <class F>
  __device__ Key level(Key floor, double goal, const F& f) const {
    Key low = floor, high = key_of(top);
    while (low < high) {
      const Key middle = low + (high - low) / 2;
      if (above(middle, f) < goal)
        high = middle;
      else
        low = middle + 1;
    }
    return low;
  }
  // The first id at which the running sum of f exceeds `goal`; the last one when it never does.
  template <class F>
  __device__ int64_t first_id(double goal, const F& f) const {
    int64_t low = 0, high = width - 1;
    double before = 0;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      const double half = sum(low, middle + 1, f);
      if (before + half > goal)
        high = middle;
      else {
        before += half;
        low = middle + 1;
      }
    }
    return low;
  }
};

// Threads: one block per draw; one without a row returns.
// Reads: each logit once from memory, then from the cache: all of them once for each step of a bisection (up
// to 32 steps for each of top-k, top-p and the draw), or without these half of what is left.
// Writes: the token and its log-probability.
// Sums: in f64, each thread its packs in order, then butterflies, then the warps in order.
// Limit: the cache.
// Ladder: none.
template <class T>
__global__ void draw_from_rows(const T* logits, const Read* reads, int64_t width, Sampling s, Choice* out) {
  const int64_t from = reads[blockIdx.x].row;
  if (from < 0) return;
  const T* const z = logits + from * width;
  const double uniform = reads[blockIdx.x].uniform;
  const Softmax p = softmax_of(z, width);
  Row<T> row{z, width, p.top, 1 / s.temperature, 0};
  const auto one = [](float) { return 1.0; };
  const auto weight = [&](float v) { return row.weight(v); };
  int64_t token = 0;
  if (!(p.sum < 3.402823466e38f)) {  // NaN: the host reports it
  } else if ((s.top_k <= 0 || s.top_k >= width) && s.top_p >= 1 && s.min_p <= 0) {
    const double all = row.sum(0, width, weight);
    token = row.first_id(uniform * all, weight);
  } else {
    Key bound = key_of(-INFINITY);
    double ties = static_cast<double>(width), all = 0;
    if (s.top_k > 0 && s.top_k < width) {
      const auto count = static_cast<double>(s.top_k);
      bound = row.level(bound, count, one);
      ties = count - row.above(bound, one);
      all = row.above(bound, weight) + ties * row.weight(of_key(bound));
    } else {
      all = row.sum(0, width, weight);
    }
    const double enough = static_cast<double>(s.top_p) * all;
    row.least = s.min_p;
    if (s.top_p < 1) {  // the fewest tokens that hold `enough`
      const Key least = row.level(bound, enough, weight);
      const double each = row.weight(of_key(least)), over = row.above(least, weight);
      const double fit = each > 0 ? fmax(ceil((enough - over) / each), 1.0) : static_cast<double>(width);
      ties = least > bound ? fit : fmin(ties, fit);
      bound = least;
    }
    const auto same = [&](Key k) {
      return row.sum(0, width, [&](float v) { return key_of(v) == k ? 1.0 : 0.0; });
    };
    ties = fmin(ties, same(bound));
    const double kept = row.above(bound, weight) + ties * row.weight(of_key(bound));
    // The draw: the smallest key above which the sum does not pass the drawn level; among equals, by id.
    Key low = bound, high = key_of(p.top);
    while (low < high) {
      const Key middle = low + (high - low) / 2;
      if (row.above(middle, weight) <= uniform * kept)
        high = middle;
      else
        low = middle + 1;
    }
    const double each = row.weight(of_key(low)), rest = uniform * kept - row.above(low, weight);
    const double most = (low == bound ? ties : same(low)) - 1;
    const double place = each > 0 ? fmin(fmax(::floor(rest / each), 0.0), most) : 0.0;
    token = row.first_id(place, [&](float v) { return key_of(v) == low ? 1.0 : 0.0; });
  }
  if (threadIdx.x == 0) put(out + blockIdx.x, token, log_prob(to_float(z[token]), p));
}

void choose(const Tensor& logits, const Tensor& reads, const Sampling* sampling, Tensor& choices) {
  if (sampling) check(*sampling);
  const int64_t n = reads.shape()[0], width = logits.shape()[1];
  by_device_type(logits.dtype(), [&]<class T> {
    const dim3 grid(static_cast<unsigned>(n)), block(row_threads(width, sizeof(T)));
    if (sampling)
      simt::launch(draw_from_rows<T>, grid, block, 0, logits.data<T>(), reads.data<Read>(), width, *sampling,
                   choices.data<Choice>());
    else
      simt::launch(best_of_rows<T>, grid, block, 0, logits.data<T>(), reads.data<Read>(), width,
                   static_cast<int>(choices.shape()[0] / n), choices.data<Choice>());
  });
}
const bool provided = kernels::choose.provide(DeviceKind::cuda, choose);
}  // namespace
}  // namespace rum::cuda
