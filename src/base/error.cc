#include "base/error.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace rum {
void fail(const std::string& message) { throw Error(message); }

namespace {
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t swap = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, swap});
    }
  }
  return row[b.size()];
}
}  // namespace

std::string did_you_mean(std::string_view wrong, std::span<const std::string> known) {
  constexpr size_t kLongest = 100;  // no name of ours is longer; a hostile file's may have megabytes
  if (wrong.size() > kLongest) return "";
  const std::string* best = nullptr;
  size_t least =
      std::min(wrong.size(), 1 + (wrong.size() + 2) / 3);  // a name of other letters alone is not near
  for (const std::string& k : known)
    if (const size_t d = edit_distance(wrong, k); d < least) {
      least = d;
      best = &k;
    }
  return best ? fmt::format("; did you mean \"{}\"?", *best) : "";
}
std::string known_names(std::string_view wrong, std::span<const std::string> known) {
  if (known.empty()) return "; there are none";
  const std::string guess = did_you_mean(wrong, known);
  const bool commas = std::any_of(known.begin(), known.end(),
                                  [](const std::string& k) { return k.find(',') != std::string::npos; });
  return fmt::format("{} {}",
                     guess.empty() ? "; known:" : guess + " Known:", fmt::join(known, commas ? "; " : ", "));
}
}  // namespace rum
