// The numbers of a report as files: results.csv, one row per measurement and seed; scores.csv and
// differences.csv, every arm's scores, and its differences to the arm of human targets, with 95 % intervals;
// sentences.csv, every arm's scores on every test sentence; curves.csv, every student's validation losses;
// validity.csv and detectors.csv for the scores that ranked the pool, if any; claims.json. Ids and numbers
// only, no corpus text.
//
// In results.csv rows of students are measured on the test set; targets: whose text they learned from
// (writers_of), so those with "human" alone learned from human text; seed_pairs: what each generator that
// wrote for them learned from, 0: there is none, or it was not trained here. Rows of group "targets" are
// measures of targets, "human" that of the human targets of the same sources; those of group "floor" compare
// them with the first of two people who translated a sentence, and "human" is the second. pool_pairs: pairs
// that a student saw, drawn ones as often as they were, or that were compared. p: by swapping lines. chances:
// what an error is a share of, human_chances: the second person's.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "experiment/results.h"

namespace rum::experiment {
// Each file's name and content; the last, claims.json, says of a folder that it holds a report.
std::vector<std::pair<std::string, std::string>> result_files(const ExperimentResults&);
// FileError when a report in this folder would overwrite a file that is not of an earlier one.
void check_report_output(const std::string& folder);
// report.html and the files of its numbers, all or none of them. Returns their names, the first with the
// folder.
std::string write_report(const std::string& folder, const std::string& html, const ExperimentResults&);
// How many sentences a claim about targets compares: for errors those that two people translated.
int64_t compared_sentences(const ExperimentResults&, const Claim&);
}  // namespace rum::experiment
