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

std::string explain(std::string_view name) {
  const Explanation& e = find_named(Explanation::all(), name, "measure");
  std::string out = fmt::format("{}\n\n{}\n\nSource: {}\n", e.title, e.definition, e.source);
  if (*e.disagreements) out += fmt::format("Tools disagree: {}\n", e.disagreements);
  return out;
}
}  // namespace rum::metrics
