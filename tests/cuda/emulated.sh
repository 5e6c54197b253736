#!/usr/bin/env bash
# The CUDA kernels on emulated threads: in two orders (three with RUM_TEST_ALL=1), with every access checked, the planted
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
# Everything runs once in random order, with device memory closed to host code (SIMT_GUARD). Tests that take minutes consist
# of kernels that are also tested one by one, so the other orders and the checker run them only with RUM_TEST_ALL=1.
long='CudaStep.ReplayHas*:CudaStep.Agrees*:CudaGpt.Trains*:CudaGpt.A*Run*:CudaGpt.*Writes*Replayed*:CudaGpt.OutOfMemory*'
long+=':CudaChoose.Draws:CudaBench.EverythingRuns'
# Tests of orders or numbers access memory as other tests do, so the checker skips them as well.
unchecked="$long:CudaOrder.*:CudaHopper.AttentionHas*:CudaOps.WhatIsNotFinite*:CudaGpt.ScoresAndWrites*"
[ -z "${RUM_TEST_ALL:-}" ] || long='' unchecked=''
runs emulated-random "SIMT_ORDER=random SIMT_GUARD=1 exec $quoted/emulated --gtest_brief=1"
runs emulated-reverse "SIMT_ORDER=reverse exec $quoted/emulated --gtest_brief=1 --gtest_filter='*-$long'"
[ -z "${RUM_TEST_ALL:-}" ] || runs emulated-inorder "SIMT_ORDER=inorder exec $quoted/emulated --gtest_brief=1"
runs checked "exec $quoted/checked --gtest_brief=1 --gtest_filter='*-$unchecked'"
runs planted-bugs "FOLDER=$quoted exec bash tests/cuda/emulated.sh bugs"
[ ! -x "$folder/host" ] || runs host "exec $quoted/host --gtest_brief=1"
bash tests/run.sh "${programs[@]}" | sed "s|$work/|cuda: |"
exit "${PIPESTATUS[0]}"
