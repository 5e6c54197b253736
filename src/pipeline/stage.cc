#include "pipeline/stage.h"

#include <fmt/format.h>

#include <ranges>

#include "base/error.h"
#include "base/hash.h"
#include "base/names.h"

namespace rum {
namespace {
std::map<std::string, StageKind>& kinds() {
  static std::map<std::string, StageKind> all;
  return all;
}
}  // namespace

StageKind::StageKind(const char* n, int v, bool r, std::function<void(const StageContext&)> f)
    : name(n),
      version(v),
      resumes(r),
      run(std::move(f)) {
  kinds().insert_or_assign(n, *this);
}
const StageKind& StageKind::named(const std::string& name) {
  return find_named(kinds() | std::views::values, name, "kind of stage");
}
std::string Stage::input(const std::string& name) const {
  for (const StageInput& i : inputs)
    if (i.name == name) return i.id;
  return "";
}
const std::string& StageContext::input(const std::string& name) const {
  for (size_t i = 0; i < folders.size(); ++i)
    if (stage.inputs[i].name == name) return folders[i];
  fail(fmt::format("{}: a stage of kind {} needs an input \"{}\"", stage.label, stage.kind, name));
}
std::vector<std::string> StageContext::inputs(const std::string& name) const {
  std::vector<std::string> out;
  for (size_t i = 0; i < folders.size(); ++i)
    if (stage.inputs[i].name == name) out.push_back(folders[i]);
  return out;
}

std::string Graph::add(std::string kind, std::string label, Json::Object parameters,
                       std::vector<StageInput> inputs, double cost, Json::Object hints) {
  Json::Array before;
  for (const StageInput& i : inputs) before.emplace_back(Json::Array{i.name, at(i.id).id});
  const Json whole(Json::Object{{"kind", kind},
                                {"version", StageKind::named(kind).version},
                                {"parameters", parameters},
                                {"inputs", std::move(before)}});
  std::string id = kind + "-" + hex64(hash64(to_json(whole)));
  if (by_id_.try_emplace(id, stages_.size()).second)
    stages_.push_back({id, std::move(kind), std::move(label), Json(std::move(parameters)),
                       Json(std::move(hints)), std::move(inputs), cost});
  return id;
}
const Stage& Graph::at(const std::string& id) const {
  const auto found = by_id_.find(id);
  RUM_CHECK(found != by_id_.end(), "no stage \"{}\" in this graph", id);
  return stages_[found->second];
}
}  // namespace rum
