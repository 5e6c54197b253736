// Explanations as one HTML page that needs nothing beside it: no script, no font, no request to any host. It
// follows the reader's light or dark, and fits a telephone.
#pragma once
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "detect/explain.h"

namespace rum::detect {
// GLTR's view (Gehrmann et al. 2019) where a language model explains, the contributions for all.
std::string explanation_page(const Calibration&, std::span<const Explained>);
// Which part of a long text? The score of each window.
struct Windowed {
  Text text;
  std::vector<Window> windows;
};
// A page of long texts, each window in the colour of its score.
std::string windows_page(const Calibration&, std::span<const Windowed>);
}  // namespace rum::detect
