// A corpus is either refused, with the line, or gives texts that survive being written and read. The bytes
// are also read as a file, since .gz and .xz are recognised by their first bytes.
#include <sys/mman.h>
#include <unistd.h>

#include "data/corpus.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unpacked.h"
#include "text/reader.h"

namespace {
using namespace rum;

constexpr size_t kLimit = size_t{1} << 24;  // of the uncompressed text

void check(std::string_view bytes, CorpusKind kind, const ReadRules& rules) {
  Corpus corpus;
  if (!accepted([&] { corpus = parse_corpus(bytes, "fuzz", kind, rules); })) return;
  promise(!corpus.texts.empty() && corpus.texts.size() == corpus.lines.size());
  promise(rules.skip_bad || corpus.skipped == 0);
  const std::string file = corpus_bytes(corpus.texts, kind);
  // Reading drops a BOM at the beginning and one \r before each line end; a text may contain more of them.
  if (file.starts_with("\xEF\xBB\xBF") || file.find("\r\n") != std::string::npos) return;
  promise(parse_corpus(file, "again", kind, rules).texts == corpus.texts);
}
void run(std::string_view bytes) {
  for (const CorpusKind kind : {CorpusKind::pairs, CorpusKind::documents})
    for (const bool loose : {false, true}) check(bytes, kind, {loose, loose, 4096});
  const bool packed = bytes.starts_with('\x1f') || bytes.starts_with('\xfd');
  if (!packed && bytes.size() % 16 != 0) return;  // reading a file is slow
  const int file = memfd_create("fuzz", 0);
  promise(file != -1 && write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  accepted([&] { unpacked(path, kLimit); });
  accepted([&] {
    LineReader lines(path, 4096);
    for (std::string_view line; lines.next(line);) promise(line.size() <= 4096);
  });
  close(file);
}
const FuzzTarget target("corpus", run);
}  // namespace
