// The table of keys.
#include "run/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "base/terminal.h"
#include "base/utf8.h"
#include "model/lora.h"
#include "run/environment.h"
#include "text/toml.h"
#include "text/unpack.h"

namespace rum {
namespace {
std::string toml_text(const std::string& s) {
  std::string out = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      out += c;
  }
  return out + '"';
}

std::string shown(const std::string& found) { return found.empty() ? "an empty text" : found; }

constexpr const char *kInteger = "integer", *kNumber = "number";
// One row of the table for each type of value. `at` gives the member that the key stands for.
template <class At>
Key whole(const char* name, At at, int64_t low, int64_t high, const char* help) {
  return {name, kInteger, help,
          [at](const RunConfig& c) { return fmt::format("{}", at(const_cast<RunConfig&>(c))); },
          [=](RunConfig& c, const std::string& text) {
            const auto v = number_in<int64_t>(text);
            if (!v || *v < low || *v > high)
              fail(fmt::format("expected a whole number from {} to {}, found {}", low, high, shown(text)));
            auto& to = at(c);
            to = static_cast<std::decay_t<decltype(to)>>(*v);
          }};
}
template <class At>
Key real(const char* name, At at, double low, double high, const char* help) {
  return {name, kNumber, help,
          [at](const RunConfig& c) {
            const std::string s = fmt::format("{}", at(const_cast<RunConfig&>(c)));
            return s.find_first_of(".en") == std::string::npos ? s + ".0" : s;
          },
          [=](RunConfig& c, const std::string& text) {
            const auto v = number_in<double>(text);
            if (!v || !(*v >= low && *v <= high))
              fail(fmt::format("expected a number from {} to {}, found {}", low, high, shown(text)));
            const auto stored = static_cast<float>(*v);
            if (stored == 0 && *v != 0)
              fail(fmt::format("expected a number from {} to {}, found {}, which is 0 in single precision",
                               low, high, text));
            at(c) = stored;
          }};
}
template <class At>
Key flag(const char* name, At at, const char* help) {
  return {name, "true or false", help,
          [at](const RunConfig& c) { return std::string(at(const_cast<RunConfig&>(c)) ? "true" : "false"); },
          [=](RunConfig& c, const std::string& text) {
            if (text != "true" && text != "false")
              fail(fmt::format("expected true or false, found {}", text));
            at(c) = text == "true";
          }};
}
template <class At>
Key text(const char* name, At at, const char* help) {
  return {name, "text", help, [at](const RunConfig& c) { return toml_text(at(const_cast<RunConfig&>(c))); },
          [=](RunConfig& c, const std::string& v) { at(c) = v; }};
}
// A text of several lines, which no file of settings holds as they are: \n, \t, \r and \\ stand for what is meant.
constexpr std::string_view kEscapes = "ntr\\", kEscaped = "\n\t\r\\";
template <class At>
Key lines(const char* name, At at, const char* help) {
  return {name, "text", help,
          [at](const RunConfig& c) {
            std::string out;
            for (const char x : at(const_cast<RunConfig&>(c))) {
              const size_t i = kEscaped.find(x);
              out += i == std::string_view::npos ? std::string(1, x) : std::string{'\\', kEscapes[i]};
            }
            return toml_text(out);
          },
          [at](RunConfig& c, const std::string& v) {
            std::string out;
            for (size_t i = 0; i < v.size(); ++i) {
              if (v[i] != '\\') {
                out += v[i];
                continue;
              }
              const size_t known = ++i < v.size() ? kEscapes.find(v[i]) : std::string_view::npos;
              if (known == std::string_view::npos)
                fail(fmt::format("expected n, t, r or a backslash behind each backslash, found {}", v));
              out += kEscaped[known];
            }
            at(c) = std::move(out);
          }};
}
template <class At>
Key device(const char* name, At at, const char* help) {
  Key key = text(name, at, help);
  key.type = "auto | cpu | cuda | cuda:N";
  key.set = [at](RunConfig& c, const std::string& v) {
    check_device_name(v);
    at(c) = v;
  };
  return key;
}
// One text, or several: as a TOML array, which is also how they stand on the command line.
constexpr const char* kTexts = "text or list of texts";
std::string array_of(const std::vector<std::string>& all) {
  std::string out;
  for (const std::string& one : all) out += (out.empty() ? "" : ", ") + toml_text(one);
  return '[' + out + ']';
}
std::vector<std::string> from_array(const Json* list, const std::string& found) {
  std::vector<std::string> out;
  if (list && list->array())
    for (const Json& one : *list->array())
      if (one.text()) out.push_back(*one.text());
  if (!list || !list->array() || out.size() != list->array()->size())
    fail(fmt::format("expected a text, or several like [\"one\", \"another\"], found {}", found));
  return out;
}
template <class At>
Key texts(const char* name, At at, std::string help) {
  return {name, kTexts, std::move(help),
          [at](const RunConfig& c) {
            const std::vector<std::string>& all = at(const_cast<RunConfig&>(c));
            return all.size() == 1 && !all[0].starts_with('[') ? toml_text(all[0]) : array_of(all);
          },
          [at](RunConfig& c, const std::string& found) {
            if (!found.starts_with('[')) return void(at(c) = {found});
            Toml read;
            try {
              read = parse_toml("list = " + found, "");
            } catch (const FileError&) {  // then there is no list
            }
            at(c) = from_array(read.tree.find("list"), found);
          }};
}
template <class At, class T>
Key choice(const char* name, At at, std::vector<std::pair<std::string, T>> of, const char* help) {
  std::vector<std::string> names;
  for (const auto& [n, v] : of) names.push_back(n);
  return {name, fmt::format("{}", fmt::join(names, " | ")), help,
          [=](const RunConfig& c) {
            for (const auto& [n, v] : of)
              if (v == at(const_cast<RunConfig&>(c))) return n == "true" || n == "false" ? n : toml_text(n);
            return std::string();
          },
          [=](RunConfig& c, const std::string& found) {
            for (const auto& [n, v] : of)
              if (n == found) return void(at(c) = v);
            fail(fmt::format("expected one of {}, found \"{}\"{}", fmt::join(names, ", "), found,
                             did_you_mean(found, names)));
          }};
}
#define AT(member) \
  [](RunConfig & c) -> auto& { return c.member; }

// AdamW divides by sqrt(v) + epsilon, and the square of a gradient below 3e-23 is 0 in single precision.
constexpr double kLeastEpsilon = 1e-20;

std::vector<Key> make_keys() {
  const int64_t big = int64_t{1} << 40, most_tokens = 1 << 24;
  return {
      text("run.folder", AT(folder), "where the run's files go"),
      whole("run.seed", AT(seed), 0, UINT32_MAX, "seed of initial weights, data order and dropout"),
      device("run.device", AT(device),
             "auto: a GPU where this program can use one, else the CPU; cuda:1: the second of several GPUs"),
      choice("run.dtype", AT(dtype),
             std::vector<std::pair<std::string, DType>>{{"f32", DType::f32}, {"bf16", DType::bf16}},
             "type of activations and products in training; bf16 uses a GPU's tensor cores"),
      whole("run.threads", AT(threads), 0, 1024, "0: all processors; results do not depend on it"),
      choice("data.kind", AT(kind),
             std::vector<std::pair<std::string, CorpusKind>>{{"translation", CorpusKind::pairs},
                                                             {"text", CorpusKind::documents}},
             "source<TAB>target lines, or plain text, documents separated by empty lines"),
      choice("data.windows", AT(windows),
             std::vector<std::pair<std::string, Windows>>{{"documents", Windows::documents},
                                                          {"stream", Windows::stream},
                                                          {"stream_in_order", Windows::stream_in_order}},
             "plain text: documents, long ones cut, or each file one stream of windows of "
             "model.context tokens, shuffled in each epoch or in order"),
      texts("data.train", AT(train), fmt::format("corpus to learn from, or a list of them; {}", kPackedHelp)),
      text("data.valid", AT(valid), "corpus that chooses the best checkpoint"),
      text("data.test", AT(test), "corpus for the final figures; may be empty"),
      text("data.plan", AT(plan),
           "a plan file: which texts of data.train, in which order; empty: all, shuffled"),
      text("tokenizer.file", AT(tokenizer), "a tokenizer.json; empty: trained on data.train"),
      whole("tokenizer.vocab", AT(bpe.vocab), 258, 1 << 20, "tokens of a newly trained tokenizer"),
      choice(
          "tokenizer.pattern", AT(bpe.pattern),
          std::vector<std::pair<std::string, std::string>>{{"gpt2", "gpt2"},
                                                           {"gpt4", "gpt4"},
                                                           {"llama3", "llama3"},
                                                           {"qwen2", "qwen2"},
                                                           {"whitespace", "whitespace"},
                                                           {"characters", "characters"}},
          "how text is split before merging; characters: each is a token, without merges or tokenizer.vocab"),
      flag("tokenizer.split_digits", AT(bpe.split_digits), "each digit a token of its own"),
      text("tokenizer.begin", AT(begin), "the special token before each plain text; empty: none"),
      text("tokenizer.end", AT(end), "the special token that ends a text; empty: none"),
      choice(
          "tokenizer.turns", AT(chat.turns),
          std::vector<std::pair<std::string, Turns>>{{"tokens", Turns::tokens},
                                                     {"llama2", Turns::llama2},
                                                     {"mistral-0.1", Turns::mistral01},
                                                     {"mistral-0.2", Turns::mistral02},
                                                     {"mistral", Turns::mistral}},
          "who speaks in a conversation, for a model that was taught it: by tokens, or in words like [INST]"),
      lines("tokenizer.system", AT(chat.system),
            "the system message of conversations that have none; \\n: a new line"),
      lines("tokenizer.system_before", AT(chat.before),
            "text in front of every system message, such as the dates of Llama 3.1; \\n: a new line"),
      choice("model.kind", AT(model_kind),
             std::vector<std::pair<std::string, ModelKind>>{{"gpt", ModelKind::gpt},
                                                            {"encoder_decoder", ModelKind::encoder_decoder}},
             "one stack of blocks (for pairs: a prefix LM), or two (Vaswani et al. 2017)"),
      whole("model.vocab", AT(model.vocab), 0, 1 << 24,
            "rows of the token embedding; 0: as many as the tokenizer has tokens"),
      whole("model.layers", AT(model.layers), 1, 1024, "blocks; an encoder-decoder has as many of each kind"),
      whole("model.heads", AT(model.heads), 1, 1024,
            "attention heads; must divide the width unless model.head_width is set"),
      whole("model.kv_heads", AT(model.kv_heads), 0, 1024, "heads of keys and values; 0: as many as heads"),
      whole("model.width", AT(model.width), 2, 1 << 16, "C, numbers per token between the blocks"),
      whole("model.head_width", AT(model.head_width), 0, 1 << 16, "width of a head; 0: width / heads"),
      whole("model.inner", AT(model.inner), 0, 1 << 20, "width inside the feed-forward layer; 0: 4 C"),
      whole("model.context", AT(model.context), 2, 1 << 20, "longest text in tokens, or length of a window"),
      choice("model.norm", AT(model.norm),
             std::vector<std::pair<std::string, Norm>>{{"layernorm", Norm::layernorm},
                                                       {"rmsnorm", Norm::rmsnorm}},
             "normalisation"),
      real("model.epsilon", AT(model.epsilon), 1e-12, 1, "added to the variance in the norms"),
      choice("model.activation", AT(model.activation),
             std::vector<std::pair<std::string, Activation>>{{"gelu", Activation::gelu},
                                                             {"swiglu", Activation::swiglu}},
             "of the feed-forward layer"),
      choice("model.positions", AT(model.positions),
             std::vector<std::pair<std::string, Positions>>{{"learned", Positions::learned},
                                                            {"rope", Positions::rope}},
             "how token positions are encoded"),
      real("model.rope_base", AT(model.rope_base), 1, 1e9, "base of the rotary embedding"),
      real("model.rope_factor", AT(model.rope_factor), 1, 1e6,
           "Llama 3's scaling: pairs of numbers that turn less than rope_low times in rope_context tokens "
           "turn slower by this factor; 1: none"),
      real("model.rope_low", AT(model.rope_low), 1e-6, 1e6, "of that scaling"),
      real("model.rope_high", AT(model.rope_high), 1e-6, 1e6,
           "of that scaling: pairs that turn more often stay as they are; above rope_low"),
      real("model.rope_context", AT(model.rope_context), 1, 1e9, "of that scaling, in tokens"),
      choice("model.bias", AT(model.bias),
             std::vector<std::pair<std::string, Biases>>{{"true", Biases::all},
                                                         {"false", Biases::none},
                                                         {"qkv", Biases::qkv},
                                                         {"attention", Biases::attention},
                                                         {"feed_forward", Biases::feed_forward}},
             "which linear layers have biases: all, none, those that make queries, keys and values, those of "
             "attention or of the feed-forward layer"),
      flag("model.tied", AT(model.tied), "the output layer is the token embedding"),
      flag("model.restart", AT(model.restart), "positions of a translation start again at 0"),
      real("model.dropout", AT(model.dropout), 0, 0.9,
           "share of activations dropped after embedding and sublayers"),
      flag("model.recompute", AT(model.recompute), "save memory by computing blocks twice"),
      whole("batch.tokens", AT(tokens), 2, most_tokens, "N, tokens of a packed batch"),
      whole("batch.texts", AT(texts), 0, most_tokens,
            "most texts of a batch; 0: N / 8, or as many windows as it holds"),
      whole("batch.scored", AT(scored), 0, most_tokens,
            "most tokens of a batch that get a loss; 0: all, or for pairs 55 % of batch.tokens. The sources "
            "that an encoder reads have as much room, or what is left of batch.tokens where that is more"),
      whole("batch.micro_batches", AT(micro_batches), 1, 1 << 20,
            "batches whose gradients are summed for one step"),
      whole(
          "batch.parts", AT(parts), 1, 1 << 20,
          "parts of a step whose gradients are summed by themselves, and then added: any number of processes "
          "that divides this one (mpirun, srun, torchrun) can share the step, with the same result"),
      real("optimizer.learning_rate", AT(schedule.peak), 0, 10, "peak of the schedule"),
      real("optimizer.beta1", AT(adamw.beta1), 0, 0.99999, "AdamW"),
      real("optimizer.beta2", AT(adamw.beta2), 0, 0.99999, "AdamW"),
      real("optimizer.epsilon", AT(adamw.epsilon), kLeastEpsilon, 1, "AdamW"),
      real("optimizer.weight_decay", AT(adamw.weight_decay), 0, 10, "of matrices"),
      real("optimizer.clip", AT(adamw.clip), 0, 1e9,
           "longer gradients are scaled down to this norm; 0: never"),
      choice("schedule.decay", AT(schedule.decay),
             std::vector<std::pair<std::string, Decay>>{{"cosine", Decay::cosine},
                                                        {"linear", Decay::linear},
                                                        {"inverse_sqrt", Decay::inverse_sqrt},
                                                        {"constant", Decay::constant}},
             "after the warm-up"),
      whole("schedule.warmup", AT(schedule.warmup), 0, big, "steps of linear warm-up"),
      real("schedule.floor", AT(schedule.floor), 0, 1,
           "share of the peak that cosine and linear would reach at step train.steps; the others ignore it"),
      whole("train.steps", AT(steps), 1, big, "optimizer steps"),
      whole("train.target_tokens", AT(target_tokens), 0, big,
            "instead of train.steps: enough steps for this many tokens with a loss; 0: use train.steps"),
      whole("train.epochs", AT(epochs), 0, 1 << 20, "at most this many passes over the texts; 0: no limit"),
      real("train.label_smoothing", AT(model.smoothing), 0, 0.99,
           "share of the target spread over the vocabulary"),
      whole("train.log_every", AT(log_every), 1, big, "steps"),
      whole("train.eval_every", AT(eval_every), 1, big, "steps between evaluations"),
      whole("train.save_every", AT(save_every), 1, big, "steps between checkpoints"),
      whole("train.keep", AT(keep), 1, 1 << 20, "newest checkpoints kept; the best one stays too"),
      whole("train.average", AT(average), 1, 100,
            "the final model is the mean of this many last checkpoints"),
      choice(
          "train.best", AT(best),
          std::vector<std::pair<std::string, Best>>{
              {"loss", Best::loss}, {"bleu", Best::score}, {"last", Best::last}},
          "what picks the model: validation loss, validation BLEU, or nothing: the last weights. By the loss "
          "on human text, students of generated text stop improving long before they translate well"),
      text("train.from", AT(from),
           "a run, checkpoint or model file whose weights to start from, with its tokenizer; its model.* "
           "must be the same"),
      whole("train.patience", AT(patience), 0, big, "evaluations without progress before stopping; 0: never"),
      whole("lora.rank", AT(lora.rank), 0, 1 << 16,
            "inner width of the two matrices that are trained beside each target while the weights of "
            "train.from stay as they are (LoRA); 0: all weights are trained"),
      real("lora.alpha", AT(lora.alpha), 1e-6, 1e6, "their output is multiplied by lora.alpha / lora.rank"),
      texts("lora.targets", AT(lora.targets),
            "the layers that get them: qkv, project (attention), up, down (feed-forward); of an "
            "encoder-decoder also query, memory, mix"),
      whole("eval.texts", AT(eval_texts), 0, big,
            "validation texts (windows of a stream) for the loss; 0: all"),
      whole("eval.bleu_texts", AT(bleu_texts), 0, big, "validation texts translated for BLEU; 0: none"),
      whole("eval.beam", AT(decoding.beam), 1, 256, "beam of the final translations; greedy while training"),
      real("eval.length_penalty", AT(decoding.length_penalty), 0, 5, "score = log p / length^penalty"),
  };
}
#undef AT

std::vector<std::string> key_names() {
  std::vector<std::string> out;
  for (const Key& k : keys()) out.push_back(k.name);
  return out;
}
bool is_section(const std::string& path) {
  return path.empty() ||
         std::ranges::any_of(keys(), [&](const Key& k) { return k.name.starts_with(path + "."); });
}
// Sets every leaf of a table; one that is empty is a leaf itself, unless it is a section.
void set_all(RunConfig& c, const Toml& file, const Json& node, const std::string& path) {
  if (const auto* table = node.object(); table && (!table->empty() || is_section(path))) {
    for (const auto& [key, value] : *table) set_all(c, file, value, path.empty() ? key : path + "." + key);
    return;
  }
  try {
    set_value(c, path, node);
  } catch (const Error& e) {
    throw FileError(file.place(path) + e.what());
  }
}
std::string_view last_part(std::string_view name) { return name.substr(name.rfind('.') + 1); }
const Key& key_named(const std::string& name) {
  for (const Key& k : keys())
    if (k.name == name) return k;
  std::vector<std::string> alike;  // its section is missing, or another's
  for (const Key& k : keys())
    if (last_part(k.name) == last_part(name)) alike.push_back('"' + k.name + '"');
  std::string guess = alike.size() == 1 ? "" : did_you_mean(name, key_names());
  if (guess.empty() && !alike.empty()) guess = fmt::format("; did you mean {}?", fmt::join(alike, " or "));
  fail(fmt::format("unknown key {}{}", name.empty() ? "\"\"" : name, guess));
}
// The value that the whole of a line is in TOML; nothing when it is none, or more than one.
std::optional<Json> toml_value(const std::string& text) {
  if (has_controls(text)) return std::nullopt;
  try {  // within a list, nothing can stand behind it
    const Toml read = parse_toml("list = [" + text + ", 0]", "");
    const Json::Array& list = *read.tree.find("list")->array();
    if (list.size() == 2) return list[0];
  } catch (const FileError&) {
  }
  return std::nullopt;
}
}  // namespace

std::span<const Key> keys() {
  static const std::vector<Key> all = make_keys();
  return all;
}
bool shapes_weights(const Key& key) {
  return key.name.starts_with("model.") && key.name != "model.dropout" && key.name != "model.recompute";
}

void set_key(RunConfig& c, const std::string& name, const std::string& value) {
  if (has_controls(value))
    fail(fmt::format("{}: expected UTF-8 without control characters, found {}", name,
                     shortened(to_json(Json(value)), 80)));
  const Key& key = key_named(name);
  try {
    key.set(c, value);
  } catch (const Error& e) {
    fail(fmt::format("{}: {}", name, e.what()));
  }
}
void set_value(RunConfig& c, const std::string& name, const Json& value) {
  const Key& key = key_named(name);
  const bool lists = key.type == kTexts;
  if (value.array() && !lists) fail(name + " is a list; expected a number, a text, true or false");
  const std::string* text = value.text();
  if (text == nullptr)
    set_key(c, name, to_json(value));
  else
    set_key(c, name, lists ? array_of({*text}) : *text);
  const std::string written = key.get(c);  // in quotes, in brackets or bare
  const bool bare = written[0] != '"' && written[0] != '[';
  if (!value.array() && bare == (text != nullptr))
    fail(fmt::format("{}: expected {}, {} quotes; found {}", name, key.type, bare ? "without" : "in",
                     to_json(value)));
}

void set_argument(RunConfig& c, const std::string& name, const std::string& text) {
  const Key& key = key_named(name);
  const auto value = toml_value(text);
  double number = 0;
  const bool takes_numbers = key.type == kInteger || key.type == kNumber;
  if (value && (value->text() || value->array() || (takes_numbers && value->number(number))))
    return set_value(c, name, *value);
  const bool quoted = text.size() > 1 && (text[0] == '"' || text[0] == '\'') && text.back() == text[0];
  if (quoted && !value)
    fail(fmt::format("{}: expected a text without quotes, or a whole one of TOML, found {}", name, text));
  set_key(c, name, text);
}

RunConfig parse_config(std::string_view source, const std::string& name) {
  const Toml file = parse_toml(source, name);
  RunConfig c;
  set_all(c, file, file.tree, "");
  return c;
}
RunConfig read_config(const std::string& path) { return parse_config(Disk::real().read(path), path); }

std::string to_toml(const RunConfig& c) {
  std::string out, section;
  for (const Key& k : keys()) {
    const size_t dot = k.name.find('.');
    if (k.name.substr(0, dot) != section) {
      section = k.name.substr(0, dot);
      out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", section);
    }
    out += fmt::format("{:<32}  # {} ({})\n", fmt::format("{} = {}", k.name.substr(dot + 1), k.get(c)),
                       k.help, k.type);
  }
  return out;
}

namespace {
// Of the model itself, and of the texts that its kind can read.
void check_model(const RunConfig& c) {
  const GptConfig& m = c.model;
  const int64_t kv = m.kv_heads == 0 ? m.heads : m.kv_heads;
  RUM_CHECK(m.head_width > 0 || m.width % m.heads == 0, "model.heads = {} does not divide model.width = {}",
            m.heads, m.width);
  RUM_CHECK(m.heads % kv == 0, "model.kv_heads = {} does not divide model.heads = {}", kv, m.heads);
  RUM_CHECK(m.resolved_head_width() % 2 == 0, "{} = {} is odd; heads must have an even width",
            m.head_width > 0 ? "model.head_width" : "model.width / model.heads", m.resolved_head_width());
  RUM_CHECK(m.rope_low < m.rope_high, "model.rope_low = {} is not below model.rope_high = {}", m.rope_low,
            m.rope_high);
  RUM_CHECK(c.model_kind == ModelKind::gpt || c.kind == CorpusKind::pairs,
            "model.kind = \"encoder_decoder\" needs data.kind = \"translation\": plain text has no source");
  RUM_CHECK(c.model_kind == ModelKind::gpt || m.layers <= DecoderBlock::kMostBlocks,
            "model.layers = {}: an encoder-decoder has at most {} blocks of each kind", m.layers,
            DecoderBlock::kMostBlocks);
}
// A pair has at least a token on each side, <sep> and <eos>.
void check_shortest_pair(const RunConfig& c) {
  if (c.kind != CorpusKind::pairs) return;
  const Example shortest{.tokens = std::vector<Token>(4), .prefix = 2};
  const BatchShape shape = batch_shape(c);
  const int64_t needed = positions_of(shortest, shape);
  RUM_CHECK(needed <= c.model.context,
            "model.context = {} has no room for a pair: even one token to translate and one to translate it "
            "with need {}, with {} and {}",
            c.model.context, needed, kSep, kEos);
  RUM_CHECK(
      fits({&shortest, 1}, shape),
      "batch.tokens = {}{} have no room for a pair: even one token to translate and one to translate it "
      "with need 4, with {} and {}, and 2 of them get a loss",
      c.tokens, c.scored > 0 ? fmt::format(" with batch.scored = {}", c.scored) : "", kSep, kEos);
}
// Also without adapters: a model declared with some knows the names of its layers.
void check_lora_targets(const RunConfig& c) {
  ParameterBlock declared, trained;
  Adapters adapters{trained, 1, c.lora.targets, {}};
  const Model model(c.model_kind, Params(declared, "", &adapters), model_config(c, 1));
  const std::vector<std::string> layers(adapters.layers.begin(), adapters.layers.end());
  for (const std::string& target : c.lora.targets)
    RUM_CHECK(adapters.layers.contains(target), "lora.targets: the model has no layer \"{}\"{}", target,
              known_names(target, layers));
}
}  // namespace

void check_config(const RunConfig& c) {
  check_model(c);
  check_shortest_pair(c);
  RUM_CHECK(c.windows == Windows::documents || (c.kind == CorpusKind::documents && c.plan.empty()),
            "data.windows = \"stream\" needs data.kind = \"text\", and excludes data.plan");
  RUM_CHECK(c.micro_batches % c.parts == 0,
            "batch.parts = {} does not divide batch.micro_batches = {}: the parts of a step are equally many "
            "batches",
            c.parts, c.micro_batches);
  RUM_CHECK(c.target_tokens > 0 || c.schedule.warmup <= c.steps,
            "schedule.warmup = {} is more than train.steps = {}", c.schedule.warmup, c.steps);
  const int64_t micro_batches = c.target_tokens > 0 ? c.target_tokens / c.tokens : c.steps * c.micro_batches;
  // Where train.epochs ends the run earlier, the loader knows how many there are.
  RUM_CHECK(c.epochs > 0 || micro_batches <= kMostMicroBatches,
            "{} are at least {} batches of batch.tokens = {}, more than the {} that a run can lay out",
            c.target_tokens > 0
                ? fmt::format("train.target_tokens = {}", c.target_tokens)
                : fmt::format("train.steps = {} of batch.micro_batches = {}", c.steps, c.micro_batches),
            micro_batches, c.tokens, kMostMicroBatches);
  RUM_CHECK(
      !c.train.empty() && std::none_of(c.train.begin(), c.train.end(), std::mem_fn(&std::string::empty)),
      "data.train is not set: name a corpus, e.g. --set data.train=pairs.tsv");
  RUM_CHECK(!c.valid.empty(), "data.valid is not set: name a corpus that is not trained on");
  for (const auto& [key, token] : {std::pair{"tokenizer.begin", c.begin}, {"tokenizer.end", c.end}})
    RUM_CHECK(
        !c.tokenizer.empty() || !c.from.empty() || token.empty() || token == kEos || token == kSep,
        "{} = \"{}\": a newly trained tokenizer has the special tokens {} and {} alone; `ruminate tokenizer "
        "train --special` makes one with others, for tokenizer.file",
        key, token, kEos, kSep);
  RUM_CHECK(c.kind != CorpusKind::pairs || !c.end.empty(),
            "tokenizer.end is empty: a translation model learns from this token where a translation ends");
  RUM_CHECK(c.folder.find_first_not_of("/.") != std::string::npos,
            "run.folder = \"{}\" is not a folder of its own", c.folder);
  RUM_CHECK(c.lora.rank == 0 || !c.from.empty(),
            "lora.rank = {} trains beside the weights of a model: name it (train.from, or `from` of an "
            "experiment's arm), or leave lora.rank at 0",
            c.lora.rank);
  RUM_CHECK(c.best != Best::score || (c.kind == CorpusKind::pairs && c.bleu_texts > 0),
            "train.best = \"bleu\" needs translations to judge: data.kind = \"translation\" and "
            "eval.bleu_texts above 0");
  RUM_CHECK(c.best != Best::last || c.patience == 0,
            "train.patience = {} waits for something better, but train.best = \"last\" compares nothing",
            c.patience);
  RUM_CHECK(
      c.lora.rank == 0 || c.average == 1,
      "train.average = {} with lora.rank = {}: the mean of adapters is not the adapter of the mean (A and "
      "B are multiplied); set train.average to 1",
      c.average, c.lora.rank);
  RUM_CHECK(c.average <= c.keep, "train.average = {} needs as many checkpoints, but train.keep = {}",
            c.average, c.keep);
  check_lora_targets(c);
}

GptConfig model_config(const RunConfig& c, int64_t vocab) {
  GptConfig m = c.model;
  if (m.vocab == 0) m.vocab = vocab;
  RUM_CHECK(m.vocab >= vocab, "model.vocab = {}, but the tokenizer has {} tokens", m.vocab, vocab);
  m.head_width = m.resolved_head_width();
  if (m.kv_heads == 0) m.kv_heads = m.heads;
  if (m.inner == 0) m.inner = 4 * m.width;
  return m;
}

BatchShape batch_shape(const RunConfig& c) {
  const bool pairs = c.kind == CorpusKind::pairs;
  const int64_t usual = c.windows == Windows::documents ? 8 : std::min(c.model.context, c.tokens);
  const int64_t texts = c.texts > 0 ? c.texts : std::max<int64_t>(c.tokens / usual, 1);
  const int64_t share = pairs ? (c.tokens * 11 + 19) / 20 : 0, scored = c.scored > 0 ? c.scored : share;
  if (c.model_kind == ModelKind::encoder_decoder)  // holds about what a prefix LM's batch does
    return {.tokens = scored,
            .texts = texts,
            .mask = Mask::causal,
            .sources = std::max(scored, c.tokens - scored)};
  return {.tokens = c.tokens,
          .texts = texts,
          .scored = scored,
          .mask = pairs ? Mask::prefix : Mask::causal,
          .restart = c.model.restart};
}
}  // namespace rum
