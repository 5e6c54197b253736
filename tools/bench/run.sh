#!/usr/bin/env bash
# `make bench`: training and generation beside PyTorch and CTranslate2 in alternation, as ratios, then metrics beside sacreBLEU
# and the tokenizer beside Hugging Face's. Rows without a peer that is installed print our figure alone.
#   run.sh [PROGRAM [RUMINATE]]      ROUNDS=5  THREADS=2  MODELS="nano iwslt shakespeare translate"  PYTHON="pythons that have peers"
#   LIMIT=300 seconds for one run: a peer that takes longer is named and left out.
set -u
export LC_ALL=C # decimal points
program=${1:-build/bench} ruminate=${2:-build/ruminate}
rounds=${ROUNDS:-5} threads=${THREADS:-2} models=${MODELS:-nano iwslt shakespeare translate} limit=${LIMIT:-300}
for number in "$rounds" "$threads" "$limit"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || { echo "bench: expected a number for ROUNDS, THREADS and LIMIT, found $number" >&2; exit 1; }
done
find_python() { # MODULE: the python that has it, and its version
  for python in ${PYTHON:-python3} /usr/bin/python3; do
    "$python" -c "import sys, $1; print(sys.executable, $1.__version__)" 2>/dev/null && return
  done
}
read -r torch torch_version <<<"$(find_python torch)"
read -r ctranslate2 ctranslate2_version <<<"$(find_python ctranslate2)"
read -r sacrebleu sacrebleu_version <<<"$(find_python sacrebleu)"
read -r tokenizers tokenizers_version <<<"$(find_python tokenizers)"
[ -n "$torch" ] || echo "no PyTorch here (Debian's package is python3-torch; PYTHON names another python)"
[ -n "$ctranslate2" ] || echo "no CTranslate2 here (pip install ctranslate2 numpy, in an environment that PYTHON names)"
[ -n "$sacrebleu" ] || echo "no sacreBLEU here (pip install sacrebleu, likewise)"
[ -n "$tokenizers" ] || echo "no tokenizers here (pip install tokenizers, likewise)"
# Debian's PyTorch calls the system's BLAS; the OpenMP build of OpenBLAS is the one that does not fight its threads.
blas=/usr/lib/$(uname -m)-linux-gnu/openblas-openmp
[ -d "$blas" ] && export LD_LIBRARY_PATH=$blas${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
field() { sed -n "s/.*\"$1\": *\([0-9.]*\).*/\1/p" <<<"$2"; }
median() { printf '%s\n' "$@" | sort -g | awk '{v[NR]=$1} END {print (NR % 2 ? v[(NR+1)/2] : (v[NR/2]+v[NR/2+1])/2)}'; }
compare() { # PEER KIND MODEL FLAGS...; for PyTorch alone: COMPILE=--compile, and BUCKETED=--bucketed, which counts scored tokens
  peer=$1 kind=$2 model=$3; shift 3
  python=$torch name="PyTorch $torch_version${BUCKETED:+ bucketed}${COMPILE:+ compiled}"
  [ "$peer" = ctranslate2 ] && python=$ctranslate2 name="CTranslate2 $ctranslate2_version"
  rate=tokens_per_s what=tokens/s
  [ -n "${BUCKETED:-}" ] && rate=scored_per_s what="scored tokens/s"
  ours=() theirs=() ratios=() memory=() shares=() peaks=() left_out=
  for ((i = 0; i < rounds; ++i)); do
    o=$(timeout "$limit" "$program" "$kind" --model "$model" --threads "$threads" "$@" --json) ||
      { echo "$kind $model $*: $program failed, or took more than $limit s (LIMIT)"; return; }
    ours+=("$(field "$rate" "$o")") shares+=("$(field share_of_peak "$o")") peaks+=("$(field fma_peak_gflops "$o")")
    [ -n "$python" ] || continue
    t=$(OMP_NUM_THREADS=$threads OPENBLAS_NUM_THREADS=$threads timeout "$limit" "$python" "tools/bench/${peer}_peer.py" "$kind" --model "$model" --threads "$threads" "$@" ${COMPILE:-} ${BUCKETED:-} 2>/dev/null) ||
      { left_out="   $name failed, or took more than $limit s" python=''; continue; }
    theirs+=("$(field "$rate" "$t")")
    ratios+=("$(awk "BEGIN{print ${ours[-1]}/${theirs[-1]}}")")
    memory+=("$(field peak_rss_mib "$o") $(field peak_rss_mib "$t") $(field start_rss_mib "$t")")
  done
  printf '%-9s %-11s %-24s ours %9.0f %s' "$kind" "$model" "$*" "$(median "${ours[@]}")" "$what"
  [ "$kind" = train ] && printf ', %.2f of the FMA peak of %.0f GFLOP/s' "$(median "${shares[@]}")" "$(median "${peaks[@]}")"
  [ "$kind $model" = "train translate" ] && [ -z "${BUCKETED:-}" ] && [ -n "$python" ] && printf ' (half of the rows scored, PyTorch all)'
  printf '%s' "$left_out"
  [ -n "$python" ] && printf '   %s %9.0f   ratio %.2f   peak MiB %.0f, %.0f (%.0f with its imports alone)' "$name" "$(median "${theirs[@]}")" "$(median "${ratios[@]}")" ${memory[-1]}
  printf '\n'
}
echo "medians of $rounds alternated rounds, $threads threads, f32 unless it says int8; $(sed -n 's/^model name[^:]*: //p;T;q' /proc/cpuinfo)"
for m in $models; do
  compare torch train "$m"
  [ -n "$torch" ] && COMPILE=--compile compare torch train "$m"
  if [ "$m" = translate ] && [ -n "$torch" ]; then  # as one trains on pairs there
    BUCKETED=--bucketed compare torch train "$m"
    BUCKETED=--bucketed COMPILE=--compile compare torch train "$m"
  fi
  printf 'products  %-11s shares of the FMA peak: %s\n' "$m" "$("$program" products --model "$m" --threads "$threads" --json | sed 's/.*"threads":[0-9]*,//; s/,"peak_rss.*//; s/"//g; s/\(\.[0-9][0-9]\)[0-9]*/\1/g; s/,/, /g')"
done
for batch in 1 64; do
  compare torch generate iwslt --batch $batch
  compare ctranslate2 generate iwslt --batch $batch
  compare ctranslate2 generate iwslt --batch $batch --dtype int8
done
# Text for the rest: what `make train` made. The translations to score are the references without every seventh word.
text=$(find data/cache -name test.tsv 2>/dev/null | sort | head -n 1)
[ -n "$text" ] || { echo "metrics and tokenizer are not timed: there is no corpus in data/cache; make train makes one"; exit; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cut -f 2 "$text" >"$work/ref"
awk '{ line = ""; for (i = 1; i <= NF; ++i) if ((i + NR) % 7) line = line $i " "; print line }' "$work/ref" >"$work/hyp"
if [ -n "$sacrebleu" ]; then
  timeout $((5 * limit)) "$sacrebleu" tools/bench/metrics_peer.py --program "$ruminate" --ref "$work/ref" --hyp "$work/hyp" --rounds "$rounds" ||
    echo "bench: scores differ from those of sacreBLEU $sacrebleu_version, or its five rows took more than $((5 * limit)) s (LIMIT)"
fi
if [ -n "$tokenizers" ]; then
  cat "$(dirname "$text")"/*.tsv | tr '\t' '\n' >"$work/text"
  echo "tokenizers $tokenizers_version, one thread"
  "$ruminate" tokenizer train --input "$work/text" --vocab 8192 --output "$work/tokenizer.json" >/dev/null &&
    timeout "$limit" "$tokenizers" tools/bench/tokenizer_peer.py --program "$ruminate" --tokenizer "$work/tokenizer.json" --rounds "$rounds" "$work/text" ||
    echo "bench: ids differ from those of tokenizers $tokenizers_version, or its runs took more than $limit s (LIMIT)"
fi
