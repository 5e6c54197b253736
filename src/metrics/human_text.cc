#include "metrics/human_text.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/threads.h"
#include "text/words.h"

namespace rum::metrics {
void HumanText::add(std::span<const std::string> lines) {
  constexpr size_t kLines = 4096;
  std::vector<std::vector<std::string>> part((lines.size() + kLines - 1) / kLines);
  parallel(static_cast<int64_t>(part.size()), [&](int64_t piece) {
    const auto begin = static_cast<size_t>(piece) * kLines;
    for (size_t i = begin; i < std::min(begin + kLines, lines.size()); ++i)
      for (std::string& w : words(lines[i])) part[static_cast<size_t>(piece)].push_back(std::move(w));
  });
  for (std::vector<std::string>& found : part) {
    words_ += static_cast<int64_t>(found.size());
    for (std::string& w : found) ++counts_[std::move(w)];
  }
}
double HumanText::information(std::string_view word) const {
  return std::log2(static_cast<double>(std::max<int64_t>(words_, 1)) /
                   static_cast<double>(std::max<int64_t>(count(word), 1)));
}
}  // namespace rum::metrics
