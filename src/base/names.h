// Look-up by name: things that have a `name`, in a list of them or of pointers to them.
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.h"

namespace rum {
template <class T>
const auto& pointed_at(const T& x) {
  if constexpr (std::is_pointer_v<T>)
    return *x;
  else
    return x;
}
template <class Things>
std::vector<std::string> names_of(const Things& all) {
  std::vector<std::string> out;
  for (const auto& x : all) out.emplace_back(pointed_at(x).name);
  return out;
}
// The first of them with this name. Error: "no WHAT "name"", with a suggestion and the list of those there
// are.
template <class Things>
const auto& find_named(const Things& all, std::string_view name, std::string_view what) {
  for (const auto& x : all)
    if (pointed_at(x).name == name) return pointed_at(x);
  fail(fmt::format("no {} \"{}\"{}", what, name, known_names(name, names_of(all))));
}
}  // namespace rum
