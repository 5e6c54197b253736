# Tests, the Makefile's second part: their programs, `make test`, and the long checks of `make test-all`.

# ---- programs --------------------------------------------------------------------------------------------------
$(BIN)/tests/run: $(call objects,$(ENGINE) $(TESTS) tools/options.cc)
	$(link) -lgtest
# Only the engine and its tests: quick to build for another processor.
$(BIN)/tests/engine: $(call alone,$(filter src/base/% src/tensor/% src/autograd/% src/ops/%,$(ENGINE)) tests/main.cc \
    tests/formulas.cc $(addprefix tests/,$(addsuffix _test.cc,simd gemm int8 attention ops)))
	$(link) -lgtest
$(BIN)/tests/golden_cases: $(call objects,$(ENGINE) $(wildcard tests/golden/*.cc) tests/golden/main/golden_cases.cc)
	$(link)
$(BIN)/tests/smoke: $(call objects,$(ENGINE) $(wildcard tests/grammar/*.cc) tests/grammar/main/smoke.cc)
	$(link)

# ---- testing ---------------------------------------------------------------------------------------------------
CUDA_PROGRAMS := $(if $(wildcard cuda/simt/simt.h tests/cuda/emulated.sh),$(addprefix $(BIN)/tests/,emulated checked bugs))
test: deps ## build and run all tests; the last line is `N passed, N failed, N skipped`
	@$(if $(filter release,$(V)),,$(error make test has no variant: make test-asan and make test-tsan run the tests with sanitizers))
	@$(MAKE) --no-print-directory -j$$(nproc) all $(BIN)/tests/run $(BIN)/tests/golden_cases $(CUDA_PROGRAMS)
	@$(if $(CUDA_PROGRAMS),$(MAKE) --no-print-directory -j$$(nproc) cuda-host)
	@RUM_PROGRAM=$(BIN)/ruminate FOLDER=$(BIN)/tests bash tests/run.sh $(BIN)/tests/run $(if $(CUDA_PROGRAMS),tests/cuda/emulated.sh)
# Each part has its own target, so that it can be repeated alone.
PARTS := check test-long portable test-asan test-tsan fuzz mutants
test-all: ##- check, test-long, portable, test-asan, test-tsan, fuzz, mutants in turn (hours); the last line names what failed
	@failed=; for part in $(PARTS); do echo "== make $$part"; \
	  $(MAKE) --no-print-directory $$part || failed="$$failed $$part"; done; \
	if [ -n "$$failed" ]; then echo "test-all failed:$$failed"; exit 1; fi; echo "test-all passed: $(PARTS)"
test-long: ##- `make test` with the long trials, such as kill -9 a thousand times
	@RUM_TEST_ALL=1 $(MAKE) --no-print-directory test
test-asan: EMULATED := $(if $(CUDA_PROGRAMS),build/asan/tests/emulated)
test-asan: ##- the tests, including those of the emulated kernels, under AddressSanitizer and UndefinedBehaviorSanitizer
test-tsan: ##- the tests under ThreadSanitizer
test-asan test-tsan: test-%:  # without oneDNN, whose locks ThreadSanitizer cannot see
	@$(in_build)
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$$(nproc) V=$* ONEDNN=0 build/$*/ruminate build/$*/tests/run $(EMULATED)
	@SIMT_ORDER=random RUM_PROGRAM=build/$*/ruminate bash tests/run.sh build/$*/tests/run $(EMULATED)
portable: ##- the engine for other processors: five of x86-64, and two of 64-bit ARM under qemu
	@bash tests/portable.sh
check: ##- order of folders, includes, kernel comments, README's paths, format
	@bash tools/check.sh
mutants: ##- plant defects in the engine, one at a time: the tests must notice 9 of 10 (an hour or more)
	@python3 tools/mutants.py --cxx "$(CXX)"

# ---- fuzzing: needs clang (libFuzzer) --------------------------------------------------------------------------
FUZZ_SECONDS ?= 60
FUZZ_CXX     ?= clang++
FUZZ   := $(patsubst tests/fuzz/%_fuzz.cc,%,$(wildcard tests/fuzz/*_fuzz.cc))
FUZZED := $(filter-out src/checkpoint/stored_weights.cc src/checkpoint/weights.cc,$(wildcard src/base/*.cc src/tensor/*.cc src/text/*.cc src/checkpoint/*.cc)) \
          $(wildcard src/metrics/*.cc) src/data/corpus.cc src/run/config.cc src/run/environment.cc src/pipeline/stage.cc \
          src/edits/operation.cc src/experiment/chain.cc src/experiment/config.cc src/experiment/measures.cc \
          src/generate/choose.cc $(wildcard src/huggingface/jinja*.cc) \
          tests/fuzz/main/fuzz_main.cc  # only readers of files; the engine's vectors need GCC
fuzz: ##- every reader of files against libFuzzer, FUZZ_SECONDS=60 each
	@$(in_build)
	@MAKE="$(MAKE)" bash tests/fuzz/run.sh "$$FUZZ_CXX" $(FUZZ)
.PRECIOUS: build/obj/fuzz/%.o
build/fuzz/%: build/obj/fuzz/tests/fuzz/%_fuzz.o $(patsubst %.cc,build/obj/fuzz/%.o,$(FUZZED))
	$(say)
	$(Q)$(CXX) -fsanitize=fuzzer,address,undefined $^ -o $@ $(LIBS)
.PHONY: test test-all test-long test-asan test-tsan portable check fuzz mutants
