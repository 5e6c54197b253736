// `ruminate data`: raw pairs from Debian packages, cleaning and splitting, and a look at the result.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/output.h"
#include "base/say.h"
#include "data/clean.h"
#include "data/debian.h"
#include "text/unpack.h"
#include "tools/command.h"
#include "tools/lines.h"
#include "tools/options.h"

namespace rum::data_command {
namespace {
namespace fs = std::filesystem;

int prepare_command(int argc, char** argv) {
  CleanRules rules;
  std::vector<std::string> inputs;
  std::string output;
  bool documents = false;
  ReadRules read_rules{.empty_sides = true};
  int64_t seed = rules.seed, valid = 1000, test = 2000;
  Flags flags("data prepare", "Cleans raw text and splits it into train, valid and test.");
  flags
      .add("--input,-i", inputs,
           fmt::format("files of source<TAB>target lines, {}; - is standard input", kPackedHelp), true)
      .add("--output,-o", output, "folder for train, valid, test and stats.json", true)
      .add("--documents", documents, "plain text instead of pairs, empty lines between documents")
      .add("--skip-bad", read_rules.skip_bad,
           "skip lines that are not pairs or not UTF-8 instead of refusing the file")
      .add("--min-words", rules.min_words, "fewest words on either side", 0)
      .add("--max-words", rules.max_words, "most words on either side; longer documents are cut; 0: never", 0)
      .add("--max-characters", rules.max_characters, "most characters on either side of a pair", 1)
      .add("--ratio", rules.ratio, "largest ratio of the longer side to the shorter, in characters + 10", 1)
      .add("--letters", rules.letters, "smallest share of letters among the characters", 0, 1)
      .add("--word-characters", rules.word_characters, "most characters in a word", 1)
      .add("--unpack-ratio", read_rules.unpack_ratio,
           "how many times its size a compressed file may expand to", 1)
      .add("--valid", valid, "texts held out for validation; unless given, at most 1/20 of all", 0)
      .add("--test", test, "texts held out for testing; unless given, at most 1/10 of all", 0)
      .add("--seed", seed, "seed of the split and the order", 0, UINT32_MAX);
  if (const auto stop = flags.parse(argc, argv)) return *stop;
  flags.need(!documents, "pairs: of --documents there are no two sides", {"--max-characters", "--ratio"});
  rules.kind = documents ? CorpusKind::documents : CorpusKind::pairs;
  rules.seed = static_cast<uint32_t>(seed);
  if (flags.given("--valid")) rules.valid = valid;
  if (flags.given("--test")) rules.test = test;
  if (!documents && rules.max_words < std::max<int64_t>(rules.min_words, 1))
    throw Error(
        fmt::format("--max-words {} is below --min-words {} or below 1", rules.max_words, rules.min_words));
  refuse_second_reading(inputs);
  check_prepared_output(output, rules.kind, inputs);
  const OutputLock alone(output + "/");
  Json::Array read;
  std::vector<Pair> raw;
  for (const std::string& path : inputs) {
    Corpus c = read_corpus(path, rules.kind, read_rules);
    if (c.skipped > 0) say("{}: {} bad lines skipped", path, c.skipped);
    read.push_back(Json::Object{{"file", fs::path(path).filename().string()},
                                {"hash", hex64(c.hash)},
                                {"texts", static_cast<int64_t>(c.texts.size())},
                                {"bad lines", c.skipped}});
    std::move(c.texts.begin(), c.texts.end(), std::back_inserter(raw));
  }
  const Json stats = save_prepared(prepare(std::move(raw), rules), output, read);
  fmt::print("{}\n{}", output, stats_table(stats));
  return 0;
}

// Pages that are in both folders, by path below them, sorted.
std::vector<std::string> common_pages(const std::string& german, const std::string& english) {
  std::vector<std::string> pages;
  for (const std::string& folder : {german, english})
    if (!fs::is_directory(folder))
      throw FileError(fmt::format("{}: expected a folder of html pages", folder));
  for (const auto& entry : fs::recursive_directory_iterator(german)) {
    const fs::path below = entry.path().lexically_relative(german);
    if (entry.path().extension() == ".html" && fs::is_regular_file(fs::path(english) / below))
      pages.push_back(below.string());
  }
  std::sort(pages.begin(), pages.end());
  return pages;
}

int debian_command(int argc, char** argv) {
  std::string index_de, index_en, help_de, help_en, output;
  Flags flags("data debian",
              "Writes raw German-English pairs from Debian packages; data/debian.sh calls it.");
  flags.add("--index-de", index_de, "the archive's Translation-de index, uncompressed")
      .add("--index-en", index_en, "the archive's Translation-en index, uncompressed")
      .add("--pages-de", help_de, "folder of LibreOffice's German help pages")
      .add("--pages-en", help_en, "folder of LibreOffice's English help pages")
      .add("--output,-o", output, "file for the pairs, source<TAB>target", true);
  if (const auto stop = flags.parse(argc, argv)) return *stop;
  if (index_de.empty() != index_en.empty() || help_de.empty() != help_en.empty() ||
      (index_de + help_de).empty())
    throw Error("give --index-de with --index-en, or --pages-de with --pages-en, or all four");
  check_output(output, {index_de, index_en});
  OutputFile written(output);
  std::vector<Pair> pairs;
  Disk& disk = Disk::real();
  std::FILE* said = beside_output(output);
  if (!index_de.empty()) {
    pairs = pair_descriptions(disk.read(index_de), disk.read(index_en));
    put(said, fmt::format("{} pairs from package descriptions\n", pairs.size()));
  }
  if (!help_de.empty()) {
    const size_t before = pairs.size();
    const auto pages = common_pages(help_de, help_en);
    for (const std::string& page : pages)
      for (Pair& t : pair_pages(disk.read(help_de + "/" + page), disk.read(help_en + "/" + page)))
        pairs.push_back(std::move(t));
    put(said, fmt::format("{} pairs from {} pages of help\n", pairs.size() - before, pages.size()));
  }
  if (pairs.empty())
    throw FileError("no pairs found: are these the German and English sides of the same release?");
  written.write(corpus_bytes(pairs, CorpusKind::pairs));
  written.finish();
  return 0;
}

int show_command(int argc, char** argv) {
  std::string folder;
  int64_t examples = 5;
  Flags flags("data show", "Prints what a prepared folder holds, and checks its hashes.");
  flags.add("folder", folder, "made by data prepare", true)
      .add("--examples,-n", examples, "texts to print", 0);
  if (const auto stop = flags.parse(argc, argv)) return *stop;
  const Json stats = check_prepared(folder);
  fmt::print("{}\n{}", folder, stats_table(stats));
  const bool pairs = stats.find("kind")->text() && *stats.find("kind")->text() == "pairs";
  const Corpus train = read_corpus(folder + (pairs ? "/train.tsv" : "/train.txt"),
                                   pairs ? CorpusKind::pairs : CorpusKind::documents);
  for (size_t i = 0; i < std::min(train.texts.size(), static_cast<size_t>(examples)); ++i)
    fmt::print("\n{}{}{}\n", train.texts[i].source, pairs ? "\n" : "", train.texts[i].target);
  return 0;
}

int run(int argc, char** argv) {
  static constexpr Verb kVerbs[] = {
      {"prepare", "clean raw text, split it into train, valid and test", prepare_command},
      {"debian", "extract raw German-English pairs from Debian packages", debian_command},
      {"show", "show what a prepared folder holds", show_command}};
  return run_verb("data", kVerbs, argc, argv);
}
const Command c{"data", "prepare corpora: extract, clean, split, show", run};
}  // namespace
}  // namespace rum::data_command
