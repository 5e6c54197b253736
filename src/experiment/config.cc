#include "experiment/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/error.h"
#include "base/file.h"
#include "base/names.h"
#include "edits/operation.h"
#include "experiment/chain.h"
#include "experiment/measures.h"
#include "experiment/scorer.h"
#include "experiment/section.h"
#include "generate/best_of.h"
#include "metrics/critical.h"

namespace rum::experiment {
namespace {
void set_recipe(RunConfig& c, const Section& section, const Json& node, const std::string& key) {
  if (node.object()) {
    for (const auto& [name, value] : *node.object())
      set_recipe(c, section, value, key.empty() ? name : key + "." + name);
    return;
  }
  for (const char* ours : {"run.", "data.", "tokenizer.file", "train.from"})
    if (key.starts_with(ours) && key != "run.dtype")
      throw FileError(
          fmt::format("{}{} is set by the experiment itself", section.place(key), section.path(key)));
  for (const char* idle : {"tokenizer.begin", "tokenizer.end", "tokenizer.turns", "tokenizer.system"})
    if (key.starts_with(idle))
      throw FileError(fmt::format("{}{} has no meaning for models that translate", section.place(key),
                                  section.path(key)));
  try {
    set_value(c, key, node);
  } catch (const Error& e) {
    throw FileError(fmt::format("{}{}: {}", section.place(key), section.path(""), e.what()));
  }
}

const std::vector<std::string> kWeights{"last", "best"};

class Reader {
 public:
  explicit Reader(const Toml& file) : file_(file), root_(file, &file.tree, "") {}
  ExperimentConfig read() {
    Section e = root_.table("experiment");
    e.read("folder", c_.folder, true);
    e.read("title", c_.title);
    e.read("report", c_.report);
    e.read("seeds", c_.seeds, 1, 1000);
    e.read("jobs", c_.jobs, 1, 1024);
    e.read("student", c_.student, true);
    e.read("bootstrap", c_.bootstrap, 100, 1e6);
    e.done();
    if (c_.folder.find_first_not_of("/.") == std::string::npos)
      throw FileError(fmt::format("{}experiment.folder = \"{}\" is not a folder of its own",
                                  e.place("folder"), c_.folder));
    Section d = root_.table("data");
    d.read("train", c_.data.train, true);
    d.read("valid", c_.data.valid, true);
    d.read("test", c_.data.test, true);
    languages(d);
    d.read("seed_pairs", c_.data.seed_pairs, 1, 1e9, true);
    d.read("pool_pairs", c_.data.pool_pairs, 1, 1e9, true);
    d.read("judge_pairs", c_.data.judge_pairs, 1, 1e9);
    d.read("valid_pairs", c_.data.valid_pairs, 0, 1e9);
    d.read("test_pairs", c_.data.test_pairs, 0, 1e9);
    d.done();
    recipes();
    generators();
    decodings();
    scorers();
    for (Section& a : root_.tables("arm")) arm(a);
    for (Section& x : root_.tables("chain")) read_chain(x, c_);
    if (c_.arms.empty()) throw FileError(file_.name + ": no [[arm]]: an experiment compares arms");
    c_.defined = c_.arms;
    for (Section& x : root_.tables("claim")) claim(x);
    Section g = root_.table("gate");
    g.read("arm", c_.gate.arm, static_cast<bool>(g));
    g.read("claim", c_.gate.claim);
    g.read("bleu", c_.gate.bleu, 0, 100);
    g.read("half_width", c_.gate.half_width, 0, 100);
    g.done();
    if (g) check_judged(g.place("arm"), c_.gate.arm, "last");
    if (!c_.gate.claim.empty())
      check_name(g.place("claim"), "claim about students", c_.gate.claim, claim_names());
    else if (g.find("half_width") != nullptr)
      throw FileError(g.place("half_width") +
                      "gate.half_width is of the interval of a claim: name one as gate.claim");
    root_.done();
    return std::move(c_);
  }

 private:
  void languages(Section& d) {
    std::pair<std::string, std::string> given{c_.data.source, c_.data.target};
    d.read("languages", given);
    for (const std::string& code : {given.first, given.second})
      check_name(d.place("languages"), "language by whose rules errors are counted", code,
                 names_of(metrics::languages()));
    if (given.first == given.second)
      throw FileError(fmt::format("{}{}: expected two, of source and target, found \"{}\" twice",
                                  d.place("languages"), d.path("languages"), given.first));
    std::tie(c_.data.source, c_.data.target) = given;
  }
  void recipes() {
    Section all = root_.table("recipe");
    const std::vector<std::string> names = all.keys();
    check_name(file_.place("experiment.student"), "recipe", c_.student, names);
    for (const std::string& name : names) {
      Section r = all.table(name);
      std::string like;
      r.read("like", like);
      if (!like.empty()) {
        std::vector<std::string> before;
        for (const auto& [n, _] : c_.recipes) before.push_back(n);
        check_name(r.place("like"), "earlier recipe", like, before);
      }
      RunConfig config = like.empty() ? RunConfig{} : c_.recipes.at(like);
      for (const auto& [key, value] : *r.node()->object()) {
        if (key == "tokenizer" && name != c_.student)
          throw FileError(fmt::format("{}{}: all models share the tokenizer that recipe.{} describes",
                                      r.place(key), r.path(key), c_.student));
        if (key != "like") set_recipe(config, r, value, key);
      }
      if (config.bpe.pattern == "characters")
        throw FileError(r.place("tokenizer") + r.path("tokenizer") +
                        ".pattern = \"characters\" knows only the characters of the seed set, and the pool "
                        "may have others: use a byte pattern, such as \"gpt2\"");
      check_recipe(r, config);
      c_.recipes.emplace(name, config);
    }
  }
  // Before the first stage, rather than when the recipe is trained, hours later.
  static void check_recipe(const Section& r, RunConfig config) {
    const Json* train = r.node()->find("train");
    if (config.target_tokens > 0 && train != nullptr && train->find("steps") != nullptr)
      throw FileError(fmt::format(
          "{}{} is not read beside train.target_tokens = {}: leave it out, or set target_tokens to 0",
          r.place("train.steps"), r.path("train.steps"), config.target_tokens));
    config.train = {"train.tsv"}, config.valid = "valid.tsv";  // its stage has its own
    if (config.lora.rank > 0) config.from = "model";
    try {
      check_config(config);
    } catch (const Error& e) {
      throw FileError(r.place("") + r.path("") + ": " + e.what());
    }
  }
  void generators() {
    Section all = root_.table("generator");
    for (const std::string& name : all.keys()) {
      Section s = all.table(name);
      Generator g;
      g.name = name;
      s.read("recipe", g.recipe);
      s.read("pairs", g.pairs, 1, 1e9);
      s.read("seed", g.seed, 0, 1000);
      s.read("judge_set", g.judge_set);
      s.read("file", g.file);
      s.read("model", g.model);
      s.read("template", g.told.text);
      s.read("chat", g.told.chat);
      s.read("dtype", g.dtype);
      s.done();
      check_name(s.place("dtype"), "type", g.dtype, std::vector<std::string>{"f32", "bf16", "int8"});
      if (!g.recipe.empty() + !g.file.empty() + !g.model.empty() != 1)
        throw FileError(
            fmt::format("{}generator {}: give one of recipe, to train it here, model, a run folder that "
                        "translates the pool, or file, the output of an external model",
                        s.place(""), name));
      check_told(s, g);
      if (!g.recipe.empty()) check_name(s.place("recipe"), "recipe", g.recipe, keys_of(c_.recipes));
      if (g.pairs > c_.data.seed_pairs)
        throw FileError(fmt::format("{}generator {} asks for {} pairs, the seed set has data.seed_pairs = {}",
                                    s.place("pairs"), name, g.pairs, c_.data.seed_pairs));
      if (g.seed > 0 && g.recipe.empty())
        throw FileError(
            fmt::format("{}generator {} has nothing to draw: a seed needs a recipe", s.place("seed"), name));
      if (s.find("pairs") != nullptr && g.recipe.empty())
        throw FileError(
            fmt::format("{}generator {} learns from no pairs: they need a recipe", s.place("pairs"), name));
      if (s.find("dtype") != nullptr && !g.file.empty())
        throw FileError(fmt::format("{}generator {} computes nothing: a type needs a recipe or a model",
                                    s.place("dtype"), name));
      if (g.judge_set && (g.recipe.empty() || c_.data.judge_pairs == 0))
        throw FileError(
            fmt::format("{}generator {} learns from the judge set: {}", s.place("judge_set"), name,
                        g.recipe.empty() ? "give it a recipe, to train it here" : "set data.judge_pairs"));
      if (name == "human")
        throw FileError(s.place("") + "\"human\" names the pool's own targets; choose another name");
      c_.generators.push_back(std::move(g));
    }
  }
  static void check_told(const Section& s, const Generator& g) {
    const bool told = !g.told.text.empty();
    if (g.model.empty() ? told || g.told.chat : g.told.chat && !told)
      throw FileError(s.place("") + s.path("") + ": a template needs a model, and chat = true a template");
    if (!told) return;
    try {
      check(g.told);
    } catch (const Error& e) {
      throw FileError(s.place("template") + e.what());
    }
  }
  void decodings() {
    Section all = root_.table("decoding");
    const std::vector<std::string> names = all.keys();
    std::vector<std::string> chosen;
    for (const std::string& name : names) {
      Section s = all.table(name);
      if (s.find("choose") != nullptr) {
        chosen.push_back(name);
        continue;
      }
      Decoding d{.max_ratio = 2};
      s.read("draws", d.best, 1, 1000);
      decoding(s, d);
      if (d.best > 1 && !d.sample)
        throw FileError(fmt::format("{}{} draws nothing: several draws need sample = true", s.place("draws"),
                                    s.path("")));
      c_.decodings.emplace(name, d);
    }
    for (const std::string& name : chosen) {
      Section s = all.table(name);
      choice(s, name);
    }
    Section judging = root_.table("judging");
    decoding(judging, c_.test_decoding);
  }
  static void decoding(Section& s, Decoding& d) {
    s.read("beam", d.beam, 1, 256);
    s.read("length_penalty", d.length_penalty, 0, 5);
    s.read("sample", d.sample);
    s.read("temperature", d.temperature, 1e-3, 1e3);
    s.read("top_k", d.top_k, 0, 1e9);
    s.read("top_p", d.top_p, 1e-6, 1);
    s.read("min_p", d.min_p, 0, 1);
    s.done();
    if (d.sample && d.beam > 1)
      throw FileError(s.place("beam") + s.path("") + ": sampling and beam search exclude each other");
    for (const char* key : {"temperature", "top_k", "top_p", "min_p"})
      if (!d.sample && s.find(key) != nullptr)
        throw FileError(s.place(key) + s.path(key) + " needs sample = true");
    if (d.beam == 1 && s.find("length_penalty") != nullptr)
      throw FileError(s.place("length_penalty") + s.path("length_penalty") + " needs a beam above 1");
  }
  void choice(Section& s, const std::string& name) {
    Reranking c;
    s.read("choose", c.how, true);
    s.read("of", c.of);
    s.read("best_of", c.best_of, 2, 1000);
    s.read("utility", c.utility);
    s.done();
    check_distinct(s, "of", c.of);
    check_name(s.place("choose"), "way to choose", c.how,
               std::vector<std::string>{"mbr", "channel", "oracle"});
    if (c.of.empty())
      throw FileError(s.place("") + s.path("of") +
                      ": expected the decodings whose translations it chooses from");
    for (const std::string& d : c.of)  // best_of says how often it draws
      check_name(s.place("of"), "decoding of one translation", d, single_decodings(c_));
    const auto samples = [&](const std::string& d) { return c_.decodings.at(d).sample; };
    if (s.find("best_of") != nullptr && std::none_of(c.of.begin(), c.of.end(), samples))
      throw FileError(s.place("best_of") + s.path("best_of") + " needs a decoding that samples");
    if (c.how == "channel" && c_.data.judge_pairs == 0)
      throw FileError(fmt::format("{}decoding {} learns from the judge set: set data.judge_pairs",
                                  s.place("choose"), name));
    try {
      make_utility(c.utility);
    } catch (const Error& e) {
      throw FileError(s.place("utility") + e.what());
    }
    c_.rerankings.emplace(name, std::move(c));
  }
  void scorers() {
    Section all = root_.table("scorer");
    for (const std::string& name : all.keys()) {
      Section s = all.table(name);
      Scorer x;
      x.name = name;
      s.read("kind", x.kind, true);
      s.read("recipe", x.recipe);
      s.read("with", x.with, x.kind == "agreement");
      s.read("decoding", x.decoding, x.kind == "consistency");
      s.read("draws", x.draws, 2, 1000);
      s.read("of", x.of);
      s.read("anyway", x.anyway);
      s.done();
      check_name(s.place("kind"), "kind of scorer", x.kind, names_of(ScorerKind::all()));
      const ScorerKind& kind = ScorerKind::named(x.kind);
      check_keys(s, kind);
      if (kind.is(ScorerKind::learns) && c_.data.judge_pairs == 0)
        throw FileError(
            fmt::format("{}scorer {} learns from the judge set: set data.judge_pairs", s.place(""), name));
      if (!x.recipe.empty()) check_name(s.place("recipe"), "recipe", x.recipe, keys_of(c_.recipes));
      check_distinct(s, "of", x.of);
      if (x.kind == "quality") {
        if (x.of.empty())
          throw FileError(s.place("") + s.path("of") + ": expected the scorers that it learns from");
        if (const int64_t needed = least_for_quality(x.of.size()); c_.data.judge_pairs < needed)
          throw FileError(
              fmt::format("{}{} learns from {} scores, which needs data.judge_pairs of at least {}, not {}",
                          s.place("of"), s.path(""), x.of.size(), needed, c_.data.judge_pairs));
      }
      if (x.kind == "agreement") check_second(s, x);
      if (x.kind == "consistency") {
        std::vector<std::string> known;
        for (const auto& [n, d] : c_.decodings)
          if (d.sample && d.best == 1) known.push_back(n);
        check_name(s.place("decoding"), "sampling decoding of one translation", x.decoding, known);
      }
      c_.scorers.emplace(name, std::move(x));
    }
    for (const std::string& name : all.keys()) {
      Section s = all.table(name);
      for (const std::string& learned_from : c_.scorers.at(name).of) check_feature(s, learned_from);
    }
  }
  // Some settings are those of some kinds of scorers alone.
  static void check_keys(const Section& s, const ScorerKind& kind) {
    const auto reads = [](const ScorerKind& k, const std::string& key) {
      return std::find(k.keys.begin(), k.keys.end(), key) != k.keys.end();
    };
    for (const std::string& key : s.keys()) {
      if (key == "kind" || reads(kind, key)) continue;
      std::vector<std::string> readers;
      for (const ScorerKind& k : ScorerKind::all())
        if (reads(k, key)) readers.emplace_back(k.name);
      throw FileError(fmt::format("{}{}: a scorer of kind {} does not read it; only {}", s.place(key),
                                  s.path(key), kind.name, fmt::join(readers, ", ")));
    }
  }
  // The targets with which an agreement compares: one of each sentence, by a generator.
  void check_second(const Section& s, const Scorer& x) const {
    check_targets(s.place("with"), x.with);
    const std::string place = s.place("with") + s.path("with");
    if (x.with == "human")
      throw FileError(place + ": nothing that ranks the pool may see its human targets: name a generator's");
    if (chosen_by_oracle(c_, x.with))
      throw FileError(place +
                      ": nothing that ranks the pool may see its human targets, and an oracle chose by them");
    if (draws(x.with) > 1)
      throw FileError(fmt::format("{}: \"{}\" are {} translations of each sentence: name a decoding of one",
                                  place, x.with, draws(x.with)));
  }
  // A regression to quality is fitted on the judge set, so its scorers must work there as they do on the
  // pool, and must not have learned there who wrote a target.
  void check_feature(const Section& s, const std::string& name) const {
    std::vector<std::string> known;
    for (const auto& [n, x] : c_.scorers)
      if (ScorerKind::named(x.kind).is(ScorerKind::feature) &&
          (x.with.empty() || !TargetsName(x.with).decoding.empty()))
        known.push_back(n);
    check_name(s.place("of"), "scorer to learn a quality from", name, known);
  }
  // "human", or a generator with a decoding.
  void check_targets(const std::string& place, const std::string& targets) const {
    if (targets == "human") return;
    const TargetsName by(targets);
    std::vector<std::string> names;
    for (const Generator& g : c_.generators) names.push_back(g.name);
    check_name(place, "generator", by.generator, names);
    const auto g = std::find_if(c_.generators.begin(), c_.generators.end(),
                                [&](const Generator& x) { return x.name == by.generator; });
    if (!g->file.empty()) {
      if (targets != by.generator)
        throw FileError(fmt::format("{}{}: an external model's output has no decoding here; write \"{}\"",
                                    place, targets, by.generator));
      return;
    }
    std::vector<std::string> known = keys_of(c_.decodings);
    for (const auto& [n, _] : c_.rerankings) known.push_back(n);
    check_name(place, "decoding", by.decoding, known);
  }
  void arm(Section& s) {
    Arm a;
    s.read("name", a.name, true);
    s.read("group", a.group);
    s.read("targets", a.targets, true);
    s.read("volumes", a.volumes, 1e-6, 1);
    s.read("equal_steps", a.equal_steps);
    s.read("weights", a.weights);
    s.read("student", a.student);
    s.read("from", a.from);
    check_distinct(s, "volumes", a.volumes);
    check_distinct(s, "weights", a.weights);
    if (!a.student.empty()) check_name(s.place("student"), "recipe", a.student, keys_of(c_.recipes));
    if (a.targets != "none") check_targets(s.place("targets"), a.targets);
    if (!a.from.empty()) check_from(s, a);
    for (const std::string& w : a.weights) check_name(s.place("weights"), "kind of weights", w, kWeights);
    if (std::ranges::find(a.weights, "last") == a.weights.end())
      throw FileError(s.place("weights") + s.path("weights") +
                      ": expected \"last\", by which arms are compared, alone or with \"best\"");
    std::string arranging, scattering, rewriting, selecting;  // the last operation that did
    Places left{0, static_cast<double>(c_.data.pool_pairs)};
    for (Section& o : s.tables("apply")) {
      a.apply.push_back(operation(o));
      const AppliedOperation& last = a.apply.back();
      narrow(o, last, left);
      check_arrangement(o, last, arranging);
      if (last.op == "mix") check_mix(o.place("op"), a.targets, selecting.empty() ? scattering : selecting);
      for (const auto& [key, scorer] : last.scores) {
        check_scorer(o.place(key), c_.scorers.at(scorer), a.targets, rewriting);
        if (!scattering.empty())
          throw FileError(fmt::format(
              "{}a score is of a sentence's one target, in the order of the pool, and after \"{}\" they no "
              "longer are: put \"{}\" first",
              o.place(key), scattering, last.op));
      }
      if (gives(last, &edits::OperationKey::arranges)) arranging = last.op;
      const auto kept = edits::Operation::named(last.op).kept;
      const bool several = kept == edits::Operation::nothing &&
                           std::any_of(last.targets.begin(), last.targets.end(),
                                       [&](const auto& with) { return draws(with.second) > 1; });
      if (several || gives(last, &edits::OperationKey::scatters)) scattering = last.op;
      if (kept != edits::Operation::all) rewriting = last.op;
      // What changes no text leaves targets out, or repeats them.
      if (kept == edits::Operation::all || last.op == "mix") selecting = last.op;
    }
    s.done();
    for (const double v : a.volumes)
      if (left.first >= v * static_cast<double>(c_.data.pool_pairs))
        throw FileError(
            fmt::format("{}{}: the first {:g} of the pool holds nothing that \"apply\" leaves, which begins "
                        "at place {:g}",
                        s.place("volumes"), s.path("volumes"), v, left.first));
    if (a.targets == "none" &&
        (a.from.empty() || !a.apply.empty() || !a.student.empty() || a.volumes != Arm().volumes))
      throw FileError(s.place("targets") +
                      "\"none\" judges a generator as it is: give `from`, but not apply, volumes or student");
    if (names_targets(a.name) && (a.name != a.targets || !a.apply.empty()))
      throw FileError(
          fmt::format("{}arm \"{}\" has the name of targets, but is not these targets as they are: "
                      "choose another name",
                      s.place("name"), a.name));
    add_arm(c_, s.place("name"), std::move(a));
  }
  bool names_targets(const std::string& name) const {
    const std::string generator = TargetsName(name).generator;
    return name == "human" ||
           std::any_of(c_.generators.begin(), c_.generators.end(), [&](const Generator& g) {
             return g.name == generator && (name == generator) == !g.file.empty();
           });
  }
  template <class Values>
  static void check_distinct(const Section& s, const std::string& key, const Values& values) {
    if (std::set(values.begin(), values.end()).size() < values.size())
      throw FileError(s.place(key) + s.path(key) + ": the same value stands there twice");
  }
  // Weights fit only a model of the same shape; dropout and recomputation may differ.
  void check_from(const Section& s, const Arm& a) const {
    std::vector<std::string> trained;
    const Generator* from = nullptr;
    for (const Generator& g : c_.generators) {
      if (g.recipe.empty()) continue;
      trained.push_back(g.name);
      if (g.name == a.from) from = &g;
    }
    check_name(s.place("from"), "generator trained here", a.from, trained);
    const std::string& mine = recipe_of(c_, a);
    for (const Key& k : keys()) {
      const std::string there = k.get(c_.recipes.at(from->recipe)), here = k.get(c_.recipes.at(mine));
      if (shapes_weights(k) && here != there)
        throw FileError(
            fmt::format("{}generator {} has {} = {}, recipe {} has {}; only a model of the same shape can "
                        "continue from its weights",
                        s.place("from"), a.from, k.name, there, mine, here));
    }
  }
  // How many translations of each source targets of this name are.
  int64_t draws(const std::string& targets) const {
    const auto decoding = c_.decodings.find(TargetsName(targets).decoding);
    return decoding == c_.decodings.end() ? 1 : decoding->second.best;
  }
  // Some scorers need more from the generator than its targets: other texts, or its probabilities.
  void check_scorer(const std::string& place, const Scorer& scorer, const std::string& targets,
                    const std::string& rewriting) const {
    const std::string& kind = scorer.kind;
    if (draws(targets) > 1)
      throw FileError(
          fmt::format("{}scorer {} gives a sentence one score, but \"{}\" are {} translations of each: "
                      "name a decoding of one",
                      place, scorer.name, targets, draws(targets)));
    if (!ScorerKind::named(kind).is(ScorerKind::asks)) return;
    if (!rewriting.empty())
      throw FileError(fmt::format(
          "{}scorer {} ({}) judges a generator's own texts, and \"{}\" before it puts others in their place: "
          "put it first",
          place, scorer.name, kind, rewriting));
    if (!TargetsName(targets).decoding.empty()) return;
    throw FileError(
        fmt::format("{}scorer {} ({}) asks the generator that wrote the targets, but no generator trained "
                    "here wrote \"{}\": name a scorer of another kind",
                    place, scorer.name, kind, targets));
  }
  // Sentences of the pool by place, `first` to before `end`.
  struct Places {
    double first, end;
  };
  // To what an operation leaves of them, whatever the texts. FileError: to nothing.
  void narrow(const Section& s, const AppliedOperation& o, Places& left) const {
    const auto pool = static_cast<double>(c_.data.pool_pairs);
    const auto given = [&](const char* key) {
      double v = 0;
      for (const auto& [name, value] : o.parameters)
        if (name == key) value.number(v);
      return v;
    };
    if (o.op == "part")
      left = {std::max(left.first, given("first")), std::min(left.end, given("first") + given("count"))};
    else if (o.op == "subset")
      left.end = std::min(left.end, given("share") * pool);
    else if (o.op == "join" || o.op == "alternate")  // with targets of the whole pool
      left = {0, pool};
    if (left.first >= left.end)
      throw FileError(
          fmt::format("{}\"{}\" leaves nothing of the pool, which has data.pool_pairs = {}: the places asked "
                      "for, counted from 0, begin at {:g} and end before {:g}",
                      s.place("op"), o.op, c_.data.pool_pairs, left.first, left.end));
  }
  AppliedOperation operation(Section& s) const {
    AppliedOperation out;
    s.read("op", out.op, true);
    check_name(s.place("op"), "operation", out.op, edits::Operation::names());
    for (const edits::OperationKey& key : edits::Operation::named(out.op).keys) operation_key(s, key, out);
    s.done();
    return out;
  }
  static void check_arrangement(const Section& s, const AppliedOperation& o, const std::string& arranging) {
    if (!arranging.empty() && edits::Operation::named(o.op).kept == edits::Operation::nothing)
      throw FileError(fmt::format(
          "{}\"{}\" would undo the order or the weights that \"{}\" before it gave the targets: put it first",
          s.place("op"), o.op, arranging));
  }
  // The share of human targets is `real` only where each sentence of the pool has one other target.
  void check_mix(const std::string& place, const std::string& targets, const std::string& changing) const {
    if (draws(targets) > 1)
      throw FileError(fmt::format(
          "{}\"mix\" takes its share of the sentences, which is not that of the targets where \"{}\" "
          "are {} translations of each: name a decoding of one",
          place, targets, draws(targets)));
    if (changing.empty()) return;
    throw FileError(fmt::format(
        "{}\"mix\" takes its share of all sentences of the pool, which is not that of the targets "
        "after \"{}\": {}",
        place, changing, changing == "mix" ? "give one \"mix\" the whole share" : "put \"mix\" first"));
  }
  // Is a key given that does this?
  static bool gives(const AppliedOperation& o, bool edits::OperationKey::*does) {
    const auto has = [](const auto& given, const std::string& name) {
      return std::any_of(given.begin(), given.end(), [&](const auto& g) { return g.first == name; });
    };
    const auto& keys = edits::Operation::named(o.op).keys;
    return std::any_of(keys.begin(), keys.end(), [&](const edits::OperationKey& key) {
      return key.*does &&
             (has(o.parameters, key.name) || has(o.targets, key.name) || has(o.scores, key.name));
    });
  }
  void operation_key(Section& s, const edits::OperationKey& key, AppliedOperation& out) const {
    if (!key.required && s.find(key.name) == nullptr) return;
    switch (key.type) {
      case edits::OperationKey::number: {
        double v = 0;
        s.read(key.name, v, key.low, key.high, true);
        out.parameters.emplace_back(key.name, v);
        break;
      }
      case edits::OperationKey::whole: {
        int64_t v = 0;
        s.read(key.name, v, key.low, key.high, true);
        out.parameters.emplace_back(key.name, v);
        break;
      }
      case edits::OperationKey::flag: {
        bool on = false;
        s.read(key.name, on);
        if (on) out.parameters.emplace_back(key.name, on);
        break;
      }
      case edits::OperationKey::choice: {
        std::string v;
        s.read(key.name, v, true);
        check_name(s.place(key.name), key.name.c_str(), v, key.choices);
        out.parameters.emplace_back(key.name, v);
        break;
      }
      case edits::OperationKey::targets: {
        std::vector<std::string> names(1);
        if (key.several) {
          s.read(key.name, names);
          if (names.empty() || names[0].empty())
            throw FileError(s.place(key.name) + s.path(key.name) + ": expected the names of targets");
        } else {
          s.read(key.name, names[0], true);
        }
        for (const std::string& name : names) {
          check_targets(s.place(key.name), name);
          out.targets.emplace_back(key.name, name);
        }
        break;
      }
      case edits::OperationKey::scores: {
        std::string v;
        s.read(key.name, v, true);
        check_name(s.place(key.name), "scorer", v, keys_of(c_.scorers));
        if (key.log_odds && !ScorerKind::named(c_.scorers.at(v).kind).is(ScorerKind::detector))
          throw FileError(
              fmt::format("{}\"{}\" reads log odds of a human author, and scorer {} ({}) gives none: "
                          "name a detector",
                          s.place(key.name), out.op, v, c_.scorers.at(v).kind));
        out.scores.emplace_back(key.name, v);
        break;
      }
    }
  }
  void claim(Section& s) {
    Claim x;
    s.read("id", x.id, true);
    s.read("text", x.text, true);
    s.read("kind", x.kind, true);
    s.read("better", x.better, true);
    s.read("worse", x.worse, true);
    s.read("mean_with", x.mean_with);
    s.read("minus_with", x.minus_with);
    s.read("weights", x.weights);
    s.read("ceiling", x.ceiling);
    s.read("measures", x.measures);
    s.read("chosen_later", x.chosen_later);
    s.done();
    check_name(s.place("kind"), "kind of claim", x.kind,
               std::vector<std::string>{"students", "errors", "diversity"});
    if (x.kind == "students")
      about_students(s, x);
    else
      about_targets(s, x);
    for (const Claim& other : c_.claims)
      if (other.id == x.id) throw FileError(fmt::format("{}two claims are named {}", s.place("id"), x.id));
    c_.claims.push_back(std::move(x));
  }
  void about_students(Section& s, const Claim& x) const {
    if (x.ceiling == x.better || x.ceiling == x.worse)
      throw FileError(fmt::format("{}claim {}: the ceiling is a third arm, not \"{}\" again",
                                  s.place("ceiling"), x.id, x.ceiling));
    check_name(s.place("weights"), "kind of weights", x.weights, kWeights);
    std::set<std::set<std::string>> compared;
    const auto check_pair = [&](const char* key, const std::pair<std::string, std::string>& arms) {
      const auto& [better, worse] = arms;
      check_judged(s.place(key), better, x.weights);
      check_judged(s.place(key), worse, "last");  // if not by those of the claim
      if (better == worse)
        throw FileError(fmt::format("{}claim {} compares \"{}\" with itself", s.place(key), x.id, better));
      if (!compared.insert({better, worse}).second)
        throw FileError(fmt::format("{}claim {} compares \"{}\" and \"{}\" twice: name each pair once",
                                    s.place(key), x.id, better, worse));
    };
    check_pair("better", {x.better, x.worse});
    for (const auto& pair : x.mean_with) check_pair("mean_with", pair);
    if (s.find("minus_with") != nullptr) {
      check_minus(s, x);
      check_pair("minus_with", x.minus_with);
    }
    if (!x.ceiling.empty()) check_judged(s.place("ceiling"), x.ceiling, "last");
    if (!x.measures.empty())
      throw FileError(s.place("measures") +
                      "students are judged by their scores: measures are for claims of kind \"errors\" or "
                      "\"diversity\"");
  }
  static void check_minus(const Section& s, const Claim& x) {
    if (!x.mean_with.empty())
      throw FileError(fmt::format(
          "{}claim {} is about a mean of differences or about one minus another: give one of mean_with and "
          "minus_with",
          s.place("minus_with"), x.id));
    if (!x.ceiling.empty())
      throw FileError(
          fmt::format("{}claim {} is about a difference minus another, which closes no gap: "
                      "leave out ceiling or minus_with",
                      s.place("ceiling"), x.id));
  }
  // Are there students of the whole pool that are judged by these weights?
  void check_judged(const std::string& place, const std::string& name, const std::string& weights) const {
    check_name(place, "arm", name, arm_names());
    const Arm& a =
        *std::find_if(c_.arms.begin(), c_.arms.end(), [&](const Arm& other) { return other.name == name; });
    if (std::find(a.volumes.begin(), a.volumes.end(), 1) == a.volumes.end())
      throw FileError(fmt::format(
          "{}arm \"{}\" has no students of the whole pool, which are compared: add 1.0 to its volumes", place,
          name));
    if (std::ranges::find(a.weights, weights) == a.weights.end())
      throw FileError(fmt::format("{}arm \"{}\" is not judged by its {} weights: add \"{}\" to its weights",
                                  place, name, weights, weights));
  }
  void about_targets(Section& s, Claim& x) const {
    for (const auto& [key, name] : {std::pair{"better", x.better}, std::pair{"worse", x.worse}})
      check_targets(s.place(key), name);
    if ((x.better == "human") == (x.worse == "human"))
      throw FileError(s.place("worse") +
                      "a claim about targets compares generated ones with human ones: name "
                      "\"human\" as one of better and worse");
    const char* key = x.better == "human" ? "worse" : "better";
    const std::string& generated = x.better == "human" ? x.worse : x.better;
    if (std::none_of(c_.arms.begin(), c_.arms.end(), [&](const Arm& a) { return a.targets == generated; }))
      throw FileError(fmt::format("{}no arm learns from \"{}\", and only what arms learn from is measured",
                                  s.place(key), generated));
    if (x.kind == "diversity" && draws(generated) > 1)
      throw FileError(
          fmt::format("{}\"{}\" are {} translations of each sentence, and the diversity of so much text does "
                      "not compare with that of one human translation: name a decoding of one",
                      s.place(key), generated, draws(generated)));
    for (const char* with : {"mean_with", "minus_with"})
      if (s.find(with) != nullptr)
        throw FileError(s.place(with) + with + " names arms: it is for a claim of kind \"students\"");
    if (!x.ceiling.empty())
      throw FileError(s.place("ceiling") + "only students close a gap: a claim of kind \"students\"");
    if (s.find("weights") != nullptr)
      throw FileError(s.place("weights") + "only students have weights: a claim of kind \"students\"");
    std::vector<std::string> known, standard;
    for (const TargetMeasure& m : measures_of(x.kind)) {
      known.emplace_back(m.name);
      if (m.standard) standard.emplace_back(m.name);
    }
    check_distinct(s, "measures", x.measures);
    if (x.measures.empty()) x.measures = standard;
    const std::string what = "measure of " + x.kind;
    for (const std::string& name : x.measures) {
      check_name(s.place("measures"), what.c_str(), name, known);
      if (measure_of(x.kind, name).better == 0)
        throw FileError(fmt::format(
            "{}{} is neither better higher nor better lower, so no claim can be judged by it; without "
            "measures a claim has {}",
            s.place("measures"), name, fmt::join(standard, ", ")));
    }
  }
  std::vector<std::string> arm_names() const {
    std::vector<std::string> out;
    for (const Arm& a : c_.arms) out.push_back(a.name);
    return out;
  }
  std::vector<std::string> claim_names() const {  // of those about students
    std::vector<std::string> out;
    for (const Claim& x : c_.claims)
      if (x.kind == "students") out.push_back(x.id);
    return out;
  }
  const Toml& file_;
  Section root_;
  ExperimentConfig c_;
};
}  // namespace

TargetsName::TargetsName(const std::string& name) : generator(name.substr(0, name.find('/'))) {
  if (generator != name) decoding = name.substr(generator.size() + 1);
}
const std::string& recipe_of(const ExperimentConfig& c, const Arm& a) {
  return a.student.empty() ? c.student : a.student;
}
std::string weights_of(const ExperimentConfig& c, const Claim& x, const std::string& arm) {
  const bool judged = std::ranges::any_of(c.arms, [&](const Arm& a) {
    return a.name == arm && std::ranges::find(a.weights, x.weights) != a.weights.end();
  });
  return judged ? x.weights : "last";
}
Writers writers_of(const Arm& a) {
  Writers out{a.targets, {a.targets}};
  for (const AppliedOperation& o : a.apply) {
    if (o.op == "replace") {
      out = {o.targets.front().second, {o.targets.front().second}};
    } else if (o.op == "mix") {
      const auto real = std::find_if(o.parameters.begin(), o.parameters.end(),
                                     [](const auto& p) { return p.first == "real"; });
      double share = 0;
      real->second.number(share);
      out.text += fmt::format(", {:g} % human", 100 * share);
      out.targets.emplace_back("human");
    } else if (o.op == "alternate" || o.op == "join") {
      for (const auto& [_, with] : o.targets) {
        out.text += (o.op == "join" ? " and " : " in turn with ") + with;
        out.targets.push_back(with);
      }
    } else if (edits::Operation::named(o.op).kept != edits::Operation::all) {
      out.text += ", " + o.op;  // such as errors injected
    }
  }
  if (!a.joined.empty()) out.text += ", and all of " + a.joined;
  return out;
}
bool chosen_by_oracle(const ExperimentConfig& c, const std::string& targets) {
  const auto way = c.rerankings.find(TargetsName(targets).decoding);
  return way != c.rerankings.end() && way->second.how == "oracle";
}
ExperimentConfig parse_experiment(std::string_view text, const std::string& name) {
  const Toml file = parse_toml(text, name);
  ExperimentConfig c = Reader(file).read();
  c.text = text;
  if (c.title.empty()) c.title = name;
  return c;
}
ExperimentConfig read_experiment(const std::string& path) {
  return parse_experiment(Disk::real().read(path), path);
}
}  // namespace rum::experiment
