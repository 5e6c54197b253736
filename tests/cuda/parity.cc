#include "parity.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "tensor/backend.h"

namespace rum::test {
namespace {
std::map<std::string, double> worst;
std::vector<std::string> notes;

std::vector<double> numbers(const Tensor& t) {
  const Tensor on_cpu = cast(t.to(DeviceKind::cpu), DType::f64);
  return {on_cpu.data<double>(), on_cpu.data<double>() + on_cpu.size()};
}
}  // namespace

Tensor cast(const Tensor& t, DType to) {
  if (t.dtype() == to || t.dtype() == DType::i32) return t;
  Tensor out = Tensor::empty(t.shape(), to, DeviceKind::cpu);
  by_type(t.dtype(), [&]<class T> {
    by_type(to, [&]<class G> {
      for (int64_t i = 0; i < t.size(); ++i)
        out.data<G>()[i] = static_cast<G>(static_cast<Stats<G>>(t.data<T>()[i]));
    });
  });
  return out;
}
// The largest error of storing x in bf16: half of the distance between neighbours.
static double half_step(double x) {
  int exponent = 0;
  std::frexp(x, &exponent);  // |x| = 0.5..1 times 2^exponent, with 8 bits of it kept
  return x == 0 ? 0 : std::ldexp(1, exponent - 9);
}
double distance(const Tensor& got, const Tensor& truth) {
  const std::vector<double> a = numbers(got), b = numbers(truth);
  double square = 0, e = a.size() == b.size() ? 0 : INFINITY;
  for (const double x : b) square += x * x;
  // If the true values are close to 0, as in a norm of one column, a relative error is meaningless.
  const double rms = std::max(0.1, std::sqrt(square / static_cast<double>(b.size())));
  const auto width = static_cast<size_t>(truth.shape().rank > 0 ? truth.shape()[-1] : 1);
  double row = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (i % width == 0) {
      row = 0;
      for (size_t j = i; j < i + width; ++j) row += b[j] * b[j];
      row = std::sqrt(row / static_cast<double>(width));
    }
    const bool rounded = got.dtype() == DType::bf16;
    const double gap = std::abs(a[i] - b[i]), own = rounded ? std::max(gap - half_step(b[i]), 0.0) : gap,
                 d = own / std::max({rms, row, rounded ? 0 : std::abs(b[i]) / 4});
    e = std::isfinite(gap) ? std::max(e, d) : INFINITY;
  }
  return e;
}
double error(const std::string& kernel, DType type, const Tensor& got, const Tensor& truth) {
  double& w = worst[fmt::format("{} {}", kernel, name(type))];
  const double e = distance(got, truth);
  w = std::max(w, e);
  return e;
}
void note(const std::string& line) { notes.push_back(line); }
std::string evidence() {
  std::string text = "device: " + Backend::of(kCuda).describe() + "\n";
  for (const auto& [kernel, e] : worst) text += fmt::format("{:<34} {:.2e}\n", kernel, e);
  for (const std::string& n : notes) text += n + "\n";
  return text;
}
Both::Both(const Tensor& f64, DType t) {
  const Tensor rounded = cast(f64, t);
  cuda = rounded.to(kCuda), cpu = cast(rounded, DType::f64).clone();
}
Both numbers(Shape s, DType t, uint32_t seed, double scale) { return {noise(s, seed, scale), t}; }
// Near 1: in products of two wide factors the largest of 64k numbers exceeds 10 RMS, and half a bf16 step of
// that alone is above the limit.
Both near_one(int64_t n, DType t, uint32_t seed) {
  Tensor w = noise({n}, seed, 0.2);
  for (int64_t i = 0; i < n; ++i) w.data<double>()[i] += 1;
  return {w, t};
}
Both room(Shape s, DType t) {
  Both b;
  b.cuda = Tensor::empty(s, t, kCuda), b.cpu = Tensor::empty(s, DType::f64, kCpu);
  return b;
}
Slots::Slots(const Both& start, bool add) {
  cuda = GradSlot::of(start.cuda), cpu = GradSlot::of(start.cpu);
  cuda.grad = start.cuda, cpu.grad = start.cpu;
  cuda.fixed = cpu.fixed = true;
  cuda.written = cpu.written = add;
}
void expect(const char* kernel, DType t, const Tensor& got, const Tensor& truth) {
  EXPECT_LE(error(kernel, t, got, truth), limit(t)) << kernel << " " << name(t) << " " << str(truth.shape());
}
}  // namespace rum::test
