#include "detect/options.h"

#include <algorithm>

#include "base/error.h"

namespace rum::detect {
const Json* Options::find(const char* name) {
  known_.emplace_back(name);
  for (const auto& [key, value] : given_)
    if (key == name) return &value;
  return nullptr;
}
void Options::wrong(const char* name, const char* expected) const {
  fail(fmt::format("{}: option \"{}\": expected {}", detector_, name, expected));
}
Options& Options::take(const char* name, std::string& to) {
  if (const Json* found = find(name)) {
    if (!found->text()) wrong(name, "a text");
    to = *found->text();
  }
  return *this;
}
Options& Options::take(const char* name, int64_t& to) {
  if (const Json* found = find(name))
    if (!found->whole(to)) wrong(name, "an integer");
  return *this;
}
Options& Options::take(const char* name, double& to) {
  if (const Json* found = find(name))
    if (!found->number(to)) wrong(name, "a number");
  return *this;
}
Options& Options::take(const char* name, bool& to) {
  if (const Json* found = find(name)) {
    if (!found->boolean()) wrong(name, "true or false");
    to = *found->boolean();
  }
  return *this;
}
Options& Options::take(const char* name, std::vector<std::string>& to) {
  const Json* found = find(name);
  if (found == nullptr) return *this;
  to.clear();
  if (found->text()) {
    to.push_back(*found->text());
    return *this;
  }
  if (!found->array()) wrong(name, "a list of texts");
  for (const Json& item : *found->array()) {
    if (!item.text()) wrong(name, "a list of texts");
    to.push_back(*item.text());
  }
  return *this;
}
void Options::end() const {
  for (const auto& [key, value] : given_)
    RUM_CHECK(std::find(known_.begin(), known_.end(), key) != known_.end(),
              "{}: no option \"{}\"; there are {}{}", detector_, key, fmt::join(known_, ", "),
              did_you_mean(key, known_));
}

Tensor tensor_of(const Saved& saved, const char* name, const Shape& shape, const std::string& path) {
  for (const auto& [key, tensor] : saved.tensors) {
    if (key != name) continue;
    if (tensor.dtype() != DType::f64 || !(tensor.shape() == shape))
      throw FileError(fmt::format(
          "{}: tensor \"{}\" has another shape or type than the detector's settings ask for", path, name));
    return tensor;
  }
  throw FileError(fmt::format("{}: the detector has no tensor \"{}\"", path, name));
}
}  // namespace rum::detect
