// The words of human text: whether a word is attested, and how much information it carries.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace rum::metrics {
class HumanText {
 public:
  // Lines of text, cut by words_v2 on all threads. Error with the byte offset when one is not UTF-8.
  void add(std::span<const std::string> lines);
  bool attests(std::string_view word) const { return count(word) > 0; }
  // log2(number of words / occurrences of this word), in bits; an unseen word counts as seen once.
  double information(std::string_view word) const;

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  int64_t count(std::string_view word) const {
    const auto at = counts_.find(word);
    return at == counts_.end() ? 0 : at->second;
  }
  std::unordered_map<std::string, int64_t, Hash, std::equal_to<>> counts_;
  int64_t words_ = 0;
};
}  // namespace rum::metrics
