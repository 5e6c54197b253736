#include "detect/own_model.h"

#include "base/error.h"
#include "base/hash.h"
#include "checkpoint/weights.h"
#include "generate/scoring_batch.h"

namespace rum::detect {
OwnModel::OwnModel(const std::string& path) : path_(path), run_(load_run(path)) {
  weights_ = hex64(weights_hash(run_->params));
}
Json::Object OwnModel::saved() const { return {{"path", path_}, {"weights", weights_}}; }
OwnModel OwnModel::from(const Json::Object& settings, const std::string& key, const std::string& file) {
  const Json all(settings);
  const JsonFields model = JsonFields(all, file).object(key);
  const std::string &path = model.text("path"), &weights = model.text("weights");
  OwnModel out(path);
  if (out.weights_ != weights)
    throw FileError(
        fmt::format("{}: the detector was made with other weights of {} (hash {}, now {}); fit it again",
                    file, out.path_, weights, out.weights_));
  return out;
}

Example OwnModel::example(const Text& t) const try {
  return to_example(Pair{translation() ? t.source : "", t.target}, tokenizer());
} catch (const Error& e) {
  fail(fmt::format("{} ({})", e.what(), path_));
}
int64_t OwnModel::positions(const Example& e) const { return positions_needed(model(), e); }
std::optional<std::string> OwnModel::unfit(const Text& t) const try {
  if (translation() && t.source.empty()) return {};  // what is missing is not the text's fault
  const int64_t needed = positions(example(t)), context = model().config().context;
  if (needed <= context) return {};
  return fmt::format("it needs {} positions, the context of {} holds {}", needed, path_, context);
} catch (const Error& e) {
  return e.what();
}
std::vector<Example> OwnModel::examples(std::span<const Text> texts) const {
  const int64_t context = model().config().context;
  std::vector<Example> out;
  int64_t refused = 0, longest = 0;
  std::string first;
  for (const Text& t : texts) {
    RUM_CHECK(!t.target.empty(), "{} is empty: there is nothing to judge", place_of(t));
    RUM_CHECK(!translation() || !t.source.empty(),
              "{} has no source, and {} is a translation model; give the source beside each text, or a "
              "language model",
              place_of(t), path_);
    try {
      out.push_back(example(t));
    } catch (const Error& e) {
      fail(fmt::format("{}: {}", place_of(t), e.what()));
    }
    const int64_t needed = positions(out.back());
    if (needed <= context) continue;
    if (refused++ == 0) {
      first = place_of(t);
      longest = needed;
    }
  }
  RUM_CHECK(refused == 0,
            "{} needs {} positions, the context of {} holds {}; {} of {} texts are too long: leave them "
            "out or split them",
            first, longest, path_, context, refused, texts.size());
  return out;
}
void OwnModel::check_alike(const OwnModel& other) const {
  RUM_CHECK(tokenizer().hash() == other.tokenizer().hash(),
            "{} and {} have different tokenizers, so their probabilities cannot be compared; train one with "
            "the tokenizer of the other (tokenizer.file)",
            path_, other.path_);
  RUM_CHECK(translation() == other.translation(),
            "one of {} and {} is a translation model and the other is not", path_, other.path_);
}
}  // namespace rum::detect
