#!/bin/sh
# Evidence that the CUDA kernels agree with the CPU on a real GPU. Used by the Makefile.
#   parity.sh run PROGRAM   runs the GPU tests and writes data/evidence/parity-<gpu>.txt (EVIDENCE: another folder)
#   parity.sh sanitize PROGRAM   the same under compute-sanitizer's four tools; data/evidence/sanitizer-<gpu>.txt
#   parity.sh gpu FILE      the GPU named in its line `device: ...`, in the form file names use
#   parity.sh state         date, commit and driver
#   parity.sh hashes        a hash of each CUDA file
#   parity.sh changed       lists the .cu files that differ from the newest evidence
set -u
export LC_ALL=C # decimal points
folder=${EVIDENCE:-data/evidence}

hashes() { sha256sum cuda/*.cu cuda/*.h cuda/simt/*.h cuda/ladder/*.cu | awk '{ print substr($1, 1, 16), $2 }'; }
# Of what ran: kernels with wgmma do so on cards of 9.0 alone, and not with RUM_HOPPER=0.
files() { # FILE with its line `device: ...`
  if [ "${RUM_HOPPER:-1}" != 0 ] && grep -q '^device: .*compute capability 9\.0' "$1"; then left_out='^$'; else
    left_out=hopper && echo "not run: the kernels with wgmma"
  fi
  hashes | grep -v "$left_out" | sed 's/^/file: /'
}
# What is cut off stays readable where evidence goes to a folder of its own.
make_work() { # NAME
  if [ -n "${EVIDENCE:-}" ]; then work=$EVIDENCE/$1 && mkdir -p "$work"; else work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT; fi
}
gpu() { sed -n 's/^device: \([^,]*\).*/\1/p' "$1" | tr -cs 'A-Za-z0-9' '-' | sed 's/-*$//' | tr 'A-Z' 'a-z'; }
state() {
  echo "date: $(date -u +%Y-%m-%d)"
  echo "commit: $(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)$(git diff --quiet HEAD 2>/dev/null || echo ' with changes')"
  sed -n 's/.*Kernel Module.* \([0-9][0-9][0-9]*\.[0-9.]*\) .*/driver: \1/p' /proc/driver/nvidia/version 2>/dev/null || true
}

case "${1:-}" in
run)
  make_work parity || exit 1
  found=$work/evidence
  rm -f "$found" # of an earlier run
  { RUM_EVIDENCE=$found "$2"; echo $? >"$work/code"; } | tee "$work/out"
  status=$(cat "$work/code")
  [ -f "$found" ] || exit 1 # no GPU: the program has already said so
  gpu=$(gpu "$found")
  case $gpu in emulation*) cat "$found"; echo "that was the emulation: it proves nothing about a GPU"; exit 1 ;; esac
  [ $status = 0 ] || { cat "$found"; echo "not written to $folder: a test failed"; exit 1; }
  mkdir -p "$folder"
  {
    echo "CUDA kernels and ops against the CPU in double precision on the same inputs: worst |difference| / RMS of the truth (of its row, where that is larger),"
    echo "less half a bf16 step at the truth where the result is stored in bf16; an RMS below 0.1 counts as 0.1, an f32 result beyond 4 RMS is measured by a quarter of itself"
    echo "limits: f32 1e-05, bf16 2e-02; attention kernels that turn queries and keys (RoPE) in bf16 4e-02, since these are rounded once more"
    state
    cat "$found"
    echo "tests: $(tail -n 1 "$work/out")"
    files "$found"
  } >"$folder/parity-$gpu.txt"
  echo "written: $folder/parity-$gpu.txt"
  ;;
sanitize)
  tool=$(command -v compute-sanitizer || ls "${CUDA_HOME:-/usr/local/cuda}"/bin/compute-sanitizer 2>/dev/null) || {
    echo "compute-sanitizer was not found: its four tools were NOT run (it is part of the CUDA toolkit)"
    exit 0
  }
  make_work sanitizer || exit 1
  status=0 tools='memcheck racecheck initcheck synccheck'
  for t in $tools; do # side by side
    # Races are looked for in our kernels alone, and without the library's: racecheck 2025.3 ends in one of them with
    # an exception of its own. First reads are not: what cuBLASLt's kernels wrote must count. Neither racecheck nor
    # synccheck knows that a warp's __syncwarp and one lane's arrival at a barrier order what all its lanes did, which
    # the kernels with wgmma rely on; the emulator's checker does (data/evidence/gpu-2026-11-29.md).
    only='CudaKernels.*:CudaRows.*:CudaAttention.*:CudaChoose.*:CudaOps.Every*:CudaLadder.*' ours=
    case $t in racecheck) ours='--kernel-name kernel_substring=rum' only=$only-CudaKernels.Gemm:CudaOps.* ;; esac
    case $t in racecheck | synccheck) wgmma=0 ;; *) wgmma=${RUM_HOPPER:-1} ;; esac
    # shellcheck disable=SC2086
    { RUM_HOPPER=$wgmma "$tool" --tool $t $ours --show-backtrace no --error-exitcode 9 "$2" --gtest_brief=1 \
      --gtest_filter="$only" >"$work/$t" 2>&1; code=$?; echo $code >"$work/$t.code"; echo "$t: ended with status $code"; } &
  done
  wait
  for t in $tools; do
    code=$(cat "$work/$t.code") whose=
    if [ $code = 9 ] && [ $t = initcheck ] && ! grep -qE ' rum::|N3rum' "$work/$t" && grep -q '^[0-9]* passed, 0 failed' "$work/$t"; then
      code=0 whose=' (none in our kernels)'
    fi
    echo "$t: $(grep 'SUMMARY' "$work/$t" | tail -n 1 | sed 's/^=* *//')$whose; $(grep -E '^[0-9]+ passed' "$work/$t")" | tee -a "$work/lines"
    [ $code = 0 ] || { status=1; grep -v '^=* *$' "$work/$t" | head -n 60; }
  done
  [ $status = 0 ] || { echo "not written to $folder: compute-sanitizer reported something"; exit 1; }
  gpu=$(gpu "$work/memcheck")
  case $gpu in emulation*) echo "that was the emulation: it proves nothing about a GPU"; exit 1 ;; esac
  mkdir -p "$folder"
  { echo "the tests of single kernels under compute-sanitizer"; state; cat "$work/lines"; files "$work/memcheck"; } \
    >"$folder/sanitizer-$gpu.txt"
  echo "written: $folder/sanitizer-$gpu.txt"
  ;;
gpu) gpu "$2" ;;
state) state ;;
hashes) hashes ;;
changed)
  newest=$(ls -t "$folder"/parity-*.txt 2>/dev/null | head -n 1)
  [ -n "$newest" ] || { echo "no evidence of a GPU run yet: every kernel is unproven on hardware (make test-gpu)"; exit 0; }
  hashes | grep -vxF "$(sed -n 's/^file: //p' "$newest")" | awk '{ print $2, "is not as tested in" }' |
    sed "s|\$| $newest|"
  ;;
*)
  echo "usage: parity.sh run PROGRAM | sanitize PROGRAM | gpu FILE | state | hashes | changed"
  exit 2
  ;;
esac
