#include "edits/operation.h"

#include <fmt/format.h>

#include <map>

#include "base/error.h"
#include "base/file.h"

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
std::vector<std::string> Operation::names() {
  std::vector<std::string> out;
  for (const auto& [name, _] : registered()) out.push_back(name);
  return out;
}
const Operation& Operation::named(const std::string& name) {
  if (const auto at = registered().find(name); at != registered().end()) return *at->second;
  fail(fmt::format("no operation \"{}\"{}", name, known_names(name, names())));
}

void write_summary(const StageContext& x, std::string summary, Json::Object numbers) {
  numbers.insert(numbers.begin(), {"summary", std::move(summary)});
  Disk::real().replace_text(x.folder + "/match.json", to_json(Json(std::move(numbers)), 1) + "\n");
}
}  // namespace rum::edits
