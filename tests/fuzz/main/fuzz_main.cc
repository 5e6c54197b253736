// The entry of libFuzzer for the one target that is linked.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rum::FuzzTarget::all().at(0).run({reinterpret_cast<const char*>(data), size});
  return 0;
}
