#include "text/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"

using namespace rum;
namespace {
std::string message(const char* text) {
  try {
    parse_json(text, "file.json");
  } catch (const FileError& e) {
    return e.what();
  }
  return "";
}
TEST(Json, RoundTrips) {
  const char* text = R"({"b":[1,-2,0.5,true,null,"ä\n"],"a":{"x":18446744073709551615}})";
  EXPECT_EQ(to_json(parse_json(text, "t")), text);
}
TEST(Json, InfiniteIsATextAndUndefinedNull) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(to_json(Json(Json::Array{inf, -inf, std::nan(""), 0.5})), R"(["inf","-inf",null,0.5])");
}
TEST(Json, RefusesWithPlaceAndReason) {
  EXPECT_NE(message(R"({"a":1,"a":2})").find("\"a\" stands twice"), std::string::npos);
  EXPECT_NE(message(R"({"a":1)").find("byte"), std::string::npos);
  EXPECT_NE(message("").find("file.json"), std::string::npos);
  EXPECT_NE(message("{\"a\":\"\xff\"}").find("byte"), std::string::npos);
  EXPECT_NE(message(std::string(40, '[').c_str()).find("levels"), std::string::npos);
}
}  // namespace
