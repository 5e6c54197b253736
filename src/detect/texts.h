// Reads texts for detectors: JSON lines (also RAID's), lines of a plain file, source<TAB>target lines.
#pragma once
#include <string>
#include <vector>

#include "detect/detector.h"

namespace rum::detect {
struct TextFile {
  std::string path;                 // JSON lines if it ends in .jsonl, pairs in .tsv, else targets
  std::string sources{};            // the file of sources for a plain file
  Author author = Author::unknown;  // the author, for a file without labels
  std::string generator{};
  // A line that cannot be read, or has no target, is a text with Text::bad: no error, nor left out.
  bool keep_bad = false;
};
struct Texts {
  std::vector<Text> texts;
  Corpora corpora;
  int64_t empty = 0;   // lines without a target
  int64_t tabbed = 0;  // lines of plain files that have a tab, which is part of their text
};
// Appends the texts of a file, in Unicode's form NFC, so that equal texts are equal bytes. JSON lines have
// "target", "text" or RAID's "generation"; "source", "id", "decoding", "checkpoint"; the author is "label",
// human or machine, or "model" ("generator"), human or a machine's name. FileError with path and line:
// different numbers of sources and targets, or an unknown label.
void read_texts(const TextFile&, Texts&);
// The number of targets (with their sources) that both people and machines wrote: no detector can tell these
// apart.
int64_t count_in_both(std::span<const Text>);
}  // namespace rum::detect
