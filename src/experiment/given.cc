#include "experiment/given.h"

#include <fmt/format.h>

#include <set>

#include "base/error.h"
#include "experiment/outside.h"
#include "generate/instruction.h"
#include "generate/translate.h"
#include "run/run.h"

namespace rum::experiment {
namespace {
// A model that is told to translate, or one that does nothing else.
void check_model(const Stage& s, const std::string& path) {
  const JsonFields p(s.parameters, s.label);
  const std::string* told = p.has("template") ? &p.text("template") : nullptr;
  try {
    const StoredRun run = read_run(path);
    ParameterBlock declared;
    const Model model(run.config.model_kind, Params(declared),
                      model_config(run.config, run.tokenizer.size()));
    const char* source = "a";  // as short as any
    const Prompt prompt =
        told ? instructed(run.tokenizer, {*told, p.has("chat")}, source, run.config.chat).prompt
             : source_prompt(source, run.tokenizer);
    RUM_CHECK(room(model, prompt) > 0,
              "{}: its context of {} tokens has no room for a translation behind {} tokens of {}", path,
              model.config().context, prompt.tokens.size(), told ? "the template" : "a source");
  } catch (const Error& e) {
    fail(fmt::format("generator {}: {}", TargetsName(p.text("name")).generator, e.what()));
  }
}
}  // namespace

void check_given(const ExperimentGraph& g, const Store& store) {
  const int64_t pool = JsonFields(g.graph.at(g.split).parameters, "split").whole("pool_pairs");
  std::set<std::string> seen;  // models by generator: several stages use each
  for (const Stage& s : g.graph.stages()) {
    if (store.finished(s.id)) continue;
    const JsonFields given(s.hints, s.label);
    if (s.kind == "import") read_outside(given.text("file"), pool);
    if (s.kind != "generate" || !given.has("model")) continue;
    const std::string& name = JsonFields(s.parameters, s.label).text("name");
    if (seen.insert(TargetsName(name).generator).second) check_model(s, given.text("model"));
  }
}
}  // namespace rum::experiment
