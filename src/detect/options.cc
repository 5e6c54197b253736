#include "detect/options.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace rum::detect {
void Options::wrong(const std::string& name, const std::string& expected, const Json& found) const {
  const bool repeated = found.array() && expected.find("list") == std::string::npos;  // on the command line
  fail(fmt::format("{}: option \"{}\": expected {}{}, found {}", detector_, name, expected,
                   repeated ? ", once" : "", to_json(found)));
}
void Options::end() const {
  if (const std::string* name = unknown())
    fail(fmt::format("{}: no option \"{}\"{}", detector_, *name, known_names(*name, known())));
}

Tensor tensor_of(const Saved& saved, const char* name, const Shape& shape, const std::string& path) {
  for (const auto& [key, tensor] : saved.tensors) {
    if (key != name) continue;
    if (tensor.dtype() != DType::f64 || !(tensor.shape() == shape))
      throw FileError(fmt::format(
          "{}: tensor \"{}\" has another shape or type than the detector's settings ask for", path, name));
    const std::span values(tensor.data<double>(), static_cast<size_t>(tensor.size()));
    if (!std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); }))
      throw FileError(
          fmt::format("{}: tensor \"{}\" holds what is no number: the file is damaged", path, name));
    return tensor;
  }
  throw FileError(fmt::format("{}: the detector has no tensor \"{}\"", path, name));
}
}  // namespace rum::detect
