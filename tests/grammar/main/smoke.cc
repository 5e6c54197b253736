// build/tests/smoke FOLDER: the corpus of the smoke experiment, for `make reproduce SCALE=smoke`.
#include "tests/grammar/smoke.h"

#include <cstdio>
#include <exception>

int main(int argc, char** argv) try {
  if (argc != 2) return std::fputs("usage: smoke FOLDER\n", stderr), 2;
  rum::write_smoke_corpus(argv[1]);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "smoke: %s\n", e.what());
  return 1;
}
