// Configuration files: TOML as a Json tree in which every key knows its line. toml.cc is the one file
// that includes toml++.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "text/json.h"

namespace rum {
struct Toml {
  std::string name;                      // of the file, for messages
  Json tree;                             // an object; its keys in the order of the file
  std::map<std::string, int64_t> lines;  // by path: "model.width", "arm[2].name"
  // "NAME:LINE: " of a key, for messages; "NAME: " when it is not in the file.
  std::string place(const std::string& path) const;
};
// FileError: name, line and what is wrong; also for dates, times and control characters, which
// no key here takes.
Toml parse_toml(std::string_view text, const std::string& name);
}  // namespace rum
