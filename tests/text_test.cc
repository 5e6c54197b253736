// Unicode against ICU's own functions, the reader against a naive split of what zlib and liblzma compressed,
// and the pre-tokenizers against a small backtracking matcher that reads the regular expressions themselves.
#include <bzlib.h>
#include <gtest/gtest.h>
#include <lzma.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <random>

#include "base/error.h"
#include "data/corpus.h"
#include "tests/error_of.h"
#include "tests/scratch.h"
#include "tests/unpacked.h"
#include "text/pretokenize.h"
#include "text/reader.h"
#include "text/toml.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::text_test {
namespace {
// ---- Unicode ----------------------------------------------------------------------------------------------
size_t icu_first_invalid(std::string_view s) {
  for (int32_t i = 0, n = static_cast<int32_t>(s.size()); i < n;) {
    const int32_t start = i;
    UChar32 c;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"  // inside the macro
    U8_NEXT(s.data(), i, n, c);
#pragma GCC diagnostic pop
    if (c < 0) return static_cast<size_t>(start);
  }
  return std::string::npos;
}
TEST(Unicode, ValidationAgreesWithIcuOnAllShortAndManyLongSequences) {
  for (uint32_t n = 0; n < 1 << 24; n += n < 1 << 16 ? 1 : 7) {
    const char s[3] = {static_cast<char>(n), static_cast<char>(n >> 8), static_cast<char>(n >> 16)};
    const std::string_view text(s, n < 1 << 8 ? 1 : n < 1 << 16 ? 2 : 3);
    ASSERT_EQ(find_invalid_utf8(text), icu_first_invalid(text)) << n;
  }
  std::mt19937 random(1);
  const std::string bytes =
      "\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xed\xef\xf0\xf4\xf5\xff"
      "aaaaaaaa";
  for (int i = 0; i < 300000; ++i) {
    std::string s;
    for (size_t k = random() % 20; k-- > 0;) s += bytes[random() % bytes.size()];
    ASSERT_EQ(find_invalid_utf8(s), icu_first_invalid(s));
  }
}
TEST(Unicode, EveryCodePointGoesThroughUtf8) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    std::string s;
    append_utf8(s, c);
    const Character back = decode_utf8(s.data(), s.data() + s.size());
    if (c >= 0xD800 && c < 0xE000) {
      ASSERT_EQ(back.code, kNotUtf8);
    } else {
      ASSERT_EQ(back.code, c);
      ASSERT_EQ(back.bytes, static_cast<int>(s.size()));
    }
  }
}
TEST(Unicode, ClassesAreLettersNumbersAndThe25WhiteSpaces) {
  int spaces = 0;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    const uint32_t mask = U_MASK(u_charType(static_cast<UChar32>(c)));
    const bool space = (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
                       (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
                       c == 0x205F || c == 0x3000;
    spaces += space;
    ASSERT_EQ(char_class(c), space                ? CharClass::space
                             : mask & U_GC_L_MASK ? CharClass::letter
                             : mask & U_GC_N_MASK ? CharClass::number
                                                  : CharClass::other)
        << static_cast<uint32_t>(c);
  }
  EXPECT_EQ(spaces, 25);
  EXPECT_EQ(char_class(kNotUtf8), CharClass::other);
}
TEST(Unicode, NormalisesAndLowers) {
  EXPECT_EQ(nfc("plain"), "plain");
  EXPECT_EQ(nfc("e\u0301 \u212B \u1112\u1161\u11ab \ufb01"), "\u00e9 \u00c5 \ud55c \ufb01");
  EXPECT_EQ(lower_case("GRÜSSE, ẞ"), "grüsse, ß");
  EXPECT_EQ(lower_case("\u039f\u0394\u039f\u03a3"), "\u03bf\u03b4\u03bf\u03c2");
  EXPECT_EQ(lower_case("ABC[z"), "abc[z");
  EXPECT_THROW(nfc("ab\xff"), Error);
  EXPECT_THROW(lower_case("ab\xc3"), Error);
  EXPECT_EQ(upper_case("stra\u00dfe, \u01c6, \u0149"), "STRASSE, \u01c4, \u02bcN");
  EXPECT_EQ(sentence_case("\u01c6 WO\u039f\u03a3"), "\u01c5 wo\u03bf\u03c2");
  EXPECT_EQ(sentence_case("1AB"), "1ab");
  EXPECT_THROW(upper_case("ab\xc3"), Error);
}

// ---- Reader -----------------------------------------------------------------------------------------------
std::string path_of(const std::string& name) {
  static const Scratch scratch;
  return scratch.path + "/" + name;
}
std::string write(const std::string& name, std::string_view bytes) {
  std::ofstream(path_of(name), std::ios::binary) << bytes;
  return path_of(name);
}
std::string gzip(std::string_view bytes) {
  z_stream z{};
  deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(bytes.size() + bytes.size() / 8 + 128, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data())),
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data()), z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}
std::string bzip2(std::string_view bytes) {
  std::string out(bytes.size() + bytes.size() / 50 + 700, '\0');
  auto size = static_cast<unsigned>(out.size());
  BZ2_bzBuffToBuffCompress(out.data(), &size, const_cast<char*>(bytes.data()),
                           static_cast<unsigned>(bytes.size()), 1, 0, 0);
  out.resize(size);
  return out;
}
std::string zstd(std::string_view bytes) {  // with a checksum, as the program of this name
  ZSTD_CCtx* const c = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress2(c, out.data(), out.size(), bytes.data(), bytes.size()));
  ZSTD_freeCCtx(c);
  return out;
}
std::string xz(std::string_view bytes) {
  std::string out(lzma_stream_buffer_bound(bytes.size()), '\0');
  size_t size = 0;
  lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const uint8_t*>(bytes.data()),
                          bytes.size(), reinterpret_cast<uint8_t*>(out.data()), &size, out.size());
  out.resize(size);
  return out;
}
struct Line {
  std::string text;
  int64_t number, offset;
  bool operator==(const Line&) const = default;
};
std::vector<Line> lines_of(const std::string& path) {
  std::vector<Line> out;
  LineReader reader(path);
  for (std::string_view line; reader.next(line);)
    out.push_back({std::string(line), reader.line(), reader.offset()});
  return out;
}
std::string complaint(const std::string& path, size_t limit = kLineLimit) {
  return error_of<FileError>([&] {
    LineReader reader(path, limit);
    for (std::string_view line; reader.next(line);) {
    }
  });
}
void expect_mentions(const std::string& message, std::initializer_list<const char*> parts) {
  for (const char* part : parts)
    EXPECT_NE(message.find(part), std::string::npos) << message << " lacks " << part;
}

TEST(Reader, SplitsAtLineFeedsOnly) {
  const std::string text = "a\vb\fc\u2028d\u0085e\r\n\n\r\nx\r\r\ny\rz";
  const std::vector<Line> expected = {
      {"a\vb\fc\u2028d\u0085e", 1, 0}, {"", 2, 14}, {"", 3, 15}, {"x\r", 4, 17}, {"y\rz", 5, 21}};
  EXPECT_EQ(lines_of(write("ends", text)), expected);
  EXPECT_EQ(lines_of(write("ends", text + "\n")), expected);
  EXPECT_TRUE(lines_of(write("empty", "")).empty());
  EXPECT_EQ(lines_of(write("one", "\n")), (std::vector<Line>{{"", 1, 0}}));
}
TEST(Reader, PlainAndPackedGiveTheSameLines) {
  std::mt19937 random(2);
  std::string text;
  std::vector<Line> expected;
  for (int64_t i = 1; i <= 400; ++i) {  // lengths around the size of a chunk too
    const size_t length = i % 40 == 0 ? 65530 + random() % 12 : random() % 300;
    const int64_t offset = static_cast<int64_t>(text.size());
    for (size_t k = 0; k < length; ++k) text += static_cast<char>('a' + random() % 26);
    expected.push_back({text.substr(static_cast<size_t>(offset)), i, offset});
    text += '\n';
  }
  const std::string_view all = text;
  const size_t half = text.size() / 2;
  const std::string parts[] = {text,
                               gzip(all),
                               gzip(all.substr(0, half)) + gzip(all.substr(half)),
                               xz(all),
                               xz(all.substr(0, half)) + xz(all.substr(half)),
                               zstd(all),
                               zstd(all.substr(0, half)) + zstd(all.substr(half)),
                               bzip2(all),
                               bzip2(all.substr(0, half)) + bzip2(all.substr(half)),
                               gzip(all) + std::string(70'000, '\0'),
                               gzip(all.substr(0, half)) + std::string(512, '\0') + gzip(all.substr(half)),
                               bzip2(all) + std::string(512, '\0'),
                               xz(all) + std::string(512, '\0')};
  for (const std::string& bytes : parts) {
    const std::string path = write("packed", bytes);
    EXPECT_TRUE(lines_of(path) == expected);
    EXPECT_TRUE(unpacked(path) == text);
  }
}
TEST(Reader, AByteOrderMarkIsNoTextAndNfcIsAsked) {
  const std::string path = write("mark",
                                 "\xEF\xBB\xBF"
                                 "Cafe\u0301\n\xEF\xBB\xBFx\n");
  EXPECT_EQ(lines_of(path), (std::vector<Line>{{"Cafe\u0301", 1, 3}, {"\xEF\xBB\xBFx", 2, 10}}));
  LineReader reader(path, kLineLimit, Form::nfc);
  std::string_view line;
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line, "Caf\u00E9");
  ASSERT_TRUE(reader.next(line));
  EXPECT_TRUE(reader.had_mark());
  EXPECT_EQ(reader.recomposed(), 1);
  EXPECT_TRUE(lines_of(write("mark", "\xEF\xBB\xBF")).empty());
}
TEST(Reader, BlankLinesAtTheEndAreNoneWhereAsked) {
  const auto all = [](const std::string& text) {
    LineReader reader(write("blank", text), 1000, Form::nfc, BlankEnd::passed_over);
    std::vector<std::string> out;
    for (std::string_view line; reader.next(line);) out.emplace_back(line);
    out.push_back(std::to_string(reader.line()));
    return out;
  };
  using V = std::vector<std::string>;
  EXPECT_EQ(all("a\n\n \nb\n\n\t\r\n\u00A0\n"), (V{"a", "", " ", "b", "4"}));
  EXPECT_EQ(all("a\n\n"), (V{"a", "1"}));
  EXPECT_EQ(all("\n\n"), (V{"0"}));
  EXPECT_EQ(all("a"), (V{"a", "1"}));
  // More blanks than a line may have bytes are not held, and count as text.
  EXPECT_EQ(all("a\n" + std::string(200'000, '\n') + "b\n\n").size(), 200'003u);
  EXPECT_EQ(lines_of(write("blank", "a\n\n")).size(), 2u);  // not asked
}
TEST(Reader, ZstdMayBeginWithAFrameToPassOver) {
  std::string frame("\x5E\x2A\x4D\x18\x05\0\0\0hello", 13);  // as pzstd writes its sizes
  EXPECT_EQ(unpacked(write("frame", frame + zstd("one\ntwo\n"))), "one\ntwo\n");
  frame[0] = 0x50;
  EXPECT_EQ(unpacked(write("frame", zstd("one\n") + frame + zstd("two\n"))), "one\ntwo\n");
  EXPECT_EQ(unpacked(write("frame", "P*M")), "P*M");  // text
}
TEST(Reader, Utf16IsNamed) {
  const auto wide = [](bool high_first) {
    std::string out = high_first ? "\xFE\xFF" : "\xFF\xFE";
    for (const char c : std::string("Haus\thouse\n"))
      out += high_first ? std::string{0, c} : std::string{c, 0};
    return out;
  };
  for (const bool high_first : {false, true}) {
    const std::string path = write("wide", wide(high_first));
    expect_mentions(complaint(path), {"wide: UTF-16", "`iconv -f UTF-16 -t UTF-8`"});
    expect_mentions(error_of([&] { read_corpus(path, CorpusKind::pairs, {.skip_bad = true}); }),
                    {"wide: UTF-16"});  // not a file of bad lines
    expect_mentions(error_of([&] { parse_toml(wide(high_first), "c.toml"); }), {"c.toml: UTF-16"});
    for (const auto& [packed, unpack] : {std::pair{gzip(wide(high_first)), "gzip"},
                                         {xz(wide(high_first)), "xz"},
                                         {zstd(wide(high_first)), "zstd"},
                                         {bzip2(wide(high_first)), "bzip2"}}) {
      const std::string zipped = write("wide", packed);
      EXPECT_EQ(complaint(zipped), zipped + ": UTF-16, expected UTF-8; `" + unpack +
                                       " -dc | iconv -f UTF-16 -t UTF-8` converts it");
      expect_mentions(error_of([&] { read_corpus(zipped, CorpusKind::pairs, {.skip_bad = true}); }),
                      {"wide: UTF-16"});
    }
  }
}
TEST(Reader, Utf32IsNamed) {
  for (const std::string& wide :
       {std::string("\xFF\xFE\0\0H\0\0\0\n\0\0\0", 12), std::string("\0\0\xFE\xFF\0\0\0H\0\0\0\n", 12)}) {
    const std::string path = write("wide", wide);
    EXPECT_EQ(complaint(path), path + ": UTF-32, expected UTF-8; `iconv -f UTF-32 -t UTF-8` converts it");
    expect_mentions(complaint(write("wide", gzip(wide))),
                    {"UTF-32", "`gzip -dc | iconv -f UTF-32 -t UTF-8`"});
  }
}
// The first bytes are looked at, and still handed out whole, however few there are and are asked for.
TEST(Reader, ShortPackedTextsAreWhole) {
  for (const std::string text : {"", "a", "abc", "abcd", "abcdefg"})
    for (const size_t step : {1U, 3U, 100U}) {
      ByteReader bytes(write("short", gzip(text)));
      std::string read, part(step, '\0');
      while (const size_t n = bytes.read(part.data(), step)) read += part.substr(0, n);
      EXPECT_EQ(read, text);
    }
}
// Frames by hand (RFC 8878), and an .xz of little text with another size of dictionary in its header.
TEST(Reader, SoundArchivesThatAreNotForUsAreNotCalledDamaged) {
  const std::string zstd_2gib("\x28\xB5\x2F\xFD\x00\xA8\x31\x00\x00hello\n", 15);  // window of 2^31 bytes
  expect_mentions(complaint(write("large", zstd_2gib)),
                  {"large: zstd data that need more than 1 GiB of memory", "`zstd -d --long=31`"});
  std::string zstd_1mib = zstd_2gib;
  zstd_1mib[5] = 0x50;
  EXPECT_EQ(unpacked(write("large", zstd_1mib)), "hello\n");
  const std::string with_dictionary("\x28\xB5\x2F\xFD\x01\x50\x07\x31\x00\x00hello\n", 16);
  expect_mentions(complaint(write("large", with_dictionary)), {"dictionary", "`zstd -d -D DICTIONARY`"});
  std::string xz_large = xz("hello\n");
  const auto block = [&](size_t i) -> char& { return xz_large[12 + i]; };
  ASSERT_EQ(block(4), 0x21);  // behind two sizes, LZMA2 and its one byte, the size of the dictionary
  block(6) = 37;              // 1.5 GiB
  const size_t size = 4 * static_cast<size_t>(block(0));  // then the checksum
  const uint32_t sum = lzma_crc32(reinterpret_cast<const uint8_t*>(&block(0)), size, 0);
  for (size_t i = 0; i < 4; ++i) block(size + i) = static_cast<char>(sum >> (8 * i));
  expect_mentions(complaint(write("large", xz_large)),
                  {"large: xz data that need more than 1 GiB of memory", "`xz -d`"});
}
TEST(Reader, WhatUnpacksToAHundredsfoldIsRefusedBeforeItIsRead) {
  const std::string many(size_t{72} << 20, 'a');
  const auto read_all = [](ByteReader& from, size_t& read) {
    std::vector<char> to(1 << 16);
    while (const size_t n = from.read(to.data(), to.size())) read += n;
  };
  for (const std::string& packed : {gzip(many), xz(many), zstd(many), bzip2(many)}) {
    const std::string path = write("bomb", packed);
    size_t read = 0;
    const std::string said = error_of<FileError>([&] {
      ByteReader bytes(path);
      read_all(bytes, read);
    });
    expect_mentions(said, {"bomb", "250 times", "unpack it first"});
    EXPECT_LT(read, size_t{70} << 20);
  }
  ByteReader trusted(write("bomb", gzip(many)), 1 << 20);
  size_t read = 0;
  read_all(trusted, read);
  EXPECT_EQ(read, many.size());
}
TEST(Reader, SaysWhatIsWrongAndWhere) {
  expect_mentions(complaint("/no/such/file"), {"/no/such/file", "cannot open", "No such file"});
  expect_mentions(complaint(testing::TempDir()), {"Is a directory"});
  expect_mentions(complaint(write("bad",
                                  "ab\nc\xff"
                                  "d\n")),
                  {"bad", "line 2", "byte 5", "0xFF", "not UTF-8"});
  expect_mentions(complaint(write("bad", "ab\nü\xc3")), {"line 2", "byte 6", "0xC3"});
  expect_mentions(complaint(write("bad", std::string("ab\ncde\0f\xff", 9))), {"line 2", "byte 7", "NUL"});
  expect_mentions(complaint(write("bad", "ok\n" + std::string(101, 'a')), 100),
                  {"line 2", "byte 104", "longer than 100"});
  EXPECT_EQ(complaint(write("bad", "ok\n" + std::string(100, 'a') + "\r\n"), 100), "");
  // What follows a line that is too long is read, be that shorter or longer than what is held at once.
  for (const size_t bytes : {size_t{101}, size_t{1} << 18}) {
    LineReader reader(write("bad", "ok\n" + std::string(bytes, 'a') + "\nnext\n" + std::string(bytes, 'b')),
                      100);
    std::string_view line;
    ASSERT_TRUE(reader.next(line));
    EXPECT_THROW(reader.next(line), LineError);
    ASSERT_TRUE(reader.next(line));
    EXPECT_EQ(line, "next");
    EXPECT_EQ(reader.line(), 3);
    EXPECT_EQ(reader.offset(), static_cast<int64_t>(3 + bytes + 1));
    EXPECT_THROW(reader.next(line), LineError);
    EXPECT_FALSE(reader.next(line));
  }
  expect_mentions(complaint(write("bad", std::string(10 << 20, 'a'))), {"line 1", "longer than 1048576"});
  expect_mentions(complaint(write("bad", gzip("hello\n") + "junk")), {"damaged gzip data"});
  for (const auto& [start, name] :
       std::initializer_list<std::pair<const char*, const char*>>{{"PK\x03\x04", "zip"},
                                                                  {"7z\xBC\xAF", "7-Zip"},
                                                                  {"Rar!\x1A\x07", "rar"},
                                                                  {"\x04\x22\x4D\x18", "lz4"},
                                                                  {"\x1F\x9D", "compress"}})
    expect_mentions(complaint(write("bad", start + std::string(40, '\x80'))),
                    {"bad", "packed with", name, ": unpack it first"});
  EXPECT_EQ(lines_of(write("good", "PK\n")), (std::vector<Line>{{"PK", 1, 0}}));
}
// Of a file of 9 pairs the first would be glued to the archive's header, and pass for a bad line.
TEST(Reader, ATarArchiveIsNamed) {
  const std::string content = "Haus\thouse\n";
  for (const std::string& mark : {std::string("ustar\0"
                                              "00",
                                              8),
                                  std::string("ustar  \0", 8)}) {  // POSIX, GNU
    std::string header = "pairs.tsv" + std::string(512 - 9, '\0');
    header.replace(124, 11, "00000000014").replace(257, 8, mark);
    const std::string tar =
        header + content + std::string(512 - content.size(), '\0') + std::string(1024, '\0');
    for (const std::string& bytes : {tar, gzip(tar), xz(tar), zstd(tar), bzip2(tar)}) {
      const std::string path = write("archive", bytes);
      expect_mentions(complaint(path), {"archive: a tar archive", "tar -xf"});
      expect_mentions(error_of([&] { read_corpus(path, CorpusKind::pairs, {.skip_bad = true}); }),
                      {"tar -xf"});
    }
  }
  // The same letters in a text: me va a gustar.
  const std::string spanish = std::string(252, 'a') + "me gustar mucho\n" + std::string(300, 'b') + "\n";
  ASSERT_EQ(spanish.substr(256, 6), "ustar ");
  for (const std::string& text : {spanish, "a" + spanish, spanish.substr(1)})
    for (const std::string& bytes : {text, gzip(text)}) EXPECT_EQ(unpacked(write("archive", bytes)), text);
}
TEST(Reader, DamageIsNoticed) {
  const std::string text = "one line\nand another one, with a number: 12345\n";
  const std::string packed[] = {gzip(text), xz(text), bzip2(text), zstd(text)};
  for (const std::string& whole : packed) {
    for (size_t n = 10; n < whole.size(); ++n)
      expect_mentions(complaint(write("cut", std::string_view(whole).substr(0, n))),
                      {"damaged", "byte", "ends in"});
    int noticed = 0;
    for (size_t bit = 0; bit < 8 * whole.size(); bit += 5) {
      std::string flipped = whole;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      try {
        ASSERT_EQ(unpacked(write("flip", flipped)) == text || bit < 8 * 10, true) << bit;
      } catch (const FileError&) {
        ++noticed;
      }
    }
    EXPECT_GT(noticed, static_cast<int>(whole.size()));  // the rest: gzip's time stamp etc.
  }
}

// ---- Words ------------------------------------------------------------------------------------------------
TEST(Words, ALineThatDrawsNothingIsBlank) {
  for (const char* blank :
       {"", " \t", "\u00A0\u3000", "\u200B", "\uFEFF\u200D\u00AD", "\u200E \u2069", "\x01\x7F"})
    EXPECT_TRUE(blank_line(blank)) << testing::PrintToString(blank);
  for (const char* line : {"a", " \u200Ba", "\u0301", ".", "\uE000", "\xFF", "\u200B\xC2"})
    EXPECT_FALSE(blank_line(line)) << testing::PrintToString(line);
}
TEST(Words, ScriptsWithoutBlanksArePartedByIcuAndAllElseAsBefore) {
  using W = std::vector<std::string>;
  EXPECT_EQ(words("\u4F60\u597D\u4E16\u754C"), (W{"\u4F60\u597D", "\u4E16\u754C"}));  // hello world
  EXPECT_EQ(words_v1("\u4F60\u597D\u4E16\u754C"), (W{"\u4F60\u597D\u4E16\u754C"}));
  // "The weather, day, this", Thai; "GPT model", "water-proof" in one stretch with it.
  EXPECT_EQ(words("\u0E2D\u0E32\u0E01\u0E32\u0E28\u0E27\u0E31\u0E19\u0E19\u0E35\u0E49"),
            (W{"\u0E2D\u0E32\u0E01\u0E32\u0E28", "\u0E27\u0E31\u0E19", "\u0E19\u0E35\u0E49"}));
  EXPECT_EQ(words("GPT\u6A21\u578B water-proof\u6A21\u578B"),
            (W{"gpt", "\u6A21\u578B", "water-proof", "\u6A21\u578B"}));
  EXPECT_EQ(words("\u0645\u06CC\u200C\u0631\u0648\u0645"), (W{"\u0645\u06CC\u200C\u0631\u0648\u0645"}));
  // Khmer, Lao and Burmese have dictionaries, too: more than one word each.
  for (const char* s : {"ខ្ញុំស្រឡាញ់ភាសាខ្មែរ", "ຂ້ອຍເວົ້າພາສາລາວ", "ကျွန်တော်မြန်မာစကားပြောတယ်"})
    EXPECT_GT(words(s).size(), 1u) << s;
  for (const char* s : {"Don't stop the well-known na\u00EFve Stra\u00DFe, 3.5 km!",
                        "\uD55C\uAD6D\uC5B4 \uB2E8\uC5B4", "\u0939\u093F\u0928\u094D\u0926\u0940"})
    EXPECT_EQ(words(s), words_v1(s));
}

TEST(Words, LettersOfScriptsWithoutBlanks) {
  // Han, its zero, Hiragana, Katakana, Bopomofo, Thai, Lao, Khmer, Burmese, Tai Le, New Tai Lue, Tai Tham, Tai
  // Viet, Yi, Javanese, Balinese.
  for (const char32_t c : {0x4E00, 0x3007, 0x3042, 0x30A2, 0x3105, 0xE01, 0xE81, 0x1780, 0x1000, 0x1950,
                           0x1980, 0x1A20, 0xAA80, 0xA000, 0xA98F, 0x1B13})
    EXPECT_TRUE(is_unspaced(c)) << fmt::format("{:X}", static_cast<uint32_t>(c));
  // Latin, Devanagari, Tibetan (it has the tsheg), Hangul; a digit of Thai, the full stops of Khmer, Burmese
  // and Chinese, a Javanese comma, an emoji.
  for (const char32_t c : {U'a', U'\u0915', U'\u0F40', U'\uAC00', U'\u0E51', U'\u17D4', U'\u104A', U'\u3002',
                           U'\uA9C8', U'\U0001F600', kNotUtf8})
    EXPECT_FALSE(is_unspaced(c)) << fmt::format("{:X}", static_cast<uint32_t>(c));
}
TEST(Words, SyllablesOfTibetanEndWithATsheg) {
  // "The language of Tibet", with and without a tsheg at the end, and a shad behind it.
  const std::vector<std::string> syllables{"\u0F56\u0F7C\u0F51", "\u0F66\u0F90\u0F51"};
  const std::string tsheg = "\u0F0B", text = syllables[0] + tsheg + syllables[1];
  for (const std::string& line : {text, text + tsheg, text + tsheg + "\u0F0D"}) {
    EXPECT_EQ(words(line), syllables) << line;
    std::vector<std::string_view> parts;
    part_unspaced(line, parts);
    ASSERT_EQ(parts.size(), 2u) << line;
    EXPECT_EQ(parts[0], syllables[0] + tsheg);
    EXPECT_EQ(parts[1], line.substr(parts[0].size()));
  }
}

TEST(Words, ASoftHyphenIsAsGoodAsNotThere) {
  for (const std::string& marked :
       {std::string("Auto\u00ADbahn Autobahn"), std::string("Auto\u00AD\u00ADbahn"),
        std::string("well-\u00ADknown"), std::string("well\u00AD-known"), std::string("a-\u00AD-b"),
        std::string("\u00ADab cd\u00AD, \u00AD"), std::string("don\u00AD't\u00AD 3\u00AD4")}) {
    std::string bare = marked;
    for (size_t at = 0; (at = bare.find("\u00AD")) != std::string::npos;) bare.erase(at, 2);
    EXPECT_EQ(words(marked), words_v1(bare)) << marked;
    EXPECT_EQ(words_in(marked).size(), words_v1(bare).size()) << marked;
  }
  EXPECT_EQ(words_in("ab\u00AD, cd")[0], "ab");
}

// ---- Pre-tokenizers ---------------------------------------------------------------------------------------
using Codes = std::vector<char32_t>;
// A backtracking matcher for the constructs in the patterns: | ( ) (?: (?i: (?! [^ ] \p{L} \p{N} \s \S \r \n
// $ ? * + {a,b}, possessive ones too. A node is matched at i and calls `rest` with each possible end, best
// first.
class Regex {
 public:
  explicit Regex(const char* text) : p_(text) { root_ = alternatives(); }
  size_t match(const Codes& s, size_t i) const {
    size_t end = std::string::npos;
    root_(s, i, [&](size_t e) { return end = e, true; });
    return end;
  }

 private:
  using Rest = std::function<bool(size_t)>;
  using Node = std::function<bool(const Codes&, size_t, const Rest&)>;
  using Set = std::function<bool(char32_t)>;
  Node alternatives() {
    std::vector<Node> all = {sequence()};
    while (*p_ == '|') ++p_, all.push_back(sequence());
    return [all](const Codes& s, size_t i, const Rest& rest) {
      for (const Node& n : all)
        if (n(s, i, rest)) return true;
      return false;
    };
  }
  Node sequence() {
    Node all = [](const Codes&, size_t i, const Rest& rest) { return rest(i); };
    while (*p_ && *p_ != '|' && *p_ != ')')
      all = [first = all, second = repeated()](const Codes& s, size_t i, const Rest& rest) {
        return first(s, i, [&](size_t e) { return second(s, e, rest); });
      };
    return all;
  }
  Node repeated() {
    const Node one = atom();
    size_t least = 1, most = 1;
    if (*p_ == '?')
      ++p_, least = 0;
    else if (*p_ == '*')
      ++p_, least = 0, most = 1000;
    else if (*p_ == '+')
      ++p_, most = 1000;
    else if (*p_ == '{')
      least = static_cast<size_t>(p_[1] - '0'), most = static_cast<size_t>(p_[3] - '0'), p_ += 5;
    else
      return one;
    const Node greedy = [=](const Codes& s, size_t i, const Rest& rest) {
      return more(one, least, most, s, i, rest);
    };
    if (*p_ != '+') return greedy;
    ++p_;
    return [greedy](const Codes& s, size_t i, const Rest& rest) {
      size_t end = 0;
      return greedy(s, i, [&](size_t e) { return end = e, true; }) && rest(end);
    };
  }
  static bool more(const Node& one, size_t least, size_t most, const Codes& s, size_t i, const Rest& rest) {
    if (most > 0 &&
        one(s, i, [&](size_t e) { return more(one, least ? least - 1 : 0, most - 1, s, e, rest); }))
      return true;
    return least == 0 && rest(i);
  }
  Node atom() {
    if (*p_ == '$')
      return ++p_, [](const Codes& s, size_t i, const Rest& rest) { return i == s.size() && rest(i); };
    if (*p_ != '(') return character();
    ++p_;
    bool ahead = false, fold = fold_;
    if (*p_ == '?') {
      ahead = p_[1] == '!';
      if (p_[1] == 'i') fold_ = true, ++p_;
      p_ += 2;
    }
    const Node inside = alternatives();
    ++p_, fold_ = fold;
    if (!ahead) return inside;
    return [inside](const Codes& s, size_t i, const Rest& rest) {
      return !inside(s, i, [](size_t) { return true; }) && rest(i);
    };
  }
  Node character() {
    Set set;
    if (*p_ == '[') {
      const bool inverted = *++p_ == '^';
      p_ += inverted;
      std::vector<Set> any;
      while (*p_ != ']') any.push_back(single());
      ++p_;
      set = [=](char32_t c) {
        bool in = false;
        for (const Set& x : any) in = in || x(c);
        return in != inverted;
      };
    } else {
      set = single();
    }
    return [set](const Codes& s, size_t i, const Rest& rest) {
      return i < s.size() && set(s[i]) && rest(i + 1);
    };
  }
  Set single() {
    const auto is = [](uint32_t mask) {
      return [mask](char32_t c) {
        return c != kNotUtf8 && (U_MASK(u_charType(static_cast<UChar32>(c))) & mask) != 0;
      };
    };
    const auto space = [](char32_t c) { return c != kNotUtf8 && u_isUWhiteSpace(static_cast<UChar32>(c)); };
    char c = *p_++;
    if (c == '\\') switch (c = *p_++) {
        case 'p':
          p_ += 3;
          return p_[-2] == 'L' ? is(U_GC_L_MASK) : is(U_GC_N_MASK);
        case 's':
          return space;
        case 'S':
          return [space](char32_t x) { return !space(x); };
        case 'r':
          c = '\r';
          break;
        case 'n':
          c = '\n';
          break;
      }
    const auto fold = [](char32_t x) {
      return x == kNotUtf8 ? x
                           : static_cast<char32_t>(u_foldCase(static_cast<UChar32>(x), U_FOLD_CASE_DEFAULT));
    };
    const auto code = static_cast<char32_t>(c);
    if (fold_) return [=](char32_t x) { return fold(x) == fold(code); };
    return [code](char32_t x) { return x == code; };
  }
  const char* p_;
  bool fold_ = false;
  Node root_;
};
using Pieces = std::vector<std::string>;
Pieces slow_pieces(const Regex& regex, const std::string& text) {
  Codes codes;
  std::vector<size_t> at;
  for (size_t i = 0; i < text.size();) {
    const Character c = decode_utf8(text.data() + i, text.data() + text.size());
    codes.push_back(c.code), at.push_back(i), i += static_cast<size_t>(c.bytes);
  }
  at.push_back(text.size());
  Pieces out;
  for (size_t i = 0; i < codes.size();) {
    const size_t end = regex.match(codes, i);
    if (end == std::string::npos || end <= i) return {"no match"};
    out.push_back(text.substr(at[i], at[end] - at[i])), i = end;
  }
  return out;
}
Pieces slow_pieces_between_digits(const Regex& regex, const std::string& text) {
  Pieces out;
  std::string stretch;
  const auto flush = [&] {
    for (std::string& piece : slow_pieces(regex, stretch)) out.push_back(std::move(piece));
    stretch.clear();
  };
  for (size_t i = 0; i < text.size();) {
    const Character c = decode_utf8(text.data() + i, text.data() + text.size());
    const std::string one = text.substr(i, static_cast<size_t>(c.bytes));
    i += one.size();
    if (c.code != kNotUtf8 && U_MASK(u_charType(static_cast<UChar32>(c.code))) & U_GC_N_MASK)
      flush(), out.push_back(one);
    else
      stretch += one;
  }
  flush();
  return out;
}
Pieces pieces(const char* pattern, const std::string& text, bool split_digits = false) {
  Pieces out;
  for_each_piece(pattern_named(pattern), split_digits, text,
                 [&](std::string_view p) { out.emplace_back(p); });
  return out;
}

TEST(PreTokenize, EqualsTheRegularExpressions) {
  const Pieces alphabet = {
      "a",      "z",      "B",      "s",       "S",    "t",      "d",      "r",        "e",
      "V",      "l",      "L",      "'",       "'",    "'",      " ",      " ",        " ",
      "\t",     "\n",     "\r",     "\v",      "\x1c", "\u0085", "\u00a0", "\u1680",   "\u180e",
      "\u2003", "\u2028", "\u200b", "1",       "2",    "3",      "\u0663", "\u2167",   "\u00b2",
      "\u00bd", "\u017f", "\u212a", "e\u0301", "ß",    "漢",     "ʰ",      "😀",        "𐐀",
      "𝟘",      "-",      "!",      "_",       "\x7f", "\xff",   "\xc3",   "\xe2\x80", "\xed\xa0\x80",
      "\ufb05", "\ufeff"};
  std::mt19937 random(3);
  for (const Pattern& p : patterns()) {
    const Regex regex(p.regex), same(p.same ? p.same : p.regex);
    for (int i = 0; i < 4000; ++i) {
      std::string text;
      const size_t choice = i % 3 == 0 ? 22 : alphabet.size();  // often letters, quotes and spaces only
      for (size_t k = random() % 24; k-- > 0;) text += alphabet[random() % choice];
      const Pieces expected = slow_pieces(regex, text);
      ASSERT_EQ(pieces(p.name, text), expected) << p.name;
      ASSERT_EQ(slow_pieces(same, text), expected);
      ASSERT_EQ(pieces(p.name, text, true), slow_pieces_between_digits(regex, text)) << p.name;
    }
  }
}
// As Hugging Face's tokenizers 0.23.3 cuts them.
TEST(PreTokenize, KnownCuts) {
  EXPECT_EQ(pieces("gpt2", "a   b"), (Pieces{"a", "  ", " b"}));
  EXPECT_EQ(pieces("gpt2", "I don't, DON'T "), (Pieces{"I", " don", "'t", ",", " DON", "'", "T", " "}));
  EXPECT_EQ(pieces("gpt4", "DON'T 12345\n\n x"), (Pieces{"DON", "'T", " ", "123", "45", "\n\n", " x"}));
  EXPECT_EQ(pieces("llama3", "x.\n  \n y"), (Pieces{"x", ".\n", "  \n", " y"}));
  EXPECT_EQ(pieces("whitespace", "it's  2nd\n"), (Pieces{"it's", " ", " 2nd", "\n"}));
  EXPECT_EQ(pieces("gpt2", "am 12. Mai", true), (Pieces{"am", " ", "1", "2", ".", " Mai"}));
}
TEST(PreTokenize, UnknownNameListsTheKnown) {
  expect_mentions(error_of([] { pattern_named("gpt5"); }), {"gpt5", "gpt2", "llama3", "whitespace"});
}
}  // namespace
}  // namespace rum::text_test
