#include "huggingface/import.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/output.h"
#include "base/whole_folder.h"
#include "huggingface/config.h"
#include "huggingface/tokenizer_config.h"
#include "huggingface/turns.h"
#include "huggingface/weights.h"
#include "run/folder.h"
#include "run/run.h"

namespace rum {
namespace {
constexpr const char* kNoTokenizer =
    "other tokenizer files are not supported; Python's transformers makes it from a tokenizer.model "
    "(SentencePiece's) or vocab.json: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)";
std::string read(const std::string& folder, const char* name, const char* what) {
  const std::string path = folder + "/" + name;
  if (!Disk::real().exists(path)) throw FileError(fmt::format("{}: is missing; {}", path, what));
  refuse_pointer(path);
  return Disk::real().read(path);
}

// The token that the tokenizer's template puts before a text; "" if there is none.
std::string begin_of(const Tokenizer& tokenizer, const std::string& path) {
  const std::vector<Token> framed = tokenizer.encode_with_special("a"), bare = tokenizer.encode("a");
  if (framed == bare) return "";
  if (framed.size() != bare.size() + 1 || !std::equal(bare.begin(), bare.end(), framed.begin() + 1))
    throw FileError(path + ": post_processor: only one token before a text is supported");
  return tokenizer.name(framed.front());
}

// The token that ends a text, and which others do so in transformers, but not here. generation_config.json has
// precedence, as it has there.
std::string choose_end(HubConfig& hub, const std::string& folder, const Tokenizer& tokenizer) {
  std::string path = folder + "/config.json";
  if (const std::string own = folder + "/generation_config.json"; Disk::real().exists(own))
    if (auto ends = parse_generation_ends(Disk::real().read(own), own, hub.model.vocab); !ends.empty()) {
      hub.ends = std::move(ends);
      path = own;
    }
  if (hub.ends.empty()) return "";
  hub.end = hub.ends.front();
  if (tokenizer.name(hub.end).empty())
    throw FileError(fmt::format("{}: eos_token_id: {} is none of the added tokens of {}/tokenizer.json", path,
                                hub.end, folder));
  std::vector<std::string> others;
  for (const Token t : hub.ends)
    if (t != hub.end) others.push_back(tokenizer.name(t).empty() ? fmt::format("{}", t) : tokenizer.name(t));
  if (others.empty()) return "";
  return fmt::format(
      "{}: eos_token_id: a text ends here with {} alone, and an answer in a conversation with the token that "
      "ends its turn; {} would end one there, too",
      path, tokenizer.name(hub.end), fmt::join(others, ", "));
}

void limit_context(HubConfig& hub, const std::string& path, int64_t context) {
  GptConfig& m = hub.model;
  RUM_CHECK(context == 0 || context >= 2,
            "a context of {} token{}: expected at least 2, or 0 for the model's own", context,
            context == 1 ? "" : "s");
  RUM_CHECK(context <= m.context, "{}: a context of {} tokens is requested, but the model supports only {}",
            path, context, m.context);
  if (context > 0) m.context = context;
  if (hub.sliding_window > 0 && hub.sliding_window < m.context)
    throw FileError(
        fmt::format("{}: sliding_window: a token sees only the {} before it, which is supported only for "
                    "texts no longer than that; give --context {}",
                    path, hub.sliding_window, hub.sliding_window));
}
}  // namespace

Imported import_folder(const std::string& folder, const std::string& run, int64_t context) {
  Disk& disk = Disk::real();
  RUM_CHECK(!folder.empty(), "\"\" is no folder; name the one of the model");
  check_new_folder(run);
  const OutputLock alone(run);
  const std::string config_path = folder + "/config.json", tokenizer_path = folder + "/tokenizer.json";
  HubConfig hub = parse_hub_config(read(folder, "config.json", "it describes the model"), config_path);
  const int64_t own_context = hub.model.context;
  limit_context(hub, config_path, context);
  const Tokenizer tokenizer = Tokenizer::parse(read(folder, "tokenizer.json", kNoTokenizer), tokenizer_path);
  const Json tokenizer_config = read_tokenizer_config(folder);
  check_prefix(tokenizer_config, folder, tokenizer);
  if (tokenizer.size() > hub.model.vocab)
    throw FileError(
        fmt::format("{}: it has {} tokens, but {} says vocab_size = {}: the two do not belong together",
                    tokenizer_path, tokenizer.size(), config_path, hub.model.vocab));
  Imported out;
  RunConfig& c = out.config;
  c.folder = run;
  c.kind = CorpusKind::documents;
  c.model = hub.model;
  c.begin = begin_of(tokenizer, tokenizer_path);
  out.notes = {choose_end(hub, folder, tokenizer), missing_tokens(tokenizer_config, folder, tokenizer)};
  c.end = hub.end < 0 ? "" : tokenizer.name(hub.end);
  Tokenizer framed = tokenizer;
  framed.frame(c.begin, c.end);
  if (const auto written = template_of_folder(folder, framed)) {
    ReadTemplate talk = read_template(*written, framed);
    c.chat = std::move(talk.form);
    if (!talk.note.empty()) out.notes.push_back(folder + ": " + talk.note);
  }
  std::erase(out.notes, "");
  const std::string toml = to_toml(c);
  parse_config(toml, config_path + " as a run's config");  // what no run could read is not written
  ParameterBlock declared;
  const Gpt model(Params(declared), hub.model);
  HubWeights weights(folder);
  TensorFile file;
  for (const ParameterBlock::Entry& e : declared.entries()) {
    Shape theirs = e.shape;
    if (e.name == "positions") theirs.axis[0] = own_context;  // of a shorter context the first rows
    file.tensors.emplace_back(e.name,
                              weights.read(*hub.family, hub.model, e.name, theirs).rows(0, e.shape.axis[0]));
  }
  weights.check_all_read(*hub.family, hub.model);
  file.meta = {{kHubFamily, hub.family->name}, {kTokenizerHash, hex64(tokenizer.hash())}};
  if (weights.half()) file.meta[kHubType] = "F16";
  out.parameters = declared.numbers();
  out.tokens = tokenizer.size();

  whole_folder(run, [&](const std::string& unfinished) {
    const RunFolder to{unfinished};
    disk.replace_text(to.config(), toml);
    tokenizer.save(to.tokenizer());
    write_safetensors(file, to.model());
  });
  return out;
}
}  // namespace rum
