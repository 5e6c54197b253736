#include "gpt.h"

#include <cmath>

namespace reference {
namespace {
using Row = std::vector<double>;  // also for matrices, row by row
using Index = std::size_t;
const double kEpsilon = static_cast<double>(1e-5f);

struct Normed {
  Row y, hat, scale;
};
Normed norm(const Row& x, Index c, const Row& weight, const Row* bias) {
  Normed o{Row(x.size()), Row(x.size()), Row(x.size() / c)};
  for (Index i = 0; i < x.size() / c; ++i) {
    double mean = 0, square = 0;
    for (Index j = 0; bias && j < c; ++j) mean += x[i * c + j];
    mean /= static_cast<double>(c);
    for (Index j = 0; j < c; ++j) square += (x[i * c + j] - mean) * (x[i * c + j] - mean);
    o.scale[i] = 1 / std::sqrt(square / static_cast<double>(c) + kEpsilon);
    for (Index j = 0; j < c; ++j) {
      o.hat[i * c + j] = (x[i * c + j] - mean) * o.scale[i];
      o.y[i * c + j] = o.hat[i * c + j] * weight[j] + (bias ? (*bias)[j] : 0);
    }
  }
  return o;
}
Row norm_back(const Row& dy, const Normed& n, const Row& weight, Row& dweight, Row* dbias) {
  const Index c = weight.size();
  Row dx(dy.size());
  for (Index i = 0; i < dy.size() / c; ++i) {
    double a = 0, b = 0;
    for (Index j = 0; j < c; ++j) {
      const double d = dy[i * c + j], h = n.hat[i * c + j];
      dweight[j] += d * h;
      if (dbias) (*dbias)[j] += d, a += d * weight[j] / static_cast<double>(c);
      b += d * weight[j] * h / static_cast<double>(c);
    }
    for (Index j = 0; j < c; ++j)
      dx[i * c + j] = n.scale[i] * (dy[i * c + j] * weight[j] - a - n.hat[i * c + j] * b);
  }
  return dx;
}
Row linear(const Row& x, Index in, const Row& w, const Row* bias) {
  const Index out = w.size() / in;
  Row y(x.size() / in * out);
  for (Index i = 0; i < x.size() / in; ++i)
    for (Index o = 0; o < out; ++o) {
      double sum = bias ? (*bias)[o] : 0;
      for (Index j = 0; j < in; ++j) sum += x[i * in + j] * w[o * in + j];
      y[i * out + o] = sum;
    }
  return y;
}
Row linear_back(const Row& dy, const Row& x, Index in, const Row& w, Row& dw, Row* dbias) {
  const Index out = w.size() / in;
  Row dx(x.size());
  for (Index i = 0; i < x.size() / in; ++i)
    for (Index o = 0; o < out; ++o) {
      const double d = dy[i * out + o];
      if (dbias) (*dbias)[o] += d;
      for (Index j = 0; j < in; ++j) dx[i * in + j] += d * w[o * in + j], dw[o * in + j] += d * x[i * in + j];
    }
  return dx;
}
double gelu(double x, double& slope) {
  const double root = std::sqrt(2 / M_PI), t = std::tanh(root * (x + 0.044715 * x * x * x));
  slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x);
  return 0.5 * x * (1 + t);
}
double silu(double x, double& slope) {
  const double s = 1 / (1 + std::exp(-x));
  slope = s + x * s * (1 - s);
  return x * s;
}
Row plus(Row a, const Row& b) {
  for (Index i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

// Forward and backward of the model for one text.
class Pass {
 public:
  Pass(const Config& c, const Weights& w, Weights& g, const Text& t) : c_(c), w_(w), g_(g), text_(t) {
    for (Index i = 0; i < n_; ++i) {
      const int at = static_cast<int>(i), last = t.prefix - 1;
      place_.push_back(c.restart && t.prefix > 0 && at >= last ? at - last : at);
    }
  }
  double run(double total) {
    Row x(n_ * C_);
    for (Index i = 0; i < n_; ++i)
      for (Index j = 0; j < C_; ++j)
        x[i * C_ + j] = w_.at("tokens")[token(i) * C_ + j] +
                        (c_.llama ? 0 : w_.at("positions")[static_cast<Index>(place_[i]) * C_ + j]);
    blocks_.resize(static_cast<Index>(c_.layers));
    for (Index b = 0; b < blocks_.size(); ++b) x = block(x, b);
    const Normed last = norm(x, C_, at("last.weight"), bias("last.bias"));
    double loss = 0;
    Row dx =
        norm_back(head(last.y, total, loss), last, at("last.weight"), g_["last.weight"], dbias("last.bias"));
    for (Index b = blocks_.size(); b-- > 0;) dx = block_back(dx, b);
    for (Index i = 0; i < n_; ++i)
      for (Index j = 0; j < C_; ++j) {
        g_["tokens"][token(i) * C_ + j] += dx[i * C_ + j];
        if (!c_.llama) g_["positions"][static_cast<Index>(place_[i]) * C_ + j] += dx[i * C_ + j];
      }
    return loss;
  }

 private:
  struct Block {
    Normed norm1, norm2;
    Row qkv, share, mixed, up, inner;  // share: softmax of each head, (heads, n, n)
  };
  Index token(Index i) const { return static_cast<Index>(text_.tokens[i]); }
  const Row& at(const std::string& name) const { return w_.at(name); }
  const Row* bias(const std::string& name) const { return c_.llama ? nullptr : &w_.at(name); }
  Row* dbias(const std::string& name) { return c_.llama ? nullptr : &g_[name]; }
  bool sees(Index i, Index j) const {
    const auto p = static_cast<Index>(text_.prefix);
    return j <= i || (c_.prefix && i < p && j < p);
  }
  // Rotates queries and keys by their positions; sign -1 rotates gradients back.
  void rotate(Row& qkv, double sign) const {
    const Index all = qkv.size() / n_, d = D_, turned = static_cast<Index>(c_.heads + c_.kv_heads);
    for (Index i = 0; c_.llama && i < n_; ++i)
      for (Index h = 0; h < turned; ++h)
        for (Index k = 0; k < d / 2; ++k) {
          const double angle =
              sign * place_[i] * std::pow(c_.rope, -2.0 * static_cast<double>(k) / static_cast<double>(d));
          double &a = qkv[i * all + h * d + k], &b = qkv[i * all + h * d + k + d / 2];
          const double a0 = a, b0 = b;
          a = a0 * std::cos(angle) - b0 * std::sin(angle), b = a0 * std::sin(angle) + b0 * std::cos(angle);
        }
  }
  Index key(Index h) const {  // column of the key of head h; values stand kv_heads * D further
    return (static_cast<Index>(c_.heads) + h / static_cast<Index>(c_.heads / c_.kv_heads)) * D_;
  }
  Row block(const Row& x, Index number) {
    const std::string p = "block." + std::to_string(number) + ".";
    Block& b = blocks_[number];
    b.norm1 = norm(x, C_, at(p + "norm1.weight"), bias(p + "norm1.bias"));
    b.qkv = linear(b.norm1.y, C_, at(p + "qkv.weight"), bias(p + "qkv.bias"));
    rotate(b.qkv, 1);
    const Index all = b.qkv.size() / n_, v = static_cast<Index>(c_.kv_heads) * D_;
    b.share.assign(H_ * n_ * n_, 0), b.mixed.assign(n_ * C_, 0);
    for (Index h = 0; h < H_; ++h)
      for (Index i = 0; i < n_; ++i) {
        double sum = 0, *s = &b.share[(h * n_ + i) * n_];
        for (Index j = 0; j < n_; ++j) {
          if (!sees(i, j)) continue;
          for (Index k = 0; k < D_; ++k) s[j] += b.qkv[i * all + h * D_ + k] * b.qkv[j * all + key(h) + k];
          sum += s[j] = std::exp(s[j] / std::sqrt(static_cast<double>(D_)));
        }
        for (Index j = 0; j < n_; ++j) {
          s[j] /= sum;
          for (Index k = 0; k < D_; ++k)
            b.mixed[i * C_ + h * D_ + k] += s[j] * b.qkv[j * all + key(h) + v + k];
        }
      }
    const Row r = plus(x, linear(b.mixed, C_, at(p + "project.weight"), bias(p + "project.bias")));
    b.norm2 = norm(r, C_, at(p + "norm2.weight"), bias(p + "norm2.bias"));
    b.up = linear(b.norm2.y, C_, at(p + "feed.up.weight"), bias(p + "feed.up.bias"));
    b.inner.assign(n_ * F_, 0);
    double unused;
    for (Index i = 0; i < n_; ++i)
      for (Index j = 0; j < F_; ++j)
        b.inner[i * F_ + j] = c_.llama ? silu(b.up[i * 2 * F_ + j], unused) * b.up[i * 2 * F_ + F_ + j]
                                       : gelu(b.up[i * F_ + j], unused);
    return plus(r, linear(b.inner, F_, at(p + "feed.down.weight"), bias(p + "feed.down.bias")));
  }
  Row block_back(const Row& dy, Index number) {
    const std::string p = "block." + std::to_string(number) + ".";
    const Block& b = blocks_[number];
    auto back = [&](const std::string& name, const Row& d, const Row& x, Index in) {
      return linear_back(d, x, in, at(p + name + ".weight"), g_[p + name + ".weight"],
                         dbias(p + name + ".bias"));
    };
    const Row dinner = back("feed.down", dy, b.inner, F_);
    Row dup(b.up.size());
    for (Index i = 0; i < n_; ++i)
      for (Index j = 0; j < F_; ++j) {
        double slope;
        if (c_.llama) {
          const Index gate = i * 2 * F_ + j, value = gate + F_;
          dup[value] = dinner[i * F_ + j] * silu(b.up[gate], slope);
          dup[gate] = dinner[i * F_ + j] * b.up[value] * slope;
        } else {
          gelu(b.up[i * F_ + j], slope);
          dup[i * F_ + j] = dinner[i * F_ + j] * slope;
        }
      }
    const Row dr = plus(dy, norm_back(back("feed.up", dup, b.norm2.y, C_), b.norm2, at(p + "norm2.weight"),
                                      g_[p + "norm2.weight"], dbias(p + "norm2.bias")));
    const Row dmixed = back("project", dr, b.mixed, C_);
    Row dqkv(b.qkv.size());
    const Index all = b.qkv.size() / n_, v = static_cast<Index>(c_.kv_heads) * D_;
    for (Index h = 0; h < H_; ++h)
      for (Index i = 0; i < n_; ++i) {
        const double* s = &b.share[(h * n_ + i) * n_];
        Row ds(n_);
        double mean = 0;
        for (Index j = 0; j < n_; ++j)
          for (Index k = 0; k < D_; ++k) {
            const double d = dmixed[i * C_ + h * D_ + k];
            ds[j] += d * b.qkv[j * all + key(h) + v + k];
            dqkv[j * all + key(h) + v + k] += d * s[j];
          }
        for (Index j = 0; j < n_; ++j) mean += s[j] * ds[j];
        for (Index j = 0; j < n_; ++j)
          for (Index k = 0; k < D_; ++k) {
            const double d = s[j] * (ds[j] - mean) / std::sqrt(static_cast<double>(D_));
            dqkv[i * all + h * D_ + k] += d * b.qkv[j * all + key(h) + k];
            dqkv[j * all + key(h) + k] += d * b.qkv[i * all + h * D_ + k];
          }
      }
    rotate(dqkv, -1);
    return plus(dr, norm_back(back("qkv", dqkv, b.norm1.y, C_), b.norm1, at(p + "norm1.weight"),
                              g_[p + "norm1.weight"], dbias(p + "norm1.bias")));
  }
  // Output layer and smoothed cross-entropy; returns the gradient of its input.
  Row head(const Row& x, double total, double& loss) {
    const std::string name = c_.tied ? "tokens" : "head";
    const Row z = linear(x, C_, at(name), nullptr);
    Row dz(z.size());
    const auto v = static_cast<Index>(c_.vocab);
    for (Index i = 0; i + 1 < n_; ++i) {
      if (i + 1 < static_cast<Index>(text_.prefix)) continue;
      double sum = 0;
      for (Index j = 0; j < v; ++j) sum += std::exp(z[i * v + j]);
      for (Index j = 0; j < v; ++j) {
        const double p = std::exp(z[i * v + j]) / sum;
        const double q = (j == token(i + 1) ? 1 - c_.smoothing : 0) + c_.smoothing / c_.vocab;
        loss -= text_.weight / total * q * std::log(p);
        dz[i * v + j] = text_.weight / total * (p - q);
      }
    }
    return linear_back(dz, x, C_, at(name), g_[name], nullptr);
  }
  const Config& c_;
  const Weights& w_;
  Weights& g_;
  const Text& text_;
  const Index n_ = text_.tokens.size(), C_ = static_cast<Index>(c_.width), H_ = static_cast<Index>(c_.heads),
              D_ = C_ / H_, F_ = static_cast<Index>(c_.inner);
  std::vector<int> place_;
  std::vector<Block> blocks_;
};
}  // namespace

Outcome gpt(const Config& c, const Weights& w, const std::vector<Text>& texts, double total) {
  Outcome out;
  for (const auto& [name, values] : w) out.grads[name].assign(values.size(), 0);
  for (const Text& t : texts) out.loss += Pass(c, w, out.grads, t).run(total);
  return out;
}
}  // namespace reference
