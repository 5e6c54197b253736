// GPU twin of src/ops/attention.cc: rotation, the cache, and the calls of self-attention to the kernels in
// attend_few.cu, attend_forward.cu and attend_backward.cu.
#include "cuda/attend.h"
#include "ops/attention.h"

namespace rum::cuda {
namespace {
constexpr int kTurnRows = 64;  // rows of a block

// cos and sin of position * base^(-2 j / d), scaled as `rope` says. The angle is a fraction of a whole turn
// in 64 bits: the product, modulo 2^64, stays exact at any position.
// Threads: 32 planes x 4 rows a block, every 4th row.
// Reads: positions. Writes: (row, d) cosines, then sines, once.
// Sums: none.
// Limit: memory.
// Ladder: none.
__global__ void turns(const int32_t* positions, float* to, int rows, int d, double log2_base, Rope rope) {
  const int half = d / 2, j = static_cast<int>(blockIdx.y * 32 + threadIdx.x);
  if (j >= half) return;
  const double part = rope.scaled(exp2(-2.0 * j / d * log2_base)) / 6.283185307179586476925;
  const auto step = static_cast<uint64_t>((part - floor(part)) * 18446744073709551616.0);
  const int first = static_cast<int>(blockIdx.x) * kTurnRows, end = min(first + kTurnRows, rows);
  for (int i = first + static_cast<int>(threadIdx.y); i < end; i += 4) {
    const auto at =
        static_cast<int64_t>(step * static_cast<uint64_t>(positions[i]));  // -1/2 .. 1/2 of a turn
    const float x = static_cast<float>(at) * 1.0842021724855044e-19f;      // in half turns: 2^-63
    float* const row = to + static_cast<int64_t>(i) * d + j;
    sincospif(x, row + half, row);
  }
}
Tensor turns_of(const Layout& l, int64_t d, Rope rope) {
  if (!rope.on()) return {};
  const int64_t rows = l.positions.size();
  const Tensor out = Tensor::empty({rows, d}, DType::f32, DeviceKind::cuda);
  simt::launch(turns, dim3(blocks(rows, kTurnRows), blocks(d / 2, 32)), dim3(32, 4), 0,
               l.positions.data<int32_t>(), out.data<float>(), static_cast<int>(rows), static_cast<int>(d),
               std::log2(static_cast<double>(rope.base)), rope);
  return out;
}

struct Slots {  // where row i goes: into the cache after what its slot holds, or to row i
  const int32_t *offsets = nullptr, *used = nullptr;
  int texts = 0, limit = 0;
  int64_t rows = 0;                                 // of a slot
  __device__ int64_t operator()(int64_t i) const {  // -1: nowhere
    if (used == nullptr) return i;
    if (i >= offsets[texts]) return -1;
    int low = 0, high = texts;
    while (high - low > 1) (offsets[(low + high) / 2] <= i ? low : high) = (low + high) / 2;
    const int64_t token = used[low] + i - offsets[low];
    return token < limit ? low * rows + token : -1;
  }
};
// V neighbouring pairs (j, j + d / 2) of one head and row; without `turn`, V numbers unchanged.
template <class T, int V>
struct Move {
  const T* from;
  T* to;
  int64_t from_step, to_step;
  int heads, d;
  const float* turn;
  Slots slots;
  __device__ void operator()(int64_t n) const {
    const int half = turn == nullptr ? d : d / 2, per = half / V;
    const int64_t i = n / per / heads, row = slots(i);
    if (row < 0) return;
    const int j = static_cast<int>(n % per) * V, h = static_cast<int>(n / per % heads);
    const T* const x = from + i * from_step + h * d + j;
    T* const y = to + row * to_step + h * d + j;
    Pack<T, V> a = load<T, V>(x);
    if (turn != nullptr) {
      Pack<T, V> b = load<T, V>(x + half);
      const Several<V> c = floats<V>(turn + i * d + j), s = floats<V>(turn + i * d + half + j);
      for (int k = 0; k < V; ++k) {
        const float u = to_float(a.at[k]), v = to_float(b.at[k]);
        a.at[k] = from_float<T>(turned(u, v, c.at[k], -s.at[k]));
        b.at[k] = from_float<T>(turned(v, u, c.at[k], s.at[k]));
      }
      store<T, V>(y + half, b);
    }
    store<T, V>(y, a);
  }
};
// Appends keys and values to the cache in one launch.
template <class T, int V>
struct Append {
  Move<T, V> keys, values;
  int64_t of_keys;  // indices below this are keys
  __device__ void operator()(int64_t n) const {
    if (n < of_keys)
      keys(n);
    else
      values(n - of_keys);
  }
};
template <class T>
void append(const Attend<T>& a, T* keys, T* values, int kv) {
  const Slots in_keys{a.offsets, a.used, a.texts, a.limit, a.k_slot},
      in_values{a.offsets, a.used, a.texts, a.limit, a.v_slot};
  const int width = kv * a.d, half = a.turn == nullptr ? a.d : a.d / 2;
  auto run = [&]<int V> {
    const int64_t each = int64_t{a.rows} * kv, of_keys = each * (half / V);
    for_each(of_keys + each * (a.d / V),
             Append<T, V>{{a.k, keys, a.k_step, width, kv, a.d, a.turn, in_keys},
                          {a.v, values, a.v_step, width, kv, a.d, nullptr, in_values},
                          of_keys});
  };
  constexpr int V = kPack<T>;
  if (half % V == 0 && a.k_step % V == 0 && packs<T>(a.d, {a.k, a.v, keys, values}))
    run.template operator()<V>();
  else
    run.template operator()<1>();
}
template <class T>
void move(const T* from, int64_t from_step, T* to, int64_t to_step, int heads, int d, const float* turn,
          int64_t rows) {
  const int half = turn == nullptr ? d : d / 2;
  constexpr int V = kPack<T>;
  auto run = [&]<int W> {
    for_each(rows * heads * (half / W), Move<T, W>{from, to, from_step, to_step, heads, d, turn, {}});
  };
  if (half % V == 0 && from_step % V == 0 && to_step % V == 0 && packs<T>(d, {from, to}))
    run.template operator()<V>();
  else
    run.template operator()<1>();
}

template <class T>
void describe(Attend<T>& a, const Tensor& qkv, Heads hs, const Layout& l, const Tensor& turn) {
  const int64_t d = qkv.shape()[1] / (hs.query + 2 * hs.kv);
  a.d = static_cast<int>(d);
  a.heads = hs.query;
  a.group = hs.query / hs.kv;
  a.q = qkv.data<T>();
  a.k = a.q + hs.query * d;
  a.v = a.k + hs.kv * d;
  a.q_step = a.k_step = a.v_step = qkv.shape()[1];
  a.y_step = hs.query * d;
  a.offsets = a.k_offsets = l.offsets.data<int32_t>();
  a.texts = static_cast<int>(l.offsets.size() - 1);
  a.rows = a.k_rows = static_cast<int>(qkv.shape()[0]);
  a.full = l.mask == Mask::full;
  if (l.mask == Mask::prefix) a.prefix = l.prefix.data<int32_t>();
  a.scale = attend_scale(d);
  if (turn) a.turn = turn.data<float>();
}

void forward(const Tensor& qkv, Heads hs, const Layout& l, int layer, Rope rope, Tensor& y, Tensor& lse) {
  by_device_type(qkv.dtype(), [&]<class T> {
    Attend<T> a;
    const Tensor turn = turns_of(l, y.shape()[1] / hs.query, rope);
    describe(a, qkv, hs, l, turn);
    a.y = y.data<T>();
    a.lse = lse.data<float>();
    const int64_t width = hs.kv * a.d;
    Tensor keys;
    if (l.cache) {
      const Tensor &ks = l.cache->keys[static_cast<size_t>(layer)],
                   &vs = l.cache->values[static_cast<size_t>(layer)];
      a.used = l.cache->used.data<int32_t>();
      a.limit = static_cast<int>(vs.shape()[1]);
      a.k_slot = ks.shape()[1];
      a.v_slot = vs.shape()[1];
      if (attend_few(a, ks.data<T>(), vs.data<T>())) return;
      append<T>(a, ks.data<T>(), vs.data<T>(), hs.kv);
      a.k = ks.data<T>();
      a.v = vs.data<T>();
      a.k_step = a.v_step = width;
    } else if (turn) {
      const Shape shape{qkv.shape()[0], width};
      keys = Tensor::empty(shape, qkv.dtype(), DeviceKind::cuda);
      move<T>(a.k, a.k_step, keys.data<T>(), width, hs.kv, a.d, a.turn, a.rows);
      a.k = keys.data<T>();
      a.k_step = width;
    }
    a.wide = packs<T>(a.d, {a.q, a.k, a.v, a.y});
    attend_forward(a);
  });
}
void backward(const Tensor& qkv, Heads hs, const Layout& l, Rope rope, const Tensor& y, const Tensor& lse,
              const Tensor& dy, const Grad& dqkv) {
  by_device_type(qkv.dtype(), [&]<class T> {
    AttendBackward<T> a;
    const Tensor turn = turns_of(l, y.shape()[1] / hs.query, rope);
    describe(a, qkv, hs, l, turn);
    Tensor turned;
    if (turn) {  // queries and keys
      const int64_t width = (hs.query + hs.kv) * a.d;
      const Shape shape{qkv.shape()[0], width};
      turned = Tensor::empty(shape, qkv.dtype(), DeviceKind::cuda);
      move<T>(a.q, a.q_step, turned.data<T>(), width, hs.query + hs.kv, a.d, a.turn, a.rows);
      a.q = turned.data<T>();
      a.k = a.q + hs.query * a.d;
      a.q_step = a.k_step = width;
    }
    a.dy = dy.data<T>();
    a.dq = dqkv.to().data<T>();
    a.dk = a.dq + hs.query * a.d;
    a.dv = a.dk + hs.kv * a.d;
    a.dq_step = a.dkv_step = qkv.shape()[1];
    a.add_q = a.add_kv = dqkv.add();
    a.wide = packs<T>(a.d, {a.q, a.k, a.v, a.dy, a.dq});
    attend_backward(a, y, lse);
  });
}

struct Advance {
  const int32_t* offsets;
  int32_t* used;
  __device__ void operator()(int64_t s) const { used[s] += offsets[s + 1] - offsets[s]; }
};
void advance(const Tensor& offsets, Tensor& used) {
  for_each(used.size(), Advance{offsets.data<int32_t>(), used.data<int32_t>()});
}

// One position in all slots: a single thread makes its moves in order, so no synchronisation is needed. Many
// tensors at once, keys before values: a launch takes as long as the copies of a short cache.
constexpr int kTogether = 96;  // with their addresses among the kernel's arguments
template <class Word>
struct Reorder {
  const Cache::Copy* copies;
  int count;
  const int32_t* used;  // null: copy everything
  Word* at[kTogether];
  int keys;                        // the first of them; the rest are values
  uint32_t slot, value_slot, row;  // words; keys have room for whole panels, values may have less
  __device__ void operator()(int64_t i) const {  // word i % slot of tensor i / slot
    const int which = static_cast<int>(i / slot);
    const auto word = static_cast<uint32_t>(i - static_cast<int64_t>(which) * slot);
    const uint32_t length = which < keys ? slot : value_slot;
    if (word >= length) return;
    const int token = static_cast<int>(word / row);
    Word* const place = at[which] + word;
    Word spare{};
    int spare_used = 0;
    for (int c = 0; c < count; ++c) {
      const Cache::Copy move = copies[c];
      int held = 1;
      if (used != nullptr) held = move.from < 0 ? spare_used : used[move.from];
      if (move.to < 0) spare_used = held;
      if (used != nullptr && token >= held) continue;
      const Word w = move.from < 0 ? spare : place[static_cast<int64_t>(move.from) * length];
      (move.to < 0 ? spare : place[static_cast<int64_t>(move.to) * length]) = w;
    }
  }
};
void reorder(Cache& cache, std::span<const Cache::Copy> copies) {
  const Tensor list = Tensor::empty({static_cast<int64_t>(copies.size()), 2}, DType::i32, DeviceKind::cuda);
  Backend::of(DeviceKind::cuda).upload(list.data<void>(), copies.data(), copies.size_bytes());
  const auto* const moves = list.data<Cache::Copy>();
  const int count = static_cast<int>(copies.size());
  const size_t layers = cache.keys.size(), tensors = 2 * layers;
  const Tensor &keys = cache.keys[0], &values = cache.values[0];
  const int64_t row = keys.shape()[2] * static_cast<int64_t>(size_of(keys.dtype()));
  auto run = [&]<class Word> {
    const int64_t words = row / static_cast<int64_t>(sizeof(Word)), slot = keys.shape()[1] * words;
    for (size_t first = 0; first < tensors; first += kTogether) {
      Reorder<Word> some{moves,
                         count,
                         cache.used.data<int32_t>(),
                         {},
                         static_cast<int>(layers) - static_cast<int>(first),
                         static_cast<uint32_t>(slot),
                         static_cast<uint32_t>(values.shape()[1] * words),
                         static_cast<uint32_t>(words)};
      const size_t n = std::min<size_t>(kTogether, tensors - first);
      for (size_t i = 0; i < n; ++i) {
        const size_t k = first + i;
        some.at[i] = (k < layers ? cache.keys[k] : cache.values[k - layers]).template data<Word>();
      }
      for_each(static_cast<int64_t>(n) * slot, some);
    }
  };
  if (row % 16 == 0)
    run.template operator()<uint4>();
  else
    run.template operator()<uint16_t>();
  for_each(1, Reorder<int32_t>{moves, count, nullptr, {cache.used.data<int32_t>()}, 1, 1, 1, 1});
}
const bool provided = kernels::attention_forward.provide(DeviceKind::cuda, forward) &&
                      kernels::attention_backward.provide(DeviceKind::cuda, backward) &&
                      kernels::cache_advance.provide(DeviceKind::cuda, advance) &&
                      kernels::cache_reorder.provide(DeviceKind::cuda, reorder);
}  // namespace
}  // namespace rum::cuda
