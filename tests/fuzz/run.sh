#!/usr/bin/env bash
# `make fuzz`: builds the fuzz targets with clang and runs each for FUZZ_SECONDS.  run.sh CXX TARGET ...
# What a target finds stays in build/fuzz/TARGET-*, the inputs that it has tried in build/fuzz/found/TARGET.
set -u
cxx=$1 seconds=$FUZZ_SECONDS
shift
mkdir -p build/fuzz
echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' >build/fuzz/probe.cc
"$cxx" -fsanitize=fuzzer build/fuzz/probe.cc -o build/fuzz/probe >/dev/null 2>&1 || {
  echo "make fuzz needs clang++ with libFuzzer: install Debian's clang and libclang-rt-14-dev, or name one with FUZZ_CXX="
  exit 1
}
"${MAKE:-make}" --no-print-directory -j"$(nproc)" V=fuzz CXX="$cxx" ONEDNN=0 "${@/#/build/fuzz/}" || exit 1
for target in "$@"; do
  mkdir -p "build/fuzz/found/$target"
  echo "fuzzing $target for $seconds s"
  "build/fuzz/$target" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=5 -max_len=8192 -verbosity=0 \
    -print_final_stats=1 -artifact_prefix="build/fuzz/$target-" "build/fuzz/found/$target" "tests/fuzz/$target" || exit 1
done
echo "fuzz: nothing found in $*"
