// golden_cases REQUESTS.json DATA_DIR: answers golden cases that carry no expected values, one JSON object
// {"id", "got"} a line.
#include <cstdio>
#include <exception>
#include <string>

#include "../cases.h"
#include "base/error.h"

int main(int argc, char** argv) try {
  using namespace rum;
  if (argc != 3) {
    std::fprintf(stderr, "usage: golden_cases REQUESTS.json DATA_DIR\n");
    return 2;
  }
  const Json file = parse_json(golden::slurp(argv[1]), argv[1]);
  const std::string& name = golden::text(golden::at(file, "area"));
  const golden::Area* area = golden::Area::find(name);
  RUM_CHECK(area != nullptr, "{}: nobody answers the area \"{}\"", argv[1], name);
  area->answer({file, argv[2]}, [](const std::string& id, Json got) {
    std::printf("%s\n", to_json(Json(Json::Object{{"id", id}, {"got", std::move(got)}})).c_str());
  });
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "golden_cases: %s\n", e.what());
  return 1;
}
