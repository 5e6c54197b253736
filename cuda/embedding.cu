// GPU twin of src/ops/embedding.cc. The gradient is summed in one fixed order, without atomics: ids are
// sorted (stably, so equal ids keep the order of their rows), then runs of equal ids are summed, first within
// pieces of 32, then across pieces.
#include "cuda/kernel.h"
#include "ops/embedding.h"

namespace rum::cuda {
namespace {
constexpr int kWarps = 4;    // rows a block works on at once
constexpr int kChunk = 512;  // ids that one block sorts
constexpr int kPiece = 32;   // sorted rows that one warp sums

// An id outside the table gives NaN, which shows in the loss, and gets no gradient: a kernel cannot throw.
// Threads: one warp per row, each lane V neighbouring numbers of every 32 V.
// Reads: the row of the table once. Writes: each number once.
// Sums: none.
// Limit: memory.
// Ladder: none.
template <class T, int V>
__global__ void gather(const int32_t* ids, const T* table, T* y, int64_t n, int64_t rows, int64_t width) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
  if (i >= n) return;
  const int64_t id = ids[i];
  for (int64_t j = threadIdx.x % 32 * V; j < width; j += 32 * V) {
    Pack<T, V> row;
    if (id >= 0 && id < rows)
      row = load<T, V>(table + id * width + j);
    else
      for (int k = 0; k < V; ++k) row.at[k] = from_float<T>(NAN);
    store<T, V>(y + i * width + j, row);
  }
}

// Threads: one per id. An id's place in its chunk is the number of ids that come before it.
// Reads: each id once from memory, 512 times from shared memory. Writes: id and row number once.
// Sums: none.
// Limit: the comparisons, about 3 us.
// Ladder: none.
__global__ void sort_chunks(const int32_t* ids, int n, int32_t* sorted, int32_t* from) {
  SIMT_SHARED(int32_t, at, [kChunk]);
  const int t = static_cast<int>(threadIdx.x), first = static_cast<int>(blockIdx.x) * kChunk;
  const int count = n - first < kChunk ? n - first : kChunk;
  if (t < count) at[t] = ids[first + t];
  __syncthreads();
  if (t >= count) return;
  const int32_t mine = at[t];
  int place = 0;
  for (int u = 0; u < count; ++u) place += at[u] < mine || (at[u] == mine && u < t) ? 1 : 0;
  sorted[first + place] = mine;
  from[first + place] = first + t;
}
// Threads: one per id. Its place among all is its place in its chunk and, by bisection, in every other one.
// Reads: log2(512) ids of each chunk, from the cache. Writes: id and row number once.
// Sums: none.
// Limit: the latency of the bisections: 10 reads for each 512 ids, of 8 chunks at a time.
// Ladder: none.
__global__ void merge_chunks(const int32_t* chunk_ids, const int32_t* chunk_from, int n, int32_t* sorted,
                             int32_t* from) {
  const int q = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (q >= n) return;
  const int32_t mine = chunk_ids[q];
  const int own = q - q % kChunk;
  int place = q % kChunk;
  constexpr int kAtOnce = 8;  // bisections in step, each waiting for its own read
  for (int first = 0; first < n; first += kAtOnce * kChunk) {
    int before[kAtOnce] = {};  // ids of a chunk that come before mine; equal ids do so in earlier chunks
    SIMT_UNROLL
    for (int step = kChunk; step > 0; step /= 2) {
      SIMT_UNROLL
      for (int c = 0; c < kAtOnce; ++c) {
        const int begin = first + c * kChunk, at = begin + before[c] + step - 1;
        if (at >= n || before[c] + step > kChunk) continue;
        const int32_t other = chunk_ids[at];
        if (other < mine || (other == mine && begin < own)) before[c] += step;
      }
    }
    SIMT_UNROLL
    for (int c = 0; c < kAtOnce; ++c)
      if (first + c * kChunk != own) place += before[c];
  }
  sorted[place] = mine;
  from[place] = chunk_from[q];
}

template <class G, int V>
__device__ void put(G* to, bool add, const float (&sum)[V]) {
  Pack<G, V> out;
  if (add) out = load<G, V>(to);
  for (int k = 0; k < V; ++k) out.at[k] = from_float<G>(add ? sum[k] + to_float(out.at[k]) : sum[k]);
  store<G, V>(to, out);
}
// Threads: one warp per sorted row; only those at the start of a run of equal ids within a piece work.
// Reads: dy once. Writes: an id's sum once, or a partial sum per piece if its run crosses pieces.
// Sums: rows in order.
// Limit: memory.
// Ladder: none.
template <class T, class G, int V>
__global__ void sum_pieces(const int32_t* sorted, const int32_t* from, int n, int64_t rows, const T* dy,
                           float* partial, G* table, bool add, int64_t width) {
  const int r = static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / 32,
            lane = static_cast<int>(threadIdx.x) % 32;
  if (r >= n) return;  // the whole warp returns together, here and below
  const int32_t id = sorted[r];
  const bool begins = r == 0 || sorted[r - 1] != id;
  if (id < 0 || id >= rows || (!begins && r % kPiece != 0)) return;
  const int left = kPiece - r % kPiece;
  const bool other = lane >= left || r + lane >= n || sorted[r + lane] != id;
  const unsigned others = __ballot_sync(0xffffffffu, other);
  const int count = others == 0 ? kPiece : __ffs(static_cast<int>(others)) - 1, end = r + count;
  const bool whole = begins && (end == n || sorted[end] != id);
  // Only the first and the last run of a piece can be cut.
  float* const part = partial + (r / kPiece * 2 + (r % kPiece != 0 ? 1 : 0)) * width;
  for (int64_t j = lane * V; j < width; j += 32 * V) {
    float sum[V] = {};
    for (int u = r; u < end; ++u) {
      const Pack<T, V> d = load<T, V>(dy + from[u] * width + j);
      for (int k = 0; k < V; ++k) sum[k] += to_float(d.at[k]);
    }
    if (whole)
      put<G, V>(table + id * width + j, add, sum);
    else
      for (int k = 0; k < V; ++k) part[j + k] = sum[k];
  }
}
// Threads: one warp per piece and 32 V columns; it works if a run starts in its piece and continues past it.
// Reads: the run's partial sums; 32 ids at once to find its end. Writes: the id's sum once.
// Sums: pieces in order.
// Limit: the length of the longest run.
// Ladder: none.
template <class G, int V>
__global__ void join_pieces(const int32_t* sorted, int n, int64_t rows, const float* partial, G* table,
                            bool add, int64_t width) {
  const int p = static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / 32;
  const int first = p * kPiece, next = first + kPiece;
  if (next >= n) return;
  const int32_t id = sorted[next];
  if (id < 0 || id >= rows || sorted[next - 1] != id || (first > 0 && sorted[first - 1] == id)) return;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  int more = 0;  // pieces into which the run continues: it is at the start of each
  for (unsigned others = 0; others == 0; more += others == 0 ? 32 : __ffs(static_cast<int>(others)) - 1) {
    const int q = next + (more + lane) * kPiece;
    others = __ballot_sync(0xffffffffu, q >= n || sorted[q] != id);
  }
  const int64_t j = static_cast<int64_t>(blockIdx.y) * (32 * V) + lane * V;
  if (j >= width) return;
  const float* part = partial + (2 * p + (sorted[first] == id ? 0 : 1)) * width + j;
  Pack<float, V> sum = load<float, V>(part);
  part = partial + 2 * (p + 1) * width + j;
  for (int q = 0; q < more; ++q, part += 2 * width) {
    const Pack<float, V> one = load<float, V>(part);
    for (int k = 0; k < V; ++k) sum.at[k] += one.at[k];
  }
  put<G, V>(table + id * width + j, add, sum.at);
}

void forward(const Tensor& ids, const Tensor& table, Tensor& y) {
  by_device_type(table.dtype(), [&]<class T> {
    const int64_t n = ids.size(), c = table.shape()[1];
    const bool wide = packs<T>(c, {table.data<T>(), y.data<T>()});
    simt::launch(wide ? gather<T, kPack<T>> : gather<T, 1>, dim3(blocks(n, kWarps)), dim3(32 * kWarps), 0,
                 ids.data<int32_t>(), table.data<T>(), y.data<T>(), n, table.shape()[0], c);
  });
}
void backward(const Tensor& ids, const Tensor& dy, const Grad& dtable) {
  const int64_t n = ids.size(), c = dy.shape()[-1], pieces = (n + kPiece - 1) / kPiece;
  const Tensor table = dtable.to();
  if (!dtable.add())
    Backend::of(DeviceKind::cuda)
        .fill(table.data<void>(), 0, static_cast<size_t>(table.size()) * size_of(table.dtype()));
  const Tensor order = Tensor::empty({4, n}, DType::i32, DeviceKind::cuda);
  int32_t *const chunk_ids = order.data<int32_t>(), *const chunk_from = chunk_ids + n,
                 *const sorted = chunk_from + n, *const from = sorted + n;
  const int count = static_cast<int>(n);
  simt::launch(sort_chunks, dim3(blocks(n, kChunk)), dim3(kChunk), 0, ids.data<int32_t>(), count, chunk_ids,
               chunk_from);
  simt::launch(merge_chunks, dim3(blocks(n, 128)), dim3(128), 0, chunk_ids, chunk_from, count, sorted, from);
  const Tensor partial = Tensor::empty({2 * pieces, c}, DType::f32, DeviceKind::cuda);
  by_device_type(dy.dtype(), [&]<class T> {
    by_device_type(table.dtype(), [&]<class G> {
      constexpr int V = kPack<T> < kPack<G> ? kPack<T> : kPack<G>;
      const bool wide = c % V == 0 && aligned({dy.data<T>(), table.data<G>()});
      simt::launch(wide ? sum_pieces<T, G, V> : sum_pieces<T, G, 1>, dim3(blocks(n, kWarps)),
                   dim3(32 * kWarps), 0, sorted, from, count, table.shape()[0], dy.data<T>(),
                   partial.data<float>(), table.data<G>(), dtable.add(), c);
      simt::launch(wide ? join_pieces<G, V> : join_pieces<G, 1>,
                   dim3(blocks(pieces, kWarps), blocks(c, wide ? 32 * V : 32)), dim3(32 * kWarps), 0, sorted,
                   count, table.shape()[0], partial.data<float>(), table.data<G>(), dtable.add(), c);
    });
  });
}
const bool provided = kernels::embedding_forward.provide(DeviceKind::cuda, forward) &&
                      kernels::embedding_backward.provide(DeviceKind::cuda, backward);
}  // namespace
}  // namespace rum::cuda
