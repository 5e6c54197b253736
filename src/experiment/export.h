// Targets as other programs take them, so that hosted models can go through the same arms.
#pragma once
#include <string>

#include "edits/targets.h"

namespace rum {
// One chat per pair, a JSON object a line: the instruction, the source, and the target as the answer. The
// form that services for fine-tuning read.
std::string chat_json_lines(const edits::Targets&, const std::string& instruction);
}  // namespace rum
