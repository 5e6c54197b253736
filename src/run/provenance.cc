#include "run/provenance.h"

#include "base/hash.h"
#include "checkpoint/weights.h"

namespace rum {
std::string type_note(const LoadedRun& run) {
  if (run.dtype == DType::f32) return "";
  return run.dtype == DType::i8 ? " int8" : " bf16";
}
Provenance provenance_of(const LoadedRun& run, const Decoding& d, int64_t generation) {
  std::string name = run.config.folder;
  while (name.ends_with('/')) name.pop_back();
  name = name.substr(name.rfind('/') + 1);  // npos + 1 is 0
  return {name, hex64(weights_hash(run.params)), describe(d) + type_note(run), d.seed, generation};
}
}  // namespace rum
