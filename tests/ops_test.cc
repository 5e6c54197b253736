// Nine properties of every sample of every op, the ninth of those alone that name a composition. The registry
// is walked, so a new op is tested without an edit here, and fails until its formula is in tests/formulas.cc
// (or each of its samples names a composition). CUDA's kernels, and steps replayed: tests/cuda.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>

#include "autograd/tape.h"
#include "base/error.h"
#include "base/random.h"
#include "base/threads.h"
#include "formulas.h"
#include "ops/add.h"
#include "ops/columns.h"
#include "tests/error_of.h"

namespace rum::ops_test {
namespace {
const StepInputs kInputs{3, 1, 7, 1e-3f, 1, 1, 2.5f};
constexpr int kMutations = 60;    // of each sample; a fifth of that of large ones
constexpr int64_t kLarge = 5000;  // numbers in all inputs
constexpr double kStep = 1e-5;    // of the differences
constexpr int64_t kFull = 512;    // up to this many numbers get a full Jacobian, more a random projection
using Values = std::vector<double>;

struct Case {
  const Op* op;
  size_t sample;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.op->name << " " << c.sample; }
const std::vector<Sample>& samples(const Op& op) {
  static std::map<const Op*, std::vector<Sample>> all;
  auto [at, fresh] = all.try_emplace(&op);
  if (fresh) at->second = op.samples();
  return at->second;
}
std::vector<Case> cases(bool fused_only = false) {
  std::vector<Case> out;
  for (const Op* op : Op::all())
    for (size_t i = 0; i < samples(*op).size(); ++i)
      if (!fused_only || samples(*op)[i].reference) out.push_back({op, i});
  return out;
}
std::string spelled(std::string s) {
  std::erase_if(s, [](char c) { return c == ','; });
  for (char& c : s) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return s;
}
std::string case_name(const testing::TestParamInfo<Case>& i) {
  return spelled(std::string(i.param.op->name) + "__" + samples(*i.param.op)[i.param.sample].label);
}

// ---- running a sample -------------------------------------------------------------------------------------
bool real(const Tensor& t) { return t.dtype() == DType::f64; }  // what is differentiated and cast
Tensor cast(const Tensor& t, DType to) {
  Values v;
  for (int64_t i = 0; i < t.size(); ++i) v.push_back(t.at(i));
  return Tensor::from<double>(v, t.shape(), to);
}
std::vector<Tensor> cast(const std::vector<Tensor>& in, DType to) {
  std::vector<Tensor> out;
  for (const Tensor& t : in) out.push_back(real(t) ? cast(t, to) : t);
  return out;
}
Tensor escaped(const Tensor& t) {  // a copy that outlives the step
  const OwnMemory own;
  return t.clone();
}
struct How {
  std::vector<bool> wanted = {};                // which inputs get a gradient; empty: all real ones
  std::optional<double> before = std::nullopt;  // previous contents of the gradients: `add` is on
  bool fixed = false;                           // the gradient must land in the given buffer
  std::vector<DType> grad_types = {};           // types of the gradients; empty: those of the inputs
};
struct Result {
  Tensor y;
  std::vector<Tensor> grads;  // empty if there is none
};
// y = f(inputs) and the gradient of sum(dy * y), dy given or noise. Handles that are equal share one slot.
Result run(const Apply& f, const std::vector<Tensor>& inputs, const How& how = {}, const Tensor& dy = {}) {
  Arena arena(DeviceKind::cpu);
  std::vector<GradSlot> slots;
  std::vector<size_t> slot_of;
  for (size_t i = 0; i < inputs.size(); ++i) {
    slots.push_back(GradSlot::of(inputs[i]));
    if (!how.grad_types.empty()) slots[i].dtype = how.grad_types[i];
    slot_of.push_back(i);
    for (size_t j = 0; j < i; ++j)
      if (inputs[j].body() == inputs[i].body() && slot_of[i] == i) slot_of[i] = j;
    if (how.before || how.fixed) {
      const Values v(static_cast<size_t>(inputs[i].size()), how.before.value_or(NAN));
      if (inputs[i].dtype() != DType::i32)
        slots[i].grad = Tensor::from<double>(v, inputs[i].shape(), slots[i].dtype);
      slots[i].written = how.before.has_value(), slots[i].fixed = how.fixed;
    }
  }
  Result out;
  {
    Tape tape(arena, Tape::Mode::record, &kInputs);
    std::vector<Tensor> x;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const bool want = inputs[i].dtype() != DType::i32 && (how.wanted.empty() || how.wanted[i]);
      x.push_back(slot_of[i] == i ? inputs[i].as(inputs[i].shape()) : x[slot_of[i]]);
      if (want && slot_of[i] == i) x[i].body()->leaf = &slots[i];
    }
    Tensor y = f(x);
    out.y = escaped(y);
    if (tape.wants(y)) tape.backward(y, dy ? dy.clone() : cast(noise(y.shape(), 99), y.dtype()));
    for (GradSlot& s : slots) out.grads.push_back(s.grad ? escaped(s.grad) : Tensor());
  }
  slots.clear();
  EXPECT_EQ(arena.in_use(), 0u) << "bytes left in the arena";
  return out;
}
std::vector<bool> wanted(const Sample& s) {
  std::vector<bool> w;
  for (const Tensor& t : s.inputs) w.push_back(real(t));
  return w;
}
Values forward(const Apply& f, const std::vector<Tensor>& inputs, Arena& arena) {
  Tape tape(arena, Tape::Mode::forward_only, &kInputs);
  const Tensor y = f(inputs);
  Values out(static_cast<size_t>(y.size()));
  for (int64_t i = 0; i < y.size(); ++i) out[static_cast<size_t>(i)] = y.at(i);
  return out;
}
double dot(const Values& a, const Tensor& b) {
  double sum = 0;
  for (int64_t i = 0; i < b.size(); ++i) sum += a[static_cast<size_t>(i)] * b.at(i);
  return sum;
}
// Largest distance, each over (root mean square of b + |b| + floor).
double worst(const Tensor& a, const Tensor& b, double floor = 1e-30) {
  double far = 0, square = 0;
  for (int64_t i = 0; i < b.size(); ++i) square += b.at(i) * b.at(i);
  const double rms = std::sqrt(square / static_cast<double>(b.size())) + floor;
  for (int64_t i = 0; i < b.size(); ++i) {
    const double d = std::abs(a.at(i) - b.at(i)) / (rms + std::abs(b.at(i)));
    far = std::isnan(d) ? INFINITY : std::max(far, d);
  }
  return far;
}
bool same_bits(const Tensor& a, const Tensor& b) {
  if (!a || !b) return !a && !b;
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.data<char>(), b.data<char>(), static_cast<size_t>(a.size()) * size_of(a.dtype())) == 0;
}
void expect_same_bits(const Result& a, const Result& b, const std::string& what) {
  EXPECT_TRUE(same_bits(a.y, b.y)) << what << ": values differ";
  for (size_t i = 0; i < a.grads.size(); ++i)
    EXPECT_TRUE(same_bits(a.grads[i], b.grads[i])) << what << ": gradient of input " << i << " differs";
}
Tensor sum(const Tensor& a, const Tensor& b) {  // in f64; empty counts as 0
  if (!a || !b) return a ? a : b;
  Tensor out = a.clone();
  for (int64_t i = 0; i < a.size(); ++i) out.data<double>()[i] += b.at(i);
  return out;
}
// Largest errors seen, printed at the end to show the margin of the tolerances.
std::map<std::string, double> measured;
double record_worst(const char* what, double v) {
  measured[what] = std::max(measured[what], v);
  return v;
}

class OpSample : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { set_threads(2); }
  const Op& op() const { return *GetParam().op; }
  const Sample& sample() const { return samples(op())[GetParam().sample]; }
};
INSTANTIATE_TEST_SUITE_P(All, OpSample, testing::ValuesIn(cases()), case_name);

// ---- 0 to 8 -----------------------------------------------------------------------------------------------
TEST_P(OpSample, P0Values) {
  const Sample& s = sample();
  const std::string name = op().name;
  Arena arena(DeviceKind::cpu);
  const Values y = forward(s.apply, s.inputs, arena);
  Values truth;
  if (has_formula(name)) {
    truth = formula(name, s, kInputs);
  } else {
    ASSERT_TRUE(s.reference) << "write the formula of " << name << " into tests/formulas.cc";
    truth = forward(s.reference, s.inputs, arena);
  }
  ASSERT_EQ(y.size(), truth.size());
  double far = 0;
  for (size_t i = 0; i < y.size(); ++i)
    far = std::max(far, std::abs(y[i] - truth[i]) / (1 + std::abs(truth[i])));
  EXPECT_LT(record_worst("forward values in f64, relative", far), 1e-12);
}

void check_jacobian(const Sample& s, const std::vector<Tensor>& in, int64_t outputs) {
  Arena arena(DeviceKind::cpu);
  const Shape shape = run(s.apply, in).y.shape();
  std::vector<Result> rows;  // of the Jacobian, one backward each
  for (int64_t k = 0; k < outputs; ++k) {
    Tensor dy = Tensor::from<double>(Values(static_cast<size_t>(outputs)), shape, DType::f64);
    dy.data<double>()[k] = 1;
    rows.push_back(run(s.apply, in, {wanted(s)}, dy));
  }
  for (size_t i = 0; i < in.size(); ++i)
    for (int64_t j = 0; real(in[i]) && j < in[i].size(); ++j) {
      double& v = in[i].data<double>()[j];
      const double keep = v;
      v = keep + kStep;
      const Values up = forward(s.apply, in, arena);
      v = keep - kStep;
      const Values down = forward(s.apply, in, arena);
      v = keep;
      for (int64_t k = 0; k < outputs; ++k) {
        const auto at = static_cast<size_t>(k);
        const double numeric = (up[at] - down[at]) / (2 * kStep);
        const double ours = rows[at].grads[i] ? rows[at].grads[i].at(j) : 0;
        record_worst("gradient in f64 against differences, absolute over 1 + |g|",
                     std::abs(ours - numeric) / (1 + std::abs(numeric)));
        ASSERT_LE(std::abs(ours - numeric), 1e-7 + 1e-6 * std::abs(numeric))
            << "d y[" << k << "] / d input " << i << "[" << j << "] is " << numeric << ", not " << ours;
      }
    }
}
// Along random directions, dense ones and single numbers, with differences of fourth order.
void check_projected(const Sample& s, const std::vector<Tensor>& in) {
  Arena arena(DeviceKind::cpu);
  const Result r = run(s.apply, in, {wanted(s)});
  const Tensor dy = noise(r.y.shape(), 99);
  std::vector<Tensor> at = cast(in, DType::f64);
  for (uint32_t direction = 0; direction < 12; ++direction)
    for (size_t i = 0; i < in.size(); ++i) {
      if (!real(in[i])) continue;
      Tensor u = noise(in[i].shape(), 1000 + direction);
      if (direction >= 3) {
        const int64_t one = Random{direction, Stream::sample}.bits({}).at[0] % u.size();
        for (int64_t j = 0; j < u.size(); ++j) u.data<double>()[j] = j == one ? 1 : 0;
      }
      auto value = [&](double h) {
        for (int64_t j = 0; j < u.size(); ++j) at[i].data<double>()[j] = in[i].at(j) + h * u.at(j);
        return dot(forward(s.apply, at, arena), dy);
      };
      const double h = 5e-5;
      const double numeric = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h);
      value(0);
      Values g(static_cast<size_t>(u.size()));
      for (int64_t j = 0; r.grads[i] && j < u.size(); ++j) g[static_cast<size_t>(j)] = r.grads[i].at(j);
      const double ours = dot(g, u);
      record_worst("gradient in f64 against differences, projected",
                   std::abs(ours - numeric) / (1 + std::abs(numeric)));
      ASSERT_LE(std::abs(ours - numeric), 1e-7 + 1e-6 * std::abs(numeric))
          << "input " << i << " along direction " << direction;
    }
}
TEST_P(OpSample, P1Gradient) {
  const Sample& s = sample();
  const std::vector<Tensor> in = cast(s.inputs, DType::f64);  // our own copies
  int64_t numbers = 0;
  for (const Tensor& t : in) numbers += real(t) ? t.size() : 0;
  const int64_t outputs = run(s.apply, in).y.size();
  if (numbers <= kFull && outputs <= kFull)
    check_jacobian(s, in, outputs);
  else
    check_projected(s, in);
}

TEST_P(OpSample, P2AddAndSharing) {
  const Sample& s = sample();
  const Result plain = run(s.apply, s.inputs, {wanted(s)});
  for (const bool fixed : {false, true}) {
    const Result added = run(s.apply, s.inputs, {wanted(s), 0.75, fixed});
    for (size_t i = 0; i < s.inputs.size(); ++i) {
      if (!real(s.inputs[i])) continue;
      const Tensor start = Tensor::from<double>(Values(static_cast<size_t>(s.inputs[i].size()), 0.75),
                                                s.inputs[i].shape(), DType::f64);
      EXPECT_LT(worst(added.grads[i], sum(start, plain.grads[i])), 1e-12) << "`add` of input " << i;
    }
  }
  const Result fixed = run(s.apply, s.inputs, {wanted(s), {}, true});
  for (size_t i = 0; i < s.inputs.size(); ++i) {
    if (!real(s.inputs[i]) || !plain.grads[i]) continue;
    EXPECT_TRUE(same_bits(fixed.grads[i], plain.grads[i])) << "into a given buffer, input " << i;
    std::vector<bool> alone(s.inputs.size());
    alone[i] = true;
    EXPECT_TRUE(same_bits(run(s.apply, s.inputs, {alone}).grads[i], plain.grads[i])) << "alone, input " << i;
  }
  // Two uses: the whole call twice, with inputs that are themselves results of ops.
  const Apply twice = [&](std::span<const Tensor> in) {
    std::vector<Tensor> v;
    for (const Tensor& t : in) v.push_back(t.dtype() == DType::f64 ? view(t, t.shape()) : t);
    return s.apply(v) + s.apply(v);
  };
  const Result both = run(twice, s.inputs, {wanted(s)});
  for (size_t i = 0; i < s.inputs.size(); ++i)
    if (plain.grads[i] && real(s.inputs[i])) {
      EXPECT_LT(worst(both.grads[i], sum(plain.grads[i], plain.grads[i])), 1e-12)
          << "two uses of input " << i;
    }
  // One tensor as two inputs: the sum of both gradients.
  for (size_t i = 0; i < s.inputs.size(); ++i)
    for (size_t j = i + 1; j < s.inputs.size(); ++j) {
      if (!real(s.inputs[i]) || !real(s.inputs[j]) || s.inputs[i].shape() != s.inputs[j].shape()) continue;
      std::vector<Tensor> copy = s.inputs, same = s.inputs;
      copy[j] = s.inputs[i].clone(), same[j] = s.inputs[i];
      const Result apart = run(s.apply, copy, {wanted(s)}), one = run(s.apply, same, {wanted(s)});
      const Tensor total = sum(apart.grads[i], apart.grads[j]);
      if (total) {
        EXPECT_LT(worst(one.grads[i], total), 1e-12) << "inputs " << i << " and " << j << " the same";
      }
    }
}

// The inputs of a matrix product, a table or a norm that are parameters, so that their gradients are f32
// under bf16.
std::vector<DType> parameter_types(const std::string& op, const std::vector<Tensor>& in, DType t) {
  static const std::map<std::string, size_t> first{
      {"linear", 1}, {"layernorm", 1}, {"rmsnorm", 1}, {"embedding", 1}, {"head_loss", 1}};
  std::vector<DType> types;
  for (const Tensor& x : in) types.push_back(x.dtype());
  if (const auto at = first.find(op); at != first.end())
    for (size_t i = at->second; i < in.size(); ++i)
      if (in[i].dtype() == t) types[i] = stats_type(t);
  return types;
}
TEST_P(OpSample, P3Types) {
  const Sample& s = sample();
  for (const DType t : {DType::f32, DType::bf16}) {
    const std::vector<Tensor> in = cast(s.inputs, t);
    std::vector<Tensor> rounded;  // the same numbers in f64
    for (size_t i = 0; i < in.size(); ++i)
      rounded.push_back(real(s.inputs[i]) ? cast(in[i], DType::f64) : in[i]);
    const Tensor y = run(s.apply, in).y, dy = cast(noise(y.shape(), 99), y.dtype());
    const double bound = t == DType::f32 ? op().tolerance.f32 : op().tolerance.bf16;
    // where the true value is 0, as in a norm of one column
    const double floor = t == DType::f32 ? 0.2 : 1e-3;
    const char* what = t == DType::f32 ? "f32 against f64, over RMS" : "bf16 against f64, over RMS";
    How how{wanted(s)};
    const Result exact = run(s.apply, rounded, how, cast(dy, DType::f64));
    how.grad_types = parameter_types(op().name, in, t);
    const Result ours = run(s.apply, in, how, dy);
    EXPECT_LE(record_worst(what, worst(ours.y, exact.y, floor)), bound) << "values";
    for (size_t i = 0; i < in.size(); ++i)
      if (exact.grads[i] && real(s.inputs[i])) {
        EXPECT_LE(record_worst(what, worst(ours.grads[i], exact.grads[i], floor)), bound)
            << "gradient of input " << i;
      }
  }
}

TEST_P(OpSample, P4SameBitsTwice) {
  for (const DType t : {DType::f32, DType::bf16}) {
    const std::vector<Tensor> in = cast(sample().inputs, t);
    expect_same_bits(run(sample().apply, in), run(sample().apply, in), "again");
  }
}
TEST_P(OpSample, P5AnyThreads) {
  for (const DType t : {DType::f32, DType::bf16}) {
    const std::vector<Tensor> in = cast(sample().inputs, t);
    set_threads(1);
    const Result one = run(sample().apply, in);
    for (const int n : {2, 3, 8}) {
      set_threads(n);
      expect_same_bits(one, run(sample().apply, in), std::to_string(n) + " threads");
    }
  }
}
TEST_P(OpSample, P6Poison) {  // newly taken and released memory is filled with NaN: nothing may read it
  for (const DType t : {DType::f32, DType::bf16, DType::f64}) {
    const std::vector<Tensor> in = cast(sample().inputs, t);
    const Result plain = run(sample().apply, in);
    Arena::set_poison(true);
    const Result poisoned = run(sample().apply, in);
    Arena::set_poison(false);
    expect_same_bits(plain, poisoned, "poison");
  }
}

// Changes one thing of one input: an axis, the rank, the type, a number of an index, or swaps two inputs.
void mutate(std::vector<Tensor>& in, const Bits4& b) {
  const size_t i = b.at[0] % in.size();
  Tensor& x = in[i];
  if (x.size() == 0) return;
  Shape s = x.shape();
  DType t = x.dtype();
  const int axis = s.rank > 0 ? static_cast<int>(b.at[1] % static_cast<uint32_t>(s.rank)) : 0;
  int64_t& n = s.axis[static_cast<size_t>(axis)];
  switch (b.at[2] % 10) {
    case 0:
      n += 1;
      break;
    case 1:
      n = std::max<int64_t>(n - 1, 1);
      break;
    case 2:
      n = n * 2 + b.at[3] % 3;
      break;
    case 3:
      n = 1;
      break;
    case 4:
      n = 0;
      break;
    case 5:
      s = Shape{s.size()};
      break;
    case 6:
      s = b.at[3] % 2 ? Shape{} : Shape{1, s.size(), 1};
      break;
    case 7:
      t = std::array{DType::f32, DType::bf16, DType::f64, DType::i32}[b.at[3] % 4];
      break;
    case 8:
      std::swap(in[i], in[b.at[3] % in.size()]);
      return;
    default:
      break;  // numbers only
  }
  Values v;
  for (int64_t j = 0; j < s.size(); ++j) v.push_back(x.at(j % x.size()));
  if (b.at[2] % 10 == 9 && !v.empty())
    v[b.at[1] % v.size()] = std::array{-1.0, 2147483647.0, -2147483648.0, 1e4}[b.at[3] % 4];
  x = Tensor::from<double>(v, s, t);
}
TEST_P(OpSample, P7Mutations) {
  const Sample& s = sample();
  int64_t numbers = 0;
  for (const Tensor& t : s.inputs) numbers += t.size();
  const int count = numbers > kLarge ? kMutations / 5 : kMutations;
  for (int k = 0; k < count; ++k) {
    std::vector<Tensor> in = cast(s.inputs, k % 3 == 0 ? DType::f32 : DType::f64);
    const Random random{static_cast<uint32_t>(k), Stream::sample};
    for (uint32_t m = 0; m <= static_cast<uint32_t>(k % 2); ++m)
      mutate(in, random.bits({m, static_cast<uint32_t>(GetParam().sample), 0, 0}));
    try {
      run(s.apply, in);
    } catch (const Error& e) {
      EXPECT_GT(std::strlen(e.what()), 10u) << "an error must be a sentence";
    } catch (const std::exception& e) {
      ADD_FAILURE() << "only Error may leave an op, not: " << e.what();
    }
  }
}

class Fused : public OpSample {};
INSTANTIATE_TEST_SUITE_P(All, Fused, testing::ValuesIn(cases(true)), case_name);
TEST_P(Fused, P8EqualsComposition) {
  const Sample& s = sample();
  const Result ours = run(s.apply, s.inputs, {wanted(s)}), plain = run(s.reference, s.inputs, {wanted(s)});
  EXPECT_LT(record_worst("fused against composition, f64, over RMS", worst(ours.y, plain.y)), 1e-12);
  for (size_t i = 0; i < s.inputs.size(); ++i)
    if (plain.grads[i]) {
      EXPECT_LT(
          record_worst("fused against composition, f64, over RMS", worst(ours.grads[i], plain.grads[i])),
          1e-12)
          << "input " << i;
    }
}
// ---- what is counted --------------------------------------------------------------------------------------
// A sum that nobody can write must not be lost in silence.
TEST(Ops, SumsOfColumnsRefuseAGradientOfAnotherType) {
  const auto one = [](int64_t, int64_t, auto) { return simd::all<float>(1); };
  const Tensor fits = Tensor::empty({3}, DType::f32, DeviceKind::cpu);
  GradSlot slot = GradSlot::in(fits);
  sum_columns<float, float>(Grad(&slot), 4, 3, one);
  for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(fits.at(i), 4);
  GradSlot wide = GradSlot::in(Tensor::empty({3}, DType::f64, DeviceKind::cpu));
  expect_error([&] { sum_columns<float, float>(Grad(&wide), 4, 3, one); },
               "no sum over rows in f32 for a gradient in f64");
}
TEST(Ops, AreSampledEnough) {
  size_t mutated = 0;
  for (const Op* op : Op::all()) {
    if (op == &recompute_op) continue;  // a function of functions: engine_test.cc
    EXPECT_GE(samples(*op).size(), 4u) << op->name << " has too few samples";
    EXPECT_GT(std::strlen(op->formula), 3u) << op->name;
    for (const Sample& s : samples(*op)) {
      int64_t numbers = 0;
      for (const Tensor& t : s.inputs) numbers += t.size();
      mutated += numbers > kLarge ? kMutations / 5 : kMutations;
    }
  }
  EXPECT_GE(mutated, 5000u) << "mutated calls";
  std::printf("%zu ops, %zu samples, %zu mutated calls\n", Op::all().size(), cases().size(), mutated);
}
class Summary : public testing::Environment {
  void TearDown() override {
    for (const auto& [what, value] : measured) std::printf("worst %-62s %.1e\n", what.c_str(), value);
  }
};
const auto* const summary = testing::AddGlobalTestEnvironment(new Summary);
}  // namespace
}  // namespace rum::ops_test
