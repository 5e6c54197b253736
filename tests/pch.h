// What every test includes, precompiled (see PCH in the Makefile).
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "src/pch.h"
