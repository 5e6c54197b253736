// For the kinds of detectors: reading options that somebody typed, and what a file holds.
#pragma once
#include <string>
#include <vector>

#include "detect/detector.h"

namespace rum::detect {
class Options {
 public:
  Options(const char* detector, const Json::Object& given) : detector_(detector), given_(given) {}
  // Each puts the option's value, where there is one, into the variable. Error: of another type.
  Options& take(const char* name, std::string& to);
  Options& take(const char* name, int64_t& to);
  Options& take(const char* name, double& to);
  Options& take(const char* name, bool& to);
  Options& take(const char* name, std::vector<std::string>& to);
  void end() const;  // Error with a did-you-mean: an option that nobody took

 private:
  const Json* find(const char* name);
  [[noreturn]] void wrong(const char* name, const char* expected) const;
  const char* detector_;
  const Json::Object& given_;
  std::vector<std::string> known_;
};
// A tensor of float64 numbers by name; FileError: not there, or of another shape or type.
Tensor tensor_of(const Saved&, const char* name, const Shape&, const std::string& path);
}  // namespace rum::detect
