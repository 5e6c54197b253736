// Every golden file of tests/golden, and of the large collection of real text if it lies beside the
// repository: what other tools say about the same texts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "golden/cases.h"

namespace rum::golden::golden_test {
namespace {
namespace fs = std::filesystem;
std::string collection() {
  const char* set = std::getenv("RUM_GOLDEN");
  return set ? set : "../shared/golden/metrics";
}
std::vector<std::string> files(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none))
    if (entry.path().extension() == ".json") out.push_back(entry.path().string());
  std::sort(out.begin(), out.end());
  return out;
}
// Answers every case of the file and compares; returns how many values were compared.
int check(const std::string& path, const std::string& data) {
  const Json file = parse_json(slurp(path), path);
  const Json* name = file.find("area");
  if (name == nullptr) return -1;  // another kind of file
  const Area* area = Area::find(text(*name));
  if (area == nullptr) {
    ADD_FAILURE() << path << ": nobody answers \"" << text(*name) << '"';
    return -1;
  }
  std::map<std::string, Json> got;
  area->answer({file, data}, [&](const std::string& id, Json g) { got[id] = std::move(g); });
  int compared = 0;
  std::vector<std::string> differences;
  for (const Json& c : *at(file, "cases").array()) {
    const Json* expected = c.find("expected");
    const Json* kind = c.find("kind");
    if (expected == nullptr || (kind && kind->text() && *kind->text() == "published")) continue;
    const std::string& id = text(at(c, "id"));
    const int before = compared;
    if (got.contains(id))
      compare(*name->text() + ":" + id + ".", *expected, got[id], tolerance, differences, compared);
    EXPECT_GT(compared, before) << path << ": no answer for " << id;
  }
  for (size_t i = 0; i < std::min<size_t>(differences.size(), 20); ++i) ADD_FAILURE() << differences[i];
  EXPECT_EQ(differences.size(), 0u) << path;
  return compared;
}
TEST(Golden, OwnTexts) {
  int checked = 0;
  for (const std::string& path : files("tests/golden"))
    if (check(path, "tests/golden") > 0) ++checked;
  EXPECT_GE(checked, 1);
}
// Not just close: the scores of sentences and corpora equal the reference tool's to the last bit.
TEST(Golden, TranslationScoresToTheLastBit) {
  const std::string path = "tests/golden/mt_corpus.json";
  const Json file = parse_json(slurp(path), path);
  std::map<std::string, const Json*> expected;
  for (const Json& c : *at(file, "cases").array())
    if (const Json* e = c.find("expected")) expected[text(at(c, "id"))] = e;
  int compared = 0;
  std::vector<std::string> differences;
  Area::find("mt/corpus+sentence scores")
      ->answer({file, "tests/golden"}, [&](const std::string& id, Json got) {
        compare(
            id, *expected.at(id), got,
            [](const std::string&) {
              return Tolerance{0, 0};
            },
            differences, compared);
      });
  EXPECT_GT(compared, 5000);
  EXPECT_EQ(differences.size(), 0u) << differences[0];
}
class Collection : public testing::TestWithParam<const char*> {};
TEST_P(Collection, IsAnswered) {
  const std::string path = collection() + "/" + GetParam() + ".json";
  if (!fs::exists(path)) GTEST_SKIP() << "no golden collection in " << collection();
  EXPECT_GT(check(path, collection() + "/data"), 0);
}
// Models in Hugging Face's folders, beside the collection: ids, logits, what is written.
TEST(Golden, HuggingFaceFolders) {
  const std::string all = collection() + "/../hf";
  if (!fs::exists(all)) GTEST_SKIP() << "no golden folders in " << all;
  int folders = 0;
  for (const auto& entry : fs::directory_iterator(all))
    if (const fs::path file = entry.path() / "golden.json"; fs::exists(file)) {
      EXPECT_GT(check(file, all), 0);
      ++folders;
    }
  EXPECT_GT(folders, 0) << "no golden.json in any folder of " << all;
}
INSTANTIATE_TEST_SUITE_P(Golden, Collection,
                         testing::Values("words_tokenizer", "mt_tokenizers", "mt_corpus", "mt_realdata",
                                         "detector_scores", "detector_eval", "detector_hashing",
                                         "detector_thresholds", "detector_calibration", "detector_linear",
                                         "mt_significance_inline", "mt_significance_real",
                                         "mt_significance_ties", "lexdiv_tokens", "lexdiv_realdata",
                                         "lexdiv_permutation", "diversity_corpus", "corpus_compare",
                                         "mauve_histograms", "remedies"),
                         [](const auto& i) { return std::string(i.param); });
}  // namespace
}  // namespace rum::golden::golden_test
