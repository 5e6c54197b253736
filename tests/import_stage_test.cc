// Text of a model that was run elsewhere, as an experiment takes it in.
#include <gtest/gtest.h>

#include "edits/targets.h"
#include "generate/generated.h"
#include "pipeline/store.h"
#include "tests/error_of.h"
#include "tests/scratch.h"
#include "text/json.h"

namespace rum::import_stage_test {
namespace {
void write_pool(const StageContext& x) {
  Disk::real().replace_text(x.folder + "/pool.tsv", "eins\tone\nzwei\ttwo\ndrei\tthree\n");
}
const StageKind pool_kind("test-pool", 1, false, write_pool);

struct Import : testing::Test {
  Scratch scratch;
  Store store{scratch.path + "/x"};
  std::string folder;  // of the stage
  Import() { Disk::real().make_folders(scratch.path + "/x"); }
  void take_in(const std::string& text) {
    const std::string file = scratch.path + "/outside";
    Disk::real().replace_text(file, text);
    Progress progress;
    progress.be_silent();
    Graph g;
    const std::string split = g.add("test-pool", "pool", {}, {}),
                      id = g.add("import", "outside", {{"name", "outside"}, {"hash", text}},
                                 {{"split", split}}, 1, {{"file", file}});
    for (const std::string& stage : {split, id}) store.make(g, stage, progress, [] { return false; });
    folder = store.folder(id);
  }
  Json counts() const { return parse_json(Disk::real().read(folder + "/counts.json"), "counts.json"); }
  int64_t count(const char* key) const {
    int64_t n = -1;
    counts().find(key)->whole(n);
    return n;
  }
};
Generated line(int64_t id, const char* source, const char* target, bool finished) {
  Generated g;
  g.id = id, g.source = source, g.target = target, g.finished = finished;
  g.from = {"gpt-x", "https://a/v1", "chat temperature 0", 7, 1};
  return g;
}

// One source is refused, one answer cut off: both are counted, and the lines stay with their provenance.
TEST_F(Import, KeepsItsLinesAndCountsWhatIsMissing) {
  const std::string lines = to_line(line(2, "drei", "three an", false)) +
                            to_line(line(0, "eins", "One", true)) + to_line(line(1, "zwei", "", false));
  take_in(lines);
  EXPECT_EQ(Disk::real().read(folder + "/generated.jsonl"), lines);
  EXPECT_EQ(edits::read_targets(folder).ids, (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(count("sources"), 3);
  EXPECT_EQ(count("left_out"), 1);
  EXPECT_EQ(count("unfinished"), 1);
  EXPECT_EQ(to_json(*counts().find("from")),
            R"({"generator":"gpt-x","checkpoint":"https://a/v1","decoding":"chat temperature 0",)"
            R"("seed":7,"generation":1})");
}
TEST_F(Import, TwoModelsAreNotOneGenerator) {
  Generated other = line(1, "zwei", "Two", true);
  other.from.generator = "other-model";
  const std::string e = error_of<FileError>([&] {
    take_in(to_line(line(0, "eins", "One", true)) + to_line(other) + to_line(line(2, "drei", "Three", true)));
  });
  EXPECT_NE(e.find("outside: line 2: written by {\"generator\":\"other-model\""), std::string::npos) << e;
}
TEST_F(Import, PairsSayNothingOfTheirWriter) {
  take_in("eins\tOne\nzwei\t\ndrei\tThree\n");
  EXPECT_FALSE(Disk::real().exists(folder + "/generated.jsonl"));
  EXPECT_EQ(edits::read_targets(folder).ids, (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(count("left_out"), 1);
  EXPECT_EQ(count("unfinished"), 0);
  EXPECT_TRUE(counts().find("from")->object()->empty());
}
}  // namespace
}  // namespace rum::import_stage_test
