#!/usr/bin/env bash
# The engine for other processors: built for each, and its tests run: on this processor if it can, for 64-bit ARM
# under qemu (Debian: g++-aarch64-linux-gnu qemu-user-static). Ends with `N passed, N failed, N skipped`.
#   portable.sh [NAME...]     names as for g++'s -march
set -u
export LC_ALL=C # GCC's words are looked for
unset CDPATH
cd "$(dirname "$0")/.."
passed=0 failed=0 skipped=0
build() { make --no-print-directory -j"$(nproc)" ONEDNN=0 "$@" >"$log" 2>&1; } # target and settings
count() { # name, command: runs it and adds up its last line
  name=$1 && shift
  "$@" --gtest_brief=1 >"$log" 2>&1
  status=$?
  last=$(tail -n 1 "$log")
  if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
    passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2])) skipped=$((skipped + BASH_REMATCH[3]))
    [ "$status" = 0 ] || grep -E '^\[  FAILED|Failure|Error' "$log" | head -n 20
  elif grep -q 'was built for a processor with' "$log"; then
    skipped=$((skipped + 1)) last="built; not run: $(grep -o 'a processor with [^,]*' "$log"), which this one is not"
  else
    failed=$((failed + 1)) last="ended with status $status and no result"
    tail -n 20 "$log"
  fi
  echo "$name: $last"
}
# fmt is used header-only and gtest built from source, since packages have libraries only for this architecture.
cross_libraries() { # folder
  cross="aarch64-linux-gnu-g++ -isystem $1/include -L$1 -DFMT_HEADER_ONLY"
  mkdir -p "$1/include" && ln -sfn /usr/include/fmt /usr/include/gtest "$1/include" || return 1
  [ -f "$1/libgtest.a" ] && return
  $cross -std=c++20 -O1 -I/usr/src/googletest/googletest -c /usr/src/googletest/googletest/src/gtest-all.cc \
    -o "$1/gtest.o" >"$log" 2>&1 && aarch64-linux-gnu-ar rcs "$1/libgtest.a" "$1/gtest.o"
}
cannot_build() {
  failed=$((failed + 1))
  echo "$1: does not build"
  grep -E 'error|Error|warning' "$log" | head -n 20
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
[ $# -gt 0 ] || set -- x86-64-v2 x86-64-v3 haswell znver3 alderlake armv8-a armv8.2-a+dotprod
for name in "$@"; do
  program=build/$name/tests/engine
  if [[ $name != armv* ]]; then
    if build MARCH="$name" "$program"; then count "$name" "$program"; else cannot_build "$name"; fi
  elif ! command -v aarch64-linux-gnu-g++ >/dev/null || ! command -v qemu-aarch64-static >/dev/null; then
    skipped=$((skipped + 1))
    echo "$name: g++-aarch64-linux-gnu and qemu-user-static are not installed"
  elif cross_libraries "build/$name" && build CXX="$cross" LIBS="-pthread" MARCH="$name" "$program"; then
    count "$name" qemu-aarch64-static -L /usr/aarch64-linux-gnu "$program"
  else
    cannot_build "$name"
  fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
