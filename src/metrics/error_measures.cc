// The measures of errors.h: the counts that each divides, and its explanation.
#include "base/error.h"
#include "base/names.h"
#include "metrics/errors.h"
#include "metrics/explain.h"

namespace rum::metrics {
namespace {
using C = ErrorCounts;
const NamedCount kCounts[] = {
    {"sentences", &C::sentences},
    {"hyp_words", &C::hyp_words},
    {"ref_words", &C::ref_words},
    {"insertions", &C::insertions},
    {"deletions", &C::deletions},
    {"substitutions", &C::substitutions},
    {"shifts", &C::shifts},
    {"ter_words", &C::ter_words},
    {"numbers", &C::numbers},
    {"numbers_missing", &C::numbers_missing},
    {"numbers_added", &C::numbers_added},
    {"names", &C::names},
    {"names_missing", &C::names_missing},
    {"names_added", &C::names_added},
    {"negated", &C::negated},
    {"negation_missing", &C::negation_missing},
    {"negation_added", &C::negation_added},
    {"over", &C::over},
    {"under", &C::under},
    {"bits", &C::bits},
    {"bits_missing", &C::bits_missing},
    {"sourced_words", &C::sourced_words},
    {"copied", &C::copied},
    {"invented", &C::invented},
    {"bigrams", &C::bigrams},
    {"repeated", &C::repeated},
};
const ErrorMeasure kMeasures[] = {
    {"ter", {&C::insertions, &C::deletions, &C::substitutions, &C::shifts}, {&C::ter_words}},
    {"ter_insert", {&C::insertions}, {&C::ter_words}},
    {"ter_delete", {&C::deletions}, {&C::ter_words}},
    {"ter_substitute", {&C::substitutions}, {&C::ter_words}},
    {"ter_shift", {&C::shifts}, {&C::ter_words}},
    {"number_mismatch", {&C::numbers_missing, &C::numbers_added}, {&C::numbers}},
    {"name_mismatch", {&C::names_missing, &C::names_added}, {&C::names}},
    {"negation_mismatch", {&C::negation_missing, &C::negation_added}, {&C::negated}},
    {"over_translation", {&C::over}, {&C::sentences}},
    {"under_translation", {&C::under}, {&C::sentences}},
    {"length_ratio", {&C::hyp_words}, {&C::ref_words}, false},
    {"content_missing", {&C::bits_missing}, {&C::bits}},
    {"copied_words", {&C::copied}, {&C::sourced_words}},
    {"invented_words", {&C::invented}, {&C::hyp_words}},
    {"repeated_bigrams", {&C::repeated}, {&C::bigrams}},
};

const Explanation insertions(
    "ter_insert", "TER: insertions",
    "Words that must be put into the translation to make the reference of it (words that it left out), "
    "per word of the reference. The four kinds of edits add up to ter.",
    "Snover et al. 2006", "others name the kinds from the translation's side, where this one is a deletion");
const Explanation deletions(
    "ter_delete", "TER: deletions",
    "Words that must be taken out of the translation to make the reference of it (words too many), per "
    "word of the reference.",
    "Snover et al. 2006",
    "others name the kinds from the translation's side, where this one is an insertion");
const Explanation substitutions(
    "ter_substitute", "TER: substitutions",
    "Words of the translation that must be exchanged for another to make the reference of it, per word "
    "of the reference.",
    "Snover et al. 2006");
const Explanation shifts(
    "ter_shift", "TER: shifts",
    "Stretches of words, of any length, that must be moved to make the reference of the translation, per "
    "word of the reference.",
    "Snover et al. 2006");
const Explanation numbers(
    "number_mismatch", "Number mismatches",
    "(m + a) / (r + h), which is 1 - F1: r and h count the numbers of the reference and of the "
    "translation, m those of the reference that the translation lacks, a those of the translation that "
    "the reference lacks, each as often as it is written. A number is a stretch of the digits 0-9, with "
    "separators inside, brought to one form: (1) points, commas, spaces, U+00A0, U+2009, U+202F or "
    "apostrophes, all the same, between a first group of 1 to 3 digits without a leading zero and groups "
    "of exactly 3: thousands, dropped (1.000 and 1,000 are 1000); (2) else one comma or point, alone or "
    "after thousands separated otherwise: decimals (3,5 is 3.5; 1.234,5 is 1234.5); (3) else each "
    "stretch of digits is a number of its own (dates, versions). Leading and trailing zeros stay: 3.50 "
    "is not 3.5. Number words are not recognised: \"three\" for 3 counts as a missing 3. In both "
    "languages 3.142 is taken as 3142. Signs, units and the dots of ordinals are no part of a number.",
    "this project");
const Explanation names(
    "name_mismatch", "Name mismatches",
    "(m + a) / (r + h) as in number_mismatch, over names: words (words_v2, own case, parted at hyphens) "
    "that begin with a capital and do not begin a sentence, that is, a word stands before them and none "
    "of . ! ? : ( an ellipsis, an inverted mark or a quotation mark (double, or single angle) between. A "
    "line without a single small-lettered word is a "
    "heading and has no names. English: without \"I\" and its short forms; a possessive 's is cut off. A "
    "name is missing when the other side has fewer words of the same letters and case, at a beginning or "
    "not. Means something for target language English (names, and what derives from them: German, "
    "Monday). In German every noun has a capital: there it is the mismatch of nouns and names together. "
    "A name is not seen after an abbreviation's full stop.",
    "this project");
const Explanation negation(
    "negation_mismatch", "Negation mismatches",
    "(m + a) / (r + h), which is 1 - F1, over sentences: r references and h translations hold a "
    "negation; in m sentences only the reference does, in a only the translation. English: cannot, "
    "neither, never, no, no-one, nobody, none, nor, not, nothing, nowhere, without, and whatever ends in "
    "n't. German: kein in all its endings, keinerlei, keineswegs, keinesfalls, nein, nicht, nichts, nie, "
    "niemals, niemand in all its endings, nirgends, nirgendwo, ohne, weder. Negation by prefix (un-, "
    "in-) is not seen; a second negation in one sentence changes nothing.",
    "this project");
const Explanation over(
    "over_translation", "Over-translation",
    "Share of sentences whose translation is far longer than expected, the expected length being that of "
    "the reference in words (words_v2): at least 1.5 times as long and at least 3 words longer.",
    "this project");
const Explanation under(
    "under_translation", "Under-translation",
    "Share of sentences whose translation is far shorter than expected, the expected length being that "
    "of the reference in words (words_v2): the reference is at least 1.5 times as long and at least 3 "
    "words longer. An empty translation is one when the reference has 3 words.",
    "this project");
const Explanation ratio(
    "length_ratio", "Length ratio",
    "Words (words_v2) of the translations / words of the references. Not an error: 1 is best; "
    "over_translation and under_translation count what is far off.",
    "this project", "BLEU's ratio counts its own tokens");
const Explanation content(
    "content_missing", "Missing content",
    "Share of the references' information that the translations lack. A word w carries log2(N / n) bits, "
    "n of the N words of the human text (references and lexicons, words_v2) being w. Lacking are the "
    "words that the reference has more often than the translation. Function words weigh little, so no "
    "list of them is needed; synonyms count as lacking.",
    "information weights as in NIST (Doddington 2002); the measure: this project");
const Explanation copied(
    "copied_words", "Source words copied",
    "Words (words_v2) of the translation that stand in its source, but neither in its reference nor "
    "anywhere in the human text (references and lexicons), per word of the translations that have a "
    "source. Words with a number in them do not count, nor, where the source is English, its names "
    "(name_mismatch); German writes all nouns with a capital, so there names cannot be told. Words that "
    "both languages have (in, die, Computer) count where the human text is too small to attest them.",
    "this project");
const Explanation invented(
    "invented_words", "Invented words",
    "Words (words_v2) of the translation that no human text attests: neither the references nor the "
    "lexicons nor the source. Per word of the translations. Words with a number in them do not count. "
    "New compounds and rare names count too: give a large lexicon, and compare with the same of human "
    "text that is not part of it, which is the floor.",
    "this project");
const Explanation repeated(
    "repeated_bigrams", "Repeated bigrams",
    "Stuttering: sum over pairs of neighbouring words g of max(0, h(g) - max(r(g), 1)), h and r being "
    "their counts in the translation and in the reference of the same sentence (words_v2), per bigram of "
    "the translations. A word twice in a row is allowed only as often as the reference has it: max(0, "
    "h(g) - r(g)). Longer loops are counted by their bigrams.",
    "this project", "tools that count without a reference punish the source's own repetitions");

double sum(const std::array<ErrorMeasure::Count, 4>& which, const ErrorCounts& c) {
  double out = 0;
  for (const ErrorMeasure::Count count : which)
    if (count != nullptr) out += c.*count;
  return out;
}
}  // namespace

ErrorCounts& ErrorCounts::operator+=(const ErrorCounts& o) {
  for (const NamedCount& c : kCounts) this->*c.count += o.*c.count;
  return *this;
}
double ErrorMeasure::count_errors(const ErrorCounts& c) const { return sum(errors, c); }
double ErrorMeasure::count_chances(const ErrorCounts& c) const { return sum(chances, c); }
std::optional<double> ErrorMeasure::value(const ErrorCounts& c) const {
  const double of = count_chances(c);
  return of > 0 ? std::optional(count_errors(c) / of) : std::nullopt;
}
std::span<const ErrorMeasure> error_measures() { return kMeasures; }
std::span<const NamedCount> error_counts() { return kCounts; }
const ErrorMeasure& error_measure(std::string_view name) {
  return find_named(kMeasures, name, "error measure");
}
}  // namespace rum::metrics
