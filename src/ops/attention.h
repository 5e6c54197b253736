// Attention (Vaswani et al. 2017) over packed texts: N tokens stand one after another, `offsets` say where
// each text begins. Shapes are constant and lengths are data on the device, so one memory layout and one
// recorded graph serve a whole run.
#pragma once
#include <compare>
#include <span>
#include <vector>

#include "autograd/tape.h"
#include "base/random.h"

namespace rum {
// What a token sees: causal, itself and what precedes it; full, the whole text; prefix, as causal, but the
// tokens of the prefix all see each other (Raffel et al. 2020).
enum class Mask : uint8_t { causal, full, prefix };

// Keys and values of the texts being generated, one slot each. Made outside any tape.
struct Cache {
  // Per layer (slots, length, kv heads * D). Values token by token; so are keys on the GPU. On the CPU keys
  // stand in panels of as many tokens as a vector has lanes, number by number (ops/attend.h): a query meets a
  // panel with one multiply-add a number.
  std::vector<Tensor> keys, values;
  Tensor used;  // (slots) i32: tokens that a slot holds
  Cache(int64_t layers, int64_t slots, int64_t length, int64_t width, DType, DeviceKind);
  void advance(const Tensor& offsets);             // after each forward: used += the segments' lengths
  void reorder(std::span<const int32_t> parents);  // slot s becomes a copy of what slot parents[s] held
  void clear(int64_t slot);                        // a new text begins there
  struct Copy {                                    // of one slot into another; -1 is a spare one
    int32_t to, from;
  };
};

// How N rows are cut into texts. It travels through the model; attention() alone looks inside.
struct Layout {
  Tensor offsets;    // (S+1) i32, from 0 on: text s is rows offsets[s] .. offsets[s+1]; unused ones are N
  Tensor prefix;     // (S) i32: this many leading tokens of a text see each other (Mask::prefix)
  Tensor positions;  // (N) i32: place in the text, for RoPE and for learned positions
  Mask mask = Mask::causal;
  Cache* cache = nullptr;       // text s continues where slot s of the cache ends
  Layout to(DeviceKind) const;  // with the same cache
};

// Rotary position embedding (Su et al. 2021): in a head of width D pair j, its numbers j and j + D / 2, turns
// by base^(-2 j / D) per position. Base 0: none. With a factor, Llama 3's scaling for texts beyond `context`:
// pairs that make fewer than `low` turns within it are slowed by the factor, those that make more than `high`
// are unchanged, and in between the two are blended.
struct Rope {
  float base = 0, factor = 1, low = 1, high = 4, context = 8192;
  constexpr Rope(float b = 0) : base(b) {}
  bool on() const { return base > 0; }
  RUM_HOST_DEVICE double scaled(double angle) const {  // of a pair for one position
    const double turns = context * angle / 6.283185307179586476925;
    if (factor == 1 || turns > high) return angle;
    if (turns < low) return angle / factor;
    const double share = (turns - low) / (high - low);
    return (1 - share) * angle / factor + share * angle;
  }
  auto operator<=>(const Rope&) const = default;
};

// kv divides query; head h reads the keys and values of head h / (query / kv) (Ainslie et al. 2023).
struct Heads {
  int query = 1, kv = 1;
};

// y = softmax(q k' / sqrt D) v, head by head and text by text. qkv: (N, (query + 2 kv) D), all queries, then
// all keys, then all values, heads side by side; y: (N, query D), 0 in rows after the last offset. layer:
// which of the cache's. Keeps no T x T matrix.
Tensor attention(const Tensor& qkv, Heads, const Layout&, int layer, Rope = 10000);

// The decoder's look at the encoder: text s of `queries` sees all of text s of `memory`. q: (N, query D), kv:
// (M, 2 kv D), all keys, then all values; y: (N, query D). Of the layouts only the offsets count. Queries of
// a text without memory, and rows after the last text, give 0.
Tensor cross_attention(const Tensor& q, const Tensor& kv, Heads, const Layout& queries, const Layout& memory);

// Error, with the op's name, unless the offsets are i32, on the device of x, and rise from 0 to at most its
// number of rows. Those on a GPU are not read: that would wait for it.
void check_offsets(const char* op, const Tensor& offsets, const Tensor& x);

namespace kernels {
inline constinit Kernel<const Tensor& /*qkv*/, Heads, const Layout&, int /*layer*/, Rope, Tensor& /*y*/,
                        Tensor& /*lse*/>
    attention_forward{"attention_forward"};
inline constinit Kernel<const Tensor& /*qkv*/, Heads, const Layout&, Rope, const Tensor& /*y*/,
                        const Tensor& /*lse*/, const Tensor& /*dy*/, const Grad& /*dqkv*/>
    attention_backward{"attention_backward"};
inline constinit Kernel<const Tensor& /*q*/, const Tensor& /*kv*/, Heads, const Layout& /*queries*/,
                        const Layout& /*memory*/, Tensor& /*y*/, Tensor& /*lse*/>
    cross_attention_forward{"cross_attention_forward"};
inline constinit Kernel<const Tensor& /*q*/, const Tensor& /*kv*/, Heads, const Layout& /*queries*/,
                        const Layout& /*memory*/, const Tensor& /*y*/, const Tensor& /*lse*/,
                        const Tensor& /*dy*/, const Grad& /*dq*/, const Grad& /*dkv*/>
    cross_attention_backward{"cross_attention_backward"};
inline constinit Kernel<const Tensor& /*offsets*/, Tensor& /*used*/> cache_advance{"cache_advance"};
inline constinit Kernel<Cache&, std::span<const Cache::Copy>> cache_reorder{"cache_reorder"};
}  // namespace kernels
}  // namespace rum
