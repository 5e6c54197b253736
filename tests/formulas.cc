#include "formulas.h"

#include <cmath>
#include <functional>
#include <map>

#include "autograd/tape.h"
#include "base/error.h"
#include "base/random.h"

namespace rum {
namespace {
using Values = std::vector<double>;
using Index = size_t;
Values values(const Tensor& t) {
  Values v;
  for (int64_t i = 0; i < t.size(); ++i) v.push_back(t.at(i));
  return v;
}
Index width(const Tensor& t) { return static_cast<Index>(t.shape()[-1]); }
// What the inputs do not say.
const Values& setting(const Sample& s, const std::string& name) {
  const auto at = s.settings.find(name);
  RUM_CHECK(at != s.settings.end(), "the sample \"{}\" does not give its {}", s.label, name);
  return at->second;
}
double times(const Sample& s) { return s.settings.contains("times") ? s.settings.at("times")[0] : 1; }

double logistic(double x) { return x < 0 ? 1 - 1 / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }

// Rows of `c`: (x - mean) / sqrt(variance + 1e-5), or x / sqrt(mean of squares + 1e-5).
Values normal(const Values& x, Index c, const Values& w, const Values& b) {
  Values y(x.size());
  for (Index i = 0; i < x.size(); i += c) {
    double mean = 0, square = 0;
    if (!b.empty())
      for (Index j = 0; j < c; ++j) mean += x[i + j] / static_cast<double>(c);
    for (Index j = 0; j < c; ++j) square += std::pow(x[i + j] - mean, 2) / static_cast<double>(c);
    for (Index j = 0; j < c; ++j)
      y[i + j] =
          (x[i + j] - mean) / std::sqrt(square + static_cast<double>(1e-5f)) * w[j] + (b.empty() ? 0 : b[j]);
  }
  return y;
}
Values plus(Values a, const Values& b) {
  for (Index i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}
Values scaled(Values a, double by) {
  for (double& x : a) x *= by;
  return a;
}
Values residual(const Sample& s, bool layer) {
  // with x alone, x is its own delta
  const Index parameters = layer ? 2 : 1, w = s.inputs.size() - parameters;
  const Values r = plus(values(s.inputs[0]), values(s.inputs[w - 1]));
  const Values y =
      normal(r, width(s.inputs[0]), values(s.inputs[w]), layer ? values(s.inputs[w + 1]) : Values());
  return plus(scaled(y, setting(s, "y")[0]), scaled(r, setting(s, "r")[0]));
}
Values product(const Values& x, const Values& w, Index k, const Values& bias) {  // x weight' + bias
  const Index n = x.size() / k, o = w.size() / k;
  Values y(n * o);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < o; ++j) {
      double sum = bias.empty() ? 0 : bias[j];
      for (Index e = 0; e < k; ++e) sum += x[i * k + e] * w[j * k + e];
      y[i * o + j] = sum;
    }
  return y;
}
Values head_loss(const Sample& s, const StepInputs& in) {
  const Index c = width(s.inputs[0]), v = static_cast<Index>(s.inputs[1].shape()[0]);
  const Values z = product(values(s.inputs[0]), values(s.inputs[1]), c, {});
  const double e = setting(s, "smoothing")[0];
  double total = 0;
  for (Index i = 0; i < z.size() / v; ++i) {
    double sum = 0;
    for (Index j = 0; j < v; ++j) sum += std::exp(z[i * v + j]);
    for (Index j = 0; j < v; ++j) {
      const double p = std::exp(z[i * v + j]) / sum;
      const double q = (static_cast<double>(j) == s.inputs[2].at(static_cast<int64_t>(i)) ? 1 - e : 0) +
                       e / static_cast<double>(v);
      total -= s.inputs[3].at(static_cast<int64_t>(i)) * q * std::log(p);
    }
  }
  return {total / static_cast<double>(in.total_weight)};
}
Values dropout(const Sample& s, const StepInputs& in) {
  Values v = values(s.inputs[0]);
  const double rate = setting(s, "rate")[0];
  const auto site = static_cast<uint32_t>(setting(s, "site")[0]);
  for (Index i = 0; i < v.size(); ++i) {
    const Bits4 b =
        Random{in.seed, Stream::dropout}.bits({in.step, in.micro, site, static_cast<uint32_t>(i / 4)});
    const bool dropped = static_cast<double>(b.at[i % 4] >> 8) / 16777216.0 < rate;
    v[i] = dropped ? 0 : v[i] / (1 - rate);
  }
  return v;
}
Values pool(const Sample& s) {
  const bool mean = setting(s, "mean")[0] != 0;
  const std::vector<Index> offsets(setting(s, "offsets").begin(), setting(s, "offsets").end());
  const Index c = width(s.inputs[0]);
  const Values x = values(s.inputs[0]);
  Values y;
  for (Index t = 0; t + 1 < offsets.size(); ++t)
    for (Index j = 0; j < c; ++j) {
      double sum = 0;
      for (Index i = offsets[t]; i < offsets[t + 1]; ++i)
        if (mean)
          sum += x[i * c + j] / static_cast<double>(offsets[t + 1] - offsets[t]);
        else
          sum = x[i * c + j];
      y.push_back(sum);
    }
  return y;
}

std::vector<int> whole(const Sample& s, const std::string& name) {
  return {setting(s, name).begin(), setting(s, name).end()};
}
Values self_attention(const Sample& s) {
  const std::vector<int> heads = whole(s, "heads");
  const Values mask = setting(s, "mask"), rope = setting(s, "rope");
  const int width = static_cast<int>(s.inputs[0].shape()[1]) / (heads[0] + 2 * heads[1]);
  return attention_by_definition({heads[0], heads[1], width, whole(s, "offsets"), whole(s, "prefix"),
                                  static_cast<int>(mask[0]), rope[0], rope[1], rope[2]},
                                 values(s.inputs[0]), static_cast<int>(s.inputs[0].shape()[0]));
}
Values cross_attention(const Sample& s) {
  const std::vector<int> heads = whole(s, "heads");
  const int width = static_cast<int>(s.inputs[0].shape()[1]) / heads[0];
  return cross_attention_by_definition({heads[0], heads[1], width, whole(s, "queries"), whole(s, "memory")},
                                       values(s.inputs[0]), values(s.inputs[1]));
}

using Formula = std::function<Values(const Sample&, const StepInputs&)>;
const std::map<std::string, Formula>& table() {
  static const std::map<std::string, Formula> all{
      {"add",
       [](const Sample& s, const StepInputs&) {
         const Values a = values(s.inputs[0]);
         return scaled(plus(a, s.inputs.size() > 1 ? values(s.inputs[1]) : a), times(s));
       }},
      {"view", [](const Sample& s, const StepInputs&) { return scaled(values(s.inputs[0]), times(s)); }},
      {"layernorm",
       [](const Sample& s, const StepInputs&) {
         return normal(values(s.inputs[0]), width(s.inputs[0]), values(s.inputs[1]), values(s.inputs[2]));
       }},
      {"rmsnorm",
       [](const Sample& s, const StepInputs&) {
         return normal(values(s.inputs[0]), width(s.inputs[0]), values(s.inputs[1]), {});
       }},
      {"residual_layernorm", [](const Sample& s, const StepInputs&) { return residual(s, true); }},
      {"residual_rmsnorm", [](const Sample& s, const StepInputs&) { return residual(s, false); }},
      {"linear",
       [](const Sample& s, const StepInputs&) {
         return product(values(s.inputs[0]), values(s.inputs[1]), width(s.inputs[0]),
                        s.inputs.size() > 2 ? values(s.inputs[2]) : Values());
       }},
      {"embedding",
       [](const Sample& s, const StepInputs&) {
         Values y;
         const auto c = static_cast<double>(s.inputs[1].shape()[1]);
         for (const double id : values(s.inputs[0]))
           for (double j = 0; j < c; ++j) y.push_back(s.inputs[1].at(static_cast<int64_t>(id * c + j)));
         return y;
       }},
      {"swiglu",
       [](const Sample& s, const StepInputs&) {
         const Values x = values(s.inputs[0]);
         const Index c = width(s.inputs[0]), f = c / 2;
         Values y;
         for (Index i = 0; i < x.size(); i += c)
           for (Index j = 0; j < f; ++j) y.push_back(x[i + j] * logistic(x[i + j]) * x[i + f + j]);
         return y;
       }},
      {"gelu",
       [](const Sample& s, const StepInputs&) {  // x times the logistic of twice tanh's argument
         Values v = values(s.inputs[0]);
         for (double& x : v) x *= logistic(2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
         return v;
       }},
      {"gelu_mlp",
       [](const Sample& s, const StepInputs&) {
         const bool biased = s.inputs.size() == 5;
         const Values x = values(s.inputs[0]), up = values(s.inputs[1]),
                      down = values(s.inputs[biased ? 3 : 2]);
         Values h = product(x, up, width(s.inputs[0]), biased ? values(s.inputs[2]) : Values());
         for (double& v : h) v *= logistic(2 * std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v));
         return product(h, down, width(s.inputs[biased ? 3 : 2]), biased ? values(s.inputs[4]) : Values());
       }},
      {"dropout", dropout},
      {"head_loss", head_loss},
      {"pool", [](const Sample& s, const StepInputs&) { return pool(s); }},
      {"attention", [](const Sample& s, const StepInputs&) { return self_attention(s); }},
      {"cross_attention", [](const Sample& s, const StepInputs&) { return cross_attention(s); }},
  };
  return all;
}
}  // namespace

bool has_formula(const std::string& op) { return table().count(op) > 0; }
std::vector<double> formula(const std::string& op, const Sample& sample, const StepInputs& inputs) {
  RUM_CHECK(has_formula(op), "tests/formulas.cc has no formula for the op {}", op);
  return table().at(op)(sample, inputs);
}

std::vector<int> places(const AttentionCase& c, int rows) {
  std::vector<int> at(static_cast<Index>(rows));
  for (Index s = 0; s + 1 < c.offsets.size(); ++s)
    for (int i = c.offsets[s]; i < c.offsets[s + 1]; ++i) {
      const int place = i - c.offsets[s], last = c.prefix[s] - 1;
      at[static_cast<Index>(i)] = c.restart && last >= 0 && place >= last ? place - last : place;
    }
  return at;
}
namespace {
// softmax(q k' / sqrt d) v of one query over the keys that begin in `memory` at `seen`, with their values
// `to_value` behind them; 0 where there are none.
void attend(const double* q, const Values& memory, const std::vector<Index>& seen, Index to_value, Index d,
            double* y) {
  double sum = 0;
  for (const Index k : seen) {
    double z = 0;
    for (Index e = 0; e < d; ++e) z += q[e] * memory[k + e];
    const double p = std::exp(z / std::sqrt(static_cast<double>(d)));
    sum += p;
    for (Index e = 0; e < d; ++e) y[e] += p * memory[k + to_value + e];
  }
  for (Index e = 0; sum > 0 && e < d; ++e) y[e] /= sum;
}
// By wavelengths, as Llama 3.1's own code has it.
double frequency(const AttentionCase& c, int pair) {
  const double f = std::pow(c.rope, -2.0 * pair / c.width), turns = c.context * f / (2 * M_PI);
  if (c.factor == 1 || turns > 4) return f;
  if (turns < 1) return f / c.factor;
  return f / c.factor + (turns - 1) / 3 * (f - f / c.factor);
}
}  // namespace
std::vector<double> attention_by_definition(const AttentionCase& c, const Values& qkv, int rows) {
  const int d = c.width, all = (c.heads + 2 * c.kv_heads) * d, out = c.heads * d, half = d / 2;
  const std::vector<int> at = places(c, rows);
  Values x = qkv, y(static_cast<Index>(rows * out));
  for (int row = 0; c.rope > 0 && row < rows; ++row)
    for (int begin = row * all; begin < row * all + out + c.kv_heads * d; begin += d)  // of a query or key
      for (int k = 0; k < half; ++k) {
        const double angle = at[static_cast<Index>(row)] * frequency(c, k);
        const auto first = static_cast<Index>(begin + k), second = static_cast<Index>(begin + k + half);
        x[first] = qkv[first] * std::cos(angle) - qkv[second] * std::sin(angle);
        x[second] = qkv[second] * std::cos(angle) + qkv[first] * std::sin(angle);
      }
  for (Index s = 0; s + 1 < c.offsets.size(); ++s)
    for (int i = c.offsets[s]; i < c.offsets[s + 1]; ++i)
      for (int h = 0; h < c.heads; ++h) {
        const int key = (c.heads + h / (c.heads / c.kv_heads)) * d, end = c.offsets[s] + c.prefix[s];
        std::vector<Index> seen;
        for (int j = c.offsets[s]; j < c.offsets[s + 1]; ++j)
          if (c.mask == 1 || j <= i || (c.mask == 2 && i < end && j < end))
            seen.push_back(static_cast<Index>(j * all + key));
        attend(&x[static_cast<Index>(i * all + h * d)], x, seen, static_cast<Index>(c.kv_heads * d),
               static_cast<Index>(d), &y[static_cast<Index>(i * out + h * d)]);
      }
  return y;
}
std::vector<double> cross_attention_by_definition(const CrossAttentionCase& c, const Values& q,
                                                  const Values& kv) {
  const int d = c.width, out = c.heads * d, half = c.kv_heads * d;
  Values y(q.size());
  for (Index s = 0; s + 1 < c.queries.size(); ++s)
    for (int i = c.queries[s]; i < c.queries[s + 1]; ++i)
      for (int h = 0; h < c.heads; ++h) {
        std::vector<Index> seen;
        for (int j = c.memory[s]; j < c.memory[s + 1]; ++j)
          seen.push_back(static_cast<Index>(j * 2 * half + h / (c.heads / c.kv_heads) * d));
        const auto at = static_cast<Index>(i * out + h * d);
        attend(&q[at], kv, seen, static_cast<Index>(half), static_cast<Index>(d), &y[at]);
      }
  return y;
}
}  // namespace rum
