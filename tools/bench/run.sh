#!/usr/bin/env bash
# `make bench`: training and generation beside PyTorch in alternation, as ratios. Rows without a peer that is installed
# print our figure alone.  ROUNDS=5  THREADS=2  MODELS="nano iwslt translate"
set -u
rounds=${ROUNDS:-5} threads=${THREADS:-2} models=${MODELS:-nano iwslt translate}
peer=tools/bench/torch_peer.py
for number in "$rounds" "$threads"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || { echo "bench: expected a number for ROUNDS and THREADS, found $number" >&2; exit 1; }
done
torch= python=
for python in "${PYTHON:-python3}" /usr/bin/python3; do
  "$python" -c 'import torch' 2>/dev/null && torch=1 && break
done
[ -n "$torch" ] || echo "no PyTorch here: our figures alone (Debian's package is python3-torch; PYTHON names another python)"
# Debian's PyTorch calls the system's BLAS; the OpenMP build of OpenBLAS is the one that does not fight its threads.
blas=/usr/lib/$(uname -m)-linux-gnu/openblas-openmp
[ -d "$blas" ] && export LD_LIBRARY_PATH=$blas${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
rate() { sed -n 's/.*"tokens_per_s": *\([0-9.]*\).*/\1/p'; }
median() { sort -g | awk '{v[NR]=$1} END {print (NR % 2 ? v[(NR+1)/2] : (v[NR/2]+v[NR/2+1])/2)}'; }
compare() { # KIND MODEL FLAGS...
  kind=$1 model=$2; shift 2
  ours=() theirs=() ratios=()
  for ((i = 0; i < rounds; ++i)); do
    o=$(build/bench "$kind" --model "$model" --threads "$threads" "$@" --json | rate)
    ours+=("$o")
    [ -n "$torch" ] || continue
    t=$(OMP_NUM_THREADS=$threads OPENBLAS_NUM_THREADS=$threads "$python" $peer "$kind" --model "$model" --threads "$threads" "$@" | rate)
    theirs+=("$t") ratios+=("$(awk "BEGIN{print $o/$t}")")
  done
  line=$(printf '%s\n' "${ours[@]}" | median)
  printf '%-9s %-10s %-12s ours %10.0f tokens/s' "$kind" "$model" "$*" "$line"
  [ -n "$torch" ] && printf '   PyTorch %10.0f   ratio %.2f' "$(printf '%s\n' "${theirs[@]}" | median)" "$(printf '%s\n' "${ratios[@]}" | median)"
  printf '\n'
}
echo "medians of $rounds alternated rounds, $threads threads, f32"
for m in $models; do compare train "$m"; done
compare generate iwslt --batch 1
compare generate iwslt --batch 64
