#!/usr/bin/env bash
# `make bench`: training and generation beside PyTorch and CTranslate2 in alternation, as ratios. Rows without a peer that
# is installed print our figure alone.  ROUNDS=5  THREADS=2  MODELS="nano iwslt translate"  PYTHON=a python that has them
set -u
rounds=${ROUNDS:-5} threads=${THREADS:-2} models=${MODELS:-nano iwslt translate}
for number in "$rounds" "$threads"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || { echo "bench: expected a number for ROUNDS and THREADS, found $number" >&2; exit 1; }
done
find_python() { # MODULE: the python that has it, and its version
  for python in "${PYTHON:-python3}" /usr/bin/python3; do
    "$python" -c "import sys, $1; print(sys.executable, $1.__version__)" 2>/dev/null && return
  done
}
read -r torch torch_version <<<"$(find_python torch)"
read -r ctranslate2 ctranslate2_version <<<"$(find_python ctranslate2)"
[ -n "$torch" ] || echo "no PyTorch here (Debian's package is python3-torch; PYTHON names another python)"
[ -n "$ctranslate2" ] || echo "no CTranslate2 here (pip install ctranslate2 numpy, in an environment that PYTHON names)"
# Debian's PyTorch calls the system's BLAS; the OpenMP build of OpenBLAS is the one that does not fight its threads.
blas=/usr/lib/$(uname -m)-linux-gnu/openblas-openmp
[ -d "$blas" ] && export LD_LIBRARY_PATH=$blas${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
rate() { sed -n 's/.*"tokens_per_s": *\([0-9.]*\).*/\1/p'; }
median() { sort -g | awk '{v[NR]=$1} END {print (NR % 2 ? v[(NR+1)/2] : (v[NR/2]+v[NR/2+1])/2)}'; }
compare() { # PEER KIND MODEL FLAGS...
  peer=$1 kind=$2 model=$3; shift 3
  python=$torch name="PyTorch $torch_version"
  [ "$peer" = ctranslate2 ] && python=$ctranslate2 name="CTranslate2 $ctranslate2_version"
  ours=() theirs=() ratios=()
  for ((i = 0; i < rounds; ++i)); do
    o=$(build/bench "$kind" --model "$model" --threads "$threads" "$@" --json | rate)
    ours+=("$o")
    [ -n "$python" ] || continue
    t=$(OMP_NUM_THREADS=$threads OPENBLAS_NUM_THREADS=$threads "$python" "tools/bench/${peer}_peer.py" "$kind" --model "$model" --threads "$threads" "$@" | rate)
    theirs+=("$t") ratios+=("$(awk "BEGIN{print $o/$t}")")
  done
  printf '%-9s %-10s %-24s ours %10.0f tokens/s' "$kind" "$model" "$*" "$(printf '%s\n' "${ours[@]}" | median)"
  [ -n "$python" ] && printf '   %s %10.0f   ratio %.2f' "$name" "$(printf '%s\n' "${theirs[@]}" | median)" "$(printf '%s\n' "${ratios[@]}" | median)"
  printf '\n'
}
echo "medians of $rounds alternated rounds, $threads threads, f32 unless it says int8"
for m in $models; do compare torch train "$m"; done
for batch in 1 64; do
  compare torch generate iwslt --batch $batch
  compare ctranslate2 generate iwslt --batch $batch
  compare ctranslate2 generate iwslt --batch $batch --dtype int8
done
