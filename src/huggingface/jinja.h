// The part of the template language Jinja that chat templates are written in, so that what they write is
// known for certain.
#pragma once
#include <string>
#include <string_view>

#include "text/json.h"

namespace rum {
// What the template writes with these variables, blocks trimmed as transformers has it (trim_blocks,
// lstrip_blocks). Templates are what strangers write: depth, length and steps are bounded. Error: the template
// is broken, refuses by raise_exception(), or needs what is not known here; the message names it.
std::string render_jinja(std::string_view source, const Json& variables);
}  // namespace rum
