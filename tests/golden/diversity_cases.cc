// Answers for lexical diversity, sentence diversity, the paired permutation test, two corpora and MAUVE.
#include <cmath>
#include <numeric>

#include "cases.h"
#include "metrics/corpus_compare.h"
#include "metrics/diversity.h"
#include "metrics/mauve.h"
#include "metrics/self_similarity.h"
#include "text/words.h"

namespace rum::golden::diversity_cases {
using namespace metrics;
namespace {
Json value(double x) { return std::isinf(x) ? Json("inf") : Json(x); }
Json count(double x) { return Json(static_cast<int64_t>(x)); }
bool is_count(std::string_view name) {
  return name == "tokens" || name == "types" || name == "hapax" || name == "dis" ||
         name.starts_with("ngram_types") || name.starts_with("ngram_tokens");
}
// Every measure that needs no text and no reference; parametrised ones with the parameters of the
// collection and others.
std::vector<std::string> lexical_names() {
  std::vector<std::string> out;
  for (const MeasureKind& kind : MeasureKind::all()) {
    if (kind.needs & (kText | kAttested)) continue;
    const std::string base = kind.explanation.name;
    if (kind.parameter == MeasureKind::kNone) out.push_back(base);
    if (kind.parameter == MeasureKind::kNone) continue;
    for (int p : {1, 2, 3, 4, 10, 25, 35, 42, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10000, 20000, 50000})
      if (p <= 4 || !(kind.needs & kByOrder)) out.push_back(base + "_" + std::to_string(p));
  }
  return out;
}
void answer_all(Json::Object& out, const DiversitySample& s) {
  for (const std::string& name : lexical_names()) {
    const double x = find_measure(name, 0)(s);
    const std::string key = name.starts_with("ead_") ? name + "_vocab30000" : name;
    out.emplace_back(key, is_count(name) && std::isfinite(x) ? count(x) : value(x));
  }
}
NumberedLines one_line(const std::vector<std::string>& tokens, Vocabulary& vocabulary) {
  NumberedLines out;
  for (const std::string& t : tokens) out.tokens.push_back(vocabulary.add(t));
  out.begins.push_back(out.tokens.size());
  return out;
}
constexpr unsigned kAllOrders = kWords | kBigrams | kTrigrams | kFourgrams;

const Area tokens("lexdiv/measures of one token list", [](const Request& request, const Emit& emit) {
  for (const Json& c : *at(request.file, "cases").array()) {
    ComparedCorpora corpora;
    corpora.add(one_line(strings(at(c, "tokens")), corpora.vocabulary));
    Json::Object got;
    answer_all(got, sample(corpora, 0, kAllOrders));
    emit(text(at(c, "id")), Json(Json::Object{{"adopt", Json(std::move(got))}}));
  }
});

const Area files("lexdiv of whole real corpora", [](const Request& request, const Emit& emit) {
  for (const Json& c : *at(request.file, "cases").array()) {
    const std::vector<std::string> text_lines = lines(request, text(at(c, "file")));
    ComparedCorpora corpora;  // of words_v1, as the golden says: a soft hyphen parts a word
    corpora.add(number_lines(text_lines, corpora.vocabulary, words_v1));
    const DiversitySample whole = sample(corpora, 0, kAllOrders);
    Json::Object got;
    answer_all(got, whole);
    got.emplace_back("compression_ratio", compress(text_lines).ratio());
    emit(text(at(c, "id")), Json(Json::Object{{"adopt", Json(std::move(got))}}));
  }
});

const Area sentences("diversity of a list of sentences", [](const Request& request, const Emit& emit) {
  for (const Json& c : *at(request.file, "cases").array()) {
    const std::vector<std::string> text_lines = strings(at(c, "sentences"));
    ComparedCorpora corpora;
    corpora.add(text_lines);
    const DiversitySample whole = sample(corpora, 0, kAllOrders);
    Json::Object got;
    answer_all(got, whole);
    const Compression zipped = compress(text_lines);
    got.emplace_back("bytes_lf", zipped.bytes), got.emplace_back("deflate9_raw_bytes_zlib", zipped.deflated);
    for (const auto& [key, name] : {std::pair{"compression_ratio", "compression_ratio"},
                                    {"self_bleu_sacrebleu_eff_exp_13a", "self_bleu"},
                                    {"self_bleu_texygen_nltk_method1_words", "self_bleu_words"},
                                    {"homogenization_rougeL", "homogenization_rougeL"}})
      got.emplace_back(key, value(find_measure(name, 0)(whole)));
    Json::Array first;
    for (const double x : self_bleu(text_lines))
      if (first.size() < 5) first.emplace_back(x);
    got.emplace_back("self_bleu_per_sentence_first5", std::move(first));
    emit(text(at(c, "id")), Json(Json::Object{{"adopt", Json(std::move(got))}}));
  }
});

std::vector<std::string> lines_of(const Request& request, const Json& c, const std::string& side) {
  if (const Json* given = c.find(side)) return strings(*given);
  const Json* range = c.find("lines");
  const auto bound = [&](size_t i) { return static_cast<size_t>(number((*range->array())[i])); };
  return range ? lines(request, text(at(c, side + "_file")), bound(0), bound(1))
               : lines(request, text(at(c, side + "_file")));
}

const Area permutation("paired permutation test of lexical diversity", [](const Request& request,
                                                                          const Emit& emit) {
  for (const Json& c : *at(request.file, "cases").array()) {
    const std::vector<std::string> text_a = lines_of(request, c, "a"), text_b = lines_of(request, c, "b");
    const auto n0 = static_cast<int64_t>(number(at(c, "n0")));
    ComparedCorpora corpora;
    corpora.add(text_a), corpora.add(text_b);
    std::vector<Measure> measures;
    for (const std::string& name : lexical_names()) {
      Measure m = find_measure(name, n0);
      if (m.needs() <= kWords && m.parameter < 1000) measures.push_back(std::move(m));
    }
    measures.push_back(find_measure("expected_types", n0));
    measures.back().name = "expected_types_n0";
    const auto& masks = *at(c, "swap_masks").array();
    const auto tests = permutation_test(corpora, 0, 1, measures, static_cast<int64_t>(masks.size()),
                                        [&](int64_t k, auto marks) {
                                          const auto& mask = *masks[static_cast<size_t>(k)].array();
                                          for (size_t i = 0; i < marks.size(); ++i)
                                            marks[i] = number(mask.at(i)) != 0;
                                        });
    Json::Object of_a, of_b, difference, permuted, p;
    for (size_t m = 0; m < measures.size(); ++m) {
      const std::string& name = measures[m].name;
      const auto number_of = [&](double x) { return is_count(name) ? count(x) : value(x); };
      of_a.emplace_back(name, number_of(tests[m].a)), of_b.emplace_back(name, number_of(tests[m].b));
      difference.emplace_back(name, number_of(tests[m].difference));
      Json::Array all;
      for (const double x : tests[m].permuted) all.push_back(number_of(x));
      permuted.emplace_back(name, std::move(all));
      p.emplace_back(name, value(tests[m].p()));
    }
    emit(text(at(c, "id")), Json(Json::Object{{"a", std::move(of_a)},
                                              {"b", std::move(of_b)},
                                              {"difference", std::move(difference)},
                                              {"permuted_differences", std::move(permuted)},
                                              {"p_two_sided", std::move(p)}}));
  }
});

const Area compared("two corpora", [](const Request& request, const Emit& emit) {
  for (const Json& c : *at(request.file, "cases").array()) {
    Vocabulary vocabulary;
    const NumberedLines ref = number_words(lines_of(request, c, "ref"), vocabulary),
                        sys = number_words(lines_of(request, c, "sys"), vocabulary);
    const Comparison x = compare(count_tokens(ref.tokens, vocabulary.size()),
                                 count_tokens(sys.tokens, vocabulary.size()), vocabulary);
    Json::Object got{{"js_divergence_bits", x.js_divergence_bits},
                     {"jaccard", x.jaccard},
                     {"type_coverage", x.type_coverage},
                     {"token_coverage", x.token_coverage},
                     {"oov_rate_system_tokens", x.oov_rate}};
    const char* bands[] = {"1_1", "2_2", "3_5", "6_10", "11_100", "over_100"};
    const char* levels[] = {"top1000", "1001_2000", "rest"};
    for (size_t i = 0; i < 6; ++i) got.emplace_back(std::string("coverage_ref_freq_") + bands[i], x.bands[i]);
    for (size_t i = 0; i < 3; ++i) {
      got.emplace_back(std::string("lfp_ref_") + levels[i], x.profile_reference[i]);
      got.emplace_back(std::string("lfp_sys_") + levels[i], x.profile_system[i]);
    }
    emit(text(at(c, "id")), Json(std::move(got)));
  }
});

const Area histograms("MAUVE from two histograms", [](const Request& request, const Emit& emit) {
  for (const Json& c : *at(request.file, "cases").array()) {
    std::vector<int64_t> counts[2];
    for (int side = 0; side < 2; ++side)
      for (const Json& n : *at(c, side ? "q_counts" : "p_counts").array())
        counts[side].push_back(static_cast<int64_t>(number(n)));
    const MauveConfig config{number(at(c, "scaling")), static_cast<int64_t>(number(at(c, "points")))};
    Json::Object got;
    for (const bool star : {false, true}) {
      const auto p = distribution(counts[0], star ? 0.5 : 0), q = distribution(counts[1], star ? 0.5 : 0);
      got.emplace_back(star ? "mauve_star" : "mauve", mauve(p, q, config));
      got.emplace_back(star ? "frontier_integral_star" : "frontier_integral", frontier_integral(p, q));
    }
    emit(text(at(c, "id")), Json(std::move(got)));
  }
});
}  // namespace
}  // namespace rum::golden::diversity_cases
