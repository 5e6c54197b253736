// The report of an experiment: one self-contained HTML file. Claims first, then the evidence.
#pragma once
#include <string>
#include <vector>

#include "experiment/results.h"

namespace rum::experiment {
struct ReportFacts {  // facts of this time and machine; the rest is in the results
  std::string machine, commit;
  bool text = true;                  // false: no corpus text, only ids and numbers
  std::vector<std::string> waiting;  // arms that are not finished yet, and left out
};
std::string report_html(const ExperimentResults&, const ReportFacts&);
}  // namespace rum::experiment
