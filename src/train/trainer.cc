#include "train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>

#include "base/error.h"
#include "base/threads.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "ops/gemm.h"
#include "text/json.h"
#include "train/data.h"
#include "train/evaluate.h"
#include "train/events.h"
#include "train/run.h"
#include "train/step.h"

namespace rum {
namespace {
std::string hex(uint64_t v) { return fmt::format("{:016x}", v); }
}  // namespace

struct Trainer::State {
  RunConfig config;
  Progress& progress;
  bool resuming;
  DeviceKind device;
  RunFolder folder;
  std::vector<Corpus> train;
  Corpus valid;
  Tokenizer tokenizer;
  Plan plan;
  std::unique_ptr<Loader> loader;
  std::vector<Packed> validation;
  ParameterBlock params;
  Model model;
  AdamW adamw;
  Step step;
  std::unique_ptr<EventWriter> events;

  // What the next step depends on besides the weights; all of it is in a checkpoint.
  int64_t done = 0, best_step = 0, stale = 0, skipped = 0;
  double best_loss = std::numeric_limits<double>::infinity();
  double last_loss = 0;
  int64_t used = 0;        // tokens, in this process
  struct Queued {          // a step whose outcome the host does not know yet
    int64_t step, tokens;  // `used` after it
    Readback outcome;
  };
  std::deque<Queued> queued;

  State(RunConfig c, Progress& p, bool resume)
      : config(std::move(c)),
        progress(p),
        resuming(resume),
        device(pick_device(config.device)),
        folder{config.folder},
        train(training_corpora(config)),
        valid(read_corpus(config.valid, config.kind)),
        tokenizer(run_tokenizer(config, train, resume, p)),
        plan(training_plan(config, train)),
        model(config.model_kind, Params(params), model_config(config, tokenizer.size())),
        adamw(materialised(), config.adamw),
        step(
            params, adamw, [this](const Batch& b) { return model.loss(b).loss; }, config.seed) {
    const LoaderConfig lc{batch_shape(config), config.micro_batches, config.model.context,
                          config.target_tokens};
    loader =
        std::make_unique<Loader>(plan, train, tokenizer, lc, config.target_tokens > 0 ? 0 : config.steps);
    config.steps = config.schedule.steps = loader->steps(), config.target_tokens = 0;  // resolved
    check_config(config);
    validation = evaluation_batches(valid, tokenizer, lc.shape, config.eval_texts);
  }

  ParameterBlock& materialised() {
    params.materialise(device, config.dtype, config.seed);
    return params;
  }
  void open_folder();
  void restore(Checkpoint);
  void save_checkpoint();
  void one_step(const std::vector<Packed>&);
  void settle(size_t late, const std::function<void(const Queued&, double loss, double norm)>& each);
  void skip(int64_t step, double loss, double norm);
  std::string what_fits();
  bool evaluate();  // true: stop early
  void note_metrics(Json::Object);
  bool scheduled(int64_t s) const { return s % config.save_every == 0 || s == config.steps; }
  std::string finish();
  void average_into_block(const std::vector<int64_t>& steps);
  std::vector<int64_t> averaged_steps() const;
};

Trainer::Trainer(RunConfig c, Progress& p, bool resume) {
  check_config(c);
  set_threads(c.threads > 0 ? static_cast<int>(c.threads) : threads());
  state_ = std::make_unique<State>(std::move(c), p, resume);
}
Trainer::~Trainer() = default;

// ---- the folder
// --------------------------------------------------------------------------------------------
void Trainer::State::open_folder() {
  Disk& disk = Disk::real();
  disk.make_folders(folder.checkpoints());
  remove_stale(folder.checkpoints());
  auto newest = newest_valid(folder.checkpoints(), [&](const std::string& w) { progress.line(w); });
  if (!resuming) {
    RUM_CHECK(
        !newest,
        "{} holds a run at step {}: `--resume {}` goes on with it, `--set run.folder=...` begins another",
        folder.path, newest->checkpoint.step, folder.path);
    RUM_CHECK(saved_steps(folder.checkpoints()).empty(),
              "{} holds checkpoints of which none can be read: move them away or choose another run.folder",
              folder.checkpoints());
  } else if (!newest) {
    throw FileError(
        fmt::format("{}: this run never saved a checkpoint; start it again without --resume", folder.path));
  }
  progress.log_to(folder.file("log.txt"));
  disk.replace_text(folder.config(), to_toml(config));
  tokenizer.save(folder.tokenizer());
  disk.replace_text(folder.file("environment.json"), to_json(environment(device), 2) + "\n");
  Json::Array corpora;
  auto note = [&](const Corpus& c) {
    corpora.push_back(Json(Json::Object{
        {"file", c.name}, {"texts", static_cast<int64_t>(c.texts.size())}, {"hash", hex(c.hash)}}));
  };
  std::for_each(train.begin(), train.end(), note), note(valid);
  disk.replace_text(folder.file("data.json"), to_json(Json(std::move(corpora)), 2) + "\n");
  if (device == DeviceKind::cuda && gemm_choices.load)
    gemm_choices.load(newest ? newest->checkpoint.meta["gemm"] : "");
  if (newest) restore(std::move(newest->checkpoint));
  events = std::make_unique<EventWriter>(folder.path);
  if (!newest) {
    disk.replace_text(folder.file("samples.txt"), "");
    disk.replace_text(folder.metrics(), "");
    save_checkpoint();
  }
}

void Trainer::State::restore(Checkpoint c) {
  const std::string file = checkpoint_path(folder.checkpoints(), c.step);
  auto unchanged = [&](const char* key, const std::string& name, const std::string& hash) {
    RUM_CHECK(
        c.meta[key] == hash,
        "{} has changed since this run began (hash {}, then {}): put the old file back or begin another run",
        name, hash, c.meta[key]);
  };
  unchanged("train_hash", fmt::format("{}", fmt::join(config.train, ", ")), corpora_hash(train));
  unchanged("valid_hash", valid.name, hex(valid.hash));
  unchanged("plan_hash", config.plan.empty() ? "the order of the training texts" : config.plan,
            hex(plan_hash(plan)));
  set_weights(params, params.master(), c.tensors, "", file);
  set_weights(params, adamw.first_moment(), c.tensors, "adamw.first.", file);
  set_weights(params, adamw.second_moment(), c.tensors, "adamw.second.", file);
  params.refresh_shadow();
  done = c.step, best_step = noted(c, "best_step"), stale = noted(c, "stale");
  skipped = noted(c, "skipped");
  if (c.meta.contains("best_loss")) best_loss = std::stod(c.meta["best_loss"]);
  // Lines of steps that are done again would stand twice.
  std::string kept;
  const std::string old = Disk::real().exists(folder.metrics()) ? Disk::real().read(folder.metrics()) : "";
  for (size_t at = 0, end; (end = old.find('\n', at)) != std::string::npos; at = end + 1) {
    const Json line = parse_json(std::string_view(old).substr(at, end - at), folder.metrics());
    int64_t s = 0;
    if (const Json* j = line.find("step"); j && j->whole(s) && s <= done)
      kept += old.substr(at, end - at + 1);
  }
  Disk::real().replace_text(folder.metrics(), kept);
}

void Trainer::State::save_checkpoint() {
  Checkpoint c{done, {}, named_weights(params, params.master())};
  for (auto& t : named_weights(params, adamw.first_moment(), "adamw.first."))
    c.tensors.push_back(std::move(t));
  for (auto& t : named_weights(params, adamw.second_moment(), "adamw.second."))
    c.tensors.push_back(std::move(t));
  c.meta = {{"config", to_toml(config)},
            {"train_hash", corpora_hash(train)},
            {"valid_hash", hex(valid.hash)},
            {"tokenizer_hash", hex(tokenizer.hash())},
            {"plan_hash", hex(plan_hash(plan))},
            {"best_step", fmt::format("{}", best_step)},
            {"stale", fmt::format("{}", stale)},
            {"skipped", fmt::format("{}", skipped)},
            {"build", build_id()}};
  if (device == DeviceKind::cuda && gemm_choices.save) {
    c.meta["gemm"] = gemm_choices.save();
    Disk::real().replace_text(folder.file("gemm.txt"), c.meta["gemm"]);
  }
  if (std::isfinite(best_loss)) c.meta["best_loss"] = fmt::format("{}", best_loss);
  save(c, checkpoint_path(folder.checkpoints(), done));
  std::vector<int64_t> keep;
  for (int64_t s = done; s >= 0 && static_cast<int64_t>(keep.size()) < config.keep; --s)
    if (scheduled(s)) keep.push_back(s);
  keep.push_back(best_step);
  retain(folder.checkpoints(), 1, keep);
}

// ---- one step, one evaluation
// ------------------------------------------------------------------------------
void Trainer::State::one_step(const std::vector<Packed>& packed) {
  std::vector<Batch> batches;
  int64_t tokens = 0;
  for (const Packed& p : packed) batches.push_back(upload(p)), tokens += p.used;
  try {
    step.run(batches, static_cast<uint32_t>(done), learning_rate(config.schedule, done));
  } catch (const OutOfMemory& e) {
    batches.clear();
    throw OutOfMemory(
        fmt::format("{} at step {} with batch.tokens = {}; {}", e.what(), done, config.tokens, what_fits()));
  }
  queued.push_back({++done, used += tokens, step.outcome()});
}
// Learns how the queued steps went, oldest first, but for the newest `late`: so a GPU has its next step
// before the host asks about the last one.
void Trainer::State::settle(size_t late,
                            const std::function<void(const Queued&, double loss, double norm)>& each) {
  while (queued.size() > late) {
    Queued q = std::move(queued.front());
    queued.pop_front();
    const double norm = q.outcome.at(1);
    last_loss = q.outcome.at(0);
    std::isfinite(norm) && std::isfinite(last_loss) ? void(skipped = 0) : skip(q.step, last_loss, norm);
    each(q, last_loss, norm);
  }
}
// The update has left weights and moments alone. Which gradient it was is known while no later step has
// written them.
void Trainer::State::skip(int64_t at, double loss, double norm) {
  std::string where;
  for (const ParameterBlock::Entry& e : params.entries()) {
    if (!queued.empty() || !where.empty()) break;
    const Tensor g = params.grads().rows(e.offset, e.offset + e.shape.size()).to(DeviceKind::cpu);
    for (int64_t i = 0; i < g.size() && where.empty(); ++i)
      if (!std::isfinite(g.at(i))) where = fmt::format(", first in the gradient of {}", e.name);
  }
  progress.line(
      fmt::format("step {}: loss {}, norm of the gradient {}{}; the step is skipped", at, loss, norm, where));
  note_metrics({{"step", at}, {"skipped", true}, {"loss", loss}, {"norm", norm}});
  if (++skipped < 3) return;
  const auto newest = newest_valid(folder.checkpoints());
  fail(fmt::format(
      "three steps in a row were not finite, up to step {}: stopped; the last good checkpoint is {}. A lower "
      "optimizer.learning_rate or more schedule.warmup usually helps",
      at, newest ? newest->path : "none"));
}

// After an OutOfMemory: tries smaller batches, of texts as long as they may be.
std::string Trainer::State::what_fits() {
  step.arena().clear();
  for (int64_t n = config.tokens / 2; n >= 16; n /= 2) try {
      RunConfig smaller = config;
      smaller.tokens = n, smaller.scored = std::min(config.scored, n);
      const int64_t length = std::min(config.model.context, n);
      const Example longest{std::vector<Token>(static_cast<size_t>(length)),
                            static_cast<int32_t>(model.encoder_decoder() ? length / 2 : 0)};
      std::vector<Example> texts{longest};
      while (fits(texts, batch_shape(smaller))) texts.push_back(longest);
      texts.pop_back();
      const Batch batch = upload(pack(texts, batch_shape(smaller)));
      step.gradients({&batch, 1}, adamw.inputs(0, 0, 1, config.seed));
      return fmt::format("batch.tokens = {} fits (with batch.micro_batches = {} for the same step)", n,
                         config.tokens / n * config.micro_batches);
    } catch (const OutOfMemory&) {
      step.arena().clear();
    }
  return "not even a small batch fits: make the model smaller";
}

void Trainer::State::note_metrics(Json::Object line) {
  Disk::real().append(folder.metrics(), to_json(Json(std::move(line))) + "\n");
}

bool Trainer::State::evaluate() {
  const double loss = mean_nll(model, validation);
  Json::Object line{{"step", done}, {"valid_loss", loss}};
  std::vector<Scalar> scalars{{"loss/valid", static_cast<float>(loss)}};
  std::string text =
      fmt::format("step {}: validation loss {:.4f} (perplexity {:.2f})", done, loss, std::exp(loss));
  const auto some = std::min<int64_t>(config.bleu_texts, static_cast<int64_t>(valid.texts.size()));
  if (config.kind == CorpusKind::pairs && some > 0) {
    Decoding greedy = config.decoding;
    greedy.beam = 1;
    const auto texts = std::span(valid.texts).first(static_cast<size_t>(some));
    const Judged judged = judge_translations(model, tokenizer, texts, greedy);
    line.emplace_back("valid_bleu", judged.bleu.score);
    scalars.push_back({"bleu/valid", static_cast<float>(judged.bleu.score)});
    text += fmt::format(", BLEU {:.1f} on {} texts", judged.bleu.score, some);
    std::string samples = fmt::format("step {}\n", done);
    for (size_t i = 0; i < std::min<size_t>(texts.size(), 3); ++i)
      samples +=
          fmt::format("  {}\n  = {}\n  > {}\n", texts[i].source, texts[i].target, judged.translations[i]);
    Disk::real().append(folder.file("samples.txt"), samples);
  }
  progress.line(text);
  note_metrics(std::move(line));
  events->write(done, scalars);
  if (loss < best_loss) {
    best_loss = loss, best_step = done, stale = 0;
  } else if (++stale; config.patience > 0 && stale >= config.patience) {
    progress.line(fmt::format("no better validation loss in {} evaluations: stopped early; step {} was best",
                              stale, best_step));
    return true;
  }
  return false;
}

// ---- the end
// -----------------------------------------------------------------------------------------------
std::vector<int64_t> Trainer::State::averaged_steps() const {
  std::vector<int64_t> out;
  for (int64_t s = done; s > 0 && static_cast<int64_t>(out.size()) < config.average; --s)
    if (scheduled(s) || s == done) out.push_back(s);
  return out;
}

// The mean of several checkpoints' weights, summed in double (Vaswani et al. 2017, section 6.1).
void Trainer::State::average_into_block(const std::vector<int64_t>& steps) {
  std::vector<double> sum(static_cast<size_t>(params.master().size()));
  for (const int64_t s : steps) {
    const std::string path = checkpoint_path(folder.checkpoints(), s);
    set_weights(params, params.master(), load(path).tensors, "", path);
    const Tensor weights = params.master().to(DeviceKind::cpu);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(weights.data<float>()[i]);
  }
  for (double& w : sum) w /= static_cast<double>(steps.size());
  params.master().copy_from(Tensor::from<double>(sum, params.master().shape(), DType::f32));
  params.refresh_shadow();
}

// Of the averaged weights and the best checkpoint, the one with the lower validation loss becomes the model.
std::string Trainer::State::finish() {
  const std::vector<int64_t> steps = averaged_steps();
  average_into_block(steps);
  double loss = mean_nll(model, validation);
  std::string source = steps.size() > 1 ? fmt::format("mean of the last {} checkpoints", steps.size())
                                        : fmt::format("step {}", done);
  if (loss > best_loss) {
    average_into_block({best_step});
    loss = best_loss, source = fmt::format("step {}", best_step);
  }
  Json::Object results{{"step", done},
                       {"target_tokens", loader->target_tokens(done)},
                       {"model", source},
                       {"valid_loss", loss}};
  std::string text = fmt::format("model: {}, validation loss {:.4f}\n", source, loss);
  if (!config.test.empty()) {
    const Corpus test = read_corpus(config.test, config.kind);
    const double nll = mean_nll(model, evaluation_batches(test, tokenizer, batch_shape(config), 0));
    results.emplace_back("test_loss", nll);
    text += fmt::format("test loss: {:.4f}\n", nll);
    if (config.kind == CorpusKind::pairs) {
      const auto n = static_cast<int64_t>(test.texts.size());
      const Judged judged = judge_translations(model, tokenizer, test.texts, config.decoding, [&](int64_t k) {
        progress.status(fmt::format("translating the test set: {} of {}", k, n));
      });
      results.emplace_back("test_bleu", judged.bleu.score);
      results.emplace_back("test_signature", signature(*make_bleu()));
      text += fmt::format("test BLEU: {:.2f} on {} texts, beam {} ({})\n", judged.bleu.score, n,
                          config.decoding.beam, signature(*make_bleu()));
      for (size_t i = 0; i < std::min<size_t>(test.texts.size(), 5); ++i)
        text += fmt::format("\n  source       {}\n  reference    {}\n  translation  {}\n",
                            test.texts[i].source, test.texts[i].target, judged.translations[i]);
    }
  }
  write_safetensors(
      {{{"config", to_toml(config)}, {"source", source}}, named_weights(params, params.master())},
      folder.model());
  results.emplace_back("report", text);
  Disk::real().replace_text(folder.results(), to_json(Json(std::move(results)), 2) + "\n");
  return text;
}

// ---- the loop
// ----------------------------------------------------------------------------------------------
Outcome Trainer::run(const std::function<bool(int64_t)>& stop) {
  State& s = *state_;
  const RunConfig& c = s.config;
  s.open_folder();
  const int64_t first = s.done;
  s.progress.line(fmt::format(
      "{}: {} parameters, {} training texts, {} steps of {} tokens ({:.1f} epochs){} on {}", s.folder.path,
      s.params.numbers(), s.plan.rows.size(), c.steps, c.tokens * c.micro_batches, s.loader->epoch(c.steps),
      first > 0 ? fmt::format(", resumed at step {},", first) : "", Backend::of(s.device).describe()));
  Prefetch ahead(*s.loader, first);
  double begin = seconds_now(), spent = 0, logged_at = begin;
  int64_t logged_tokens = 0;
  const auto log = [&](const State::Queued& q, double loss, double norm) {
    if (q.step % c.log_every != 0 && q.step < c.steps) return;
    const double now = seconds_now(),
                 rate = static_cast<double>(q.tokens - logged_tokens) / (now - logged_at),
                 left = (now - begin - spent) / static_cast<double>(q.step - first) *
                        static_cast<double>(c.steps - q.step),
                 lr = static_cast<double>(learning_rate(c.schedule, q.step - 1));
    s.progress.status(fmt::format("step {}/{}  loss {:.4f}  {:.0f} tokens/s  {} left", q.step, c.steps, loss,
                                  rate, duration(left)));
    s.note_metrics({{"step", q.step},
                    {"loss", loss},
                    {"learning_rate", lr},
                    {"norm", norm},
                    {"epoch", s.loader->epoch(q.step)},
                    {"tokens_per_second", rate}});
    const Scalar scalars[] = {{"loss/train", static_cast<float>(loss)},
                              {"optimizer/learning_rate", static_cast<float>(lr)},
                              {"optimizer/norm", static_cast<float>(norm)}};
    s.events->write(q.step, scalars);
    logged_at = now, logged_tokens = q.tokens;
  };
  const size_t late = s.device == DeviceKind::cpu ? 0 : 1;
  bool over = s.done >= c.steps, interrupted = false, trained = false;
  Outcome out;
  try {
    while (!over && !interrupted) {
      s.one_step(ahead.next());
      over = s.done >= c.steps;
      const bool asked = stop && stop(s.done), evaluated = s.done % c.eval_every == 0 || over;
      s.settle(asked || evaluated || s.scheduled(s.done) ? 0 : late, log);
      const double pause = seconds_now();
      if (evaluated) over = s.evaluate() || over;
      interrupted = asked && !over;
      if (s.scheduled(s.done) || s.best_step == s.done || over || interrupted) s.save_checkpoint();
      spent += seconds_now() - pause, logged_at += seconds_now() - pause;
    }
    trained = true;
    out = {s.done, over, s.last_loss, s.best_loss, ""};
    if (over) {
      s.progress.line(fmt::format("trained {} steps in {}", s.done - first, duration(seconds_now() - begin)));
      out.results = s.finish();
    }
  } catch (const OutOfMemory& e) {
    if (!trained) s.settle(0, log), s.save_checkpoint();  // the step that failed has not touched the weights
    throw OutOfMemory(
        fmt::format("{}; step {} is saved, `ruminate train --resume {}` goes on, with less memory by "
                    "--set batch.tokens=... (in evaluation also eval.bleu_texts=0)",
                    e.what(), s.done, s.folder.path));
  }
  return out;
}

Estimate Trainer::estimate() {
  State& s = *state_;
  Estimate e{
      .parameters = s.params.numbers(), .steps = s.config.steps, .epochs = s.loader->epoch(s.config.steps)};
  double begin = 0, tokens = 0;
  const int64_t tries = std::min<int64_t>(12, s.config.steps), warm = std::min<int64_t>(2, tries - 1);
  for (int64_t i = 0; i < tries; ++i) {
    if (i == warm) begin = seconds_now();
    for (const auto packed = s.loader->at(i); const Packed& p : packed)
      if (i >= warm) tokens += static_cast<double>(p.used);
    s.one_step(s.loader->at(i));
    s.settle(0, [](const auto&, double, double) {});  // waits for it
  }
  const double seconds = seconds_now() - begin;
  e.tokens_per_second = tokens / seconds;
  e.seconds = seconds / static_cast<double>(tries - warm) * static_cast<double>(e.steps);
  e.bytes =
      static_cast<double>(s.step.arena().reserved()) + 16.0 * static_cast<double>(s.params.master().size());
  return e;
}

RunConfig resumed_config(const std::string& folder) {
  const RunFolder run{folder};
  if (!Disk::real().exists(run.config()))
    throw FileError(
        fmt::format("{}: not a run folder, there is no config.toml in it; start without --resume", folder));
  RunConfig c = read_config(run.config());
  c.folder = folder;
  return c;
}
}  // namespace rum
