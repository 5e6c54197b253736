// Attention weights as pictures: a small one for each layer and head, large with its tokens
// when it is opened.
#pragma once
#include <span>
#include <string>
#include <vector>

namespace rum::page {
struct AttentionPicture {                  // of one layer
  std::string name;                        // "layer 1"
  std::vector<std::string> rows, columns;  // labels: who looks, and at what
  std::vector<std::vector<float>> heads;   // of each (rows x columns), each row with the sum 1
};
// Rows of pictures; HTML without a script. Names are plain text; `id` is the figure's own on its page.
std::string attention_html(const std::string& id, std::span<const AttentionPicture>);
}  // namespace rum::page
