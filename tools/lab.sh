#!/usr/bin/env bash
# Exercises. `make lab` lists them; `make lab N=3` copies the tree to build/lab/3 with one function left empty, and the
# next time builds the copy and runs the tests that must pass again.
#   lab.sh list | check | N     check: every function is still where the list says
set -u
cd "$(dirname "$0")/.."
# number | file | how the function begins | what it does | test program | its tests
exercises() {
  cat <<'LIST'
1|src/ops/layernorm.cc|void backward(|the gradient of layer normalisation, on the CPU|run|*ayernorm*
2|src/ops/gelu.cc|void backward(|the gradient of GELU, on the CPU|run|*gelu*
3|src/autograd/tape.cc|void Tape::backward(|how the tape is read from its end|run|Tapes.*
4|src/ops/attention.cc|void forward_piece(|attention over one text, on the CPU|run|*attention*:*Attention*
5|src/optim/adamw.cc|void update(|AdamW, on the CPU|run|*Adam*
6|src/generate/beam.cc|void Search::advance_beam(|one step of beam search|run|*Beam*
7|cuda/layernorm.cu|__global__ void forward_rows(|layer normalisation, a warp a row|emulated|CudaKernels.Layernorm*
8|cuda/ladder/softmax.cu|__global__ void softmax_3(|softmax: step 3 of its ladder|emulated|CudaLadder.Softmax
9|cuda/ladder/matmul.cu|__global__ void matmul_3(|a product: step 3 of its ladder|emulated|CudaLadder.Matmul
10|cuda/embedding.cu|__global__ void sum_pieces(|the gradient of an embedding, without atomics|emulated|*mbedding*
11|cuda/ladder/attention.cu|__global__ void __launch_bounds__(kQueries) attention_3(|attention in one pass: step 3|emulated|CudaLadder.Attention
12|cuda/ladder/attention.cu|__global__ void __launch_bounds__(Tile::threads) attention_5(|attention on tensor cores: step 5|emulated|CudaLadder.Attention
LIST
}
# The file without the function's body. Status 1 when the function is not there exactly once.
blank() { # number, file, begin
  awk -v begin="$3" -v number="$1" '
    index($0, begin) == 1 { ++found; inside = 1 }
    inside == 2 { if ($0 != "}") next; inside = 0; ++closed }
    { print }
    inside == 1 && /\{$/ {
      inside = 2
      if (begin ~ /^__global__/) print "  // lab " number ": write this"
      else print "  throw Error(\"lab " number ": to be written\");"
    }
    END { exit !(found == 1 && closed == 1) }' "$2"
}

case "${1:-list}" in
list)
  exercises | awk -F'|' '{ printf "  make lab N=%-3s %-50s %s\n", $1, $4, $2 }'
  ;;
check)
  bad=0
  while IFS='|' read -r n file begin _; do
    blank "$n" "$file" "$begin" >/dev/null || { echo "lab $n: no \"$begin\" with a body in $file"; bad=1; }
  done < <(exercises)
  exit $bad
  ;;
*)
  IFS='|' read -r n file begin what program filter < <(exercises | grep "^$1|")
  [ -n "${n:-}" ] || { echo "make lab: no exercise \"$1\"; \`make lab\` lists them" >&2; exit 1; }
  copy=build/lab/$n
  if [ ! -d "$copy" ]; then
    mkdir -p "$copy.part" && tar -c --exclude=./build --exclude=./runs --exclude=./data/cache --exclude=./.git . |
      tar -x -C "$copy.part" || exit 1
    { case $begin in __global__*) ;; *) echo '#include "base/error.h"' ;; esac; blank "$n" "$file" "$begin"; } \
      >"$copy.part/$file" || exit 1
    mv "$copy.part" "$copy"
    echo "$what"
    echo "  Write ${begin%(} in $copy/$file; the comments above it say what it owes."
    echo "  Then \`make lab N=$n\` again: it builds the copy and runs its tests ($filter). The original is $file."
    exit 0
  fi
  echo "building $copy (minutes at first)"
  make -C "$copy" --no-print-directory -j"$(nproc)" CXX="${CXX:-g++} -w" "build/tests/$program" >"$copy.log" 2>&1 ||
    { grep -E 'error|Error' "$copy.log" | head -n 20; echo "it does not compile; all of it: $copy.log"; exit 1; }
  (cd "$copy" && "build/tests/$program" --gtest_brief=1 --gtest_filter="$filter" 2>&1) | tail -n 40
  [ "${PIPESTATUS[0]}" = 0 ] && echo "exercise $n is solved" || { echo "not yet: $begin in $copy/$file"; exit 1; }
  ;;
esac
