#include "base/unfinished.h"

#include <fmt/format.h>

#include <random>

namespace rum {
constexpr std::string_view kOurs = ".ruminate", kEnd = ".tmp";

std::string unfinished_name(const std::string& path) {
  return fmt::format("{}{}-{:08x}{}", path, kOurs, std::random_device{}(), kEnd);
}
bool is_unfinished(std::string_view name) {
  if (!name.ends_with(kEnd)) return false;
  name.remove_suffix(kEnd.size());
  if (name.ends_with(kOurs)) return true;
  const size_t dash = name.rfind('-');
  return dash != std::string::npos && name.size() - dash == 9 && name.substr(0, dash).ends_with(kOurs) &&
         name.find_first_not_of("0123456789abcdef", dash + 1) == std::string::npos;
}
std::string finished_name(const std::string& path) {
  return is_unfinished(path) ? path.substr(0, path.rfind(kOurs)) : path;
}
}  // namespace rum
