#include "run/idle_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace rum {
std::vector<std::string> keys_without_effect(const RunConfig& c) {
  const struct {
    bool idle;
    std::vector<std::string_view> names;
    const char* why;
  } rules[] = {{!c.tokenizer.empty(),
                {"tokenizer.vocab", "tokenizer.pattern", "tokenizer.split_digits"},
                "tokenizer.file brings its own"},
               {c.tokenizer.empty() && c.bpe.pattern == "characters",
                {"tokenizer.vocab", "tokenizer.split_digits"},
                "tokenizer.pattern = \"characters\" makes each character a token"},
               {c.model.positions == Positions::learned,
                {"model.rope_base", "model.rope_factor"},
                "it is for model.positions = \"rope\""},
               {c.model.positions == Positions::learned || c.model.rope_factor == 1,
                {"model.rope_low", "model.rope_high", "model.rope_context"},
                "it is for model.rope_factor above 1"},
               {c.schedule.decay == Decay::inverse_sqrt || c.schedule.decay == Decay::constant,
                {"schedule.floor"},
                "it is for schedule.decay = \"cosine\" and \"linear\""},
               {c.target_tokens > 0, {"train.steps"}, "train.target_tokens says how many steps there are"},
               {c.lora.rank == 0, {"lora.alpha", "lora.targets"}, "it is for lora.rank above 0"},
               {c.kind == CorpusKind::documents,
                {"eval.bleu_texts", "eval.beam", "eval.length_penalty"},
                "it is for data.kind = \"translation\""}};
  std::vector<std::string> out;
  for (const auto& rule : rules)
    for (const std::string_view name : rule.names) {
      const auto key =
          std::find_if(keys().begin(), keys().end(), [&](const Key& k) { return k.name == name; });
      if (const std::string set = key->get(c); rule.idle && set != key->get(RunConfig()))
        out.push_back(fmt::format("{} = {} has no effect: {}", name, set, rule.why));
    }
  return out;
}
}  // namespace rum
