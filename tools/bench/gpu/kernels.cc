// The table: every kernel of cuda/ at the sizes of a GPT, with the least that it must move or
// calculate. Bytes count each input once and each output once; what stays small beside them (means,
// positions) is left out.
#include <memory>
#include <numeric>
#include <tuple>

#include "cuda/ladder/ladder.h"
#include "generate/sampler.h"
#include "ops/add.h"
#include "ops/dropout.h"
#include "ops/embedding.h"
#include "ops/gelu.h"
#include "ops/gelu_mlp.h"
#include "ops/gemm.h"
#include "ops/pool.h"
#include "ops/swiglu.h"
#include "optim/adamw.h"
#include "tools/bench/gpu/bench.h"

namespace rum::bench {
namespace {
double real(int64_t n) { return static_cast<double>(n); }
double bytes(const Tensor& t) { return real(t.size()) * real(static_cast<int64_t>(size_of(t.dtype()))); }
// A gradient to be written; lives as long as the work that holds it.
std::shared_ptr<GradSlot> slot(Shape s, DType t) {
  auto made = std::make_shared<GradSlot>(GradSlot{s, t, kCuda, Tensor::empty(s, t, kCuda)});
  made->fixed = true;
  return made;
}
Tensor step_inputs() {
  const StepInputs in{.learning_rate = 1e-6f};
  const Tensor t = Tensor::empty({sizeof in / 4}, DType::i32, kCuda);
  Backend::of(kCuda).upload(t.data<void>(), &in, sizeof in);
  return t;
}
Tensor constant(int64_t n, int64_t value) {  // (n) i32
  const std::vector<int32_t> v(static_cast<size_t>(n), static_cast<int32_t>(value));
  return Tensor::from<int32_t>(v, {n}, DType::i32, kCuda);
}
// `texts` of `length` rows each, `before` of each being in a cache.
Layout layout(int64_t texts, int64_t length, Mask mask, int64_t before = 0) {
  std::vector<int32_t> offsets, places;
  for (int64_t s = 0; s <= texts; ++s) offsets.push_back(static_cast<int32_t>(s * length));
  for (int64_t i = 0; i < texts * length; ++i) places.push_back(static_cast<int32_t>(before + i % length));
  return {Tensor::from<int32_t>(offsets, {texts + 1}, DType::i32, kCuda), constant(texts, 0),
          Tensor::from<int32_t>(places, {texts * length}, DType::i32, kCuda), mask};
}
Heads heads(const Sizes& s) { return {static_cast<int>(s.heads), static_cast<int>(s.heads)}; }

Work product(int64_t m, int64_t n, int64_t k, GemmFlags f, DType in, DType out, bool biased, double in_step) {
  const Tensor a = filled(f.transpose_a ? Shape{k, m} : Shape{m, k}, in),
               b = filled(f.transpose_b ? Shape{n, k} : Shape{k, n}, in),
               bias = biased ? filled({n}, in) : Tensor();
  Tensor c = Tensor::empty({m, n}, out, kCuda);
  return {.flops = 2 * real(m) * real(n) * real(k), .in_step = in_step, .run = [=]() mutable {
            gemm(a, b, c, f, bias);
          }};
}
// The three products of a linear layer of the model: y = x w', dx = dy w, dw = dy' x in f32. One of them the
// step has with GELU in it; where there is a bias, its gradient comes with dw.
void linear_layer(std::vector<Case>& to, const char* layer, DType t, auto in, auto out, auto in_step,
                  std::string_view with_gelu = "") {
  const std::string name = std::string("gemm ") + layer;
  const double y_in_step = with_gelu == "y" ? 0 : 1, dx_in_step = with_gelu == "dx" ? 0 : 1;
  const bool biased = std::string_view(layer) != "head";
  to.push_back({name + " y", t, [=](const Sizes& s) {
                  return product(s.tokens(), out(s), in(s), {.transpose_b = true}, t, t, biased,
                                 y_in_step * in_step(s));
                }});
  to.push_back({name + " dx", t, [=](const Sizes& s) {
                  return product(s.tokens(), in(s), out(s), {}, t, t, false, dx_in_step * in_step(s));
                }});
  to.push_back({name + " dw", t, [=](const Sizes& s) {
                  return product(out(s), in(s), s.tokens(), {.transpose_a = true}, t, DType::f32, false,
                                 biased ? 0 : in_step(s));
                }});
  if (!biased) return;
  to.push_back(
      {std::string("linear_backward_weights ") + layer, t, [=](const Sizes& s) {
         const Tensor dy = filled({s.tokens(), out(s)}, t), x = filled({s.tokens(), in(s)}, t);
         const auto dw = slot({out(s), in(s)}, DType::f32), db = slot({out(s)}, DType::f32);
         return Work{
             .flops = 2 * real(s.tokens()) * real(in(s)) * real(out(s)), .in_step = in_step(s), .run = [=] {
               kernels::linear_backward_weights(kCuda, dy, x, Grad(dw.get()), Grad(db.get()));
             }};
       }});
  to.push_back({std::string("sum_rows ") + layer, t, [=](const Sizes& s) {
                  const Tensor dy = filled({s.tokens(), out(s)}, t);
                  const auto db = slot({out(s)}, DType::f32);
                  return Work{.bytes = bytes(dy),
                              .run = [=] { kernels::sum_rows(kCuda, dy, Grad(db.get())); }};
                }});
}
void products(std::vector<Case>& to, DType t) {
  const auto width = [](const Sizes& s) { return s.width; };
  const auto each = [](const Sizes& s) { return real(s.layers); };
  linear_layer(
      to, "qkv", t, width, [](const Sizes& s) { return 3 * s.width; }, each);
  linear_layer(to, "project", t, width, width, each);
  linear_layer(
      to, "up", t, width, [](const Sizes& s) { return 4 * s.width; }, each, "y");
  linear_layer(
      to, "down", t, [](const Sizes& s) { return 4 * s.width; }, width, each, "dx");
  linear_layer(
      to, "head", t, width, [](const Sizes& s) { return s.vocab; }, [](const Sizes&) { return 1.0; });
}

// The two products of a feed-forward block that end in GELU and in its slope.
void products_with_gelu(std::vector<Case>& to, DType t) {
  auto work = [](const Sizes& s) {
    return Work{.flops = 2 * real(s.tokens()) * real(s.width) * real(4 * s.width), .in_step = real(s.layers)};
  };
  to.push_back({"linear_gelu", t, [=](const Sizes& s) {
                  Tensor x = filled({s.tokens(), s.width}, t), w = filled({4 * s.width, s.width}, t),
                         bias = filled({4 * s.width}, t),
                         pre = Tensor::empty({s.tokens(), 4 * s.width}, t, kCuda), h = Tensor::like(pre);
                  Work made = work(s);
                  made.run = [=]() mutable { kernels::linear_gelu(kCuda, x, w, bias, pre, h); };
                  return made;
                }});
  to.push_back({"linear_gelu_backward", t, [=](const Sizes& s) {
                  Tensor dy = filled({s.tokens(), s.width}, t), w = filled({s.width, 4 * s.width}, t),
                         pre = filled({s.tokens(), 4 * s.width}, t), dpre = Tensor::like(pre);
                  Work made = work(s);
                  made.run = [=]() mutable { kernels::linear_gelu_backward(kCuda, dy, w, pre, dpre); };
                  return made;
                }});
}

// y = f(x) and its gradient, number by number; `from` numbers of x make one of y.
template <auto& kForward, auto& kBackward>
void by_number(std::vector<Case>& to, const std::string& name, DType t, int64_t from, auto in_step) {
  to.push_back({name + "_forward", t, [=](const Sizes& s) {
                  Tensor x = filled({s.tokens(), 4 * from * s.width}, t),
                         y = Tensor::empty({s.tokens(), 4 * s.width}, t, kCuda);
                  return Work{.bytes = bytes(x) + bytes(y), .in_step = in_step(s), .run = [=]() mutable {
                                kForward(kCuda, x, y);
                              }};
                }});
  to.push_back({name + "_backward", t, [=](const Sizes& s) {
                  const Tensor x = filled({s.tokens(), 4 * from * s.width}, t),
                               dy = filled({s.tokens(), 4 * s.width}, t);
                  const auto dx = slot(x.shape(), t);
                  return Work{.bytes = 2 * bytes(x) + bytes(dy), .in_step = in_step(s), .run = [=] {
                                kBackward(kCuda, x, dy, Grad(dx.get()));
                              }};
                }});
}

// Layer norm or RMS norm. residual: r = x + delta comes first, as in every norm of a GPT.
Work norm_forward(const Sizes& s, DType t, bool layer, bool residual, double in_step) {
  const Shape shape{s.tokens(), s.width};
  Tensor x = filled(shape, t), delta = residual ? filled(shape, t) : Tensor(),
         r = residual ? Tensor::empty(shape, t, kCuda) : x, y = Tensor::empty(shape, t, kCuda),
         weight = filled({s.width}, t), bias = filled({s.width}, t),
         mean = Tensor::empty({s.tokens()}, DType::f32, kCuda), rstd = Tensor::like(mean);
  return {.bytes = (residual ? 4 : 2) * bytes(x), .in_step = in_step, .run = [=]() mutable {
            if (layer)
              kernels::layernorm_forward(kCuda, x, delta, weight, bias, 1e-5f, r, y, mean, rstd);
            else
              kernels::rmsnorm_forward(kCuda, x, delta, weight, 1e-5f, r, y, rstd);
          }};
}
Work norm_backward(const Sizes& s, DType t, bool layer, double in_step) {
  const Shape shape{s.tokens(), s.width};
  const Tensor r = filled(shape, t), dy = filled(shape, t), weight = filled({s.width}, t),
               mean = filled({s.tokens()}, DType::f32), rstd = filled({s.tokens()}, DType::f32);
  const auto dr = slot(shape, t), dw = slot({s.width}, DType::f32), db = slot({s.width}, DType::f32);
  dr->written = true;  // added to what the next residual gave, as in a step
  return {.bytes = 4 * bytes(r), .in_step = in_step, .run = [=] {
            if (layer)
              kernels::layernorm_backward(kCuda, r, weight, mean, rstd, dy, Grad(dr.get()), Grad(dw.get()),
                                          Grad(db.get()));
            else
              kernels::rmsnorm_backward(kCuda, r, weight, rstd, dy, Grad(dr.get()), Grad(dw.get()));
          }};
}
void norms(std::vector<Case>& to, DType t) {
  to.push_back({"layernorm_forward", t, [=](const Sizes& s) { return norm_forward(s, t, true, false, 0); }});
  to.push_back({"layernorm_forward, residual", t,
                [=](const Sizes& s) { return norm_forward(s, t, true, true, real(2 * s.layers + 1)); }});
  to.push_back({"layernorm_backward", t,
                [=](const Sizes& s) { return norm_backward(s, t, true, real(2 * s.layers + 1)); }});
  to.push_back(
      {"rmsnorm_forward, residual", t, [=](const Sizes& s) { return norm_forward(s, t, false, true, 0); }});
  to.push_back({"rmsnorm_backward", t, [=](const Sizes& s) { return norm_backward(s, t, false, 0); }});
}

// The config's own; as Llama has it, with heads twice as wide, in groups, turned by their positions (RoPE);
// or of a decoder to its encoder.
enum class Attends : uint8_t { itself, grouped, memory };
// Two products of (length x width of a head) forward and five backward; causal is half of it.
Work attention_work(const Sizes& s, DType t, Attends to, bool backward) {
  const bool cross = to == Attends::memory, grouped = to == Attends::grouped;
  const Heads h =
      grouped ? Heads{static_cast<int>(s.heads / 2), static_cast<int>((s.heads + 5) / 6)} : heads(s);
  const int64_t kv_width = s.width / h.query * h.kv;
  const Rope rope = grouped ? 10000.0f : 0.0f;
  Tensor q = filled({s.tokens(), s.width + (cross ? 0 : 2 * kv_width)}, t),
         kv = cross ? filled({s.tokens(), 2 * s.width}, t) : Tensor(),
         y = Tensor::empty({s.tokens(), s.width}, t, kCuda), dy = filled(y.shape(), t),
         lse = Tensor::empty({s.tokens(), h.query}, DType::f32, kCuda);
  const Layout l = layout(s.texts, s.length, Mask::causal);
  const auto dq = slot(q.shape(), t), dkv = cross ? slot(kv.shape(), t) : nullptr;
  const std::function<void()> forward = [=]() mutable {
    if (cross)
      kernels::cross_attention_forward(kCuda, q, kv, h, l, l, y, lse);
    else
      kernels::attention_forward(kCuda, q, h, l, 0, rope, y, lse);
  };
  forward();  // backward reads what it leaves
  const double one = 2 * real(s.tokens()) * real(s.length) * real(s.width) / (cross ? 1 : 2);
  const double in_step = to == Attends::itself ? real(s.layers) : 0;
  if (!backward) return {.flops = 2 * one, .in_step = in_step, .run = forward};
  return {.flops = 5 * one, .in_step = in_step, .run = [=] {
            if (cross)
              kernels::cross_attention_backward(kCuda, q, kv, h, l, l, y, lse, dy, Grad(dq.get()),
                                                Grad(dkv.get()));
            else
              kernels::attention_backward(kCuda, q, h, l, rope, y, lse, dy, Grad(dq.get()));
          }};
}
// One token for each text, each with `prompt + fresh - 1` before it in the cache.
struct Written {
  std::shared_ptr<Cache> cache;
  int64_t length;
  double bytes;  // keys and values of all
  Written(const Sizes& s, DType t)
      : cache(std::make_shared<Cache>(1, s.written, s.prompt + s.fresh, s.width, t, kCuda)),
        length(s.prompt + s.fresh - 1),
        bytes(2 * real(s.written * length * s.width) * real(static_cast<int64_t>(size_of(t)))) {
    cache->keys[0].copy_from(filled(cache->keys[0].shape(), t));
    cache->values[0].copy_from(filled(cache->values[0].shape(), t));
    cache->used.copy_from(constant(s.written, length));
  }
};
void attentions(std::vector<Case>& to, DType t) {
  for (const auto& [kind, name, like] : {std::tuple{Attends::itself, "attention", ""},
                                         {Attends::grouped, "attention", ", as in Llama"},
                                         {Attends::memory, "cross_attention", ""}})
    for (const bool backward : {false, true})
      to.push_back({std::string(name) + (backward ? "_backward" : "_forward") + like, t,
                    [=](const Sizes& s) { return attention_work(s, t, kind, backward); }});
  to.push_back({"attention_forward, one token, cache", t, [=](const Sizes& s) {
                  const Written w(s, t);
                  Tensor qkv = filled({s.written, 3 * s.width}, t),
                         y = Tensor::empty({s.written, s.width}, t, kCuda),
                         lse = Tensor::empty({s.written, s.heads}, DType::f32, kCuda);
                  Layout l = layout(s.written, 1, Mask::causal, w.length);
                  l.cache = w.cache.get();
                  return Work{.bytes = w.bytes, .run = [=, h = heads(s), cache = w.cache]() mutable {
                                kernels::attention_forward(kCuda, qkv, h, l, 0, 0, y, lse);
                              }};
                }});
  to.push_back({"cache_reorder, beam 4", t, [=](const Sizes& s) {
                  const Written w(s, t);
                  std::vector<Cache::Copy> moves;  // of four beams the last becomes a copy of the first
                  for (int32_t i = 0; i + 3 < s.written; i += 4) moves.push_back({i + 3, i});
                  return Work{
                      .bytes = 2 * w.bytes * real(std::ssize(moves)) / real(s.written),
                      .eager = true,
                      .run = [cache = w.cache, moves] { kernels::cache_reorder(kCuda, *cache, moves); }};
                }});
  to.push_back({"cache_advance", t, [=](const Sizes& s) {
                  const Layout l = layout(s.written, 1, Mask::causal);
                  Tensor used = constant(s.written, 0);
                  return Work{.bytes = 3 * bytes(used),
                              .run = [=]() mutable { kernels::cache_advance(kCuda, l.offsets, used); }};
                }});
}

void head_and_ends(std::vector<Case>& to, DType t) {
  to.push_back({"cross_entropy", t, [=](const Sizes& s) {
                  const int64_t n = s.tokens();
                  Tensor z = filled({n, s.vocab}, t), target = random_ids(n, s.vocab, 1),
                         weight = filled({n}, DType::f32), nll = Tensor::like(weight),
                         loss = Tensor::empty({1}, DType::f32, kCuda), in = step_inputs();
                  return Work{.bytes = 2 * bytes(z), .in_step = 1, .run = [=]() mutable {
                                kernels::cross_entropy(kCuda, z, target, weight, 0, in.data<StepInputs>(),
                                                       true, true, nll, loss);
                              }};
                }});
  for (const bool weights : {false, true})  // what backward does with the two gradients
    to.push_back({weights ? "scale dw" : "scale dx", t, [=](const Sizes& s) {
                    const Shape shape = weights ? Shape{s.vocab, s.width} : Shape{s.tokens(), s.width};
                    const Tensor x = filled(shape, weights ? DType::f32 : t),
                                 factor = filled({1}, DType::f32);
                    const auto y = slot(shape, x.dtype());
                    return Work{.bytes = 2 * bytes(x), .in_step = 1, .run = [=] {
                                  kernels::scale(kCuda, x, factor, Grad(y.get()));
                                }};
                  }});
  to.push_back({"embedding_forward", t, [=](const Sizes& s) {
                  Tensor ids = random_ids(s.tokens(), s.vocab, 1), table = filled({s.vocab, s.width}, t),
                         y = Tensor::empty({s.tokens(), s.width}, t, kCuda);
                  return Work{.bytes = 2 * bytes(y), .in_step = 2, .run = [=]() mutable {
                                kernels::embedding_forward(kCuda, ids, table, y);
                              }};
                }});
  for (const bool positions : {false, true})
    to.push_back({positions ? "embedding_backward, positions" : "embedding_backward", t, [=](const Sizes& s) {
                    const Tensor ids = positions ? layout(s.texts, s.length, Mask::causal).positions
                                                 : random_ids(s.tokens(), s.vocab, 1),
                                 dy = filled({s.tokens(), s.width}, t);
                    const auto d = slot({positions ? s.length : s.vocab, s.width}, DType::f32);
                    return Work{.bytes = bytes(dy) + bytes(d->grad), .in_step = 1, .run = [=] {
                                  kernels::embedding_backward(kCuda, ids, dy, Grad(d.get()));
                                }};
                  }});
  for (const Pooling kind : {Pooling::mean, Pooling::last}) {
    const std::string name = kind == Pooling::mean ? ", mean" : ", last";
    const int64_t part = kind == Pooling::mean ? 0 : 1;  // the last row of each text alone is read
    to.push_back(
        {"pool_forward" + name, t, [=](const Sizes& s) {
           Tensor x = filled({s.tokens(), s.width}, t), y = Tensor::empty({s.texts, s.width}, t, kCuda);
           const Layout l = layout(s.texts, s.length, Mask::causal);
           return Work{.bytes = (part == 0 ? bytes(x) : bytes(y)) + bytes(y),
                       .run = [=]() mutable { kernels::pool_forward(kCuda, x, l.offsets, kind, y); }};
         }});
    to.push_back({"pool_backward" + name, t, [=](const Sizes& s) {
                    const Tensor dy = filled({s.texts, s.width}, t);
                    const auto dx = slot({s.tokens(), s.width}, t);
                    const Layout l = layout(s.texts, s.length, Mask::causal);
                    return Work{.bytes = bytes(dy) + bytes(dx->grad), .run = [=] {
                                  kernels::pool_backward(kCuda, dy, l.offsets, kind, Grad(dx.get()));
                                }};
                  }});
  }
  for (const bool drawn : {false, true})
    to.push_back({drawn ? "choose, a draw" : "choose, the likeliest", t, [=](const Sizes& s) {
                    const Tensor z = filled({s.written, s.vocab}, t);
                    std::vector<Read> rows;
                    for (int32_t i = 0; i < s.written; ++i) rows.push_back({i, 0.5});
                    const auto room = [&] {
                      return Tensor::empty({std::ssize(rows), kChoiceWords}, DType::i32, kCuda);
                    };
                    const Tensor reads = room();
                    Tensor out = room();
                    Backend::of(kCuda).upload(reads.data<void>(), rows.data(), rows.size() * sizeof(Read));
                    return Work{.bytes = bytes(z), .run = [=]() mutable {
                                  const Sampling sampling;
                                  kernels::choose(kCuda, z, reads, drawn ? &sampling : nullptr, out);
                                }};
                  }});
}
void sums(std::vector<Case>& to, DType t) {
  to.push_back({"add", t, [=](const Sizes& s) {
                  Tensor a = filled({s.tokens(), s.width}, t), b = filled(a.shape(), t), y = Tensor::like(a);
                  return Work{.bytes = 3 * bytes(a), .run = [=]() mutable { kernels::add(kCuda, a, b, y); }};
                }});
  to.push_back({"accumulate", t, [=](const Sizes& s) {
                  const Tensor dy = filled({s.tokens(), s.width}, t);
                  const auto dx = slot(dy.shape(), t);
                  return Work{.bytes = 2 * bytes(dy),
                              .run = [=] { kernels::accumulate(kCuda, dy, Grad(dx.get())); }};
                }});
  to.push_back({"dropout", t, [=](const Sizes& s) {
                  const Tensor x = filled({s.tokens(), s.width}, t), in = step_inputs();
                  const auto y = slot(x.shape(), t);
                  return Work{.bytes = 2 * bytes(x), .run = [=] {
                                kernels::dropout(kCuda, x, 0.1f, 1, in.data<StepInputs>(), Grad(y.get()));
                              }};
                }});
}
struct Optimiser {
  ParameterBlock block;
  Gpt model;
  AdamW adamw;
  Optimiser(const Sizes& s, DType t) : model(Params(block), s.config()), adamw(made(t), {}) {}
  ParameterBlock& made(DType t) {
    block.materialise(kCuda, t, 1);
    block.grads().copy_from(filled(block.grads().shape(), DType::f32));
    return block;
  }
};
}  // namespace

std::vector<Case> limits() {
  std::vector<Case> all{
      {"copy", DType::f32, [](const Sizes& s) {
         const Tensor from = filled({s.copied / 4}, DType::f32);
         Tensor to = Tensor::like(from);
         // Not recorded: replayed from a graph it reached 2.8 TB/s on an H200, of 4.2.
         return Work{.bytes = 2 * bytes(from), .eager = true, .run = [=]() mutable { to.copy_from(from); }};
       }}};
  for (const DType t : {DType::bf16, DType::f32})
    all.push_back({"gemm, square", t, [=](const Sizes& s) {
                     return product(s.product, s.product, s.product, {.transpose_b = true}, t, t, false, 0);
                   }});
  return all;
}
std::vector<Case> kernels(DType t) {
  const auto never = [](const Sizes&) { return 0.0; };
  std::vector<Case> all;
  products(all, t);
  products_with_gelu(all, t);
  attentions(all, t);
  norms(all, t);
  by_number<kernels::gelu_forward, kernels::gelu_backward>(all, "gelu", t, 1, never);
  by_number<kernels::swiglu_forward, kernels::swiglu_backward>(all, "swiglu", t, 2, never);
  sums(all, t);
  head_and_ends(all, t);
  all.push_back(
      {"adamw with gradient_norm", t, [=](const Sizes& s) {  // g twice, m, v, w in and out, the shadow
         const auto o = std::make_shared<Optimiser>(s, t);
         const double each = 4 + 4 + 3 * 8 + (t == DType::bf16 ? 2 : 0);
         const Tensor in = step_inputs();
         return Work{.bytes = each * real(o->block.master().size()), .in_step = 1, .run = [=] {
                       o->adamw.step(in.data<StepInputs>());
                     }};
       }});
  return all;
}

std::vector<Case> ladder() {
  std::vector<Case> all;
  auto climb = [&](std::span<const cuda::LadderStep> steps, auto make) {  // shapes, bytes, flops
    for (const cuda::LadderStep& step : steps)
      all.push_back({std::string(step.op) + " " + std::to_string(step.number) + ": " + step.idea, step.type,
                     [=](const Sizes& s) {
                       auto [shapes, work] = make(s, real(static_cast<int64_t>(size_of(step.type))));
                       std::vector<Tensor> in;
                       for (const Shape& shape : shapes) in.push_back(filled(shape, step.type));
                       const Tensor out = Tensor::empty(work.first, step.type, kCuda);
                       Work w = work.second;
                       w.run = [=] { step.run(in, out); };
                       return w;
                     }});
  };
  using Made = std::pair<std::vector<Shape>, std::pair<Shape, Work>>;
  climb(cuda::matmul_ladder(), [](const Sizes& s, double) {
    const int64_t n = s.product / 2;
    return Made{{{n, n}, {n, n}}, {{n, n}, {.flops = 2 * real(n) * real(n) * real(n)}}};
  });
  climb(cuda::softmax_ladder(), [](const Sizes& s, double size) {
    const Shape x{s.tokens(), s.length};
    return Made{{x}, {x, {.bytes = 2 * size * real(x.size())}}};
  });
  climb(cuda::layernorm_ladder(), [](const Sizes& s, double size) {
    const Shape x{s.tokens(), s.width};
    return Made{{x, {s.width}, {s.width}}, {x, {.bytes = 2 * size * real(x.size())}}};
  });
  climb(cuda::attention_ladder(), [](const Sizes& s, double) {  // fewer texts: the first steps keep T x T
    const int64_t d = s.width / s.heads;
    const Shape q{s.heads * std::max<int64_t>(1, s.texts / 8), s.length, d};
    return Made{{q, q, q}, {q, {.flops = 2 * real(q.size()) * real(s.length)}}};
  });
  return all;
}
}  // namespace rum::bench
