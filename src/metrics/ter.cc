#include "metrics/ter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "metrics/explain.h"
#include "metrics/ngrams.h"
#include "text/words.h"

namespace rum::metrics {
namespace {
// Tercom's limits, and the reference tool's own limit on the number of shifts tried.
constexpr int kMaxShift = 10, kMaxDistance = 50, kBeam = 25, kMaxCandidates = 1000;
constexpr int kFar = 1 << 29;
enum Op : uint8_t { keep, substitute, insert, remove };

// Edit distance between a translation of fixed length and its reference, within a beam around the diagonal.
// Row i holds the costs of the first i words; a shifted translation shares the rows above its first change.
class Distance {
 public:
  Distance(std::span<const uint32_t> reference, size_t words)
      : ref_(reference),
        hyp_(static_cast<int>(words)),
        cols_(static_cast<int>(reference.size())),
        ratio_(words > 0 ? static_cast<double>(reference.size()) / static_cast<double>(words) : 1) {
    const int beam = kBeam < ratio_ / 2 ? static_cast<int>(std::ceil(ratio_ / 2 + kBeam)) : kBeam;
    band_.resize(words + 1);
    band_[0] = {0, cols_ + 1};
    for (int i = 1; i <= hyp_; ++i) {
      const int diagonal = static_cast<int>(std::floor(i * ratio_));
      band_[at(i)] = {std::max(0, diagonal - beam),
                      i == hyp_ ? cols_ + 1 : std::min(cols_ + 1, diagonal + beam)};
    }
    // A row's cells from one before its band to the end of the next band, as the next row reads them.
    row_begin_.resize(words + 2);
    for (int i = 0; i <= hyp_; ++i) row_begin_[at(i) + 1] = row_begin_[at(i)] + width(i);
    cost_.resize(row_begin_.back());
    op_.resize(row_begin_.back());
    size_t widest = 0;
    for (int i = 0; i <= hyp_; ++i) widest = std::max(widest, width(i));
    free_[0].assign(widest, 0);
    free_[1].assign(widest, 0);
    int* first = row(0);
    for (int j = 0; j <= cols_; ++j) {
      first[j] = j;
      ops(0)[j] = insert;
    }
    guard(0, first);
  }

  int measure(std::span<const uint32_t> hyp) {  // fills every row; shifted() and trace() refer to them
    for (int i = 1; i <= hyp_; ++i) {
      fill(i, hyp[at(i - 1)], row(i - 1), row(i));
      name_ops(i, hyp[at(i - 1)]);
    }
    return row(hyp_)[cols_];
  }
  // The cost of `hyp`, which differs from the measured translation in words [from, to).
  int shifted(std::span<const uint32_t> hyp, int from, int to) {
    const int* above = row(from);
    for (int i = from + 1; i <= hyp_; ++i) {
      int* here = free_[i & 1].data() + 1 - band_[at(i)].from;
      fill(i, hyp[at(i - 1)], above, here);
      above = here;
      if (i < to) continue;
      // All later words are unchanged: once a row equals the measured one up to a constant, so do the rest.
      const int *old = row(i), more = here[band_[at(i)].to - 1] - old[band_[at(i)].to - 1];
      int j = band_[at(i)].from;
      while (j < band_[at(i)].to && here[j] - old[j] == more) ++j;
      if (j == band_[at(i)].to && here[j - 1] < kFar) return row(hyp_)[cols_] + more;
    }
    return above[cols_];
  }
  // The operations that turn the measured translation into the reference, from the end to the beginning.
  template <class Visit>
  void trace(const Visit& visit) {
    for (int i = hyp_, j = cols_; i > 0 || j > 0;) {
      const Op op = static_cast<Op>(ops(i)[j]);
      visit(op, i - 1, j - 1);
      if (op != insert) --i;
      if (op != remove) --j;
    }
  }

 private:
  struct Band {
    int from, to;
  };
  static size_t at(int i) { return static_cast<size_t>(i); }
  size_t width(int i) const {
    return at(std::max(band_[at(i)].to, band_[at(std::min(i + 1, hyp_))].to) - band_[at(i)].from) + 1;
  }
  // Both are indexed by column.
  int* row(int i) { return cost_.data() + row_begin_[at(i)] + 1 - band_[at(i)].from; }
  uint8_t* ops(int i) { return op_.data() + row_begin_[at(i)] + 1 - band_[at(i)].from; }
  void guard(int i, int* cells) const {
    cells[band_[at(i)].from - 1] = kFar;
    for (int j = band_[at(i)].to; j < band_[at(std::min(i + 1, hyp_))].to; ++j) cells[j] = kFar;
  }
  void fill(int i, uint32_t word, const int* above, int* here) const {
    const auto [from, to] = band_[at(i)];
    int first = from;
    if (first == 0) {
      here[0] = above[0] + 1;
      first = 1;
    }
    const uint32_t* ref = ref_.data() - 1;
    for (int j = first; j < to; ++j) here[j] = std::min(above[j - 1] + (ref[j] != word), above[j] + 1);
    int left = from == 0 ? here[0] : kFar;
    for (int j = first; j < to; ++j) here[j] = left = std::min(here[j], left + 1);
    guard(i, here);
  }
  // On ties, keeping or substituting a word is preferred, then deleting, then inserting.
  void name_ops(int i, uint32_t word) {
    const int *here = row(i), *above = row(i - 1);
    uint8_t* op = ops(i);
    const auto [from, to] = band_[at(i)];
    for (int j = from; j < to; ++j) {
      if (j == 0)
        op[j] = remove;
      else if (const bool same = ref_[at(j - 1)] == word; here[j] == above[j - 1] + !same)
        op[j] = same ? keep : substitute;
      else
        op[j] = here[j] == above[j] + 1 ? remove : insert;
    }
  }

  std::span<const uint32_t> ref_;
  int hyp_, cols_;
  double ratio_;
  std::vector<Band> band_;
  std::vector<size_t> row_begin_;
  std::vector<int> cost_, free_[2];
  std::vector<uint8_t> op_;
};

// Where each word is in the other text, and which words are wrong (as prefix sums).
struct Alignment {
  std::vector<int> of_ref, wrong_hyp, wrong_ref;
  Alignment(Distance& distance, size_t hyp, size_t ref)
      : of_ref(ref),
        wrong_hyp(hyp + 1),
        wrong_ref(ref + 1) {
    distance.trace([&](Op op, int i, int j) {
      if (op != insert) wrong_hyp[static_cast<size_t>(i) + 1] = op != keep;
      if (op != remove)
        of_ref[static_cast<size_t>(j)] = i, wrong_ref[static_cast<size_t>(j) + 1] = op != keep;
    });
    std::partial_sum(wrong_hyp.begin(), wrong_hyp.end(), wrong_hyp.begin());
    std::partial_sum(wrong_ref.begin(), wrong_ref.end(), wrong_ref.begin());
  }
};

// words[start, start + length) moved before the word at `to`; a target inside the stretch counts from its
// end, as in the reference tool.
struct Shift {
  int gain = 0, length = 0, start = 0, to = 0;
  // Larger gain first, then longer, then earlier, then to an earlier place.
  bool better_than(const Shift& o) const {
    return std::tuple(gain, length, -start, -to) > std::tuple(o.gain, o.length, -o.start, -o.to);
  }
  int from() const { return std::min(start, to); }  // words [from(), end()) change places
  int end(int words) const {
    return to < start ? start + length : std::min(words, to > start + length ? to : to + length);
  }
  void apply(std::vector<uint32_t>& words) const {
    const auto place = [&](int i) { return words.begin() + i; };
    std::rotate(place(from()), place(to < start ? start : start + length),
                place(end(static_cast<int>(words.size()))));
  }
};

// One round of the search: the best shift, or one of length 0 if there is none to try.
class Search {
 public:
  Search(std::span<const uint32_t> hyp, std::span<const uint32_t> ref, Distance& distance, int& tried)
      : hyp_(hyp),
        ref_(ref),
        distance_(distance),
        before_(distance.measure(hyp)),
        align_(distance, hyp.size(), ref.size()),
        moved_(hyp.begin(), hyp.end()),
        tried_(tried) {}
  Shift best() {
    const int hyps = static_cast<int>(hyp_.size()), refs = static_cast<int>(ref_.size());
    for (int h = 0; h < hyps; ++h)
      for (int r = std::max(0, h - kMaxDistance); r < std::min(refs, h + kMaxDistance + 1); ++r)
        for (int n = 0; n < kMaxShift && h + n < hyps && r + n < refs && hyp_[at(h + n)] == ref_[at(r + n)];)
          if (!try_stretch(h, r, ++n)) return best_;
    return best_;
  }

 private:
  static size_t at(int i) { return static_cast<size_t>(i); }
  // Tries to move the stretch at h to where the reference has it. False when the limit of trials is reached.
  bool try_stretch(int h, int r, int length) {
    if (align_.wrong_hyp[at(h + length)] == align_.wrong_hyp[at(h)]) return true;
    if (align_.wrong_ref[at(r + length)] == align_.wrong_ref[at(r)]) return true;
    if (const int now = align_.of_ref[at(r)]; h <= now && now < h + length) return true;
    int last = -1;
    for (int offset = -1; offset < length; ++offset) {
      const int to = r + offset < 0 ? 0 : align_.of_ref[at(r + offset)] + 1;
      if (to != last) evaluate({0, length, h, to});
      last = to;
    }
    return tried_ < kMaxCandidates;
  }
  void evaluate(Shift s) {
    const int first = s.from(), end = s.end(static_cast<int>(hyp_.size()));
    std::copy(hyp_.begin() + first, hyp_.begin() + end, moved_.begin() + first);
    s.apply(moved_);
    s.gain = before_ - distance_.shifted(moved_, first, end);
    std::copy(hyp_.begin() + first, hyp_.begin() + end, moved_.begin() + first);
    ++tried_;
    if (best_.length == 0 || s.better_than(best_)) best_ = s;
  }

  std::span<const uint32_t> hyp_, ref_;
  Distance& distance_;
  int before_;
  Alignment align_;
  std::vector<uint32_t> moved_;
  int& tried_;
  Shift best_;
};

class Ter : public Metric {
 public:
  explicit Ter(const TerConfig& c) : config_(c) {}
  std::string name() const override { return "TER"; }
  std::string settings() const override {
    const auto yes = [](bool b) { return b ? "yes" : "no"; };
    return fmt::format("case:{}|tok:tercom|norm:{}|punct:{}|asian:{}",
                       config_.case_sensitive ? "mixed" : "lc", yes(config_.normalized),
                       yes(!config_.no_punct), yes(config_.asian_support));
  }
  bool higher_is_better() const override { return false; }
  std::vector<std::string> columns() const override {
    return {"edits", "ref_length", "insertions", "deletions", "substitutions", "shifts"};
  }
  void count(std::span<const std::string_view> hypotheses, std::span<const std::string_view> references,
             std::span<double> rows) const override {
    const auto prepare = [&](std::string_view l) {
      return tokenize_ter(without_trailing_blanks(l), config_);
    };
    std::vector<std::string> texts;  // must outlive the words, which point into them
    texts.reserve(references.size() + 1);
    size_t length = 0;
    for (const std::string_view r : references) length += texts.emplace_back(prepare(r)).size() / 2 + 1;
    WordNumbers numbers;
    numbers.clear(length);
    std::vector<std::vector<uint32_t>> refs;
    double words = 0;
    for (const std::string& r : texts) {
      auto& ref = refs.emplace_back();
      for (const std::string_view w : split_at_blanks(r)) ref.push_back(numbers.add(w));
      words += static_cast<double>(ref.size());
    }
    for (size_t s = 0; s < hypotheses.size(); ++s) {
      const std::string text = prepare(hypotheses[s]);
      std::vector<uint32_t> hyp;
      for (const std::string_view w : split_at_blanks(text)) hyp.push_back(numbers.find(w));
      TerEdits best;
      for (size_t r = 0; r < refs.size(); ++r)
        if (const TerEdits e = ter_edits(hyp, refs[r]); r == 0 || e.total() < best.total()) best = e;
      const int64_t row[] = {best.total(),       0,          best.insertions, best.deletions,
                             best.substitutions, best.shifts};
      for (size_t i = 0; i < 6; ++i) rows[s * 6 + i] = static_cast<double>(row[i]);
      rows[s * 6 + 1] = words / static_cast<double>(refs.size());
    }
  }
  double score(std::span<const double> sum) const override {
    if (sum[1] > 0) return 100 * (sum[0] / sum[1]);
    return sum[0] > 0 ? 100 : 0;
  }
  Json::Object fields(std::span<const double> sum) const override {
    Json::Object out{
        {"score", score(sum)}, {"num_edits", static_cast<int64_t>(sum[0])}, {"ref_length", sum[1]}};
    for (size_t i = 2; i < 6; ++i) out.emplace_back(columns()[i], static_cast<int64_t>(sum[i]));
    return out;
  }

 private:
  TerConfig config_;
};

const Explanation explanation(
    "ter", "TER, translation edit rate (lower is better)",
    "100 x edits / words of the reference. Edits are the insertions, deletions and substitutions of single "
    "words and the shifts of whole stretches that make the translation the reference. Stretches of up to 10 "
    "words that the reference has within 50 places are tried greedily, the one that lowers the edit distance "
    "most first, until none does or 1,000 were tried. With several references: the fewest edits over the "
    "mean length.",
    "Snover et al. 2006; Tercom, as sacreBLEU 2.6.0 does it",
    "Tercom itself sets a shifted stretch down after its target and widens its beam otherwise, so single "
    "sentences differ. The case is ignored by default, against BLEU's habit. sacreBLEU's --ter-normalized "
    "separates the references' punctuation twice: \"geht's.\" against itself has 66.7 there, 0 here.");
}  // namespace

TerEdits ter_edits(std::span<const uint32_t> hypothesis, std::span<const uint32_t> reference) {
  TerEdits out;
  if (reference.empty()) return {.deletions = static_cast<int64_t>(hypothesis.size())};
  std::vector<uint32_t> words(hypothesis.begin(), hypothesis.end());
  Distance distance(reference, words.size());
  for (int tried = 0;; ++out.shifts) {
    const Shift shift = Search(words, reference, distance, tried).best();
    if (tried >= kMaxCandidates || shift.gain <= 0) break;
    shift.apply(words);
  }
  distance.trace([&](Op op, int, int) {
    out.insertions += op == insert;
    out.deletions += op == remove;
    out.substitutions += op == substitute;
  });
  return out;
}

std::unique_ptr<Metric> make_ter(const TerConfig& c) { return std::make_unique<Ter>(c); }
}  // namespace rum::metrics
