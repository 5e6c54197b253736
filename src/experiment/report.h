// The report of an experiment: one HTML file that needs nothing else. Claims first, then what they rest on.
#pragma once
#include <string>
#include <vector>

#include "experiment/results.h"

namespace rum::experiment {
struct ReportFacts {  // of this moment and machine; everything else is in the results
  std::string machine, commit, made;
  bool text = true;                  // false: no line of a corpus, only ids and numbers
  std::vector<std::string> waiting;  // arms that are left out because they are not made yet
};
std::string report_html(const ExperimentResults&, const ReportFacts&);
}  // namespace rum::experiment
