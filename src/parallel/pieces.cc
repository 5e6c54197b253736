#include "parallel/pieces.h"

#include <algorithm>

namespace rum {
Pieces::Pieces(const ParameterBlock& params, const Ranks& ranks, int64_t parts)
    : device_(params.master().device()),
      params_(params) {
  if (ranks.size() == 1 || parts != ranks.size() || device_ == DeviceKind::cpu) return;
  const Tensor all = params.grads();
  const auto cut = [&](int64_t begin, int64_t end) {
    if (begin < end) pieces_.push_back({all.rows(begin, end)});
  };
  // As the backward pass goes: from the last layer to the first, then the vectors, which all layers have.
  int64_t end = params.decayed();
  for (auto e = params.entries().rbegin(); e != params.entries().rend(); ++e)
    if (e->decay && (end - e->offset >= kNumbers || e->offset == 0))
      cut(e->offset, std::exchange(end, e->offset));
  cut(params.decayed(), all.size());
  note_ = [this](const GradSlot& slot) {
    Piece* const p = holds(slot.grad);
    if (p != nullptr && ++p->writes == p->before)
      kernels::mark_piece(device_, static_cast<size_t>(p - pieces_.data()));
  };
}
Pieces::Piece* Pieces::holds(const Tensor& grad) {
  const float* const at = grad.data<float>();
  for (Piece& p : pieces_)
    if (at >= p.grads.data<float>() && at < p.grads.data<float>() + p.grads.size()) return &p;
  return nullptr;
}
const Tape::Written* Pieces::watch() {
  for (Piece& p : pieces_) p.before = std::exchange(p.writes, 0);
  return pieces_.empty() ? nullptr : &note_;
}
bool Pieces::foreseen() const { return std::ranges::all_of(pieces_, &Piece::foreseen); }
void Pieces::sum(Ranks& ranks) {
  // Marked in time? A piece that has none of the writes, or a gradient that was zeroed after them, was not.
  std::vector<Tensor> grads;
  std::vector<bool> late;
  for (const Piece& p : pieces_) {
    grads.push_back(p.grads);
    late.push_back(p.writes == 0 || !p.foreseen());
  }
  const std::vector<bool> written = params_.written();
  for (size_t i = 0; const ParameterBlock::Entry& e : params_.entries())
    if (!written[i++]) late[static_cast<size_t>(holds(e.part_of(params_.grads())) - pieces_.data())] = true;
  for (size_t i = 0; i < late.size(); ++i)
    if (late[i]) kernels::mark_piece(device_, i);
  kernels::sum_pieces(device_, ranks, grads);
}
}  // namespace rum
