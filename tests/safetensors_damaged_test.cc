// Malformed safetensors files, one defect each: each gets a sentence of its own, with path, byte and reason.
#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "checkpoint/safetensors.h"

namespace rum::safetensors_damaged_test {
namespace {
struct Bad {
  const char* name;
  std::string bytes, expected;  // a part of the message
};
std::string little(uint64_t value) {
  std::string out(8, '\0');
  std::memcpy(out.data(), &value, 8);
  return out;
}
std::string file(const std::string& header, size_t body = 0) {
  return little(header.size()) + header + std::string(body, 'x');
}
// One tensor "w" of 8 bytes unless changed.
std::string one(const std::string& fields, size_t body = 8) { return file("{\"w\":{" + fields + "}}", body); }
std::string sized(const std::string& shape, const std::string& offsets, size_t body = 8) {
  return one(R"("dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets, body);
}
std::string two(const std::string& first, const std::string& second, size_t body) {
  auto part = [](const char* name, const std::string& offsets) {
    return fmt::format(R"("{}":{{"dtype":"F32","shape":[2],"data_offsets":{}}})", name, offsets);
  };
  return file(fmt::format("{{{},{}}}", part("a", first), part("b", second)), body);
}

std::vector<Bad> lengths() {
  return {
      {"empty", "", "byte 0: expected the 8 bytes of a header's length, found a file of 0 bytes"},
      {"seven bytes", std::string(7, '\0'), "found a file of 7 bytes"},
      {"no header", little(0),
       "header, which begins at byte 8: byte 1: expected '[', '{', or a literal, found the end"},
      {"length over the limit", little(100'000'001) + "{}",
       "byte 0: expected a header of at most 100000000 bytes, found a length of 100000001"},
      {"length 2^64 - 1", little(UINT64_MAX) + "{}", "found a length of 18446744073709551615"},
      {"length 2^63", little(uint64_t{1} << 63) + "{}", "found a length of 9223372036854775808"},
      {"length past the end", little(3) + "{}",
       "byte 0: expected a header that ends within the 10 bytes of the file, found a length of 3"},
      {"length one short", little(1) + "{}", "header, which begins at byte 8: byte"},
  };
}
std::string many_values() {
  std::string text = "{\"w\":[0";
  for (int i = 0; i < 1'100'000; ++i) text += ",0";
  return text += "]}";
}
std::vector<Bad> json() {
  const std::string w = R"("w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  return {
      {"not JSON", file("hello world"), "header, which begins at byte 8: byte 1"},
      {"an array", file("[]"), "byte 8: expected a JSON object, found another value"},
      {"a number", file("17"), "byte 8: expected a JSON object"},
      {"not UTF-8", file("{\"\xff\xfe\":{}}"), "header, which begins at byte 8: byte 3"},
      {"half a UTF-8 character", file("{\"\xc3\":{}}"), "header, which begins at byte 8: byte"},
      {"an overlong UTF-8 character", file("{\"\xc0\xaf\":{}}"), "header, which begins at byte 8: byte"},
      {"a surrogate", file("{\"\xed\xa0\x80\":{}}"), "header, which begins at byte 8: byte"},
      {"a comment", file("{/* */}"), "header, which begins at byte 8: byte 2"},
      {"a trailing comma", file("{" + w + ",}", 8), "header, which begins at byte 8: byte"},
      {"two objects", file("{}{}"), "header, which begins at byte 8: byte 3"},
      {"hidden after a NUL", file(std::string("{}\0{}", 5)), "byte 2: a NUL byte"},
      {"a NUL in a name", file(std::string("{\"\0\":{}}", 8)), "a NUL byte"},
      {"a newline in a name", file("{\"\n\":{}}"), "header, which begins at byte 8: byte"},
      {"deep arrays", file("{\"w\":" + std::string(100'000, '[')), "more than 3 levels of brackets"},
      {"deep objects", file("{\"w\":{\"shape\":[[1]]}}"), "more than 3 levels of brackets"},
      {"a duplicate name", file("{" + w + "," + w + "}", 8), "the key \"w\" appears twice"},
      {"a duplicate by escape", file("{" + w + R"(,"\u0077":{}})", 8), "the key \"w\" appears twice"},
      {"duplicate metadata", file(R"({"__metadata__":{},"__metadata__":{}})"),
       "the key \"__metadata__\" appears twice"},
      {"a duplicate key in metadata", file(R"({"__metadata__":{"a":"1","a":"2"}})"),
       "the key \"a\" appears twice"},
      {"a duplicate field", one(R"("dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8])"),
       "the key \"dtype\" appears twice"},
      {"metadata not an object", file(R"({"__metadata__":[]})"),
       "byte 9: expected an object of strings, found another value in \"__metadata__\""},
      {"a number in metadata", file(R"({"__metadata__":{"step":7}})"), "no string for the key \"step\""},
      {"nested metadata", file(R"({"__metadata__":{"a":{"b":"c"}}})"), "no string for the key \"a\""},
      {"many values", file(many_values()), "more than 1048576 values"},
  };
}
std::vector<Bad> entries() {
  const std::string rest = R"(,"shape":[2],"data_offsets":[0,8])";
  return {
      {"an entry that is a string", file(R"({"w":"F32"})"), "byte 9: expected an object with dtype, shape"},
      {"an endless name", file("{\"" + std::string(1 << 20, 'x') + "\":{}}"),
       "found none in \"" + std::string(80, 'x') + "...\""},
      {"an empty entry", file(R"({"w":{}})"), "expected a string \"dtype\", found none in \"w\""},
      {"a dtype that is a number", one("\"dtype\":32" + rest),
       "expected a string \"dtype\", found another value"},
      {"an unknown dtype", one("\"dtype\":\"F31\"" + rest), "found the unknown dtype \"F31\" in \"w\""},
      {"a dtype in lower case", one("\"dtype\":\"f32\"" + rest), "found the unknown dtype \"f32\""},
      {"F16", one("\"dtype\":\"F16\"" + rest),
       "byte 9: expected a dtype of F32, BF16, F64, I32, I8, found the unsupported dtype F16 in \"w\""},
      {"I64", one("\"dtype\":\"I64\"" + rest), "found the unsupported dtype I64"},
      {"U8", one("\"dtype\":\"U8\"" + rest), "found the unsupported dtype U8"},
      {"BOOL", one("\"dtype\":\"BOOL\"" + rest), "found the unsupported dtype BOOL"},
      {"F4", one("\"dtype\":\"F4\"" + rest), "found the unsupported dtype F4"},
      {"no shape", one(R"("dtype":"F32","data_offsets":[0,8])"), "expected an array \"shape\", found none"},
      {"a shape that is a number", sized("2", "[0,8]"), "expected an array \"shape\", found another value"},
      {"a negative axis", sized("[-2]", "[0,8]"), "from 0 to 2^63 - 1 in \"shape\", found -2"},
      {"a fractional axis", sized("[2.0]", "[0,8]"), "in \"shape\", found 2"},
      {"an axis of 2^63", sized("[9223372036854775808]", "[0,8]"), "found 9223372036854775808"},
      {"an axis of 2^64", sized("[18446744073709551616]", "[0,8]"), "in \"shape\", found 1.844"},
      {"an axis that is a string", sized("[\"2\"]", "[0,8]"), "in \"shape\", found \"2\""},
      {"an axis that is null", sized("[null]", "[0,8]"), "in \"shape\", found null"},
      {"five axes", sized("[1,1,1,1,2]", "[0,8]"), "expected at most 4 axes, found 5"},
      {"no offsets", one(R"("dtype":"F32","shape":[2])"), "expected an array \"data_offsets\", found none"},
      {"one offset", sized("[2]", "[8]"), "expected 2 data_offsets, found 1"},
      {"three offsets", sized("[2]", "[0,8,8]"), "expected 2 data_offsets, found 3"},
      {"a negative offset", sized("[2]", "[-1,8]"), "in \"data_offsets\", found -1"},
      {"an unknown field", one("\"dtype\":\"F32\"" + rest + ",\"strides\":[1]"),
       "expected only dtype, shape and data_offsets, found the key \"strides\""},
  };
}
std::vector<Bad> layouts() {
  return {
      {"a hole at the start", sized("[2]", "[4,12]", 12),
       "byte 9: expected data_offsets that begin at 0, found a hole at 4 in \"w\""},
      {"a hole", two("[0,8]", "[12,20]", 20), "begin at 8, found a hole at 12 in \"b\""},
      {"an overlap", two("[0,8]", "[4,12]", 12), "begin at 8, found an overlap at 4 in \"b\""},
      {"the same bytes twice", two("[0,8]", "[0,8]", 8), "begin at 8, found an overlap at 0"},
      {"the end before the begin", two("[0,8]", "[8,4]", 12),
       "end at 8 or later, found an end of 4 in \"b\""},
      {"offsets too near", sized("[2]", "[0,4]", 4),
       "data_offsets 8 bytes apart, as dtype and shape say, found 4"},
      {"offsets too far apart", sized("[2]", "[0,12]", 12),
       "8 bytes apart, as dtype and shape say, found 12"},
      {"a scalar of two", sized("[]", "[0,8]"), "data_offsets 4 bytes apart"},
      {"a zero axis with bytes", sized("[0,2]", "[0,8]"), "data_offsets 0 bytes apart"},
      {"the product overflows", sized("[4294967296,4294967296]", "[0,8]"),
       "expected a shape of less than 2^63 bytes, found the shape [4294967296, 4294967296] in \"w\""},
      {"the product overflows to 2", sized("[4294967296,4294967296,2]", "[0,8]"),
       "found the shape [4294967296,"},
      {"the product overflows before a 0", sized("[4294967296,4294967296,0]", "[0,0]", 0), "found the shape"},
      {"the bytes overflow", sized("[4611686018427387904]", "[0,8]"),
       "found the shape [4611686018427387904]"},
      {"2^63 bytes", sized("[2305843009213693952]", "[0,8]"), "found the shape [2305843009213693952]"},
      {"more than the file holds", sized("[25000000000]", "[0,100000000000]", 8),
       "expected 100000000000 bytes of tensors after the header, found the end of the file after 8"},
      {"cut off", sized("[2]", "[0,8]", 7), "found the end of the file after 7"},
      {"trailing bytes", sized("[2]", "[0,8]", 12),
       "expected the end of the file after the last tensor, found 4 more bytes"},
      {"bytes without tensors", file("{}", 1), "byte 10: expected the end of the file"},
  };
}
TEST(BadSafetensors, EachDefectHasItsSentence) {
  int count = 0;
  for (const auto& table : {lengths(), json(), entries(), layouts()})
    for (const Bad& bad : table) {
      ++count;
      try {
        parse_safetensors(bad.bytes, "bad.safetensors");
        ADD_FAILURE() << bad.name << ": was read";
      } catch (const FileError& e) {
        EXPECT_TRUE(std::string(e.what()).starts_with("bad.safetensors: ")) << bad.name << ": " << e.what();
        EXPECT_NE(std::string(e.what()).find(bad.expected), std::string::npos)
            << bad.name << ": " << e.what();
      }
    }
  EXPECT_EQ(count, 75);
}
TEST(BadSafetensors, WhatIsUnusualButRightIsRead) {
  for (const std::string& bytes : {
           file("{}"),
           file("  {}  "),
           file(R"({"__metadata__":{}})"),
           sized("[2]", "[0,8]"),
           sized("[0,9223372036854775807]", "[0,0]", 0),
           sized("[1,1,1,2]", "[0,8]"),
           two("[8,16]", "[0,8]", 16),  // in another order than the header's
           one(R"("data_offsets":[0,8],"shape":[2],"dtype":"F32")"),
       })
    EXPECT_NO_THROW(parse_safetensors(bytes, "fine")) << bytes;
}
}  // namespace
}  // namespace rum::safetensors_damaged_test
