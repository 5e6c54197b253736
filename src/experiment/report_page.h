// What the parts of a report share: the page, which numbers its figures and tables, and how numbers are
// written on it. Each part (claims, figures, tables) is a function that adds its sections to a page.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "experiment/results.h"

namespace rum {
extern const char* const kReportStyle;  // the page's CSS

struct Head {                   // of a column
  std::string label, tip = "";  // plain text; the tip is read by a pointer that rests on the label
};
// Cells are HTML; a row of one cell is a heading of those below it. The first column names its row.
struct Table {
  std::string caption;  // HTML, without a number
  const char* data;     // the file that holds these numbers; "" where none does
  std::vector<Head> head;
  std::vector<std::vector<std::string>> rows{};
};
class Page {
 public:
  void section(const std::string& title, const std::string& about = "");  // about: HTML; ends the one before
  void put(const std::string& html) { body_ += html; }
  void table(const Table&);
  // One caption for charts that stand side by side where there is room.
  void figure(const std::vector<std::string>& charts, const std::string& caption, const char* data);
  std::string html(const std::string& title, const std::string& top) const;  // top: above the contents

 private:
  std::string body_, contents_;
  int sections_ = 0, figures_ = 0, tables_ = 0;
};

// ---- numbers, with a real minus sign
std::string shown(double v, int digits = 1);
std::string measured(double v);  // with about four digits
std::string counted(int64_t n);  // 20,000
std::string signed_number(double v, int digits);
std::string percent(double share);                       // 46 %
std::string change(double from, double to, int digits);  // "7009 → 2147, −69 %"
std::string relative(double from, double to);            // "−69 %"; "" where that means nothing
int digits_for(double v);                                // so that about four are shown
int digits_of(const std::string& score);                 // of BLEU, chrF, NLL
bool has_width(const Effect&, int digits);               // would its interval be two different numbers?
std::string interval(const Effect&,
                     int digits);  // "+1.2 [+0.4, +2.0]"; the value alone where it has no width
std::string p_value(const Effect&, int digits, double p);  // "–" beside an interval without width
std::string share_of_gap(
    const GapClosed&);              // "46 % [31, 60]", with a "?" where the gap may have the other sign
std::string verdict_html(Verdict);  // a sign and the words

// ---- names
std::string explained(const std::string& measure);  // `--explain` of it; "" when nothing has its name
Head score_head(size_t score);                      // "BLEU, higher is better"
std::string claim_sentence(const Claim&);  // "real beats regurgitated (C1)", with what was chosen later
int group_key(const std::string& group);   // of its colour and shape
std::string group_name(const std::string& group);  // "D, remedy 1: quality"
const ArmResult* find_arm(const ExperimentResults&,
                          const std::string& name);  // its last weights, all the pool

// ---- parts
std::string care_html(const ExperimentResults&, const std::vector<std::string>& waiting);  // arms not made
std::string summary_html(const ExperimentResults&);                                        // five sentences
void put_claims(Page&, const ExperimentResults&);
void put_sets(Page&, const ExperimentResults&);
void put_arms(Page&, const ExperimentResults&);
void put_learning(Page&, const ExperimentResults&);
void put_chains(Page&, const ExperimentResults&);
void put_map(Page&, const ExperimentResults&);
void put_mechanisms(Page&, const ExperimentResults&);
void put_rankings(Page&, const ExperimentResults&);
void put_samples(Page&, const ExperimentResults&);
void put_provenance(Page&, const ExperimentResults&);
}  // namespace rum
