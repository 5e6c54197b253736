// Reading what detectors read: JSON lines (also RAID's), lines of a plain file, source<TAB>target lines.
#pragma once
#include <string>
#include <vector>

#include "detect/detector.h"

namespace rum::detect {
struct TextFile {
  std::string path;                 // of JSON lines when it ends in .jsonl, of pairs in .tsv, else of targets
  std::string sources{};            // lines beside those of a plain file
  Author author = Author::unknown;  // of a file without labels
  std::string generator{};
};
struct Texts {
  std::vector<Text> texts;
  std::vector<std::pair<std::string, uint64_t>> corpora;  // path, and hash of its lines
  int64_t empty = 0;                                      // lines without a target, left out
};
// Appends the texts of a file. JSON lines have "target", "text" or RAID's "generation"; "source", "id",
// "decoding", "checkpoint"; the author is "label", human or machine, or "model" ("generator"), human or a
// machine's name. FileError: path, line; another number of sources than targets; a label that is neither.
void read_texts(const TextFile&, Texts&);
// Targets (with their sources) that people wrote and machines too: no detector can tell these apart.
int64_t count_in_both(std::span<const Text>);
}  // namespace rum::detect
