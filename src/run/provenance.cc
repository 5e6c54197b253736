#include "run/provenance.h"

#include "base/file.h"
#include "base/hash.h"
#include "checkpoint/weights.h"

namespace rum {
std::string type_note(const LoadedRun& run) {
  if (run.dtype == DType::f32) return "";
  return run.dtype == DType::i8 ? " int8" : " bf16";
}
std::string run_name(const LoadedRun& run) {
  const std::string folder = without_end_slashes(run.config.folder);
  return folder.substr(folder.rfind('/') + 1);  // npos + 1 is 0
}
Provenance provenance_of(const LoadedRun& run, const Decoding& d, int64_t generation) {
  return {run_name(run), hex64(weights_hash(run.params)), describe(d) + type_note(run), d.seed, generation};
}
}  // namespace rum
