# Ruminate. `make` lists the targets. The only build file; sources are found by themselves.
#   V=release|debug|asan|tsan  variants, side by side: release in build/, the others in build/$(V)/
#   MARCH=native  the processor to build for; any other builds beside it, in build/$(MARCH)/     ONEDNN=0  build without oneDNN
#   CUDA=1|0      link the CUDA kernels into the program or not; unset: where there is a toolkit and a GPU
#   GPU="80 90"   the GPU architectures to build for; newer cards compile the last one for themselves; unset: this
#                 machine's GPU, if it has one
#   DEV=1         a warning fails the build (for development)    VERBOSE=1     print the commands
.DEFAULT_GOAL := help
SHELL := /bin/bash
V     ?= release
MARCH ?= native
Q     := $(if $(VERBOSE),,@)
# Nobody's names run code. Those that a recipe takes from the environment are kept as they were typed, $ signs and all;
# settings that are pasted into commands hold none of a shell's signs.
NAMES    := CORPUS DATA SCALE GROUP N PREFIX DESTDIR OP THREAD FUZZ_SECONDS
SETTINGS := V MARCH ONEDNN CUDA GPU COMPILE_FOR OP
define LINE


endef
given = $(filter command environment,$(firstword $(origin $(1))))
signs = $(foreach s,; & | < > ( ) ` ' " \ $$,$(findstring $(s),$(value $(1)))) $(findstring $(LINE),$(value $(1)))
$(foreach s,$(SETTINGS),$(if $(call given,$(s)),$(if $(strip $(call signs,$(s))),$(error $(s) holds a sign that a shell would read))))
$(foreach n,$(NAMES),$(if $(call given,$(n)),$(eval override $(n) := $$(value $(n)))))
export $(NAMES)
OTHER := $(subst $() ,-,$(strip $(filter-out native,$(MARCH)) $(filter-out release,$(V))))
BIN   := build$(OTHER:%=/%)
OBJ   := build/obj/$(or $(OTHER),release)

# ---- what is there ---------------------------------------------------------------------------------------------
has    = $(shell printf '\#include <$(1)>\n' | $(CXX) -std=c++20 -x c++ -E - >/dev/null 2>&1 && echo 1)
ONEDNN ?= $(or $(call has,oneapi/dnnl/dnnl.hpp),0)
COMMIT := $(shell { git describe --always --dirty --abbrev=10 2>/dev/null || echo unknown; } | tr -cd 'A-Za-z0-9._/+-')
# CUDA: a toolkit older than 12.4 counts as absent. cuBLASLt is opened when the first product runs on a GPU.
NVCC     := $(firstword $(wildcard $(CUDA_HOME:%=%/bin/nvcc) /usr/local/cuda/bin/nvcc /usr/local/cuda-*/bin/nvcc /usr/lib/cuda/bin/nvcc))
NVCC_NEW := $(if $(NVCC),$(shell $(NVCC) --version | awk -F'[ ,.]+' '/release/ { for (i = 1; i < NF; ++i) if ($$i == "release") print ($$(i+1) * 100 + $$(i+2) >= 1204) }'))
TOOLKIT  := $(if $(wildcard cuda/backend.cu),$(filter 1,$(NVCC_NEW)))
CARD     := $(if $(wildcard /dev/nvidia[0-9]* /dev/dxg),$(shell nvidia-smi -L 2>/dev/null | head -n 1))
CUDA     ?= $(if $(TOOLKIT),$(if $(CARD),1,0),0)
GPU      ?= $(if $(CARD),native,80 90)
ifeq ($(CUDA)$(TOOLKIT),1)
$(error CUDA=1 needs a CUDA toolkit of 12.4 or newer: set CUDA_HOME to it)
endif

# ---- flags -----------------------------------------------------------------------------------------------------
WARN   := -Wall -Wextra -Wconversion $(if $(DEV),-Werror) -Winvalid-pch -Wno-stringop-overflow  # GCC 12 misreads fmt 9 when inlined
OPT_release := -O3 -g1
OPT_debug   := -O0 -g
OPT_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
OPT_tsan    := -O1 -g -fsanitize=thread
OPT_fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -Wno-unknown-warning-option
FLAGS  := -std=c++20 -fno-math-errno -fno-trapping-math $(OPT_$(V)) $(WARN) -Isrc -I. -MMD -MP -pthread
LIBS   := -lfmt -licuuc -lz -llzma -lcurl -lzstd -lbz2 $(if $(filter 1,$(ONEDNN)),-ldnnl -lgomp) -pthread
MACHINE  = $(shell $(CXX) -dumpmachine)
FEATURES = $(shell $(CXX) -march=$(MARCH) -dM -E -x c++ /dev/null | grep -oE '__(AVX512F|AVX512VL|AVX512BW|AVX512DQ|AVX512BF16|AVX512VNNI|AVX2|FMA|BMI2)__' | tr -d _ | tr A-Z a-z | sed 's/.*/X("&")/')

# ---- sources ---------------------------------------------------------------------------------------------------
ENGINE := $(filter-out $(if $(filter 1,$(ONEDNN)),,src/ops/gemm_onednn.cc),$(wildcard src/*/*.cc))
TOOLS  := tools/options.cc $(wildcard tools/commands/*.cc)
TESTS  := $(filter-out tests/cuda/%,$(wildcard tests/*.cc tests/*/*.cc))
BENCH  := $(wildcard tools/bench/*.cc)
BENCH_GPU := $(wildcard tools/bench/gpu/*.cc)
objects = $(patsubst %.cc,$(OBJ)/%.o,$(1))
gpu_obj  = $(OBJ)/gpu-$(subst $() ,-,$(GPU))
LADDER := $(wildcard cuda/ladder/*.cu)  # not in the program
KERNEL_TESTS := $(wildcard tests/cuda/*_test.cu) $(LADDER)
GPU_OBJS = $(patsubst %,$(gpu_obj)/%.o,$(wildcard cuda/*.cu))
GPU_LIBS = -L$(NVCC:%/bin/nvcc=%/lib64) -lcudart_static -ldl -lrt -Wl,-rpath,$(NVCC:%/bin/nvcc=%/lib64)
gencode  = -gencode arch=compute_$(1),code=$(2)_$(1)
ARCHS    = $(if $(filter native,$(GPU)),-arch=native,$(foreach a,$(GPU),$(call gencode,$(a),sm)) $(call gencode,$(lastword $(GPU)),compute))

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-14s %s\n", $$1, $$2}'

# ---- building --------------------------------------------------------------------------------------------------
all: $(BIN)/ruminate ## build the program, build/ruminate
$(BIN)/ruminate: $(call objects,$(ENGINE) tools/ruminate.cc $(TOOLS)) $(if $(filter 1,$(CUDA)),$(GPU_OBJS))
	@mkdir -p $(@D)
	@echo "  $@"
	$(Q)$(CXX) $(FLAGS) $^ -o $@ $(LIBS) $(if $(filter 1,$(CUDA)),$(GPU_LIBS))
	@echo "built for the CPU$(if $(filter 1,$(CUDA)), and CUDA,$(if $(TOOLKIT), alone$(if $(CARD),, (no GPU here)); CUDA=1 adds the CUDA kernels,: no CUDA toolkit of 12.4 or newer here))"
	@$(if $(filter 0,$(ONEDNN)),echo "built without oneDNN: bf16 training is slower (f32 uses our own products anyway); make deps installs it")
$(BIN)/bench: $(call objects,$(ENGINE) $(BENCH) tools/options.cc)
	@mkdir -p $(@D)
	@echo "  $@"
	$(Q)$(CXX) $(FLAGS) $^ -o $@ $(LIBS)
$(BIN)/tests/run: $(call objects,$(ENGINE) $(TESTS) tools/options.cc)
	@mkdir -p $(@D)
	@echo "  $@"
	$(Q)$(CXX) $(FLAGS) $^ -o $@ $(LIBS) -lgtest
# The engine and its tests alone: quick to build for another processor.
$(BIN)/tests/engine: $(call objects,$(filter src/base/% src/tensor/% src/autograd/% src/ops/%,$(ENGINE)) tests/main.cc \
    tests/formulas.cc $(addprefix tests/,$(addsuffix _test.cc,simd gemm attention attention_forms ops)))
	@mkdir -p $(@D)
	@echo "  $@"
	$(Q)$(CXX) $(FLAGS) $^ -o $@ $(LIBS) -lgtest
$(BIN)/tests/golden_cases: $(call objects,$(ENGINE) $(wildcard tests/golden/*.cc) tests/golden/main/golden_cases.cc)
	@mkdir -p $(@D)
	@echo "  $@"
	$(Q)$(CXX) $(FLAGS) $^ -o $@ $(LIBS)
$(BIN)/tests/smoke: $(call objects,$(ENGINE) $(wildcard tests/grammar/*.cc) tests/grammar/main/smoke.cc)
	@mkdir -p $(@D)
	@echo "  $@"
	$(Q)$(CXX) $(FLAGS) $^ -o $@ $(LIBS)
$(OBJ)/tests/%.o $(OBJ)/pch/tests/%.gch: private FLAGS += -O1 -g0
$(OBJ)/tests/%.o: private COMMON := tests/pch.h
$(OBJ)/src/metrics/%.o: private FLAGS += -ffp-contract=off  # the reference tools round every operation: so their last digit
$(OBJ)/%.o: %.cc
	@mkdir -p $(@D)
	@echo "  $@"
	$(Q)$(CXX) $(if $(PCH),-include $(OBJ)/pch/$(COMMON)) $(FLAGS) -march=$(MARCH) $(DEFINES) -c $< -o $@
# The headers that nearly everything includes are read once. Not by the other variants: these show a missing include.
COMMON := src/pch.h
PCH    := $(if $(filter release,$(V)),1)
ifdef PCH
$(call objects,$(ENGINE) $(TOOLS) $(BENCH) tools/ruminate.cc): $(OBJ)/pch/src/pch.h.gch
$(call objects,$(TESTS) tests/golden/main/golden_cases.cc tests/grammar/main/smoke.cc $(wildcard tests/cuda/*.cc)): $(OBJ)/pch/tests/pch.h.gch
$(OBJ)/pch/%.gch: %
	@mkdir -p $(@D)
	@echo "  $@"
	$(Q)$(CXX) $(FLAGS) -march=$(MARCH) -MD -x c++-header $< -o $@
endif
$(OBJ)/src/base/processor.o: src/base/processor.cc  # runs anywhere, and says what is missing
	@mkdir -p $(@D)
	@echo "  $@"
	$(Q)$(CXX) $(FLAGS) $(if $(findstring x86_64,$(MACHINE)),-march=x86-64) -DRUM_FEATURES='$(FEATURES)' -c $< -o $@
$(OBJ)/src/run/environment.o: private DEFINES = -DRUM_COMMIT='"$(COMMIT)"' -DRUM_MARCH='"$(MARCH)"'
$(OBJ)/src/run/environment.o: build/commit  # rebuilt when the commit changes
build/commit: FORCE
	@mkdir -p $(@D); echo '$(COMMIT)' | cmp -s - $@ || echo '$(COMMIT)' >$@
FORCE:
-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)

# ---- setting up ------------------------------------------------------------------------------------------------
PACKAGES := g++ libfmt-dev libgtest-dev libicu-dev zlib1g-dev liblzma-dev libzstd-dev libbz2-dev libcli11-dev \
            libtomlplusplus-dev nlohmann-json3-dev libcurl4-openssl-dev libdnnl-dev
deps: ## install the Debian packages that are missing (as root or with sudo; else it prints the command)
	@bash tools/deps.sh $(PACKAGES)

# make install PREFIX=$HOME/.local     DESTDIR=folder  before it, for packagers
PREFIX ?= /usr/local
install: ## install what make all has built, with the configs and bash's completion, to PREFIX=/usr/local
	@bash tools/install.sh $(BIN)/ruminate "$$DESTDIR$$PREFIX"

# ---- the main job ----------------------------------------------------------------------------------------------
#   make train                    pairs from Debian packages        CORPUS=tatoeba|europarl   other corpora
#   make train CORPUS=shakespeare characters of plays, then a passage
#   make train DATA=pairs.tsv     your own source<TAB>target lines
train: ## train a German-English translator on real text, then show its BLEU and translations
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@bash tools/train.sh "$${CORPUS:-debian}" "$${DATA:-}"

#   make reproduce                groups A to C at laptop scale   SCALE=laptop-debian|paper|smoke  other configs
#   make reproduce SCALE=remedies GROUP="D E"                     the remedies; some of the groups, an hour or so each
reproduce: ## the experiments of the paper: run them, or go on, then write the report (hours)
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$$(nproc) all $(if $(filter smoke,$(SCALE)),build/tests/smoke)
	@read -ra groups <<<"$${GROUP:-}" && bash tools/reproduce.sh "$${SCALE:-laptop}" "$${groups[@]}"

# ---- testing ---------------------------------------------------------------------------------------------------
CUDA_PROGRAMS := $(if $(wildcard cuda/simt.h tests/cuda/emulated.sh),$(addprefix $(BIN)/tests/,emulated checked bugs))
test: ## build and run all tests; the last line is `N passed, N failed, N skipped`
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$$(nproc) all build/tests/run build/tests/golden_cases $(CUDA_PROGRAMS)
	@$(MAKE) --no-print-directory -j$$(nproc) cuda-compile COMPILE_FOR=90
	@bash tests/run.sh build/tests/run $(if $(CUDA_PROGRAMS),tests/cuda/emulated.sh)
# All of it in parts; each is a target of its own, so that one can be repeated without the others.
PARTS := check test-long test-asan test-tsan fuzz mutants
test-all: ## check, test-long, test-asan, test-tsan, fuzz, mutants in turn (hours); the last line names what failed
	@failed=; for part in $(PARTS); do echo "== make $$part"; \
	  $(MAKE) --no-print-directory $$part || failed="$$failed $$part"; done; \
	if [ -n "$$failed" ]; then echo "test-all failed:$$failed"; exit 1; fi; echo "test-all passed: $(PARTS)"
test-long: ## make test with the long trials: 1,000 times kill -9 and the like
	@RUM_TEST_ALL=1 $(MAKE) --no-print-directory test
test-asan: EMULATED := $(if $(CUDA_PROGRAMS),build/asan/tests/emulated)
test-asan: ## the tests, those of the emulated kernels too, under AddressSanitizer and UndefinedBehaviorSanitizer
test-tsan: ## the tests under ThreadSanitizer
test-asan test-tsan: test-%:  # without oneDNN, whose locks ThreadSanitizer cannot see
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$$(nproc) V=$* ONEDNN=0 build/$*/ruminate build/$*/tests/run $(EMULATED)
	@SIMT_ORDER=random RUM_PROGRAM=build/$*/ruminate bash tests/run.sh build/$*/tests/run $(EMULATED)
check: ## order of folders, includes, kernel comments, format
	@bash tools/check.sh
mutants: ## seed defects in the engine, one at a time: the tests must notice 9 of 10 (an hour or more)
	@python3 tools/mutants.py --cxx "$(CXX)"
bench: ## speed beside the peers that are installed, as ratios
	@$(MAKE) --no-print-directory -j$$(nproc) build/bench all
	@bash tools/bench/run.sh

# ---- fuzzing: needs clang (libFuzzer) --------------------------------------------------------------------------
FUZZ_SECONDS ?= 60
FUZZ_CXX     ?= clang++
FUZZ   := $(patsubst tests/fuzz/%_fuzz.cc,%,$(wildcard tests/fuzz/*_fuzz.cc))
FUZZED := $(filter-out src/checkpoint/weights.cc,$(wildcard src/base/*.cc src/tensor/*.cc src/text/*.cc src/checkpoint/*.cc)) \
          src/data/corpus.cc src/run/config.cc src/pipeline/stage.cc src/edits/operation.cc src/experiment/config.cc \
          tests/fuzz/main/fuzz_main.cc  # what reads files; the vectors of the engine are GCC's
fuzz: ## every reader of files against libFuzzer, FUZZ_SECONDS=60 each
	@mkdir -p build/fuzz; echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' >build/fuzz/probe.cc
	@{ $(FUZZ_CXX) -fsanitize=fuzzer build/fuzz/probe.cc -o build/fuzz/probe; } >/dev/null 2>&1 || { \
	  echo "make fuzz needs clang++ with libFuzzer: install Debian's clang and libclang-rt-14-dev, or name one with FUZZ_CXX="; exit 1; }
	@$(MAKE) --no-print-directory -j$$(nproc) V=fuzz CXX="$(FUZZ_CXX)" ONEDNN=0 $(FUZZ:%=build/fuzz/%)
	@for t in $(FUZZ); do mkdir -p build/fuzz/found/$$t; echo "fuzzing $$t for $$FUZZ_SECONDS s"; \
	  build/fuzz/$$t -max_total_time="$$FUZZ_SECONDS" -rss_limit_mb=2048 -timeout=5 -max_len=8192 -verbosity=0 \
	    -print_final_stats=1 -artifact_prefix=build/fuzz/$$t- build/fuzz/found/$$t tests/fuzz/$$t || exit 1; done
	@echo "fuzz: nothing found in $(FUZZ)"
.PRECIOUS: build/obj/fuzz/%.o
build/fuzz/%: build/obj/fuzz/tests/fuzz/%_fuzz.o $(patsubst %.cc,build/obj/fuzz/%.o,$(FUZZED))
	@mkdir -p $(@D)
	@echo "  $@"
	$(Q)$(CXX) -fsanitize=fuzzer,address,undefined $^ -o $@ $(LIBS)

# ---- CUDA: optional; delete cuda/ and tests/cuda/ and the rest builds unchanged --------------------------------
# A kernel that spills registers, or puts an array into memory, is a failed build, but not on a user's own card.
$(gpu_obj)/%.o: %
	@mkdir -p $(@D)
	@echo "  $@"
	$(Q)$(NVCC) -std=c++20 -O3 $(ARCHS) -Isrc -I. -Xcompiler -Wall,-Wextra -Xptxas -v -MD -MP -c $< -o $@ >$@.log 2>&1 || { cat $@.log; exit 1; }
	@$(if $(filter native,$(GPU)),,! grep -B2 -E '[1-9][0-9]* bytes (spill|stack frame)' $@.log || { rm $@; exit 1; })
cuda-compile: ## compile every kernel for sm_80, sm_90 and sm_90a, fail on register spills (no GPU needed)
	@$(if $(TOOLKIT),$(MAKE) --no-print-directory GPU="$(or $(COMPILE_FOR),80 90 90a)" cuda-objects,echo "cuda-compile: no CUDA toolkit of 12.4 or newer here")
cuda-objects: $(GPU_OBJS) $(KERNEL_TESTS:%=$(gpu_obj)/%.o)

# The kernels are also compiled by g++ and run on emulated threads: build/tests/emulated, and build/tests/checked
# with every memory access checked (g++ -fsanitize=thread calls our own runtime, cuda/simt_check.cc; no libtsan).
CUDA_TESTS := $(wildcard tests/cuda/*.cc) $(BENCH_GPU)  # the benchmark runs at tiny sizes there
emulated    = $(patsubst %,$(OBJ)/$(1)/%.o,$(filter-out cuda/cublaslt.cu,$(wildcard cuda/*.cu)) $(KERNEL_TESTS) cuda/emulated_gemm.cc cuda/simt_cpu.cc)
checker     = $(OBJ)/checked/cuda/simt_check.cc.o
$(BIN)/tests/gpu: $(call objects,$(ENGINE) $(CUDA_TESTS)) $(GPU_OBJS) $(KERNEL_TESTS:%=$(gpu_obj)/%.o)
$(BIN)/tests/emulated: $(call objects,$(ENGINE) $(CUDA_TESTS)) $(call emulated,emulated)
$(BIN)/tests/checked: $(call objects,$(ENGINE) $(CUDA_TESTS)) $(call emulated,checked) $(checker)
$(BIN)/tests/bugs: $(OBJ)/checked/tests/cuda/bugs.cu.o $(OBJ)/checked/cuda/simt_cpu.cc.o $(checker) $(OBJ)/src/base/error.o
$(BIN)/bench-gpu $(addprefix $(BIN)/tests/,gpu emulated checked bugs):
	@mkdir -p $(@D)
	@echo "  $@"
	$(Q)$(CXX) $(FLAGS) $^ -o $@ $(LIBS) $(if $(filter %/bench-gpu,$@),,-lgtest) $(if $(filter %gpu,$@),$(GPU_LIBS))
$(OBJ)/emulated/%.o: %
	@mkdir -p $(@D)
	@echo "  $@"
	$(Q)$(CXX) $(FLAGS) -O2 -x c++ -c $< -o $@
$(OBJ)/checked/%.cu.o: %.cu
	@mkdir -p $(@D)
	@echo "  $@"
	$(Q)$(CXX) $(FLAGS) -O1 -fsanitize=thread -DSIMT_CHECK -x c++ -c $< -o $@
$(OBJ)/checked/%.cc.o: %.cc
	@mkdir -p $(@D)
	@echo "  $@"
	$(Q)$(CXX) $(FLAGS) -O2 -DSIMT_CHECK -c $< -o $@
test-emulated: $(CUDA_PROGRAMS) ## the CUDA kernels on emulated threads, in several orders and with every access checked
	@FOLDER=$(BIN)/tests bash tests/cuda/emulated.sh
# debug-kernel: one op's kernel without optimisation, the rest as it is; gdb waits in one thread of its first kernel.
OP     ?= layernorm
THREAD ?= 0
$(BIN)/tests/debug-kernel: $(call objects,$(ENGINE) $(CUDA_TESTS)) $(filter-out %/cuda/$(OP).cu.o %/simt_cpu.cc.o,$(call emulated,emulated)) FORCE
	@mkdir -p $(@D)
	@echo "  $@"
	$(Q)$(CXX) $(FLAGS) -O0 -g -x c++ -c cuda/$(OP).cu -o $(OBJ)/emulated/debug.o
	$(Q)$(CXX) $(FLAGS) -g -c cuda/simt_cpu.cc -o $(OBJ)/emulated/debug-simt.o
	$(Q)$(CXX) $(FLAGS) $(filter %.o,$^) $(OBJ)/emulated/debug.o $(OBJ)/emulated/debug-simt.o -o $@ $(LIBS) -lgtest
debug-kernel: ## OP=layernorm [THREAD=0]: gdb inside one emulated CUDA thread of an op's kernel
	@[ -f "cuda/$$OP.cu" ] || { echo "debug-kernel: no kernel of that name; there are: $(patsubst cuda/%.cu,%,$(wildcard cuda/*.cu))"; exit 1; }
	@command -v gdb >/dev/null || bash tools/deps.sh gdb
	@$(MAKE) --no-print-directory -j$$(nproc) $(BIN)/tests/debug-kernel
	@bash tools/debug_kernel.sh $(BIN)/tests/debug-kernel "cuda/$$OP.cu" "$$THREAD"
on_gpu = $(if $(TOOLKIT),true,{ echo "$@: no CUDA toolkit of 12.4 or newer here: nothing was $(1) on a GPU"; exit 1; }); \
  ls /dev/nvidia[0-9]* /dev/dxg 2>/dev/null | grep -q . || { echo "$@: this machine has no NVIDIA GPU: nothing was $(1) on a GPU"; exit 1; }
lab: ## N=3: a copy of the tree with one function left for you to write, and its tests; without N the list
	@bash tools/lab.sh "$${N:-list}"
test-gpu: ## every kernel on this machine's GPU against the CPU, replay, compute-sanitizer; writes data/evidence/
	@$(call on_gpu,tested)
	@$(MAKE) --no-print-directory GPU=native $(BIN)/tests/gpu
	@tools/parity.sh run $(BIN)/tests/gpu
	@tools/parity.sh sanitize $(BIN)/tests/gpu
# bench-gpu: PEER=script.py one more PyTorch peer of the training step   TEXTS=16 for a card with less memory
$(BIN)/bench-gpu: $(call objects,$(ENGINE) $(BENCH_GPU) tools/bench/gpu/main/bench_gpu.cc tools/options.cc) $(GPU_OBJS) $(LADDER:%=$(gpu_obj)/%.o)
bench-gpu: ## time kernels, ladder, training step and generation on this machine's GPU beside PyTorch; writes data/evidence/
	@$(call on_gpu,timed)
	@$(MAKE) --no-print-directory GPU=native $(BIN)/bench-gpu
	@bash tools/bench/gpu.sh $(BIN)/bench-gpu
parity-changed: ## the CUDA files that have changed since they were proven on a GPU
	@tools/parity.sh changed

clean: ## remove what was built (runs/ and data/cache/ stay)
	rm -rf build
.PHONY: FORCE help all deps install train reproduce test test-all test-long test-asan test-tsan check fuzz bench clean cuda-compile cuda-objects debug-kernel lab test-emulated test-gpu bench-gpu parity-changed mutants
