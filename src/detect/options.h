// For the kinds of detectors: reading the user's options and the contents of files.
#pragma once
#include <string>
#include <vector>

#include "detect/detector.h"
#include "text/json_keys.h"

namespace rum::detect {
class Options : public JsonKeys {
 public:
  Options(const char* detector, const Json::Object& given) : JsonKeys(&given), detector_(detector) {}
  // Stores the option's value, if given, in the variable. Error: wrong type.
  template <class T>
  Options& take(const char* name, T& to) {
    read(name, to);
    return *this;
  }
  Options& take(const char* name, std::vector<std::string>& to) {
    read(name, to, true);
    return *this;
  }
  void end() const;  // Error with a suggestion: an option that was not read

 private:
  [[noreturn]] void wrong(const std::string& name, const std::string& expected, const Json&) const override;
  const char* detector_;
};
// A tensor of float64 numbers by name; FileError: missing, or of another shape or type.
Tensor tensor_of(const Saved&, const char* name, const Shape&, const std::string& path);
}  // namespace rum::detect
