#!/usr/bin/env bash
# gdb inside one emulated CUDA thread.  debug_kernel.sh PROGRAM FILE.cu THREAD
# Stops at the first line of the file's first kernel, or of its first device function where the kernel is the shared
# one of cuda/kernel.h, when the thread of that number in its block gets there.
set -eu
case $3 in # gdb would evaluate anything it is given
'' | *[!0-9]*) echo "debug-kernel: THREAD=$3: expected a thread's number in its block" >&2; exit 1 ;;
esac
line=$(awk '/^ *(\/\/|template)/ { next } /__global__|__device__/ { in_head = 1 } in_head && /\{ *$/ { print NR + 1; exit }' "$2")
[ -n "$line" ] || { echo "debug-kernel: no kernel in $2" >&2; exit 1; }
echo "stops in thread $3 of a block at $2:$line; useful: next, step, info args, print threadIdx.x, print blockIdx, to_thread 7, continue"
# One host thread, so that gdb follows one CUDA thread after the other.
SIMT_WORKERS=1 exec gdb -q -x tools/debug_kernel.gdb -ex "break $2:$line if simt::cur->lin == $3" -ex run \
  --args "$1" --gtest_brief=1 --gtest_filter='CudaOps.*:CudaChoose.*:CudaKernels.GemmWithoutTheLibrary:CudaStep.MemoryStaysWhereItIs'
