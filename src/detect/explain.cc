#include "detect/explain.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "detect/white_box.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::detect {
Explained explained(const Detector& d, const Text& t) {
  Explained out{t, d.score({&t, 1}).front(), {}, d.explain(t), white_box(d, {&t, 1}).front()};
  RUM_CHECK(std::isfinite(out.score), "{}: its score is {}; a detector must give every text a number",
            place_of(t), out.score);
  double sum = out.explanation.constant, size = std::abs(sum);
  for (const Contribution& c : out.explanation.parts) {
    sum += c.adds;
    size += std::abs(c.adds);
  }
  RUM_CHECK(std::abs(sum - out.score) <= 1e-6 * std::max(size, std::abs(out.score)),
            "{}: the parts of its explanation add up to {}, its score is {}: the detector explains "
            "another score than it gives",
            place_of(t), sum, out.score);
  out.verdict = verdict(d.calibration, t, out.score);
  return out;
}

std::string sum_told(const Explained& e) {
  double parts = 0;
  for (const Contribution& c : e.explanation.parts) parts += c.adds;
  std::string out = fmt::format("score {:.6g} = {:.6g}, the constant, + {:.6g} of {} parts\n", e.score,
                                e.explanation.constant, parts, e.explanation.parts.size());
  if (e.white_box)
    out +=
        "white-box: this detector asks the very model that wrote the text, which finds its own words likely "
        "whatever they are worth\n";
  return out;
}

namespace {
bool begins_character(const std::string& text, size_t at) {
  return at >= text.size() || (text[at] & 0xC0) != 0x80;
}
}  // namespace
std::vector<Stretch> stretches(const std::string& target, std::span<const Contribution> parts) {
  std::set<size_t> borders{0, target.size()};
  for (const Contribution& c : parts)
    for (const size_t at : {c.begin, c.end})
      if (begins_character(target, at)) borders.insert(at);
  std::vector<Stretch> out;
  for (auto next = std::next(borders.begin()); next != borders.end(); ++next)
    out.push_back({*std::prev(next), *next});
  const auto take = [](Stretch& s, const Contribution& c, double share) {
    s.adds += share * c.adds;
    if (c.rank == 0) return;
    s.rank = std::max(s.rank, c.rank);
    s.probability *= c.probability;
  };
  std::vector<Stretch> without_bytes;
  for (const Contribution& c : parts) {
    if (c.begin == c.end) {
      take(without_bytes.emplace_back(Stretch{c.begin, c.end}), c, 1);
      continue;
    }
    auto at =
        std::partition_point(out.begin(), out.end(), [&](const Stretch& s) { return s.end <= c.begin; });
    for (; at != out.end() && at->begin < c.end; ++at) {
      const size_t bytes = std::min(at->end, c.end) - std::max(at->begin, c.begin);
      take(*at, c, static_cast<double>(bytes) / static_cast<double>(c.end - c.begin));
    }
  }
  out.insert(out.end(), without_bytes.begin(), without_bytes.end());
  std::stable_sort(out.begin(), out.end(), [](const Stretch& a, const Stretch& b) { return a.end < b.end; });
  return out;
}

int rank_class(int64_t rank) {
  if (rank <= 10) return 0;
  if (rank <= 100) return 1;
  return rank <= 1000 ? 2 : 3;
}
std::array<int64_t, 4> rank_histogram(std::span<const Contribution> parts) {
  std::array<int64_t, 4> out{};
  for (const Contribution& c : parts)
    if (c.rank > 0) ++out[static_cast<size_t>(rank_class(c.rank))];
  return out;
}
bool has_ranks(std::span<const Contribution> parts) {
  return !parts.empty() &&
         std::all_of(parts.begin(), parts.end(), [](const Contribution& c) { return c.rank > 0; });
}
std::vector<Feature> strongest(std::span<const Feature> features, size_t most) {
  std::vector<Feature> all(features.begin(), features.end()), out;
  std::stable_sort(all.begin(), all.end(),
                   [](const Feature& a, const Feature& b) { return a.adds > b.adds; });
  for (size_t i = 0; i < std::min(most, all.size()) && all[i].adds > 0; ++i) out.push_back(all[i]);
  for (size_t i = 0; i < std::min(most, all.size()) && all[all.size() - 1 - i].adds < 0; ++i)
    out.push_back(all[all.size() - 1 - i]);
  return out;
}

namespace {
// The words of words_v2, each with the signs up to the next one; the first of a stretch between blanks also
// has those before it, and a stretch of signs alone belongs to the word before it.
std::vector<std::string_view> signed_words(const std::string& target) {
  std::vector<std::string_view> out;
  const char* begin = nullptr;  // of signs before the first word
  const auto until = [](const char* from, const char* to) {
    return std::string_view(from, static_cast<size_t>(to - from));
  };
  for (const std::string_view stretch : split_at_blanks(target)) {
    const char* const end = stretch.data() + stretch.size();
    if (begin == nullptr) begin = stretch.data();
    const std::vector<std::string_view> words = words_in(stretch);
    if (words.empty() && !out.empty()) out.back() = until(out.back().data(), end);
    for (size_t w = 0; w < words.size(); ++w) {
      const char* from = words[w].data();
      if (w == 0) from = out.empty() ? begin : stretch.data();
      out.push_back(until(from, w + 1 < words.size() ? words[w + 1].data() : end));
    }
  }
  if (out.empty() && begin != nullptr)
    out.push_back(without_trailing_blanks(until(begin, target.data() + target.size())));
  return out;
}
std::vector<std::string_view> units_of(const std::string& target, Unit unit) {
  if (unit == Unit::words) return signed_words(target);
  std::vector<size_t> ends = sentence_breaks(target);
  ends.push_back(target.size());
  std::vector<std::string_view> out;
  size_t begin = 0;
  for (const size_t end : ends) {
    const std::string_view sentence =
        without_trailing_blanks(std::string_view(target).substr(begin, end - begin));
    if (!sentence.empty()) out.push_back(sentence);
    begin = end;
  }
  return out;
}
}  // namespace
std::vector<Window> windows(const Detector& d, const Text& t, Unit unit, int64_t size, int64_t stride) {
  RUM_CHECK(size >= 1 && stride >= 1, "windows of {} with a stride of {}: expected at least 1", size, stride);
  RUM_CHECK(!d.needs_source(),
            "this detector reads source and target, and which part of the source a window translates nobody "
            "knows: give the sentences as texts of their own, or a detector of targets alone");
  const std::vector<std::string_view> units = units_of(t.target, unit);
  const auto count = static_cast<int64_t>(units.size());
  std::vector<Window> out;
  std::vector<Text> texts;
  const auto add = [&](int64_t first) {
    const int64_t last = std::min(first + size, count) - 1;
    const std::string_view from = units[static_cast<size_t>(first)], to = units[static_cast<size_t>(last)];
    const auto begin = static_cast<size_t>(from.data() - t.target.data()),
               end = static_cast<size_t>(to.data() - t.target.data()) + to.size();
    out.push_back({begin, end, first + 1, last + 1, 0, {}});
    Text& window = texts.emplace_back(t);
    window.target = t.target.substr(begin, end - begin);
  };
  for (int64_t first = 0; first < count && (first == 0 || first + size <= count); first += stride) add(first);
  if (!out.empty() && out.back().last < count) add(count - size);
  const std::vector<double> scores = d.score(texts);
  for (size_t i = 0; i < out.size(); ++i) {
    RUM_CHECK(std::isfinite(scores[i]), "{}: the score of window {} is {}", place_of(t), i + 1, scores[i]);
    out[i].score = scores[i];
    out[i].verdict = verdict(d.calibration, texts[i], scores[i]);
  }
  return out;
}
bool looks_machine(const Calibration& c, const Verdict& v) {
  if (v.abstains) return false;
  if (c.thresholds.empty()) return v.probability && *v.probability > 0.5;
  const auto strictest = std::min_element(c.thresholds.begin(), c.thresholds.end(),
                                          [](const auto& a, const auto& b) { return a.fpr < b.fpr; });
  return v.flagged[static_cast<size_t>(strictest - c.thresholds.begin())];
}
std::vector<std::pair<size_t, size_t>> machine_parts(const Calibration& c, std::span<const Window> all) {
  std::vector<std::pair<size_t, size_t>> out;
  for (const Window& w : all) {
    if (!looks_machine(c, w.verdict)) continue;
    if (!out.empty() && w.begin <= out.back().second)
      out.back().second = std::max(out.back().second, w.end);
    else
      out.emplace_back(w.begin, w.end);
  }
  return out;
}

std::string told(const Calibration& c, const Verdict& v) {
  if (v.abstains)
    return fmt::format("too short to say: it abstains below {} characters\n", c.minimum_characters);
  std::string out;
  if (v.probability) out += fmt::format("a machine wrote it with probability {:.3f}\n", *v.probability);
  for (size_t k = 0; k < v.flagged.size(); ++k) {
    const Calibration::Threshold& t = c.thresholds[k];
    const char* verdict = "not above";
    if (v.flagged[k]) verdict = "machine: above";
    out += fmt::format("{} {:.6g}, the threshold for {:g} % false alarms\n", verdict, t.score, 100 * t.fpr);
  }
  return out;
}
const char* answer(const Calibration& c, const Verdict& v) {
  if (v.abstains) return "too short";
  if (looks_machine(c, v)) return "machine";
  if (c.thresholds.empty() && !v.probability) return "-";
  return "not flagged";
}
std::string parts_told(const Calibration& c, std::span<const Window> all) {
  const auto short_ones =
      std::count_if(all.begin(), all.end(), [](const Window& w) { return w.verdict.abstains; });
  const auto flagged =
      std::count_if(all.begin(), all.end(), [&](const Window& w) { return looks_machine(c, w.verdict); });
  std::string out;
  if (short_ones > 0)
    out += fmt::format("{} of {} windows are too short: it abstains below {} characters; take larger ones\n",
                       short_ones, all.size(), c.minimum_characters);
  if (c.thresholds.empty() && std::holds_alternative<std::monostate>(c.curve))
    return out + "it was not calibrated: scores tell the windows apart, not whether any is a machine's\n";
  if (c.thresholds.empty())
    return out + fmt::format("{} of {} windows are likelier a machine's than not\n", flagged, all.size());
  double fpr = 1;
  for (const auto& t : c.thresholds) fpr = std::min(fpr, t.fpr);
  return out + fmt::format(
                   "{} of {} windows look machine-written, where {:g} % of people's texts would; each "
                   "window is one more chance of a false alarm\n",
                   flagged, all.size(), 100 * fpr);
}
std::string beginning(const std::string& target, const Window& w) {
  constexpr size_t kShown = 40;  // bytes
  size_t end = std::min(w.end, w.begin + kShown);
  while (!begins_character(target, end)) --end;
  std::string out = one_line(std::string_view(target).substr(w.begin, end - w.begin));
  if (end < w.end) out += " ...";
  return out;
}
}  // namespace rum::detect
