#include "metrics/bleu.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "metrics/explain.h"
#include "metrics/ngrams.h"
#include "metrics/tokenize.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::metrics {
namespace {
const std::string kSmoothings[] = {"exp", "floor", "add-k", "none"};
double smooth_value(const BleuConfig& c) {
  if (c.smooth_value >= 0) return c.smooth_value;
  return c.smooth == "floor" ? 0.1 : 1;
}
// Each thread keeps one of these, so a sentence allocates almost nothing.
struct Scratch {
  WordNumbers words;
  NgramTrie ngrams;
  std::vector<uint32_t> text;
  std::vector<int64_t> matches;
};

class BleuMetric : public Metric {
 public:
  explicit BleuMetric(const BleuConfig& c) : config_(c), tokenize_(bleu_tokenizer(c.tokenize)) {
    check_known("bleu: smoothing", c.smooth, kSmoothings);
    RUM_CHECK(c.max_ngram_order >= 1 && c.max_ngram_order <= 100,
              "bleu: max_ngram_order must be from 1 to 100, found {}", c.max_ngram_order);
  }
  std::string name() const override { return "BLEU"; }
  std::string settings() const override {
    std::string smooth = config_.smooth;
    if (smooth == "floor" || smooth == "add-k") smooth += fmt::format("[{:.2f}]", smooth_value(config_));
    return fmt::format("case:{}|eff:{}|tok:{}|smooth:{}", config_.lowercase ? "lc" : "mixed",
                       config_.effective_order ? "yes" : "no", config_.tokenize, smooth);
  }
  std::vector<std::string> columns() const override {
    std::vector<std::string> out{"hyp_len", "ref_len"};
    for (const char* what : {"matches", "totals"})
      for (int n = 1; n <= config_.max_ngram_order; ++n) out.push_back(fmt::format("{}_{}", what, n));
    return out;
  }
  void count(std::span<const std::string_view> hypotheses, std::span<const std::string_view> references,
             std::span<double> rows) const override {
    static thread_local Scratch at;
    const size_t orders = static_cast<size_t>(config_.max_ngram_order);
    std::vector<std::string> texts;  // must outlive the words, which point into them
    std::vector<std::vector<std::string_view>> refs;
    texts.reserve(references.size());
    size_t most = 0;
    for (const std::string_view r : references)
      most += refs.emplace_back(split_at_blanks(texts.emplace_back(prepare(r)))).size();
    at.words.clear(most);
    at.ngrams.clear(most, orders);
    at.matches.resize(orders);
    for (const auto& ref : refs) {
      at.text.clear();
      for (const std::string_view w : ref) at.text.push_back(at.words.add(w));
      at.ngrams.add(at.text);
    }
    for (size_t s = 0; s < hypotheses.size(); ++s) {
      const std::string text = prepare(hypotheses[s]);
      at.text.clear();
      for (const std::string_view w : split_at_blanks(text)) at.text.push_back(at.words.find(w));
      at.ngrams.match(at.text, at.matches);
      const size_t length = at.text.size();
      double* row = rows.data() + s * (2 + 2 * orders);
      row[0] = static_cast<double>(length);
      row[1] = static_cast<double>(closest(length, refs));
      for (size_t n = 0; n < orders; ++n) {
        row[2 + n] = static_cast<double>(at.matches[n]);
        row[2 + orders + n] = static_cast<double>(length > n ? length - n : 0);
      }
    }
  }
  double score(std::span<const double> sum) const override { return bleu(sum, config_).score; }
  Json::Object fields(std::span<const double> sum) const override {
    const Bleu b = bleu(sum, config_);
    const auto whole = [](double x) { return x == std::floor(x) ? Json(static_cast<int64_t>(x)) : Json(x); };
    Json::Array matches, totals;
    for (const double x : b.matches) matches.push_back(whole(x));
    for (const double x : b.totals) totals.push_back(whole(x));
    return {{"score", b.score},
            {"counts", std::move(matches)},
            {"totals", std::move(totals)},
            {"precisions", Json::Array(b.precisions.begin(), b.precisions.end())},
            {"bp", b.brevity_penalty},
            {"sys_len", whole(b.hyp_len)},
            {"ref_len", whole(b.ref_len)}};
  }
  std::string details(std::span<const double> sum) const override {
    const Bleu b = bleu(sum, config_);
    std::string precisions;
    for (const double p : b.precisions)
      precisions += fmt::format("{}{:.1f}", precisions.empty() ? "" : "/", p);
    return fmt::format("{} (BP = {:.3f} ratio = {:.3f} hyp_len = {} ref_len = {})", precisions,
                       b.brevity_penalty, b.ref_len > 0 ? b.hyp_len / b.ref_len : 0, b.hyp_len, b.ref_len);
  }

 private:
  std::string prepare(std::string_view line) const {
    if (!config_.lowercase) return tokenize_(without_trailing_blanks(line));
    const std::string lower = lower_case(line);
    return tokenize_(without_trailing_blanks(lower));
  }
  // The reference length closest to the hypothesis's; of two equally close, the shorter.
  static size_t closest(size_t length, const std::vector<std::vector<std::string_view>>& refs) {
    const auto far = [&](size_t l) { return std::max(l, length) - std::min(l, length); };
    size_t best = refs[0].size();
    for (const auto& r : refs)
      if (std::pair(far(r.size()), r.size()) < std::pair(far(best), best)) best = r.size();
    return best;
  }
  BleuConfig config_;
  Tokenize tokenize_;
};

const Explanation explanation(
    "bleu", "BLEU, bilingual evaluation understudy",
    "100 x BP x exp(mean over n = 1..4 of ln p_n). p_n = matched n-grams / n-grams of the translations, "
    "summed over sentences; an n-gram matches at most as often as the reference that has most of it. BP = "
    "exp(1 - r/c) when the translations' c tokens are fewer than the r of the closest references, else 1. An "
    "order without a match is smoothed: exp counts half a match for the first such order, a quarter for "
    "the next, and so on; floor counts 0.1 of a match; add-k adds 1 above and below for n > 1; no matched "
    "n-gram of any order is 0.",
    "Papineni et al. 2002; Chen and Cherry 2014 (smoothings); sacreBLEU 2.6.0, Post 2018 (all conventions)",
    "Scores compare only under one signature: tokenization alone moves them by points. Moses and NLTK take "
    "another closest length or smoothing; sacreBLEU's command line turns effective order on for single "
    "sentences.");
}  // namespace

Bleu bleu(std::span<const double> sum, const BleuConfig& c) {
  const size_t orders = static_cast<size_t>(c.max_ngram_order);
  const auto part = [&](size_t from) {
    return std::vector<double>(sum.begin() + static_cast<std::ptrdiff_t>(from),
                               sum.begin() + static_cast<std::ptrdiff_t>(from + orders));
  };
  Bleu out{.precisions = std::vector<double>(orders),
           .matches = part(2),
           .totals = part(2 + orders),
           .hyp_len = sum[0],
           .ref_len = sum[1]};
  out.brevity_penalty = 1;
  if (out.hyp_len < out.ref_len)
    out.brevity_penalty = out.hyp_len > 0 ? std::exp(1 - out.ref_len / out.hyp_len) : 0;
  if (std::all_of(out.matches.begin(), out.matches.end(), [](double m) { return m == 0; })) return out;
  double halved = 1, logs = 0;
  size_t used = orders;
  for (size_t n = 0; n < orders; ++n) {
    double &matches = out.matches[n], &total = out.totals[n], &p = out.precisions[n];
    if (c.smooth == "add-k" && n > 0) {
      matches += smooth_value(c);
      total += smooth_value(c);
    }
    if (total == 0) break;
    if (c.effective_order) used = n + 1;
    if (matches > 0)
      p = 100 * matches / total;
    else if (c.smooth == "exp")
      p = 100 / ((halved *= 2) * total);
    else if (c.smooth == "floor")
      p = 100 * smooth_value(c) / total;
  }
  for (size_t n = 0; n < used; ++n)
    logs += out.precisions[n] > 0 ? std::log(out.precisions[n]) : -9999999999.0;
  out.score = out.brevity_penalty * std::exp(logs / static_cast<double>(used));
  return out;
}

bool without_blanks(std::span<const std::string> sentences) {
  const auto n = std::count_if(sentences.begin(), sentences.end(), [](const std::string& s) {
    return has_unspaced(s) && 2 * split_at_blanks(s).size() <= words(s).size();
  });
  return 2 * n > std::ssize(sentences);
}
std::string fitting_tokenizer(std::span<const std::string> references) {
  return without_blanks(references) ? "char" : "13a";
}
std::unique_ptr<Metric> make_bleu(const BleuConfig& c) { return std::make_unique<BleuMetric>(c); }

Bleu corpus_bleu(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references,
                 const BleuConfig& c) {
  const Reference reference(references.begin(), references.end());
  return bleu(count(BleuMetric(c), hypotheses, std::span(&reference, 1)).sum(), c);
}
}  // namespace rum::metrics
