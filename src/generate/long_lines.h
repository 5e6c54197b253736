// Lines that are too long for a model, split into parts that fit.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace rum {
// The line where it fits; else as few parts as a greedy cut gives, at the ends of sentences (UAX #29), and of
// a sentence that does not fit at blanks. A word that does not fit is a part where `keep` says so, else left
// out; an empty line has no part. Parts have no blanks at their ends.
std::vector<std::string> split_to_fit(std::string_view line,
                                      const std::function<bool(std::string_view)>& fits,
                                      const std::function<bool(std::string_view)>& keep);
}  // namespace rum
