#include "edits/spelling.h"

#include <map>

#include "text/unicode.h"
#include "text/words.h"

namespace rum::edits {
std::vector<MarkedWord> marked_words(std::string_view line) {
  std::vector<MarkedWord> out;
  for (const std::string_view text : split_at_blanks(line)) {
    const std::vector<std::string_view> words = words_in(text);
    const char* const begin = words.empty() ? text.data() + text.size() : words.front().data();
    const char* const end = words.empty() ? begin : words.back().data() + words.back().size();
    const auto at = static_cast<size_t>(begin - text.data()), length = static_cast<size_t>(end - begin);
    out.push_back({text.substr(0, at), text.substr(at, length), text.substr(at + length)});
  }
  return out;
}

Spelling::Spelling(std::span<const std::string> lines) {
  struct Count {
    int within = 0, first = 0;
    auto operator<=>(const Count&) const = default;
  };
  std::unordered_map<std::string, std::map<std::string, Count>> seen;
  for (const std::string& line : lines) {
    bool first = true;
    for (const std::string_view word : words_in(line)) {
      Count& count = seen[lower_case(word)][std::string(word)];
      ++(first ? count.first : count.within);
      first = false;
    }
  }
  for (const auto& [word, forms] : seen) {
    const auto* best = &*forms.begin();
    for (const auto& form : forms)
      if (form.second > best->second) best = &form;
    forms_[word] = best->first;
  }
}
std::string Spelling::write(const std::string& word, bool capital) const {
  const auto known = forms_.find(word);
  const std::string& form = known == forms_.end() ? word : known->second;
  return capital ? capitalized(form) : form;
}
std::string Spelling::exchange(std::string_view line, const std::function<std::string(size_t i)>& now) const {
  std::string out;
  const char* from = line.data();  // start of what has not been written yet
  size_t i = 0;
  for (const std::string_view word : words_in(line)) {
    if (const std::string other = now(i); !other.empty()) {
      out.append(from, word.data());
      out += write(other, i == 0 && lower_case(word) != word);
      from = word.data() + word.size();
    }
    ++i;
  }
  return out.append(from, line.data() + line.size());
}
}  // namespace rum::edits
