#include "detect/linear.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/threads.h"
#include "detect/options.h"
#include "text/words.h"

namespace rum::detect {
namespace {
constexpr int64_t kPiece = 512;  // texts

int64_t pieces(size_t texts) { return (static_cast<int64_t>(texts) + kPiece - 1) / kPiece; }
template <class EachText>
void in_piece(int64_t piece, size_t texts, EachText&& each) {
  const auto from = static_cast<size_t>(piece * kPiece);
  for (size_t i = from; i < std::min(texts, from + kPiece); ++i) each(i);
}
bool wants_source(std::span<const Ngrams> ngrams) {
  return std::any_of(ngrams.begin(), ngrams.end(),
                     [](const Ngrams& n) { return n.analyzer == Analyzer::word_pairs; });
}
void check_sources(std::span<const Text> texts) {
  for (const Text& t : texts)
    RUM_CHECK(!t.source.empty(), "{}: this detector reads source and target, and there is no source",
              place_of(t));
}
SparseRows rows_of_piece(std::span<const Text> texts, int64_t piece, const LinearOptions& o, Hasher& hasher) {
  SparseRows out;
  in_piece(piece, texts.size(), [&](size_t i) {
    const Lowered text(texts[i]);
    for (size_t kind = 0; kind < o.ngrams.size(); ++kind) {
      const auto counts = hasher.count(text, o.ngrams[kind]);
      const double whole = length(counts);
      for (const auto& c : counts)
        if (c.count != 0) {
          out.column.push_back(static_cast<int32_t>(c.column + kind * o.features));
          out.value.push_back(static_cast<float>(c.count / whole));
        }
    }
    out.begin.push_back(static_cast<int64_t>(out.column.size()));
  });
  return out;
}
}  // namespace

SparseRows rows_of(std::span<const Text> texts, const LinearOptions& o) {
  if (wants_source(o.ngrams)) check_sources(texts);
  std::vector<SparseRows> parts(static_cast<size_t>(pieces(texts.size())));
  parallel(pieces(texts.size()), [&](int64_t piece) {
    Hasher hasher(o.features);
    parts[static_cast<size_t>(piece)] = rows_of_piece(texts, piece, o, hasher);
  });
  SparseRows out;
  out.columns = static_cast<int32_t>(o.features * o.ngrams.size());
  std::vector<size_t> at;
  for (const SparseRows& p : parts) {
    at.push_back(static_cast<size_t>(out.begin.back()));
    for (size_t i = 1; i < p.begin.size(); ++i)
      out.begin.push_back(static_cast<int64_t>(at.back()) + p.begin[i]);
  }
  out.column.resize(static_cast<size_t>(out.begin.back()));
  out.value.resize(out.column.size());
  parallel(static_cast<int64_t>(parts.size()), [&](int64_t piece) {
    const auto p = static_cast<size_t>(piece);
    std::copy(parts[p].column.begin(), parts[p].column.end(),
              out.column.begin() + static_cast<int64_t>(at[p]));
    std::copy(parts[p].value.begin(), parts[p].value.end(), out.value.begin() + static_cast<int64_t>(at[p]));
  });
  return out;
}

Linear::Linear(LinearOptions options, Logistic model)
    : options_(std::move(options)),
      model_(std::move(model)) {}
std::span<const double> Linear::weights_of(size_t kind) const {
  return std::span(model_.weights).subspan(kind * options_.features, options_.features);
}
bool Linear::needs_source() const { return wants_source(options_.ngrams); }
std::vector<double> Linear::score(std::span<const Text> texts) const {
  if (needs_source()) check_sources(texts);
  std::vector<double> out(texts.size());
  parallel(pieces(texts.size()), [&](int64_t piece) {
    Hasher hasher(options_.features);
    in_piece(piece, texts.size(), [&](size_t i) {
      const Lowered text(texts[i]);
      out[i] = model_.constant;
      for (size_t kind = 0; kind < options_.ngrams.size(); ++kind)
        out[i] += hasher.dot(text, options_.ngrams[kind], weights_of(kind));
    });
  });
  return out;
}

// Each occurrence of an n-gram adds sign * weight / length of the vector of its kind. That is split equally
// among the words that it touches, so the words add up to exactly what the n-grams do.
Explanation Linear::explain(const Text& given) const {
  const Lowered text(given);
  // Lower-casing may change the number of bytes, never the number of words between blanks.
  const auto words = split_at_blanks(text.target), original = split_at_blanks(given.target);
  Explanation out;
  out.constant = model_.constant;
  for (const std::string_view w : original) {
    const auto begin = static_cast<size_t>(w.data() - given.target.data());
    out.parts.push_back({begin, begin + w.size()});
  }
  if (words.empty()) out.parts.push_back({0, given.target.size()});  // nothing but blanks
  const auto word_at = [&](size_t byte) {
    const auto after = std::partition_point(words.begin(), words.end(), [&](std::string_view w) {
      return static_cast<size_t>(w.data() - text.target.data()) <= byte;
    });
    return static_cast<size_t>(std::max<int64_t>(after - words.begin() - 1, 0));
  };
  for (size_t kind = 0; kind < options_.ngrams.size(); ++kind) {
    const double whole = length(Hasher(options_.features).count(text, options_.ngrams[kind]));
    if (whole == 0) continue;
    std::map<std::string, Feature> features;
    for_each_ngram(text, options_.ngrams[kind], options_.features,
                   [&](const Ngram& g, uint32_t column, int sign) {
                     const double adds = sign * weights_of(kind)[column] / whole;
                     Feature& feature = features[std::string(g.bytes)];
                     feature.adds += adds;
                     feature.times += 1;
                     const size_t first = word_at(g.begin), last = word_at(std::max(g.begin + 1, g.end) - 1);
                     for (size_t w = first; w <= last; ++w)
                       out.parts[w].adds += adds / static_cast<double>(last - first + 1);
                   });
    for (auto& [name, feature] : features) {
      feature.name = name;
      out.features.push_back(std::move(feature));
    }
  }
  return out;
}

Saved Linear::saved() const {
  Saved out;
  out.settings = {{"ngrams", to_string(options_.ngrams)},
                  {"features", static_cast<int64_t>(options_.features)},
                  {"C", options_.C},
                  {"objective", model_.objective}};
  const std::vector<double> constant{model_.constant};
  out.tensors.emplace_back("constant", Tensor::from<double>(constant, {1}, DType::f64));
  out.tensors.emplace_back(
      "weights",
      Tensor::from<double>(model_.weights, {static_cast<int64_t>(model_.weights.size())}, DType::f64));
  return out;
}

std::unique_ptr<Linear> fit_linear(std::span<const Text> texts, const LinearOptions& o) {
  std::vector<uint8_t> machine;
  for (const Text& t : texts) machine.push_back(t.author == Author::machine);
  return std::make_unique<Linear>(o, fit_logistic(rows_of(texts, o), machine, o.C));
}

namespace {
LinearOptions options_of(const Json::Object& given, double* objective = nullptr) {  // of a saved detector
  LinearOptions o;
  std::string ngrams = to_string(o.ngrams);
  int64_t features = o.features;
  Options options("linear", given);
  options.take("ngrams", ngrams).take("features", features).take("C", o.C);
  if (objective) options.take("objective", *objective);
  options.end();
  o.ngrams = parse_ngrams(ngrams);
  RUM_CHECK(features >= 2 && features <= (1 << 24), "linear: features = {}: expected 2 to 2^24", features);
  o.features = static_cast<uint32_t>(features);
  return o;
}
std::unique_ptr<Detector> fit_linear(std::span<const Text> texts, const Json::Object& options) {
  return fit_linear(texts, options_of(options));
}
std::unique_ptr<Detector> load_linear(const Saved& saved, const std::string& path) {
  double objective = 0;
  const LinearOptions o = options_of(saved.settings, &objective);
  const Tensor weights =
      tensor_of(saved, "weights", {static_cast<int64_t>(o.features * o.ngrams.size())}, path);
  const Tensor constant = tensor_of(saved, "constant", {1}, path);
  const double* w = weights.data<double>();
  return std::make_unique<Linear>(o, Logistic{{w, w + weights.size()}, *constant.data<double>(), objective});
}
const Kind linear_kind{
    "linear",
    "logistic regression on hashed n-grams of characters and words; needs only labelled lines. "
    "Options: ngrams, features, C",
    fit_linear, load_linear};
}  // namespace
}  // namespace rum::detect
