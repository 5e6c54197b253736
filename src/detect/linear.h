// A detector that needs only labelled lines: logistic regression on hashed n-grams of characters and words
// (ngrams.h), of the target alone or of source and target.
#pragma once
#include "detect/logistic.h"
#include "detect/ngrams.h"

namespace rum::detect {
struct LinearOptions {
  std::vector<Ngrams> ngrams{{Analyzer::chars_in_words, 2, 5}, {Analyzer::words, 1, 2}};
  uint32_t features = 1u << 18;  // columns for each kind of n-grams
  double C = 10;                 // weight of the texts against |w|^2 / 2
};
// One row per text: the counts of each kind of n-grams, scaled to length 1, in columns of their own.
SparseRows rows_of(std::span<const Text>, const LinearOptions&);

class Linear : public Detector {
 public:
  Linear(LinearOptions, Logistic);
  std::vector<double> score(std::span<const Text>) const override;  // log odds
  bool needs_source() const override;
  Explanation explain(const Text&) const override;  // parts: words between blanks
  Saved saved() const override;
  const Logistic& model() const { return model_; }

 private:
  std::span<const double> weights_of(size_t kind) const;
  LinearOptions options_;
  Logistic model_;
};
// L2-regularised logistic regression on rows_of(). Error: one class only.
std::unique_ptr<Linear> fit_linear(std::span<const Text>, const LinearOptions&);
}  // namespace rum::detect
