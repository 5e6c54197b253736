// Cross-attention: the queries of one sequence read keys and values of another (ops/attention.h).
#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "ops/attend.h"
#include "ops/attention.h"

namespace rum {
namespace {
struct Spans {  // of text s: m queries from row q on, n keys from row k on
  int64_t q, m, k, n;
};
Spans spans(const Layout& queries, const Layout& memory, int64_t s) {
  const int32_t *a = queries.offsets.data<int32_t>(), *b = memory.offsets.data<int32_t>();
  return {a[s], a[s + 1] - a[s], b[s], b[s + 1] - b[s]};
}

void forward(const Tensor& q, const Tensor& kv, Heads hs, const Layout& queries, const Layout& memory,
             Tensor& y, Tensor& lse) {
  by_type(q.dtype(), [&]<class T> {
    using S = Stats<T>;
    const int64_t c = y.shape()[1], d = c / hs.query, width = kv.shape()[1], group = hs.query / hs.kv;
    const int64_t texts = queries.offsets.size() - 1, end = queries.offsets.data<int32_t>()[texts];
    std::fill(y.data<T>() + end * c, y.data<T>() + y.size(), T{});
    parallel(texts * hs.kv, [&](int64_t piece) {
      const int64_t s = piece / hs.kv, g = piece % hs.kv, step = padded<S>(d);
      const Spans t = spans(queries, memory, s);
      T* to = y.data<T>() + t.q * c;
      if (t.n == 0)  // nothing to see
        for (int64_t i = 0; i < t.m; ++i) std::fill_n(to + i * c + g * group * d, group * d, T{});
      if (t.m == 0 || t.n == 0) return;
      const int64_t wide = padded<S>(t.n);
      Scratch<S> scratch(wide * d + (2 * t.n + t.m + kMicroRows) * step + kMicroRows * wide);
      S *p = scratch.take(kMicroRows * wide), *o = scratch.take(kMicroRows * step);
      const T* from = kv.data<T>() + t.k * width + g * d;
      const MatrixView<const S> values = head_rows<T>({from + width / 2, width}, t.n, d, scratch);
      const MatrixView<const S> keys =
          panels_of(head_rows<T>({from, width}, t.n, d, scratch), t.n, d, scratch);
      for (int64_t h = g * group; h < (g + 1) * group; ++h) {
        Scratch<S> again = scratch;
        attend(
            broadcast(head_rows<T>({q.data<T>() + t.q * c + h * d, c}, t.m, d, again)), keys, values, t.m, d,
            [&](int64_t) { return t.n; }, p, wide, o,
            [&](int64_t i, const S* row, S factor, S z) {
              put_row(to + i * c + h * d, row, factor, d);
              lse.data<S>()[(t.q + i) * hs.query + h] = z;
            });
      }
    });
  });
}

// The gradients of one head are derived in ops/attend.h. Query heads with the same keys and values add up.
void backward(const Tensor& q, const Tensor& kv, Heads hs, const Layout& queries, const Layout& memory,
              const Tensor& y, const Tensor& lse, const Tensor& dy, const Grad& dq, const Grad& dkv) {
  by_type(q.dtype(), [&]<class T> {
    using S = Stats<T>;
    const int64_t c = y.shape()[1], d = c / hs.query, width = kv.shape()[1], group = hs.query / hs.kv;
    const int64_t texts = queries.offsets.size() - 1;
    T *out_q = dq ? dq.to().data<T>() : nullptr, *out_kv = dkv ? dkv.to().data<T>() : nullptr;
    const bool add_q = dq && dq.add(), add_kv = dkv && dkv.add();
    if (out_q && !add_q) std::fill(out_q, out_q + q.size(), T{});  // rows in no text, texts without memory
    if (out_kv && !add_kv) std::fill(out_kv, out_kv + kv.size(), T{});
    parallel(texts * hs.kv, [&](int64_t piece) {
      const int64_t s = piece / hs.kv, g = piece % hs.kv, step = padded<S>(d);
      const Spans t = spans(queries, memory, s);
      if (t.m == 0 || t.n == 0) return;
      const int64_t wide = padded<S>(t.n);
      Scratch<S> scratch(2 * wide * d + (4 * t.n + 3 * t.m + kMicroRows) * step + 2 * kBlock * wide);
      S *p = scratch.take(kBlock * wide), *ds = scratch.take(kBlock * wide),
        *row = scratch.take(kMicroRows * step), *dk = scratch.take(t.n * step),
        *dv = scratch.take(t.n * step);
      std::fill(dk, dk + t.n * step, S{0});
      std::fill(dv, dv + t.n * step, S{0});
      const T* from = kv.data<T>() + t.k * width + g * d;
      const MatrixView<const S> keys = head_rows<T>({from, width}, t.n, d, scratch);
      const MatrixView<const S> key_panels = panels_of(keys, t.n, d, scratch);
      const MatrixView<const S> value_panels =
          panels_of(head_rows<T>({from + width / 2, width}, t.n, d, scratch), t.n, d, scratch);
      for (int64_t h = g * group; h < (g + 1) * group; ++h) {
        Scratch<S> again = scratch;
        const int64_t at = t.q * c + h * d;
        const Piece<S> x{head_rows<T>({q.data<T>() + at, c}, t.m, d, again),
                         keys,
                         key_panels,
                         value_panels,
                         head_rows<T>({y.data<T>() + at, c}, t.m, d, again),
                         head_rows<T>({dy.data<T>() + at, c}, t.m, d, again),
                         lse.data<S>() + t.q * hs.query + h,
                         hs.query,
                         t.m,
                         t.n,
                         d};
        attend_backward(
            x, [&](int64_t) { return t.n; }, p, ds, row, dk, dv,
            [&](int64_t i, S* r) {
              if (out_q) put_gradient(out_q + at + i * c, r, d, add_q);
            });
      }
      for (int64_t i = 0; out_kv && i < t.n; ++i) {
        T* to = out_kv + (t.k + i) * width + g * d;
        put_gradient(to, dk + i * step, d, add_kv);
        put_gradient(to + width / 2, dv + i * step, d, add_kv);
      }
    });
  });
}
const bool provided = kernels::cross_attention_forward.provide(DeviceKind::cpu, forward) &&
                      kernels::cross_attention_backward.provide(DeviceKind::cpu, backward);

std::vector<Sample> samples() {
  auto sample = [&](const char* label, const Tensor& q, const Tensor& kv, Heads hs,
                    const std::vector<int32_t>& to, const std::vector<int32_t>& from) -> Sample {
    return {label,
            {q, kv},
            [hs, a = Layout{Tensor::ints(to), {}, {}},
             b = Layout{Tensor::ints(from), {}, {}}](std::span<const Tensor> in) {
              return cross_attention(in[0], in[1], hs, a.to(in[0].device()), b.to(in[0].device()));
            },
            {},
            {{"heads", {static_cast<double>(hs.query), static_cast<double>(hs.kv)}},
             {"queries", {to.begin(), to.end()}},
             {"memory", {from.begin(), from.end()}}}};
  };
  return {sample("three texts", noise({9, 6}, 1), noise({11, 12}, 2), {2, 2}, {0, 4, 8, 9}, {0, 2, 10, 11}),
          sample("4:2 heads", noise({5, 12}, 1), noise({6, 12}, 2), {4, 2}, {0, 3, 5}, {0, 5, 6}),
          sample("4:1 heads, a text without memory", noise({5, 8}, 1), noise({4, 4}, 2), {4, 1}, {0, 3, 5},
                 {0, 4, 4}),
          sample("rows in no text", noise({6, 4}, 1), noise({7, 8}, 2), {1, 1}, {0, 3, 5, 5}, {0, 2, 6, 6}),
          sample("one query, one key", noise({1, 5}, 1), noise({1, 10}, 2), {1, 1}, {0, 1}, {0, 1}),
          sample("beyond a block", noise({60, 34}, 1), noise({70, 68}, 2), {2, 2}, {0, 53, 60}, {0, 67, 70})};
}
const Op op{"cross_attention", "y = softmax(q k' / sqrt(d)) v per head and text; k, v from another sequence",
            samples};
}  // namespace

Tensor cross_attention(const Tensor& q, const Tensor& kv, Heads hs, const Layout& queries,
                       const Layout& memory) {
  check_inputs("cross_attention", {q, kv});
  check_heads("cross_attention", hs);
  const int64_t d = q.shape()[-1] / hs.query;
  RUM_CHECK(q.shape().rank == 2 && kv.shape().rank == 2 && q.shape()[1] == hs.query * d &&
                kv.shape()[1] == 2 * hs.kv * d && d > 0 && q.dtype() == kv.dtype(),
            "cross_attention: q {} for {} heads, kv {} for 2 x {}", str(q.shape()), hs.query, str(kv.shape()),
            hs.kv);
  check_offsets("cross_attention, queries", queries.offsets, q);
  check_offsets("cross_attention, memory", memory.offsets, kv);
  RUM_CHECK(queries.offsets.size() == memory.offsets.size(), "cross_attention: {} texts ask, {} answer",
            queries.offsets.size() - 1, memory.offsets.size() - 1);
  Tensor y = Tensor::like(q);
  Tensor lse = Tensor::empty({q.shape()[0], hs.query}, stats_type(q.dtype()), q.device());
  kernels::cross_attention_forward(q.device(), q, kv, hs, queries, memory, y, lse);
  // The closure keeps what is needed of the layouts: their offsets.
  record(op, {y}, {q, kv}, [q, kv, y, lse, hs, a = queries.offsets, b = memory.offsets](Tensors dy, Grads d) {
    kernels::cross_attention_backward(q.device(), q, kv, hs, Layout{a, {}, {}}, Layout{b, {}, {}}, y, lse,
                                      dy[0], d[0], d[1]);
  });
  return y;
}
}  // namespace rum
