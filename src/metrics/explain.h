// Explanations of measures: the definition, its source, and where tools disagree. Each file in this folder
// explains its own measures; `--explain NAME` prints them.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace rum::metrics {
struct Explanation {
  const char* name;           // as typed and as keyed in JSON: "bleu", "mtld"
  const char* title;          // "MTLD, measure of textual lexical diversity"
  const char* definition;     // with the symbols of its source
  const char* source;         // paper or reference tool
  const char* disagreements;  // how known tools differ; "" if none does
  // Registers itself; define it as a static.
  Explanation(const char* name, const char* title, const char* definition, const char* source,
              const char* disagreements = "");
  static std::span<const Explanation* const> all();  // by name
};
// The text that `--explain NAME` prints: "mattr_50" is explained by "mattr". Error with a suggestion when there
// is no such measure.
std::string explain(std::string_view name);
}  // namespace rum::metrics
