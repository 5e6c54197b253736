// A Hugging Face folder made by the tests: random weights in their layout, and the same model in plain loops
// and double precision, an independent implementation of the families' descriptions.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "text/json.h"
#include "text/tokenizer.h"

namespace rum::hub {
struct Spec {
  std::string family = "llama", type = "F32";  // type of the weights: F32, F16, BF16
  int64_t width = 32, heads = 4, kv_heads = 2, head = 8, inner = 48, layers = 2, context = 64;
  int64_t padding = 0;  // rows of the embedding beyond the tokenizer's tokens
  bool tied = false, attention_bias = false, mlp_bias = false;
  double epsilon = 1e-5, theta = 10000;
  double factor = 1, low = 1, high = 4, original = 8;  // Llama 3's scaling of the rope
  bool nested_rope = false;                            // as transformers 5 writes it
  bool prefix = true, masks = false;                   // GPT-2's names with transformer., and its buffers
  int shards = 1;
  std::string template_token{};  // token that the tokenizer puts before a text
  std::string tokenizer{};       // a tokenizer.json in place of one made here; its <s> and </s> are 1 and 2
  uint32_t seed = 1;
};
struct Stored {
  std::vector<int64_t> shape;
  std::vector<double> numbers;  // exact in every type
};
class Folder {
 public:
  Folder(const Spec&, const std::string& path);  // writes it
  // One row of logits for each of the tokens.
  std::vector<std::vector<double>> logits(const std::vector<Token>&) const;

  Spec spec;
  Tokenizer tokenizer;
  int64_t vocab;
  std::map<std::string, Stored> tensors;  // by the names in the files

 private:
  using Row = std::vector<double>;
  const Stored& at(const std::string& name) const;
  void add(const std::string& name, std::vector<int64_t> shape, double mean = 0);
  void make_gpt2();
  void make_llama();
  Json config() const;
  void write(const std::string& path) const;
  Row linear(const std::string& layer, const Row& x) const;
  Row norm(const std::string& layer, const Row& x) const;
  void turn(Row& x, int64_t position) const;
  std::vector<Row> attend(const std::vector<Row>& q, const std::vector<Row>& k,
                          const std::vector<Row>& v) const;
  std::string block(int64_t i) const;
};
// Writes a safetensors file with code of its own. `type` as in Spec.
void write_tensors(const std::map<std::string, Stored>&, const std::string& type, const std::string& path);
std::string bytes_of(const Stored&, const std::string& type);
void spit(const std::string& path, const std::string& bytes);
}  // namespace rum::hub
