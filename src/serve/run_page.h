// `ruminate inspect --html`: runs as one self-contained page, with their curves overlaid, and a few
// validation texts as the first run's model sees them.
#pragma once
#include <span>
#include <string>

namespace rum::serve {
class RunPages {  // of the same folders, again and again
 public:
  // refresh: seconds after which a browser reloads the page while a run is unfinished; 0: never. FileError: a
  // folder that is not a run.
  std::string html(std::span<const std::string> folders, int64_t refresh = 0);
  static bool finished(std::span<const std::string> folders);  // are all of them finished?

 private:
  // The part about validation texts is kept until there are new weights: a model or other checkpoints.
  std::string weights_, seen_;
};
}  // namespace rum::serve
