// A language or translation model of ours, for detectors: loaded from its run, identified by the hash of its
// weights, and run on texts.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "detect/detector.h"
#include "run/run.h"

namespace rum::detect {
class OwnModel {
 public:
  explicit OwnModel(const std::string& path);  // as load_run(); FileError
  // The model that a detector's file names under `key`. FileError (file: for messages): its weights have
  // changed.
  static OwnModel from(const Json::Object& settings, const std::string& key, const std::string& file);
  Json::Object saved() const;  // path and hash of the weights

  const std::string& path() const { return path_; }
  const Model& model() const { return run_->model; }
  const Tokenizer& tokenizer() const { return run_->tokenizer; }
  // The weights' hash, as in the provenance of generated text.
  const std::string& weights() const { return weights_; }
  bool translation() const { return run_->translation(); }

  // A text as the model reads it: source and target, or with a language model the target alone. Error with
  // the text's id: an empty target, no source for a translation model, or more than the context holds (with
  // the number of such texts).
  std::vector<Example> examples(std::span<const Text>) const;
  // Why it cannot read a text that has all that it needs: its length, or a character. Nothing: it can.
  std::optional<std::string> unfit(const Text&) const;
  // Error: the two have different tokenizers, or one is a translation model and the other is not.
  void check_alike(const OwnModel&) const;

 private:
  Example example(const Text&) const;  // Error: a character that is not in its vocabulary
  int64_t positions(const Example&) const;
  std::string path_, weights_;
  std::shared_ptr<const LoadedRun> run_;
};
}  // namespace rum::detect
