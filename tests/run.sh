#!/usr/bin/env bash
# Runs test programs one after another and adds up their last lines; ends with `N passed, N failed, N skipped`.
set -u
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for program in "$@"; do
  "$program" >"$log" 2>&1
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
