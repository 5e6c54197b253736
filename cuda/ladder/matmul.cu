// Matrix product C (M, N) = A (M, K) B (K, N) in six steps. An output needs 2 K FLOP, and a thread that works
// alone reads 8 K bytes for it: 0.25 FLOP a byte, while an H200 can do 14 in f32 and 206 in bf16 for each
// byte that memory delivers. So every step is about using each number more often once it has been read.
#include "cuda/kernel.h"
#include "cuda/ladder/ladder.h"

namespace rum::cuda {
namespace {
template <class T>
struct Matmul {
  const T *a, *b;
  T* c;
  int m, n, k;
};

// 1. The formula: a thread walks along a row of A and down a column of B. Nothing is shared on purpose; only
// the caches help. The lanes of a warp work on 32 different rows, so each load of A touches 32 lines of 128
// bytes for 4 bytes of each, and so does each store of C.
//
// Threads: one an output, 32 x 8 a block; lanes of a warp in 32 rows.
// Reads: 8 K bytes per output, and 32 sectors of 32 bytes per load of A. Writes: 4 bytes, a sector each.
// Sums: k in order.
// Limit: the L1 cache: 32 lines for each load.
// Ladder: step 1 of 6.
__global__ void matmul_1(Matmul<float> p) {
  const int i = static_cast<int>(blockIdx.x * 32 + threadIdx.x),
            j = static_cast<int>(blockIdx.y * 8 + threadIdx.y);
  if (i >= p.m || j >= p.n) return;
  float sum = 0;
  for (int l = 0; l < p.k; ++l)
    sum += p.a[static_cast<int64_t>(i) * p.k + l] * p.b[static_cast<int64_t>(l) * p.n + j];
  p.c[static_cast<int64_t>(i) * p.n + j] = sum;
}

// 2. Coalesced: x and y are swapped, and nothing else changes. The lanes of a warp now work on neighbouring
// columns: a load of A is one number for all of them, a load of B 128 neighbouring bytes, so 5 sectors feed
// 32 products where step 1 needed 33. Each output still loads 8 K bytes.
//
// Threads: one an output, 32 x 8 a block; lanes of a warp in 32 columns.
// Reads: 8 K bytes per output, in whole sectors. Writes: 4 bytes, in whole lines.
// Sums: k in order.
// Limit: load instructions, 2 for a multiply-add.
// Ladder: step 2 of 6.
__global__ void matmul_2(Matmul<float> p) {
  const int i = static_cast<int>(blockIdx.x * 8 + threadIdx.y),
            j = static_cast<int>(blockIdx.y * 32 + threadIdx.x);
  if (i >= p.m || j >= p.n) return;
  float sum = 0;
  for (int l = 0; l < p.k; ++l)
    sum += p.a[static_cast<int64_t>(i) * p.k + l] * p.b[static_cast<int64_t>(l) * p.n + j];
  p.c[static_cast<int64_t>(i) * p.n + j] = sum;
}

// 3. Shared tiles: a block copies 32 x 32 numbers of A and of B to shared memory and uses each of them 32
// times there. Global memory delivers 8 K / 32 bytes per output, 8 FLOP a byte. Each multiply-add still loads
// two numbers, now from shared memory.
//
// Threads: one an output, 32 x 32 a block; each copies one number of each tile.
// Reads: K / 4 bytes per output; 8 K from shared memory. Writes: 4 bytes.
// Sums: k in order.
// Limit: shared memory, 2 loads for a multiply-add.
// Ladder: step 3 of 6.
__global__ void matmul_3(Matmul<float> p) {
  SIMT_SHARED(float, a, [32][32]);
  SIMT_SHARED(float, b, [32][32]);
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int i = static_cast<int>(blockIdx.x) * 32 + y, j = static_cast<int>(blockIdx.y) * 32 + x;
  float sum = 0;
  for (int k = 0; k < p.k; k += 32) {
    a[y][x] = i < p.m && k + x < p.k ? p.a[static_cast<int64_t>(i) * p.k + k + x] : 0.0f;
    b[y][x] = j < p.n && k + y < p.k ? p.b[static_cast<int64_t>(k + y) * p.n + j] : 0.0f;
    __syncthreads();  // zeros beyond the edge: the sum runs over whole tiles
    for (int l = 0; l < 32; ++l) sum += a[y][l] * b[l][x];
    __syncthreads();  // no thread needs this tile any more
  }
  if (i < p.m && j < p.n) p.c[static_cast<int64_t>(i) * p.n + j] = sum;
}

// 4. A tile of outputs per thread: 8 x 8 of them in registers. 16 numbers from shared memory feed 64
// multiply-adds: 1/4 of a load each instead of 2. The block's tile grows to 128 x 128, so that memory
// delivers K / 16 bytes per output, 32 FLOP a byte: more than the 14 at which arithmetic becomes the limit.
//
// Threads: 16 x 16 a block of 128 x 128 outputs; each has rows y + 16 i and columns x + 16 j.
// Reads: K / 16 bytes per output; K from shared memory. Writes: 4 bytes.
// Sums: k in order.
// Limit: waiting: first all threads load, then all compute.
// Ladder: step 4 of 6.
constexpr int kTile = 128, kTileThreads = 256;
__global__ void __launch_bounds__(kTileThreads) matmul_4(Matmul<float> p) {
  constexpr int kDeep = 8;
  SIMT_SHARED(float, a, [kDeep][kTile + 4]);  // transposed; with 4 more, a warp's stores lie on 32 banks
  SIMT_SHARED(float, b, [kDeep][kTile]);
  const int thread = static_cast<int>(threadIdx.x), x = thread % 16, y = thread / 16;
  const int row = static_cast<int>(blockIdx.x) * kTile, column = static_cast<int>(blockIdx.y) * kTile;
  float sum[8][8] = {};
  for (int k = 0; k < p.k; k += kDeep) {
    for (int e = thread; e < kTile * kDeep; e += kTileThreads) {
      const int r = e / kDeep, l = e % kDeep;
      a[l][r] = row + r < p.m && k + l < p.k ? p.a[static_cast<int64_t>(row + r) * p.k + k + l] : 0.0f;
      const int c = e % kTile, q = e / kTile;
      b[q][c] = column + c < p.n && k + q < p.k ? p.b[static_cast<int64_t>(k + q) * p.n + column + c] : 0.0f;
    }
    __syncthreads();
    SIMT_UNROLL
    for (int l = 0; l < kDeep; ++l) {
      float left[8], right[8];
      SIMT_UNROLL
      for (int e = 0; e < 8; ++e) {
        left[e] = a[l][y + 16 * e];
        right[e] = b[l][x + 16 * e];
      }
      SIMT_UNROLL
      for (int i = 0; i < 8; ++i) {
        SIMT_UNROLL
        for (int j = 0; j < 8; ++j) sum[i][j] += left[i] * right[j];
      }
    }
    __syncthreads();
  }
  SIMT_UNROLL
  for (int i = 0; i < 8; ++i) {
    SIMT_UNROLL
    for (int j = 0; j < 8; ++j) {
      const int r = row + y + 16 * i, c = column + x + 16 * j;
      if (r < p.m && c < p.n) p.c[static_cast<int64_t>(r) * p.n + c] = sum[i][j];
    }
  }
}

// Copies a tile to shared memory, 16 bytes per instruction and bypassing the registers where the matrix
// allows it (wide); numbers beyond its edge, `rows` and `columns` away, become 0.
template <class T, int kRows, int kColumns, int kStep>
__device__ __forceinline__ void copy_tile(T* to, const T* from, int64_t step, int rows, int columns,
                                          bool wide) {
  constexpr int V = kPack<T>, kPer = kColumns / V;
  SIMT_UNROLL
  for (int e = static_cast<int>(threadIdx.x); e < kRows * kPer; e += kTileThreads) {
    const int r = e / kPer, c = e % kPer * V;
    if (wide)
      simt::cp_async16(to + r * kStep + c, from + r * step + c, r < rows && c < columns);
    else
      for (int v = 0; v < V; ++v)
        to[r * kStep + c + v] = r < rows && c + v < columns ? from[r * step + c + v] : from_float<T>(0.0f);
  }
}

// 5. Vectors, and two tiles in turn: cp.async loads the next tile in packs of 16 bytes, bypassing the
// registers, while this one is multiplied. That takes a quarter of the load instructions and one barrier per
// tile instead of two, and no thread waits for memory as long as a tile takes longer to multiply than to
// arrive.
//
// Threads: as step 4, with columns in groups of 4 neighbours.
// Reads: K / 16 bytes per output; K from shared memory, 16 bytes at a time. Writes: 4 bytes, 16 at a time.
// Sums: k in order.
// Limit: f32 multiply-adds, 67 TFLOP/s on an H200.
// Ladder: step 5 of 6.
__global__ void __launch_bounds__(kTileThreads) matmul_5(Matmul<float> p, bool wide) {
  constexpr int kDeep = 16;
  SIMT_SHARED(float, a, [2][kTile][kDeep]);
  SIMT_SHARED(float, b, [2][kDeep][kTile]);
  const int thread = static_cast<int>(threadIdx.x), x = thread % 16, y = thread / 16;
  const int row = static_cast<int>(blockIdx.x) * kTile, column = static_cast<int>(blockIdx.y) * kTile;
  auto fetch = [&](int t) {
    const int k = t * kDeep;
    copy_tile<float, kTile, kDeep, kDeep>(&a[t % 2][0][0], p.a + static_cast<int64_t>(row) * p.k + k, p.k,
                                          p.m - row, p.k - k, wide);
    copy_tile<float, kDeep, kTile, kTile>(&b[t % 2][0][0], p.b + static_cast<int64_t>(k) * p.n + column, p.n,
                                          p.k - k, p.n - column, wide);
    simt::cp_async_commit();
  };
  float sum[8][8] = {};
  const int tiles = (p.k + kDeep - 1) / kDeep;
  fetch(0);
  for (int t = 0; t < tiles; ++t) {
    simt::cp_async_wait<0>();
    __syncthreads();  // tile t has arrived, and t - 1 is no longer read
    if (t + 1 < tiles) fetch(t + 1);
    SIMT_UNROLL
    for (int k = 0; k < kDeep; k += 4) {
      Pack<float, 4> left[8];
      SIMT_UNROLL
      for (int i = 0; i < 8; ++i) left[i] = load<float, 4>(&a[t % 2][y + 16 * i][k]);
      SIMT_UNROLL
      for (int l = 0; l < 4; ++l) {
        SIMT_UNROLL
        for (int half = 0; half < 2; ++half) {
          const Pack<float, 4> right = load<float, 4>(&b[t % 2][k + l][64 * half + 4 * x]);
          SIMT_UNROLL
          for (int i = 0; i < 8; ++i) {
            SIMT_UNROLL
            for (int j = 0; j < 4; ++j) sum[i][4 * half + j] += left[i].at[l] * right.at[j];
          }
        }
      }
    }
  }
  SIMT_UNROLL
  for (int i = 0; i < 8; ++i) {
    SIMT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int r = row + y + 16 * i, c = column + 64 * half + 4 * x;
      if (r >= p.m) continue;
      float* const to = p.c + static_cast<int64_t>(r) * p.n + c;
      const float* const s = sum[i] + 4 * half;
      if (wide && c < p.n)
        store<float, 4>(to, {{s[0], s[1], s[2], s[3]}});
      else
        for (int j = 0; j < 4 && c + j < p.n; ++j) to[j] = s[j];
    }
  }
}

// 6. Tensor cores: with one mma.sync, 4096 FLOP, a warp multiplies 16 x 16 by 16 x 8 numbers of bf16 and adds
// up in f32; ldmatrix gives each lane the fragments that it must hold. Half the bytes per number, and 15
// times the arithmetic rate of step 5. A warp's 64 x 32 outputs take 6 ldmatrix for 16 mma.
//
// Threads: 8 warps a block of 128 x 128 outputs, 2 x 4 of them; each warp 64 x 32 outputs.
// Reads: K / 32 bytes per output; 3 K / 32 from shared memory. Writes: 2 bytes, 4 at a time.
// Sums: k in groups of 16 in order; within a group as the tensor core adds.
// Limit: mma.sync, which on sm_90 is slower than wgmma.
// Ladder: step 6 of 6; the program itself calls cuBLASLt (cuda/cublaslt.cu).
__global__ void __launch_bounds__(kTileThreads) matmul_6(Matmul<simt::bf16> p, bool wide) {
  constexpr int kDeep = 32, kStepA = kDeep + 8, kStepB = kTile + 8;  // with 8 more, 8 rows lie on 32 banks
  SIMT_SHARED(simt::bf16, a, [2][kTile][kStepA]);
  SIMT_SHARED(simt::bf16, b, [2][kDeep][kStepB]);
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int row = static_cast<int>(blockIdx.x) * kTile, column = static_cast<int>(blockIdx.y) * kTile;
  const int own_row = warp / 4 * 64, own_column = warp % 4 * 32;
  auto fetch = [&](int t) {
    const int k = t * kDeep;
    copy_tile<simt::bf16, kTile, kDeep, kStepA>(&a[t % 2][0][0], p.a + static_cast<int64_t>(row) * p.k + k,
                                                p.k, p.m - row, p.k - k, wide);
    copy_tile<simt::bf16, kDeep, kTile, kStepB>(&b[t % 2][0][0], p.b + static_cast<int64_t>(k) * p.n + column,
                                                p.n, p.k - k, p.n - column, wide);
    simt::cp_async_commit();
  };
  float sum[4][4][4] = {};  // 16 rows, 8 columns; a lane's four: see below
  const int tiles = (p.k + kDeep - 1) / kDeep;
  fetch(0);
  for (int t = 0; t < tiles; ++t) {
    simt::cp_async_wait<0>();
    __syncthreads();
    if (t + 1 < tiles) fetch(t + 1);
    SIMT_UNROLL
    for (int k = 0; k < kDeep; k += 16) {
      uint32_t right[2][4];  // each holds two groups of 8 columns
      SIMT_UNROLL
      for (int j = 0; j < 2; ++j)
        simt::ldmatrix_x4_trans(right[j], &b[t % 2][k + lane % 16][own_column + 16 * j + lane / 16 * 8]);
      SIMT_UNROLL
      for (int i = 0; i < 4; ++i) {
        uint32_t left[4];
        simt::ldmatrix_x4(left, &a[t % 2][own_row + 16 * i + lane % 16][k + lane / 16 * 8]);
        SIMT_UNROLL
        for (int j = 0; j < 4; ++j)
          simt::mma_bf16_16816(sum[i][j], left, {right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]});
      }
    }
  }
  SIMT_UNROLL
  for (int i = 0; i < 4; ++i) {
    SIMT_UNROLL
    for (int j = 0; j < 4; ++j) {
      SIMT_UNROLL
      for (int half = 0; half < 2; ++half) {  // rows l / 4 and l / 4 + 8, columns 2 (l % 4) and the next
        const int r = row + own_row + 16 * i + 8 * half + lane / 4,
                  c = column + own_column + 8 * j + lane % 4 * 2;
        if (r >= p.m || c >= p.n) continue;
        simt::bf16* const to = p.c + static_cast<int64_t>(r) * p.n + c;
        const float first = sum[i][j][2 * half], second = sum[i][j][2 * half + 1];
        if (wide) {
          simt::stv(to, simt::pack_bf(first, second));
        } else {
          to[0] = from_float<simt::bf16>(first);
          if (c + 1 < p.n) to[1] = from_float<simt::bf16>(second);
        }
      }
    }
  }
}

template <class T>
Matmul<T> matmul_of(std::span<const Tensor> in, const Tensor& out) {
  return {in[0].data<T>(),
          in[1].data<T>(),
          out.data<T>(),
          static_cast<int>(out.shape()[0]),
          static_cast<int>(out.shape()[1]),
          static_cast<int>(in[0].shape()[1])};
}
template <class T>
bool wide(const Matmul<T>& p) {
  return packs<T>(p.k, {p.a, p.b, p.c}) && packs<T>(p.n, {});
}
void run_1(std::span<const Tensor> in, const Tensor& out) {
  const auto p = matmul_of<float>(in, out);
  simt::launch(matmul_1, dim3(blocks(p.m, 32), blocks(p.n, 8)), dim3(32, 8), 0, p);
}
void run_2(std::span<const Tensor> in, const Tensor& out) {
  const auto p = matmul_of<float>(in, out);
  simt::launch(matmul_2, dim3(blocks(p.m, 8), blocks(p.n, 32)), dim3(32, 8), 0, p);
}
void run_3(std::span<const Tensor> in, const Tensor& out) {
  const auto p = matmul_of<float>(in, out);
  simt::launch(matmul_3, dim3(blocks(p.m, 32), blocks(p.n, 32)), dim3(32, 32), 0, p);
}
void run_4(std::span<const Tensor> in, const Tensor& out) {
  const auto p = matmul_of<float>(in, out);
  simt::launch(matmul_4, dim3(blocks(p.m, kTile), blocks(p.n, kTile)), dim3(kTileThreads), 0, p);
}
void run_5(std::span<const Tensor> in, const Tensor& out) {
  const auto p = matmul_of<float>(in, out);
  simt::launch(matmul_5, dim3(blocks(p.m, kTile), blocks(p.n, kTile)), dim3(kTileThreads), 0, p, wide(p));
}
void run_6(std::span<const Tensor> in, const Tensor& out) {
  const auto p = matmul_of<simt::bf16>(in, out);
  simt::launch(matmul_6, dim3(blocks(p.m, kTile), blocks(p.n, kTile)), dim3(kTileThreads), 0, p, wide(p));
}
const LadderStep kSteps[] = {{"matmul", 1, "one thread an output", DType::f32, run_1},
                             {"matmul", 2, "coalesced", DType::f32, run_2},
                             {"matmul", 3, "shared tiles", DType::f32, run_3},
                             {"matmul", 4, "a tile of registers per thread", DType::f32, run_4},
                             {"matmul", 5, "vectors, and two tiles in turn", DType::f32, run_5},
                             {"matmul", 6, "tensor cores", DType::bf16, run_6}};
}  // namespace
std::span<const LadderStep> matmul_ladder() { return kSteps; }
}  // namespace rum::cuda
