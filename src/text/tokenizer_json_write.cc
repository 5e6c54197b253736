// A tokenizer as a tokenizer.json that Hugging Face's library loads.
#include "text/bpe.h"

namespace rum {
namespace {
Json byte_level(bool use_regex) {
  return Json::Object{
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json write_split(const Bpe& bpe) {
  return Json::Object{{"type", "Split"},
                      {"pattern", Json::Object{{"Regex", bpe.pattern->regex}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
}
Json write_pre_tokenizer(const Bpe& bpe) {
  if (bpe.spaced) return bpe.spaced->pre_tokenizer;
  if (bpe.characters()) return write_split(bpe);
  const bool gpt2 = bpe.pattern == &pattern_named("gpt2");
  if (gpt2 && !bpe.split_digits) return byte_level(true);
  Json::Array steps;
  if (bpe.split_digits) steps.push_back(Json::Object{{"type", "Digits"}, {"individual_digits", true}});
  if (!gpt2) steps.push_back(write_split(bpe));
  steps.push_back(byte_level(gpt2));
  return Json::Object{{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}
Json write_normalizer(const Bpe& bpe) {
  if (bpe.spaced) return bpe.spaced->normalizer;
  return bpe.nfc ? Json(Json::Object{{"type", "NFC"}}) : Json();
}
Json write_decoder(const Bpe& bpe) {
  if (bpe.spaced) return bpe.spaced->decoder;
  return bpe.characters() ? Json(Json::Object{{"type", "Fuse"}}) : byte_level(true);
}
Json write_model(const Bpe& bpe, Json::Object vocab, Json::Array merges) {
  if (bpe.spaced) {
    Json::Object out = bpe.spaced->model;
    out.emplace_back("vocab", std::move(vocab));
    out.emplace_back("merges", std::move(merges));
    return out;
  }
  if (bpe.characters())  // "<unk>" is not in the vocabulary: so Hugging Face refuses unknown characters, too
    return Json::Object{{"type", "WordLevel"}, {"vocab", std::move(vocab)}, {"unk_token", "<unk>"}};
  return Json::Object{{"type", "BPE"},
                      {"dropout", Json()},
                      {"unk_token", Json()},
                      {"continuing_subword_prefix", Json()},
                      {"end_of_word_suffix", Json()},
                      {"fuse_unk", false},
                      {"byte_fallback", false},
                      {"ignore_merges", bpe.ignore_merges},
                      {"vocab", std::move(vocab)},
                      {"merges", std::move(merges)}};
}
}  // namespace

std::string Bpe::spelling(Token t) const {
  const auto i = static_cast<size_t>(t);
  if (spaced) return spaced->spelled[i];
  return characters() ? tokens[i] : to_characters(tokens[i]);
}
std::string write_tokenizer_json(const Bpe& bpe) {
  Json::Array added, merges;
  Json::Object vocab;
  std::vector<const AddedToken*> by_id(bpe.tokens.size());
  for (const AddedToken& a : bpe.added) {
    by_id[static_cast<size_t>(a.id)] = &a;
    added.push_back(Json::Object{{"id", int64_t{a.id}},
                                 {"content", a.content},
                                 {"single_word", a.single_word},
                                 {"lstrip", a.lstrip},
                                 {"rstrip", a.rstrip},
                                 {"normalized", a.normalized},
                                 {"special", a.special}});
  }
  for (size_t i = 0; i < bpe.tokens.size(); ++i)
    if (!by_id[i])
      vocab.emplace_back(bpe.spelling(static_cast<Token>(i)), static_cast<int64_t>(i));
    else if (by_id[i]->in_vocab)
      vocab.emplace_back(by_id[i]->content, static_cast<int64_t>(i));
  for (const auto& [l, r] : bpe.merges) merges.push_back(Json::Array{bpe.spelling(l), bpe.spelling(r)});
  return to_json(Json::Object{{"version", "1.0"},
                              {"truncation", Json()},
                              {"padding", Json()},
                              {"added_tokens", std::move(added)},
                              {"normalizer", write_normalizer(bpe)},
                              {"pre_tokenizer", write_pre_tokenizer(bpe)},
                              {"post_processor", bpe.post_processor},
                              {"decoder", write_decoder(bpe)},
                              {"model", write_model(bpe, std::move(vocab), std::move(merges))}},
                 2) +
         "\n";
}
}  // namespace rum
