#include "experiment/surface.h"

#include <map>

#include "text/unicode.h"
#include "text/words.h"

namespace rum {
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
  const char* from = line.data();  // of what has not been written yet
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
}  // namespace rum
