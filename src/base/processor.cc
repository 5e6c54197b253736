// A program built for one processor says so on another, instead of dying of an illegal instruction. This runs
// before all other code and is compiled for any x86-64 (see the Makefile), so nothing here may come from a
// header with code in it.
#if defined(__x86_64__) && defined(RUM_FEATURES)
extern "C" long write(int, const void*, unsigned long);
extern "C" void _exit(int);

namespace {
[[maybe_unused]] void say(const char* text) {  // x86-64-v2 has none of the features
  unsigned long n = 0;
  while (text[n] != 0) ++n;
  (void)!write(2, text, n);
}
__attribute__((constructor(101))) void check_processor() {
  __builtin_cpu_init();
#define X(feature)                                                       \
  if (!__builtin_cpu_supports(feature)) {                                \
    say("ruminate: this program was built for a processor with " feature \
        ", and this one has none; build it "                             \
        "here: make clean, then make all\n");                            \
    _exit(1);                                                            \
  }
  RUM_FEATURES
#undef X
}
}  // namespace
#endif
