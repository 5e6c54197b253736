// The table of measures: name, definition, source, where tools disagree, and how each is computed.
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/mean.h"
#include "base/number.h"
#include "metrics/corpus_shape.h"
#include "metrics/diversity.h"
#include "metrics/self_similarity.h"

namespace rum::metrics {
namespace {
using S = const DiversitySample&;
constexpr int64_t kNone = MeasureKind::kNone;

const Spectrum& words(S s) { return s.spectra[0]; }
const Spectrum& ngrams(S s, int64_t n) { return s.spectra[static_cast<size_t>(n - 1)]; }
double real(int64_t x) { return static_cast<double>(x); }
const char *const kRichness = "Mingled with length: compare corpora of one length only.",
                  *const kTweedie = "Tweedie and Baayen 1998, who compare it with the other constants.";

const MeasureKind kinds[] = {
    {{"tokens", "Tokens",
      "N, words by the tokenizer words_v2: lower case, letters, marks and numbers, joined "
      "over one inner apostrophe or hyphen; parted by ICU's dictionaries where a script has no blanks.",
      "This program.", "Every tokenizer counts otherwise."},
     kNone,
     kWords,
     [](S s, int64_t) { return real(words(s).tokens); }},
    {{"types", "Types", "V, different words.", "This program."},
     kNone,
     kWords,
     [](S s, int64_t) { return real(words(s).types); }},
    {{"hapax", "Hapax legomena", "V_1, types that occur once.", "Baayen 2001."},
     kNone,
     kWords,
     [](S s, int64_t) { return real(words(s).of(1)); }},
    {{"dis", "Dis legomena", "V_2, types that occur twice.", "Baayen 2001."},
     kNone,
     kWords,
     [](S s, int64_t) { return real(words(s).of(2)); }},
    {{"ttr", "Type-token ratio", "V / N", "Johnson 1944.", kRichness},
     kNone,
     kWords,
     [](S s, int64_t) { return ttr(words(s)); }},
    {{"rttr_guiraud", "Root TTR, Guiraud's R", "V / sqrt N", "Guiraud 1954.", kRichness},
     kNone,
     kWords,
     [](S s, int64_t) { return rttr_guiraud(words(s)); }},
    {{"cttr_carroll", "Corrected TTR", "V / sqrt 2N", "Carroll 1964.", kRichness},
     kNone,
     kWords,
     [](S s, int64_t) { return cttr_carroll(words(s)); }},
    {{"herdan_c", "Herdan's C, log TTR", "ln V / ln N; undefined for N < 2", "Herdan 1960."},
     kNone,
     kWords,
     [](S s, int64_t) { return herdan_c(words(s)); }},
    {{"summer_s", "Summer's S", "ln ln V / ln ln N; undefined for V < 2",
      "Summer 1966, by Tweedie and Baayen 1998.", "koRpus takes log10, which changes the value."},
     kNone,
     kWords,
     [](S s, int64_t) { return summer_s(words(s)); }},
    {{"dugast_u", "Dugast's U, Uber index", "ln^2 N / (ln N - ln V); undefined when no word repeats",
      "Dugast 1980.", "koRpus takes log10: its value is 2.303 times smaller."},
     kNone,
     kWords,
     [](S s, int64_t) { return dugast_u(words(s)); }},
    {{"maas_a2_ln", "Maas' a^2, natural logarithms", "(ln N - ln V) / ln^2 N; falls as diversity grows",
      "Maas 1972.",
      "LexicalRichness: this. lexical_diversity (Kyle), TAALED: log10, 2.303 times larger. koRpus: a, the "
      "root, of log10."},
     kNone,
     kWords,
     [](S s, int64_t) { return maas_a2(words(s)); }},
    {{"maas_a2_log10", "Maas' a^2, decimal logarithms", "(lg N - lg V) / lg^2 N", "Maas 1972.",
      "See maas_a2_ln."},
     kNone,
     kWords,
     [](S s, int64_t) { return std::log(10.0) * maas_a2(words(s)); }},
    {{"maas_a_log10", "Maas' a, decimal logarithms", "sqrt((lg N - lg V) / lg^2 N)", "Maas 1972.",
      "See maas_a2_ln."},
     kNone,
     kWords,
     [](S s, int64_t) { return std::sqrt(std::log(10.0) * maas_a2(words(s))); }},
    {{"yule_k", "Yule's K",
      "10^4 (sum_r r^2 V_r - N) / N^2, which is 10^4 simpson_d (N - 1) / N: for long texts the chance, times "
      "10^4, that two tokens drawn without replacement are the same word; falls as diversity grows",
      "Yule 1944."},
     kNone,
     kWords,
     [](S s, int64_t) { return yule_k(words(s)); }},
    {{"yule_i", "Yule's I", "V^2 / (sum_r r^2 V_r - V); undefined when no word repeats", "Oakes 1998.",
      "Not the inverse of K, though often called so."},
     kNone,
     kWords,
     [](S s, int64_t) { return yule_i(words(s)); }},
    {{"simpson_d", "Simpson's D, unbiased", "sum_r V_r r (r - 1) / (N (N - 1)); falls as diversity grows",
      "Simpson 1949.", "Ecologists' packages print 1 - D or 1 / D under this name."},
     kNone,
     kWords,
     [](S s, int64_t) { return simpson_d(words(s)); }},
    {{"herdan_vm", "Herdan's V_m", "sqrt(sum_r V_r r^2 / N^2 - 1 / V)", "Herdan 1955.", ""},
     kNone,
     kWords,
     [](S s, int64_t) { return herdan_vm(words(s)); }},
    {{"honore_h", "Honore's H", "100 ln N / (1 - V_1 / V); undefined when every type occurs once",
      "Honore 1979."},
     kNone,
     kWords,
     [](S s, int64_t) { return honore_h(words(s)); }},
    {{"sichel_s", "Sichel's S", "V_2 / V", "Sichel 1975."},
     kNone,
     kWords,
     [](S s, int64_t) { return sichel_s(words(s)); }},
    {{"brunet_w", "Brunet's W", "N^(V^-a), a = 0.172; falls as diversity grows", "Brunet 1978.",
      "Some tools take a = 0.165."},
     kNone,
     kWords,
     [](S s, int64_t) { return brunet_w(words(s)); }},
    {{"hapax_ratio_types", "Hapax legomena among types", "V_1 / V", kTweedie},
     kNone,
     kWords,
     [](S s, int64_t) { return real(words(s).of(1)) / real(words(s).types); }},
    {{"hapax_ratio_tokens", "Hapax legomena among tokens", "V_1 / N", kTweedie},
     kNone,
     kWords,
     [](S s, int64_t) { return real(words(s).of(1)) / real(words(s).tokens); }},
    {{"entropy_bits", "Word entropy", "-sum p log2 p over types, p = r / N", "Shannon 1948.",
      "Too low for short texts; see entropy_miller_madow_bits."},
     kNone,
     kWords,
     [](S s, int64_t) { return entropy(words(s)); }},
    {{"entropy_miller_madow_bits", "Word entropy, corrected", "entropy_bits + (V - 1) / (2 N ln 2)",
      "Miller 1955."},
     kNone,
     kWords,
     [](S s, int64_t) { return entropy_miller_madow(words(s)); }},
    {{"good_turing_coverage", "Coverage by Good and Turing",
      "1 - V_1 / N: the estimated share of further text "
      "whose words were seen",
      "Good 1953."},
     kNone,
     kWords,
     [](S s, int64_t) { return good_turing_coverage(words(s)); }},
    {{"chao1", "Chao1, types including those unseen", "V + V_1 (V_1 - 1) / (2 (V_2 + 1))",
      "Chao 1984, in the bias-corrected form.",
      "The other form, V + V_1^2 / 2 V_2, is undefined for V_2 = 0."},
     kNone,
     kWords,
     [](S s, int64_t) { return chao1(words(s)); }},
    {{"msttr", "Mean segmental TTR",
      "mean TTR of consecutive segments of w tokens (msttr_100: w = 100); a shorter tail is left "
      "out; undefined for N < w",
      "Johnson 1944.", "LexicalRichness leaves out the last segment even when it is complete."},
     100,
     kTokens,
     [](S s, int64_t w) { return msttr(s.tokens, s.size, w); }},
    {{"mattr", "Moving-average TTR",
      "mean TTR of all N - w + 1 windows of w tokens (mattr_50: w = 50); undefined for N < w",
      "Covington and McFall 2010.", "lexical_diversity (Kyle) answers the TTR for N < w."},
     50,
     kTokens,
     [](S s, int64_t w) { return mattr(s.tokens, s.size, w); }},
    {{"mtld", "MTLD, measure of textual lexical diversity",
      "N / factors, the mean of reading forward and backward. A factor closes when its TTR falls below .72 "
      "and it has at least 10 tokens; the rest counts (1 - TTR) / .28. Undefined when no word repeats.",
      "McCarthy and Jarvis 2010.",
      "lexical_diversity (Kyle), TAALED: this. LexicalRichness and koRpus: no minimum length, and "
      "LexicalRichness closes at TTR = .72 "
      "already (mtld_le_min0); 1 to 40 % lower, most on short texts."},
     kNone,
     kTokens,
     [](S s, int64_t) { return mtld(s.tokens, s.size); }},
    {{"mtld_le_min0", "MTLD as LexicalRichness has it",
      "as mtld, but a factor closes as soon as its TTR is at most .72, however "
      "short",
      "McCarthy and Jarvis 2010.", "See mtld."},
     kNone,
     kTokens,
     [](S s, int64_t) {
       return mtld(s.tokens, s.size, {0.72, true, 0});
     }},
    {{"hdd", "HD-D",
      "sum over types of the chance to be among n tokens drawn without replacement, over n "
      "(hdd_42: n = 42); undefined for N < n",
      "McCarthy and Jarvis 2007.", "koRpus answers the sum, 42 times more."},
     42,
     kWords,
     [](S s, int64_t n) { return hdd(words(s), n); }},
    {{"vocd_exact", "vocd-D without sampling",
      "the D of TTR(n) = D / n (sqrt(1 + 2 n / D) - 1) that fits the exact expected TTR at n = "
      "35..50 best, by least squares; undefined for N < 50, infinite when no word repeats",
      "Malvern et al. 2004; the exact curve: McCarthy and Jarvis 2007.",
      "Other tools draw samples: their D changes by some percent with each seed."},
     kNone,
     kWords,
     [](S s, int64_t) { return vocd_exact(words(s)); }},
    {{"expected_types", "Types in n tokens, rarefaction",
      "E[V(n)] = sum_r V_r (1 - C(N - r, n) / C(N, n)): the types expected among n tokens drawn "
      "without replacement. Bare: n of --tokens, else of the smallest corpus, so that corpora of unequal "
      "size compare; where two files are tested line by line, the sum of min(a, b) over the pairs of lines "
      "of a and b tokens, since any swap of lines leaves that many.",
      "Hurlbert 1971."},
     MeasureKind::kCallers,
     kWords,
     [](S s, int64_t n) { return expected_types(words(s), n); }},
    {{"attested_types", "Attested types",
      "types that the reference text has too: misspelt and invented words do not count", "This program.",
      "Depends on the size of the reference."},
     kNone,
     kAttested,
     [](S s, int64_t) { return real(s.attested.types); }},
    {{"unattested_types", "Unattested types",
      "types that the reference text lacks: rare, misspelt and invented words", "This program.",
      "Depends on the size of the reference."},
     kNone,
     kAttested,
     [](S s, int64_t) { return real(words(s).types - s.attested.types); }},
    {{"attested_token_share", "Attested tokens", "share of tokens whose type the reference text has",
      "This program."},
     kNone,
     kAttested,
     [](S s, int64_t) { return real(s.attested.tokens) / real(words(s).tokens); }},
    {{"attested_expected_types", "Attested types in n tokens",
      "expected_types, counting attested types only, of n tokens of all kinds",
      "Hurlbert 1971; "
      "attested: this program."},
     MeasureKind::kCallers,
     kAttested,
     [](S s, int64_t n) { return expected_types(s.attested, n, words(s).tokens); }},
    {{"zipf_mle_exponent", "Zipf exponent, most likely",
      "the s that makes the frequencies most likely under p(rank) = "
      "rank^-s / sum_{i <= V} i^-s",
      "Clauset et al. 2009.", "Ranks are taken as known, which biases s upwards on short texts."},
     kNone,
     kWords,
     [](S s, int64_t) { return zipf_mle(words(s)); }},
    {{"zipf_ols_exponent", "Zipf exponent, least squares", "-slope of ln frequency over ln rank",
      "Zipf 1949.", "Dominated by the many rare words; see zipf_mle_exponent."},
     kNone,
     kWords,
     [](S s, int64_t) { return -zipf_ols(words(s)).slope; }},
    {{"zipf_ols_intercept_ln", "Intercept of the Zipf line",
      "ln frequency at rank 1 of the line of zipf_ols_exponent", "Zipf 1949."},
     kNone,
     kWords,
     [](S s, int64_t) { return zipf_ols(words(s)).intercept; }},
    {{"zipf_ols_r2", "Fit of the Zipf line", "share of variance explained", "Zipf 1949."},
     kNone,
     kWords,
     [](S s, int64_t) { return zipf_ols(words(s)).r2; }},
    {{"heaps_beta", "Heaps exponent",
      "slope of ln V(n) over ln n at n = ceil(i N / 50), i = 1..50, by least squares", "Heaps 1978.",
      "Depends on the checkpoints."},
     kNone,
     kTokens,
     [](S s, int64_t) { return heaps(s.tokens, s.size).slope; }},
    {{"heaps_lnK", "Heaps constant", "ln K of V(n) = K n^beta, the intercept of heaps_beta's line",
      "Heaps 1978."},
     kNone,
     kTokens,
     [](S s, int64_t) { return heaps(s.tokens, s.size).intercept; }},
    {{"distinct", "distinct-n",
      "different n-grams over n-grams (distinct_2: n = 2, n up to 4); none crosses a sentence",
      "Li et al. 2016.", "Many tools let n-grams cross sentences."},
     2,
     kByOrder,
     [](S s, int64_t n) { return ttr(ngrams(s, n)); }},
    {{"ngram_entropy_bits", "n-gram entropy",
      "-sum p log2 p over n-grams (ngram_entropy_bits_2: n = 2, n up to 4); none crosses a sentence",
      "Zhang et al. 2018."},
     2,
     kByOrder,
     [](S s, int64_t n) { return entropy(ngrams(s, n)); }},
    {{"ngram_types", "Different n-grams", "n up to 4; none crosses a sentence", "Li et al. 2016."},
     2,
     kByOrder,
     [](S s, int64_t n) { return real(ngrams(s, n).types); }},
    {{"ngram_tokens", "n-grams", "n up to 4; none crosses a sentence", "Li et al. 2016."},
     2,
     kByOrder,
     [](S s, int64_t n) { return real(ngrams(s, n).tokens); }},
    {{"ead", "Expectation-adjusted distinct-n",
      "different n-grams over the number that as many draws from 30000 equally likely ones would give, "
      "30000 (1 - (1 - 1 / 30000)^C), C n-grams (ead_1: n = 1, n up to 4)",
      "Liu et al. 2022.", "Depends on the vocabulary assumed."},
     1,
     kByOrder,
     [](S s, int64_t n) { return expectation_adjusted_distinct(ngrams(s, n)); }},
    {{"compression_ratio", "Compression ratio",
      "bytes of the sentences, each ended by LF, over (raw deflate at level 9 + 18)", "Shaib et al. 2024.",
      "The package `diversity` compresses twice and counts the file's name; zlib versions differ by up to 1 "
      "%."},
     kNone,
     kText,
     [](S s, int64_t) { return compress(*s.text).ratio(); }},
    {{"self_bleu", "Self-BLEU",
      "mean BLEU of each sentence against all others (13a, exponential smoothing, effective order), 0..100",
      "Zhu et al. 2018, "
      "with the BLEU of sacreBLEU.",
      "Texygen: see self_bleu_words. Others compare with a sample of the sentences: lower."},
     kNone,
     kText,
     [](S s, int64_t) { return mean(self_bleu(*s.text)); }},
    {{"self_bleu_words", "Self-BLEU as Texygen has it",
      "mean BLEU of each sentence against all others: words_v2, 4-grams, 0.1 for an order "
      "without a match, 0..100",
      "Zhu et al. 2018 with NLTK's method1.", "Texygen itself cuts the number of references."},
     kNone,
     kText,
     [](S s, int64_t) { return mean(self_bleu_words(*s.words)); }},
    {{"homogenization_rougeL", "Homogenisation",
      "mean ROUGE-L F1 over all pairs of sentences, tokens of a-z and 0-9; of more than 2000 "
      "sentences 2000 evenly spaced",
      "Shaib et al. 2024.", "The package `diversity` rounds, and compares all pairs at any size."},
     kNone,
     kText,
     [](S s, int64_t) { return homogenization_rouge_l(*s.text); }},
    {{"length_mean", "Tokens a line", "N over the number of lines, empty ones included", "This program."},
     kNone,
     kWords,
     [](S s, int64_t) { return real(words(s).tokens) / real(s.lines); }},
};
}  // namespace

std::span<const MeasureKind> MeasureKind::all() { return kinds; }

unsigned Measure::needs() const { return kind->needs == kByOrder ? 1u << (parameter - 1) : kind->needs; }

Measure find_measure(std::string_view name, int64_t tokens) {
  std::vector<std::string> names;
  for (const MeasureKind& kind : kinds) {
    const std::string base = kind.explanation.name;
    names.push_back(base);
    if (kind.parameter == kNone) {
      if (name == base) return {base, &kind, kNone};
      continue;
    }
    const int64_t usual = kind.parameter == MeasureKind::kCallers ? tokens : kind.parameter;
    if (name == base) return {fmt::format("{}_{}", base, usual), &kind, usual};
    if (!name.starts_with(base + "_")) continue;
    const std::string_view digits = name.substr(base.size() + 1);
    const auto number = number_in<int64_t>(digits);
    if (!number) continue;
    const int64_t most = kind.needs == kByOrder ? static_cast<int64_t>(kNgramOrders) : 1'000'000'000;
    RUM_CHECK(*number >= 1 && *number <= most, "measure \"{}\": the number after {} is from 1 to {}", name,
              base, most);
    return {std::string(name), &kind, *number};
  }
  fail(fmt::format("no measure \"{}\"{}", name, known_names(name, names)));
}
}  // namespace rum::metrics
