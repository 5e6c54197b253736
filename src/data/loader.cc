// A step is found by where its micro-batches begin in the endless sequence epoch 0, epoch 1, ... of the
// plan's rows, each replaced by the pieces of its text.
#include "data/loader.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/random.h"

namespace rum {
struct Loader::Index {
  using Order = std::shared_ptr<const std::vector<int64_t>>;
  Plan plan;                    // with a row for each piece
  std::vector<int64_t> row_of;  // of the plan as it was given, by piece
  LoaderConfig config;
  std::vector<TokenCorpus> tokens;  // per corpus
  std::vector<std::string> notes;
  std::vector<int64_t> longest_sources;
  std::vector<int64_t> begins;  // where each micro-batch begins, in rows of all epochs; one more at the end
  std::vector<int64_t> scored;  // how many tokens had a loss before it
  int64_t steps = 0, steps_per_epoch = 0;
  mutable std::mutex mutex;
  mutable std::deque<std::pair<int64_t, Order>> orders;  // of the epochs asked for last

  int64_t rows() const { return static_cast<int64_t>(plan.rows.size()); }
  Order order(int64_t epoch) const {
    std::lock_guard lock(mutex);
    for (const auto& [e, o] : orders)
      if (e == epoch) return o;
    // Epoch 0 has the plan's own order, which for windows is that of the text.
    const int64_t which = config.windows == Windows::stream ? epoch + 1 : epoch;
    orders.emplace_front(epoch, std::make_shared<const std::vector<int64_t>>(epoch_order(plan, which)));
    if (orders.size() > 3) orders.pop_back();
    return orders.front().second;
  }
  Example example(int64_t row, int64_t epoch) const {
    const PlanRow& r = plan.rows[static_cast<size_t>(row)];
    Example e = tokens[static_cast<size_t>(r.source)].example(static_cast<size_t>(r.example), r.weight,
                                                              shift(r, epoch));
    e.label = r.source;
    return e;
  }
  // By how many tokens the windows of a stream are shifted in an epoch: from 0 to the slack of their text.
  int64_t shift(const PlanRow& r, int64_t epoch) const {
    const TokenCorpus& t = tokens[static_cast<size_t>(r.source)];
    if (t.slack.empty()) return 0;
    const auto text = static_cast<uint32_t>(t.pieces[static_cast<size_t>(r.example)].text);
    const Bits4 draw = Random{plan.seed, Stream::shuffle}.bits(
        {static_cast<uint32_t>(epoch), 2, static_cast<uint32_t>(r.source), text});
    return static_cast<int64_t>(uint64_t{draw.at[0]} * static_cast<uint64_t>(t.slack[text] + 1) >> 32);
  }
  // Calls f(row, epoch) for the rows at places first .. last-1 of the sequence of all epochs.
  template <class F>
  void each_row(int64_t first, int64_t last, F f) const {
    Order now;
    for (int64_t at = first, epoch = -1; at < last; ++at) {
      if (at / rows() != epoch) {
        epoch = at / rows();
        now = order(epoch);
      }
      f((*now)[static_cast<size_t>(at % rows())], epoch);
    }
  }
  void check_corpora(std::span<const Corpus>) const;
  void expand();
  void check_size(int64_t wanted, int64_t losses) const;
  void build(int64_t wanted);
};

void Loader::Index::check_corpora(std::span<const Corpus> corpora) const {
  RUM_CHECK(rows() > 0, "the plan has no rows: nothing to train on");
  RUM_CHECK(corpora.size() == plan.corpora.size(), "the plan indexes {} corpora, {} were given",
            plan.corpora.size(), corpora.size());
  for (size_t i = 0; i < corpora.size(); ++i)
    RUM_CHECK(corpora[i].hash == plan.corpora[i],
              "{}: the plan was made for different contents (hash {:016x}, the plan says {:016x}); make the "
              "plan again",
              corpora[i].name, corpora[i].hash, plan.corpora[i]);
  for (const PlanRow& r : plan.rows) {
    RUM_CHECK(r.source >= 0 && static_cast<size_t>(r.source) < corpora.size(),
              "the plan names corpus {} of {}", r.source, corpora.size());
    const Corpus& c = corpora[static_cast<size_t>(r.source)];
    RUM_CHECK(r.example >= 0 && static_cast<size_t>(r.example) < c.texts.size(),
              "{}: the plan names example {}, there are {}", c.name, r.example, c.texts.size());
    RUM_CHECK(r.weight >= 0 && std::isfinite(r.weight),
              "{}: the plan gives example {} the weight {}, expected at least 0", c.name, r.example,
              r.weight);
  }
}

// Rows of texts become rows of their pieces. What gets no loss is left out: a step of such texts alone would
// divide by a total weight of 0.
void Loader::Index::expand() {
  int64_t weightless = 0;
  longest_sources.resize(tokens.size());
  std::vector<PlanRow> all;
  all.reserve(plan.rows.size());
  row_of.reserve(plan.rows.size());
  for (int64_t row = 0; row < rows(); ++row) {
    const PlanRow& r = plan.rows[static_cast<size_t>(row)];
    if (r.weight == 0) {
      ++weightless;
      continue;
    }
    const auto corpus = static_cast<size_t>(r.source);
    const std::vector<TextPiece>& pieces = tokens[corpus].pieces;
    const auto [first, last] =
        std::equal_range(pieces.begin(), pieces.end(), TextPiece{.text = r.example},
                         [](const TextPiece& a, const TextPiece& b) { return a.text < b.text; });
    for (auto p = first; p < last; ++p) {
      if (load_of(p->tokens, p->prefix, p->goes_on, config.shape).scored == 0) continue;
      all.push_back({static_cast<int32_t>(p - pieces.begin()), r.source, r.score, r.weight});
      row_of.push_back(row);
      if (const auto& words = tokens[corpus].source_words; !words.empty())
        longest_sources[corpus] =
            std::max<int64_t>(longest_sources[corpus], words[static_cast<size_t>(r.example)]);
    }
  }
  for (TokenCorpus& t : tokens) t.source_words = {};  // of no more use
  RUM_CHECK(weightless < rows(), "all {} rows of the plan have weight 0: there is nothing to train on",
            rows());
  if (weightless > 0)
    notes.push_back(
        fmt::format("{} of {} rows of the plan have weight 0 and are left out", weightless, rows()));
  RUM_CHECK(!all.empty() || !notes.empty(), "the plan's examples have no token that gets a loss");
  RUM_CHECK(!all.empty(), "{}; nothing is left to train on: raise the context or the batch",
            fmt::join(notes, "; "));
  plan.rows = std::move(all);
}

// Before all micro-batches are laid out, by the first epoch: how many will there be?
void Loader::Index::check_size(int64_t wanted, int64_t losses) const {
  const auto epoch = static_cast<double>(begins.size());
  double batches = epoch;
  if (wanted > 0)
    batches = static_cast<double>(wanted) * static_cast<double>(config.micro_batches);
  else if (config.target_tokens > 0)
    batches = epoch * static_cast<double>(config.target_tokens) / static_cast<double>(losses);
  if (config.epochs > 0) batches = std::min(batches, epoch * static_cast<double>(config.epochs));
  RUM_CHECK(
      batches <= static_cast<double>(kMostMicroBatches),
      "the run would have {:.0f} batches, more than the {} that one can lay out: train for fewer steps, "
      "tokens or epochs",
      batches, kMostMicroBatches);
}

void Loader::Index::build(int64_t wanted) {
  const BatchShape& shape = config.shape;
  const int64_t m = config.micro_batches;
  Load open;                                           // the micro-batch that is being filled
  int64_t at = 0, losses = 0;                          // place in the sequence, tokens with a loss before it
  int64_t most = std::numeric_limits<int64_t>::max();  // steps, by the number of epochs
  auto begin = [&] { begins.push_back(at), scored.push_back(losses), open = {}; };
  auto begun = [&] { return static_cast<int64_t>(begins.size()); };
  begin();
  for (int64_t epoch = 0;; ++epoch) {
    for (int64_t row : *order(epoch)) {
      const PlanRow& r = plan.rows[static_cast<size_t>(row)];
      const TextPiece& p = tokens[static_cast<size_t>(r.source)].pieces[static_cast<size_t>(r.example)];
      const Load next = load_of(p.tokens, p.prefix, p.goes_on, shape);
      if (!(open + next).fits(shape)) {
        begin();
        if (wanted == 0 && config.target_tokens > 0 && losses >= config.target_tokens &&
            (begun() - 1) % m == 0)
          wanted = (begun() - 1) / m;
        if (config.epochs > 0 && at >= config.epochs * rows() && (begun() - 1) % m == 0)
          most = std::min(most, (begun() - 1) / m);
        // The first epoch is always gone through, to know its number of steps.
        const int64_t last = wanted > 0 ? std::min(wanted, most) : most;
        if (epoch > 0 && (begun() - 1) / m >= std::max(last, steps_per_epoch)) {
          steps = last;
          return;
        }
      }
      open = open + next;
      losses += next.scored;
      ++at;
    }
    if (epoch > 0) continue;
    steps_per_epoch = (begun() + m - 1) / m;
    check_size(wanted, losses);
    if (wanted == 0 && config.target_tokens == 0) {
      steps = steps_per_epoch;
      begins.resize(static_cast<size_t>(steps * m) + 1, at);  // the last step's empty micro-batches
      scored.resize(begins.size(), losses);
      return;
    }
  }
}

Loader::Loader(Plan plan, std::span<const Corpus> corpora, const Tokenizer& tokenizer,
               const LoaderConfig& config, int64_t steps, const Tokenized& done)
    : index_(std::make_unique<Index>()) {
  RUM_CHECK(config.shape.tokens > 0 && config.shape.texts > 0, "loader: a batch of {} tokens and {} texts",
            config.shape.tokens, config.shape.texts);
  RUM_CHECK(config.micro_batches > 0 && steps >= 0 && (steps == 0 || config.target_tokens == 0),
            "loader: {} micro-batches, {} steps, {} target tokens", config.micro_batches, steps,
            config.target_tokens);
  index_->plan = std::move(plan);
  index_->config = config;
  index_->check_corpora(corpora);
  for (const Corpus& c : corpora) {
    index_->tokens.push_back(tokenize(c, tokenizer, config.shape, config.context, config.windows, done));
    if (!index_->tokens.back().note.empty()) index_->notes.push_back(index_->tokens.back().note);
  }
  index_->expand();
  index_->build(steps);
}
Loader::~Loader() = default;
Loader::Loader(Loader&&) noexcept = default;

const std::vector<std::string>& Loader::notes() const { return index_->notes; }
const std::vector<int64_t>& Loader::longest_sources() const { return index_->longest_sources; }
int64_t Loader::pieces() const { return index_->rows(); }
int64_t Loader::steps() const { return index_->steps; }
int64_t Loader::steps_per_epoch() const { return index_->steps_per_epoch; }
double Loader::epoch(int64_t step) const {
  RUM_CHECK(step >= 0 && step <= steps(), "loader: step {} of {}", step, steps());
  return static_cast<double>(index_->begins[static_cast<size_t>(step * index_->config.micro_batches)]) /
         static_cast<double>(index_->rows());
}
int64_t Loader::target_tokens(int64_t step) const {
  RUM_CHECK(step >= 0 && step <= steps(), "loader: step {} of {}", step, steps());
  return index_->scored[static_cast<size_t>(step * index_->config.micro_batches)];
}

std::vector<Packed> Loader::at(int64_t step, const Mine& mine) const {
  RUM_CHECK(step >= 0 && step < steps(), "loader: step {} of {}", step, steps());
  std::vector<Packed> out;
  const int64_t m = index_->config.micro_batches;
  for (int64_t micro = step * m; micro < (step + 1) * m; ++micro) {
    std::vector<Example> examples;
    index_->each_row(index_->begins[static_cast<size_t>(micro)],
                     index_->begins[static_cast<size_t>(micro) + 1],
                     [&](int64_t row, int64_t epoch) { examples.push_back(index_->example(row, epoch)); });
    const bool ours = !mine || mine(micro - step * m);
    out.push_back(ours ? pack(examples, index_->config.shape) : figures(examples, index_->config.shape));
  }
  return out;
}

std::vector<int64_t> Loader::examples_of(int64_t step) const {
  RUM_CHECK(step >= 0 && step < steps(), "loader: step {} of {}", step, steps());
  const int64_t m = index_->config.micro_batches;
  std::vector<int64_t> out;
  index_->each_row(index_->begins[static_cast<size_t>(step * m)],
                   index_->begins[static_cast<size_t>((step + 1) * m)],
                   [&](int64_t row, int64_t) { out.push_back(index_->row_of[static_cast<size_t>(row)]); });
  return out;
}

struct Prefetch::State {
  const Loader& loader;
  size_t ahead;
  Mine mine;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::vector<Packed>> ready;
  std::exception_ptr error;
  bool stop = false;
  std::thread thread;

  void work(int64_t step) try {
    for (;; ++step) {
      auto made = loader.at(step, mine);
      std::unique_lock lock(mutex);
      ready.push_back(std::move(made));
      changed.notify_all();
      changed.wait(lock, [&] { return stop || ready.size() < ahead; });
      if (stop) return;
    }
  } catch (...) {
    std::lock_guard lock(mutex);
    error = std::current_exception();
    changed.notify_all();
  }
};

Prefetch::Prefetch(const Loader& loader, int64_t first_step, int64_t ahead, Mine mine)
    : state_(new State{loader,
                       static_cast<size_t>(std::max<int64_t>(ahead, 1)),
                       std::move(mine),
                       {},
                       {},
                       {},
                       {},
                       false,
                       {}}) {
  state_->thread = std::thread([s = state_.get(), first_step] { s->work(first_step); });
}
Prefetch::~Prefetch() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}
std::vector<Packed> Prefetch::next() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return !state_->ready.empty() || state_->error; });
  if (state_->ready.empty()) std::rethrow_exception(state_->error);
  auto made = std::move(state_->ready.front());
  state_->ready.pop_front();
  state_->changed.notify_all();
  return made;
}
}  // namespace rum
