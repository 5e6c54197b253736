// A temporary folder for one test, removed at its end.
#pragma once
#include <stdlib.h>

#include <filesystem>
#include <string>

struct Scratch {
  std::string path = (std::filesystem::temp_directory_path() / "rum-test-XXXXXX").string();
  Scratch() {
    if (!mkdtemp(path.data())) throw std::filesystem::filesystem_error("no folder for a test", path, {});
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};
