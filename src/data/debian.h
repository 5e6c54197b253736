// Real German-English pairs from Debian packages: package descriptions (Translation-de and -en indexes of
// the archive, paired by Description-md5) and LibreOffice's help (html, paired by file and paragraph). What
// comes out is raw; clean.h does the rest.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "data/corpus.h"

namespace rum {
inline bool html_space(char c) {  // as HTML has it
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

// Pairs of two Translation indexes (deb822): synopsis with synopsis, then paragraph with paragraph and list
// item with list item where both sides have as many. Bytes that do not parse are passed over. Here and below
// a pair whose numbers differ, or whose German is English, is left out.
std::vector<Pair> pair_descriptions(std::string_view german_index, std::string_view english_index);

// One page of LibreOffice's help in both languages: paragraphs with the same id, and those without one that
// follow them when both sides have as many.
std::vector<Pair> pair_pages(std::string_view german_html, std::string_view english_html);

struct Paragraph {
  std::string id;
  std::string text;  // tags gone, entities resolved, white space made single spaces, <br> a line feed
};
// Paragraphs, headings, list items and table cells of a page, in order; code, scripts, the frame around the
// help text and the variants for other systems are left out.
std::vector<Paragraph> html_paragraphs(std::string_view html);

// Sentences of both sides one by one when there are equally many of like length; else the paragraph as it is.
void split_alike(std::string_view german, std::string_view english, std::vector<Pair>& out);

// Adds the sentences of what looks like a translation: the German is German, the numbers are the same.
void add_pair(std::string_view german, std::string_view english, std::vector<Pair>& out);

// Is the "German" side English that nobody translated yet?
bool untranslated(std::string_view german);
}  // namespace rum
