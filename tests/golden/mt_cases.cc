// Answers for translation quality: tokenizers, corpus and sentence scores, on inline texts and on files.
#include <map>

#include "cases.h"
#include "metrics/metric.h"
#include "metrics/tokenize.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::golden::mt_cases {
using namespace metrics;
namespace {
const Json::Object& options(const Json& c) { return *at(c, "options").object(); }

const Area tokenizers("mt/tokenizers", [](const Request& request, const Emit& emit) {
  for (const Json& c : *at(request.file, "cases").array()) {
    const std::string &name = text(at(c, "tokenizer")), &input = text(at(c, "input"));
    const std::string& id = text(at(c, "id"));
    if (name != "tercom") {
      const std::string line = *at(c, "lowercase").boolean() ? lower_case(input) : input;
      emit(id, bleu_tokenizer(name)(without_trailing_blanks(line)));
      continue;
    }
    TerConfig config;
    read_options("tercom", options(c),
                 {{"normalized", &config.normalized},
                  {"no_punct", &config.no_punct},
                  {"asian_support", &config.asian_support},
                  {"case_sensitive", &config.case_sensitive}});
    emit(id, tokenize_ter(input, config));
  }
});

struct Set {
  std::vector<std::string> hyps;
  std::vector<Reference> refs;
};
Set set_of(const Json& c) {
  Set out{strings(at(c, "hyps")), {}};
  for (const Json& stream : *at(c, "refs").array()) {
    Reference& to = out.refs.emplace_back();
    for (const Json& r : *stream.array()) r.is_null() ? to.emplace_back() : to.emplace_back(text(r));
  }
  return out;
}
Json scored(const Json& c, const Set& set, bool sentences) {
  const auto metric = make_metric(text(at(c, "metric")), options(c));
  const Rows rows = count(*metric, set.hyps, set.refs);
  Json::Object out{{"score", metric->fields(rows.sum())},
                   {"formatted", line(*metric, rows.sum())},
                   {"signature", signature(*metric, reference_count(set.refs))}};
  Json::Array each;
  for (size_t i = 0; i < rows.size(); ++i) each.emplace_back(metric->fields(rows[i]));
  if (sentences) out.emplace_back("sentences", std::move(each));
  return out;
}

const Area corpora("mt/corpus+sentence scores", [](const Request& request, const Emit& emit) {
  std::map<std::string, Set> sets;
  const auto input = [](const Json& c) {
    const Json* kind = c.find("kind");
    return kind && text(*kind) == "input";
  };
  const Json::Array& cases = *at(request.file, "cases").array();
  for (const Json& c : cases)
    if (input(c)) sets[text(at(c, "set"))] = set_of(c);
  for (const Json& c : cases)
    if (!input(c)) emit(text(at(c, "id")), scored(c, sets.at(text(at(c, "set"))), true));
});

const Area real("mt/real system outputs", [](const Request& request, const Emit& emit) {
  for (const Json& c : *at(request.file, "cases").array()) {
    const auto& range = *at(c, "lines").array();
    const auto from = static_cast<size_t>(number(range[0])), to = static_cast<size_t>(number(range[1]));
    Set set{lines(request, text(at(c, "hyp_file")), from, to), {}};
    for (const std::string& f : strings(at(c, "ref_files"))) {
      const std::vector<std::string> ref = lines(request, f, from, to);
      set.refs.emplace_back(ref.begin(), ref.end());
    }
    emit(text(at(c, "id")), scored(c, set, false));
  }
});
}  // namespace
}  // namespace rum::golden::mt_cases
