// Text from strangers inside an HTML page.
#pragma once
#include <string>
#include <string_view>

namespace rum {
// As it may stand between tags and in a quoted attribute.
std::string escape_html(std::string_view text);
}  // namespace rum
