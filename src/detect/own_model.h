// A language or translation model of ours as detectors use it: loaded from its run, known by the hash of its
// weights, asked about texts.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "detect/detector.h"
#include "run/run.h"

namespace rum::detect {
class OwnModel {
 public:
  explicit OwnModel(const std::string& path);  // as load_run(); FileError
  // As a detector's file names it under `key`. FileError (file: for messages): its weights are others now.
  static OwnModel from(const Json::Object& settings, const std::string& key, const std::string& file);
  Json::Object saved() const;  // path and hash of the weights

  const std::string& path() const { return path_; }
  const Model& model() const { return run_->model; }
  const Tokenizer& tokenizer() const { return run_->tokenizer; }
  const std::string& weights() const { return weights_; }  // their hash, as provenance names a generator's
  bool translation() const { return run_->translation(); }

  // A text as the model reads it: source and target, or with a language model the target alone. Error, with
  // the text's id: nothing in the target, no source for a translation model, more than the context holds (and
  // how many such texts there are).
  std::vector<Example> examples(std::span<const Text>) const;
  // Error: the two cut text into different tokens, or one translates and the other does not.
  void check_alike(const OwnModel&) const;

 private:
  std::string path_, weights_;
  std::shared_ptr<const LoadedRun> run_;
};
}  // namespace rum::detect
