// Texts with provenance: pairs to translate, or documents (then `source` is empty). Read from
// source<TAB>target files or plain text, also .gz and .xz.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace rum {
struct Text {
  std::string source, target;
};
struct Corpus {
  std::string name;         // the path it came from
  std::vector<Text> texts;  // example id = index
  uint64_t hash = 0;        // of the uncompressed bytes
};
enum class CorpusKind : uint8_t { pairs, documents };
// FileError: path, line, what was expected (one tab, UTF-8, no NUL, a line below the limit), what was found.
Corpus read_corpus(const std::string& path, CorpusKind);
}  // namespace rum
