// How well scores tell machines from people, computed from the two lists of scores alone, with error bounds.
// Ties count one half; a text is flagged if its score is above the threshold, not at it.
#pragma once
#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "detect/detector.h"

namespace rum::detect {
struct Scores {
  std::vector<double> human, machine;
};
// Scores that cannot be evaluated. fault: "one_class", "nan", "constant", "too_few", "empty",
// "not_probability".
struct BadScores : Error {
  BadScores(std::string f, const std::string& message) : Error(message), fault(std::move(f)) {}
  std::string fault;
};
// BadScores when a class is empty, a score is NaN, or all are equal, in this order.
void check(const Scores&);
// Splits by author; texts without one are left out.
Scores by_author(std::span<const Text>, std::span<const double> scores);

// The ROC curve from (0, 0) to (1, 1): how many texts are flagged at each distinct score, the highest first.
struct RocPoint {
  int64_t humans = 0, machines = 0;
};
std::vector<RocPoint> roc(const Scores&);
// The area under it: the probability that a machine's text scores above a human's. `variance` is DeLong's
// (1988), var(psi machine)/n + var(psi human)/m; nullopt if a class has only one text.
struct Auroc {
  double value = 0.5;
  std::optional<double> variance;
  int64_t fewer = 0;  // texts of the smaller class
  // The standard error. Where the classes do not overlap, DeLong's variance is 0 however few they are; then
  // it is that of Wilson's interval of `fewer` successes out of `fewer`. 1 without a variance.
  double error() const;
  std::array<double, 2> interval() const;  // 95 %, clipped to 0..1
};
Auroc auroc(const Scores&);
// Two detectors on the same texts, in the same order (DeLong, DeLong and Clarke-Pearson 1988).
struct PairedAuroc {
  Auroc a, b;
  std::optional<double> covariance, variance, z, p;  // of the difference a - b; p is two-sided
  std::optional<std::array<double, 2>> interval;     // DeLong's, of no width where the variance is 0
  // `interval`, but where a difference has no variance one from the two errors (Auroc::error).
  std::optional<std::array<double, 2>> honest_interval() const;
};
PairedAuroc delong(const Scores& a, const Scores& b);

// Wilson's 95 % interval for a proportion.
std::array<double, 2> wilson(int64_t successes, int64_t of);
// The smallest human score that at most floor(fpr n) human scores exceed: an exact order statistic, so at
// most the share fpr of people is flagged, and fewer when there are ties at the threshold.
double threshold(std::span<const double> human, double fpr);
double tpr(const Scores&, double threshold);  // share of machines' texts above it
struct AtFpr {
  double target = 0, threshold = 0, fpr = 0, tpr = 0;
  int64_t humans_flagged = 0, machines_flagged = 0;
  std::array<double, 2> fpr_interval{}, tpr_interval{};
};
// nullopt if fewer than ten false alarms are expected: such a rate cannot be measured on these texts.
std::optional<AtFpr> at_fpr(const Scores&, double fpr);

// Measures over all thresholds: the best that the scores can do.
struct Curve {
  double average_precision = 0;  // sum of precision x increase in recall
  double eer = 0;                // where FPR = 1 - TPR, on the line between neighbouring points
  double youden = 0;             // largest TPR - FPR
  double best_accuracy = 0;
};
Curve curve(const Scores&);  // BadScores as check()

// From probabilities that a machine wrote a text; .5 and more means machine.
struct Decisions {
  double accuracy = 0, f1 = 0, mcc = 0, brier = 0, log_loss = 0;
};
Decisions decisions(const Scores& probabilities);  // BadScores: not between 0 and 1
// Bins of equal width, closed on the right, the first on both sides. Empty bins have no mean and no
// frequency.
struct Reliability {
  struct Bin {
    int64_t n = 0;
    std::optional<double> mean, frequency;
  };
  std::vector<Bin> bins;
  double ece = 0, brier = 0;
};
// Expected calibration error (Naeini et al. 2015): mean |frequency - mean| of the bins,
// weighted by their texts.
Reliability reliability(const Scores& probabilities, int bins = 15);

// Pearson's correlation of average ranks. BadScores: fewer than two pairs, NaN, one list all equal.
double spearman(std::span<const double> x, std::span<const double> y);

// How often the machine's text for a source scores above the human texts for the same source; nullopt if no
// source has both.
std::optional<double> paired_accuracy(std::span<const Text>, std::span<const double> scores);
// Mean scores of documents: k consecutive texts of one author, generator and decoding. The remainder is
// dropped.
Scores documents(std::span<const Text>, std::span<const double> scores, int64_t k);
}  // namespace rum::detect
