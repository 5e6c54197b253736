# Ruminate. `make` lists the targets. The only build file; sources are found by themselves.
#   V=release|debug|asan|tsan  variants, side by side: release in build/, the others in build/$(V)/
#   MARCH=native  the processor to build for        ONEDNN=0  CUDA=0  build without
.DEFAULT_GOAL := help
SHELL := /bin/bash
V     ?= release
MARCH ?= native
BIN   := build$(if $(filter-out release,$(V)),/$(V))
OBJ   := build/obj/$(V)

# ---- what is there ---------------------------------------------------------------------------------------------
has    = $(shell printf '\#include <$(1)>\n' | $(CXX) -std=c++20 -x c++ -E - >/dev/null 2>&1 && echo 1)
ONEDNN ?= $(or $(call has,oneapi/dnnl/dnnl.hpp),0)
COMMIT := $(shell git describe --always --dirty --abbrev=10 2>/dev/null || echo unknown)

# ---- flags -----------------------------------------------------------------------------------------------------
WARN   := -Wall -Wextra -Wconversion -Werror -Wno-stringop-overflow  # GCC 12 misreads fmt 9 when inlined
OPT_release := -O3 -g1
OPT_debug   := -O0 -g
OPT_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
OPT_tsan    := -O1 -g -fsanitize=thread
FLAGS  := -std=c++20 -fno-math-errno -fno-trapping-math $(OPT_$(V)) $(WARN) -Isrc -I. -MMD -MP -pthread
LIBS   := -lfmt -licuuc -lz -llzma $(if $(filter 1,$(ONEDNN)),-ldnnl -lgomp) -pthread
FEATURES = $(shell $(CXX) -march=$(MARCH) -dM -E -x c++ /dev/null | grep -oE '__(AVX512F|AVX512VL|AVX512BW|AVX512DQ|AVX512BF16|AVX512VNNI|AVX2|FMA|BMI2)__' | tr -d _ | tr A-Z a-z | sed 's/.*/X("&")/')

# ---- sources ---------------------------------------------------------------------------------------------------
ENGINE := $(filter-out $(if $(filter 1,$(ONEDNN)),,src/ops/gemm_onednn.cc),$(wildcard src/*/*.cc))
TOOLS  := tools/options.cc $(wildcard tools/commands/*.cc)
TESTS  := $(wildcard tests/*.cc tests/*/*.cc)
BENCH  := $(wildcard tools/bench/*.cc)
objects = $(patsubst %.cc,$(OBJ)/%.o,$(1))

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

# ---- building --------------------------------------------------------------------------------------------------
all: $(BIN)/ruminate ## build the program, build/ruminate
$(BIN)/ruminate: $(call objects,$(ENGINE) tools/ruminate.cc $(TOOLS))
	$(CXX) $(FLAGS) $^ -o $@ $(LIBS)
	$(if $(filter 1,$(ONEDNN)),,@echo "built without oneDNN: matrix products are our own, somewhat slower; \`make deps\` installs it")
$(BIN)/tests/run: $(call objects,$(ENGINE) tools/options.cc $(TESTS))
	@mkdir -p $(@D)
	$(CXX) $(FLAGS) $^ -o $@ $(LIBS) -lgtest
$(BIN)/bench: $(call objects,$(ENGINE) $(BENCH) tools/options.cc)
	$(CXX) $(FLAGS) $^ -o $@ $(LIBS)
$(OBJ)/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(FLAGS) -march=$(MARCH) $(DEFINES) -c $< -o $@
$(OBJ)/src/base/processor.o: src/base/processor.cc
	@mkdir -p $(@D)
	$(CXX) $(FLAGS) -march=x86-64 -DRUM_FEATURES='$(FEATURES)' -c $< -o $@
$(OBJ)/src/train/environment.o: DEFINES = -DRUM_COMMIT='"$(COMMIT)"' -DRUM_MARCH='"$(MARCH)"'
-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)

# ---- setting up ------------------------------------------------------------------------------------------------
PACKAGES := g++ libfmt-dev libgtest-dev libicu-dev zlib1g-dev liblzma-dev libcli11-dev libtomlplusplus-dev \
            nlohmann-json3-dev libdnnl-dev
deps: ## install the Debian packages that are missing (as root or with sudo; else it prints the command)
	@bash tools/deps.sh $(PACKAGES)

# ---- the main job ----------------------------------------------------------------------------------------------
#   make train                    pairs from Debian packages        CORPUS=tatoeba|europarl   other corpora
#   make train DATA=pairs.tsv     your own source<TAB>target lines
train: ## train a German-English translator on real text, then show its BLEU and translations
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@bash tools/train.sh "$(or $(CORPUS),debian)" "$(DATA)"

# ---- testing ---------------------------------------------------------------------------------------------------
test: ## build and run all tests; the last line is `N passed, N failed, N skipped`
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$$(nproc) all build/tests/run
	@bash tests/run.sh build/tests/run
test-all: ## all of it: long trials, sanitizers, fuzzing, mutants (hours)
	@$(MAKE) --no-print-directory test
bench: ## speed beside the peers that are installed, as ratios
	@$(MAKE) --no-print-directory -j$$(nproc) build/bench all
	@bash tools/bench/run.sh

clean: ## remove what was built (runs/ and data/cache/ stay)
	rm -rf build
.PHONY: help all deps train test test-all bench clean
