#include "train/task.h"

#include "train/data.h"
#include "train/language_model.h"
#include "train/translation.h"

namespace rum {
std::unique_ptr<RunTask> make_task(const RunConfig& c, bool resume, Progress& progress) {
  check_named_files(c);
  if (c.kind == CorpusKind::pairs) return std::make_unique<Translation>(c, resume, progress);
  return std::make_unique<LanguageModel>(c, resume, progress);
}
}  // namespace rum
