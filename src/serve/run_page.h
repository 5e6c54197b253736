// `ruminate inspect --html`: runs as one page that needs nothing beside it, with their curves over each
// other, and what the first one makes of a few validation texts.
#pragma once
#include <map>
#include <span>
#include <string>
#include <utility>

namespace rum::serve {
class RunPages {
 public:
  // refresh: after this many seconds a browser reads the page again, as long as a run is not finished; 0:
  // never. FileError: a folder that is not a run.
  std::string html(std::span<const std::string> folders, int64_t refresh = 0);
  static bool finished(std::span<const std::string> folders);  // all of them

 private:
  // What the weights make of texts is kept until there are new ones.
  std::map<std::string, std::pair<std::string, std::string>> seen_;  // by folder: which weights, HTML
};
}  // namespace rum::serve
