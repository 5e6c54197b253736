#include "data/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/hash.h"
#include "base/number.h"
#include "base/random.h"
#include "base/terminal.h"
#include "base/utf8.h"

namespace rum {
namespace {
constexpr std::string_view kMagic = "ruminate-plan 1";

// A permutation of 0 .. n-1, a pure function of (seed, which, epoch): Fisher and Yates' shuffle, its draws
// from Philox. The bias of scaling 32 bits to [0, n) is below n / 2^32.
std::vector<int64_t> permutation(int64_t n, uint32_t seed, uint32_t which, int64_t epoch) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  const Random random{seed, Stream::shuffle};
  Bits4 bits{};
  for (int64_t left = n, drawn = 0; left > 1; --left, ++drawn) {
    if (drawn % 4 == 0)
      bits = random.bits({static_cast<uint32_t>(epoch), which, 0, static_cast<uint32_t>(drawn / 4)});
    const uint64_t draw = uint64_t{bits.at[drawn % 4]} * static_cast<uint64_t>(left) >> 32;
    std::swap(order[static_cast<size_t>(left - 1)], order[draw]);
  }
  return order;
}

// Calls take(text) with what its file holds before the hash, piece by piece.
template <class Take>
void each_line(const Plan& p, Take&& take) {
  take(fmt::format("{}\nseed {} reshuffle {}\ncorpora {}\n", kMagic, p.seed, p.reshuffle ? 1 : 0,
                   p.corpora.size()));
  for (uint64_t h : p.corpora) take(fmt::format("{:016x}\n", h));
  take(fmt::format("rows {}\n", p.rows.size()));
  for (const PlanRow& r : p.rows) take(fmt::format("{} {} {} {}\n", r.example, r.source, r.score, r.weight));
}

// Takes a plan's lines apart, word by word, and knows where it is.
class Reader {
 public:
  Reader(std::string_view text, const std::string& path) : text_(text), path_(path) {}
  void line() {
    if (at_ >= text_.size()) bad("another line", "the end of the file");
    const size_t end = std::min(text_.find('\n', at_), text_.size());
    line_ = text_.substr(at_, end - at_);
    at_ = end + 1;
    ++number_;
  }
  void word(std::string_view expected) {
    if (const std::string_view w = next(); w != expected) bad(fmt::format("\"{}\"", expected), w);
  }
  template <class T>
  T number(const char* what, int base = 10) {
    const std::string_view w = next();
    const auto value = number_in<T>(w, base);
    if (!value || !std::isfinite(static_cast<double>(*value))) bad(what, w);
    return *value;
  }
  void end() {
    if (!line_.empty()) bad("the end of the line", line_);
  }
  [[noreturn]] void bad(const std::string& expected, std::string_view found) const {
    throw FileError(fmt::format("{}: line {}: expected {}, found \"{}\"; the plan is damaged or not a plan",
                                path_, number_, expected, shortened(found, 60)));
  }
  size_t left() const { return text_.size() - std::min(at_, text_.size()); }

 private:
  std::string_view next() {
    const size_t end = std::min(line_.find(' '), line_.size());
    const std::string_view w = line_.substr(0, end);
    line_.remove_prefix(std::min(end + 1, line_.size()));
    return w;
  }
  std::string_view text_, line_;
  const std::string& path_;
  size_t at_ = 0;
  int64_t number_ = 0;
};
}  // namespace

Plan shuffled_plan(std::span<const int64_t> corpus_sizes, std::span<const uint64_t> hashes, uint32_t seed) {
  RUM_CHECK(corpus_sizes.size() == hashes.size(), "shuffled_plan: {} sizes of corpora, {} hashes",
            corpus_sizes.size(), hashes.size());
  std::vector<PlanRow> all;
  for (size_t c = 0; c < corpus_sizes.size(); ++c)
    for (int64_t i = 0; i < corpus_sizes[c]; ++i)
      all.push_back({static_cast<int32_t>(i), static_cast<int32_t>(c), 0, 1});
  Plan plan{{}, {hashes.begin(), hashes.end()}, true, seed};
  plan.rows.reserve(all.size());
  for (int64_t i : permutation(static_cast<int64_t>(all.size()), seed, 1, 0))
    plan.rows.push_back(all[static_cast<size_t>(i)]);
  return plan;
}

std::vector<int64_t> epoch_order(const Plan& plan, int64_t epoch) {
  const auto n = static_cast<int64_t>(plan.rows.size());
  if (epoch > 0 && plan.reshuffle) return permutation(n, plan.seed, 0, epoch);
  std::vector<int64_t> order(plan.rows.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  return order;
}

uint64_t plan_hash(const Plan& plan) {
  Hash64 hash;
  each_line(plan, [&](const std::string& line) { hash.add(line); });
  return hash.value();
}

std::string plan_text(const Plan& plan) {
  std::string text;
  each_line(plan, [&](const std::string& line) { text += line; });
  text += fmt::format("hash {:016x}\n", hash64(text));
  return text;
}
void save_plan(const Plan& plan, const std::string& path, Disk& disk) {
  disk.replace_text(path, plan_text(plan));
}

Plan load_plan(const std::string& path, Disk& disk) {
  const std::string text = disk.read(path);
  Reader r(text, path);
  Plan plan;
  const std::string_view first = std::string_view(text).substr(0, text.find('\n'));
  if (first == std::string(kMagic) + '\r')
    throw FileError(path +
                    ": its lines end in CR LF, those of a plan in LF alone, by which its hash is computed");
  if (first != kMagic)
    throw FileError(
        fmt::format("{}: line 1: expected \"{}\", found \"{}\"; this is not a plan of this version", path,
                    kMagic, visible(first.substr(0, 40))));
  r.line();
  r.line();
  r.word("seed");
  plan.seed = r.number<uint32_t>("a seed below 2^32");
  r.word("reshuffle");
  plan.reshuffle = r.number<int>("0 or 1") != 0;
  r.end();
  r.line();
  r.word("corpora");
  const auto corpora = r.number<uint32_t>("a count");
  for (uint32_t i = 0; i < corpora; ++i) {
    r.line();
    plan.corpora.push_back(r.number<uint64_t>("a hash of 16 hexadecimal digits", 16));
    r.end();
  }
  r.line();
  r.word("rows");
  const auto rows = r.number<uint64_t>("a count");
  if (rows > r.left() / 8) r.bad("no more rows than the file can hold", fmt::format("{} rows", rows));
  plan.rows.reserve(rows);
  for (uint64_t i = 0; i < rows; ++i) {
    r.line();
    PlanRow row;
    row.example = r.number<int32_t>("an example id");
    row.source = r.number<int32_t>("a source id");
    row.score = r.number<float>("a score");
    row.weight = r.number<float>("a weight");
    r.end();
    if (row.weight < 0) r.bad("a weight of at least 0", fmt::format("{}", row.weight));
    if (row.example < 0) r.bad("an example id of at least 0", fmt::format("{}", row.example));
    if (row.source < 0 || static_cast<uint32_t>(row.source) >= corpora)
      r.bad(fmt::format("a source below {}", corpora), fmt::format("{}", row.source));
    plan.rows.push_back(row);
  }
  const size_t hashed = text.size() - r.left();
  r.line();
  r.word("hash");
  const auto stored = r.number<uint64_t>("a hash", 16);
  if (const uint64_t found = hash64(std::string_view(text).substr(0, hashed)); stored != found)
    throw FileError(
        fmt::format("{}: the contents do not match their hash ({:016x}, stored {:016x}); the plan is damaged",
                    path, found, stored));
  if (r.left() > 0) r.bad("the end of the file", fmt::format("{} more bytes", r.left()));
  return plan;
}
}  // namespace rum
