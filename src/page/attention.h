// Attention weights as pictures: a small one for each layer and head, which opens into a large one with
// tokens.
#pragma once
#include <span>
#include <string>
#include <vector>

namespace rum::page {
struct AttentionPicture {                  // of one layer
  std::string name;                        // "layer 1"
  std::vector<std::string> rows, columns;  // labels: queries and keys
  std::vector<std::vector<float>> heads;   // (rows x columns) each; every row sums to 1
};
// Rows of pictures as HTML without scripts. Names are plain text; `id` must be unique on the page.
std::string attention_html(const std::string& id, std::span<const AttentionPicture>);
}  // namespace rum::page
