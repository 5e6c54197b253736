#!/usr/bin/env bash
# The first hour on a GPU, in runs of under 8 minutes each; their output goes to a folder.
#   first_hour.sh pack         build/first-hour.tar.xz: both programs, built here without a GPU (make first-hour), and the
#                              libraries that a bare machine may lack; it travels with the tree
#   first_hour.sh 1 FOLDER     correctness: single kernels, every test, compute-sanitizer as far as the time allows
#   first_hour.sh 2 FOLDER     times of the kernels, in bf16
#   first_hour.sh 3 FOLDER     training and generation beside PyTorch      TEXTS=16 for a card with less memory
# The GPU is the first one that CUDA_VISIBLE_DEVICES shows. MINUTES=8: how long a run may take.
set -u
unset CDPATH
cd "$(dirname "$0")/.." || exit 1
packed=build/first-hour.tar.xz unpacked=build/first-hour minutes=${MINUTES:-8}

no() { echo "first-hour: $*"; exit 1; }
pack() {
  local programs=build/x86-64-v4 libraries
  set -o pipefail
  rm -rf "$unpacked" && mkdir -p "$unpacked/lib" || exit 1
  strip -o "$unpacked/gpu" "$programs/tests/gpu" && strip -o "$unpacked/bench-gpu" "$programs/bench-gpu" || exit 1
  # All but the C library, which is the machine's own; that of C++ apart, since it may ask for a newer one than the programs.
  libraries=$(LC_ALL=C ldd "$unpacked/gpu" "$unpacked/bench-gpu") || exit 1
  [[ $libraries != *'not found'* ]] || no "a library is missing here: $(grep -m1 'not found' <<<"$libraries")"
  awk '$2 == "=>" && $3 ~ /^\// { print $3 }' <<<"$libraries" | sort -u |
    grep -vE '/(ld-linux.*|lib(c|m|dl|rt|pthread))\.so' | xargs -d '\n' cp -L -t "$unpacked/lib" || exit 1
  mkdir "$unpacked/lib/c++" && mv "$unpacked"/lib/lib{stdc++,gcc_s}.so.* "$unpacked/lib/c++" || exit 1
  tar -C build -cf - first-hour | xz -T0 -3 >"$packed.part" && mv "$packed.part" "$packed" || exit 1
  rm -rf "$unpacked"
  echo "$packed: $(($(stat -c %s "$packed") >> 20)) MiB; with the tree $((($(stat -c %s "$packed") + $(git ls-files -z | xargs -0 cat | wc -c)) >> 20)) MiB"
}

run=${1:-} out=${2:-}
[ "$run" != pack ] || { pack; exit; }
[[ $run =~ ^[123]$ ]] && [ -n "$out" ] || { grep '^#   ' "$0" | cut -c5-; exit 2; }
[[ $minutes =~ ^[1-9][0-9]*$ ]] || no "MINUTES=$minutes: expected a number"
ls /dev/nvidia[0-9]* /dev/dxg 2>/dev/null | grep -q . || no "this machine has no NVIDIA GPU: nothing was run"
if [ -f "$packed" ]; then
  [ "$unpacked/gpu" -nt "$packed" ] || {
    rm -rf "$unpacked" "$unpacked.part" && mkdir "$unpacked.part" && tar -C "$unpacked.part" -xmf "$packed" &&
      mv "$unpacked.part/first-hour" "$unpacked" && rmdir "$unpacked.part"
  } || no "$packed cannot be unpacked"
  # For our programs alone: the machine's git, python and compilers have libraries of their own.
  lib=$PWD/$unpacked/lib
  ldconfig -p 2>/dev/null | grep -q 'libstdc++\.so\.6' || lib=$lib:$lib/c++
  for program in gpu bench-gpu; do
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%q${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec %q "$@"\n' "$lib" "$PWD/$unpacked/$program" >"$unpacked/$program.sh" &&
      chmod +x "$unpacked/$program.sh" || exit 1
  done
  gpu=$unpacked/gpu.sh bench=$unpacked/bench-gpu.sh
else
  make -j"$(nproc)" GPU=native build/tests/gpu build/bench-gpu || no "build the programs with make first-hour elsewhere, and bring build/first-hour.tar.xz"
  gpu=build/tests/gpu bench=build/bench-gpu
fi
# cuBLASLt and NCCL come with a toolkit or with PyTorch.
python=${PYTHON:-python3}
for folder in "${CUDA_HOME:-/usr/local/cuda}/lib64" /usr/local/cuda-*/lib64 \
  $("$python" -c 'import glob, site; print(*[f for s in site.getsitepackages() for f in glob.glob(s + "/nvidia/*/lib")])' 2>/dev/null); do
  [ ! -e "$(ls "$folder"/lib{cublasLt,nccl}.so.* 2>/dev/null | head -n 1)" ] || export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder
done
mkdir -p "$out" || no "no folder $out"
export EVIDENCE=$out
end=$(($(date +%s) + 60 * minutes - 20))
left() { echo $((end - $(date +%s))); }
status=0
step() { # NAME, command: its output to the terminal and to FOLDER/NAME.log, within the time that is left
  local name=$1 begin
  shift
  [ "$(left)" -gt 5 ] || { echo "$name: not run, the $minutes minutes are over" | tee "$out/$name.log"; status=1; return 1; }
  begin=$(date +%s)
  timeout -k 5 "$(left)" "$@" 2>&1 | tee "$out/$name.log"
  local code=${PIPESTATUS[0]}
  [ "$code" = 0 ] || status=1
  echo "$name: status $code after $(($(date +%s) - begin)) s$([ "$code" != 124 ] || echo ": cut off, the $minutes minutes are over")" | tee -a "$out/$name.log"
  return "$code"
}
{ "$bench" device && sh tools/parity.sh state && { nvidia-smi || true; }; } >"$out/machine.txt" 2>&1 || { cat "$out/machine.txt"; exit 1; }
head -n 3 "$out/machine.txt"
case $run in
1)
  # With mma.sync alone what the tests below do with wgmma.
  step smoke env RUM_HOPPER=0 "$gpu" --gtest_brief=1 --gtest_filter='CudaKernels.*:CudaAttention.*:CudaOps.Every*'
  # A wait that never ends is what may go wrong there: then parity does without its tests.
  step hopper timeout 60 "$gpu" --gtest_brief=1 --gtest_filter='CudaHopper.*' || export RUM_HOPPER=0
  step parity sh tools/parity.sh run "$gpu"
  step sanitizer sh tools/parity.sh sanitize "$gpu"
  ;;
2)
  step kernels env PARTS=kernels TYPE=bf16 bash tools/bench/gpu.sh "$bench"
  step mma env RUM_HOPPER=0 timeout 60 "$bench" kernels --only attention --type bf16
  ;;
3) step peers env PARTS="train generate" SECONDS_LEFT="$(left)" bash tools/bench/gpu.sh "$bench" ;;
esac
echo "first-hour, run $run: $([ $status = 0 ] && echo "everything passed" || echo "something failed, see above"); the output is in $out"
exit $status
