# CUDA, the Makefile's optional part: kernels for GPUs and on emulated threads. Without cuda/ and tests/cuda/ the rest
# builds unchanged.

# ---- for GPUs --------------------------------------------------------------------------------------------------
LADDER := $(wildcard cuda/ladder/*.cu)  # not in the program
KERNEL_TESTS := $(wildcard tests/cuda/*_test.cu) $(LADDER)
gencode  = -gencode arch=compute_$(1),code=$(2)_$(1)
machine  = $(foreach a,$(1),$(call gencode,$(a),sm)) $(call gencode,$(lastword $(GPU)),compute)
ARCHS    = $(if $(filter native,$(GPU)),-arch=native,$(call machine,$(GPU)))
# Kernels with wgmma are compiled for sm_90a, which in these files replaces sm_90: cards of 9.0 run both.
HOPPER   := $(wildcard cuda/*hopper.cu tests/cuda/hopper_test.cu)
ninety    = $(if $(filter native,$(GPU)),$(filter 9.0,$(shell nvidia-smi --query-gpu=compute_cap --format=csv,noheader)),$(filter 90,$(GPU)))
for_90a   = -gencode arch=compute_90a,code=sm_90a -DSIMT_SM90A
$(HOPPER:%=$(gpu_obj)/%.o): private ARCHS = $(if $(ninety),$(for_90a)) \
  $(if $(filter native,$(GPU)),$(if $(ninety),,-arch=native),$(call machine,$(filter-out 90,$(GPU))))
# A kernel that spills registers, keeps an array in local memory, or waits for each wgmma (C7508 to C7512: they are
# serialized) fails the build, except for a user's own card.
$(gpu_obj)/%.o: %
	$(say)
	$(Q)$(NVCC) -std=c++20 -O3 $(ARCHS) -Isrc -I. -Xcompiler -Wall,-Wextra -Xptxas -v -MD -MP -c $< -o $@ >$@.log 2>&1 || { cat $@.log; exit 1; }
	@$(if $(filter native,$(GPU)),,! grep -B2 -E '[1-9][0-9]* bytes (spill|stack frame)|are serialized' $@.log || { rm $@; exit 1; })
cuda-compile: ##- compile every kernel for sm_80, sm_90 and sm_90a; fail on register spills (no GPU needed)
	@$(if $(TOOLKIT),$(MAKE) --no-print-directory cuda-cubins,echo "cuda-compile: no CUDA toolkit of 12.4 or newer here")
# Machine code only: the host code of the ladder and of the tests is compiled with the emulated kernels.
cubins = $(foreach a,$(1),$(patsubst %,$(OBJ)/cubin/$(a)/%.cubin,$(2)))
cuda-cubins: $(call cubins,80 90 90a,$(wildcard cuda/*.cu) $(KERNEL_TESTS))
architecture = $(firstword $(subst /, ,$(@:$(OBJ)/cubin/%=%)))
.SECONDEXPANSION:
$(call cubins,80 90 90a,$(wildcard cuda/*.cu) $(KERNEL_TESTS)): $$(patsubst $(OBJ)/cubin/$$(architecture)/%.cubin,%,$$@)
	$(say)
	$(Q)$(NVCC) -std=c++20 -O3 -arch=sm_$(architecture) -cubin -Isrc -I. -Xptxas -v -MD -MP $< -o $@ >$@.log 2>&1 || { cat $@.log; exit 1; }
	@! grep -B2 -E '[1-9][0-9]* bytes (spill|stack frame)|are serialized' $@.log || { rm $@; exit 1; }
# For `make test`: the kernels' machine code against its budget, and their host side.
machine_code = $(if $(shell command -v python3),python3 tools/machine_code.py $(OBJ)/gpu-90 $(NVCC),echo "machine code: not counted, there is no python3")
cuda-host: ##- kernels for sm_90: machine code against data/evidence/cuda-machine-code.md; runs the host side on a stand-in for CUDA
	@$(if $(TOOLKIT),$(MAKE) --no-print-directory GPU=90 cuda-objects $(BIN)/tests/host && $(machine_code),echo "cuda-host: no CUDA toolkit of 12.4 or newer here")
cuda-budget: ##- rewrite the budget of the kernels' machine code; its diff shows the effect of a change
	@$(MAKE) --no-print-directory GPU=90 cuda-objects
	@$(machine_code) --update
cuda-objects: $(GPU_OBJS) $(call cubins,90,$(filter-out $(HOPPER),$(KERNEL_TESTS))) $(call cubins,90a,$(filter $(HOPPER),$(KERNEL_TESTS)))

# The host side, as nvcc compiles it, with a stand-in for the CUDA runtime and cuBLASLt: no GPU needed.
HOST_TESTS := $(wildcard tests/cuda/host/*.cc)
$(call objects,$(HOST_TESTS)): private FLAGS += -isystem $(NVCC:%/bin/nvcc=%/include)
$(call objects,$(HOST_TESTS)): $(if $(PCH),$(OBJ)/pch/tests/pch.h.gch)
$(BIN)/tests/host: $(call objects,$(ENGINE) $(HOST_TESTS) tests/main.cc) $(GPU_OBJS)
	$(link) -lgtest -Wl,--wrap=dlopen,--wrap=dlsym

# ---- emulated --------------------------------------------------------------------------------------------------
# The kernels are also compiled by g++ and run on emulated threads: build/tests/emulated, and build/tests/checked
# with every memory access checked (g++ -fsanitize=thread calls our own runtime, cuda/simt/check.cc; no libtsan).
CUDA_TESTS := $(wildcard tests/cuda/*.cc) $(BENCH_GPU)  # the benchmark runs at tiny sizes there
emulated    = $(patsubst %,$(OBJ)/$(1)/%.o,$(filter-out cuda/cublaslt.cu,$(wildcard cuda/*.cu)) $(KERNEL_TESTS) cuda/simt/gemm.cc cuda/simt/cpu.cc cuda/simt/hopper.cc)
checker     = $(OBJ)/checked/cuda/simt/check.cc.o
$(BIN)/tests/gpu: $(call objects,$(ENGINE) $(CUDA_TESTS)) $(GPU_OBJS) $(KERNEL_TESTS:%=$(gpu_obj)/%.o)
$(BIN)/tests/emulated: $(call objects,$(ENGINE) $(CUDA_TESTS)) $(call emulated,emulated)
$(BIN)/tests/checked: $(call objects,$(ENGINE) $(CUDA_TESTS)) $(call emulated,checked) $(checker)
$(BIN)/tests/bugs: $(OBJ)/checked/tests/cuda/bugs.cu.o $(OBJ)/checked/cuda/simt/cpu.cc.o $(OBJ)/checked/cuda/simt/hopper.cc.o $(checker) $(OBJ)/src/base/error.o
$(BIN)/bench-gpu $(addprefix $(BIN)/tests/,gpu emulated checked bugs):
	$(link) $(if $(filter %/bench-gpu,$@),,-lgtest) $(if $(filter %gpu,$@),$(GPU_LIBS))
EMULATED_FLAGS = $(FLAGS) -O2
CHECKED_FLAGS  = $(FLAGS) -O1 -fsanitize=thread -DSIMT_CHECK
$(OBJ)/emulated/%.o: %
	$(say)
	$(Q)$(CXX) $(if $(PCH),-include $(OBJ)/pch/emulated/cuda/pch.h) $(EMULATED_FLAGS) -x c++ -c $< -o $@
$(OBJ)/checked/%.cu.o: %.cu
	$(say)
	$(Q)$(CXX) $(if $(PCH),-include $(OBJ)/pch/checked/cuda/pch.h) $(CHECKED_FLAGS) -x c++ -c $< -o $@
$(OBJ)/checked/%.cc.o: %.cc
	$(say)
	$(Q)$(CXX) $(FLAGS) -O2 -DSIMT_CHECK -c $< -o $@
ifdef PCH
$(call emulated,emulated): $(OBJ)/pch/emulated/cuda/pch.h.gch
$(filter %.cu.o,$(call emulated,checked) $(OBJ)/checked/tests/cuda/bugs.cu.o): $(OBJ)/pch/checked/cuda/pch.h.gch
$(OBJ)/pch/emulated/%.gch: %
	$(say)
	$(Q)$(CXX) $(EMULATED_FLAGS) -x c++-header $< -o $@
$(OBJ)/pch/checked/%.gch: %
	$(say)
	$(Q)$(CXX) $(CHECKED_FLAGS) -x c++-header $< -o $@
endif
test-emulated: $(CUDA_PROGRAMS) ##- the CUDA kernels on emulated threads, in several orders and with every access checked
	@FOLDER=$(BIN)/tests bash tests/cuda/emulated.sh
# debug-kernel: one op's kernel without optimisation, the rest as it is; gdb waits in one thread of its first kernel.
OP     ?= layernorm
THREAD ?= 0
$(BIN)/tests/debug-kernel: $(call objects,$(ENGINE) $(CUDA_TESTS)) $(filter-out %/cuda/$(OP).cu.o %/simt/cpu.cc.o,$(call emulated,emulated)) FORCE
	$(say)
	$(Q)$(CXX) $(FLAGS) -O0 -g -x c++ -c cuda/$(OP).cu -o $(OBJ)/emulated/debug.o
	$(Q)$(CXX) $(FLAGS) -g -c cuda/simt/cpu.cc -o $(OBJ)/emulated/debug-simt.o
	$(Q)$(CXX) $(FLAGS) $(filter %.o,$^) $(OBJ)/emulated/debug.o $(OBJ)/emulated/debug-simt.o -o $@ $(LIBS) -lgtest
debug-kernel: ## OP=layernorm [THREAD=0]: gdb inside one (emulated) CUDA thread of an op's kernel
	@[ -f "cuda/$$OP.cu" ] || { echo "debug-kernel: no kernel of that name; there are: $(patsubst cuda/%.cu,%,$(wildcard cuda/*.cu))"; exit 1; }
	@command -v gdb >/dev/null || bash tools/deps.sh gdb
	@$(MAKE) --no-print-directory -j$$(nproc) $(BIN)/tests/debug-kernel
	@bash tools/debug_kernel.sh $(BIN)/tests/debug-kernel "cuda/$$OP.cu" "$$THREAD"
# ---- on this machine's GPU -------------------------------------------------------------------------------------
on_gpu = $(if $(TOOLKIT),true,{ echo "$@: no CUDA toolkit of 12.4 or newer here: nothing was $(1) on a GPU"; exit 1; }); \
  ls /dev/nvidia[0-9]* /dev/dxg 2>/dev/null | grep -q . || { echo "$@: this machine has no NVIDIA GPU: nothing was $(1) on a GPU"; exit 1; }
test-gpu: ##- every kernel on this GPU against the CPU, replay, compute-sanitizer; writes data/evidence/
	@$(call on_gpu,tested)
	@$(MAKE) --no-print-directory GPU=native $(BIN)/tests/gpu
	@tools/parity.sh run $(BIN)/tests/gpu
	@tools/parity.sh sanitize $(BIN)/tests/gpu
first-hour: ##- build what tools/first_hour.sh needs on a bare machine with an H100 or H200; no GPU needed here
	@$(if $(TOOLKIT),true,{ echo "first-hour: no CUDA toolkit of 12.4 or newer here"; exit 1; })
	@$(MAKE) --no-print-directory MARCH=x86-64-v4 ONEDNN=0 GPU=90 build/x86-64-v4/tests/gpu build/x86-64-v4/bench-gpu
	@tools/first_hour.sh pack
# bench-gpu: PEER=script.py one more PyTorch peer of the training step   TEXTS=16 for a card with less memory
$(BIN)/bench-gpu: $(call objects,$(ENGINE) $(BENCH_GPU) tools/bench/gpu/main/bench_gpu.cc tools/options.cc) $(GPU_OBJS) $(LADDER:%=$(gpu_obj)/%.o)
bench-gpu: ##- time kernels, ladder, training and generation on this GPU beside PyTorch; writes data/evidence/
	@$(call on_gpu,timed)
	@$(MAKE) --no-print-directory GPU=native $(BIN)/bench-gpu
	@bash tools/bench/gpu.sh $(BIN)/bench-gpu
parity-changed: ##- list the CUDA files that have changed since they were last tested on a GPU
	@tools/parity.sh changed
.PHONY: cuda-compile cuda-cubins cuda-objects cuda-host cuda-budget first-hour debug-kernel test-emulated test-gpu bench-gpu parity-changed
