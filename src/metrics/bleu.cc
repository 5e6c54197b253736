#include "metrics/bleu.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/error.h"
#include "base/threads.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum {
namespace {
constexpr const char* kVersion = "ruminate-1";  // of these definitions; grows when a score would change

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_stop(char c) { return c == '.' || c == ','; }
// What 13a puts spaces round wherever it stands: ASCII symbols but ' , - . and all letters and digits.
bool is_symbol(char c) {
  return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') ||
         (c >= '(' && c <= '+') || (c >= ':' && c <= '@') || c == '/';
}
void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

using Tokenize = std::string (*)(std::string_view);
struct Named {
  const char* name;
  Tokenize tokenize;
};
constexpr Named kTokenizers[] = {{"13a", tokenize_13a},
                                 {"none", [](std::string_view line) { return std::string(line); }}};
Tokenize tokenizer(const std::string& name) {
  std::string known;
  for (const Named& t : kTokenizers) {
    if (name == t.name) return t.tokenize;
    known.append(known.empty() ? "" : ", ").append(t.name);
  }
  fail(fmt::format("bleu: no tokenization \"{}\"; there are {}", name, known));
}
std::string prepare(std::string_view line, Tokenize tokenize, const BleuConfig& c) {
  return c.lowercase ? tokenize(without_trailing_blanks(lower_case(line)))
                     : tokenize(without_trailing_blanks(line));
}

// Numbers for n-grams: an (n+1)-gram is the pair of the n-gram it begins with and its last word, so equal
// numbers mean equal n-grams, without hashing away.
class Grams {
 public:
  uint32_t word(std::string_view w) {
    return words_.try_emplace(std::string(w), static_cast<uint32_t>(words_.size())).first->second;
  }
  uint32_t longer(int n, uint32_t begin, uint32_t word) {
    auto& known = pairs_[static_cast<size_t>(n)];
    return known.try_emplace(uint64_t{begin} << 32 | word, static_cast<uint32_t>(known.size())).first->second;
  }
  // counts[n][id]: how often the (n+1)-gram with this number occurs.
  int64_t count(const std::string& text, std::array<std::vector<int32_t>, 4>& counts) {
    std::vector<uint32_t> words, grams;
    for (const std::string_view w : split_at_blanks(text)) words.push_back(word(w));
    grams = words;
    for (int n = 0; n < 4; ++n) {
      if (n > 0) {
        if (!grams.empty()) grams.pop_back();
        for (size_t i = 0; i < grams.size(); ++i)
          grams[i] = longer(n, grams[i], words[i + static_cast<size_t>(n)]);
      }
      auto& to = counts[static_cast<size_t>(n)];
      std::fill(to.begin(), to.end(), 0);
      for (const uint32_t g : grams) {
        if (g >= to.size()) to.resize(g + 1);
        ++to[g];
      }
    }
    return static_cast<int64_t>(words.size());
  }

 private:
  std::unordered_map<std::string, uint32_t> words_;
  std::array<std::unordered_map<uint64_t, uint32_t>, 4> pairs_;
};
}  // namespace

std::string tokenize_13a(std::string_view line) {
  std::string s(line), t(1, ' ');
  replace_all(s, "<skipped>", "");
  replace_all(s, "-\n", "");
  std::replace(s.begin(), s.end(), '\n', ' ');
  if (s.find('&') != std::string::npos) {
    replace_all(s, "&quot;", "\"");
    replace_all(s, "&amp;", "&");
    replace_all(s, "&lt;", "<");
    replace_all(s, "&gt;", ">");
  }
  for (const char c : s) {
    if (is_symbol(c)) t += ' ';
    t += c;
    if (is_symbol(c)) t += ' ';
  }
  t += ' ';
  // Each rule is one pass of matches that do not overlap: a match eats both of its characters. Bytes serve as
  // characters, since only ASCII decides and a neighbour of several bytes is copied whole either way.
  auto pass = [&](auto matches, auto emit) {
    s.clear();
    for (size_t i = 0; i < t.size(); ++i) {
      if (i + 1 < t.size() && matches(t[i], t[i + 1]))
        emit(t[i], t[i + 1]), ++i;
      else
        s += t[i];
    }
    t.swap(s);
  };
  auto after_second = [&](char a, char b) { s += a, s += ' ', s += b, s += ' '; };
  pass([](char a, char b) { return !is_digit(a) && is_stop(b); }, after_second);
  pass([](char a, char b) { return is_stop(a) && !is_digit(b); },
       [&](char a, char b) {
         s.append({' ', a, ' ', b});
       });
  pass([](char a, char b) { return is_digit(a) && b == '-'; }, after_second);
  s.clear();
  for (const std::string_view w : split_at_blanks(t)) s.append(s.empty() ? "" : " ").append(w);
  return s;
}

BleuStats& BleuStats::operator+=(const BleuStats& o) {
  for (size_t n = 0; n < 4; ++n) matches[n] += o.matches[n], totals[n] += o.totals[n];
  hyp_len += o.hyp_len, ref_len += o.ref_len;
  return *this;
}

BleuStats bleu_stats(std::string_view hypothesis, std::span<const std::string> references,
                     const BleuConfig& c) {
  RUM_CHECK(!references.empty(), "bleu: a sentence without a reference");
  const Tokenize tokenize = tokenizer(c.tokenize);
  Grams grams;
  std::array<std::vector<int32_t>, 4> of_hyp, of_ref, most;
  BleuStats out;
  out.hyp_len = grams.count(prepare(hypothesis, tokenize, c), of_hyp);
  for (size_t r = 0; r < references.size(); ++r) {
    const int64_t length = grams.count(prepare(references[r], tokenize, c), of_ref);
    const int64_t far = std::abs(out.hyp_len - length), nearest = std::abs(out.hyp_len - out.ref_len);
    if (r == 0 || far < nearest || (far == nearest && length < out.ref_len)) out.ref_len = length;
    for (size_t n = 0; n < 4; ++n) {
      most[n].resize(std::max(most[n].size(), of_ref[n].size()));
      for (size_t g = 0; g < of_ref[n].size(); ++g) most[n][g] = std::max(most[n][g], of_ref[n][g]);
    }
  }
  for (size_t n = 0; n < 4; ++n)
    for (size_t g = 0; g < of_hyp[n].size(); ++g) {
      out.totals[n] += of_hyp[n][g];
      if (g < most[n].size()) out.matches[n] += std::min(of_hyp[n][g], most[n][g]);
    }
  return out;
}

Bleu bleu(const BleuStats& s, const BleuConfig& c) {
  const bool exponential = c.smooth == "exp", floor = c.smooth == "floor", add = c.smooth == "add-k";
  RUM_CHECK(exponential || floor || add || c.smooth == "none",
            "bleu: no smoothing \"{}\"; there are exp, floor, add-k, none", c.smooth);
  const double value = c.smooth_value >= 0 ? c.smooth_value : floor ? 0.1 : 1;
  Bleu out{.hyp_len = s.hyp_len, .ref_len = s.ref_len};
  out.brevity_penalty = s.hyp_len >= s.ref_len ? 1
                        : s.hyp_len > 0
                            ? std::exp(1 - static_cast<double>(s.ref_len) / static_cast<double>(s.hyp_len))
                            : 0;
  if (std::all_of(s.matches.begin(), s.matches.end(), [](int64_t m) { return m == 0; })) return out;
  double halved = 1;
  size_t orders = 4;
  for (size_t n = 0; n < 4; ++n) {
    const double more = add && n > 0 ? value : 0;
    const double matches = static_cast<double>(s.matches[n]) + more,
                 total = static_cast<double>(s.totals[n]) + more;
    if (total == 0) break;
    if (c.effective_order) orders = n + 1;
    double& p = out.precisions[n];
    if (matches > 0)
      p = 100 * matches / total;
    else if (exponential)
      p = 100 / ((halved *= 2) * total);
    else if (floor)
      p = 100 * value / total;
  }
  double sum = 0;
  for (size_t n = 0; n < orders; ++n)
    sum += out.precisions[n] > 0 ? std::log(out.precisions[n]) : -9999999999.0;
  out.score = out.brevity_penalty * std::exp(sum / static_cast<double>(orders));
  return out;
}

std::vector<BleuStats> bleu_sentences(std::span<const std::string> hypotheses,
                                      std::span<const std::vector<std::string>> references,
                                      const BleuConfig& c) {
  for (size_t r = 0; r < references.size(); ++r)
    RUM_CHECK(references[r].size() == hypotheses.size(), "bleu: {} hypotheses, but reference {} has {} lines",
              hypotheses.size(), r + 1, references[r].size());
  std::vector<BleuStats> out(hypotheses.size());
  constexpr size_t kPiece = 64;
  parallel(static_cast<int64_t>((out.size() + kPiece - 1) / kPiece), [&](int64_t piece) {
    std::vector<std::string> refs(references.size());
    const size_t begin = static_cast<size_t>(piece) * kPiece;
    for (size_t i = begin; i < std::min(out.size(), begin + kPiece); ++i) {
      for (size_t r = 0; r < refs.size(); ++r) refs[r] = references[r][i];
      out[i] = bleu_stats(hypotheses[i], refs, c);
    }
  });
  return out;
}
Bleu corpus_bleu(std::span<const std::string> hypotheses,
                 std::span<const std::vector<std::string>> references, const BleuConfig& c) {
  BleuStats sum;
  for (const BleuStats& s : bleu_sentences(hypotheses, references, c)) sum += s;
  return bleu(sum, c);
}
Bleu corpus_bleu(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references,
                 const BleuConfig& c) {
  return corpus_bleu(hypotheses, std::span(&references, 1), c);
}

std::string bleu_signature(const BleuConfig& c, size_t references) {
  std::string smooth = c.smooth;
  if (smooth == "floor" || smooth == "add-k")
    smooth += fmt::format("[{:.2f}]", c.smooth_value >= 0 ? c.smooth_value : smooth == "floor" ? 0.1 : 1.0);
  return fmt::format("nrefs:{}|case:{}|eff:{}|tok:{}|smooth:{}|version:{}", references,
                     c.lowercase ? "lc" : "mixed", c.effective_order ? "yes" : "no", c.tokenize, smooth,
                     kVersion);
}
std::string bleu_details(const Bleu& b) {
  const double ratio = b.ref_len > 0 ? static_cast<double>(b.hyp_len) / static_cast<double>(b.ref_len) : 0;
  return fmt::format("{:.1f}/{:.1f}/{:.1f}/{:.1f} (BP = {:.3f} ratio = {:.3f} hyp_len = {} ref_len = {})",
                     b.precisions[0], b.precisions[1], b.precisions[2], b.precisions[3], b.brevity_penalty,
                     ratio, b.hyp_len, b.ref_len);
}
}  // namespace rum
