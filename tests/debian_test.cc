// Pairs from Debian's files, on small files of our own.
#include "data/debian.h"

#include <gtest/gtest.h>

namespace rum::debian_test {
namespace {
TEST(Descriptions, PairByMd5AndParagraph) {
  const char* german =
      "Package: eins\nDescription-md5: 11\nDescription-de: kleiner Rechner\n Er rechnet mit\n ganzen "
      "Zahlen.\n .\n"
      " Was er kann:\n  * addieren\n  * in mehreren Zeilen\n    subtrahieren\n\n"
      "Package: zwei\nDescription-md5: 22\nDescription-de: steht nur hier\n nichts\n\n"
      "Package: drei\nDescription-md5: 33\nDescription-de: anderer Aufbau\n ein Absatz\n .\n noch einer\n\n"
      "Package: vier\nDescription-md5: 44\nDescription-de: a tool for the shell and the desktop\n Text.\n";
  const char* english =
      "Package: drei\nDescription-md5: 33\nDescription-en: another structure\n one paragraph\n\n"
      "Package: eins\nDescription-md5: 11\nDescription-en: small calculator\n It computes with whole\n "
      "numbers.\n .\n"
      " What it can do:\n  * add\n  * subtract in\n    several lines\n\n"
      "Package: eins-copy\nDescription-md5: 11\nDescription-en: small calculator\n again\n\n"
      "Package: vier\nDescription-md5: 44\nDescription-en: a tool for the shell and the desktop\n Text "
      "here.\n\n";
  const std::vector<Pair> expected = {{"anderer Aufbau", "another structure"},
                                      {"kleiner Rechner", "small calculator"},
                                      {"Er rechnet mit ganzen Zahlen.", "It computes with whole numbers."},
                                      {"Was er kann:", "What it can do:"},
                                      {"addieren", "add"},
                                      {"in mehreren Zeilen subtrahieren", "subtract in several lines"},
                                      {"Text.", "Text here."}};
  EXPECT_EQ(pair_descriptions(german, english), expected);
}
TEST(Descriptions, AnyBytesAreSurvived) {
  const std::string index = "Package: a\nDescription-md5: 1\nDescription-de: x y\n z.\n .\n  * b\n\n";
  for (size_t cut = 0; cut <= index.size(); ++cut) {
    std::string damaged = index.substr(0, cut);
    EXPECT_LE(pair_descriptions(damaged, index).size(), 3u);
    damaged += std::string("\xFF\0:\n :\n", 7) + index.substr(cut);
    pair_descriptions(damaged, index), pair_descriptions(index, damaged);
  }
}

TEST(Sentences, SplitWhenBothSidesSplitAlike) {
  std::vector<Pair> out;
  split_alike("Das ist z.B. gut. Am 3. Mai kommt Dr. Fuchs! Gehen wir?",
              "This is good, e.g. now. Dr. Fox comes on 3 May. Shall we go?", out);
  const std::vector<Pair> expected = {{"Das ist z.B. gut.", "This is good, e.g. now."},
                                      {"Am 3. Mai kommt Dr. Fuchs!", "Dr. Fox comes on 3 May."},
                                      {"Gehen wir?", "Shall we go?"}};
  EXPECT_EQ(out, expected);
  out.clear();
  split_alike("Eins ist da. Zwei ist da.", "One is there and two is there.", out);
  EXPECT_EQ(out.size(), 1u);  // counts differ
  out.clear();
  split_alike("Ja. Das war ein ziemlich langer zweiter Satz gewesen.",
              "That was a rather long first sentence. Yes.", out);
  EXPECT_EQ(out.size(), 1u);  // lengths differ
}

TEST(Pages, ParagraphsOfAPage) {
  const char* html =
      "<html><head><title>No</title></head><body><p>frame</p><div id=\"DisplayArea\" class=\"x\"><h1 "
      "id=\"h\">Title "
      "&amp; more</h1>\n<!-- <p>no</p> --><script>if (a < b) no();</script><p id=\"p1\" "
      "class=\"paragraph\">Press\n"
      "<span class=\"emph\">OK</span>&nbsp;&#x2013; or&#32;not.<br>Next line</p><pre>code</pre><p "
      "class=\"code\">x=1</p>"
      "<p id=\"p2\">Choose <span class=\"switchinline\"><span hidden=\"true\" "
      "class=\"MAC\"><span>Apple</span> no</span>"
      "<span hidden=\"true\" id=\"default1\"><span class=\"emph\">Tools</span></span></span>.</p></div>"
      "<div id=\"SearchFrame\"></div><p>frame</p></body></html>";
  const auto p = html_paragraphs(html);
  ASSERT_EQ(p.size(), 3u);
  EXPECT_EQ(p[0].id, "h");
  EXPECT_EQ(p[0].text, "Title & more");
  EXPECT_EQ(p[1].text, "Press OK – or not.\nNext line");
  EXPECT_EQ(p[2].id, "p2");
  EXPECT_EQ(p[2].text, "Choose Tools.");
  const std::string whole = html;
  for (size_t cut = 0; cut <= whole.size(); ++cut)
    html_paragraphs(whole.substr(0, cut));  // ends, and nothing else
}
TEST(Pages, PairById) {
  const auto pairs = pair_pages(
      "<p id=\"a\">Eins</p><p>Gast</p><p id=\"b\">Zwei 2,5</p><p id=\"c\">Drei</p><p id=\"d\">5 Vier</p>",
      "<p id=\"b\">Two 2.5</p><p id=\"a\">One</p><p>Guest</p><p id=\"d\">4 Four</p><p id=\"e\">Five</p>");
  const std::vector<Pair> expected = {{"Eins", "One"}, {"Gast", "Guest"}, {"Zwei 2,5", "Two 2.5"}};
  EXPECT_EQ(pairs, expected);
}
TEST(Pages, SeesWhatNobodyTranslated) {
  EXPECT_TRUE(untranslated("Selects the area of the table"));
  EXPECT_FALSE(untranslated("Wählt the und of aus der Liste"));
  EXPECT_FALSE(untranslated("Linux"));
}
}  // namespace
}  // namespace rum::debian_test
