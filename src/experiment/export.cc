#include "experiment/export.h"

#include "text/json.h"

namespace rum {
std::string chat_json_lines(const edits::Targets& targets, const std::string& instruction) {
  const auto message = [](const char* role, const std::string& content) {
    return Json(Json::Object{{"role", role}, {"content", content}});
  };
  std::string out;
  for (const Pair& t : targets.texts)
    out += to_json(Json(Json::Object{
               {"messages", Json(Json::Array{message("system", instruction), message("user", t.source),
                                             message("assistant", t.target)})}})) +
           "\n";
  return out;
}
}  // namespace rum
