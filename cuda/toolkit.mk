# What the Makefile has to know of CUDA before it builds anything: the toolkit, the GPU, and the kernels' objects.

# CUDA: a toolkit older than 12.4 counts as absent. cuBLASLt is opened when the first product runs on a GPU.
NVCC     := $(firstword $(wildcard $(CUDA_HOME:%=%/bin/nvcc) /usr/local/cuda/bin/nvcc /usr/local/cuda-*/bin/nvcc /usr/lib/cuda/bin/nvcc))
NVCC_NEW := $(if $(NVCC),$(shell $(NVCC) --version | awk -F'[ ,.]+' '/release/ { for (i = 1; i < NF; ++i) if ($$i == "release") print ($$(i+1) * 100 + $$(i+2) >= 1204) }'))
TOOLKIT  := $(if $(wildcard cuda/backend.cu),$(filter 1,$(NVCC_NEW)))
CARD     := $(if $(wildcard /dev/nvidia[0-9]* /dev/dxg),$(shell nvidia-smi -L 2>/dev/null | head -n 1))
CUDA     ?= $(if $(TOOLKIT),$(if $(CARD),1,0),0)
GPU      ?= $(if $(CARD),native,80 90)
gpu_obj  = $(OBJ)/gpu-$(subst $() ,-,$(GPU))
GPU_OBJS = $(patsubst %,$(gpu_obj)/%.o,$(wildcard cuda/*.cu))
GPU_LIBS = -L$(NVCC:%/bin/nvcc=%/lib64) -lcudart_static -ldl -lrt -Wl,-rpath,$(NVCC:%/bin/nvcc=%/lib64)
