#include "metrics/errors.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "base/error.h"
#include "base/threads.h"
#include "metrics/ter.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::metrics {
namespace {
// A length is far off if both the factor and the number of words are this large: short sentences vary more.
constexpr double kFarFactor = 1.5, kFarWords = 3;

double size(const std::vector<std::string>& v) { return static_cast<double>(v.size()); }
std::vector<std::string> sorted(std::vector<std::string> v) {
  std::sort(v.begin(), v.end());
  return v;
}
// The words that `a` has more often than `b`; both are sorted.
std::vector<std::string> beyond(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::string> out;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}
bool has_number(std::string_view word) {
  const char* const end = word.data() + word.size();
  for (const char* p = word.data(); p < end;) {
    const Character c = decode_utf8(p, end);
    if (category(c.code) == Category::number) return true;
    p += c.bytes;
  }
  return false;
}

void count_ter(std::string_view hypothesis, std::string_view reference, ErrorCounts& c) {
  static const std::unique_ptr<Metric> ter = make_ter();
  double row[6];  // edits, words, insertions, deletions, substitutions, shifts
  ter->count({&hypothesis, 1}, {&reference, 1}, row);
  c.ter_words = row[1];
  c.insertions = row[2];
  c.deletions = row[3];
  c.substitutions = row[4];
  c.shifts = row[5];
}
void compare_numbers(std::string_view hypothesis, std::string_view reference, SentenceErrors& e) {
  const auto hyp = sorted(numbers_in(hypothesis)), ref = sorted(numbers_in(reference));
  e.words.numbers_missing = beyond(ref, hyp);
  e.words.numbers_added = beyond(hyp, ref);
  e.counts.numbers = size(hyp) + size(ref);
  e.counts.numbers_missing = size(e.words.numbers_missing);
  e.counts.numbers_added = size(e.words.numbers_added);
}
// A name is looked up among all words of the other side, where it may begin the sentence.
void compare_names(std::string_view hypothesis, std::string_view reference, Language language,
                   SentenceErrors& e) {
  const auto hyp = sorted(names_in(hypothesis, language)), ref = sorted(names_in(reference, language));
  if (!ref.empty()) e.words.names_missing = beyond(ref, sorted(name_forms(hypothesis, language)));
  if (!hyp.empty()) e.words.names_added = beyond(hyp, sorted(name_forms(reference, language)));
  e.counts.names = size(hyp) + size(ref);
  e.counts.names_missing = size(e.words.names_missing);
  e.counts.names_added = size(e.words.names_added);
}
void compare_negation(const std::vector<std::string>& hyp, const std::vector<std::string>& ref,
                      Language language, ErrorCounts& c) {
  const bool h = negated(hyp, language), r = negated(ref, language);
  c.negated = h + r;
  c.negation_missing = r && !h;
  c.negation_added = h && !r;
}
void compare_lengths(ErrorCounts& c) {
  const double h = c.hyp_words, r = c.ref_words;
  c.over = h >= r * kFarFactor && h - r >= kFarWords;
  c.under = r >= h * kFarFactor && r - h >= kFarWords;
}
// Both sides sorted.
void compare_content(const std::vector<std::string>& hyp, const std::vector<std::string>& ref,
                     const HumanText& human, ErrorCounts& c) {
  for (const std::string& w : ref) c.bits += human.information(w);
  for (const std::string& w : beyond(ref, hyp)) c.bits_missing += human.information(w);
}
// Words that no human text has were either copied from the source or invented. They are listed in the order
// of the translation; the reference must be sorted.
void find_unattested(const std::vector<std::string>& hyp, const std::vector<std::string>& ref,
                     std::string_view source, const ErrorRules& rules, SentenceErrors& e) {
  std::unordered_set<std::string> in_source, names;
  const Language other = rules.language == Language::german ? Language::english : Language::german;
  bool read = false;
  for (const std::string& w : hyp) {
    if (rules.human.attests(w) || has_number(w) || std::binary_search(ref.begin(), ref.end(), w)) continue;
    if (!read && !source.empty()) {
      for (std::string& s : words(source)) in_source.insert(std::move(s));
      if (other == Language::english)  // German capitalises all nouns, like names
        for (const std::string& name : names_in(source, other)) names.insert(lower_case(name));
    }
    read = true;
    if (!in_source.contains(w))
      e.words.invented.push_back(w);
    else if (!names.contains(w))
      e.words.copied.push_back(w);
  }
  e.counts.copied = size(e.words.copied);
  e.counts.invented = size(e.words.invented);
  e.counts.sourced_words = source.empty() ? 0 : e.counts.hyp_words;
}
std::vector<std::string> bigrams(const std::vector<std::string>& words) {
  std::vector<std::string> out;
  for (size_t i = 1; i < words.size(); ++i) out.push_back(words[i - 1] + " " + words[i]);
  return sorted(std::move(out));
}
// A pair of words may occur as often as in the reference, but at least once; a word twice in a row only as
// often as there.
void find_repeats(const std::vector<std::string>& hyp, const std::vector<std::string>& ref,
                  SentenceErrors& e) {
  const auto found = bigrams(hyp), expected = bigrams(ref);
  for (size_t i = 0, next = 0; i < found.size(); i = next) {
    const std::string& pair = found[i];
    while (next < found.size() && found[next] == pair) ++next;
    const auto [first, last] = std::equal_range(expected.begin(), expected.end(), pair);
    const size_t middle = pair.size() / 2, allowed = static_cast<size_t>(last - first);
    const bool twice = pair.compare(0, middle, pair, middle + 1) == 0;
    e.words.repeated.insert(e.words.repeated.end(),
                            next - i - std::min(next - i, std::max<size_t>(allowed, twice ? 0 : 1)), pair);
  }
  e.counts.bigrams = size(found);
  e.counts.repeated = size(e.words.repeated);
}
}  // namespace

SentenceErrors find_errors(std::string_view hypothesis, std::string_view reference, std::string_view source,
                           const ErrorRules& rules) {
  const auto hyp = words(hypothesis), ref = words(reference);
  SentenceErrors e;
  e.counts.sentences = 1;
  e.counts.hyp_words = size(hyp);
  e.counts.ref_words = size(ref);
  count_ter(hypothesis, reference, e.counts);
  compare_numbers(hypothesis, reference, e);
  compare_names(hypothesis, reference, rules.language, e);
  compare_negation(hyp, ref, rules.language, e.counts);
  compare_lengths(e.counts);
  const auto sorted_ref = sorted(ref);
  compare_content(sorted(hyp), sorted_ref, rules.human, e.counts);
  find_unattested(hyp, sorted_ref, source, rules, e);
  find_repeats(hyp, ref, e);
  return e;
}

std::vector<SentenceErrors> find_errors(std::span<const std::string> hypotheses,
                                        std::span<const std::string> references,
                                        std::span<const std::string> sources, const ErrorRules& rules) {
  RUM_CHECK(hypotheses.size() == references.size(),
            "errors: {} translations, {} references; expected the same number", hypotheses.size(),
            references.size());
  RUM_CHECK(sources.empty() || sources.size() == references.size(),
            "errors: {} sources, {} references; expected the same number", sources.size(), references.size());
  constexpr size_t kLines = 64;
  std::vector<SentenceErrors> out(hypotheses.size());
  parallel(static_cast<int64_t>((out.size() + kLines - 1) / kLines), [&](int64_t piece) {
    const auto begin = static_cast<size_t>(piece) * kLines;
    for (size_t i = begin; i < std::min(begin + kLines, out.size()); ++i)
      out[i] =
          find_errors(hypotheses[i], references[i], sources.empty() ? std::string_view() : sources[i], rules);
  });
  return out;
}

std::vector<size_t> worst_sentences(std::span<const SentenceErrors> sentences, const ErrorMeasure& measure,
                                    size_t n) {
  struct Place {
    double value, errors;
    size_t index;
  };
  std::vector<Place> places;
  for (size_t i = 0; i < sentences.size(); ++i)
    if (const double errors = measure.count_errors(sentences[i].counts); errors > 0)
      places.push_back({measure.value(sentences[i].counts).value_or(HUGE_VAL), errors, i});
  n = std::min(n, places.size());
  std::partial_sort(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(n), places.end(),
                    [](const Place& a, const Place& b) {
                      if (a.value != b.value) return a.value > b.value;
                      return a.errors != b.errors ? a.errors > b.errors : a.index < b.index;
                    });
  std::vector<size_t> out;
  for (size_t i = 0; i < n; ++i) out.push_back(places[i].index);
  return out;
}
}  // namespace rum::metrics
