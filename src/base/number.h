// Numbers that people and files write, read in one way: the same in every locale.
#pragma once
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace rum {
// The number that the whole of the text is; nothing when anything stands before or after it, a blank or a plus
// included, or when T does not hold it. A real may be "inf" or "nan"; only whole numbers have a base.
template <class T>
std::optional<T> number_in(std::string_view text, int base = 10) {
  T value{};
  const char* const end = text.data() + text.size();
  std::from_chars_result read{};
  if constexpr (std::is_floating_point_v<T>)
    read = std::from_chars(text.data(), end, value);
  else
    read = std::from_chars(text.data(), end, value, base);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return value;
}
}  // namespace rum
