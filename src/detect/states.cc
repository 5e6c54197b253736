// Reads a target with one of our translation models, given the source (teacher forcing): logistic regression
// over the mean states of every layer, each layer with a weight of its own (the light head of SMaTD, arXiv
// 2511.02958). score = constant + sum_l s_l w . z_l, z_l = the mean state of layer l, standardised to mean 0
// and deviation 1.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/mean.h"
#include "detect/logistic.h"
#include "detect/options.h"
#include "detect/own_model.h"
#include "generate/log_probs.h"

namespace rum::detect {
namespace {
using Numbers = std::vector<double>;

struct Head {
  Numbers weights;  // (layers, width): what a mean state adds, including the layer's weight and the deviation
  double constant = 0;
  Numbers layers;  // s
};
int64_t layers_of(const OwnModel& m) { return m.model().config().layers + 1; }  // the embedding counts as one
int64_t width_of(const OwnModel& m) { return m.model().config().width; }

class States : public Detector {
 public:
  States(OwnModel model, Head head, double C) : model_(std::move(model)), head_(std::move(head)), C_(C) {}
  std::vector<double> score(std::span<const Text> texts) const override {
    std::vector<double> out(texts.size());
    hidden_states(model_.model(), model_.examples(texts), [&](size_t i, std::span<const Tensor> states) {
      out[i] = head_.constant;
      for (const double part : adds(states)) out[i] += part;
    });
    return out;
  }
  std::optional<std::string> unfit(const Text& t) const override { return model_.unfit(t); }
  bool needs_source() const override { return true; }
  std::vector<std::string> models() const override { return {model_.weights()}; }
  Explanation explain(const Text& text) const override {
    const std::vector<Example> example = model_.examples({&text, 1});
    Explanation out;
    out.constant = head_.constant;
    hidden_states(model_.model(), example, [&](size_t, std::span<const Tensor> states) {
      size_t at = 0, token = static_cast<size_t>(example[0].prefix);
      GrowingDecode target(model_.tokenizer());
      for (const double part : adds(states)) {
        const size_t bytes = target.add(example[0].tokens[token++]).size();
        out.parts.push_back({at, at + bytes, part});
        at += bytes;
      }
    });
    return out;
  }
  Saved saved() const override {
    Saved out;
    out.settings = {{"model", model_.saved()}, {"C", C_}};
    const int64_t layers = layers_of(model_);
    out.tensors.emplace_back("constant", Tensor::from<double>(Numbers{head_.constant}, {1}, DType::f64));
    out.tensors.emplace_back("layers", Tensor::from<double>(head_.layers, {layers}, DType::f64));
    out.tensors.emplace_back("weights",
                             Tensor::from<double>(head_.weights, {layers, width_of(model_)}, DType::f64));
    return out;
  }

 private:
  // Each token's share of the mean.
  Numbers adds(std::span<const Tensor> states) const {
    const int64_t tokens = states[0].shape()[0], width = states[0].shape()[1];
    Numbers out(static_cast<size_t>(tokens));
    const double* w = head_.weights.data();
    for (const Tensor& layer : states) {
      const float* row = layer.data<float>();
      for (double& sum : out)
        for (int64_t j = 0; j < width; ++j) sum += w[j] * static_cast<double>(*row++);
      w += width;
    }
    for (double& sum : out) sum /= static_cast<double>(tokens);
    return out;
  }
  OwnModel model_;
  Head head_;
  double C_;
};

// One row of layers x width numbers per text.
std::vector<Numbers> mean_states(const OwnModel& model, std::span<const Text> texts) {
  std::vector<Numbers> out(texts.size());
  hidden_states(model.model(), model.examples(texts), [&](size_t i, std::span<const Tensor> states) {
    for (const Tensor& layer : states) {
      const int64_t tokens = layer.shape()[0], width = layer.shape()[1];
      for (int64_t j = 0; j < width; ++j) {
        double sum = 0;
        for (int64_t t = 0; t < tokens; ++t) sum += static_cast<double>(layer.data<float>()[t * width + j]);
        out[i].push_back(sum / static_cast<double>(tokens));
      }
    }
  });
  return out;
}

// Standardises each column.
std::vector<Standard> standardise(std::vector<Numbers>& rows) {
  std::vector<Standard> out;
  Numbers column(rows.size());
  for (size_t j = 0; j < rows[0].size(); ++j) {
    for (size_t i = 0; i < rows.size(); ++i) column[i] = rows[i][j];
    out.push_back(standard(column));
    for (Numbers& row : rows) row[j] = out.back()(row[j]);
  }
  return out;
}

// rows[i][l * width + j] times its weight: summed over l into columns j, or over j into columns l.
SparseRows summed(const std::vector<Numbers>& rows, size_t layers, std::span<const double> weights,
                  bool over_layers) {
  const size_t width = rows[0].size() / layers, columns = over_layers ? width : layers;
  SparseRows out;
  out.columns = static_cast<int32_t>(columns);
  for (const Numbers& row : rows) {
    Numbers sum(columns);
    for (size_t l = 0; l < layers; ++l)
      for (size_t j = 0; j < width; ++j)
        sum[over_layers ? j : l] += weights[over_layers ? l : j] * row[l * width + j];
    for (size_t k = 0; k < columns; ++k) {
      out.column.push_back(static_cast<int32_t>(k));
      out.value.push_back(static_cast<float>(sum[k]));
    }
    out.begin.push_back(static_cast<int64_t>(out.column.size()));
  }
  return out;
}
double half_square(const Numbers& v) {
  double sum = 0;
  for (const double x : v) sum += x * x / 2;
  return sum;
}

// Minimises |w|^2 / 2 + |s|^2 / 2 + C sum of the losses: w and s are optimised in turn, each exactly, until
// the objective stops falling.
Head fit_head(std::vector<Numbers> rows, std::span<const uint8_t> machine, size_t layers, double C) {
  constexpr int kRounds = 50;
  constexpr double kClose = 1e-5;
  const std::vector<Standard> standards = standardise(rows);
  Numbers s(layers, 1 / std::sqrt(static_cast<double>(layers)));
  Logistic by_layer, by_column;
  double before = INFINITY;
  for (int round = 0; round < kRounds; ++round) {
    by_column = fit_logistic(summed(rows, layers, s, true), machine, C);
    by_layer = fit_logistic(summed(rows, layers, by_column.weights, false), machine, C);
    s = by_layer.weights;
    const double objective = by_layer.objective + half_square(by_column.weights);
    if (before - objective < kClose * objective) break;
    before = objective;
  }
  Head head{Numbers(rows[0].size()), by_layer.constant, s};
  const size_t width = rows[0].size() / layers;
  for (size_t k = 0; k < head.weights.size(); ++k) {
    if (standards[k].deviation == 0) continue;
    head.weights[k] = s[k / width] * by_column.weights[k % width] / standards[k].deviation;
    head.constant -= head.weights[k] * standards[k].mean;
  }
  return head;
}

void check_translates(const OwnModel& model) {
  RUM_CHECK(model.translation(), "states: {} is a language model; expected one that translates",
            model.path());
}
std::unique_ptr<Detector> fit_states(std::span<const Text> texts, const Json::Object& given) {
  std::string path;
  double c = 1;
  Options options("states", given);
  options.take("model", path).take("C", c).end();
  RUM_CHECK(!path.empty(), "states: option \"model\": expected the run folder of a translation model");
  OwnModel model(path);
  check_translates(model);
  std::vector<uint8_t> machine;
  for (const Text& t : texts) machine.push_back(t.author == Author::machine);
  Head head = fit_head(mean_states(model, texts), machine, static_cast<size_t>(layers_of(model)), c);
  return std::make_unique<States>(std::move(model), std::move(head), c);
}
std::unique_ptr<Detector> load_states(const Saved& saved, const std::string& path) {
  OwnModel model = OwnModel::from(saved.settings, "model", path);
  check_translates(model);
  const auto numbers = [&](const char* name, const Shape& shape) {
    const Tensor t = tensor_of(saved, name, shape, path);
    return Numbers(t.data<double>(), t.data<double>() + t.size());
  };
  const int64_t layers = layers_of(model);
  Head head{numbers("weights", {layers, width_of(model)}), numbers("constant", {1})[0],
            numbers("layers", {layers})};
  return std::make_unique<States>(std::move(model), std::move(head),
                                  JsonFields(Json(saved.settings), path).number("C"));
}
const Kind states_kind{
    "states",
    "logistic regression over the mean states of a translation model, every layer weighted. "
    "Options: model, a Ruminate run; C",
    fit_states, load_states};
}  // namespace
}  // namespace rum::detect
