#include "data/corpus.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "text/reader.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum {
namespace {
// What makes a line unfit, as the second half of a message; empty when it is fit.
std::string defect(std::string_view line, CorpusKind kind, const ReadRules& rules) {
  if (const auto fault = fault_in(line, rules.line_bytes))
    return fmt::format("byte {} of the line: {}", fault->byte + 1, fault->what);
  if (kind == CorpusKind::documents) return "";
  const auto tabs = std::count(line.begin(), line.end(), '\t');
  if (tabs != 1)
    return fmt::format("expected source<TAB>target with one tab, found {}: \"{}\"", tabs,
                       shortened(line, 60));
  const size_t tab = line.find('\t');
  if (!rules.empty_sides && (tab == 0 || tab + 1 == line.size()))
    return fmt::format("the {} is empty; `ruminate data prepare` drops such pairs",
                       tab == 0 ? "source" : "target");
  return "";
}
// Calls f(line) for each line of what read(to, size) gives, without its end. Of a line that is longer than
// `limit` no more is held than shows that.
template <class Read, class F>
void each_line(Read&& read, size_t limit, F&& f) {
  std::vector<char> chunk(size_t{1} << 16);
  std::string line;
  bool open = false;  // a line has begun
  while (const size_t n = read(chunk.data(), chunk.size())) {
    for (size_t at = 0; at < n;) {
      const char* const from = chunk.data() + at;
      const auto* end = static_cast<const char*>(std::memchr(from, '\n', n - at));
      const size_t length = end ? static_cast<size_t>(end - from) : n - at;
      line.append(from, std::min(length, limit + 2 - std::min(line.size(), limit + 2)));
      open = end == nullptr;
      at += length + (end != nullptr);
      if (end) {
        f(line);
        line.clear();
      }
    }
  }
  if (open) f(line);
}

class CorpusReader {
 public:
  CorpusReader(const std::string& name, CorpusKind kind, const ReadRules& rules)
      : kind_(kind),
        rules_(rules) {
    corpus_.name = name;
    corpus_.kind = kind;
  }
  template <class Read>
  Corpus run(Read&& read) {
    Hash64 hash;
    size_t bytes = 0;
    const auto counted = [&](char* to, size_t size) {
      const size_t n = read(to, size);
      hash.add({to, n});
      bytes += n;
      return n;
    };
    each_line(counted, rules_.line_bytes, [&](std::string_view line) { take(line); });
    corpus_.hash = hash.value();
    if (corpus_.texts.empty())
      throw FileError(fmt::format("{}: no text in it ({} bytes, {} bad lines); expected {}", corpus_.name,
                                  bytes, corpus_.skipped,
                                  kind_ == CorpusKind::pairs ? "source<TAB>target lines" : "plain text"));
    return std::move(corpus_);
  }

 private:
  void take(std::string_view line) {
    ++number_;
    if (number_ == 1 && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const bool blank = blank_line(line);
    if (blank && kind_ == CorpusKind::pairs && line.find('\t') == std::string_view::npos) {
      ++blanks_;  // those at the end of the file are not lines
      return;
    }
    for (; blanks_ > 0; --blanks_) refuse(number_ - blanks_, defect("", kind_, rules_));
    if (const std::string why = defect(line, kind_, rules_); !why.empty()) return refuse(number_, why);
    if (blank && kind_ == CorpusKind::documents)
      goes_on_ = false;
    else
      keep(nfc(line));
  }
  void refuse(int32_t number, const std::string& why) {
    if (!rules_.skip_bad)
      throw FileError(fmt::format("{}: line {}: {}; `ruminate data prepare --skip-bad` skips such lines",
                                  corpus_.name, number, why));
    ++corpus_.skipped;
    if (rules_.passed_over) rules_.passed_over(fmt::format("{}: line {}: {}", corpus_.name, number, why));
  }
  void keep(std::string line) {
    if (goes_on_) {
      corpus_.texts.back().target.append(1, '\n').append(line);
      return;
    }
    corpus_.lines.push_back(number_);
    if (kind_ == CorpusKind::documents) {
      corpus_.texts.push_back({"", std::move(line)});
      goes_on_ = true;
      return;
    }
    const size_t tab = line.find('\t');
    corpus_.texts.push_back({line.substr(0, tab), line.substr(tab + 1)});
  }
  const CorpusKind kind_;
  const ReadRules& rules_;
  Corpus corpus_;
  int32_t number_ = 0, blanks_ = 0;  // of the line; empty ones before it
  bool goes_on_ = false;             // with the document of the line before
};
}  // namespace

Corpus parse_corpus(std::string_view bytes, const std::string& name, CorpusKind kind,
                    const ReadRules& rules) {
  return CorpusReader(name, kind, rules).run([&](char* to, size_t size) {
    const size_t n = bytes.copy(to, size);
    bytes.remove_prefix(n);
    return n;
  });
}
Corpus read_corpus(const std::string& path, CorpusKind kind, const ReadRules& rules) {
  ByteReader file(path, rules.unpack_ratio);
  return CorpusReader(shown(path), kind, rules).run([&](char* to, size_t size) {
    return file.read(to, size);
  });
}

Corpus read_stream(const std::string& path, int64_t unpack_ratio) {
  std::string bytes = read_unpacked(path, unpack_ratio);
  Corpus c{shown(path), {}, hash64(bytes), CorpusKind::documents, {1}, 0};
  if (bytes.starts_with(kByteOrderMark)) bytes.erase(0, kByteOrderMark.size());
  std::erase(bytes, '\r');
  ReadRules rules;
  rules.line_bytes = bytes.size();  // a stream needs no line ends
  int64_t number = 0;
  for (size_t at = 0; at < bytes.size(); ++number) {
    const size_t end = std::min(bytes.find('\n', at), bytes.size());
    const std::string why = defect(std::string_view(bytes).substr(at, end - at), c.kind, rules);
    if (!why.empty()) throw FileError(fmt::format("{}: line {}: {}", c.name, number + 1, why));
    at = end + 1;
  }
  if (bytes.empty()) throw FileError(c.name + ": no text in it (0 bytes); expected plain text");
  c.texts.push_back({"", nfc(bytes)});
  return c;
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
