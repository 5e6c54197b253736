// The engine in a few lines: tensors, a tape that records what is done to them, and the way back.
// It needs nothing but base, tensor, autograd and ops; tests/hello_test.cc runs it.
#include <cstdio>
#include <vector>

#include "ops/gelu.h"
#include "ops/linear.h"

int main() {
  using namespace rum;
  const std::vector<float> numbers = {1, 2, 3}, weights = {0.5f, -0.25f, 0.125f};
  Watched x(Tensor::from<float>(numbers, {1, 3}, DType::f32));  // a row of three numbers
  Watched w(Tensor::from<float>(weights, {1, 3}, DType::f32));  // one neuron

  Arena arena(DeviceKind::cpu);  // the memory of one step
  Tape tape(arena);              // records every op from here on
  const Tensor y = gelu(linear(x.x, w.x));
  tape.backward(y);

  std::printf("y = gelu(x w') = %.4f\n", y.at(0));
  for (int i = 0; i < 3; ++i)
    std::printf("dy/dw[%d] = %.4f   dy/dx[%d] = %.4f\n", i, w.grad().at(i), i, x.grad().at(i));
  return 0;  // tests/hello_test.cc calls this as a function
}
