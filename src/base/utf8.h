// The bytes of UTF-8, where a text may be cut.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace rum {
// Bytes that a character's first byte announces; 0: no character begins with it.
size_t announced_bytes(unsigned char first);
bool continues_character(char);  // is it one behind the first?
// Bytes at the end of a text that begin a character whose rest may still come: at most 3.
size_t unfinished_character(std::string_view);
// For messages: the text, or of a longer one whole characters of its first `most` bytes and "...".
std::string shortened(std::string_view text, size_t most);
}  // namespace rum
