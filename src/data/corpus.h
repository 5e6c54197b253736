// Texts with provenance: pairs to translate, or documents (whose `source` is empty). Pairs are read from
// source<TAB>target files, documents from plain text with blank lines between them; both may be compressed.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "text/reader.h"

namespace rum {
struct Pair {  // a text to translate and its translation; a document is a target alone
  std::string source, target;
  bool operator==(const Pair&) const = default;
};
enum class CorpusKind : uint8_t { pairs, documents };
struct Corpus {
  std::string name;         // the path it came from
  std::vector<Pair> texts;  // example id = index
  uint64_t hash = 0;        // of the uncompressed bytes
  CorpusKind kind = CorpusKind::pairs;
  std::vector<int32_t> lines;  // on which each text begins, counted from 1; empty when made in memory
  int64_t skipped = 0;         // bad lines passed over
};
struct ReadRules {           // what read_corpus() lets pass
  bool skip_bad = false;     // lines that are not a pair, or not UTF-8, are counted and skipped, not refused
  bool empty_sides = false;  // keep pairs with an empty side (for cleaning, which counts them)
  size_t line_bytes = kLineLimit;  // a longer line is bad
  int64_t unpack_ratio = kUnpackRatio;
  std::function<void(const std::string&)>
      passed_over{};  // is called with each bad line that skip_bad leaves out
};
// Reads a stream and holds only what is kept. A byte-order mark and the \r of \r\n are dropped, texts become
// NFC, and empty lines after the last pair are ignored. FileError: path, line, what was expected (one tab,
// UTF-8, no NUL, a line below the limit, some text at all), what was found.
Corpus read_corpus(const std::string& path, CorpusKind, const ReadRules& = {});
// The same from memory; `name` stands for the path in messages.
Corpus parse_corpus(std::string_view bytes, const std::string& name, CorpusKind, const ReadRules& = {});
// A file of plain text as a single document, line ends and empty lines included.
Corpus read_stream(const std::string& path, int64_t unpack_ratio = kUnpackRatio);
// A corpus of texts that are already here, with the hash that its file would have.
Corpus make_corpus(std::string name, std::vector<Pair> texts, CorpusKind = CorpusKind::pairs);
// The bytes of its file: source<TAB>target lines, or documents with a blank line between them.
std::string corpus_bytes(const std::vector<Pair>&, CorpusKind);
}  // namespace rum
