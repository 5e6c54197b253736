// Attention over packed segments: N tokens stand in one row of memory, `offsets` say where each text begins.
// All shapes are constant and lengths are data on the device, so one memory layout and one captured graph
// serve a run.
#pragma once
#include <span>
#include <vector>

#include "autograd/tape.h"

namespace rum {
enum class Mask : uint8_t { causal, full, prefix };

struct Cache {  // keys and values of texts that are being written, one slot each; made outside any tape
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
  Tensor offsets;    // (S+1) i32: text s is rows offsets[s] .. offsets[s+1]; padded with N
  Tensor prefix;     // (S) i32: the first so many tokens of a text see each other (Mask::prefix)
  Tensor positions;  // (N) i32: place in the text, for RoPE and for learned positions
  Mask mask = Mask::causal;
  Cache* cache = nullptr;       // text s goes on where slot s of the cache ends
  Layout to(DeviceKind) const;  // with the same cache
};

struct Heads {
  int query = 1,
      kv = 1;  // kv divides query; head h reads keys and values of h / (query / kv) (Ainslie et al. 2023)
};

// qkv: (N, (query + 2 kv) D): all queries, then all keys, then all values, heads side by side; y: (N, query
// D). rope: base of the rotary embedding (Su et al. 2021), 0 for none. layer: which of the cache's. Rows
// after the last offset give 0. No T x T matrix is kept.
Tensor attention(const Tensor& qkv, Heads, const Layout&, int layer, float rope = 10000);

// The decoder's look at the encoder: text s of `queries` sees all of text s of `memory`. q: (N, query D), kv:
// (M, 2 kv D), all keys, then all values; y: (N, query D). Of the layouts only the offsets count. Queries of
// a text without memory, and rows in no text, give 0.
Tensor cross_attention(const Tensor& q, const Tensor& kv, Heads, const Layout& queries, const Layout& memory);

namespace kernels {
inline constinit Kernel<const Tensor& /*qkv*/, Heads, const Layout&, int /*layer*/, float /*rope*/,
                        const Tensor& /*y*/, const Tensor& /*lse*/>
    attention_forward{"attention_forward"};
inline constinit Kernel<const Tensor& /*qkv*/, Heads, const Layout&, float /*rope*/, const Tensor& /*y*/,
                        const Tensor& /*lse*/, const Tensor& /*dy*/, const Grad& /*dqkv*/>
    attention_backward{"attention_backward"};
inline constinit Kernel<const Tensor& /*q*/, const Tensor& /*kv*/, Heads, const Layout& /*queries*/,
                        const Layout& /*memory*/, const Tensor& /*y*/, const Tensor& /*lse*/>
    cross_attention_forward{"cross_attention_forward"};
inline constinit Kernel<const Tensor& /*q*/, const Tensor& /*kv*/, Heads, const Layout& /*queries*/,
                        const Layout& /*memory*/, const Tensor& /*y*/, const Tensor& /*lse*/,
                        const Tensor& /*dy*/, const Grad& /*dq*/, const Grad& /*dkv*/>
    cross_attention_backward{"cross_attention_backward"};
inline constinit Kernel<const Tensor& /*offsets*/, const Tensor& /*used*/> cache_advance{"cache_advance"};
inline constinit Kernel<const Cache&, std::span<const Cache::Copy>> cache_reorder{"cache_reorder"};
}  // namespace kernels
}  // namespace rum
