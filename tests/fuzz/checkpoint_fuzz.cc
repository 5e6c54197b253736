// Whatever the safetensors reader accepts, the writer writes and the reader reads back, bit for bit.
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "tests/fuzz/fuzz.h"

namespace {
using namespace rum;

std::string written(const TensorFile& file) {
  std::string out = safetensors_header(file);
  for (const auto& [name, t] : file.tensors) {
    const Disk::Part bytes = bytes_of(t);
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return out;
}
void run(std::string_view bytes) {
  accepted([&] { parse_checkpoint(bytes, "fuzz"); });
  TensorFile file;
  if (!accepted([&] { file = parse_safetensors(bytes, "fuzz"); })) return;
  const TensorFile ordered = in_file_order(file);
  const std::string once = written(ordered);
  TensorFile again;
  promise(accepted([&] { again = parse_safetensors(once, "again"); }));
  promise(again.meta == ordered.meta && again.tensors.size() == file.tensors.size());
  promise(written(in_file_order(again)) == once);
}
const FuzzTarget target("checkpoint", run);
}  // namespace
