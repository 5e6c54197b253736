#include "experiment/report_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "metrics/explain.h"
#include "text/html.h"

namespace rum::experiment {
int digits_of(const std::string& score) { return score == "NLL" ? 2 : 1; }
bool has_width(const Effect& e, int digits) {
  return std::isfinite(e.low) && std::isfinite(e.high) &&
         page::signed_number(e.low, digits) != page::signed_number(e.high, digits);
}
namespace {
// So many that v does not round to 0, if a few more suffice.
int digits_off_zero(double v, int digits) {
  for (int more = 0; more < 4; ++more)
    if (std::abs(v) >= 0.5 * std::pow(10, -digits - more)) return digits + more;
  return digits;
}
}  // namespace
std::string interval_text(const Effect& e, int digits) {
  if (!has_width(e, digits)) return page::signed_number(e.value, digits);
  const auto end = [&](double v) { return page::signed_number(v, digits_off_zero(v, digits)); };
  return fmt::format("{} [{},\u00a0{}]", page::signed_number(e.value, digits), end(e.low), end(e.high));
}
std::string from_to(const Claim& c, const ClaimResult::Row& row, int digits) {
  if (c.minus_with.first.empty()) return page::change(row.from, row.to, digits, !row.few_chances);
  return fmt::format("{} → {}", page::signed_number(row.from, digits), page::signed_number(row.to, digits));
}
std::string p_value_text(const Effect& e, int digits, double p) {
  if (!std::isfinite(p) || !has_width(e, digits)) return "–";
  if (p < 0.001) return "&lt;\u00a0.001";
  if (p > 0.9995) return "1";
  return fmt::format("{:.3f}", p).substr(1);
}
std::string share_of_gap(const GapClosed& g) {
  if (!g.share || !g.interval) return "no gap";
  const auto end = [](double share) {
    return std::isinf(share) ? "unbounded" : page::shown(100 * share, digits_off_zero(100 * share, 0));
  };
  const auto [low, high] = *g.interval;
  std::string out = page::percent(*g.share);
  if (std::isinf(low) && std::isinf(high))
    out += " [unbounded]";
  else if (end(low) != end(high))
    out += fmt::format(" [{},\u00a0{}]", end(low), end(high));
  return out + (g.sign_is_uncertain() ? "?" : "");
}
std::string verdict_html(Verdict v) {
  const char* sign = "?";
  if (v == Verdict::holds) sign = "✓";
  if (v == Verdict::does_not_hold) sign = "✗";
  std::string css = name(v);
  std::replace(css.begin(), css.end(), ' ', '_');
  return fmt::format("<span class=\"verdict {}\">{} {}</span>", css, sign, name(v));
}

std::string explained(const std::string& measure) {
  if (measure.starts_with("1-"))
    return "One minus the mean of sentence scores, where 100 is 1. " + explained(measure.substr(2));
  std::string key = measure;
  std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) { return std::tolower(c); });
  if (key == "nll")
    return "Minus the mean natural log p of the tokens of the human test targets under the student: how "
           "unlikely it finds human text, in nats a token.";
  const size_t bar = key.rfind('_');  // "mattr_50" is a mattr
  std::string base = key;
  if (bar != std::string::npos && key.find_first_not_of("0123456789", bar + 1) == std::string::npos)
    base = key.substr(0, bar);
  for (const metrics::Explanation* e : metrics::Explanation::all())
    if (e->name == key || e->name == base) return metrics::explain(e->name);
  return "";
}
page::Head score_head(size_t score) {
  const char* way = kHigherIsBetter[score] ? "higher" : "lower";
  return {fmt::format("{}, {} is better", kScores[score], way), explained(kScores[score])};
}
std::string claim_sentence(const Claim& c) {
  return fmt::format("{} <small>({})</small>{}", escape_html(c.text), escape_html(c.id),
                     c.chosen_later ? " <i>chosen later</i>" : "");
}
namespace {
constexpr std::pair<const char*, const char*> kGroups[] = {{"A", "main"},
                                                           {"B", "fraction of real data"},
                                                           {"C", "mechanisms"},
                                                           {"D", "remedy 1: quality"},
                                                           {"E", "remedy 2: several generators"},
                                                           {"F", "remedy 3: detector"},
                                                           {"R", "stronger remedies"},
                                                           {"H", "fine-tuning"},
                                                           {"G", "beyond the paper"}};
}
int group_key(const ExperimentConfig& c, const std::string& group) {
  std::vector<std::string> order;
  for (const auto& [letter, _] : kGroups) order.emplace_back(letter);
  const auto place = [&](const std::string& name) { return std::find(order.begin(), order.end(), name); };
  for (const Arm& a : c.arms)
    if (place(a.group) == order.end()) order.push_back(a.group);
  return static_cast<int>(place(group) - order.begin());
}
std::string group_name(const std::string& group) {
  for (const auto& [letter, says] : kGroups)
    if (group == letter) return fmt::format("{}, {}", letter, says);
  return group.empty() ? "without a group" : group;
}
std::vector<const ArmResult*> by_group(const ExperimentResults& r) {
  std::vector<const ArmResult*> out;
  for (const ArmResult& a : r.arms) out.push_back(&a);
  const auto key = [&](const ArmResult* a) { return group_key(*r.config, a->arm->group); };
  std::stable_sort(out.begin(), out.end(), [&](const auto* a, const auto* b) { return key(a) < key(b); });
  return out;
}
std::vector<page::ChartKey> group_legend(const ExperimentConfig& c,
                                         const std::vector<const ArmResult*>& arms) {
  std::map<int, std::string> names;
  for (const ArmResult* a : arms) names.emplace(group_key(c, a->arm->group), group_name(a->arm->group));
  std::vector<page::ChartKey> out;
  for (const auto& [key, name] : names) out.push_back({key, name});
  return out;
}
const ArmResult* find_arm(const ExperimentResults& r, const std::string& name) {
  for (const ArmResult& a : r.arms)
    if (a.arm->name == name && a.volume == 1 && a.weights == "last") return &a;
  return nullptr;
}
}  // namespace rum::experiment
