// GPU twin of src/ops/pool.cc. Where a text begins and ends is read on the device.
#include "cuda/kernel.h"
#include "ops/pool.h"

namespace rum::cuda {
namespace {
constexpr int kLanes = 8;  // threads that share a column of a text
constexpr int kWarps = 4;  // rows a block works on at once

struct Rows {  // the rows of one text that count
  int64_t begin, end;
};
__device__ Rows rows_of(const int32_t* offsets, int64_t s, Pooling kind) {
  const int64_t begin = offsets[s], end = offsets[s + 1];
  return {kind == Pooling::last && end > begin ? end - 1 : begin, end};
}

// Threads: 32 columns x 8 rows of one text a block.
// Reads: each row that counts once. Writes: each number once.
// Sums: each thread every 8th row in order, then the 8 in order.
// Limit: memory.
// Ladder: none.
template <class T>
__global__ void forward_texts(const T* x, const int32_t* offsets, Pooling kind, T* y, int64_t width) {
  SIMT_SHARED(float, part, [kLanes][32]);
  const int64_t s = blockIdx.x, j = static_cast<int64_t>(blockIdx.y) * 32 + threadIdx.x;
  const Rows text = rows_of(offsets, s, kind);
  float sum = 0;
  if (j < width)
    for (int64_t i = text.begin + threadIdx.y; i < text.end; i += kLanes) sum += to_float(x[i * width + j]);
  part[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || j >= width) return;
  float all = 0;
  for (int l = 0; l < kLanes; ++l) all += part[l][threadIdx.x];
  const int64_t count = text.end > text.begin ? text.end - text.begin : 1;
  y[s * width + j] = from_float<T>(all / static_cast<float>(count));
}
// Threads: one warp per row of dx; it finds its text by binary search.
// Reads: the text's row of dy; dx too when it adds. Writes: each number of dx once; 0 outside of all texts.
// Sums: none.
// Limit: memory.
// Ladder: none.
template <class T>
__global__ void backward_rows(const T* dy, const int32_t* offsets, int64_t texts, Pooling kind, T* dx,
                              bool add, int64_t rows, int64_t width) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
  if (i >= rows) return;
  int64_t low = 0, high = texts;  // the last text that starts at or before row i
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    (offsets[middle] <= i ? low : high) = middle;
  }
  const Rows text = rows_of(offsets, low, kind);
  const bool counts = i >= text.begin && i < text.end;
  if (!counts && add) return;
  for (int64_t j = threadIdx.x % 32; j < width; j += 32) {
    const float d = counts ? to_float(dy[low * width + j]) / static_cast<float>(text.end - text.begin) : 0.0f;
    dx[i * width + j] = from_float<T>(add ? d + to_float(dx[i * width + j]) : d);
  }
}

void forward(const Tensor& x, const Tensor& offsets, Pooling kind, Tensor& y) {
  by_device_type(x.dtype(), [&]<class T> {
    const int64_t c = x.shape()[1];
    simt::launch(forward_texts<T>, dim3(static_cast<unsigned>(y.shape()[0]), blocks(c, 32)), dim3(32, kLanes),
                 0, x.data<T>(), offsets.data<int32_t>(), kind, y.data<T>(), c);
  });
}
void backward(const Tensor& dy, const Tensor& offsets, Pooling kind, const Grad& dx) {
  by_device_type(dy.dtype(), [&]<class T> {
    const int64_t c = dy.shape()[1], n = dx.to().shape()[0];
    simt::launch(backward_rows<T>, dim3(blocks(n, kWarps)), dim3(32 * kWarps), 0, dy.data<T>(),
                 offsets.data<int32_t>(), offsets.size() - 1, kind, dx.to().data<T>(), dx.add(), n, c);
  });
}
const bool provided = kernels::pool_forward.provide(DeviceKind::cuda, forward) &&
                      kernels::pool_backward.provide(DeviceKind::cuda, backward);
}  // namespace
}  // namespace rum::cuda
