// What a terminal is shown. Texts, file names and metadata come from strangers and may hold escape sequences,
// which recolour a terminal, rename its window or do worse: there they appear as visible characters.
#pragma once
#include <cstdio>
#include <string>
#include <string_view>

namespace rum {
// `\x1b` for an ESC: each C0 control but tab and line feed, DEL, each C1 control (`\u009b`), each character
// that turns the direction of those around it (`\u202e`), each byte that is not UTF-8.
std::string visible(std::string_view);
// Whether a name holds one of these, a tab or a line feed: no name of ours does.
bool has_controls(std::string_view name);
// From now on what goes to standard output or standard error passes through visible() where that is a
// terminal. Elsewhere it arrives byte for byte.
void guard_terminals();
// The control sequences that are ours: the cursor back to the start of an emptied line,
void erase_line();
// and a text in black on one of the terminal's 256 colours, on standard output; the text is made visible().
void print_on_colour(std::string_view text, int colour);
// How wide lines may be: COLUMNS, else the window where standard output is one, else 80.
size_t columns();
// Lines that are longer, broken between words and going on below their last column, or where they began.
std::string wrapped(std::string_view text, size_t width);
// Is standard output a terminal with colours, which nobody has turned off (TERM=dumb, or
// NO_COLOR set and not empty)?
bool shows_colours();
}  // namespace rum
