// Where sentences end. Its source is unicode.cc, the one file that includes ICU.
#pragma once
#include <string_view>
#include <vector>

namespace rum {
// Where sentences of a text part (UAX #29): byte offsets, rising, 0 and the end left out; the blanks after a
// sentence belong to it. The text is UTF-8.
std::vector<size_t> sentence_breaks(std::string_view text);
}  // namespace rum
