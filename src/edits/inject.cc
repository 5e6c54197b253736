#include "edits/inject.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/random.h"
#include "edits/spelling.h"
#include "metrics/numbered.h"
#include "text/unicode.h"

namespace rum::edits {
namespace {
constexpr int kInjectRounds = 10;

size_t below(uint32_t bits, size_t n) { return static_cast<size_t>(uint64_t{bits} * n >> 32); }

struct NumberedWord : MarkedWord {
  int32_t number = -1;  // of the word; -1: there is none
};
// A token of a new line; without a token, an added word.
struct Slot {
  const NumberedWord* token = nullptr;
  bool open = false;  // to be filled with another word
  uint32_t any = 0;   // index into the corpus, if no dropped word is left
};
struct Draft {  // of the whole corpus
  std::vector<std::vector<Slot>> lines;
  std::vector<std::pair<uint32_t, int32_t>> out;  // dropped words, each with a random number for shuffling
};

class Injector {
 public:
  Injector(std::span<const std::string> human, uint32_t seed, bool repeated)
      : human_(human),
        repeated_(repeated),
        spelling_(human),
        random_{seed, Stream::sample} {
    for (const std::string& line : human) {
      std::vector<NumberedWord>& tokens = lines_.emplace_back();
      for (const MarkedWord& w : marked_words(line))
        tokens.push_back({w, w.word.empty() ? -1 : vocabulary_.add(lower_case(w.word))});
      for (const NumberedWord& t : tokens)
        if (t.number >= 0) corpus_.push_back(t.number);
    }
  }
  std::vector<std::string> lines(const EditRates& rates) const {
    Draft draft;
    for (size_t i = 0; i < lines_.size(); ++i) edit(i, rates, draft);
    std::sort(draft.out.begin(), draft.out.end());
    std::vector<std::string> out;
    size_t next = 0;  // the next dropped word
    for (size_t i = 0; i < lines_.size(); ++i) out.push_back(write(i, draft, next));
    return out;
  }

 private:
  Bits4 bits(size_t line, size_t token, uint32_t block) const;
  void edit(size_t line, const EditRates&, Draft&) const;
  std::string write(size_t line, const Draft&, size_t& next) const;

  std::span<const std::string> human_;
  bool repeated_;
  Spelling spelling_;
  Random random_;
  metrics::Vocabulary vocabulary_;
  std::vector<std::vector<NumberedWord>> lines_;
  std::vector<int32_t> corpus_;  // all words of the corpus; without one there is none to add
};

// The random bits for a token: drawn for this place, or for all places where this word follows the same word.
Bits4 Injector::bits(size_t line, size_t token, uint32_t block) const {
  if (!repeated_) return random_.bits({static_cast<uint32_t>(line), static_cast<uint32_t>(token), 0, block});
  const std::vector<NumberedWord>& all = lines_[line];
  return random_.bits({static_cast<uint32_t>(all[token].number),
                       static_cast<uint32_t>(token > 0 ? all[token - 1].number : -1), 1, block});
}
void Injector::edit(size_t line, const EditRates& rates, Draft& draft) const {
  const std::vector<NumberedWord>& tokens = lines_[line];
  std::vector<Slot>& slots = draft.lines.emplace_back();
  std::vector<std::pair<const NumberedWord*, uint32_t>> moves;  // words and their new places
  for (size_t t = 0; t < tokens.size(); ++t) {
    const Bits4 what = bits(line, t, 0), which = bits(line, t, 1);
    const auto happens = [&](int i, double rate) { return Random::uniform(what.at[i]) < rate; };
    const NumberedWord& token = tokens[t];
    const bool last = slots.empty() && t + 1 == tokens.size();
    const bool dropped = !last && happens(0, rates.insertions),
               wrong = !dropped && token.number >= 0 && happens(1, rates.substitutions);
    if (!repeated_ && (dropped || wrong) && token.number >= 0)
      draft.out.emplace_back(which.at[0], token.number);
    if (!dropped) slots.push_back({&token, wrong, which.at[1]});
    if (!corpus_.empty() && happens(2, rates.deletions)) slots.push_back({nullptr, true, which.at[2]});
    if (!dropped && happens(3, rates.shifts)) moves.emplace_back(&token, which.at[3]);
  }
  if (slots.size() < 2) return;
  for (const auto& move : moves) {
    const auto from =
        std::find_if(slots.begin(), slots.end(), [&](const Slot& s) { return s.token == move.first; });
    const Slot slot = *from;
    const auto old = static_cast<size_t>(slots.erase(from) - slots.begin());
    const size_t place = below(move.second, slots.size());  // any place but the old one
    slots.insert(slots.begin() + static_cast<std::ptrdiff_t>(place + (place >= old)), slot);
  }
}

std::string Injector::write(size_t line, const Draft& draft, size_t& next) const {
  const std::vector<NumberedWord>& tokens = lines_[line];
  const std::vector<Slot>& slots = draft.lines[line];
  bool same = slots.size() == tokens.size();
  for (size_t i = 0; i < slots.size() && same; ++i) same = slots[i].token == &tokens[i] && !slots[i].open;
  if (same) return human_[line];
  std::string out;
  for (const Slot& slot : slots) {
    if (&slot != &slots[0]) out += ' ';
    const NumberedWord* const t = slot.token;
    if (t != nullptr) out += t->before;
    if (!slot.open) {
      out += t->word;
    } else {
      const int32_t word =
          next < draft.out.size() ? draft.out[next++].second : corpus_[below(slot.any, corpus_.size())];
      const bool capital = t != nullptr && t == &tokens[0] && lower_case(t->word) != t->word;
      out += spelling_.write(vocabulary_.word(word), capital);
    }
    if (t != nullptr) out += t->after;
  }
  return out;
}

double corrected(double rate, double wanted, double got) { return std::clamp(rate + wanted - got, 0.0, 1.0); }
}  // namespace

Injected inject(std::span<const std::string> human, const EditRates& wanted, uint32_t seed, bool repeated) {
  for (const double rate : {wanted.insertions, wanted.deletions, wanted.substitutions, wanted.shifts})
    RUM_CHECK(
        rate >= 0 && rate <= 1,
        "inject: the rate to imitate is {:.3g} edits per word; expected 0 to 1; a generator that errs more "
        "often must be trained longer first",
        rate);
  const Injector injector(human, seed, repeated);
  Injected best{{}, wanted, {}};
  double nearest = std::numeric_limits<double>::infinity();
  EditRates rates = wanted;
  for (int round = 0; round < kInjectRounds && nearest > 0; ++round) {
    std::vector<std::string> lines = injector.lines(rates);
    const EditRates got = edit_rates(lines, human);
    rates = {corrected(rates.insertions, wanted.insertions, got.insertions),
             corrected(rates.deletions, wanted.deletions, got.deletions),
             corrected(rates.substitutions, wanted.substitutions, got.substitutions),
             corrected(rates.shifts, wanted.shifts, got.shifts)};
    if (const double d = got.distance(wanted); d < nearest) {
      nearest = d;
      best.lines = std::move(lines);
      best.got = got;
    }
  }
  return best;
}
}  // namespace rum::edits
