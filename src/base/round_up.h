// Rounding up to a multiple.
#pragma once
#include <type_traits>

namespace rum {
// The least multiple of `unit` that is not below n, which is at least 0.
template <class T>
constexpr T round_up(T n, std::type_identity_t<T> unit) {
  return (n + unit - 1) / unit * unit;
}
}  // namespace rum
