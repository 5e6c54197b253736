# What debug_kernel.sh tells gdb.
set breakpoint pending on
set pagination off
# Emulated, CUDA's variables are macros of cuda/simt/cpu.h.
macro define threadIdx (simt::cur->tid)
macro define blockIdx (simt::blk->bid)
macro define blockDim (simt::blk->bdim)
macro define gridDim (simt::blk->gdim)
define to_thread
  tbreak if simt::cur->lin == $arg0
  continue
end
document to_thread
to_thread N: goes on to where thread N of a block next gets to this line.
end
