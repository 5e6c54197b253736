// The stage that evaluates a student on the test set: its translations, and the likelihood of the human ones.
// In configs and stores it is called `judge`.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "experiment/arms.h"
#include "experiment/stage_model.h"
#include "generate/translate.h"
#include "pipeline/stage.h"
#include "text/unicode.h"

namespace rum::experiment {
namespace {
// Inputs: student, split. Writes test.jsonl, one line per pair of the test set: id, translation, nll (natural
// -log p of the human target) and the number of tokens in that sum; both 0 where the pair does not fit the
// student's context, so that it counts in no mean.
void evaluate_student(const StageContext& x) {
  const auto run = load_model(x, "student", x.parameters().text("model"));
  const Corpus test = read_corpus(x.input("split") + "/test.tsv", CorpusKind::pairs);
  const ScoredTranslations scored = translate_and_score(
      run->model, run->tokenizer, test.texts, decoding_of(x.parameters().at("decoding")), [&](int64_t done) {
        x.progress.status(fmt::format("{} of {} translated", done, test.texts.size()));
        if (x.stop()) throw Interrupted();
      });
  const std::vector<SentenceScore> likelihoods = sentence_scores(run->model, run->tokenizer, test.texts);
  const auto too_long = std::count_if(likelihoods.begin(), likelihoods.end(),
                                      [](const SentenceScore& s) { return s.tokens == 0; });
  if (too_long > 0)
    x.progress.line(fmt::format("{}: {} of {} test pairs do not fit the context of {}: no likelihood of them",
                                x.stage.label, too_long, test.texts.size(), run->model.config().context));
  std::string out;
  for (size_t i = 0; i < test.texts.size(); ++i)
    out += to_json(Json(Json::Object{{"id", static_cast<int64_t>(i)},
                                     {"translation", one_line(scored.translations[i])},
                                     {"nll", 0 - likelihoods[i].log_prob},
                                     {"tokens", likelihoods[i].tokens}})) +
           "\n";
  Disk::real().replace_text(x.folder + "/test.jsonl", out);
}
const StageKind evaluation_kind("judge", 1, false, evaluate_student);
}  // namespace
}  // namespace rum::experiment
