// Every setting of a run, and the one table of keys behind TOML files, --set, --help and the comments
// of a written config.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/loader.h"
#include "model/model.h"
#include "optim/adamw.h"
#include "optim/schedule.h"
#include "run/decoding.h"
#include "text/json.h"

namespace rum {
// Whose weights become the model: those of the evaluation with the lowest validation loss or the highest
// score of the task (BLEU), or the last ones. Patience follows the same.
enum class Best : uint8_t { loss, score, last };

// Adapters (model/lora.h) instead of all weights.
struct LoraConfig {
  int64_t rank = 0;  // 0: all weights are trained
  float alpha = 16;
  std::vector<std::string> targets{"qkv", "project", "up", "down"};
  float scale() const { return alpha / static_cast<float>(rank); }
};

// How a conversation is put to a model that was taught to converse: by tokens of its tokenizer, or in words,
// [INST] and [/INST], as Llama 2 and the first versions of Mistral 7B have it.
enum class Turns : uint8_t { tokens, llama2, mistral01, mistral02, mistral };
struct ChatForm {
  Turns turns = Turns::tokens;
  // What a model was taught to find before the first question: `before` opens what the system says, and
  // `system` is what it says where the conversation has no such message. Both empty: nothing.
  std::string before, system;
  friend bool operator==(const ChatForm&, const ChatForm&) = default;
};

struct RunConfig {
  std::string folder = "runs/run";
  uint32_t seed = 1;
  std::string device = "auto";  // auto, cpu or cuda: see pick_device()
  DType dtype = DType::f32;     // of the model's numbers; weights and sums are f32 always
  int64_t threads = 0;          // 0: all processors

  CorpusKind kind = CorpusKind::pairs;
  Windows windows = Windows::documents;
  std::vector<std::string> train;    // corpora; a plan names them by their place in this list
  std::string valid, test;           // test may be empty
  std::string plan;                  // order and weights of the training texts; empty: shuffled
  std::string tokenizer;             // a tokenizer.json to use; empty: trained on `train`
  std::string begin, end = "<eos>";  // the tokens around a text; may be empty
  ChatForm chat;
  TokenizerConfig bpe{
      .vocab = 8192, .special = {}, .pattern = "gpt2", .split_digits = false, .min_frequency = 2};

  ModelKind model_kind = ModelKind::gpt;
  GptConfig model{.kv_heads = 0, .inner = 0};    // model_config() fills in what is 0
  int64_t tokens = 4096, texts = 0, scored = 0;  // of a batch; 0: chosen from the data
  int64_t micro_batches = 1, parts = 1;          // of a step
  AdamWConfig adamw;
  Schedule schedule;

  int64_t steps = 1000;
  int64_t target_tokens = 0;  // when set: the trainer resolves it to `steps` and sets it to 0
  int64_t epochs = 0;         // at most, when set
  int64_t log_every = 20, eval_every = 500, save_every = 500, keep = 2;
  int64_t average = 1;  // the final model is the mean of this many last checkpoints
  Best best = Best::loss;
  int64_t patience = 0;                      // evaluations without a better one before stopping; 0: never
  std::string from;                          // a run whose weights to start from; empty: random ones
  LoraConfig lora;                           // beside the weights of `from`
  int64_t eval_texts = 0, bleu_texts = 200;  // of the validation corpus; 0: all (bleu_texts: none)
  Decoding decoding{.beam = 4, .max_ratio = 2};
};

struct Key {
  std::string name, type, help;
  std::function<std::string(const RunConfig&)> get;              // as it stands in a TOML file
  std::function<void(RunConfig&, const std::string& text)> set;  // Error: what was expected, what was found
};
std::span<const Key> keys();
// Does it shape the model? Then weights of one value of it are useless to a model of another.
bool shapes_weights(const Key&);

void set_key(RunConfig&, const std::string& name, const std::string& text);  // Error with a did-you-mean
// As people write it on a command line: what is one whole text, list or number of TOML is read as in a file,
// but a number only for a key that takes one; anything else is a text without its quotes.
void set_argument(RunConfig&, const std::string& name, const std::string& text);
// A value of a TOML file, which is in quotes where to_toml() would write it so. Error too when it is not.
void set_value(RunConfig&, const std::string& name, const Json& value);
// FileError: path, line, key, what was expected, what was found.
RunConfig read_config(const std::string& path);
RunConfig parse_config(std::string_view toml, const std::string& name);
std::string to_toml(const RunConfig&);  // all keys, with their help as comments
void check_config(const RunConfig&);    // rules between keys: heads divide the width, ...
BatchShape batch_shape(const RunConfig&);
// What is 0 is filled in. vocab: the tokenizer's size. Error: a model.vocab below it.
GptConfig model_config(const RunConfig&, int64_t vocab);
}  // namespace rum
