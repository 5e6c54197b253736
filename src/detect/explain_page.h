// Explanations as one self-contained HTML page: no scripts, no fonts, no requests to any host. It follows the
// reader's light or dark mode and fits a phone.
#pragma once
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "detect/explain.h"

namespace rum::detect {
// GLTR's view (Gehrmann et al. 2019) if a language model explains, and the contributions in any case.
std::string explanation_page(const Calibration&, std::span<const Explained>);
// Which part of a long text? The score of each window.
struct Windowed {
  Text text;
  std::vector<Window> windows;
};
// A page of long texts: what looks machine-written is marked, below it the score of each window.
std::string windows_page(const Calibration&, std::span<const Windowed>);
}  // namespace rum::detect
