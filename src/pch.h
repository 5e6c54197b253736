// What nearly every source includes, compiled once a build (see PCH in the Makefile): a third of the
// compiler's time. Sources still include what they use: the sanitizers' builds go without this file.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>
