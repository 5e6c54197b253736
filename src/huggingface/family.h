// The families of models that Hugging Face's folders hold and this engine computes: how they call their
// tensors, in one table for reading and for writing.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "model/gpt.h"

namespace rum {
// One of our layers and theirs. `#` stands for the number of a block; `.weight` and `.bias` are left out.
// Several of theirs stand one below the other in ours.
struct LayerNames {
  const char* ours;
  std::vector<const char*> theirs;
  bool transposed = false;  // their matrices are (in, out)
};
struct Family {
  const char* name;          // config.json: model_type
  const char* architecture;  // and the one of its `architectures` that writes text
  const char* prefix;        // of all their names but lm_head's; some files are without it
  std::span<const LayerNames> layers;
  std::span<const char* const> ignored;  // what else may be in their files: constants
};
std::span<const Family> families();
const Family* find_family(std::string_view name);  // or null

// Where one of our parameters is in their files, from its first row to its last.
struct Parts {
  std::vector<std::string> names;  // with the prefix
  std::vector<int64_t> rows;       // of each: (rows, ...), in our orientation
  bool transposed;
};
Parts parts_of(const Family&, const GptConfig&, const std::string& ours, const Shape&);
}  // namespace rum
