#!/usr/bin/env bash
# Exercises. `make lab` lists them; `make lab N=3` copies the tree to build/lab/3 with one function left empty, and the
# next time builds the copy and runs the tests that must pass again. HINT=1|2|3 prints a hint, RESET=1 starts over.
# All about an exercise is in tools/labs/: title, file, function, tests, contract, hints.
#   lab.sh list | check | N     check: every function is still where the exercises say
set -u
export LC_ALL=C # GCC's words are looked for
unset CDPATH
cd "$(dirname "$0")/.."
field() { sed -n "s/^$2: //p" "tools/labs/$1.txt" | head -n 1; }
part() { awk -v head="$2:" '$0 == head { on = 1; next } /^(contract|hint [0-9]):$/ { on = 0 } on' "tools/labs/$1.txt"; }
numbers() { for file in tools/labs/[0-9]*.txt; do basename "$file" .txt; done; }

# The file without the function's body, and with the contract above it. Status 1 unless the function is there exactly once.
blank() { # number
  local begin contract
  begin=$(field "$1" function)
  contract=$(part "$1" contract | sed -e '/^$/d' -e 's|^|// |')
  case $begin in __global__*) ;; *) echo '#include "base/error.h"' ;; esac
  BEGIN=$begin CONTRACT=$contract awk -v number="${1#0}" '
    BEGIN { begin = ENVIRON["BEGIN"] }
    index($0, begin) == 1 { ++found; inside = 1; print "// Lab " number ".\n" ENVIRON["CONTRACT"] }
    inside == 2 { if ($0 != "}") next; inside = 0; ++closed }
    { print }
    inside == 1 && /\{$/ {
      inside = 2
      if (begin ~ /^__global__/) print "  // lab " number ": write this; left empty it computes nothing, and the first failure is a wrong number"
      else print "  throw Error(\"lab " number ": to be written\");"
    }
    END { exit !(found == 1 && closed == 1) }' "$(field "$1" file)"
}
write_blank() { # number, file: the student's own version, if there is one, is kept beside it
  [ ! -e "$2" ] || [ ! -e "$2.blank" ] || cmp -s "$2" "$2.blank" || cp --backup=numbered "$2" "$2.yours" || return 1
  blank "$1" >"$2.blank" && cp "$2.blank" "$2"
}
copy_tree() { # number, to: with everything already built, so that only the one blanked file is compiled
  rm -rf "$2.part"
  mkdir -p "$2.part/build/obj" || return 1
  tar -c --exclude=./build --exclude=./runs --exclude=./data/cache --exclude=./.git . | tar -x -C "$2.part" || return 1
  [ ! -d build/obj/release ] || cp -a --reflink=auto build/obj/release "$2.part/build/obj/" || return 1
  write_blank "$1" "$2.part/$(field "$1" file)" || return 1
  mv "$2.part" "$2"
}
# What gtest's brief output says first: the test's name, and what it complained of.
first_failure() {
  awk '/^\[ RUN/ { next } /^\[  FAILED  \]/ { if (text != "") { sub(/ \(.*/, "", $0); sub(/^\[  FAILED  \] /, "", $0)
    print "the first test that fails: " $0; printf "%s", text; exit } }
    /^\[|^Note:|^$|Skipped/ { next } { if (n++ < 14) text = text "  " $0 "\n" }'
}

case "${1:-list}" in
list)
  for n in $(numbers); do
    printf '  make lab N=%-3s %-50s %4s minutes   %s\n' "${n#0}" "$(field "$n" title)" "$(field "$n" minutes)" "$(field "$n" file)"
  done
  echo "  a good order: 2 8 1 5 9 3 7 6 4 10 11 12"
  echo "  HINT=1, 2 or 3 prints a hint, RESET=1 starts over; for teachers: tools/labs/teaching.md"
  ;;
check)
  bad=0
  for n in $(numbers); do
    blank "$n" >/dev/null || { echo "lab ${n#0}: no \"$(field "$n" function)\" with a body in $(field "$n" file)"; bad=1; }
  done
  exit $bad
  ;;
*)
  # Only digits reach the arithmetic, which would compute whatever it is given.
  n=
  [[ $1 =~ ^[0-9]{1,2}$ ]] && n=$(printf '%02d' "$((10#$1))")
  [ -f "tools/labs/$n.txt" ] || { echo "make lab: no exercise \"$1\"; \`make lab\` lists them" >&2; exit 1; }
  file=$(field "$n" file) begin=$(field "$n" function)
  read -r program filter <<<"$(field "$n" tests)"
  copy=build/lab/${n#0} again="make lab N=${n#0}"
  if [ -n "${HINT:-}" ]; then
    [ -n "$(part "$n" "hint $HINT")" ] || { echo "make lab: HINT=$HINT: expected 1, 2 or 3" >&2; exit 1; }
    part "$n" "hint $HINT"
    exit 0
  fi
  if [ ! -d "$copy" ] || [ -n "${RESET:-}" ]; then
    if [ -d "$copy" ]; then write_blank "$n" "$copy/$file"; else copy_tree "$n" "$copy"; fi || exit 1
    echo "$(field "$n" title), about $(field "$n" minutes) minutes"
    echo "  Read $(field "$n" read)."
    echo "  Write ${begin%(} in $copy/$file; the comment above it is its contract."
    echo "  Then \`$again\` again: it builds the copy and runs its tests. \`$again HINT=1\` helps, RESET=1 starts over."
    exit 0
  fi
  echo "building $copy"
  make -C "$copy" --no-print-directory -j"$(nproc)" "build/tests/$program" 2>&1 | tee "$copy.log" |
    awk '/^  build\// { printf "\r  %d files", ++n; fflush() } END { if (n) print "" }'
  [ "${PIPESTATUS[0]}" = 0 ] ||
    { grep -E 'error|Error' "$copy.log" | head -n 20; echo "it does not compile; all of it: $copy.log"; exit 1; }
  (cd "$copy" && "build/tests/$program" --gtest_brief=1 --gtest_filter="$filter") >"$copy.log" 2>&1
  status=$?
  if [ "$status" = 0 ]; then
    echo "$(tail -n 1 "$copy.log"): exercise ${n#0} is solved"
  else
    first_failure <"$copy.log"
    echo "  what is checked: $(field "$n" checks)"
    [ "$status" -le 128 ] || echo "  the program crashed (signal $((status - 128))): perhaps an index out of range"
    echo "not yet: $(grep -E '^[0-9]+ passed' "$copy.log" || echo 'no result'). All of it: $copy.log. A hint: $again HINT=1"
    exit 1
  fi
  ;;
esac
