// What a measure is, for people: its definition, where it comes from, and where tools disagree about it. Each
// file of this folder explains its own measures; the program's `--explain NAME` prints them.
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
  const char* disagreements;  // of known tools with this one; "" when there are none
  // Registers itself; made as a static.
  Explanation(const char* name, const char* title, const char* definition, const char* source,
              const char* disagreements = "");
  static std::span<const Explanation* const> all();  // by name
};
// The text that `--explain NAME` prints. Error with a did-you-mean when nothing has this name.
std::string explain(std::string_view name);
}  // namespace rum::metrics
