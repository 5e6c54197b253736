#include "base/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

#include "base/number.h"
#include "base/utf8.h"

namespace rum {
namespace {
// Of the character at the front: its bytes, or 0 when it is none.
size_t character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t n = announced_bytes(byte(0));
  if (n == 0 || n > text.size()) return 0;
  unsigned least = 0x80, most = 0xBF;
  if (byte(0) == 0xE0) least = 0xA0;  // below: more bytes than it needs, where some terminals read a control
  if (byte(0) == 0xF0) least = 0x90;
  if (byte(0) == 0xED) most = 0x9F;  // above: a surrogate
  if (byte(0) == 0xF4) most = 0x8F;  // above: beyond U+10FFFF
  if (n > 1 && (byte(1) < least || byte(1) > most)) return 0;
  return std::all_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(n), continues_character)
             ? n
             : 0;
}
// U+202A to U+202E and U+2066 to U+2069: what follows reads from right to left, or goes on as before.
bool turns(std::string_view c) {
  if (c.size() != 3 || c[0] != '\xE2') return false;
  return (c[1] == '\x80' && c[2] >= '\xAA' && c[2] <= '\xAE') ||
         (c[1] == '\x81' && c[2] >= '\xA6' && c[2] <= '\xA9');
}

// A stream onto a terminal.
struct Guard {
  int file;
  std::string rest{};  // an unfinished character
  bool write(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t n = ::write(file, text.data(), text.size());
      if (n == -1 && errno != EINTR) return false;
      if (n > 0) text.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
};
ssize_t pass_on(void* cookie, const char* bytes, size_t n) try {
  Guard& guard = *static_cast<Guard*>(cookie);
  std::string text = guard.rest + std::string(bytes, n);
  guard.rest = text.substr(text.size() - unfinished_character(text));
  text.resize(text.size() - guard.rest.size());
  return guard.write(visible(text)) ? static_cast<ssize_t>(n) : 0;
} catch (...) {  // no memory: nothing may be thrown through the C library
  return 0;
}
FILE* guarded(FILE* stream, int file, int buffering) {
  if (isatty(file) != 1) return stream;
  static Guard guards[] = {{STDOUT_FILENO}, {STDERR_FILENO}};
  FILE* out = fopencookie(&guards[file - STDOUT_FILENO], "w", {nullptr, pass_on, nullptr, nullptr});
  if (out == nullptr) return stream;
  std::setvbuf(out, nullptr, buffering, BUFSIZ);
  return out;
}
}  // namespace

std::string visible(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t n = character(text);
    const auto first = static_cast<uint8_t>(text[0]);
    if (n == 2 && first == 0xC2 && static_cast<uint8_t>(text[1]) < 0xA0)
      out += fmt::format("\\u{:04x}", static_cast<uint8_t>(text[1]));
    else if (n == 0 || first == 0x7F || (first < 0x20 && first != '\t' && first != '\n'))
      out += fmt::format("\\x{:02x}", first);
    else if (turns(text.substr(0, n)))
      out += fmt::format("\\u20{:02x}", static_cast<uint8_t>(text[2]) - (text[1] == '\x80' ? 0x80 : 0x40));
    else
      out += text.substr(0, n);
    text.remove_prefix(std::max<size_t>(n, 1));
  }
  return out;
}
bool has_controls(std::string_view name) {
  return name.find_first_of("\t\n") != std::string::npos || visible(name) != name;
}
void guard_terminals() {
  stdout = guarded(stdout, STDOUT_FILENO, _IOLBF);
  stderr = guarded(stderr, STDERR_FILENO, _IONBF);
}
void print_on_colour(std::string_view text, int colour) {
  std::fflush(stdout);
  Guard{STDOUT_FILENO}.write(fmt::format("\033[48;5;{};38;5;16m{}\033[0m", colour, visible(text)));
}
bool shows_colours() {
  const char *off = std::getenv("NO_COLOR"), *term = std::getenv("TERM");
  const bool dumb = term == nullptr || std::string_view(term) == "dumb";
  return isatty(STDOUT_FILENO) == 1 && (off == nullptr || *off == '\0') && !dumb;
}
void erase_line() {
  std::fflush(stderr);
  const std::string_view sequence = "\r\033[K";
  Guard{STDERR_FILENO}.write(sequence);
}

size_t columns() {
  constexpr size_t least = 40, usual = 80;
  const char* const told = std::getenv("COLUMNS");
  if (const auto n = told ? number_in<size_t>(told) : std::nullopt; n && *n > 0) return std::max(*n, least);
  winsize window{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0)
    return std::max<size_t>(window.ws_col, least);
  return usual;
}
namespace {
// Where the lines below go on: under the last column (after two blanks), unless that is too narrow.
size_t hanging(std::string_view line, size_t width) {
  constexpr size_t narrow = 24;
  const size_t begin = std::min(line.find_first_not_of(' '), line.size());
  size_t at = begin;
  for (size_t i = begin; i + 2 < line.size() && i + 2 + narrow <= width; ++i)
    if (line[i] == ' ' && line[i + 1] == ' ' && line[i + 2] != ' ') at = i + 2;
  return at;
}
// The bytes of the first `width` characters, at most.
size_t bytes_of(std::string_view line, size_t width) {
  size_t i = 0;
  for (size_t n = 0; i < line.size(); ++i)
    if (!continues_character(line[i]) && ++n > width) break;
  return i;
}
}  // namespace
std::string wrapped(std::string_view text, size_t width) {
  std::string out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string line(text.substr(0, end));
    const size_t indent = hanging(line, width);
    while (bytes_of(line, width) < line.size()) {
      size_t blank = line.rfind(' ', bytes_of(line, width));
      if (blank == std::string::npos || blank <= indent) blank = line.find(' ', indent + 1);
      if (blank == std::string::npos) break;  // one long word
      const size_t next = line.find_first_not_of(' ', blank);
      if (next == std::string::npos) break;
      out += line.substr(0, line.find_last_not_of(' ', blank) + 1) + '\n';
      line = std::string(indent, ' ') + line.substr(next);
    }
    out += line;
    if (end < text.size()) out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}
}  // namespace rum
