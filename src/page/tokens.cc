#include "page/tokens.h"

#include <fmt/format.h>

#include <cmath>

#include "base/terminal.h"
#include "text/html.h"

namespace rum::page {
namespace {
// Lower bounds of the probability for each shade, light to dark.
constexpr double kShades[] = {.5, .2, .05, .01, .001};
int shade(double p) {
  int s = 0;
  for (const double least : kShades) s += p < least;
  return s;
}
// The token as it is in the text: a line end is shown and breaks the line, partial characters are
// hexadecimal.
std::string in_text(const std::string& bytes) {
  std::string out;
  for (const char c : visible(bytes)) {
    if (c == '\n') out += "↵";
    out += c;
  }
  return escape_html(out);
}
std::string span_of(const ShownToken& t, const std::string& style, const std::string& says) {
  return fmt::format("<span class=\"{}\" title=\"{}\">{}</span>", style, escape_html(says), in_text(t.bytes));
}
}  // namespace

std::string token_label(const std::string& bytes) {
  std::string out;
  for (const char c : visible(bytes)) {
    if (c == '\n')
      out += "↵";
    else if (c == ' ')
      out += "·";
    else
      out += c;
  }
  return out;
}
std::string heat_map(std::span<const ShownToken> tokens) {
  std::string out = "<p class=\"tokens\">";
  for (const ShownToken& t : tokens) {
    if (std::isnan(t.log_p)) {
      out += span_of(t, "given", t.says);
      continue;
    }
    const double p = std::exp(t.log_p);
    std::string says = fmt::format("{}: probability {:.3g}", token_label(t.bytes), p);
    if (!t.says.empty()) says += "; " + t.says;
    out += span_of(t, fmt::format("h{}", shade(p)), says);
  }
  return out + "</p>\n";
}
std::string heat_legend() {
  std::string out = "<p class=\"soft tokens\">Probability:";
  for (size_t i = 0; i <= std::size(kShades); ++i)
    out += fmt::format(" <span class=\"h{}\">{}</span>", i,
                       i < std::size(kShades) ? fmt::format("{:g} and more", kShades[i]) : "less");
  return out + "; point at a token for more.</p>\n";
}
std::string cut_map(std::span<const ShownToken> tokens) {
  std::string out = "<p class=\"tokens\">";
  for (size_t i = 0; i < tokens.size(); ++i)
    out += span_of(tokens[i], fmt::format("k{}", i % 4), tokens[i].says);
  return out + "</p>\n";
}
}  // namespace rum::page
