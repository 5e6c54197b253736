// The batch of given texts that are read, not learned from.
#pragma once
#include <span>

#include "model/model.h"

namespace rum {
// The smallest shape of a batch that holds the examples; without them, the kind of shape.
BatchShape scoring_shape(const Model&, std::span<const Example>);
Batch scoring_batch(const Model&, std::span<const Example>);  // on the model's device
// Of a text: an encoder-decoder reads source and target each from position 0.
int64_t positions_needed(const Model&, const Example&);
// Error when an example needs more positions than the context has; `who` and its number begin the message.
void check_room(const char* who, const Model&, std::span<const Example>, size_t i);
}  // namespace rum
