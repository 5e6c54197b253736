#include "experiment/arms.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "detect/classifier.h"
#include "edits/operation.h"
#include "experiment/scorer.h"
#include "run/run.h"
#include "text/reader.h"

namespace rum::experiment {
namespace {
FileFacts facts_of(const std::string& path) {
  if (path.starts_with("data/cache/") && !Disk::real().exists(path))  // a config that ships
    throw FileError(
        path +
        ": there is no such file; `make reproduce SCALE=...` fetches it, and --data names another folder");
  ByteReader bytes(path);
  Hash64 hash;
  FileFacts f;
  std::string part(size_t{1} << 18, '\0');
  char last = '\n';
  while (const size_t n = bytes.read(part.data(), part.size())) {
    const std::string_view read(part.data(), n);
    hash.add(read);
    f.lines += std::count(read.begin(), read.end(), '\n');
    last = read.back();
  }
  f.lines += last != '\n';
  f.hash = hex64(hash.value());
  return f;
}

// What a classifier takes from a recipe; the rest is its own.
Json::Object classifier_options(const RunConfig& recipe) {
  Json::Object out{{"width", recipe.model.width},
                   {"layers", recipe.model.layers},
                   {"dropout", static_cast<double>(recipe.model.dropout)},
                   {"learning_rate", static_cast<double>(recipe.schedule.peak)}};
  if (recipe.epochs > 0) out.emplace_back("epochs", recipe.epochs);
  return out;
}

class Builder {
 public:
  Builder(const ExperimentConfig& c, const Store* made, FilesRead& read) : c_(c), made_(made), read_(read) {}
  ExperimentGraph build() {
    split();
    out_.measured[{"human", 0}] = measure("human", human_, human_);
    for (const Arm& arm : c_.arms)
      for (int64_t seed = 1; seed <= c_.seeds; ++seed)
        for (const double volume : arm.volumes) student(arm, seed, volume);
    for (const Claim& claim : c_.claims)
      if (claim.kind != "students")
        for (const std::string& t : {claim.better, claim.worse})
          for (int64_t seed = 1; seed <= c_.seeds; ++seed) named(t, seed);
    return std::move(out_);
  }

 private:
  void split() {
    const ExperimentData& d = c_.data;
    const auto enough = [&](const std::string& file, int64_t wanted, const char* keys) {
      if (const FileFacts* f = facts(file); f && f->lines < wanted)
        throw FileError(fmt::format(
            "{} has {} lines, but {} ask for {}: ask for fewer, or make the corpus again (`ruminate "
            "data prepare` has --valid and --test)",
            file, f->lines, keys, wanted));
    };
    enough(d.train, d.seed_pairs + d.pool_pairs + d.judge_pairs,
           d.judge_pairs > 0 ? "data.seed_pairs, data.pool_pairs and data.judge_pairs"
                             : "data.seed_pairs and data.pool_pairs");
    enough(d.valid, d.valid_pairs, "data.valid_pairs");
    enough(d.test, d.test_pairs, "data.test_pairs");
    out_.split = out_.graph.add("split", "seed set, pool, judge set, valid, test",
                                recalled("split", {d.train, d.valid, d.test},
                                         {{"train", hash(d.train)},
                                          {"valid", hash(d.valid)},
                                          {"test", hash(d.test)},
                                          {"seed_pairs", d.seed_pairs},
                                          {"pool_pairs", d.pool_pairs},
                                          {"judge_pairs", d.judge_pairs},
                                          {"valid_pairs", d.valid_pairs},
                                          {"test_pairs", d.test_pairs}}),
                                {}, 1, {{"train", d.train}, {"valid", d.valid}, {"test", d.test}});
    const TokenizerConfig& t = c_.recipes.at(c_.student).bpe;
    tokenizer_ = out_.graph.add("tokenizer", "tokenizer",
                                {{"vocab", int64_t{t.vocab}},
                                 {"pattern", t.pattern},
                                 {"split_digits", t.split_digits},
                                 {"min_frequency", int64_t{t.min_frequency}}},
                                {{"split", out_.split}}, 3);
    human_ = out_.graph.add("human", "human targets", {}, {{"split", out_.split}});
  }
  // Facts about a file, read once; null if it is gone and finished stages can stand in for it.
  const FileFacts* facts(const std::string& path) {
    if (made_ && !Disk::real().exists(path)) return nullptr;
    auto at = read_.find(path);
    if (at == read_.end()) at = read_.emplace(path, facts_of(path)).first;
    return &at->second;
  }
  Json hash(const std::string& path) {
    const FileFacts* f = facts(path);
    return f ? Json(f->hash) : Json();
  }
  // A stage's parameters; the hashes of missing files come from the newest finished stage that agrees in
  // everything else.
  Json::Object recalled(const std::string& kind, const std::vector<std::string>& files, Json::Object given) {
    const auto unknown = [](const auto& x) { return x.second.is_null(); };
    if (std::none_of(given.begin(), given.end(), unknown)) return given;
    for (const Json& made : made_->all_facts(kind)) {
      const Json* found = made.find("parameters");
      if (found == nullptr || found->object() == nullptr) continue;
      const auto agrees = [&](const auto& x) {
        const Json* there = found->find(x.first);
        return there && (unknown(x) ? there->text() != nullptr : to_json(*there) == to_json(x.second));
      };
      if (!std::all_of(given.begin(), given.end(), agrees)) continue;
      for (auto& [key, value] : given) value = *found->find(key);
      return given;
    }
    for (const std::string& file : files) facts_of(file);  // throws for the file that cannot be opened
    return given;
  }
  // Targets by name at a seed; also adds their measures.
  std::string named(const std::string& name, int64_t seed) {
    if (name == "human" || name == "none") return name == "human" ? human_ : "";
    const std::string targets = write(name, seed);
    out_.generated[{name, seed}] = targets;
    out_.measured[{name, seed}] = measure(fmt::format("{}, seed {}", name, seed), targets, human_);
    return targets;
  }
  std::string write(const std::string& name, int64_t seed) {
    const Generator& g = generator_of(name);
    if (!g.file.empty())
      return out_.graph.add("import", fmt::format("{}: {}", name, g.file),
                            recalled("import", {g.file}, {{"name", name}, {"hash", hash(g.file)}}),
                            {{"split", out_.split}}, 1, {{"file", g.file}});
    const std::string decoding = TargetsName(name).decoding;
    const auto d = c_.decodings.find(decoding);
    return written(g.name, decoding, seed, "pool", d == c_.decodings.end() ? 1 : d->second.best);
  }
  // By its own name, or that of its targets.
  const Generator& generator_of(const std::string& name) const {
    const std::string generator = TargetsName(name).generator;
    return *std::find_if(c_.generators.begin(), c_.generators.end(),
                         [&](const Generator& x) { return x.name == generator; });
  }
  const Arm& arm_of(const std::string& name) const {
    return *std::find_if(c_.defined.begin(), c_.defined.end(), [&](const Arm& a) { return a.name == name; });
  }
  // The human targets of the sources that a generator translates.
  std::string human_beside(const std::string& targets) {
    if (targets == "human") return human_;
    const Generator& g = generator_of(targets);
    return g.count > 0 ? part(human_, g.first, g.count) : human_;
  }
  std::string part(const std::string& targets, int64_t first, int64_t count) {
    return out_.graph.add("part", fmt::format("{} of the pool from {} on", count, first),
                          {{"first", first}, {"count", count}}, {{"targets", targets}});
  }
  // The training of a generator.
  std::string model_of(const Generator& g, int64_t seed) {
    if (!g.arm.empty()) {
      std::string& known = models_[{g.arm, seed}];
      if (known.empty()) known = student_of(arm_of(g.arm), seed, 1, targets_of(arm_of(g.arm), seed));
      return known;
    }
    const int64_t pairs = g.pairs > 0 ? g.pairs : c_.data.seed_pairs;
    Json::Object data{{"seed_pairs", pairs}};
    if (g.judge_set) data.emplace_back("and_judge_set", true);
    return train(fmt::format("generator {}, seed {}", g.name, seed), g.recipe, 10000 * g.seed + 1000 + seed,
                 std::move(data), {});
  }
  int64_t pairs_of(const std::string& set) const {
    if (set == "judge") return c_.data.judge_pairs;
    return set == "valid" ? c_.data.valid_pairs : c_.data.pool_pairs;
  }
  // The output of a generator for a set's sources, with a number of draws for each.
  std::string written(const std::string& generator, const std::string& decoding, int64_t seed,
                      const std::string& set, int64_t draws) {
    if (const auto at = c_.rerankings.find(decoding); at != c_.rerankings.end())
      return chosen(at->second, generator, decoding, seed, set);
    const Generator& g = generator_of(generator);
    RUM_CHECK(set != "judge" || !g.judge_set,
              "generator {} learned from the judge set, so its translations of that are unlike those of the "
              "pool: what learns from both needs a generator without judge_set",
              generator);
    const std::string name = generator + "/" + decoding;
    const Decoding& d = c_.decodings.at(decoding);
    Json::Object parameters{{"name", name}, {"decoding", decoding_json(d)}}, hints;
    std::vector<StageInput> inputs;
    if (g.model.empty()) inputs.push_back({"generator", model_of(g, seed)});
    inputs.push_back({"split", out_.split});
    // A given model is the same at every seed.
    if (g.model.empty() || d.sample) parameters.emplace_back("seed", seed);
    if (set != "pool") parameters.emplace_back("set", set);
    const bool some = set == "pool" && g.count > 0;
    if (some) {
      parameters.emplace_back("first", g.first);
      parameters.emplace_back("count", g.count);
    }
    if (g.generation > 1) parameters.emplace_back("generation", g.generation);
    if (draws != 1) parameters.emplace_back("draws", draws);
    if (g.dtype != "f32") parameters.emplace_back("dtype", g.dtype);
    const int64_t lines = (some ? g.count : pairs_of(set)) * draws;
    if (!g.model.empty()) {
      parameters = given_model(g, std::move(parameters));
      hints.emplace_back("model", g.model);
    }
    return out_.graph.add("generate",
                          fmt::format("{}, seed {}: translating the {}{}", name, seed, set,
                                      draws == 1 ? "" : fmt::format(" {} times", draws)),
                          std::move(parameters), std::move(inputs),
                          static_cast<double>(lines * (d.sample ? 1 : d.beam)) / 1500, std::move(hints));
  }
  // A generate stage's parameters with those of a given model: its files and its prompt.
  Json::Object given_model(const Generator& g, Json::Object parameters) {
    if (!g.told.text.empty()) parameters.emplace_back("template", g.told.text);
    if (g.told.chat) parameters.emplace_back("chat", true);
    RunFiles files;
    if (!made_ || Disk::real().exists(g.model)) {
      files = run_files(g.model);
      const bool translates = read_config(files.config).kind == CorpusKind::pairs;
      RUM_CHECK(translates == g.told.text.empty(), "generator {}: {} {}", g.name, g.model,
                translates ? "is a translation model, which needs no prompt: leave out template"
                           : "is a plain-text model: give a template, the prompt, with {source} in it");
    }
    parameters.emplace_back("weights", hash(files.weights));
    parameters.emplace_back("tokenizer", hash(files.tokenizer));
    parameters.emplace_back("config", hash(files.config));
    return recalled("generate", {g.model}, std::move(parameters));
  }
  // Chooses one of a generator's translations of each source of a set.
  std::string chosen(const Reranking& choice, const std::string& generator, const std::string& name,
                     int64_t seed, const std::string& set) {
    std::vector<StageInput> inputs{{"split", out_.split}};
    const auto add = [&](const char* input, const std::string& of_set) {
      for (const std::string& d : choice.of)
        inputs.push_back(
            {input, written(generator, d, seed, of_set, c_.decodings.at(d).sample ? choice.best_of : 1)});
    };
    add("candidates", set);
    if (choice.how == "channel") {
      add("tried", "valid");
      inputs.push_back({"reverse", judge_model("reverse", c_.student, seed)});
      inputs.push_back({"fluency", judge_model("target language", c_.student, seed)});
    }
    return out_.graph.add("choose",
                          fmt::format("{}/{}, seed {}: choosing for the {}", generator, name, seed, set),
                          {{"choose", choice.how}, {"utility", choice.utility}, {"set", set}},
                          std::move(inputs), choice.how == "channel" ? 140 : 20);
  }
  // A model for ranking, which learns from the judge set.
  std::string judge_model(const char* learns, const std::string& recipe, int64_t seed) {
    return train(fmt::format("{} model of the judge set, seed {}", learns, seed), recipe, 2000 + seed,
                 {{"judge_set", learns}}, {});
  }
  // Error: what the training itself would refuse, perhaps hours later.
  static void check_training(const std::string& label, const std::string& recipe,
                             const std::function<void()>& check) {
    try {
      check();
    } catch (const Error& e) {
      fail(fmt::format("recipe.{} cannot train \"{}\": {}", recipe, label, e.what()));
    }
  }
  std::string train(const std::string& label, const std::string& name, int64_t seed, Json::Object data,
                    const std::string& targets, const std::string& from = "") {
    const RunConfig& recipe = c_.recipes.at(name);
    check_training(label, name, [&] {
      const Json whole(data);
      const Json* judged = whole.find("judge_set");
      RunConfig c = for_what_is_learned(recipe, judged ? *judged->text() : "");
      c.train = {"train.tsv"}, c.valid = "valid.tsv", c.from = from;  // its stage has its own
      check_config(c);
      model_config(c, c_.recipes.at(c_.student).bpe.vocab);
    });
    std::vector<StageInput> inputs{{"tokenizer", tokenizer_}, {"split", out_.split}};
    if (!targets.empty()) inputs.push_back({"targets", targets});
    if (!from.empty()) inputs.push_back({"from", from});
    double tokens = static_cast<double>(recipe.steps * recipe.tokens * recipe.micro_batches);
    if (recipe.target_tokens > 0) tokens = 2.2 * static_cast<double>(recipe.target_tokens);
    if (const Json whole{data}; whole.find("volume")) {
      double volume = 1;
      whole.find("volume")->number(volume);
      tokens *= volume;
    }
    Json::Object parameters{{"recipe", recipe_json(recipe)}, {"seed", seed}, {"data", std::move(data)}};
    // Stages made before 30 November 2026 have the last weights alone, and must not pass for these.
    if (recipe.average > 1) parameters.emplace_back("last", "mean");
    return out_.graph.add("train", label, std::move(parameters), std::move(inputs), tokens / 12800);
  }
  // Parameters of a stage that compares targets with human ones, by the rules of their language.
  Json::Object in_language(Json::Object parameters) const {
    if (c_.data.target != ExperimentData().target) parameters.emplace_back("language", c_.data.target);
    return parameters;
  }
  std::string measure(const std::string& label, const std::string& targets, const std::string& human) {
    return out_.graph.add("measure", "measures of " + label, in_language({}),
                          {{"targets", targets}, {"human", human}, {"split", out_.split}},
                          static_cast<double>(c_.data.pool_pairs) / 5000);
  }
  std::string applied(const Arm& arm, const AppliedOperation& o, const std::string& targets, int64_t seed) {
    Json::Object parameters = o.parameters;
    parameters.emplace_back("seed", seed);
    std::vector<StageInput> inputs{{"targets", targets}, {"split", out_.split}};
    if (edits::Operation::named(o.op).sees_human) {
      inputs.push_back({"human", human_beside(arm.targets)});
      parameters = in_language(std::move(parameters));
    }
    for (const auto& [key, name] : o.targets) inputs.push_back({key, named(name, seed)});
    for (const auto& [key, name] : o.scores) {
      const std::string id = scores(c_.scorers.at(name), arm.targets, targets, seed, "pool");
      inputs.push_back({key, id});
      const auto whole = out_.generated.find({arm.targets, seed});
      if (whole != out_.generated.end() && whole->second == targets)
        out_.scored[{name, arm.targets, seed}] = id;
    }
    return out_.graph.add(o.op, fmt::format("{}, seed {}: {}", arm.name, seed, o.op), std::move(parameters),
                          std::move(inputs));
  }
  // A scorer's scores of targets for the sources of `set`; its models learn from the judge set.
  std::string scores(const Scorer& s, const std::string& origin, const std::string& targets, int64_t seed,
                     const std::string& set) {
    const std::string& recipe = s.recipe.empty() ? c_.student : s.recipe;
    const auto model = [&](const char* learns) { return judge_model(learns, recipe, seed); };
    // a set as this generator translates it
    const auto by = [&](const std::string& writer, const std::string& of) {
      const auto [generator, decoding] = TargetsName(writer);
      return of == "pool" ? named(writer, seed) : written(generator, decoding, seed, of, 1);
    };
    const std::map<std::string, std::function<std::string()>> made = {
        {"fluency", [&] { return model("target language"); }},
        {"forward", [&] { return model("forward"); }},
        {"reverse", [&] { return model("reverse"); }},
        {"with", [&] { return by(s.with, set); }},
        {"written", [&] { return by(origin, set); }},
        {"draws", [&] { return written(TargetsName(origin).generator, s.decoding, seed, set, s.draws); }},
        {"judge", [&] { return by(origin, "judge"); }},
        // Detectors learn from the judge set, so a model whose states one reads must not have seen that set.
        {"surrogate",
         [&] {
           return train(fmt::format("surrogate model of the seed set, seed {}", seed), recipe, 3000 + seed,
                        {{"seed_pairs", c_.data.seed_pairs}}, {});
         }},
        {"held_out", [&] { return by(origin, "valid"); }},
        {"human_model", [&] { return model("forward"); }},
        {"generated_model",
         [&] {
           return train(fmt::format("forward model of generated targets, seed {}", seed), recipe, 2000 + seed,
                        {{"judge_set", "generated"}}, by(origin, "judge"));
         }},
        {"human", [&] { return human_; }}};
    std::vector<StageInput> inputs{{"targets", targets}, {"split", out_.split}};
    double cost = 1;
    for (const std::string& input : ScorerKind::named(s.kind).inputs) {
      const std::string id = made.at(input)();
      if (input == "judge" || out_.graph.at(id).kind == "train")
        cost += 8;  // learns from it, or reads with it
      inputs.push_back({input, id});
    }
    for (const std::string& of : s.of) {
      const Scorer& feature = c_.scorers.at(of);
      inputs.push_back({"score", scores(feature, origin, targets, seed, "pool")});
      inputs.push_back({"judge_score", scores(feature, origin, by(origin, "judge"), seed, "judge")});
    }
    Json::Object parameters{{"kind", s.kind}, {"seed", seed}};
    if (s.anyway) parameters.emplace_back("anyway", true);
    if (s.kind == "classifier" && !s.recipe.empty()) {
      const Json::Object options = classifier_options(c_.recipes.at(recipe));
      check_training("scorer " + s.name, recipe, [&] { detect::check_classifier(options); });
      parameters.emplace_back("options", options);
    }
    return out_.graph.add("score",
                          fmt::format("{} of {}{}, seed {}", s.name, origin,
                                      set == "pool" ? "" : fmt::format(" on the {} set", set), seed),
                          std::move(parameters), std::move(inputs), cost);
  }
  // The targets that the students of an arm learn from.
  std::string targets_of(const Arm& arm, int64_t seed) {
    if (const auto at = targets_.find({arm.name, seed}); at != targets_.end()) return at->second;
    std::string targets = named(arm.targets, seed);
    for (const AppliedOperation& o : arm.apply) targets = applied(arm, o, targets, seed);
    if (!arm.joined.empty())
      targets =
          out_.graph.add("join", fmt::format("{}, seed {}: with those of {}", arm.name, seed, arm.joined), {},
                         {{"targets", targets}, {"with", targets_of(arm_of(arm.joined), seed)}}, 1);
    return targets_[{arm.name, seed}] = targets;
  }
  std::string student_of(const Arm& arm, int64_t seed, double volume, const std::string& targets) {
    const std::string from = arm.from.empty() ? "" : model_of(generator_of(arm.from), seed);
    if (targets.empty()) return from;
    return train(fmt::format("student {}, seed {}{}", arm.name, seed,
                             volume < 1 ? fmt::format(", {:g} % of the pool", 100 * volume) : ""),
                 recipe_of(c_, arm), seed, {{"volume", volume}}, targets, from);
  }
  void student(const Arm& arm, int64_t seed, double volume) {
    std::string targets = targets_of(arm, seed);
    if (!arm.apply.empty() && arm.chain.empty())
      out_.measured[{arm.name, seed}] = measure(fmt::format("{}, seed {}", arm.name, seed), targets, human_);
    if (!arm.detector.empty())
      out_.tried[{arm.detector, arm.targets, seed}] =
          scores(c_.scorers.at(arm.detector), arm.targets, named(arm.targets, seed), seed, "pool");
    StudentRun run{&arm, seed, volume, targets, "", {}};
    if (arm.equal_steps && volume < 1) {
      run.targets_stage = applied(arm, {"subset", {{"share", volume}}, {}, {}}, targets, seed);
      run.student = student_of(arm, seed, 1, run.targets_stage);
    } else {
      run.student = student_of(arm, seed, volume, targets);
    }
    for (const std::string& weights : arm.weights)
      run.evaluated[weights] = out_.graph.add(
          "judge",
          fmt::format("test of {}, seed {}{}", arm.name, seed,
                      volume < 1 ? fmt::format(", {:g} %", 100 * volume) : ""),
          {{"model", weights}, {"decoding", decoding_json(c_.test_decoding)}},
          {{"student", run.student}, {"split", out_.split}}, static_cast<double>(c_.data.test_pairs) / 350);
    out_.students.push_back(std::move(run));
  }
  const ExperimentConfig& c_;
  const Store* made_;
  FilesRead& read_;
  ExperimentGraph out_;
  std::string tokenizer_, human_;
  std::map<std::pair<std::string, int64_t>, std::string> targets_, models_;  // by arm and seed
};
}  // namespace

ExperimentGraph experiment_graph(const ExperimentConfig& c, const Store* made, FilesRead* read) {
  FilesRead own;
  return Builder(c, made, read ? *read : own).build();
}

int64_t trained_students(const ExperimentGraph& g) {
  std::set<std::string> students;
  for (const StudentRun& run : g.students)
    if (!run.targets_stage.empty()) students.insert(run.student);
  return std::ssize(students);
}

Json::Object recipe_json(const RunConfig& c) {
  const RunConfig defaults;
  Json::Object out;
  for (const Key& k : keys()) {
    if ((k.name.starts_with("run.") && k.name != "run.dtype") || k.name.starts_with("data.") ||
        k.name.starts_with("tokenizer."))
      continue;
    if (k.get(c) != k.get(defaults)) out.emplace_back(k.name, k.get(c));
  }
  return out;
}
RunConfig for_what_is_learned(RunConfig recipe, std::string_view what) {
  if (what != "target language") return recipe;
  recipe.kind = CorpusKind::documents;
  if (recipe.best == Best::score) recipe.best = Best::loss;  // it translates nothing
  return recipe;
}
Json::Object decoding_json(const Decoding& d) {
  return {{"beam", d.beam},     {"length_penalty", d.length_penalty},
          {"sample", d.sample}, {"temperature", d.temperature},
          {"top_k", d.top_k},   {"top_p", d.top_p},
          {"min_p", d.min_p},   {"max_ratio", d.max_ratio}};
}
Decoding decoding_of(const Json& j) {
  Decoding d;
  const JsonFields given(j, "decoding");
  const auto real = [&](const char* key, float& to) { to = static_cast<float>(given.number(key, to)); };
  const auto whole = [&](const char* key, int64_t& to) { to = given.whole(key, to); };
  whole("beam", d.beam);
  real("length_penalty", d.length_penalty);
  real("temperature", d.temperature);
  whole("top_k", d.top_k);
  real("top_p", d.top_p);
  real("min_p", d.min_p);
  real("max_ratio", d.max_ratio);
  if (given.has("sample")) d.sample = given.boolean("sample");
  return d;
}
}  // namespace rum::experiment
