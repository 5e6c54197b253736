#!/usr/bin/env bash
# `make bench-gpu`: kernels, ladder, training step and generation on this machine's GPU, training and generation beside
# PyTorch in alternation, with the clocks of each run, into data/evidence/bench-<gpu>.md.
#   gpu.sh PROGRAM      ROUNDS=3  TEXTS=64 (fewer for less memory)  PYTHON=python3  PEER=script.py
#   PARTS="kernels train generate"   TYPE=bf16 kernels of one type   SECONDS_LEFT: no round begins that would not fit
#   EVIDENCE=data/evidence, the folder
# PEER: one more PyTorch script of the training step, called with --config gpt2-124m --compile 1 --batch TEXTS --steps 200;
# it prints a JSON line with "tokens_per_s".
set -u
export LC_ALL=C # decimal points
program=$1 rounds=${ROUNDS:-3} texts=${TEXTS:-64} python=${PYTHON:-python3} peer=tools/bench/torch_gpu_peer.py
parts=${PARTS:-kernels train generate} folder=${EVIDENCE:-data/evidence}
[ -z "${PEER:-}" ] || [ -f "$PEER" ] || { echo "bench-gpu: no file $PEER: PEER names a PyTorch script of the training step"; exit 1; }
[[ $rounds =~ ^[1-9][0-9]*$ ]] || { echo "bench-gpu: ROUNDS=$rounds: expected a number"; exit 1; }
work=$(mktemp -d) sampler=
trap '[ -z "$sampler" ] || kill "$sampler" 2>/dev/null; rm -rf "$work"' EXIT
json=$work/json report=$work/report
touch "$json" "$report"
say() { echo "$*" | tee -a "$report"; }
with_clocks() { # NAME, command: what nvidia-smi saw while it ran becomes a JSON line
  local name=$1 status
  shift
  nvidia-smi -i "$place" --query-gpu=clocks.sm,clocks.mem,power.draw,temperature.gpu --format=csv,noheader,nounits -lms 200 >"$work/clocks" 2>/dev/null &
  sampler=$!
  "$@"
  status=$?
  kill "$sampler" 2>/dev/null
  wait "$sampler" 2>/dev/null
  sampler=
  awk -F', *' -v name="$name" '
    function add(k, v) { if (n == 1 || v < least[k]) least[k] = v; if (n == 1 || v > most[k]) most[k] = v; sum[k] += v }
    NF == 4 { ++n; add("sm_mhz", $1); add("memory_mhz", $2); add("watt", $3); add("celsius", $4) }
    END { printf "{\"part\":\"clocks\",\"name\":\"%s\",\"samples\":%d", name, n
          for (k in sum) printf ",\"%s\":{\"least\":%g,\"mean\":%.1f,\"most\":%g}", k, least[k], sum[k] / n, most[k]
          print "}" }' "$work/clocks" >>"$json"
  return "$status"
}
timed() { # PART: shown as it comes, and kept
  "$program" "$1" --texts "$texts" ${TYPE:+--type "$TYPE"} --json "$json" | tee -a "$report"
  return "${PIPESTATUS[0]}"
}
failed=0
ours() { with_clocks "$1" timed "$1" || { failed=1; say "$1 failed: no figure of it"; return 1; }; }
theirs() { # PART SCRIPT FLAGS...
  local part=$1
  shift
  with_clocks "$part, $(basename "$1")" "$python" "$@" >"$work/out" || { say "$1 failed: no figure of it"; return; }
  grep '^{' "$work/out" | tail -n 1 | tee "$work/line" >>"$json"
  rate <"$work/line" >>"$work/$part.$(basename "$1")"
}
rate() { sed -n 's/.*"tokens_per_s": *\([0-9.e+]*\).*/\1/p'; }
median() { sort -g | awk '{v[NR]=$1} END {if (NR) print (NR % 2 ? v[(NR+1)/2] : (v[NR/2]+v[NR/2+1])/2)}'; }

"$program" device >"$work/device" || exit 1 # the program has said why
gpu=$(sh tools/parity.sh gpu "$work/device")
place=$(sed -n 's/.*, PCI //p' "$work/device") # the GPU in use: nvidia-smi numbers them in another order
torch=$("$python" -c 'import torch; assert torch.cuda.is_available(); print(torch.__version__)' 2>"$work/no-torch")
[[ " $parts " != *" kernels "* ]] || ours kernels
models=${parts//kernels/}
[ -n "${models// /}" ] || rounds=0
round=0 played=0 # seconds of one; how many
for ((; played < rounds; ++played)); do
  [ -z "${SECONDS_LEFT:-}" ] || [ "$played" = 0 ] || [ $((SECONDS + round)) -le "$SECONDS_LEFT" ] || break
  round=-$SECONDS
  for part in $models; do
    ! ours "$part" || tail -n 2 "$json" | rate | tail -n 1 >>"$work/$part.ours"
    [ -z "$torch" ] || theirs "$part" "$peer" "$part" --texts "$texts"
  done
  [[ -z $torch || -z ${PEER:-} || $models != *train* ]] || theirs train "$PEER" --config gpt2-124m --compile 1 --batch "$texts" --steps 200
  round=$((round + SECONDS))
done
if [ "$played" -gt 0 ]; then
  say
  say "medians of $played alternated rounds | tokens/s | ours is so many times as fast"
  say "--- | ---: | ---:"
  [ -n "$torch" ] || say "no PyTorch with CUDA here ($(tail -n 1 "$work/no-torch")): our figures alone (PYTHON names another python) | | "
  for part in $models; do
    [ -s "$work/$part.ours" ] || continue
    own=$(median <"$work/$part.ours")
    say "$part, ours | $own | "
    for file in "$work/$part."*.py; do
      [ -s "$file" ] || continue
      other=$(median <"$file")
      say "$part, ${file#"$work/$part."}, PyTorch $torch | $other | $(awk "BEGIN{printf \"%.2f\", $own / $other}")"
    done
  done
fi
case $gpu in emulation*) echo "that was the emulation: it says nothing about a GPU, and nothing was written"; exit 1 ;; esac
[ "$failed" = 0 ] || [ -n "${EVIDENCE:-}" ] || { echo "bench-gpu: nothing was written"; exit 1; }
mkdir -p "$folder"
{
  echo "# Times on one GPU"
  echo
  cat "$work/device"
  sh tools/parity.sh state
  echo
  echo "GPT-2 124M, $texts texts of 1024 tokens, vocabulary 50304 (\`make bench-gpu\`). Time: median of 11 bursts. Share: of the copy"
  echo "or of the square product of that type, measured in the same run; above 100 % where the caches of the GPU help. MFU: 6 N + 6 L T C"
  echo "FLOP a token, of 989 TFLOP/s. Generation and \`choose\` contain the way to the host."
  cat "$report"
  printf '\n```\n'
  cat "$json"
  sh tools/parity.sh hashes | sed 's/^/file: /'
  echo '```'
} >"$folder/bench-$gpu.md"
echo "written: $folder/bench-$gpu.md"
exit "$failed"
