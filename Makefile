# Ruminate. `make` lists the targets. With tests/rules.mk and cuda/*.mk this is the whole build; it finds the sources
# by itself.
#   V=release|debug|asan|tsan  variants, kept side by side: release in build/, the others in build/$(V)/
#   MARCH=native  the processor to build for; any other is built beside it, in build/$(MARCH)/     ONEDNN=0  build without oneDNN
#   CUDA=1|0      link the CUDA kernels into the program or not; unset: where there is a toolkit and a GPU
#   GPU="80 90"   the GPU architectures to build for; newer cards compile the last one for themselves; unset: this
#                 machine's GPU, if it has one
#   DEV=1         a warning fails the build (for development)    VERBOSE=1     print the commands
.DEFAULT_GOAL := help
SHELL := /bin/bash
V     ?= release
MARCH ?= native
unexport CDPATH  # `cd tests` would go elsewhere
# No setting can run code, except those that name a program: CXX, FUZZ_CXX, CUDA_HOME, PYTHON. What is given on the command
# line or read from the environment by a recipe keeps its exact text, $ signs included; what is pasted into commands may not
# contain a shell's metacharacters.
NAMES    := CORPUS DATA SCALE GROUP N HINT RESET PREFIX DESTDIR OP THREAD FUZZ_SECONDS FUZZ_CXX
SETTINGS := V MARCH ONEDNN CUDA GPU CUDA_HOME DEV VERBOSE OP
define LINE


endef
given = $(filter command environment,$(firstword $(origin $(1))))
signs = $(foreach s,; & | < > ( ) ` ' " \ $$,$(findstring $(s),$(value $(1)))) $(findstring $(LINE),$(value $(1)))
$(foreach s,$(SETTINGS),$(if $(call given,$(s)),$(if $(strip $(call signs,$(s))),$(error $(s) holds a sign that a shell would read))))
typed := $(foreach v,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $v))),$v))
$(foreach n,$(sort $(NAMES) $(typed)),$(if $(call given,$(n)),$(eval override export $(n) := $$(value $(n)))))
one_of = $(if $(filter 11,$(words $($(1)))$(words $(filter $(2),$($(1))))),,$(error $(1)=$($(1)): expected $(3)))
$(call one_of,V,release debug asan tsan fuzz,release or debug or asan or tsan; VERBOSE=1 prints the commands)
$(if $(filter-out 1,$(words $(MARCH)))$(findstring /,$(MARCH))$(findstring ..,$(MARCH)),$(error MARCH=$(MARCH): expected one processor as g++ -march names it))
Q     := $(if $(VERBOSE),,@)
OTHER := $(subst $() ,-,$(strip $(filter-out native,$(MARCH)) $(filter-out release,$(V))))
BIN   := build$(OTHER:%=/%)
OBJ   := build/obj/$(or $(OTHER),release)

# ---- what is there ---------------------------------------------------------------------------------------------
has    = $(shell printf '\#include <$(1)>\n' | $(CXX) -std=c++20 -x c++ -E - >/dev/null 2>&1 && echo 1)
ONEDNN ?= $(or $(call has,oneapi/dnnl/dnnl.hpp),0)
ONEDNN := $(ONEDNN)
COMMIT := $(shell { git describe --always --dirty --abbrev=10 2>/dev/null || echo unknown; } | tr -cd 'A-Za-z0-9._/+-')
-include cuda/toolkit.mk
CUDA ?= 0
$(foreach s,CUDA ONEDNN,$(call one_of,$s,0 1,1 or 0$(if $(filter CUDA,$s), (CUDA_HOME names the folder of a toolkit))))
$(if $(filter 1,$(CUDA)$(TOOLKIT)),$(error CUDA=1 needs a CUDA toolkit of 12.4 or newer: set CUDA_HOME to it))

# ---- flags -----------------------------------------------------------------------------------------------------
WARN   := -Wall -Wextra -Wconversion $(if $(DEV),-Werror) -Winvalid-pch -Wno-stringop-overflow  # GCC 12 misreads fmt 9 when inlined
OPT_release := -O3 -g1 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong
OPT_debug   := -O0 -g
OPT_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
OPT_tsan    := -O1 -g -fsanitize=thread
OPT_fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -Wno-unknown-warning-option
LINKED := -Wl,-z,relro,-z,now  # after loading, the relocation tables are read-only
# When tuning for some processors, GCC splits some chained FMAs: the same sum would get other bits. And it spends 7 % of its
# time on collecting garbage, unless it may hold more than its usual 128 MB first.
FOR_GCC := $(if $(findstring clang,$(shell $(CXX) --version)),,--param avoid-fma-max-bits=0 --param ggc-min-heapsize=262144)
FLAGS  := -std=c++20 -fno-math-errno -fno-trapping-math $(FOR_GCC) $(OPT_$(V)) $(WARN) -Isrc -I. -MMD -MP -pthread
LIBS   := $(LINKED) -lfmt -licuuc -lz -llzma -lcurl -lzstd -lbz2 -lcpp-httplib -ledit $(if $(filter 1,$(ONEDNN)),-ldnnl -lgomp) -pthread
MACHINE  = $(shell $(CXX) -dumpmachine)
FEATURES = $(shell $(CXX) -march=$(MARCH) -dM -E -x c++ /dev/null | grep -oE '__(AVX512F|AVX512VL|AVX512BW|AVX512DQ|AVX512BF16|AVX512VNNI|AVX2|FMA|BMI2)__' | tr -d _ | tr A-Z a-z | sed 's/.*/X("&")/')

# ---- sources ---------------------------------------------------------------------------------------------------
ENGINE := $(filter-out $(if $(filter 1,$(ONEDNN)),,src/ops/gemm_onednn.cc),$(wildcard src/*/*.cc))
TOOLS  := tools/options.cc $(wildcard tools/commands/*.cc)
TESTS  := $(filter-out tests/cuda/%,$(wildcard tests/*.cc tests/*/*.cc))
BENCH  := $(wildcard tools/bench/*.cc)
BENCH_GPU := $(wildcard tools/bench/gpu/*.cc)
# Only hot code is fully optimised: not folders that mostly wait, nor commands and tests. Of these, and of src/data/ and src/generate/,
# several files are compiled at once, so that headers and templates are read once: a folder, or in tests/ the files with
# the same first letter. The other variants compile each file alone, and so find missing includes.
ifeq ($(V),release)
HOT  := checkpoint/stored_weights checkpoint/weights detect/likelihood detect/linear detect/logistic detect/ngrams detect/precondition detect/states \
        edits/ibm1 huggingface/weights
COLD := $(filter-out $(HOT:%=src/%.cc),$(wildcard $(patsubst %,src/%/*.cc,checkpoint detect edits experiment huggingface page pipeline run serve train)))
BATCHED := $(filter-out src/run/environment.cc,$(COLD)) $(wildcard src/data/*.cc src/generate/*.cc) \
           $(wildcard tools/commands/*.cc tests/*_test.cc tests/golden/*_cases.cc tests/cuda/*_test.cc)
BATCHES := $(filter-out tests/,$(sort $(dir $(BATCHED)))) $(addprefix tests/,$(shell cd ./tests && printf '%.1s\n' *_test.cc | sort -u))
endif
batch   = $(filter $(wildcard $(1)*.cc),$(BATCHED))
alone   = $(patsubst %.cc,$(OBJ)/%.o,$(1))
objects = $(call alone,$(filter-out $(BATCHED),$(1))) $(foreach b,$(BATCHES),$(if $(filter $(call batch,$b),$(1)),$(OBJ)/$b+.o))
in_build = $(if $(OTHER),$(error make $@ uses what is built in build/ itself: leave V and MARCH out))
say     = @mkdir -p $(@D) && echo "  $@"  # the beginning of each recipe that makes a file
link    = $(say)$(LINE)$(Q)$(CXX) $(FLAGS) $^ -o $@ $(LIBS)

help: ## this list
	@awk -F':.*##-? ' '/^[a-z-]+:.*##-? / { line = sprintf("  make %-15s %s\n", $$1, $$2); if (/##- /) more = more line; else list = list line } \
	  END { printf "%s\nfor developers\n%s", list, more }' Makefile tests/rules.mk $(wildcard cuda/rules.mk)

# ---- building --------------------------------------------------------------------------------------------------
all: $(BIN)/ruminate ## build the program, build/ruminate
$(BIN)/ruminate: $(call objects,$(ENGINE) tools/ruminate.cc $(TOOLS)) $(if $(filter 1,$(CUDA)),$(GPU_OBJS))
	$(link) $(if $(filter 1,$(CUDA)),$(GPU_LIBS))
	@echo "built for the CPU$(if $(filter 1,$(CUDA)), and CUDA,$(if $(TOOLKIT), alone$(if $(CARD),, (no GPU here)); CUDA=1 adds the CUDA kernels,: no CUDA toolkit of 12.4 or newer here))"
	@$(if $(filter 0,$(ONEDNN)),echo "built without oneDNN: bf16 training is slower (f32 uses our own products anyway); make deps installs it")
$(BIN)/bench: $(call objects,$(ENGINE) $(BENCH) tools/options.cc)
	$(link)
$(BIN)/hello: $(call objects,$(filter $(patsubst %,src/%/%.cc,base tensor autograd ops),$(ENGINE)) tools/examples/hello.cc)
	$(link)
$(OBJ)/src/metrics/%.o: private FLAGS += -ffp-contract=off  # as the reference tools round every operation: same last digit
$(OBJ)/src/ops/int8.o: private FLAGS += -ffp-contract=off  # same bits with and without fused multiply-adds
compile = $(say)$(LINE)$(Q)$(CXX) $(if $(PCH),-include $(OBJ)/pch/$(COMMON)) $(FLAGS) -march=$(MARCH) $(DEFINES) -c $< -o $@
$(OBJ)/%.o: %.cc
	$(compile)
$(BATCHES:%=$(OBJ)/%+.o): %.o: %.cc
	$(compile)
$(BATCHES:%=$(OBJ)/%+.cc): $(OBJ)/%+.cc: FORCE  # rewritten when a file is added or removed
	@mkdir -p $(@D); list() { printf '#include "%s"\n' $(call batch,$*); }; list | cmp -s - $@ || list >$@
# The headers that nearly everything includes are precompiled, and cold code is barely optimised (GCC 12 then gives false
# warnings for variants and <regex>, hence the disabled one); not in the other variants, which find missing includes.
COMMON := src/pch.h
PCH    := $(filter release,$(V))
$(OBJ)/tests/%.o: private COMMON := tests/pch.h
ifdef PCH
WAITING := $(call objects,$(COLD) src/text/toml.cc $(TOOLS) $(BENCH_GPU))
$(WAITING) $(OBJ)/pch/cold/%.gch: private FLAGS += -Og -Wno-maybe-uninitialized
$(WAITING): private COMMON := cold/src/pch.h
$(WAITING): $(OBJ)/pch/cold/src/pch.h.gch
$(OBJ)/tests/%.o $(OBJ)/pch/tests/%.gch: private FLAGS += -Og -g0 -Wno-maybe-uninitialized
$(call objects,$(ENGINE) $(TOOLS) $(BENCH) tools/ruminate.cc tools/examples/hello.cc): $(OBJ)/pch/src/pch.h.gch
$(call objects,$(TESTS) tests/golden/main/golden_cases.cc tests/grammar/main/smoke.cc $(wildcard tests/cuda/*.cc)) $(call alone,$(TESTS)): $(OBJ)/pch/tests/pch.h.gch
precompile = $(say)$(LINE)$(Q)$(CXX) $(FLAGS) -march=$(MARCH) -MD -x c++-header $< -o $@
$(OBJ)/pch/cold/%.gch: %
	$(precompile)
$(OBJ)/pch/%.gch: %
	$(precompile)
endif
$(OBJ)/src/base/processor.o: src/base/processor.cc  # runs on any processor, and says which features are missing
	$(say)
	$(Q)$(CXX) $(FLAGS) $(if $(findstring x86_64,$(MACHINE)),-march=x86-64) -DRUM_FEATURES='$(FEATURES)' -c $< -o $@
$(OBJ)/src/run/environment.o: private DEFINES = -DRUM_COMMIT='"$(COMMIT)"' -DRUM_MARCH='"$(MARCH)"'
$(OBJ)/src/run/environment.o: build/commit  # rebuilt when the commit changes
build/commit: FORCE
	@mkdir -p $(@D); echo '$(COMMIT)' | cmp -s - $@ || echo '$(COMMIT)' >$@
FORCE:
-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)

# ---- setting up ------------------------------------------------------------------------------------------------
PACKAGES := g++ libfmt-dev libgtest-dev libicu-dev zlib1g-dev liblzma-dev libzstd-dev libbz2-dev libcli11-dev \
            libtomlplusplus-dev nlohmann-json3-dev libcurl4-openssl-dev libcpp-httplib-dev libedit-dev libdnnl-dev
deps: ## install the Debian packages that are missing (as root or with sudo; else it prints the command)
	@bash tools/deps.sh $(PACKAGES)
PREFIX ?= /usr/local
install: ## install what `make all` built, the configs and bash's completion to PREFIX=/usr/local (packagers: DESTDIR=)
	@bash tools/install.sh $(BIN)/ruminate "$$DESTDIR$$PREFIX"
deb: ## a Debian package of what `make all` built; with MARCH=x86-64-v3 in both commands, for other processors
	@bash tools/deb.sh $(BIN)/ruminate $(BIN)/ruminate.deb

# ---- the main job ----------------------------------------------------------------------------------------------
train: deps ## [CORPUS=tatoeba|europarl|shakespeare] [DATA=pairs.tsv]: train a German-English translator on real text (minutes)
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@RUMINATE=$(BIN)/ruminate bash tools/train.sh "$${CORPUS:-debian}" "$${DATA:-}"
reproduce: deps ## [SCALE=remedies|...] [GROUP="D E"]: run, or resume, the paper's experiments and write the report (hours)
	@$(MAKE) --no-print-directory -j$$(nproc) all $(if $(filter smoke,$(SCALE)),$(BIN)/tests/smoke)
	@read -ra groups <<<"$${GROUP:-}" && RUMINATE=$(BIN)/ruminate bash tools/reproduce.sh "$${SCALE:-laptop}" "$${groups[@]}"
lab: ## N=3 [HINT=1|2|3] [RESET=1]: an exercise, one function for you to write, and its tests; without N the list
	@$(in_build)
	@bash tools/lab.sh "$${N:-list}"

bench: ##- speed relative to the peers that are installed
	@$(MAKE) --no-print-directory -j$$(nproc) $(BIN)/bench $(BIN)/ruminate
	@bash tools/bench/run.sh $(BIN)/bench $(BIN)/ruminate
bench-scale: $(BIN)/ruminate ##- memory and time per further byte or pair, at 1, 4 and 16 times the work
	@python3 tools/bench/scale.py $(BIN)/ruminate

include tests/rules.mk
-include cuda/rules.mk
export $(NAMES)  # after their defaults: exporting a name gives it a value, if an empty one, for ?=

clean: ## remove what was built; runs/ and data/cache/ stay
	rm -rf build
.PHONY: FORCE help all deps install deb train reproduce lab bench bench-scale clean
