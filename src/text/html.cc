#include "text/html.h"

namespace rum {
std::string escape_html(std::string_view in) {
  std::string out;
  for (const char c : in) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  return out;
}
}  // namespace rum
