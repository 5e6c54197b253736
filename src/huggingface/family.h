// The model families of Hugging Face that this engine supports: the names of their tensors, in one table for
// reading and writing.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "model/gpt.h"

namespace rum {
// One of our layers and theirs. `#` stands for the number of a block; `.weight` and `.bias` are omitted. If
// there are several of theirs, ours has their rows one after another.
struct LayerNames {
  const char* ours;
  std::vector<const char*> theirs;
  bool transposed = false;  // their matrices are (in, out)
};
struct Family {
  const char* name;          // config.json: model_type
  const char* architecture;  // config.json: the entry of `architectures` for generating text
  const char* prefix;        // of all their names except lm_head; some files omit it
  std::span<const LayerNames> layers;
  std::span<const char* const> ignored;  // constants that their files may also contain
};
std::span<const Family> families();
const Family* find_family(std::string_view name);  // null if unknown

// Where one of our parameters is in their files, in row order.
struct Parts {
  std::vector<std::string> names;  // including the prefix
  std::vector<int64_t> rows;       // rows of each: (rows, ...), in our orientation
  bool transposed;
};
Parts parts_of(const Family&, const GptConfig&, const std::string& ours, const Shape&);
}  // namespace rum
