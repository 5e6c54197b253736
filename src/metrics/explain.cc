#include "metrics/explain.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/names.h"

namespace rum::metrics {
namespace {
std::vector<const Explanation*>& registry() {
  static std::vector<const Explanation*> all;
  return all;
}
}  // namespace
Explanation::Explanation(const char* n, const char* t, const char* d, const char* s, const char* x)
    : name(n),
      title(t),
      definition(d),
      source(s),
      disagreements(x) {
  auto& all = registry();
  all.insert(std::upper_bound(all.begin(), all.end(), this,
                              [](const Explanation* a, const Explanation* b) {
                                return std::strcmp(a->name, b->name) < 0;
                              }),
             this);
}
std::span<const Explanation* const> Explanation::all() { return registry(); }

std::string explain(std::string_view asked) {
  const auto known = [](std::string_view name) {
    return std::ranges::any_of(Explanation::all(), [&](const Explanation* e) { return name == e->name; });
  };
  std::string_view name = asked;
  while (!known(name) && name.find('_') != name.npos) name = name.substr(0, name.rfind('_'));
  const Explanation& e = find_named(Explanation::all(), known(name) ? name : asked, "measure");
  std::string out = fmt::format("{}\n\n{}\n\nSource: {}\n", e.title, e.definition, e.source);
  if (*e.disagreements) out += fmt::format("Tools disagree: {}\n", e.disagreements);
  return out;
}
}  // namespace rum::metrics
