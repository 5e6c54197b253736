#!/usr/bin/env bash
# The CUDA kernels on emulated threads: in random order, in reverse with every access checked, the planted
# bugs that prove the checker, and, where nvcc built it, the host's side with a stand-in for CUDA's runtime. FOLDER holds
# the programs emulated, checked, bugs and host. Ends with `N passed, N failed, N skipped`.
set -u
folder=${FOLDER:-build/tests}
programs=()
printf -v quoted %q "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
runs() { # name, command: a program for run.sh
  printf '#!/bin/sh\n%s\n' "$2" >"$work/$1" && chmod +x "$work/$1" && programs+=("$work/$1")
}
bugs() {
  passed=0 failed=0
  for n in $(seq 39); do
    if "$folder/bugs" "$n" >/dev/null 2>&1; then echo "planted bug $n was not caught"; failed=$((failed + 1)); else passed=$((passed + 1)); fi
    if "$folder/bugs" "$n" fixed >/dev/null; then passed=$((passed + 1)); else echo "the correct twin of bug $n was reported"; failed=$((failed + 1)); fi
  done
  echo "$passed passed, $failed failed, 0 skipped"
  [ "$failed" = 0 ]
}
if [ "${1:-}" = bugs ]; then bugs; exit; fi
# Everything runs once in random order, with device memory closed to host code (SIMT_GUARD). With RUM_TEST_ALL=1 the checker
# runs everything, too; else neither tests that take minutes, as they consist of kernels that are also tested one by one,
# nor those of orders or numbers, which access memory as other tests do.
unchecked='CudaStep.ReplayHas*:CudaStep.Agrees*:CudaGpt.Trains*:CudaGpt.A*Run*:CudaGpt.*Writes*:CudaGpt.OutOfMemory*'
unchecked+=':CudaChoose.Draws:CudaBench.EverythingRuns:CudaOrder.*:CudaHopper.AttentionHas*:CudaOps.WhatIsNotFinite*'
[ -z "${RUM_TEST_ALL:-}" ] || unchecked=''
runs emulated-random "SIMT_ORDER=random SIMT_GUARD=1 exec $quoted/emulated --gtest_brief=1"
for order in ${RUM_TEST_ALL:+reverse inorder}; do
  runs "emulated-$order" "SIMT_ORDER=$order exec $quoted/emulated --gtest_brief=1"
done
runs checked "SIMT_ORDER=reverse exec $quoted/checked --gtest_brief=1 --gtest_filter='*-$unchecked'"
runs planted-bugs "FOLDER=$quoted exec bash tests/cuda/emulated.sh bugs"
[ ! -x "$folder/host" ] || runs host "exec $quoted/host --gtest_brief=1"
bash tests/run.sh "${programs[@]}" | sed "s|$work/|cuda: |"
exit "${PIPESTATUS[0]}"
