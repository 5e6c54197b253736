// A transformer that reads source and target and classifies the target as human or machine: trained here on
// the labelled texts, from random weights or from those of a language or translation model of ours. The score
// is the difference of the two classes' logits. It is linear in the pooled rows, so each token's share of it
// is exact.
#include "detect/classifier.h"

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "base/threads.h"
#include "checkpoint/weights.h"
#include "detect/folds.h"
#include "detect/options.h"
#include "text/unicode.h"
#include "train/classification.h"
#include "train/learn.h"

namespace rum::detect {
namespace {
constexpr int64_t kFolds = 10;  // one of them is held out for choosing the weights
constexpr int64_t kHeadWidth = 32;

struct Recipe {
  RunConfig run;  // the model's shape and how it is trained; train.from as given
  Pooling pooling = Pooling::mean;
  bool source = true;  // whether it also reads the source
};

// Turns texts into pairs that fit into the context: the whole text, or as much of its beginning as fits.
class Reader {
 public:
  Reader(const Recipe& r, const Tokenizer& t)
      : source_(r.source),
        context_(r.run.model.context),
        shape_(classifier_shape(r.run, r.pooling)),
        tokenizer_(t) {}
  Pair read(const Text& t) const {
    RUM_CHECK(!t.target.empty(), "{} is empty: there is nothing to judge", place_of(t));
    RUM_CHECK(!source_ || !t.source.empty(),
              "{} has no source, and this detector reads source and target; give the source beside each "
              "text, or fit with option source = false",
              place_of(t));
    Pair p{source_ ? t.source : "", t.target};
    try {
      if (fits(p)) return p;
    } catch (const Error& e) {  // a character that the vocabulary lacks
      fail(fmt::format("{}: {}", place_of(t), e.what()));
    }
    // The source may take up half of the context.
    p.source = longest(p.source, [&](const std::string& s) { return fits({s, ""}, context_ / 2); });
    p.target = longest(p.target, [&](const std::string& s) { return fits({p.source, s}); });
    return p;
  }
  // The same for all texts; reports how many are cut.
  std::vector<Pair> read(std::span<const Text> texts, Progress& progress) const {
    std::vector<Pair> out(texts.size());
    parallel(static_cast<int64_t>(texts.size()),
             [&](int64_t i) { out[static_cast<size_t>(i)] = read(texts[static_cast<size_t>(i)]); });
    int64_t cut = 0;
    for (size_t i = 0; i < texts.size(); ++i)
      cut += out[i].target != texts[i].target || (source_ && out[i].source != texts[i].source);
    if (cut > 0)
      progress.line(
          fmt::format("classifier: {} of {} texts are longer than its {} positions; of these only "
                      "the beginning is read",
                      cut, texts.size(), context_));
    return out;
  }
  Example example(const Pair& p) const { return to_example(p, tokenizer_); }

 private:
  bool fits(const Pair& p) const { return fits(p, context_); }
  bool fits(const Pair& p, int64_t room) const { return positions_of(example(p), shape_) <= room; }
  static std::string longest(const std::string& text, const std::function<bool(const std::string&)>& fits) {
    std::vector<size_t> ends{0};  // where its characters end
    for (const char *p = text.data(), *end = p + text.size(); p < end;) {
      p += decode_utf8(p, end).bytes;
      ends.push_back(static_cast<size_t>(p - text.data()));
    }
    size_t low = 0, high = ends.size() - 1;
    while (low < high) {
      const size_t middle = (low + high + 1) / 2;
      if (fits(text.substr(0, ends[middle])))
        low = middle;
      else
        high = middle - 1;
    }
    return text.substr(0, ends[low]);
  }
  bool source_;
  int64_t context_;
  BatchShape shape_;
  const Tokenizer& tokenizer_;
};

class TextClassifier : public Detector {
 public:
  TextClassifier(Recipe r, Tokenizer t, const NamedTensors& weights, const std::string& file)
      : recipe_(std::move(r)),
        tokenizer_(std::move(t)),
        model_(Params(params_), classifier_config(recipe_.run, tokenizer_.size()), 2, recipe_.pooling) {
    check_weights(params_, DType::f32, weights, "", file);
    params_.materialise(DeviceKind::cpu, DType::f32, 1);
    set_weights(params_, params_.master(), weights, "", file);
    params_.refresh_shadow();
  }
  std::vector<double> score(std::span<const Text> texts) const override {
    Progress progress;
    const Reader reader(recipe_, tokenizer_);
    const std::vector<Pair> pairs = reader.read(texts, progress);
    std::vector<double> out;
    for (const std::vector<double>& text : shares(reader, pairs))
      for (double& sum = out.emplace_back(); const double share : text) sum += share;
    return out;
  }
  std::optional<std::string> unfit(const Text& t) const override
      try {  // for a character: what is long is cut
    tokenizer_.encode(t.target);
    if (recipe_.source) tokenizer_.encode(t.source);
    return {};
  } catch (const Error& e) {
    return e.what();
  }
  bool needs_source() const override { return recipe_.source; }
  // The tokens of the source count as part of the constant.
  Explanation explain(const Text& text) const override {
    const Reader reader(recipe_, tokenizer_);
    const Pair pair = reader.read(text);
    const Example e = reader.example(pair);
    const std::vector<double> share = shares(reader, {&pair, 1}).front();
    Explanation out;
    if (recipe_.pooling == Pooling::last) {
      out.parts.push_back({0, pair.target.size(), share.back()});
      return out;
    }
    size_t at = 0, token = 0;
    for (; token < static_cast<size_t>(e.prefix); ++token) out.constant += share[token];
    GrowingDecode target(tokenizer_);
    for (; token + 1 < e.tokens.size(); ++token) {
      const size_t bytes = target.add(e.tokens[token]).size();
      out.parts.push_back({at, at + bytes, share[token]});
      at += bytes;
    }
    out.parts.push_back({at, at, share[token]});  // the end
    return out;
  }
  Saved saved() const override {
    Saved out;
    out.settings = {{"config", to_toml(recipe_.run)},
                    {"pooling", recipe_.pooling == Pooling::mean ? "mean" : "last"},
                    {"source", recipe_.source},
                    {"tokenizer", tokenizer_.json()}};
    out.tensors = named_weights(params_, params_.master());
    return out;
  }

 private:
  // What each token of a text adds to its score; with Pooling::last only one adds anything.
  std::vector<std::vector<double>> shares(const Reader& reader, std::span<const Pair> pairs) const {
    const BatchShape shape = classifier_shape(recipe_.run, recipe_.pooling);
    std::vector<Example> examples(pairs.size());
    parallel(static_cast<int64_t>(pairs.size()), [&](int64_t i) {
      examples[static_cast<size_t>(i)] = reader.example(pairs[static_cast<size_t>(i)]);
    });
    std::vector<std::vector<double>> out(pairs.size());
    Arena arena(DeviceKind::cpu);
    for (size_t begin = 0, end = 0; begin < examples.size(); begin = end) {
      for (Load all; end < examples.size(); ++end) {
        all = all + load_of(examples[end], shape);
        if (!all.fits(shape)) break;
      }
      arena.settle();
      Tape tape(arena, Tape::Mode::forward_only);
      const Batch b = upload(pack(std::span(examples).subspan(begin, end - begin), shape));
      const Tensor rows = model_.body.hidden(b.ids, b.layout);
      int64_t row = 0;
      for (size_t i = begin; i < end; ++i) {
        const auto tokens = static_cast<int64_t>(examples[i].tokens.size());
        out[i] = shares_of(rows.rows(row, row + tokens));
        row += tokens;
      }
    }
    return out;
  }
  std::vector<double> shares_of(const Tensor& rows) const {  // (tokens, C)
    const int64_t tokens = rows.shape()[0], width = rows.shape()[1];
    const float *human = model_.classes.data<float>(), *machine = human + width;
    std::vector<double> out(static_cast<size_t>(tokens));
    const int64_t first = recipe_.pooling == Pooling::last ? tokens - 1 : 0;
    for (int64_t t = first; t < tokens; ++t) {
      double sum = 0;
      for (int64_t j = 0; j < width; ++j)
        sum += (static_cast<double>(machine[j]) - static_cast<double>(human[j])) *
               static_cast<double>(rows.data<float>()[t * width + j]);
      out[static_cast<size_t>(t)] = sum / static_cast<double>(tokens - first);
    }
    return out;
  }
  Recipe recipe_;
  Tokenizer tokenizer_;
  ParameterBlock params_;
  Classifier model_;
};

// One corpus per class: texts by people, texts by machines.
std::vector<Corpus> by_class(std::span<const Text> texts, const std::vector<Pair>& pairs, CorpusKind kind,
                             const std::function<bool(size_t)>& wanted) {
  std::vector<Pair> of[2];
  for (size_t i = 0; i < texts.size(); ++i)
    if (wanted(i)) of[texts[i].author == Author::machine].push_back(pairs[i]);
  return {make_corpus("texts by people", std::move(of[0]), kind),
          make_corpus("texts by machines", std::move(of[1]), kind)};
}

struct Asked {
  Recipe recipe;
  std::unique_ptr<LoadedRun> from;
};
// The model has the width and depth of the options, or those of the run.
void shape_of(Asked& asked, const Json::Object& given) {
  RunConfig& c = asked.recipe.run;
  if (c.from.empty()) {
    RUM_CHECK(c.model.width % kHeadWidth == 0, "classifier: width = {}: expected a multiple of {}",
              c.model.width, kHeadWidth);
    c.model.heads = c.model.width / kHeadWidth;
    return;
  }
  for (const auto& [name, value] : given)
    RUM_CHECK(name != "width" && name != "layers" && name != "context" && name != "vocab",
              "classifier: option \"{}\" has no use beside \"from\": the model's shape is that of {}", name,
              c.from);
  asked.from = load_to_train(c.from);
  const float dropout = c.model.dropout;
  c.model = asked.from->config.model;
  c.model.dropout = dropout;
  c.model.smoothing = 0;
  c.model.recompute = false;
}
template <class Number>
void within(const char* name, Number value, Number low, Number high) {
  RUM_CHECK(value >= low && value <= high, "classifier: {} = {}: expected {} to {}", name, value, low, high);
}
Asked options_of(std::span<const Text> texts, const Json::Object& given) {
  Asked out;
  RunConfig& c = out.recipe.run;
  out.recipe.source =
      std::any_of(texts.begin(), texts.end(), [](const Text& t) { return !t.source.empty(); });
  c.model.layers = 2;
  c.model.width = 128;
  c.model.restart = false;
  c.bpe.vocab = 4096;
  c.tokens = 0;
  c.epochs = 20;
  c.steps = 4000;
  c.patience = 4;
  std::string pooling = "mean";
  int64_t seed = 1;
  double dropout = 0.1;
  Options options("classifier", given);
  options.take("from", c.from).take("pooling", pooling).take("source", out.recipe.source);
  double rate = c.from.empty() ? 1e-3 : 3e-4;
  options.take("epochs", c.epochs).take("steps", c.steps).take("seed", seed).take("tokens", c.tokens);
  options.take("learning_rate", rate).take("dropout", dropout).take("vocab", c.bpe.vocab);
  options.take("width", c.model.width).take("layers", c.model.layers).take("context", c.model.context).end();
  within<int64_t>("epochs", c.epochs, 1, 1000);
  within<int64_t>("steps", c.steps, 1, 1000000);
  within<int64_t>("tokens", c.tokens, 0, 1 << 20);
  within<int64_t>("seed", seed, 0, (int64_t{1} << 32) - 1);
  within<int64_t>("vocab", c.bpe.vocab, 260, 1 << 17);
  within<int64_t>("width", c.model.width, kHeadWidth, 4096);
  within<int64_t>("layers", c.model.layers, 1, 64);
  within("learning_rate", rate, 1e-8, 1.);
  within("dropout", dropout, 0., .9);
  RUM_CHECK(pooling == "mean" || pooling == "last", "classifier: pooling = \"{}\": expected mean or last",
            pooling);
  out.recipe.pooling = pooling == "last" ? Pooling::last : Pooling::mean;
  c.kind = out.recipe.source ? CorpusKind::pairs : CorpusKind::documents;
  c.seed = static_cast<uint32_t>(seed);
  c.schedule.peak = static_cast<float>(rate);
  c.model.dropout = static_cast<float>(dropout);
  shape_of(out, given);
  within<int64_t>("context", c.model.context, 16, 1 << 16);
  return out;
}

std::unique_ptr<Detector> fit_classifier(std::span<const Text> texts, const Json::Object& given) {
  Asked asked = options_of(texts, given);
  RunConfig& c = asked.recipe.run;
  RUM_CHECK(texts.size() >= 2 * kFolds,
            "classifier: {} texts; expected at least {}: a tenth of the sources is held out to choose the "
            "weights",
            texts.size(), 2 * kFolds);
  const std::vector<int64_t> fold = folds_of(texts, kFolds, c.seed);
  Progress progress;
  std::vector<std::string_view> words;
  for (const Text& t : texts) {
    if (asked.recipe.source) words.push_back(t.source);
    words.push_back(t.target);
  }
  TokenizerConfig bpe = c.bpe;
  bpe.special = {kEos, kSep};
  Tokenizer tokenizer = asked.from ? asked.from->tokenizer : Tokenizer::train(words, bpe);
  const std::vector<Pair> pairs = Reader(asked.recipe, tokenizer).read(texts, progress);
  if (c.tokens == 0) {  // about forty steps an epoch, at about four bytes a token
    size_t read = 0;
    for (const Pair& p : pairs) read += p.source.size() + p.target.size();
    c.tokens = std::clamp<int64_t>(static_cast<int64_t>(read) / (4 * 40), 256, 2048);
  }
  const auto held_out = by_class(texts, pairs, c.kind, [&](size_t i) { return fold[i] == 0; });
  const auto train = by_class(texts, pairs, c.kind, [&](size_t i) { return fold[i] != 0; });
  for (const Corpus& one : train)
    RUM_CHECK(!one.texts.empty(),
              "classifier: no {} are left to learn from: a tenth of the sources is held out to choose the "
              "weights, and all of them lie there",
              one.name);
  Classification task(c, asked.recipe.pooling, train, held_out, tokenizer, asked.from.get());
  c.steps = task.loader().steps();
  c.schedule.warmup = (c.steps + 9) / 10;
  c.eval_every = (task.loader().steps_per_epoch() + 1) / 2;
  learn(task, c, progress);
  return std::make_unique<TextClassifier>(asked.recipe, std::move(tokenizer),
                                          named_weights(task.params, task.params.master()), "classifier");
}
std::unique_ptr<Detector> load_classifier(const Saved& saved, const std::string& path) {
  const Json json(saved.settings);
  const JsonFields settings(json, path);
  const std::string& pooling = settings.text("pooling");
  if (pooling != "mean" && pooling != "last") settings.refuse("pooling", "mean or last");
  Recipe recipe{parse_config(settings.text("config"), path),
                pooling == "last" ? Pooling::last : Pooling::mean, settings.boolean("source")};
  return std::make_unique<TextClassifier>(
      std::move(recipe), Tokenizer::parse(settings.text("tokenizer"), path), saved.tensors, path);
}
}  // namespace

void check_classifier(const Json::Object& options) { options_of({}, options); }

namespace {
const Kind classifier_kind{
    "classifier",
    "a transformer trained on the labelled texts, from scratch or from a Ruminate run. "
    "Options: from, the run; pooling, source, epochs, steps, seed, tokens, "
    "learning_rate, dropout, vocab, width, layers, context",
    fit_classifier, load_classifier};
}  // namespace
}  // namespace rum::detect
