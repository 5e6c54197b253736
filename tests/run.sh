#!/usr/bin/env bash
# Runs test programs, as many at a time as there are processors, and adds up their last lines in the order given; ends with
# `N passed, N failed, N skipped`.
set -um  # -m: else background jobs would ignore Ctrl-C, and so would everything that the tests start
passed=0 failed=0 skipped=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'jobs -p | sed s/^/-/ | xargs -r kill -- 2>/dev/null; exit 130' INT TERM
pids=()
for program in "$@"; do
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
  "$program" >"$work/${#pids[@]}" 2>&1 &
  pids+=($!)
done
for i in "${!pids[@]}"; do
  program=${*:i+1:1} log=$work/$i
  wait "${pids[i]}"
  status=$?
  last=$(tail -n 1 "$log")
  if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
    passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2])) skipped=$((skipped + BASH_REMATCH[3]))
    [ "$status" != 0 ] && [ "${BASH_REMATCH[2]}" = 0 ] && failed=$((failed + 1))
  else
    failed=$((failed + 1))
    echo "$program ended with status $status and no result"
  fi
  if [ "$status" != 0 ]; then grep -vE '^\[ *(OK|RUN|SKIPPED|-+)' "$log" | tail -n 300; fi
  echo "$program: $last"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
