#include "edits/operation.h"

#include <fmt/format.h>

#include <map>
#include <ranges>

#include "base/file.h"
#include "base/names.h"

namespace rum::edits {
namespace {
std::map<std::string, const Operation*>& registered() {
  static std::map<std::string, const Operation*> operations;
  return operations;
}
}  // namespace

Operation::Operation(const char* n, int version, bool human, std::vector<OperationKey> k,
                     std::function<void(const StageContext&)> run, Kept what)
    : name(n),
      sees_human(human),
      keys(std::move(k)),
      kept(what) {
  const StageKind kind(n, version, false, std::move(run));
  registered()[name] = this;
}
std::vector<std::string> Operation::names() { return names_of(registered() | std::views::values); }
const Operation& Operation::named(const std::string& name) {
  return find_named(registered() | std::views::values, name, "operation");
}

metrics::Language target_language(const StageContext& x) {
  const JsonFields given = x.parameters();
  return metrics::language_named(given.has("language") ? given.text("language") : "en").rules;
}
void write_summary(const StageContext& x, std::string summary, Json::Object numbers) {
  numbers.insert(numbers.begin(), {"summary", std::move(summary)});
  Disk::real().replace_text(x.folder + "/match.json", to_json(Json(std::move(numbers)), 1) + "\n");
}
}  // namespace rum::edits
