// Numbers as small pictures inside a page.
#pragma once
#include <cstdint>
#include <span>
#include <string>

namespace rum::page {
// rows x columns numbers from 0 (transparent) to 1 (a full blue), one pixel each, as a data: URI of a PNG.
std::string png_uri(int64_t rows, int64_t columns, std::span<const float> weights);
// As RFC 4648 has it, filled up with "=".
std::string base64(std::span<const uint8_t>);
}  // namespace rum::page
