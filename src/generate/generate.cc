// The loop: texts take free slots, each forward pass takes a whole prompt or one token per live hypothesis,
// and each row of logits is read on the device where it lies. Longest prompts go first, so the last ones to
// run are short.
#include "generate/generate.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/random.h"
#include "base/round_up.h"
#include "generate/penalties.h"
#include "generate/sampler.h"
#include "generate/search.h"
#include "generate/source_memory.h"
#include "tensor/recording.h"

namespace rum {
namespace {
// On a GPU rows are filled up to a multiple: few shapes to record, and one kernel for all of them.
constexpr int64_t kRowStep = 16;

Sampling sampling_of(const Decoding& d) { return {d.temperature, d.top_k, d.top_p, d.min_p}; }
void check(const Model& model, const Decoding& d) {
  RUM_CHECK(d.beam >= 1 && d.best >= 1 && d.batch >= 1,
            "generate: beam {}, best {} and batch {} must be at least 1", d.beam, d.best, d.batch);
  RUM_CHECK(d.sample || d.best <= d.beam, "generate: {} best of {} beams: keep at least as many beams",
            d.best, d.beam);
  RUM_CHECK(!d.sample || d.beam == 1,
            "generate: either draw or search: sample and beam {} exclude each other", d.beam);
  if (d.sample) check(sampling_of(d));
  RUM_CHECK(d.max_new >= 0 && d.max_ratio >= 0, "generate: max_new {} and max_ratio {} must not be negative",
            d.max_new, d.max_ratio);
  RUM_CHECK(d.repetition_penalty > 0 && d.no_repeat >= 0,
            "generate: a repetition penalty of {} must be above 0, no_repeat {} at least 0",
            d.repetition_penalty, d.no_repeat);
  RUM_CHECK(model.config().context > 1, "generate: a context of {} leaves no room", model.config().context);
}
// Most tokens a text may get, the end token included.
int64_t limit_of(const Model& model, const Prompt& p, size_t i, const Decoding& d) {
  const auto length = static_cast<int64_t>(p.tokens.size());
  RUM_CHECK(length > 0, "generate: text {} has an empty prompt", i);
  RUM_CHECK(p.prefix >= 0 && p.prefix <= length, "generate: text {} has {} tokens and a prefix of {}", i,
            length, p.prefix);
  RUM_CHECK(!model.encoder_decoder() || p.prefix > 0,
            "generate: text {} has no source, and the model is an encoder-decoder", i);
  int64_t limit = room(model, p);
  RUM_CHECK(limit > 0,
            "generate: text {} has {} tokens, the model's context holds {}: nothing can be written after it",
            i, length, model.config().context);
  if (d.max_new > 0) limit = std::min(limit, d.max_new);
  if (d.max_ratio > 0 && p.prefix > 0)
    limit = std::min(limit, static_cast<int64_t>(d.max_ratio * static_cast<float>(p.prefix)) + 10);
  return limit;
}

class Writer {
 public:
  Writer(const Model& model, std::span<const Prompt> prompts, Token end, const Decoding& d,
         const Follower* follower)
      : model_(model),
        pair_(model.encoder_decoder()),
        prompts_(prompts),
        end_(end),
        decoding_(d),
        follower_(follower),
        device_(model.tokens().device()),
        vocab_(model.head().shape()[0]),
        width_(Search::slots(d)),
        options_(Search::options(d, vocab_)),
        sampling_(sampling_of(d)),
        seats_(static_cast<size_t>(
            std::min(std::max<int64_t>(1, d.batch / width_), static_cast<int64_t>(prompts.size())))),
        order_(prompts.size()),
        results_(prompts.size()),
        arena_(device_) {
    int64_t longest = 0, longest_source = 0;
    for (size_t i = 0; i < prompts.size(); ++i) {
      limits_.push_back(limit_of(model, prompts[i], i, d));
      longest = std::max(longest, length(prompts[i]) + limits_.back() - 1);
      longest_source = std::max<int64_t>(longest_source, prompts[i].prefix);
    }
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [&](size_t a, size_t b) { return prompts[a].tokens.size() > prompts[b].tokens.size(); });
    const GptConfig& c = model.config();
    if (pair_) memory_.emplace(*pair_, seats_.size(), longest_source);
    const auto slots = static_cast<int64_t>(seats_.size()) * width_;
    cache_ =
        std::make_unique<Cache>(c.layers, slots, longest, c.key_width(), model.tokens().dtype(), device_);
    parents_.resize(static_cast<size_t>(slots));
    row_of_.resize(static_cast<size_t>(slots));
  }
  std::vector<std::vector<Hypothesis>> run(const std::function<void(int64_t)>& done) {
    int64_t finished = 0;
    while (finished < static_cast<int64_t>(prompts_.size())) {
      sit_down();
      forward();
      const int64_t before = finished;
      finished += advance();
      if (done && finished > before) done(finished);
    }
    return std::move(results_);
  }

 private:
  struct Decode {  // one forward pass over this many rows, a token each: where it reads, and what comes of it
    Tensor inputs;  // all that differs from token to token, in one piece for one upload: the parts below
    Tensor reads, ids;
    Layout layout;
    Tensor logits;   // where the host wants them
    Tensor choices;  // where it does not
    Recording recording;
  };
  struct Seat {  // one text in `width_` slots side by side
    size_t text = 0;
    std::unique_ptr<Search> search;
  };

  // What the decoder begins with. Under an encoder-decoder that is the last token of the prefix and on: all
  // of the prefix is the encoder's.
  std::span<const Token> opening(const Prompt& p) const {
    return std::span(p.tokens).subspan(pair_ ? static_cast<size_t>(p.prefix) - 1 : 0);
  }
  int64_t length(const Prompt& p) const { return static_cast<int64_t>(opening(p).size()); }

  void sit_down() {
    arrivals_.clear();
    for (size_t i = 0; i < seats_.size(); ++i) {
      if (seats_[i].search || next_ == order_.size()) continue;
      const size_t text = order_[next_++];
      seats_[i] = {text, std::make_unique<Search>(decoding_, end_, limits_[text])};
      cache_->clear(static_cast<int64_t>(i) * width_);
      if (pair_)
        arrivals_.push_back(
            {i, std::span(prompts_[text].tokens).first(static_cast<size_t>(prompts_[text].prefix))});
    }
    if (!arrivals_.empty()) memory_->read(arrivals_, arena_);
  }
  int32_t position(const Prompt& p, int64_t place) const {  // as pack() in data/batch.cc has it
    const bool again = !pair_ && model_.config().restart && p.prefix > 0 && place >= p.prefix - 1;
    return static_cast<int32_t>(again ? place - p.prefix + 1 : place);
  }
  // The rows of the next forward, in order of slots: a prompt where a text has just sat down, else one token
  // for each live hypothesis.
  void lay_out() {
    ids_.clear();
    positions_.clear();
    rows_.clear();
    prefix_.clear();
    reads_.clear();
    offsets_.assign(1, 0);
    seat_ends_.clear();
    for (size_t i = 0; i < seats_.size(); ++i) {
      const size_t base = i * static_cast<size_t>(width_);
      token_of_.assign(static_cast<size_t>(width_), -1);
      const Search* search = seats_[i].search.get();
      const Prompt* p = search ? &prompts_[seats_[i].text] : nullptr;
      if (search)
        for (const Search::Live& l : search->live()) token_of_[static_cast<size_t>(l.slot)] = l.last;
      for (size_t s = 0; s < static_cast<size_t>(width_); ++s) {
        if (token_of_[s] >= 0) {
          const bool fresh = search->steps() == 0;
          const std::span<const Token> prompt = opening(*p);
          const int64_t end = length(*p) + search->steps();
          if (fresh)
            ids_.insert(ids_.end(), prompt.begin(), prompt.end());
          else
            ids_.push_back(token_of_[s]);
          for (int64_t place = fresh ? 0 : end - 1; place < end; ++place)
            positions_.push_back(position(*p, place));
          row_of_[base + s] = static_cast<int32_t>(rows_.size());
          rows_.push_back(static_cast<int32_t>(ids_.size()) - 1);
        }
        offsets_.push_back(static_cast<int32_t>(ids_.size()));
        prefix_.push_back(p && !pair_ ? p->prefix : 0);
      }
      seat_ends_.push_back(static_cast<int32_t>(ids_.size()));
      if (search)
        for (const Search::Live& l : search->live())
          reads_.push_back({row_of_[base + static_cast<size_t>(l.slot)],
                            decoding_.sample ? uniform(seats_[i].text, l.draw, search->steps()) : 0});
    }
    token_each_ = ids_.size() == rows_.size();  // of no text more: row i is that of id i
    if (device_ == DeviceKind::cpu) return;
    auto fill = [](std::vector<int32_t>& v) { v.resize(round_up(v.size(), kRowStep), 0); };
    fill(ids_);
    fill(positions_);
    fill(rows_);
  }
  void forward() {
    lay_out();
    arena_.settle();
    auto ints = [&](const std::vector<int32_t>& v) { return Tensor::ints(v, device_); };
    if (pair_) memory_->seat(seat_ends_);
    if (device_ != DeviceKind::cpu && token_each_) return again();
    Tape tape(arena_, Tape::Mode::forward_only);
    const Layout layout{ints(offsets_), ints(prefix_), ints(positions_), Mask::prefix, cache_.get()};
    read(logits(ints(ids_), layout, ints(rows_)));
    cache_->advance(layout.offsets);
  }
  Tensor logits(const Tensor& ids, const Layout& layout, const Tensor& rows = {}) const {  // no rows: all
    if (!pair_) return model_.gpt()->logits(ids, layout, rows);
    const Tensor h = pair_->decode(ids, layout, memory_->seen());
    return linear(rows ? embedding(rows, h) : h, model_.head());
  }
  // A token for each live hypothesis: the same work each time there are as many rows, so a device that can
  // replays it, the choice of the next tokens with it.
  void again() {
    std::unique_ptr<Decode>& d = decodes_[ids_.size()];
    if (!d) d = make_decode();
    const size_t slots = parents_.size();
    inputs_.assign(slots * kChoiceWords, -1);  // no row
    std::memcpy(inputs_.data(), reads_.data(), reads_.size() * sizeof(Read));
    for (const auto* part : {&ids_, &positions_, &offsets_, &prefix_})
      inputs_.insert(inputs_.end(), part->begin(), part->end());
    d->inputs.copy_from(inputs_);
    d->recording.play(arena_, [&] {
      Tape tape(arena_, Tape::Mode::forward_only);
      const Tensor z = logits(d->ids, d->layout);
      if (d->logits)
        d->logits.copy_from(z);
      else
        kernels::choose(device_, z, d->reads, sampling_if_drawn(), d->choices);
      cache_->advance(d->layout.offsets);
    });
    choices_.resize(reads_.size() * static_cast<size_t>(options_));
    if (d->logits) return read_penalised(d->logits);
    fetch_choices(d->choices, choices_);
  }
  std::unique_ptr<Decode> make_decode() const {
    auto d = std::make_unique<Decode>();
    const auto rows = std::ssize(ids_), slots = std::ssize(parents_);
    d->inputs = Tensor::empty({kChoiceWords * slots + 2 * rows + std::ssize(offsets_) + std::ssize(prefix_)},
                              DType::i32, device_);
    int64_t at = 0;
    auto next = [&](int64_t n) {
      at += n;
      return d->inputs.rows(at - n, at);
    };
    d->reads = next(kChoiceWords * slots).as({slots, kChoiceWords});
    d->ids = next(rows);
    const Tensor positions = next(rows), offsets = next(std::ssize(offsets_));
    d->layout = {offsets, next(std::ssize(prefix_)), positions, Mask::prefix, cache_.get()};
    if (penalised())
      d->logits = Tensor::empty({rows, vocab_}, model_.tokens().dtype(), device_);
    else
      d->choices = Tensor::empty({slots * options_, kChoiceWords}, DType::i32, device_);
    return d;
  }
  bool penalised() const { return decoding_.repetition_penalty != 1 || decoding_.no_repeat > 0; }
  const Sampling* sampling_if_drawn() const { return decoding_.sample ? &sampling_ : nullptr; }
  void read(const Tensor& logits) {
    choices_.resize(reads_.size() * static_cast<size_t>(options_));
    if (penalised()) return read_penalised(logits);
    choose_tokens(logits, reads_, sampling_if_drawn(), choices_);
  }
  // The rows come to the host, and each is changed by what its text holds already.
  void read_penalised(const Tensor& logits) {
    const Tensor here = logits.to(DeviceKind::cpu);
    std::vector<float> copy, row;
    size_t at = 0;
    for (const Seat& seat : seats_) {
      if (!seat.search) continue;
      for (const Search::Live& l : seat.search->live()) {
        const Read& r = reads_[at];
        const std::span<const float> model_row = row_of(here, r.row, copy);
        row.assign(model_row.begin(), model_row.end());
        const std::span<Choice> to =
            std::span(choices_).subspan(at++ * static_cast<size_t>(options_), static_cast<size_t>(options_));
        const std::vector<Token> written = so_far(prompts_[seat.text], *seat.search, l);
        const Penalties penalties{decoding_.repetition_penalty, decoding_.no_repeat};
        if (decoding_.beam > 1) {
          best_after(penalties, row, written, to);
          continue;
        }
        const double sum = log_sum_exp(row);
        penalise(penalties, row, written);
        if (std::all_of(row.begin(), row.end(), [](float z) { return z == -INFINITY; })) {
          to[0] = {0, -INFINITY};  // there is no token that may follow
          continue;
        }
        if (decoding_.sample)
          to[0] = draw(row, sampling_, r.uniform);
        else
          best_tokens(row, to);
        to[0].log_prob = here.at(r.row * vocab_ + to[0].token) - sum;  // the model's own
      }
    }
  }
  // What may not come again: the text, with its prompt; of a translation not the source.
  static std::vector<Token> so_far(const Prompt& p, const Search& search, const Search::Live& l) {
    std::vector<Token> out(p.tokens.begin() + p.prefix, p.tokens.end());
    const std::vector<Token> written = search.written(l);
    out.insert(out.end(), written.begin(), written.end());
    return out;
  }
  double uniform(size_t text, int32_t draw, int64_t step) const {
    const std::optional<uint32_t>& own = prompts_[text].seed;
    const Random random{own.value_or(decoding_.seed), Stream::sample};
    const Bits4 b = random.bits({static_cast<uint32_t>(step), static_cast<uint32_t>(draw),
                                 own ? 0 : decoding_.first + static_cast<uint32_t>(text), 0});
    return static_cast<double>((uint64_t{b.at[0]} << 32 | b.at[1]) >> 11) * 0x1p-53;
  }
  int64_t advance() {  // how many texts are done
    int64_t finished = 0;
    const Choice* at = choices_.data();
    for (size_t i = 0; i < seats_.size(); ++i) {
      const std::span<int32_t> parents(parents_.data() + i * static_cast<size_t>(width_),
                                       static_cast<size_t>(width_));
      std::iota(parents.begin(), parents.end(), 0);
      if (Search* search = seats_[i].search.get()) {
        const size_t n = search->live().size() * static_cast<size_t>(options_);
        search->advance({at, n}, parents);
        at += n;
        const size_t text = seats_[i].text;
        if (follower_ && follower_->token && decoding_.beam == 1)
          search->end_where([&](const Search::Live& l) { return !follower_->token(text, l.draw, l.last); });
        if (follower_ && follower_->goes_on && decoding_.beam > 1 && !follower_->goes_on(text))
          search->stop();
        if (search->done()) {
          results_[text] = search->results();
          if (follower_ && follower_->done) follower_->done(text, results_[text]);
          seats_[i].search.reset();
          ++finished;
        }
      }
      for (int32_t& p : parents) p += static_cast<int32_t>(i) * static_cast<int32_t>(width_);
    }
    Tape tape(arena_, Tape::Mode::forward_only);
    cache_->reorder(parents_);
    return finished;
  }

  const Model& model_;
  const EncoderDecoder* pair_;  // when it is one
  std::span<const Prompt> prompts_;
  Token end_;
  const Decoding& decoding_;
  const Follower* follower_;  // or null
  DeviceKind device_;
  int64_t vocab_, width_, options_;
  Sampling sampling_;
  std::vector<Seat> seats_;
  std::vector<size_t> order_;  // of texts, longest prompt first
  size_t next_ = 0;            // in order_
  std::vector<int64_t> limits_;
  std::vector<std::vector<Hypothesis>> results_;
  std::unique_ptr<Cache> cache_;
  std::optional<SourceMemory> memory_;  // of an encoder-decoder
  std::vector<SourceMemory::Arrival> arrivals_;
  Arena arena_;
  std::vector<int32_t> ids_, positions_, offsets_, prefix_, rows_, parents_, row_of_, token_of_, seat_ends_,
      inputs_;
  bool token_each_ = false;
  std::vector<Read> reads_;
  std::vector<Choice> choices_;
  std::map<size_t, std::unique_ptr<Decode>> decodes_;  // by rows
};
}  // namespace

int64_t room(const Model& model, const Prompt& p) {
  const int64_t context = model.config().context, length = static_cast<int64_t>(p.tokens.size());
  if (!model.encoder_decoder()) return context - length;
  return p.prefix > context ? 0 : context - (length - p.prefix + 1);
}

std::vector<std::vector<Hypothesis>> generate(const Model& model, std::span<const Prompt> prompts, Token end,
                                              const Decoding& d, const std::function<void(int64_t)>& done,
                                              const Follower* follower) {
  check(model, d);
  if (prompts.empty()) return {};
  return Writer(model, prompts, end, d, follower).run(done);
}
}  // namespace rum
