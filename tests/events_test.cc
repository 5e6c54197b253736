// Event files against vectors made with protoc and the published checks of CRC-32C.
#include "train/events.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/scratch.h"

namespace rum::events_test {
namespace {
std::string hex(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes)
    for (const int shift : {4, 0}) out += "0123456789abcdef"[static_cast<uint8_t>(byte) >> shift & 15];
  return out;
}
TEST(Events, ChecksumsEqualThePublishedOnes) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(masked_crc32c("\x1a\x11"
                          "CRC test, one two"),
            0x5794d08au);
}
TEST(Events, RecordsEqualTheVectors) {
  EXPECT_EQ(hex(version_record(0)),
            "1800000000000000a37f4b220900000000000000001a0d627261696e2e4576656e743a32eedf28a3");
  const Scalar loss[] = {{"loss", 2.5f}};
  EXPECT_EQ(hex(scalar_record(1, 7, loss)),
            "1a00000000000000129bd82d09000000000000f03f10072a0d0a0b0a046c6f7373150000204087ccc43d");
}
// Computed from the protobuf wire format with a bitwise CRC: status START of a session log, at step 8.
TEST(Events, ASessionBeginsWithItsFirstStep) {
  EXPECT_EQ(hex(start_record(1, 8)), "0f000000000000006d532b0909000000000000f03f10083a020801a3ed72c9");
}
TEST(Events, ALaterFileIsReadLater) {  // TensorBoard reads them in the order of their names
  Scratch folder;
  std::string last = folder.path + "/events.out.tfevents.9000000000.local.7.0";  // by a wrong clock
  Disk::real().replace_text(last, "");
  for (int i = 0; i < 3; ++i) {
    const EventWriter next(folder.path, 1);
    EXPECT_LT(last, next.path());
    last = next.path();
  }
}
TEST(Events, AFileIsTheVersionTheStartAndTheRecordsInOrder) {
  Scratch folder;
  EventWriter writer(folder.path + "/run/events", 1), second(folder.path + "/run/events", 1);
  EXPECT_LT(writer.path(), second.path());
  const Scalar two[] = {{"train/loss", 1.5f}, {"train/rate", 3e-4f}}, one[] = {{"valid/loss", 1.25f}};
  writer.write(300, two);
  writer.write(1, one);
  const std::string bytes = Disk::real().read(writer.path());
  std::vector<std::string> records;
  for (size_t at = 0; at < bytes.size();) {
    uint64_t length = 0;
    std::memcpy(&length, bytes.data() + at, 8);
    ASSERT_LE(at + 16 + length, bytes.size());
    records.push_back(bytes.substr(at, 16 + length)), at += 16 + length;
  }
  ASSERT_EQ(records.size(), 4u);
  auto time = [&](size_t i) {
    double wall = 0;
    std::memcpy(&wall, records[i].data() + 13, 8);
    return wall;
  };
  EXPECT_GT(time(0), 1.7e9);
  EXPECT_EQ(records[0], version_record(time(0)));
  EXPECT_EQ(records[1], start_record(time(0), 1));
  EXPECT_EQ(records[2], scalar_record(time(2), 300, two));
  EXPECT_EQ(records[3], scalar_record(time(3), 1, one));
  EXPECT_EQ(Disk::real().list(folder.path + "/run/events")[0].substr(0, 20), "events.out.tfevents.");
}
}  // namespace
}  // namespace rum::events_test
