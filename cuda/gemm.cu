// Our own product, for any shape and address, used when cuBLASLt refuses: it may have no algorithm for
// matrices of one row or column. Tiles in shared memory, no tensor cores; cuda/ladder/matmul.cu continues
// from here.
#include "cuda/gemm.h"
#include "cuda/kernel.h"

namespace rum::cuda {
namespace {
constexpr int kTile = 32, kRows = 8;  // kTile x kRows threads a block, kTile / kRows numbers of C each
struct Steps {                        // between rows and between columns of a matrix, as the product sees it
  int64_t row, col;
};
// Threads: a block a tile of C, 32 x 32; each thread every 8th row of one column.
// Reads: N/32 times A, M/32 times B; C with `add`. Writes: C once.
// Sums: in order of k, then bias, then what C held: the same bits every time.
// Limit: shared memory, two reads a multiply-add.
// Ladder: cuda/ladder/matmul.cu, shared.
template <class T, class Out>
__global__ void __launch_bounds__(kTile* kRows)
    gemm_tiles(const T* a, Steps sa, const T* b, Steps sb, int64_t m, int64_t n, int64_t k, const T* bias,
               bool add, Out* c) {
  SIMT_SHARED(float, left, [kTile][kTile + 1]);
  SIMT_SHARED(float, right, [kTile][kTile + 1]);
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int64_t j = static_cast<int64_t>(blockIdx.x) * kTile + x;
  // More than 65535 tiles along M share the grid's 65535 places.
  for (int64_t i0 = static_cast<int64_t>(blockIdx.y) * kTile; i0 < m; i0 += int64_t{kTile} * gridDim.y) {
    float sum[kTile / kRows] = {};
    for (int64_t l0 = 0; l0 < k; l0 += kTile) {
      SIMT_UNROLL
      for (int r = y; r < kTile; r += kRows) {
        left[r][x] = i0 + r < m && l0 + x < k ? to_float(a[(i0 + r) * sa.row + (l0 + x) * sa.col]) : 0;
        right[r][x] = l0 + r < k && j < n ? to_float(b[(l0 + r) * sb.row + j * sb.col]) : 0;
      }
      __syncthreads();
      for (int l = 0; l < kTile; ++l) {
        SIMT_UNROLL
        for (int r = 0; r < kTile / kRows; ++r) sum[r] += left[y + r * kRows][l] * right[l][x];
      }
      __syncthreads();
    }
    SIMT_UNROLL
    for (int r = 0; r < kTile / kRows; ++r) {
      const int64_t i = i0 + y + r * kRows;
      if (i >= m || j >= n) continue;
      if (bias != nullptr) sum[r] += to_float(bias[j]);
      if (add) sum[r] += to_float(c[i * n + j]);
      c[i * n + j] = from_float<Out>(sum[r]);
    }
  }
}
}  // namespace

void plain_gemm(const Tensor& a, const Tensor& b, Tensor& c, GemmFlags f, const Tensor& bias) {
  const int64_t am = a.shape().rows(), ak = a.shape()[-1], bm = b.shape().rows(), bk = b.shape()[-1];
  const int64_t m = f.transpose_a ? ak : am, k = f.transpose_a ? am : ak, n = f.transpose_b ? bm : bk;
  const Steps sa = f.transpose_a ? Steps{1, ak} : Steps{ak, 1},
              sb = f.transpose_b ? Steps{1, bk} : Steps{bk, 1};
  const dim3 grid(blocks(n, kTile), blocks(m, kTile) < 65535 ? blocks(m, kTile) : 65535), block(kTile, kRows);
  by_device_type(a.dtype(), [&]<class T> {
    by_device_type(c.dtype(), [&]<class Out> {
      simt::launch(gemm_tiles<T, Out>, grid, block, 0, a.data<T>(), sa, b.data<T>(), sb, m, n, k,
                   bias ? bias.data<T>() : nullptr, f.add, c.data<Out>());
    });
  });
}
}  // namespace rum::cuda
