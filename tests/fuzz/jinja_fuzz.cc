// A chat template is either refused or writes a bounded text, in bounded time.
#include "huggingface/jinja.h"
#include "tests/fuzz/fuzz.h"

namespace {
using namespace rum;

void run(std::string_view bytes) {
  static const Json variables(
      Json::Object{{"messages", Json::Array{Json::Object{{"role", "system"}, {"content", "Be brief."}},
                                            Json::Object{{"role", "user"}, {"content", "What is a tape?"}}}},
                   {"tools", Json()},
                   {"add_generation_prompt", true},
                   {"bos_token", "<s>"},
                   {"eos_token", "</s>"}});
  try {
    promise(render_jinja(bytes, variables).size() <= size_t{1} << 18);
  } catch (const Error&) {  // refused; the folder's reader says where
  }
}
const FuzzTarget target("jinja", run);
}  // namespace
