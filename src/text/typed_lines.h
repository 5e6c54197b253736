// Lines typed at a terminal, with editing (arrows, Ctrl-A, Ctrl-R ...) and a history that stays from one time
// to the next. typed_lines.cc is the one file that includes libedit.
#pragma once
#include <optional>
#include <string>

namespace rum {
class TypedLines {
 public:
  // Writes its prompt and what is typed to standard error. The history is kept in the user's state
  // folder (XDG_STATE_HOME, else ~/.local/state) under ruminate/NAME; without such a folder it
  // lasts as long as this.
  explicit TypedLines(const std::string& name);
  ~TypedLines();
  TypedLines(const TypedLines&) = delete;
  TypedLines& operator=(const TypedLines&) = delete;
  std::optional<std::string> next(const char* prompt);  // nothing at the end (Ctrl-D)

 private:
  std::string path_;
};
}  // namespace rum
