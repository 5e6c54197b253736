#!/usr/bin/env bash
# Rules that no compiler checks: the order of folders, the format, the comment lines of every CUDA kernel.
set -u
unset CDPATH
cd "$(dirname "$0")/.."
bad=0
say() { echo "$*"; bad=1; }

order=(base tensor autograd ops text data model optim parallel checkpoint metrics page run generate huggingface train serve detect pipeline edits experiment)
for i in "${!order[@]}"; do
  right=$(IFS='|'; echo "${order[*]:$((i + 1))}")
  [ -n "$right" ] && [ -d "src/${order[$i]}" ] || continue
  hits=$(grep -nE "^#include \"($right|tools|cuda|tests)/" src/"${order[$i]}"/* /dev/null)
  [ -z "$hits" ] || say "src/${order[$i]} includes what stands to its right: $hits"
done
for folder in src/*/; do
  [[ " ${order[*]} " == *" $(basename "$folder") "* ]] || say "$folder is not in the order of folders (tools/check.sh, README.md)"
done
said=$(tr '\n' ' ' <README.md | grep -oE 'Each folder includes only those to its left: `[^`]*`' | cut -d'`' -f2)
[ "$said" = "${order[*]}" ] || say "README.md has another order of folders than tools/check.sh"
for rule in 'oneapi/dnnl:src/ops/gemm_onednn.cc' 'CLI/CLI:tools/options.cc' 'toml\+\+:src/text/toml.cc' 'nlohmann/:src/text/json.cc' 'curl/:src/generate/http.cc' 'httplib.h:src/serve/server.cc' 'editline/:src/text/typed_lines.cc' 'unicode/:src/text/unicode.cc|tests/text_test.cc'; do
  others=$(grep -lE "#include <${rule%%:*}" -r src tools tests cuda | grep -vxE "${rule##*:}")
  [ -z "$others" ] || say "<${rule%%:*}> is included by ${rule##*:} alone, not by: $others"
done

for f in cuda/*.cu cuda/ladder/*.cu; do
  kernels=$(grep -c '__global__' "$f")
  for line in Threads: Reads: Writes: Sums: Limit: Ladder:; do
    [ "$(grep -o "$line" "$f" | wc -l)" -ge "$kernels" ] || say "$f: a kernel without the line \"$line\""
  done
done

# What the README names is there, and its core reading stays an afternoon.
for path in $(grep -oE '`(src|tools|tests|data|cuda)/[a-z0-9_./-]+`' README.md | tr -d '`'); do
  [ -e "$path" ] || say "README.md names $path, which is not there"
done
core=$(sed -n '/^The core, /,/^7/p' README.md | grep -oE '`[a-z_/]+\.(cc|h)`' | tr -d '`')
# shellcheck disable=SC2086
lines=$(cat $core | wc -l)
[ "$lines" -gt 500 ] && [ "$lines" -le 1150 ] || say "the core of the README's reading order has $lines lines, not about 1,100"

# The corpus that `make reproduce` fetches for an experiment holds out as many pairs as its config asks for.
held_out() { # flag, its default in `ruminate data prepare`, script
  local n; n=$(sed -nE "s/^\[.* set -- .*$1 ([0-9]+).*/\1/p" "$3"); echo "${n:-$2}"
}
for config in data/configs/experiments/*.toml; do
  script=$(sed -nE 's#^train = "data/cache/([a-z0-9-]+)/.*#data/\1.sh#p' "$config")
  [ "$script" != data/smoke.sh ] || continue # makes what its config asks for
  for set in valid:1000 test:2000; do
    asked=$(sed -nE "s/^${set%:*}_pairs = ([0-9]+).*/\1/p" "$config")
    [ "$asked" -le "$(held_out "--${set%:*}" "${set#*:}" "$script")" ] ||
      say "$config asks for $asked pairs to ${set%:*}, $script holds out fewer"
  done
done

# Every header compiles alone (those with a source do so there, as its first include), and all of them beside
# each other, whichever comes first.
headers=$(find src -name '*.h' | sort)
compile() { ${CXX:-g++} -std=c++20 -march=native -Isrc -I. -fsyntax-only -x c++ -; }
for h in $headers; do
  [ -f "${h%.h}.cc" ] || echo "#include \"$h\"" | compile || say "$h does not compile alone"
done
for f in $(find src -name '*.cc'); do
  h=${f#src/}; h=${h%.cc}.h
  [ ! -f "src/$h" ] || [ "$(grep -m1 '^#include' "$f")" = "#include \"$h\"" ] || say "$f does not include $h first"
done
for direction in '' -r; do
  # shellcheck disable=SC2086
  printf '%s\n' $headers | sort $direction | sed 's/.*/#include "&"/' | compile ||
    say "the headers do not compile beside each other"
done

# In a fresh clone no folder is there: whatever make compiles or links into one makes it first.
for program in run smoke golden_cases debug-kernel; do
  bare=$(make -n BIN=bare OBJ=bare/obj "bare/tests/$program" | awk '
    $1 == "mkdir" { made[$3 "/"] }
    match($0, / -o bare[^ ]*/) {
      file = substr($0, RSTART + 4, RLENGTH - 4); folder = file; sub(/[^\/]*$/, "", folder)
      for (m in made) if (index(m, folder) == 1) next
      print file
    }' | head -3)
  [ -z "$bare" ] || say "Makefile: nothing makes the folder of $bare"
done

bash tools/lab.sh check || bad=1
if command -v clang-format >/dev/null; then
  # shellcheck disable=SC2046
  clang-format --dry-run -Werror $(git ls-files 'src/*.cc' 'src/*.h' 'tools/*.cc' 'tools/*.h' 'tests/*.cc' 'tests/*.h') 2>&1 |
    grep -E 'error' | cut -d: -f1 | sort | uniq -c | { ! grep . ; } || say "clang-format -i these files"
else
  echo "clang-format is not installed: the format was not checked"
fi
[ $bad = 0 ] && echo "order of folders, includes, kernel comments, format: fine"
exit $bad
