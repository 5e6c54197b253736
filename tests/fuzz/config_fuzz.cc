// A config is either refused, with a place and a reason, or means the same after being written and read.
#include "run/config.h"
#include "tests/fuzz/fuzz.h"

namespace {
using namespace rum;

void run(std::string_view bytes) {
  accepted([&] {
    const RunConfig read = parse_config(bytes, "fuzz.toml");
    promise(to_toml(parse_config(to_toml(read), "again.toml")) == to_toml(read));
  });
}
const FuzzTarget target("config", run);
}  // namespace
