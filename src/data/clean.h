// From raw text to train, valid and test, with the same cleaning for every corpus: filters, exact
// deduplication, and splits no two of which share a side or pieces of one document. The same pairs give the
// same parts, in whatever order and files they come.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "data/corpus.h"
#include "text/json.h"

namespace rum {
struct CleanRules {
  CorpusKind kind = CorpusKind::pairs;
  // On either side; longer documents are cut instead, 0 leaves them whole.
  int64_t min_words = 1, max_words = 80;
  int64_t max_characters = 1000;  // on either side of a pair
  float ratio = 3;                // most between the longer and the shorter side, both in characters + 10
  float letters = 0.5f;           // least share among the characters that are not spaces
  // Most in a word. Where a script has no blanks ICU finds the words, and as it may find none, in Javanese or
  // Yi, a word of such a script may have any length.
  int64_t word_characters = 60;
  // Pairs held out; unless given, 1,000 and 2,000, but at most a 20th and a 10th of all.
  std::optional<int64_t> valid, test;
  uint32_t seed = 1;  // of the choice of those, and of the order of all
};

// NFC; control characters and every white space become plain spaces; zero-width characters and soft hyphens
// go, but not U+200C and U+200D where they join letters or emoji, nor U+200B where it parts words of a script
// without blanks; runs of spaces become one; none at the ends. Lines of a document stay lines.
std::string normalise(std::string_view);
// The words of a text as min_words and max_words count them.
int64_t count_words(std::string_view text);
// What two sentences must share to count as the same: lower case, letters with their marks and digits only.
std::string fold(std::string_view);

// Why a text is left out; the first reason that applies is counted. Marks (vowel signs, accents) count as
// part of the letter before them.
enum class Drop : uint8_t {
  none,
  empty,
  short_,
  long_,
  characters,
  ratio,
  letters,
  word,
  copy,
  duplicate,
  held_out
};
constexpr size_t kDrops = 11;
const char* drop_name(Drop);                                     // as stats.json spells it
Drop reason_to_drop(const Pair& normalised, const CleanRules&);  // none to copy

struct SideStats {  // tokens: words and single punctuation marks; types: of them in lower case
  int64_t tokens = 0, types = 0;
  double mean = 0;  // tokens a text
};
struct Part {  // train, valid or test
  std::vector<Pair> texts;
  SideStats source, target;
  uint64_t hash = 0;  // of its file
};
struct Prepared {
  CleanRules rules;
  int64_t read = 0;                       // pairs or documents
  int64_t texts = 0;                      // of these, counting the pieces that documents are cut into
  std::array<int64_t, kDrops> dropped{};  // by Drop; at none: kept
  std::array<Part, 3> parts;              // kPartNames
};
constexpr std::array<const char*, 3> kPartNames = {"train", "valid", "test"};

// Call it from the main thread: it uses parallel(). Error when nothing is left.
Prepared prepare(std::vector<Pair> raw, const CleanRules&);

// The table for people, of a stats.json's contents.
std::string stats_table(const Json& stats);
// FileError when preparing into this folder would overwrite one of the inputs, or a train, valid, test or
// stats.json that was not prepared there.
void check_prepared_output(const std::string& folder, CorpusKind, const std::vector<std::string>& inputs,
                           Disk& = Disk::real());
// Writes train, valid and test (.tsv of pairs, .txt of documents) and, last, stats.json: none before there is
// room for all. While stats.json is missing, the folder is not finished. `inputs`: what was read, for the
// record.
Json save_prepared(const Prepared&, const std::string& folder, const Json& inputs, Disk& = Disk::real());
// stats.json of a prepared folder; FileError when it is missing or the parts are not those that it describes.
Json check_prepared(const std::string& folder, Disk& = Disk::real());
}  // namespace rum
