// TensorBoard event files, scalars only, written by hand: TFRecord frames round protobuf messages of a few
// fields. One writer per file; a resumed run opens a new file in the same folder, whose first step tells
// TensorBoard which points of the older files were taken back.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"

namespace rum {
struct Scalar {
  std::string_view tag;  // "train/loss": what stands before the slash groups the panels
  float value;
};
class EventWriter {
 public:
  // Makes the folder and in it events.out.tfevents.TIME.local.PROCESS.COUNT, without the machine's name. Its
  // name comes after those of all older files, which is the order in which TensorBoard reads them; points of
  // theirs from `first_step` on are shown no more.
  EventWriter(const std::string& folder, int64_t first_step, Disk& = Disk::real());
  // One record, in one write, stamped with the time of now.
  void write(int64_t step, std::span<const Scalar>);
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  Disk& disk_;
};

// The records as bytes. wall_time: seconds since 1970.
std::string version_record(double wall_time);                    // the first of every file
std::string start_record(double wall_time, int64_t first_step);  // a session that begins with this step
std::string scalar_record(double wall_time, int64_t step, std::span<const Scalar>);
uint32_t crc32c(std::string_view bytes);         // Castagnoli
uint32_t masked_crc32c(std::string_view bytes);  // as TFRecord stores it
}  // namespace rum
