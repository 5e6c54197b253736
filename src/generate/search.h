// One text while it is being written: its live hypotheses, which cache slot each of them has, and the
// finished ones. Greedy decoding, beam search and sampling differ only in how advance() picks.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "generate/generate.h"
#include "generate/sampler.h"

namespace rum {
class Search {
 public:
  struct Live {
    int32_t node = -1;  // end of its chain of tokens; -1: nothing written yet
    int32_t slot = 0;   // which of the text's slots holds its keys and values
    int32_t draw = 0;   // which of the text's draws it is; 0 in a search
    Token last = 0;
    double log_prob = 0;
  };
  // limit: most tokens a hypothesis may get, the end token included; at least 1.
  Search(const Decoding&, Token end, int64_t limit);
  // Slots that a text needs: hypotheses that are alive at once.
  static int64_t slots(const Decoding& d) { return d.sample ? d.best : d.beam; }
  // How many of the likeliest tokens advance() wants of each live hypothesis: twice the beam, so that `beam`
  // remain when as many end (Sutskever et al. 2014 and all since); greedy and draws: one.
  static int64_t options(const Decoding& d, int64_t vocab);

  std::span<const Live> live() const { return live_; }
  int64_t steps() const { return steps_; }  // tokens that each live hypothesis has
  // One token more. options: the same number for each live hypothesis, in the order of live(), best first;
  // those of -infinity may not follow. A hypothesis that none may follow ends as it stands, unfinished: with
  // beams when that is so of all.
  // parents[s], s in 0..slots(): from which slot the content of slot s now comes.
  void advance(std::span<const Choice> options, std::span<int32_t> parents);
  // Ends, unfinished, the live hypotheses that `which` picks; not of a search with beams.
  void end_where(const std::function<bool(const Live&)>& which);
  // Ends a search with beams: the live hypotheses count as if the limit were here.
  void stop();
  bool done() const { return live_.empty(); }
  std::vector<Token> written(const Live&) const;
  // After done(): at most `best` hypotheses. Beams: finished ones first, by score; draws: in their order.
  std::vector<Hypothesis> results() const;

 private:
  struct Node {
    int32_t before;
    Token token;
  };
  struct Ended {
    int32_t node, draw;
    double log_prob, score;
    bool finished;
  };
  struct Candidate {
    int32_t parent;
    Token token;
    double log_prob;
  };
  void advance_each();
  void advance_beam();
  void rank_ended();  // the best `beam`, finished ones first
  void extend(const Candidate&);
  void end(const Candidate&, bool finished);
  void leave(const Live&);  // ends it as it stands, unfinished
  void assign_slots(std::span<int32_t> parents);
  std::vector<Token> chain(int32_t node) const;
  double score(double log_prob) const;

  Decoding decoding_;
  Token end_;
  int64_t limit_, steps_ = 0;
  std::vector<Node> nodes_;
  std::vector<Live> live_, next_;
  std::vector<Candidate> candidates_;
  std::vector<Ended> ended_;
  std::vector<char> taken_, kept_;
};
}  // namespace rum
