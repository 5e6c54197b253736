// Limits of containers and of systemd, read from folders as the kernel lays them out.
#include "base/control_groups.h"

#include <gtest/gtest.h>

#include <climits>

#include "tests/program.h"

namespace rum::control_groups_test {
namespace {
using Folders = std::vector<std::string>;

struct Groups : Program {
  std::string root = file("root");
  Groups() {
    write("own", "1:cpu:/of/version/1\n0::/user.slice/run-1.scope\n");
    std::filesystem::create_directories(file("root/user.slice/run-1.scope"));
  }
  Folders folders() const { return control_groups(file("own"), root); }
};

TEST(ControlGroups, AreTheOwnOneAndThoseAroundIt) {
  const Groups g;
  EXPECT_EQ(g.folders(), (Folders{g.root, g.root + "/user.slice", g.root + "/user.slice/run-1.scope"}));
  g.write("own", "0::/\n");  // a container's own root
  EXPECT_EQ(g.folders(), Folders{g.root});
  g.write("own", "3:cpu:/a\n");
  EXPECT_EQ(g.folders(), Folders{g.root});
  EXPECT_EQ(control_groups(g.file("none"), g.root), Folders{g.root});
}
TEST(ControlGroups, TheLeastShareOfProcessorsHolds) {
  const Groups g;
  EXPECT_EQ(allowed_processors(g.folders()), INT_MAX);
  g.write("root/cpu.max", "max 100000\n");
  EXPECT_EQ(allowed_processors(g.folders()), INT_MAX);
  g.write("root/user.slice/cpu.max", "250000 100000\n");  // docker run --cpus=2.5
  EXPECT_EQ(allowed_processors(g.folders()), 3);
  g.write("root/user.slice/run-1.scope/cpu.max", "50000 100000\n");
  EXPECT_EQ(allowed_processors(g.folders()), 1);
  g.write("root/user.slice/run-1.scope/cpu.max", "?");
  EXPECT_EQ(allowed_processors(g.folders()), 3);
}
TEST(ControlGroups, TheLeastMemoryLeftHolds) {
  const Groups g;
  EXPECT_EQ(allowed_memory(g.folders()), uint64_t{1} << 62);
  g.write("root/user.slice/memory.max", "max\n");
  EXPECT_EQ(allowed_memory(g.folders()), uint64_t{1} << 62);
  g.write("root/memory.max", "1000000\n");
  g.write("root/memory.current", "700000\n");
  g.write("root/memory.stat", "anon 500000\nfile 200000\ninactive_file 150000\nactive_file 50000\n");
  EXPECT_EQ(allowed_memory(g.folders()), 450'000u);
  g.write("root/user.slice/run-1.scope/memory.max", "600000\n");
  g.write("root/user.slice/run-1.scope/memory.current", "640000\n");  // all is in use, and more
  EXPECT_EQ(allowed_memory(g.folders()), 0u);
}
}  // namespace
}  // namespace rum::control_groups_test
