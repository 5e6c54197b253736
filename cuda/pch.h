// What every kernel includes, compiled once a build where kernels run on emulated threads (see
// PCH in the Makefile).
#include <algorithm>

#include "cuda/kernel.h"
