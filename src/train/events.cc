// Event: 1 wall_time (double), 2 step (varint), 3 file_version (string), 5 summary, 7 session_log. Summary:
// repeated 1 value. Value: 1 tag (string), 2 simple_value (float). SessionLog: 1 status (varint; 1: START).
#include "train/events.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>

#include "base/error.h"

namespace rum {
namespace {
constexpr std::array<uint32_t, 256> kTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ (c & 1 ? 0x82F63B78u : 0);
    table[i] = c;
  }
  return table;
}();

template <class T>
std::string little(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 128; value >>= 7) out += static_cast<char>(value | 128);
  return out + static_cast<char>(value);
}
enum Wire : uint8_t { kVarint = 0, kDouble = 1, kBytes = 2, kFloat = 5 };
std::string key(int field, Wire wire) { return varint(static_cast<uint64_t>(field << 3 | wire)); }
std::string bytes_field(int field, std::string_view bytes) {
  return key(field, kBytes) + varint(bytes.size()) + std::string(bytes);
}
std::string framed(const std::string& data) {
  const std::string length = little<uint64_t>(data.size());
  return length + little(masked_crc32c(length)) + data + little(masked_crc32c(data));
}
constexpr std::string_view kBefore = "events.out.tfevents.";
// Seconds since 1970 for the name of a new file: now, or what comes after the files that are there.
int64_t next_time(const std::string& folder, double now, Disk& disk) {
  auto time = static_cast<int64_t>(now);
  for (const std::string& name : disk.list(folder)) {
    if (!name.starts_with(kBefore)) continue;
    int64_t theirs = 0;
    std::from_chars(name.data() + kBefore.size(), name.data() + name.size(), theirs);
    if (theirs >= time && theirs < INT64_MAX) time = theirs + 1;
  }
  return time;
}
double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}
}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t c = ~0u;
  for (const char byte : bytes) c = (c >> 8) ^ kTable[(c ^ static_cast<uint8_t>(byte)) & 255];
  return ~c;
}
uint32_t masked_crc32c(std::string_view bytes) {
  const uint32_t c = crc32c(bytes);
  return (c >> 15 | c << 17) + 0xA282EAD8u;
}
std::string version_record(double wall_time) {
  return framed(key(1, kDouble) + little(wall_time) + bytes_field(3, "brain.Event:2"));
}
std::string start_record(double wall_time, int64_t first_step) {
  return framed(key(1, kDouble) + little(wall_time) + key(2, kVarint) +
                varint(static_cast<uint64_t>(first_step)) + bytes_field(7, key(1, kVarint) + varint(1)));
}
std::string scalar_record(double wall_time, int64_t step, std::span<const Scalar> scalars) {
  std::string summary;
  for (const Scalar& s : scalars)
    summary += bytes_field(1, bytes_field(1, s.tag) + key(2, kFloat) + little(s.value));
  return framed(key(1, kDouble) + little(wall_time) + key(2, kVarint) + varint(static_cast<uint64_t>(step)) +
                bytes_field(5, summary));
}

EventWriter::EventWriter(const std::string& folder, int64_t first_step, Disk& disk) : disk_(disk) {
  static std::atomic<int> count{0};
  disk.make_folders(folder);
  const double time = now();
  path_ = fmt::format("{}/{}{:010}.local.{}.{}", folder, kBefore, next_time(folder, time, disk), getpid(),
                      count++);
  disk.append(path_, version_record(time) + start_record(time, first_step));
}
void EventWriter::write(int64_t step, std::span<const Scalar> scalars) {
  disk_.append(path_, scalar_record(now(), step, scalars));
}
}  // namespace rum
