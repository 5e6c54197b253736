#include "parity.h"

#include <fmt/format.h>

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
double error(const std::string& kernel, DType type, const Tensor& got, const Tensor& truth) {
  const std::vector<double> a = numbers(got), b = numbers(truth);
  double square = 0, e = a.size() == b.size() ? 0 : INFINITY;
  for (const double x : b) square += x * x;
  // Where the truth is next to 0, as in a norm of one column, there is nothing to be relative to.
  const double rms = std::max(0.1, std::sqrt(square / static_cast<double>(b.size())));
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double d = std::abs(a[i] - b[i]) / std::max(rms, std::abs(b[i]) / 4);
    e = d <= e ? e : std::isnan(d) ? INFINITY : d;
  }
  double& w = worst[fmt::format("{} {}", kernel, name(type))];
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
}  // namespace rum::test
