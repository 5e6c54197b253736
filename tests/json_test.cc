#include "text/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "error_of.h"
#include "text/unicode.h"

namespace rum::json_test {
namespace {
TEST(Json, RoundTrips) {
  const char* text = R"({"b":[1,-2,0.5,true,null,"ä\n"],"a":{"x":18446744073709551615}})";
  EXPECT_EQ(to_json(parse_json(text, "t")), text);
}
TEST(Json, InfiniteIsATextAndUndefinedNull) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(to_json(Json(Json::Array{inf, -inf, std::nan(""), 0.5})), R"(["inf","-inf",null,0.5])");
}
// Error messages: where, which key, what was expected and what was found.
TEST(Json, FieldsAreReadWithTheirType) {
  const Json j = parse_json(
      R"({"n": 3, "x": 0.5, "t": "text", "b": true, "l": [1, 2.5], "o": {"deep": {"n": "x"}}, "os": [{"n": 1}, 7]})",
      "f");
  const JsonFields f(j, "f");
  EXPECT_EQ(f.whole("n"), 3);
  EXPECT_EQ(f.number("n"), 3);  // a whole number is one, too
  EXPECT_EQ(f.number("x"), 0.5);
  EXPECT_EQ(f.text("t"), "text");
  EXPECT_TRUE(f.boolean("b"));
  EXPECT_EQ(f.numbers("l"), (std::vector<double>{1, 2.5}));
  EXPECT_EQ(f.whole("none", 9), 9);
  EXPECT_EQ(f.whole("n", 9), 3);
  EXPECT_EQ(error_of([&] { f.text("none"); }), "f: \"none\" is missing");
  EXPECT_EQ(error_of([&] { f.whole("x"); }), "f: \"x\": expected a whole number, found 0.5");
  EXPECT_EQ(error_of([&] { f.whole("t", 9); }), "f: \"t\": expected a whole number, found \"text\"");
  EXPECT_EQ(error_of([&] { f.object("o").object("deep").number("n"); }),
            "f: \"o\": \"deep\": \"n\": expected a number, found \"x\"");
  EXPECT_EQ(error_of([&] { f.object("l"); }), "f: \"l\": expected an object, found [1,2.5]");
  EXPECT_EQ(error_of([&] { f.objects("os"); }), "f: \"os\"[1]: expected an object, found 7");
}
TEST(Json, RefusesWithPlaceAndReason) {
  const auto refused = [](const std::string& text, const std::string& part) {
    const std::string said = error_of<FileError>([&] { parse_json(text, "file.json"); });
    EXPECT_TRUE(said.starts_with("file.json: " + part)) << said;
  };
  refused(R"({"a":1,"a":2})", "the key \"a\" appears twice in one object");
  refused(R"({"a":1)", "byte 7: expected '}'");
  refused("", "byte 1: expected '[', '{', or a literal, found the end");
  refused("{\"a\":\"\xff\"}", "byte 7: not JSON");
  refused(std::string(40, '['), "more than 32 levels of brackets");
}
// Cut wherever it may be, before or after.
TEST(Json, MessagesHoldNoHalfCharacter) {
  for (size_t i = 0; i < 2; ++i) {
    std::string many(i, 'x');
    for (int k = 0; k < 100; ++k) many += "\u00e4";
    for (const std::string& bad :
         {"{\"" + many + "\":1,\"" + many + "\":2}", "[\"" + many + "\",\"" + many + "\"x"}) {
      const std::string why = error_of([&] { parse_json(bad, "j"); });
      EXPECT_EQ(find_invalid_utf8(why), std::string::npos) << why;
      EXPECT_EQ(why.find("\uFFFD"), std::string::npos) << why;
      EXPECT_NE(why.find("\u00e4"), std::string::npos) << why;
    }
  }
}
}  // namespace
}  // namespace rum::json_test
