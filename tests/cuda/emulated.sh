#!/usr/bin/env bash
# The CUDA kernels on emulated threads: in three orders, with every access checked, and the planted bugs that prove
# the checker. FOLDER holds the programs emulated, checked and bugs. Ends with `N passed, N failed, N skipped`.
set -u
folder=${FOLDER:-build/tests}
programs=()
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
runs() { # name, command: a program for run.sh
  printf '#!/bin/sh\n%s\n' "$2" >"$work/$1" && chmod +x "$work/$1" && programs+=("$work/$1")
}
bugs() {
  passed=0 failed=0
  for n in $(seq 17); do
    if "$folder/bugs" "$n" >/dev/null 2>&1; then echo "planted bug $n was not caught"; failed=$((failed + 1)); else passed=$((passed + 1)); fi
    if "$folder/bugs" "$n" fixed >/dev/null; then passed=$((passed + 1)); else echo "the correct twin of bug $n was reported"; failed=$((failed + 1)); fi
  done
  echo "$passed passed, $failed failed, 0 skipped"
  [ "$failed" = 0 ]
}
if [ "${1:-}" = bugs ]; then bugs; exit; fi
for order in inorder reverse random; do
  guard=
  [ $order != random ] || guard=SIMT_GUARD=1 # no host code may reach into device memory
  runs "emulated-$order" "export SIMT_ORDER=$order $guard; exec $folder/emulated --gtest_brief=1"
done
# Whole runs take minutes here, and their kernels have been checked one by one: they are left to RUM_TEST_ALL=1.
whole='CudaStep.ReplayHas*:CudaStep.Agrees*:CudaGpt.Trains*:CudaGpt.A*Run*:CudaGpt.*Writes*Replayed*:CudaGpt.OutOfMemory*'
[ -z "${RUM_TEST_ALL:-}" ] || whole=
runs checked "exec $folder/checked --gtest_brief=1 --gtest_filter='*-$whole'"
runs planted-bugs "FOLDER=$folder exec bash tests/cuda/emulated.sh bugs"
bash tests/run.sh "${programs[@]}" | sed "s|$work/|cuda: |"
exit "${PIPESTATUS[0]}"
