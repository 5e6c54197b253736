#include "model/lora.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace rum {
Adapter Params::adapter(int64_t in, int64_t out) const {
  if (adapters_ == nullptr) return {};
  const std::string layer = path_.substr(path_.rfind('.') + 1);
  adapters_->layers.insert(layer);
  const auto& targets = adapters_->targets;
  if (std::find(targets.begin(), targets.end(), layer) == targets.end()) return {};
  const int64_t rank = adapters_->rank, widest = std::min(in, out);
  RUM_CHECK(rank <= widest, "lora.rank = {} is more than the rank of {}, which is {} at most", rank, path_,
            widest);
  const Params trained(adapters_->trained, path_);
  const float scale = 1 / std::sqrt(3 * static_cast<float>(in));
  return {(trained / kAdapterA).matrix({rank, in}, {Init::normal, scale}),
          (trained / kAdapterB).matrix({out, rank}, {Init::zeros}), adapters_->scale};
}
}  // namespace rum
