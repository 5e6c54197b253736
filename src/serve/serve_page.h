// The page that `ruminate serve` shows people at `/`.
#pragma once
#include <string>

namespace rum::serve {
std::string serve_page(const std::string& model, bool translation);
}  // namespace rum::serve
