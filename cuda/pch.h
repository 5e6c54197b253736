// What every kernel includes, precompiled for the builds that run kernels on emulated threads (PCH in the
// Makefile).
#include <algorithm>

#include "cuda/kernel.h"
