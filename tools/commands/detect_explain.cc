// `ruminate detect explain`: what a detector sees in a text, or in which part of a long one; in the terminal,
// in colour where it has colours, and as an HTML page.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/output.h"
#include "base/say.h"
#include "base/terminal.h"
#include "detect/explain_page.h"
#include "text/unicode.h"
#include "text/unpack.h"
#include "text/words.h"
#include "tools/commands/detect.h"

namespace rum::detect_explain_command {
using namespace detect;
namespace {
// Places in a terminal's cube of 256 colours; the classes of ranks are GLTR's.
constexpr int kRankColour[] = {114, 221, 209, 141};
constexpr int kMachine[] = {223, 216, 209, 202}, kPerson[] = {189, 153, 111, 69};
struct ExplainFlags {
  std::string detector, html, unit = "words";
  std::vector<std::string> ids, documents;
  int64_t window = 0, stride = 0, features = 10;
};
// A stretch of text and on which colour it stands; 0: on none.
struct Painted {
  std::string text;
  int colour = 0;
};
void show(const std::vector<Painted>& line) {
  for (const Painted& p : line) {
    if (p.colour == 0)
      print(p.text);
    else
      print_on_colour(p.text, p.colour);
  }
  print("\n");
}
std::string text_of(const Explained& e, const Stretch& s) {
  if (s.begin == s.end) return "<end>";
  return e.text.target.substr(s.begin, s.end - s.begin);
}
void show_ranks(const Explained& e, std::span<const Stretch> all) {
  show({{"rank 1 to 10", kRankColour[0]},
        {" "},
        {"to 100", kRankColour[1]},
        {" "},
        {"to 1000", kRankColour[2]},
        {" "},
        {"beyond", kRankColour[3]}});
  std::vector<Painted> line;
  for (const Stretch& s : all) {
    line.push_back({text_of(e, s)});
    if (s.rank > 0) line.back().colour = kRankColour[rank_class(s.rank)];
  }
  show(line);
}
void show_contributions(const Explained& e, std::span<const Stretch> all) {
  double strongest = 0;
  for (const Stretch& s : all) strongest = std::max(strongest, std::abs(s.adds));
  show({{"machine", kMachine[3]}, {" "}, {"person", kPerson[3]}});
  std::vector<Painted> line;
  for (const Stretch& s : all) {
    line.push_back({text_of(e, s)});
    const double share = std::abs(s.adds) / strongest;
    if (!(share > 0.02)) continue;
    const int level = std::min(3, static_cast<int>(4 * share));
    line.back().colour = s.adds > 0 ? kMachine[level] : kPerson[level];
  }
  show(line);
}
void show_table(const Explained& e, std::span<const Stretch> all, std::FILE* to) {
  const bool ranks = std::any_of(all.begin(), all.end(), [](const Stretch& s) { return s.rank > 0; });
  print(ranks ? "        adds      rank  probability  text\n" : "        adds  text\n", to);
  for (const Stretch& s : all) {
    if (s.rank == 0 && s.adds == 0) continue;
    std::string row = fmt::format("{:>12.6f}  ", s.adds);
    if (ranks && s.rank > 0) row += fmt::format("{:>8}  {:>11.4g}  ", s.rank, s.probability);
    if (ranks && s.rank == 0) row += fmt::format("{:>8}  {:>11}  ", "-", "-");
    print(row + (s.begin == s.end ? "end" : to_json(Json(text_of(e, s)))) + "\n", to);
  }
}
void show_features(const Explained& e, int64_t most, std::FILE* to) {
  const auto features = strongest(e.explanation.features, static_cast<size_t>(most));
  if (features.empty()) return;
  print("        adds  times  n-gram\n", to);
  for (const Feature& f : features)
    print(fmt::format("{:>12.6f}  {:>5}  {}\n", f.adds, f.times, to_json(Json(f.name))), to);
}
// In colour on a terminal that is standard output.
bool coloured(std::FILE* to) { return to == stdout && shows_colours(); }
void show(const Calibration& c, const Explained& e, int64_t features, std::FILE* to) {
  print(fmt::format("text {}\n{}{}", e.text.id, sum_told(e), told(c, e.verdict)), to);
  const std::vector<Stretch> all = stretches(e.text.target, e.explanation.parts);
  if (!coloured(to)) {
    show_table(e, all, to);
  } else {
    if (has_ranks(e.explanation.parts)) show_ranks(e, all);
    show_contributions(e, all);
  }
  show_features(e, features, to);
}
void show(const Calibration& c, const Windowed& w, const std::string& unit, std::FILE* to) {
  print(fmt::format("text {}\n{}", w.text.id, parts_told(c, w.windows)), to);
  if (coloured(to)) {
    std::vector<Painted> line;
    size_t at = 0;
    for (const auto& [begin, end] : machine_parts(c, w.windows)) {
      line.push_back({w.text.target.substr(at, begin - at)});
      line.push_back({w.text.target.substr(begin, end - begin), kMachine[2]});
      at = end;
    }
    line.push_back({w.text.target.substr(at)});
    show(line);
  }
  print(fmt::format("{:>13}       score  probability  it says      begins\n", unit), to);
  for (const Window& x : w.windows) {
    std::string probability = "-";
    if (x.verdict.probability) probability = fmt::format("{:.3f}", *x.verdict.probability);
    print(fmt::format("{:>13}  {:>10.4f}  {:>11}  {:<11}  {}\n", fmt::format("{}-{}", x.first, x.last),
                      x.score, probability, answer(c, x.verdict), beginning(w.text.target, x)),
          to);
  }
}

std::vector<Text> texts_of(const DetectInput& input, const ExplainFlags& o) {
  Texts read;
  if (o.documents.empty() || !input.humans.empty() || !input.machines.empty() || !input.in.empty())
    read = input.read();
  for (const std::string& path : o.documents) {
    std::string text = read_unpacked(path);
    if (const auto why = other_encoding(text)) throw FileError(fmt::format("{}: {}", path, *why));
    const size_t bad = find_invalid_utf8(text);
    if (bad != std::string::npos) throw FileError(fmt::format("{}: byte {}: expected UTF-8", path, bad + 1));
    text = nfc(one_line(text));
    if (blank_line(text)) throw FileError(path + ": it holds only spaces; expected a text");
    read.texts.push_back({.id = path, .target = std::string(without_trailing_blanks(text))});
  }
  if (o.ids.empty()) return read.texts;
  std::vector<Text> out;
  for (const std::string& id : o.ids) {
    const size_t before = out.size();
    for (const Text& t : read.texts)
      if (t.id == id) out.push_back(t);
    RUM_CHECK(out.size() > before, "no text has the id {}; a line of a plain file has its number", id);
  }
  return out;
}
int run(int argc, char** argv) {
  ExplainFlags o;
  DetectInput input;
  Flags flags(
      "detect explain",
      "Shows what drives a text's score: its words or tokens in colour on a terminal, otherwise as a table "
      "whose numbers, with the constant, add up to the score. With --window it says instead which parts "
      "of a long text look machine-written. Of several texts those that the detector's model cannot read are "
      "left out, and the exit status is then 1.");
  input.declare(flags);
  flags.add("--detector", o.detector, "the detector to use", true)
      .add("--document", o.documents, "a file that is one long text; its line ends count as spaces")
      .add("--id", o.ids, "only the texts with this id; in a plain file, the number of the line")
      .add("--features", o.features, "how many n-grams to list for each side", 0, 1000000)
      .add("--window", o.window, "score windows of this many words instead of whole texts", 1)
      .add("--stride", o.stride, "distance from one window to the next; by default half a window", 1)
      .choice("--unit", o.unit, "what windows are measured in", {"words", "sentences"})
      .add("--html", o.html, "also write an HTML page to this file")
      .footer(
          "Example:\n  ruminate detect explain --detector detector --in essays.txt --id 3 --html "
          "page.html\n");
  if (const auto status = flags.parse(argc, argv)) return *status;
  flags.need(o.window > 0, "--window", {"--stride", "--unit"});
  flags.need(o.window == 0, "whole texts: --window lists parts of them", {"--features"});
  std::vector<std::string> read = input.files();
  read.push_back(o.detector);
  read.insert(read.end(), o.documents.begin(), o.documents.end());
  std::optional<OutputFile> written;
  if (!o.html.empty()) {
    check_output(o.html, read);
    written.emplace(o.html);
  }
  std::FILE* const to = beside_output(o.html);
  const auto detector = load(o.detector);
  const Calibration& calibration = detector->calibration;
  const std::vector<Text> texts = texts_of(input, o);
  std::string page;
  size_t left_out = 0;
  if (o.window > 0) {
    const Unit unit = o.unit == "words" ? Unit::words : Unit::sentences;
    const int64_t stride = o.stride > 0 ? o.stride : std::max<int64_t>(1, o.window / 2);
    std::vector<Windowed> all;
    for (const Text& t : texts) all.push_back({t, windows(*detector, t, unit, o.window, stride)});
    for (const Windowed& w : all) show(calibration, w, o.unit, to);
    page = windows_page(calibration, all);
  } else {
    std::vector<Explained> all;
    for (const Text& t : texts) {
      if (const auto why = detector->unfit(t); why && texts.size() > 1) {  // of a single one it is an error
        say("{}: {}; it is left out", place_of(t), *why);
        continue;
      }
      all.push_back(explained(*detector, t));
    }
    left_out = texts.size() - all.size();
    RUM_CHECK(!all.empty(), "the detector can explain none of these {} texts", texts.size());
    if (left_out > 0) say("{} of {} texts are left out", left_out, texts.size());
    for (const Explained& e : all) show(calibration, e, o.features, to);
    page = explanation_page(calibration, all);
  }
  if (written) {
    written->write(page);
    written->finish();
  }
  return left_out > 0;
}
const DetectVerb verb{{"explain", "show which words drive a score, or which parts of a long text", run}};
}  // namespace
}  // namespace rum::detect_explain_command
