// Answers for the tokenizer of lexical measures.
#include "cases.h"
#include "text/words.h"

namespace rum::golden::words_cases {
namespace {
const Area tokens("tokenizer/words_v1", [](const Request& request, const Emit& emit) {
  for (const Json& c : *at(request.file, "cases").array()) {
    Json::Array out;
    for (std::string& w : words_v1(text(at(c, "input")))) out.emplace_back(std::move(w));
    emit(text(at(c, "id")), Json(std::move(out)));
  }
});
}  // namespace
}  // namespace rum::golden::words_cases
