// Detectors: who wrote this, a person or a model? A detector gives every text one number, and a higher number
// always means machine. Each kind is one file that registers itself; thresholds, probabilities, folds and
// plans are made from the numbers alone (calibrate.h, folds.h, evaluate.h) and are the same for all kinds.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/file.h"
#include "checkpoint/safetensors.h"
#include "detect/curves.h"
#include "text/json.h"

namespace rum::detect {
enum class Author : uint8_t { unknown, human, machine };
struct Text {
  std::string id{};                           // as given, else its line number
  std::string source{};                       // what the target translates; may be empty
  std::string target{};                       // the text to classify
  Author author = Author::unknown;            // of the target
  std::string generator{};                    // which machine; empty for people, or if unknown
  std::string decoding{};                     // how it chose its words: "greedy", "sampled"
  std::string checkpoint{};                   // hash of the machine's weights, from its provenance
  std::string bad{};                          // why its line could not be read; then there is no target
  std::shared_ptr<const std::string> file{};  // where it stands, and in which line; null: made in memory
  int64_t line = 0;
};
// Which text, for messages: "FILE: line 7", or "text ID" of one that no file holds.
std::string place_of(const Text&);

// What a stretch of the target, bytes [begin, end), adds to the score.
struct Contribution {
  size_t begin = 0, end = 0;
  double adds = 0;
  int64_t rank = 0;        // language models: of this token among all, from 1; 0: not known
  double probability = 0;  // its probability
};
// Something that occurs several times in a text, and what its occurrences add to the score together.
struct Feature {
  std::string name;
  double adds = 0;
  int64_t times = 0;
};
struct Explanation {
  double constant = 0;  // score = constant + sum of what the parts add
  std::vector<Contribution> parts;
  // For features that overlap, such as n-grams: they add up to the same sum, before it is distributed over
  // the parts.
  std::vector<Feature> features{};
};

// What a detector stores: its own settings and numbers, besides those common to all detectors.
struct Saved {
  Json::Object settings;
  NamedTensors tensors;
};

// How well the recipe did on texts of unseen sources (folds.h).
struct HeldOut {
  int64_t folds = 0;
  double auroc = 0.5, error = 0;  // error: its standard error
};
// Files of texts: path, and hash of the lines.
using Corpora = std::vector<std::pair<std::string, uint64_t>>;
// What every detector records about itself.
struct Origin {
  Corpora corpora;                      // fitted on
  std::vector<uint64_t> texts;          // hashes of their targets; older detectors have none
  int64_t humans = 0, machines = 0;     // texts of each
  std::vector<std::string> generators;  // of the machines' texts, sorted
  int64_t white_box = 0;              // machine texts by a model that the detector itself uses (white_box.h)
  std::optional<HeldOut> held_out{};  // measured without those
};

// From scores to answers (calibrate.h makes it).
struct Calibration {
  // From score to probability; monostate: none was fitted.
  std::variant<std::monostate, Platt, Isotonic> curve;
  struct Threshold {
    double fpr = 0, score = 0;  // texts scoring above `score` are flagged, at most the share fpr of people's
    int64_t humans = 0;         // texts that this was measured on, none of them too short for a verdict
  };
  std::vector<Threshold> thresholds{};
  int64_t minimum_characters = 0;  // it abstains from shorter targets
};

class Detector {
 public:
  virtual ~Detector() = default;
  // One score per text, higher = machine, computed on all threads. A text's score does not depend on the
  // other texts. Error when a text lacks the source that this detector needs. Scores are finite, else Error
  // with the text's id.
  virtual std::vector<double> score(std::span<const Text> texts) const = 0;
  // Why this text cannot have a score, to be said behind its name: it is longer than the context of a model that
  // is asked, or has a character which that one's tokenizer lacks. Nothing: it can.
  virtual std::optional<std::string> unfit(const Text&) const { return {}; }
  virtual bool needs_source() const { return false; }
  // Hashes of the weights of all the models of ours that it uses (white_box.h).
  virtual std::vector<std::string> models() const { return {}; }
  // Its own origin, then those of the detectors inside it.
  virtual std::vector<const Origin*> origins() const { return {&origin}; }
  virtual Explanation explain(const Text&) const = 0;
  virtual Saved saved() const = 0;

  std::string kind;  // name of its Kind
  Origin origin;
  Calibration calibration;
};

// A kind of detector: how it is made. Constructing one registers it.
struct Kind {
  const char* name;
  const char* help;  // what it is, and its options
  // From labelled texts of both authors (checked by fit() below); kinds that learn nothing ignore them.
  // Options come from the command line; unknown ones are refused with a suggestion.
  std::unique_ptr<Detector> (*fit)(std::span<const Text> texts, const Json::Object& options);
  std::unique_ptr<Detector> (*load)(const Saved&, const std::string& path);  // path: for messages
  Kind(const char* name, const char* help,
       std::unique_ptr<Detector> (*fit)(std::span<const Text>, const Json::Object&),
       std::unique_ptr<Detector> (*load)(const Saved&, const std::string&));
  static std::span<const Kind* const> all();          // by name
  static const Kind& named(const std::string& name);  // Error with a suggestion
};

// Of the target in NFC, without the blanks around it: what Origin::texts holds.
uint64_t text_hash(const Text&);
// Error: a text without an author, or all texts by one author.
void check_authors(std::span<const Text>);
// After check_authors().
std::unique_ptr<Detector> fit(const std::string& kind, std::span<const Text> texts,
                              const Json::Object& options = {});
// One safetensors file; its metadata holds the head, a JSON object with the format's version, the kind, the
// origin and the settings. FileError: not a detector, another version, truncated, or an unknown kind.
void save(const Detector&, const std::string& path, Disk& = Disk::real());
std::unique_ptr<Detector> load(const std::string& path, Disk& = Disk::real());
// The two halves, for a detector that contains others (combine.cc).
Saved pack(const Detector&);
std::unique_ptr<Detector> unpack(const Saved&, const std::string& path);
}  // namespace rum::detect
