// Shared by the parts of a report: how effects and names are written. Each part (claims, figures, tables) is
// a function that adds its sections to the page.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "experiment/results.h"
#include "page/chart.h"
#include "page/page.h"

namespace rum::experiment {
// ---- numbers
int digits_of(const std::string& score);    // of BLEU, chrF, NLL
bool has_width(const Effect&, int digits);  // do the ends of its interval differ when rounded?
// "+1.2 [+0.4, +2.0]"; only the value if the interval has no width. An end that would round to 0 has the
// digits that tell its sign.
std::string interval_text(const Effect&, int digits);
std::string p_value_text(const Effect&, int digits, double p);  // "–" if the interval has no width
// "46 % [31, 60]", or "[31, unbounded]"; with a "?" if the gap may have the opposite sign.
std::string share_of_gap(const GapClosed&);
std::string verdict_html(Verdict);  // a sign and the words
// "17.3 → 20.8, +20 %": where a claim's difference starts and ends; of one minus another the two of them.
std::string from_to(const Claim&, const ClaimResult::Row&, int digits);

// ---- names
std::string explained(const std::string& measure);  // as `--explain` prints; "" if unknown
page::Head score_head(size_t score);                // "BLEU, higher is better"
std::string claim_sentence(const Claim&);           // "real beats regurgitated (C1)", marked if chosen later
// For a group's colour and shape: by the order of the design, then of the config.
int group_key(const ExperimentConfig&, const std::string& group);
std::string group_name(const std::string& group);  // "D, remedy 1: quality"
std::vector<const ArmResult*> by_group(const ExperimentResults&);
std::vector<page::ChartKey> group_legend(const ExperimentConfig&, const std::vector<const ArmResult*>&);
// The arm with its last weights and the whole pool; null if there is none.
const ArmResult* find_arm(const ExperimentResults&, const std::string& name);

// ---- parts
std::string care_html(const ExperimentResults&, const std::vector<std::string>& waiting);  // arms not made
std::string summary_html(const ExperimentResults&);                                        // five items
void put_claims(page::Page&, const ExperimentResults&);
void put_sets(page::Page&, const ExperimentResults&);
void put_setup(page::Page&, const ExperimentResults&);
void put_arms(page::Page&, const ExperimentResults&);
void put_learning(page::Page&, const ExperimentResults&);
void put_chains(page::Page&, const ExperimentResults&);
void put_map(page::Page&, const ExperimentResults&);
void put_mechanisms(page::Page&, const ExperimentResults&);
void put_rankings(page::Page&, const ExperimentResults&);
void put_samples(page::Page&, const ExperimentResults&);
void put_provenance(page::Page&, const ExperimentResults&);
}  // namespace rum::experiment
