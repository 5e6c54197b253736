// The stage that chooses one of several translations of each source; the candidates are written by earlier
// stages.
#include <fmt/format.h>

#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/threads.h"
#include "edits/operation.h"
#include "edits/targets.h"
#include "experiment/stage_model.h"
#include "generate/best_of.h"
#include "generate/generated.h"
#include "pipeline/stage.h"
#include "text/words.h"

namespace rum::experiment {
namespace {
struct Written {
  std::vector<Candidates> sources;            // in the order of the set
  std::vector<std::vector<Generated>> lines;  // [i][k]: the line of candidate k of source i
};
Written written(const std::vector<std::string>& folders) {
  std::map<int64_t, std::vector<Generated>> by_id;
  for (const std::string& folder : folders)
    for (Generated& g : read_generated(folder + "/generated.jsonl")) by_id[g.id].push_back(std::move(g));
  Written out;
  for (auto& [_, lines] : by_id) {
    Candidates& c = out.sources.emplace_back(Candidates{lines.front().source, {}});
    for (const Generated& g : lines) c.all.push_back({g.target, g.log_prob, g.tokens, g.finished});
    out.lines.push_back(std::move(lines));
  }
  return out;
}
// [i][k]: how close candidate k of source i is to the human target.
std::vector<std::vector<double>> nearness(const metrics::Metric& metric, const Written& w,
                                          const edits::TargetSet& human) {
  std::vector<std::vector<double>> out(w.sources.size());
  const size_t columns = metric.columns().size();
  parallel(static_cast<int64_t>(out.size()), [&](int64_t n) {
    const auto i = static_cast<size_t>(n);
    const std::vector<Candidate>& all = w.sources[i].all;
    const std::string_view target = human.texts[static_cast<size_t>(w.lines[i].front().id)].target;
    std::vector<std::string_view> texts;
    for (const Candidate& c : all) texts.push_back(c.text);
    std::vector<double> rows(texts.size() * columns);
    metric.count(texts, {&target, 1}, rows);
    for (size_t k = 0; k < texts.size(); ++k)
      out[i].push_back(metric.score(std::span(rows).subspan(k * columns, columns)));
  });
  return out;
}
struct Kept {
  std::vector<int64_t> index;  // index of the chosen candidate for each source
  std::string how;             // in words
};
// The weights are fitted on the validation set, since the models have memorised the judge set's pairs.
Kept by_channel(const StageContext& x, const metrics::Metric& metric, const Written& w) {
  const auto reverse = load_model(x, "reverse"), lm = load_model(x, "fluency");
  const Written tried = written(x.inputs("tried"));
  const ChannelWeights weights =
      fit_channel(channel_terms(*reverse, lm.get(), tried.sources),
                  nearness(metric, tried, edits::read_pool(x.input("split"), "valid")));
  const BestOf best = best_by_channel(0, *reverse, weights.lm > 0 ? lm.get() : nullptr, weights);
  Kept out{{},
           fmt::format("noisy channel, weights {} of the reverse and {} of the language model",
                       weights.reverse, weights.lm)};
  constexpr size_t kPart = 512;  // sources between status updates
  for (size_t i = 0; i < w.sources.size(); i += kPart) {
    if (x.stop()) throw Interrupted();
    x.progress.status(fmt::format("{} of {} chosen", i, w.sources.size()));
    for (const int64_t k :
         best.choose(std::span(w.sources).subspan(i, std::min(kPart, w.sources.size() - i))))
      out.index.push_back(k);
  }
  return out;
}
Kept kept(const StageContext& x, const Written& w) {
  const JsonFields p = x.parameters();
  const std::string &how = p.text("choose"), &utility = p.text("utility");
  const auto metric = make_utility(utility);
  if (how == "mbr") return {choose_mbr(*metric, w.sources), "minimum Bayes risk under " + utility};
  if (how == "channel") return by_channel(x, *metric, w);
  Kept out{{}, "oracle, " + utility + " to the human target"};
  for (const auto& near : nearness(*metric, w, edits::read_pool(x.input("split"), p.text("set"))))
    out.index.push_back(best(near));
  return out;
}

// Inputs: split, candidates (several), and for the noisy channel reverse, fluency, and tried (candidates for
// the validation set). Writes generated.jsonl and targets as `generate` does, for the same readers.
void choose(const StageContext& x) {
  const Written w = written(x.inputs("candidates"));
  const Kept k = kept(x, w);
  edits::TargetSet out;
  std::string lines;
  size_t words = 0, all_words = 0, candidates = 0;
  for (size_t i = 0; i < w.lines.size(); ++i) {
    Generated g = w.lines[i][static_cast<size_t>(k.index[i])];
    for (const Generated& other : w.lines[i]) all_words += split_at_blanks(other.target).size();
    words += split_at_blanks(g.target).size();
    candidates += w.lines[i].size();
    g.from.decoding = fmt::format("best of {} by {}: {}", w.lines[i].size(), k.how, g.from.decoding);
    out.ids.push_back(g.id);
    out.texts.push_back({g.source, g.target});
    lines += to_line(g);
  }
  Disk::real().replace_text(x.folder + "/generated.jsonl", lines);
  edits::write_targets(x.folder, out);
  const double mine = static_cast<double>(words) / static_cast<double>(w.lines.size()),
               theirs = static_cast<double>(all_words) / static_cast<double>(candidates);
  edits::write_summary(x, fmt::format("{}: {:.2f} words a target, {:.2f} a candidate", k.how, mine, theirs),
                       {{"words", mine}, {"candidate_words", theirs}});
}
const StageKind choose_kind("choose", 1, false, choose);
}  // namespace
}  // namespace rum::experiment
