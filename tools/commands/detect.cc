// `ruminate detect`: who wrote this, a person or a model? Fits, calibrates and uses detectors.
#include "tools/commands/detect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <unordered_set>

#include "base/error.h"
#include "base/mean.h"
#include "base/names.h"
#include "base/number.h"
#include "base/output.h"
#include "base/say.h"
#include "base/threads.h"
#include "detect/calibrate.h"
#include "detect/folds.h"
#include "run/run.h"
#include "text/unpack.h"
#include "tools/command.h"
#include "tools/lines.h"

namespace rum::detect {
namespace {
std::vector<Verb>& verbs() {
  static std::vector<Verb> all;
  return all;
}
// "NAME=FILE", or "FILE", whose name without folders is the machine's.
TextFile machine_file(const std::string& given, const std::string& sources) {
  const size_t equals = given.find('=');
  if (equals != std::string::npos && equals > 0 && given.find('/') > equals)
    return {given.substr(equals + 1), sources, Author::machine, given.substr(0, equals)};
  return {given, sources, Author::machine, std::filesystem::path(given).filename().string()};
}
Json value_of(const std::string& text) {
  if (text == "true" || text == "false") return text == "true";
  if (const auto whole = number_in<int64_t>(text)) return *whole;
  const auto number = number_in<double>(text);
  if (number && std::isfinite(*number)) return *number;
  return text;
}
}  // namespace

DetectVerb::DetectVerb(const Verb& verb) {
  verbs().push_back(verb);
  std::sort(verbs().begin(), verbs().end(),
            [](const Verb& a, const Verb& b) { return std::strcmp(a.name, b.name) < 0; });
}

void DetectInput::declare(Flags& flags) {
  flags
      .add("--human", humans,
           fmt::format("human texts: one per line, source<TAB>target (.tsv) or JSON lines (.jsonl); {}",
                       kPackedHelp))
      .add("--machine", machines, "machine texts, as FILE or NAME=FILE; once per machine")
      .add("--in", in, "texts whose author is unknown, or given in the file (.jsonl: \"label\")")
      .add("--source", sources, "the source sentences of each plain text file, aligned line by line");
}
std::vector<std::string> DetectInput::files() const {
  std::vector<std::string> out = humans;
  for (const std::string& given : machines) out.push_back(machine_file(given, "").path);
  out.insert(out.end(), in.begin(), in.end());
  if (!sources.empty()) out.push_back(sources);
  return out;
}
Texts DetectInput::read(bool keep_bad) const {
  refuse_second_reading(files());
  Texts out;
  std::vector<TextFile> all;
  for (const std::string& path : humans) all.push_back({path, sources, Author::human});
  for (const std::string& given : machines) all.push_back(machine_file(given, sources));
  for (const std::string& path : in) all.push_back({path, sources});
  for (TextFile& file : all) {
    file.keep_bad = keep_bad;
    read_texts(file, out);
  }
  RUM_CHECK(!out.corpora.empty(), "expected texts: --human, --machine or --in FILE");
  const int64_t lines = std::ssize(out.texts) + (keep_bad ? 0 : out.empty);
  RUM_CHECK(out.empty < lines, "all {} lines are empty", lines);
  if (out.empty > 0 && !keep_bad) say("{} empty lines left out", out.empty);
  if (out.tabbed > 0)
    say("{} lines of plain text have a tab, which counts as text; a file of source<TAB>target lines is named "
        ".tsv",
        out.tabbed);
  if (const int64_t both = count_in_both(out.texts); both > 0)
    say("texts both as human and as machine text: {}", both);
  return out;
}

void DetectRecipe::declare(Flags& flags, const char* seeded) {
  flags.choice("--kind", kind, "kind of detector, see below", names_of(Kind::all()))
      .add("--option", options, "an option of that kind, as NAME=VALUE; repeat a name to give a list")
      .add("--folds", folds, "number of parts the sources are split into; each is held out once", 2, 100)
      .add("--seed", seed, fmt::format("seed of {}", seeded), 0, UINT32_MAX);
}
std::string DetectRecipe::kinds() {
  std::string out = "Kinds:\n";
  for (const Kind* k : Kind::all()) out += fmt::format("  {:<12} {}\n", k->name, k->help);
  return out;
}
Json::Object DetectRecipe::parsed() const {
  Json::Object out;
  for (const std::string& given : options) {
    const size_t equals = given.find('=');
    RUM_CHECK(equals != std::string::npos && equals > 0, "--option {}: expected NAME=VALUE", given);
    const std::string name = given.substr(0, equals);
    Json value = value_of(given.substr(equals + 1));
    const auto same = std::find_if(out.begin(), out.end(), [&](const auto& o) { return o.first == name; });
    if (same == out.end())
      out.emplace_back(name, std::move(value));
    else if (auto* list = std::get_if<Json::Array>(&same->second.value))
      list->push_back(std::move(value));
    else
      same->second = Json::Array{same->second, std::move(value)};
  }
  return out;
}
std::vector<std::string> DetectRecipe::files() const {
  std::vector<std::string> out;
  for (const std::string& given : options) {
    const std::string value = given.substr(std::min(given.find('='), given.size() - 1) + 1);
    for (std::string& file : files_to_keep(value)) out.push_back(std::move(file));
  }
  return out;
}
namespace {
// Of the texts that were read, those that a detector, or one that it combines, was fitted on.
struct Seen {
  std::string told;  // as a sentence without its end; empty: none
  double share = 0;
};
Seen seen_by(const Detector& d, const Texts& read) {
  const std::vector<const Origin*> origins = d.origins();
  const char* it = origins.size() > 1 ? "it, or a detector that it combines," : "it";
  std::unordered_set<uint64_t> known;
  for (const Origin* origin : origins) {
    known.insert(origin->texts.begin(), origin->texts.end());
    if (!origin->texts.empty()) continue;
    for (const auto& [name, hash] : origin->corpora)  // an older detector: it knows only whole files
      for (const auto& [path, here] : read.corpora)
        if (hash == here) return {fmt::format("{} was fitted on {}", it, name), 1};
  }
  const auto n = std::count_if(read.texts.begin(), read.texts.end(),
                               [&](const Text& t) { return known.contains(text_hash(t)); });
  const size_t all = read.texts.size();
  if (n == 0) return {};
  return {fmt::format("{} of these {} texts are among those that {} was fitted on", n, all, it),
          static_cast<double>(n) / static_cast<double>(all)};
}
}  // namespace
void warn_of_seen(const Detector& d, const std::string& path, const Texts& read) {
  if (const Seen seen = seen_by(d, read); seen.share > 0)
    say("warning: {}: {}: its results on them are too optimistic", path, seen.told);
}
void refuse_seen(const Detector& d, const std::string& path, const Texts& read, const std::string& advice) {
  constexpr double kByChance = 0.05;  // two halves of a corpus have some short sentences in common
  const Seen seen = seen_by(d, read);
  RUM_CHECK(seen.share <= kByChance, "{}: {}: {}", path, seen.told, advice);
  if (seen.share > 0) say("warning: {}: {}", path, seen.told);
}
void refuse_seen_by_members(const DetectRecipe& recipe, const Texts& read) {
  if (recipe.kind != "combine") return;
  for (const auto& [name, value] : recipe.parsed()) {
    if (name != "detectors" || !value.array()) continue;
    for (const Json& member : *value.array())
      if (member.text())
        refuse_seen(*load(*member.text()), *member.text(), read,
                    "what it has memorised cannot be held out; fit the combination on texts that none of its "
                    "detectors has seen");
  }
}
std::vector<double> finite_scores(const Detector& d, std::span<const Text> texts) {
  std::vector<double> scores = d.score(texts);
  for (size_t i = 0; i < scores.size(); ++i)
    RUM_CHECK(std::isfinite(scores[i]), "{}: its score is {}; a detector must give every text a number",
              place_of(texts[i]), scores[i]);
  return scores;
}
MarkedScores marked_scores(const Detector& d, std::span<const Text> texts) {
  return {finite_scores(d, texts), white_box(d, texts)};
}
Judged judge(const Detector& d, std::span<const Text> texts, const char* otherwise) {
  Judged out{{std::vector<double>(texts.size(), NAN), std::vector<bool>(texts.size())}};
  std::vector<Text> fit;
  std::vector<size_t> at;
  constexpr int64_t kNamed = 20;
  for (size_t i = 0; i < texts.size(); ++i) {
    const Text& t = texts[i];
    const auto why = t.bad.empty() ? d.unfit(t) : std::optional(t.bad);
    if (why) {
      if (out.unfit++ < kNamed) say("{}; it {}", t.bad.empty() ? place_of(t) + ": " + *why : *why, otherwise);
      continue;
    }
    fit.push_back(texts[i]);
    at.push_back(i);
  }
  if (fit.empty()) return out;
  const auto [scores, own] = marked_scores(d, fit);
  for (size_t k = 0; k < at.size(); ++k) {
    out.scores[at[k]] = scores[k];
    out.white_box[at[k]] = own[k];
  }
  return out;
}
void print(const std::string& text, std::FILE* to) {
  if (to == stderr) return put(to, text);
  if (std::fwrite(text.data(), 1, text.size(), to) != text.size() || std::fflush(to) != 0)
    throw FileError("standard output cannot be written");
}

namespace {
std::string told(const Detector& d) {
  std::string out = fmt::format("{}: fitted on {} texts by people and {} by machines\n", d.kind,
                                d.origin.humans, d.origin.machines);
  if (d.origin.white_box > 0)
    out += fmt::format(
        "{} of the machines' texts are by a model that it asks itself (white-box); below they "
        "do not count\n",
        d.origin.white_box);
  if (const auto& h = d.origin.held_out)
    out += fmt::format("sources held out ({} folds): AUROC {:.4f} +- {:.4f}\n", h->folds, h->auroc,
                       kNormal95 * h->error);
  if (const auto why = why_not_order(d.origin.held_out)) out += "it may not order a corpus: " + *why + "\n";
  for (const auto& t : d.calibration.thresholds)
    out += fmt::format("flags above {:.6f}: at most {} of people, of {} texts\n", t.score, t.fpr, t.humans);
  return out + fmt::format("abstains below {} characters\n", d.calibration.minimum_characters);
}

constexpr const char* kCurveHelp = "how scores become probabilities: platt for few texts, isotonic for many";
int run_fit(int argc, char** argv) {
  DetectInput input;
  DetectRecipe recipe;
  std::string output, curve = "platt";
  Flags flags("detect fit",
              "Fits a detector on human and machine texts, and tests it on sources that were "
              "held out: the AUROC that is printed is theirs.");
  input.declare(flags);
  recipe.declare(flags);
  flags.choice("--curve", curve, kCurveHelp, {"platt", "isotonic"})
      .add("--output,-o", output, "where to write the detector (a safetensors file)", true)
      .footer(DetectRecipe::kinds() +
              "\nExample:\n  ruminate detect fit --human people.tsv --machine deepl=deepl.tsv -o detector\n");
  if (const auto status = flags.parse(argc, argv)) return *status;
  std::vector<std::string> read = input.files();
  for (std::string& file : recipe.files()) read.push_back(std::move(file));
  output = check_output_file(output, read);  // rather than when all is fitted
  const OutputLock alone(output);
  const Texts texts = input.read();
  refuse_seen_by_members(recipe, texts);
  auto detector = fit_calibrated(recipe.kind, texts.texts, recipe.parsed(), recipe.folds,
                                 static_cast<uint32_t>(recipe.seed), curve);
  detector->origin.corpora = texts.corpora;
  save(*detector, output);
  print(told(*detector));
  return 0;
}

std::vector<double> read_shares(const std::vector<std::string>& given) {
  std::vector<double> out;
  for (const std::string& text : given) {
    const auto share = number_in<double>(text);
    RUM_CHECK(share && *share > 0 && *share < 1,
              "--fpr {}: expected a share of the texts, more than 0 and less than 1, such as 0.05", text);
    out.push_back(*share);
  }
  return out;
}
int run_calibrate(int argc, char** argv) {
  DetectInput input;
  std::string path, output, curve = "platt";
  std::vector<std::string> rates{"0.05", "0.01"};
  int64_t minimum = -1;
  Flags flags(
      "detect calibrate",
      "Sets a detector's thresholds on human texts of your own, so that it flags no more of them than you "
      "allow. If you also give machine texts, its probabilities are refitted as well.");
  input.declare(flags);
  flags.add("--detector", path, "the detector to calibrate", true)
      .add("--fpr", rates, "share of human texts that may be flagged; each share gets a threshold")
      .choice("--curve", curve, kCurveHelp, {"platt", "isotonic"})
      .add("--minimum", minimum,
           "characters below which it abstains: shorter texts do not count here either; by default, the "
           "length that 95 % of these texts reach",
           0)
      .add("--output,-o", output, "where to write the calibrated detector", true)
      .footer(
          "Example:\n  ruminate detect calibrate --detector detector --human ours.txt --fpr 0.01 -o ours\n");
  if (const auto status = flags.parse(argc, argv)) return *status;
  const std::vector<double> fprs = read_shares(rates);
  std::vector<std::string> read = input.files();
  read.push_back(path);
  output = check_output_file(output, read);
  const OutputLock alone(output);
  auto detector = load(path);
  const Texts texts = input.read();
  warn_of_seen(*detector, path, texts);
  const auto [scores, own] = marked_scores(*detector, texts.texts);
  const int64_t least = minimum >= 0 ? minimum : usual_minimum(texts.texts);
  detector->calibration.minimum_characters = least;
  Scores s;  // of texts that get a verdict, without machine texts that say nothing of others (white_box.h)
  int64_t left_out = 0, too_short = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    const Text& t = texts.texts[i];
    if (t.author == Author::unknown) continue;
    if (abstains(detector->calibration, t))
      ++too_short;
    else if (t.author == Author::human)
      s.human.push_back(scores[i]);
    else if (own[i])
      ++left_out;
    else
      s.machine.push_back(scores[i]);
  }
  if (too_short > 0) say("{} texts do not count: it will abstain below {} characters", too_short, least);
  RUM_CHECK(!s.human.empty(), "expected human texts of at least {} characters to calibrate on: --human FILE",
            least);
  RUM_CHECK(
      !s.machine.empty() || !flags.given("--curve"),
      "--curve {} needs machine texts of at least {} characters{}: without them only thresholds are set",
      curve, least, left_out > 0 ? " that the detector's own model did not write" : ", --machine FILE");
  if (left_out > 0)
    say("{} of the machines' texts are by a model that the detector asks itself (white-box): they do "
        "not count for its probabilities",
        left_out);
  detector->calibration.thresholds = thresholds(s.human, fprs);
  if (!s.machine.empty()) fit_curve(detector->calibration, s, curve);
  save(*detector, output);
  print(told(*detector));
  return 0;
}

// Whoever puts scores and texts together by their ids would mix up texts of one id.
void warn_of_same_ids(std::span<const Text> texts) {
  std::unordered_set<std::string_view> ids;
  for (const Text& t : texts)
    if (!ids.insert(t.id).second) {
      say("warning: several texts have the id {}; answers are in the order of the texts", t.id);
      return;
    }
}
// One text's answer: RAID's {id, score}, or all that is known.
std::string answer(const Detector& d, const Text& t, double score, bool own, const std::string& format) {
  if (format == "plain") return fmt::format("{}\n", score);
  if (std::isnan(score))
    return to_json(Json(Json::Object{{"id", t.id}, {"score", Json()}})) + (format == "raid" ? ",\n" : "\n");
  Json::Object out{{"id", t.id}, {"score", score}};
  if (format == "raid") return to_json(Json(std::move(out))) + ",\n";
  const Verdict v = verdict(d.calibration, t, score);
  out.emplace_back("abstains", v.abstains);
  if (probability(d.calibration, score))
    out.emplace_back("probability", v.probability ? Json(*v.probability) : Json());
  Json::Array flagged;
  for (size_t k = 0; k < d.calibration.thresholds.size(); ++k)
    flagged.emplace_back(Json::Object{{"fpr", d.calibration.thresholds[k].fpr},
                                      {"machine", v.abstains ? Json() : Json(bool{v.flagged[k]})}});
  if (!flagged.empty()) out.emplace_back("flagged", std::move(flagged));
  if (own) out.emplace_back("white_box", true);
  return to_json(Json(std::move(out))) + "\n";
}
int run_score(int argc, char** argv) {
  DetectInput input;
  std::string path, output, format = "json";
  Flags flags("detect score",
              "Scores every text: the higher, the more it looks machine-written. One line per text, in "
              "the order of the input; the score of an empty text is null (plain: nan), as is that of a line "
              "that cannot be read, or of a text that the detector's model cannot read, and the exit status "
              "is 1 if there are any of these two.");
  input.declare(flags);
  flags.add("--detector", path, "the detector to use", true)
      .choice("--format", format,
              "JSON lines with probability and flags, RAID's list of {id, score}, or the numbers alone",
              {"json", "raid", "plain"})
      .add("--output,-o", output, "a file to write instead of standard output")
      .footer("Example:\n  ruminate detect score --detector detector --in essays.txt\n");
  if (const auto status = flags.parse(argc, argv)) return *status;
  std::vector<std::string> read = input.files();
  read.push_back(path);
  std::optional<OutputFile> written;
  if (!output.empty()) {
    check_output(output, read);
    written.emplace(output);
  }
  const auto detector = load(path);
  const Texts texts = input.read(true);
  const auto bad = [](const Text& t) { return !t.bad.empty(); };
  if (std::all_of(texts.texts.begin(), texts.texts.end(), bad)) throw FileError(texts.texts[0].bad);
  const Judged judged = judge(*detector, texts.texts, "has no score");
  if (const auto why = why_white_box(judged.white_box)) say("warning: {}", *why);
  if (format != "plain") warn_of_same_ids(texts.texts);
  constexpr size_t kPiece = 1024;  // texts
  const size_t n = texts.texts.size();
  std::vector<std::string> answers((n + kPiece - 1) / kPiece);
  parallel(static_cast<int64_t>(answers.size()), [&](int64_t piece) {
    const auto p = static_cast<size_t>(piece);
    for (size_t i = p * kPiece; i < std::min(n, (p + 1) * kPiece); ++i)
      answers[p] += answer(*detector, texts.texts[i], judged.scores[i], judged.white_box[i], format);
  });
  std::string out = fmt::format("{}", fmt::join(answers, ""));
  if (format == "raid") {  // whose own reader wants one list of all
    out.replace(out.size() - 2, 1, "]");
    out.insert(0, "[");
  }
  if (!written) {
    print(out);
  } else {
    written->write(out);
    written->finish();
  }
  if (judged.unfit > 0) say("{} of {} texts have no score", judged.unfit, n);
  return judged.unfit > texts.empty;
}

int run(int argc, char** argv) { return run_verb("detect", verbs(), argc, argv); }
const DetectVerb kFit{{"fit", "fit a detector on human and machine texts", run_fit}},
    kCalibrate{{"calibrate", "set a detector's thresholds on human texts of your own", run_calibrate}},
    kScore{{"score", "score texts with a detector", run_score}};
const Command command{"detect", "who wrote this, a person or a model? Fit, calibrate, evaluate detectors",
                      run};
}  // namespace
}  // namespace rum::detect
