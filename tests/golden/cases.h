// Golden cases: files of {area, notes, cases: [{id, inputs, expected}]}. An area is a function that answers
// the cases of one kind from their inputs alone; golden_test.cc compares the answers with what is expected,
// and the program build/tests/golden_cases prints them for another judge.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/json.h"

namespace rum::golden {
// What is to be answered: the file whole, since one case may hold the texts of others.
struct Request {
  const Json& file;
  std::string folder;  // of the text files that cases name
};
using Emit = std::function<void(const std::string& id, Json got)>;

// Registered by a static of this type; `name` is how the file's "area" begins.
struct Area {
  std::string name;
  std::function<void(const Request&, const Emit&)> answer;
  Area(std::string name, std::function<void(const Request&, const Emit&)> answer);
  static const Area* find(std::string_view area);  // the longest name that fits, or null
};

// Reading cases; Error that names what is missing.
const Json& at(const Json&, std::string_view key);
double number(const Json&);
const std::string& text(const Json&);
std::vector<std::string> strings(const Json&);
std::vector<double> numbers(const Json&);    // the text "nan" is one
Json::Array list(std::span<const double>);   // NaN as null
std::string slurp(const std::string& path);  // FileError when it is not there
// Lines [from, to) of a file of the folder, which end at LF alone.
std::vector<std::string> lines(const Request&, const std::string& file, size_t from = 0,
                               size_t to = SIZE_MAX);

// Differences between what is expected and what was got, one line each; `compared` counts values.
// A field that is not answered is one, but for the numbers of tools that are not followed. Whole numbers and
// strings are equal or not (a signature up to its version); other numbers within 1e-9 + 1e-9
// |expected|, or as `tolerance(path)` says.
struct Tolerance {
  double absolute = 1e-9, relative = 1e-9;
};
void compare(const std::string& path, const Json& expected, const Json& got,
             const std::function<Tolerance(const std::string& path)>& tolerance,
             std::vector<std::string>& differences, int& compared);
Tolerance tolerance(const std::string& path);  // the rules of the collection; path: "area:id.field..."
}  // namespace rum::golden
