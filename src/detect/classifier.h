// What a classifier is asked for, before there are texts to fit it on.
#pragma once
#include "text/json.h"

namespace rum::detect {
// Error: options that fitting one would refuse. A run that they start from is loaded.
void check_classifier(const Json::Object& options);
}  // namespace rum::detect
