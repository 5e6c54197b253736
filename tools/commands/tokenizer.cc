// `ruminate tokenizer train|encode|decode`: makes a tokenizer.json, and uses one on lines of text.
#include "text/tokenizer.h"

#include <fmt/format.h>

#include <array>
#include <deque>
#include <istream>
#include <streambuf>

#include "base/error.h"
#include "base/names.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/utf8.h"
#include "text/pretokenize.h"
#include "text/reader.h"
#include "text/unicode.h"
#include "text/unpack.h"
#include "tools/command.h"
#include "tools/options.h"

namespace rum::tokenizer_command {
namespace {
// All lines of the files; of a .tsv file (also .tsv.gz, .tsv.xz) each column is a text of its own.
class Texts {
 public:
  void add(const std::string& path) {
    const bool columns = path.find(".tsv", path.rfind('/') + 1) != std::string::npos;
    std::string& all = files_.emplace_back();
    std::vector<size_t> ends;
    LineReader reader(path, kLineLimit, Form::nfc);
    for (std::string_view line; reader.next(line);) {
      for (size_t tab; columns && (tab = line.find('\t')) != std::string_view::npos;
           line.remove_prefix(tab + 1)) {
        all += line.substr(0, tab);
        ends.push_back(all.size());
      }
      all += line;
      ends.push_back(all.size());
    }
    size_t begin = 0;
    for (size_t end : ends) {
      views_.push_back(std::string_view(all).substr(begin, end - begin));
      begin = end;
    }
    bytes_ += all.size();
  }
  void add_line_end() { views_.push_back("\n"); }
  const std::vector<std::string_view>& views() const { return views_; }
  size_t bytes() const { return bytes_; }

 private:
  std::deque<std::string> files_;  // views into them stay good
  std::vector<std::string_view> views_;
  size_t bytes_ = 0;
};

int train(int argc, char** argv) {
  std::vector<std::string> input;
  std::string output = "tokenizer.json";
  TokenizerConfig config;
  Flags flags("tokenizer train", "Trains a byte-level BPE tokenizer on lines of text.");
  flags.add("--input,-i", input, "text files, plain or compressed; all columns of .tsv files", true)
      .add("--output,-o", output, "the tokenizer.json to write")
      .add("--vocab", config.vocab,
           "tokens in all: special ones, 256 bytes, merges (characters: as many as there are)", 256, 1 << 24)
      .add("--special", config.special, "special tokens; they get the first ids")
      .choice("--pattern", config.pattern, "how text is split into words", names_of(patterns()))
      .add("--split-digits", config.split_digits, "each digit is a token of its own")
      .add("--min-frequency", config.min_frequency, "pairs seen less often are not merged", 1, INT64_MAX);
  if (const auto status = flags.parse(argc, argv)) return *status;
  flags.need(config.pattern != "characters", "a --pattern with merges: characters has none",
             {"--vocab", "--min-frequency"});
  check_output(output, input);
  OutputFile written(output);
  Texts texts;
  for (const std::string& path : input) texts.add(path);
  if (config.pattern == "characters") texts.add_line_end();  // which whole files have
  if (texts.bytes() == 0) throw FileError(input.front() + ": no text to train on, nor in any other --input");
  Progress progress;
  const auto tokenizer = Tokenizer::train(
      texts.views(), config, [&](int64_t merges) { progress.status(fmt::format("{} merges", merges)); });
  written.write(tokenizer.json());
  written.finish();
  progress.line(fmt::format("{}: {} tokens from {} texts, {:.1f} MB", output, tokenizer.size(),
                            texts.views().size(), static_cast<double>(texts.bytes()) * 1e-6));
  return 0;
}

// Standard input, unpacked where it is packed.
class StandardInput : public std::streambuf {
  int_type underflow() override {
    const size_t n = bytes_.read(chunk_.data(), chunk_.size());
    setg(chunk_.data(), chunk_.data(), chunk_.data() + n);
    return n > 0 ? traits_type::to_int_type(chunk_[0]) : traits_type::eof();
  }
  ByteReader bytes_{"-"};
  std::array<char, 1 << 16> chunk_;
};

// Standard input line by line (any bytes; a line ends at 0x0A only), what `convert` makes of it to standard
// output: of the lines before one that is refused, too. FileError: that line, or what cannot be read.
template <class F>
int filter(int argc, char** argv, const char* name, const char* about, F&& convert) {
  std::string path;
  Flags flags(name, about);
  flags.add("--tokenizer", path, "a tokenizer.json", true);
  if (const auto status = flags.parse(argc, argv)) return *status;
  const Tokenizer tokenizer = Tokenizer::load(path);
  StandardInput bytes;
  std::istream in(&bytes);
  in.exceptions(std::ios::badbit);  // what the reader throws passes through
  std::string out;
  int64_t number = 0;
  try {
    for (std::string line; std::getline(in, line);) {
      ++number;
      try {
        out += convert(tokenizer, line, number) + '\n';
      } catch (const Error& e) {  // a character that the tokenizer does not have, a number that is no id
        throw FileError(fmt::format("standard input: line {}: {}", number, e.what()));
      }
      if (out.size() <= (1 << 16)) continue;
      fmt::print("{}", out);
      out.clear();
    }
  } catch (const FileError&) {
    fmt::print("{}", out);
    throw;
  }
  fmt::print("{}", out);
  return 0;
}
int encode(int argc, char** argv) {
  return filter(argc, argv, "tokenizer encode",
                "Lines of text in, lines of token ids out: the same ids as Hugging Face's, of each line in "
                "NFC, without the "
                "carriage return that may end it.",
                [&](const Tokenizer& t, const std::string& line, int64_t number) {
                  std::string_view text = line;
                  if (number == 1 && text.starts_with(kByteOrderMark))
                    text.remove_prefix(kByteOrderMark.size());
                  if (text.ends_with('\r')) text.remove_suffix(1);  // as all readers of text
                  if (const size_t at = find_invalid_utf8(text); at != std::string_view::npos)
                    fail(fmt::format("byte {} is not UTF-8", at + 1));
                  const std::vector<Token> tokens = t.encode_with_special(nfc(text));
                  return fmt::format("{}", fmt::join(tokens, " "));
                });
}
int decode(int argc, char** argv) {
  return filter(argc, argv, "tokenizer decode", "Lines of token ids in, lines of text out.",
                [&](const Tokenizer& t, const std::string& line, int64_t) {
                  const char *p = line.c_str(), *end = p + line.size();
                  std::vector<Token> tokens;
                  while (p < end) {
                    char* stop;
                    const long id = std::strtol(p, &stop, 10);
                    if (stop == p || id < 0 || id >= t.size())
                      fail(fmt::format("expected ids from 0 to {}, found {}", t.size() - 1,
                                       shortened(std::string_view(p, end), 40)));
                    tokens.push_back(static_cast<Token>(id));
                    for (p = stop; p < end && (*p == ' ' || *p == '\t' || *p == '\r');) ++p;
                  }
                  return t.decode(tokens);
                });
}

int run(int argc, char** argv) {
  static constexpr Verb kVerbs[] = {
      {"train", "learn merges from text: --input FILE --output tokenizer.json", train},
      {"encode", "lines of text to lines of ids: --tokenizer FILE < text", encode},
      {"decode", "lines of ids to lines of text: --tokenizer FILE < ids", decode}};
  return run_verb("tokenizer", kVerbs, argc, argv);
}
const Command c{"tokenizer", "train a tokenizer, or turn text into token ids and back", run};
}  // namespace
}  // namespace rum::tokenizer_command
