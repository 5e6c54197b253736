#include "tensor/shape.h"

#include <algorithm>

#include "base/error.h"

namespace rum {
Shape::Shape(std::initializer_list<int64_t> axes) : rank(static_cast<int>(axes.size())) {
  RUM_CHECK(axes.size() <= 4, "a shape has at most four axes, not {}", axes.size());
  std::copy(axes.begin(), axes.end(), axis.begin());
}
std::string str(const Shape& s) {
  std::string out = "(";
  for (int i = 0; i < s.rank; ++i) out += (i ? ", " : "") + std::to_string(s[i]);
  return out + ")";
}
}  // namespace rum
