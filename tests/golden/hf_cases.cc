// Answers for folders of Hugging Face models: token ids, logits at every position, and generated text.
#include <unistd.h>

#include <filesystem>

#include "cases.h"
#include "generate/generate.h"
#include "huggingface/import.h"
#include "run/run.h"

namespace rum::golden::hf_cases {
namespace {
namespace fs = std::filesystem;

struct ScratchFolder {  // goes with its contents
  fs::path path = fs::temp_directory_path() / fmt::format("ruminate-hf-{}", getpid());
  ~ScratchFolder() { fs::remove_all(path); }
};
std::unique_ptr<LoadedRun> imported(const std::string& folder) {
  const ScratchFolder scratch;
  import_folder(folder, scratch.path / "run");
  return load_run(scratch.path / "run");
}
Json::Array ids(std::span<const Token> tokens) {
  Json::Array out;
  for (const Token t : tokens) out.emplace_back(int64_t{t});
  return out;
}
Json::Array logits(const Model& model, const std::vector<Token>& tokens) {
  const Packed packed =
      pack(std::vector<Example>{{tokens}}, {.tokens = static_cast<int64_t>(tokens.size()), .texts = 1});
  const Batch batch = upload(packed);
  Arena arena(DeviceKind::cpu);
  Tape tape(arena, Tape::Mode::forward_only);
  const Tensor all = model.gpt()->logits(batch.ids, batch.layout);
  Json::Array out;
  for (int64_t i = 0; i < all.shape()[0]; ++i) {
    std::vector<double> row;
    for (int64_t v = 0; v < all.shape()[1]; ++v) row.push_back(all.at(i * all.shape()[1] + v));
    out.emplace_back(list(row));
  }
  return out;
}
Json::Array greedy(const Model& model, const std::vector<Token>& tokens, int64_t count) {
  const Prompt prompt{tokens};
  return ids(rum::generate(model, {&prompt, 1}, -1, {.max_new = count})[0][0].tokens);
}

const Area hub("hf/", [](const Request& request, const Emit& emit) {
  std::map<std::string, std::unique_ptr<LoadedRun>> runs;
  for (const Json& c : *at(request.file, "cases").array()) {
    const std::string& folder = text(at(c, "folder"));
    std::unique_ptr<LoadedRun>& run = runs[folder];
    if (!run) run = imported(request.folder + "/" + folder);
    const std::vector<Token> tokens = run->tokenizer.encode_with_special(text(at(c, "text")));
    Json::Object got{{"ids", ids(tokens)}};
    if (const Json* count = c.find("new_tokens")) {
      got.emplace_back("logits", logits(run->model, tokens));
      got.emplace_back("greedy", greedy(run->model, tokens, static_cast<int64_t>(number(*count))));
    }
    emit(text(at(c, "id")), Json(std::move(got)));
  }
});
}  // namespace
}  // namespace rum::golden::hf_cases
