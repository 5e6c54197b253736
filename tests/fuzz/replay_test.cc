// Every stored fuzz input, whole, truncated and with changed bytes, through its target: what fuzzing has
// found stays tested, without clang.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "base/file.h"
#include "tests/fuzz/fuzz.h"

using namespace rum;
namespace {
TEST(Fuzz, StoredInputsReplay) {
  const std::string here = std::filesystem::path(__FILE__).parent_path().string();
  size_t targets = 0;
  for (const auto& entry : std::filesystem::directory_iterator(here))
    targets += entry.path().string().ends_with("_fuzz.cc");
  EXPECT_EQ(FuzzTarget::all().size(), targets);
  for (const FuzzTarget& target : FuzzTarget::all()) {
    const std::string folder = here + "/" + target.name;
    const std::vector<std::string> names = Disk::real().list(folder);
    EXPECT_GE(names.size(), 3u) << target.name;
    for (const std::string& name : names) {
      SCOPED_TRACE(folder + "/" + name);
      const std::string bytes = Disk::real().read(folder + "/" + name);
      target.run(bytes);
      std::mt19937_64 random(bytes.size());
      for (int i = 0; i < 20 && !bytes.empty(); ++i) {
        target.run(std::string_view(bytes).substr(0, random() % bytes.size()));
        std::string changed = bytes;
        changed[random() % bytes.size()] = static_cast<char>(random());
        target.run(changed);
      }
    }
  }
}
}  // namespace
