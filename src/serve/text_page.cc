#include "serve/text_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "generate/attention_maps.h"
#include "generate/generated.h"
#include "generate/log_probs.h"
#include "generate/translate.h"
#include "page/attention.h"
#include "page/page.h"
#include "text/html.h"
#include "text/unicode.h"

namespace rum::serve {
namespace {
constexpr int64_t kAlternatives = 5, kGoOn = 40, kMapped = 40;

std::string part_name(const AttentionMaps& m) {
  const char* words = "";
  if (m.part == "encoder") words = ", the source reads itself";
  if (m.part == "decoder") words = ", the translation reads itself";
  if (m.part == "cross") words = ", the translation reads the source";
  return fmt::format("Layer {}{}", m.layer + 1, words);
}
std::vector<std::string> labels(const LoadedRun& run, const Example& e, size_t from, size_t count) {
  std::vector<std::string> out;
  for (size_t i = from; i < from + count; ++i)
    out.push_back(page::token_label(token_text(run.tokenizer, e.tokens[i])));
  return out;
}
std::string alternatives(const LoadedRun& run, std::span<const Hypothesis> all) {
  std::string out =
      "<div class=\"scroll\"><table><thead><tr><th>Translation</th><th>log p</th><th>log p a "
      "token</th></tr></thead><tbody>\n";
  for (const Hypothesis& h : all)
    out += fmt::format(
        "<tr><td data-label=\"translation\">{}</td><td data-label=\"log p\">{}</td><td data-label=\"log p a "
        "token\">{}</td></tr>\n",
        escape_html(one_line(run.tokenizer.decode(h.tokens))), page::shown(h.log_prob, 2),
        page::shown(h.log_prob / static_cast<double>(std::max<size_t>(h.tokens.size() + h.finished, 1)), 2));
  return out + "</tbody></table></div>\n";
}
std::string parts(const LoadedRun& run, const Example& e) {
  const auto stats = text_stats(run.model, {&e, 1});
  const std::vector<page::ShownToken> tokens = shown_tokens(run, e, stats.front());
  return "<h2>How likely each token was</h2>\n" + page::heat_map(tokens) + page::heat_legend() +
         "<h2>How the tokenizer splits it</h2>\n" + page::cut_map(tokens) +
         "<h2>Where each layer and head looks</h2>\n" + attention_of(run, e);
}
std::string translated(const LoadedRun& run, const std::string& source) {
  RUM_CHECK(translatable(run, source),
            "there is nothing to translate, or more than the model's context of {} holds",
            run.model.config().context);
  Decoding d = run.config.decoding;
  d.best = kAlternatives;
  d.beam = std::max(d.beam, d.best);
  const Prompt p = source_prompt(source, run.tokenizer);
  const auto all = generate(run.model, {&p, 1}, run.tokenizer.end(), d).front();
  Example e{p.tokens, p.prefix};
  e.tokens.insert(e.tokens.end(), all.front().tokens.begin(), all.front().tokens.end());
  if (all.front().finished) e.tokens.push_back(run.tokenizer.end());
  return fmt::format("<p class=\"written\">{}</p>\n<h2>Alternatives</h2>\n",
                     escape_html(one_line(run.tokenizer.decode(all.front().tokens)))) +
         alternatives(run, all) + parts(run, e);
}
std::string continued(const LoadedRun& run, const std::string& text) {
  const Prompt p = text_prompt(text, run.tokenizer);
  RUM_CHECK(!p.tokens.empty() && room(run.model, p) > 0, "there is no text to continue, or no room after it");
  const Hypothesis h = generate(run.model, {&p, 1}, run.tokenizer.end(), {.max_new = kGoOn}).front().front();
  Example e;
  e.tokens = p.tokens;
  e.tokens.insert(e.tokens.end(), h.tokens.begin(), h.tokens.end());
  e.goes_on = true;
  return fmt::format("<p class=\"written\">{}<b>{}</b></p>\n", escape_html(text),
                     escape_html(run.tokenizer.decode(h.tokens, p.tokens))) +
         parts(run, e);
}
}  // namespace

std::string token_text(const Tokenizer& t, Token token) {
  const std::string name = t.name(token);
  return name.empty() ? std::string(t.bytes(token)) : name;
}
std::vector<page::ShownToken> shown_tokens(const LoadedRun& run, const Example& e,
                                           std::span<const metrics::TokenStats> stats) {
  std::vector<page::ShownToken> out;
  const size_t given = e.tokens.size() - stats.size();
  for (size_t i = 0; i < e.tokens.size(); ++i) {
    page::ShownToken& t = out.emplace_back(page::ShownToken{token_text(run.tokenizer, e.tokens[i])});
    t.says = fmt::format("token {}", e.tokens[i]);
    if (i < given) continue;
    const metrics::TokenStats& s = stats[i - given];
    t.log_p = s.log_p;
    t.says = fmt::format("rank {}, entropy {:.2f} nats", s.rank, s.entropy);
  }
  return out;
}

std::string attention_of(const LoadedRun& run, const Example& e) {
  std::vector<page::AttentionPicture> pictures;
  for (AttentionMaps& m : attention_maps(run.model, e, kMapped)) {
    page::AttentionPicture& p = pictures.emplace_back();
    p.name = part_name(m);
    p.rows = labels(run, e, m.rows_from, static_cast<size_t>(m.rows));
    p.columns = labels(run, e, m.columns_from, static_cast<size_t>(m.columns));
    p.heads = std::move(m.heads);
  }
  return "<p class=\"soft\">Rows look at columns; each row is drawn against its largest weight. A picture "
         "that "
         "is opened shows the tokens.</p>\n" +
         page::attention_html("attention", pictures);
}

std::string text_page(const LoadedRun& run, const std::string& text) {
  return run.translation() ? translated(run, one_line(text)) : continued(run, text);
}
}  // namespace rum::serve
