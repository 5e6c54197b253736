#include "edits/repair.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/threads.h"
#include "edits/spelling.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::edits {
namespace {
constexpr int kRepairRounds = 3;

bool errs(const metrics::ErrorCounts& c) {
  return c.numbers_missing + c.numbers_added + c.names_missing + c.names_added + c.negation_missing +
             c.negation_added + c.under + c.copied + c.invented + c.repeated >
         0;
}
bool contains(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}
bool any_in(const std::vector<std::string>& words, const std::vector<std::string>& list) {
  return std::any_of(words.begin(), words.end(), [&](const std::string& w) { return contains(list, w); });
}

struct Word : MarkedWord {
  std::string text;  // for alignment: lower case, punctuation only if there is nothing else
  bool number = false;
};
std::vector<Word> words_of(std::string_view line) {
  std::vector<Word> out;
  for (const MarkedWord& w : marked_words(line))
    out.push_back({w, lower_case(w.word.empty() ? w.before : w.word), !metrics::numbers_in(w.word).empty()});
  return out;
}

// One step of a path: words of both sides (kept or wrong), or of one.
struct AlignmentStep {
  int hyp = -1, ref = -1;  // -1: none
  bool kept = false;
};
// A shortest edit path; ties prefer pairing words, then the latest deletion.
std::vector<AlignmentStep> align(const std::vector<Word>& hyp, const std::vector<Word>& ref) {
  const size_t n = hyp.size(), m = ref.size();
  std::vector<int> cost((n + 1) * (m + 1));
  const auto at = [&](size_t i, size_t j) -> int& { return cost[i * (m + 1) + j]; };
  const auto same = [&](size_t i, size_t j) { return hyp[i - 1].text == ref[j - 1].text; };
  const auto paired = [&](size_t i, size_t j) {  // a number is never paired with a word
    if (same(i, j)) return at(i - 1, j - 1);
    return at(i - 1, j - 1) + (hyp[i - 1].number == ref[j - 1].number ? 1 : 3);
  };
  for (size_t i = 0; i <= n; ++i) at(i, 0) = static_cast<int>(i);
  for (size_t j = 0; j <= m; ++j) at(0, j) = static_cast<int>(j);
  for (size_t i = 1; i <= n; ++i)
    for (size_t j = 1; j <= m; ++j) at(i, j) = std::min({paired(i, j), at(i - 1, j) + 1, at(i, j - 1) + 1});
  std::vector<AlignmentStep> path;
  for (size_t i = n, j = m; i > 0 || j > 0;) {
    const auto h = static_cast<int>(i) - 1, r = static_cast<int>(j) - 1;
    if (i > 0 && j > 0 && at(i, j) == paired(i, j)) {
      path.push_back({h, r, same(i, j)});
      --i;
      --j;
    } else if (i > 0 && at(i, j) == at(i - 1, j) + 1) {
      path.push_back({h, -1});
      --i;
    } else {
      path.push_back({-1, r});
      --j;
    }
  }
  std::reverse(path.begin(), path.end());
  return path;
}

class Repair {
 public:
  Repair(std::string_view hypothesis, std::string_view reference, const metrics::SentenceErrors& e,
         metrics::Language language)
      : hyp_(words_of(hypothesis)),
        ref_(words_of(reference)),
        path_(align(hyp_, ref_)),
        errors_(e),
        language_(language),
        repeated_(hyp_.size()) {
    find_repeated();
    if (hyp_.empty() && !ref_.empty()) end_ = ref_.back().after;
    if (!hyp_.empty()) std::swap(end_, hyp_.back().after);
    for (const Word& w : hyp_) --lacking_[w.text];
    for (const Word& w : ref_) ++lacking_[w.text];
  }
  std::string line(const Spelling& spelling) const {
    std::string out;
    const std::vector<char> human = taken();
    for (size_t s = 0; s < path_.size(); ++s) {
      const AlignmentStep& step = path_[s];
      const int from = human[s] ? step.ref : step.hyp;
      if (from < 0) continue;
      const Word& now = human[s] ? ref_[at(from)] : hyp_[at(from)];
      if (!out.empty()) out += ' ';
      out += written(now, step.hyp < 0 ? nullptr : &hyp_[at(step.hyp)], out.empty(), spelling);
    }
    return out.append(end_);
  }

 private:
  static size_t at(int i) { return static_cast<size_t>(i); }
  // The word with the punctuation of the word that it replaces, capitalised to suit its new place.
  std::string written(const Word& now, const Word* marks, bool first, const Spelling& spelling) const {
    if (now.word.empty()) return std::string(now.before);
    const bool was_first = &now == hyp_.data() || &now == ref_.data();
    const std::string word = was_first == first
                                 ? std::string(now.word)
                                 : spelling.write(lower_case(now.word), first && capital_begins());
    return marks == nullptr ? word : std::string(marks->before) + word + std::string(marks->after);
  }
  bool capital_begins() const { return !hyp_.empty() && lower_case(hyp_[0].word) != hyp_[0].word; }
  bool negates(const Word& w) const { return metrics::negated(words(w.word), language_); }
  bool negation_differs(const AlignmentStep& s) const {
    return (errors_.counts.negation_added > 0 && s.hyp >= 0 && negates(hyp_[at(s.hyp)])) ||
           (errors_.counts.negation_missing > 0 && s.ref >= 0 && negates(ref_[at(s.ref)]));
  }
  bool wrong(int i) const {
    const Word& w = hyp_[at(i)];
    const metrics::ErrorWords& e = errors_.words;
    const std::vector<std::string> all = words(w.word);
    return repeated_[at(i)] || any_in(all, e.invented) || any_in(all, e.copied) ||
           any_in(metrics::numbers_in(w.word), e.numbers_added) ||
           any_in(metrics::name_forms(w.word, language_), e.names_added);
  }
  bool missing(const AlignmentStep& s) const {
    const Word& w = ref_[at(s.ref)];
    const metrics::ErrorWords& e = errors_.words;
    return any_in(metrics::numbers_in(w.word), e.numbers_missing) ||
           any_in(metrics::name_forms(w.word, language_), e.names_missing) ||
           (errors_.counts.under > 0 && s.hyp < 0 && lacking_.at(w.text) > 0);
  }
  // The steps that follow the human text: there a word is exchanged, inserted or dropped.
  std::vector<char> taken() const {
    std::vector<char> out(path_.size());
    const auto spread = [&](size_t s, const auto& also) {
      out[s] = 1;
      for (size_t t = s; t > 0 && also(path_[t - 1]); --t) out[t - 1] = 1;
      for (size_t t = s + 1; t < path_.size() && also(path_[t]); ++t) out[t] = 1;
    };
    for (size_t s = 0; s < path_.size(); ++s) {
      const AlignmentStep& step = path_[s];
      if (step.kept)
        out[s] = missing(step) || wrong(step.hyp);  // also a name that differs only in its capital
      else if (negation_differs(step))
        spread(s, [](const AlignmentStep& t) { return !t.kept; });
      else if (step.ref >= 0 && missing(step))
        spread(s, [](const AlignmentStep& t) { return t.hyp < 0; });
      else if (step.hyp >= 0 && wrong(step.hyp))
        out[s] = 1;
    }
    return out;
  }
  // Marks surplus repeated pairs, from the end. Kept words stay; of a doubled word, the one without a
  // counterpart goes.
  void find_repeated() {
    std::vector<char> kept(hyp_.size()), alone(hyp_.size());
    for (const AlignmentStep& s : path_)
      if (s.hyp >= 0) {
        kept[at(s.hyp)] = s.kept;
        alone[at(s.hyp)] = s.ref < 0;
      }
    std::map<std::string, int> excess;
    for (const std::string& pair : errors_.words.repeated) ++excess[pair];
    for (size_t i = hyp_.size(); i-- > 1;) {
      const auto found = excess.find(hyp_[i - 1].text + " " + hyp_[i].text);
      if (found == excess.end() || found->second == 0 || (kept[i] && kept[i - 1])) continue;
      --found->second;
      if (hyp_[i - 1].text == hyp_[i].text) {
        repeated_[kept[i] || (alone[i - 1] && !alone[i]) ? i - 1 : i] = 1;
      } else {
        repeated_[i] = !kept[i];
        repeated_[i - 1] = !kept[i - 1];
      }
    }
  }

  std::vector<Word> hyp_, ref_;
  std::vector<AlignmentStep> path_;
  std::string_view end_;  // punctuation at the end of the line, whichever word is last
  const metrics::SentenceErrors& errors_;
  metrics::Language language_;
  std::vector<char> repeated_;
  std::map<std::string, int> lacking_;  // how many more times the human text has a word
};
}  // namespace

Repaired repair(std::span<const std::string> sources, std::span<const std::string> human,
                std::span<const std::string> generated, const metrics::ErrorRules& rules) {
  RUM_CHECK(sources.size() == human.size() && human.size() == generated.size(),
            "repair: {} sources, {} human and {} generated translations; expected the same number",
            sources.size(), human.size(), generated.size());
  const Spelling spelling(human);
  Repaired out;
  out.lines = {generated.begin(), generated.end()};
  std::vector<metrics::SentenceErrors> errors = metrics::find_errors(generated, human, sources, rules);
  for (const metrics::SentenceErrors& e : errors) out.before += e.counts;
  parallel(static_cast<int64_t>(out.lines.size()), [&](int64_t piece) {
    const auto i = static_cast<size_t>(piece);
    std::string& line = out.lines[i];
    for (int round = 0; round < kRepairRounds && errs(errors[i].counts); ++round) {
      const size_t pairs = split_at_blanks(line).size() * split_at_blanks(human[i]).size();
      RUM_CHECK(pairs <= 100'000'000, "repair: line {} is too long to align: {} pairs of words", i + 1,
                pairs);
      line = Repair(line, human[i], errors[i], rules.language).line(spelling);
      errors[i] = find_errors(line, human[i], sources[i], rules);
    }
  });
  for (size_t i = 0; i < errors.size(); ++i) {
    out.after += errors[i].counts;
    out.lines_changed += out.lines[i] != generated[i];
  }
  return out;
}
}  // namespace rum::edits
