# Ruminate. `make` prints the targets. The only build file; sources are found by themselves.
#   V=release|debug|asan|tsan   variants, side by side under build/ (release: build/ itself)
#   MARCH=native                the processor to build for; ONEDNN=0, CUDA=0 build without
#   GPU=80,90                   the GPU architectures to build for (newer ones compile the newest at first use)
.DEFAULT_GOAL := help
SHELL := /bin/bash
V      ?= release
MARCH  ?= native
BIN    := build$(if $(filter-out release,$(V)),/$(V))
OBJ    := build/obj/$(V)

# ---- what is there -----------------------------------------------------------------------------------------
has     = $(shell printf '\#include <$(1)>\n' | $(CXX) -std=c++20 -x c++ -E - >/dev/null 2>&1 && echo 1)
ONEDNN ?= $(or $(call has,oneapi/dnnl/dnnl.hpp),0)

# ---- flags -------------------------------------------------------------------------------------------------
WARN   := -Wall -Wextra -Wconversion -Werror
OPT_release := -O3 -g1
OPT_debug   := -O0 -g
OPT_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
OPT_tsan    := -O1 -g -fsanitize=thread
FLAGS  := -std=c++20 -march=$(MARCH) -fno-math-errno -fno-trapping-math $(OPT_$(V)) $(WARN) -Isrc -I. -MMD -MP -pthread
LIBS   := -lfmt -licuuc -lz -llzma $(if $(filter 1,$(ONEDNN)),-ldnnl -lgomp) -pthread
# A program built for this processor says so on another one instead of dying of an illegal instruction.
FEATURES := $(shell $(CXX) -march=$(MARCH) -dM -E -x c++ /dev/null 2>/dev/null | grep -oE '__(AVX512F|AVX512BF16|AVX512VNNI|AVX2|FMA)__' | tr 'A-Z' 'a-z' | tr -d _ | sort)

# ---- sources -----------------------------------------------------------------------------------------------
ENGINE := $(filter-out $(if $(filter 1,$(ONEDNN)),,src/ops/gemm_onednn.cc),$(wildcard src/*/*.cc))
TOOLS  := $(wildcard tools/commands/*.cc) tools/options.cc
TESTS  := $(filter-out tests/cuda/%,$(wildcard tests/*.cc tests/*/*.cc))
BENCH  := $(wildcard tools/bench/*.cc)
objects = $(patsubst %.cc,$(OBJ)/%.o,$(1))

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

all: $(BIN)/ruminate ## build the program
$(BIN)/ruminate: $(call objects,$(ENGINE) $(wildcard tools/ruminate.cc) $(wildcard $(TOOLS)))
	$(CXX) $(FLAGS) $^ -o $@ $(LIBS)
$(BIN)/tests/run: $(call objects,$(ENGINE) $(TESTS))
	@mkdir -p $(@D)
	$(CXX) $(FLAGS) $^ -o $@ $(LIBS) -lgtest
$(OBJ)/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(FLAGS) -c $< -o $@
-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)

# ---- CUDA: optional; delete cuda/ and tests/cuda/ and the rest builds unchanged ----------------------------
# The kernels are also compiled by g++ and run on emulated threads: build/tests/emulated, and build/tests/checked
# with every memory access checked (g++ -fsanitize=thread calls our own runtime, cuda/simt_check.cc; no libtsan).
CUDA_CC    := $(wildcard cuda/*.cu)
CUDA_TESTS := $(wildcard tests/cuda/*.cc)
emulated    = $(patsubst %,$(OBJ)/$(1)/%.o,$(filter-out cuda/cublaslt.cu,$(CUDA_CC)) cuda/emulated_gemm.cc cuda/simt_cpu.cc)
$(BIN)/tests/emulated: $(call objects,$(ENGINE) $(CUDA_TESTS)) $(call emulated,emulated)
$(BIN)/tests/checked: $(call objects,$(ENGINE) $(CUDA_TESTS)) $(call emulated,checked) $(OBJ)/checked/cuda/simt_check.cc.o
$(BIN)/tests/bugs: $(OBJ)/checked/tests/cuda/bugs.cu.o $(OBJ)/checked/cuda/simt_cpu.cc.o $(OBJ)/checked/cuda/simt_check.cc.o $(OBJ)/src/base/error.o
$(BIN)/tests/emulated $(BIN)/tests/checked $(BIN)/tests/bugs:
	@mkdir -p $(@D)
	$(CXX) $(FLAGS) $^ -o $@ $(LIBS) -lgtest -ldl
$(OBJ)/emulated/%.o: %
	@mkdir -p $(@D)
	$(CXX) $(FLAGS) -O2 -x c++ -c $< -o $@
$(OBJ)/checked/%.cu.o: %.cu
	@mkdir -p $(@D)
	$(CXX) $(FLAGS) -O1 -fsanitize=thread -DSIMT_CHECK -x c++ -c $< -o $@
$(OBJ)/checked/%.cc.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(FLAGS) -O2 -DSIMT_CHECK -c $< -o $@

clean: ## remove what was built (runs/ and data/cache/ stay)
	rm -rf build
.PHONY: help all clean
