#include "data/corpus.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/hash.h"
#include "text/reader.h"
#include "text/unicode.h"

namespace rum {
namespace {
// What makes a line unfit, as the second half of a message; empty when it is fit.
std::string defect(std::string_view line, CorpusKind kind, const ReadRules& rules) {
  if (line.size() > rules.line_bytes)
    return fmt::format("expected at most {} bytes, found {}; is this a text file with line ends?",
                       rules.line_bytes, line.size());
  if (const size_t nul = line.find('\0'); nul != std::string_view::npos)
    return fmt::format("expected text, found a NUL byte at byte {} of the line", nul);
  if (const size_t bad = find_invalid_utf8(line); bad != std::string_view::npos)
    return fmt::format("expected UTF-8, found 0x{:02X} at byte {} of the line; `iconv -t UTF-8` converts",
                       static_cast<unsigned char>(line[bad]), bad);
  if (kind == CorpusKind::documents) return "";
  const auto tabs = std::count(line.begin(), line.end(), '\t');
  if (tabs != 1)
    return fmt::format("expected source<TAB>target with one tab, found {}: \"{}{}\"", tabs,
                       line.substr(0, 60), line.size() > 60 ? "..." : "");
  const size_t tab = line.find('\t');
  if (!rules.empty_sides && (tab == 0 || tab + 1 == line.size()))
    return fmt::format("the {} is empty; `ruminate data prepare` drops such pairs",
                       tab == 0 ? "source" : "target");
  return "";
}
bool blank(std::string_view line) { return line.find_first_not_of(" \t") == std::string_view::npos; }
}  // namespace

Corpus parse_corpus(std::string_view bytes, const std::string& name, CorpusKind kind,
                    const ReadRules& rules) {
  Corpus c{name, {}, hash64(bytes), kind, {}, 0};
  if (bytes.substr(0, 3) == "\xEF\xBB\xBF") bytes.remove_prefix(3);
  int32_t number = 0;
  bool goes_on = false;  // with the document of the line before
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', at), bytes.size());
    std::string_view line = bytes.substr(at, end - at);
    at = end + 1, ++number;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (const std::string why = defect(line, kind, rules); !why.empty()) {
      if (!rules.skip_bad) throw FileError(fmt::format("{}: line {}: {}", name, number, why));
      ++c.skipped;
    } else if (kind == CorpusKind::pairs) {
      const size_t tab = line.find('\t');
      c.texts.push_back({std::string(line.substr(0, tab)), std::string(line.substr(tab + 1))});
      c.lines.push_back(number);
    } else if (blank(line)) {
      goes_on = false;
    } else if (goes_on) {
      c.texts.back().target.append(1, '\n').append(line);
    } else {
      c.texts.push_back({"", std::string(line)}), c.lines.push_back(number), goes_on = true;
    }
  }
  if (c.texts.empty())
    throw FileError(fmt::format("{}: no text in it ({} bytes, {} bad lines); expected {}", name, bytes.size(),
                                c.skipped,
                                kind == CorpusKind::pairs ? "source<TAB>target lines" : "plain text"));
  return c;
}

Corpus read_corpus(const std::string& path, CorpusKind kind, const ReadRules& rules) {
  return parse_corpus(read_uncompressed(path), path, kind, rules);
}

std::string corpus_bytes(const std::vector<Pair>& texts, CorpusKind kind) {
  std::string out;
  for (const Pair& t : texts) {
    if (kind == CorpusKind::pairs)
      out.append(t.source).append(1, '\t').append(t.target).append(1, '\n');
    else
      out.append(out.empty() ? "" : "\n").append(t.target).append(1, '\n');
  }
  return out;
}

Corpus make_corpus(std::string name, std::vector<Pair> texts, CorpusKind kind) {
  const uint64_t hash = hash64(corpus_bytes(texts, kind));
  return {std::move(name), std::move(texts), hash, kind, {}, 0};
}
}  // namespace rum
