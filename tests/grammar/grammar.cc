#include "tests/grammar/grammar.h"

#include <array>
#include <unordered_set>

#include "base/error.h"
#include "base/random.h"

namespace rum {
namespace {
// Draws numbers: the n-th sentence's draws are a function of (seed, n).
class Dice {
 public:
  Dice(uint32_t seed, uint32_t sentence) : random_{seed, Stream::sample}, counter_{sentence, 0, 0, 0} {}
  size_t roll(size_t sides) {
    const Bits4 b = random_.bits(counter_);
    ++counter_.block;
    return static_cast<size_t>(uint64_t{b.at[0]} * sides >> 32);
  }
  template <class List>
  const auto& pick(const List& list) {
    return list[roll(std::size(list))];
  }

 private:
  Random random_;
  Counter counter_;
};

enum Gender { masculine, feminine, neuter };
struct Noun {
  const char *one, *many;
  Gender gender;
  const char *english, *english_many;
};
constexpr Noun kPeople[] = {{"Lehrer", "Lehrer", masculine, "teacher", "teachers"},
                            {"Ärztin", "Ärztinnen", feminine, "doctor", "doctors"},
                            {"Kind", "Kinder", neuter, "child", "children"},
                            {"Hund", "Hunde", masculine, "dog", "dogs"},
                            {"Nachbarin", "Nachbarinnen", feminine, "neighbour", "neighbours"},
                            {"Mädchen", "Mädchen", neuter, "girl", "girls"},
                            {"Koch", "Köche", masculine, "cook", "cooks"},
                            {"Katze", "Katzen", feminine, "cat", "cats"}};
constexpr Noun kThings[] = {{"Ball", "Bälle", masculine, "ball", "balls"},
                            {"Tisch", "Tische", masculine, "table", "tables"},
                            {"Schrank", "Schränke", masculine, "cupboard", "cupboards"},
                            {"Brief", "Briefe", masculine, "letter", "letters"},
                            {"Tasche", "Taschen", feminine, "bag", "bags"},
                            {"Lampe", "Lampen", feminine, "lamp", "lamps"},
                            {"Tür", "Türen", feminine, "door", "doors"},
                            {"Blume", "Blumen", feminine, "flower", "flowers"},
                            {"Buch", "Bücher", neuter, "book", "books"},
                            {"Haus", "Häuser", neuter, "house", "houses"},
                            {"Fenster", "Fenster", neuter, "window", "windows"},
                            {"Bild", "Bilder", neuter, "picture", "pictures"}};
struct Word {
  const char *german, *english;
};
constexpr Word kAdjectives[] = {{"rot", "red"},         {"klein", "small"}, {"alt", "old"},
                                {"schön", "beautiful"}, {"neu", "new"},     {"grün", "green"},
                                {"schwer", "heavy"},    {"billig", "cheap"}};
constexpr Word kNumbers[] = {{"zwei", "two"},     {"drei", "three"},   {"vier", "four"}, {"fünf", "five"},
                             {"sieben", "seven"}, {"zwölf", "twelve"}, {"20", "20"},     {"134", "134"}};
constexpr const char* kNames[] = {"Anna", "Peter", "Maria", "Karim", "Lena",
                                  "Tom",  "Sofia", "Emil",  "Aylin", "Jonas"};
constexpr Word kNow[] = {{"heute", "today"},
                         {"jeden Tag", "every day"},
                         {"am Montag", "on Monday"},
                         {"oft", "often"}},
               kThen[] = {{"gestern", "yesterday"}, {"letzte Woche", "last week"}, {"damals", "back then"}};
struct Verb {
  const char *prefix, *stem, *participle;  // prefix: of a separable verb, or ""
  const char *english, *third, *past, *particle;
};
constexpr Verb kVerbs[] = {{"", "kauf", "gekauft", "buy", "buys", "bought", ""},
                           {"", "such", "gesucht", "look", "looks", "looked", " for"},
                           {"", "hol", "geholt", "fetch", "fetches", "fetched", ""},
                           {"", "mal", "gemalt", "paint", "paints", "painted", ""},
                           {"", "brauch", "gebraucht", "need", "needs", "needed", ""},
                           {"", "zeig", "gezeigt", "show", "shows", "showed", ""},
                           {"", "verkauf", "verkauft", "sell", "sells", "sold", ""},
                           {"auf", "mach", "aufgemacht", "open", "opens", "opened", ""},
                           {"zu", "mach", "zugemacht", "close", "closes", "closed", ""},
                           {"ab", "hol", "abgeholt", "collect", "collects", "collected", ""},
                           {"an", "schau", "angeschaut", "look", "looks", "looked", " at"},
                           {"aus", "such", "ausgesucht", "choose", "chooses", "chose", ""}};
struct Modal {
  std::array<const char*, 6> forms;
  const char *english, *third;
};
constexpr Modal kModals[] = {{{"kann", "kannst", "kann", "können", "könnt", "können"}, "can", "can"},
                             {{"will", "willst", "will", "wollen", "wollt", "wollen"}, "want to", "wants to"},
                             {{"muss", "musst", "muss", "müssen", "müsst", "müssen"}, "must", "must"}};
constexpr std::array<const char*, 6> kEndings = {"e", "st", "t", "en", "t", "en"},
                                     kHave = {"habe", "hast", "hat", "haben", "habt", "haben"};

struct Phrase {  // a subject or an object
  std::string german, english;
  size_t person = 2;  // ich, du, er/sie/es, wir, ihr, sie
  bool third() const { return person == 2; }
};

Phrase noun_phrase(Dice& d, const Noun& n, bool object) {
  const bool adjective = d.roll(2) == 0;
  const Word& a = d.pick(kAdjectives);
  const std::string english_adjective = adjective ? std::string(a.english) + " " : "";
  auto german_adjective = [&](const char* ending) {
    return adjective ? std::string(a.german) + ending + " " : "";
  };
  const size_t amount = d.roll(4);
  if (amount == 0) {  // drei rote Bälle
    const Word& number = d.pick(kNumbers);
    return {std::string(number.german) + " " + german_adjective("e") + n.many,
            std::string(number.english) + " " + english_adjective + n.english_many, 5};
  }
  if (amount == 1)  // die roten Bälle
    return {"die " + german_adjective("en") + n.many, "the " + english_adjective + n.english_many, 5};
  const char* article = n.gender == feminine ? "die "
                        : n.gender == neuter ? "das "
                        : object             ? "den "
                                             : "der ";
  return {article + german_adjective(n.gender == masculine && object ? "en" : "e") + n.one,
          "the " + english_adjective + n.english, 2};
}

Phrase subject(Dice& d) {
  constexpr Word pronouns[] = {{"ich", "I"},  {"du", "you"},  {"er", "he"},
                               {"wir", "we"}, {"ihr", "you"}, {"sie", "they"}};
  switch (d.roll(4)) {
    case 0: {
      const size_t person = d.roll(6);
      if (person == 2 && d.roll(2) == 0) return {"sie", "she", 2};
      return {pronouns[person].german, pronouns[person].english, person};
    }
    case 1: {
      const char *a = d.pick(kNames), *b = d.pick(kNames);
      if (a == b) return {a, a, 2};
      return {std::string(a) + " und " + b, std::string(a) + " and " + b, 5};
    }
    default:
      return noun_phrase(d, d.pick(kPeople), false);
  }
}

struct Clause {
  Phrase subject, object;
  const Verb* verb;
  std::string finite() const { return std::string(verb->stem) + kEndings[subject.person]; }
  std::string infinitive() const { return std::string(verb->prefix) + verb->stem + "en"; }
  std::string behind() const { return *verb->prefix ? std::string(" ") + verb->prefix : ""; }
  std::string english_object() const { return verb->particle + std::string(" ") + object.english; }
  // he opens the door
  std::string english() const {
    return subject.english + " " + (subject.third() ? verb->third : verb->english) + english_object();
  }
  // (weil) er die Tür aufmacht
  std::string verb_last() const {
    return subject.german + " " + object.german + " " + verb->prefix + finite();
  }
};
Clause clause(Dice& d) {
  Phrase s = subject(d), o = noun_phrase(d, d.pick(kThings), true);
  return {std::move(s), std::move(o), &d.pick(kVerbs)};
}

Pair sentence(Dice& d) {
  const Clause c = clause(d);
  const std::string &s = c.subject.german, &o = c.object.german, &e = c.subject.english;
  switch (d.roll(8)) {
    case 0: {  // heute macht er die Tür auf
      const Word& when = d.pick(kNow);
      return {std::string(when.german) + " " + c.finite() + " " + s + " " + o + c.behind() + ".",
              c.english() + " " + when.english + "."};
    }
    case 1: {  // er hat gestern die Tür aufgemacht
      const Word& when = d.pick(kThen);
      return {
          s + " " + kHave[c.subject.person] + " " + when.german + " " + o + " " + c.verb->participle + ".",
          e + " " + c.verb->past + c.english_object() + " " + when.english + "."};
    }
    case 2: {  // er will die Tür aufmachen
      const Modal& m = d.pick(kModals);
      return {s + " " + m.forms[c.subject.person] + " " + o + " " + c.infinitive() + ".",
              e + " " + (c.subject.third() ? m.third : m.english) + " " + c.verb->english +
                  c.english_object() + "."};
    }
    case 3:  // macht er die Tür auf?
      return {c.finite() + " " + s + " " + o + c.behind() + "?",
              std::string(c.subject.third() ? "does " : "do ") + e + " " + c.verb->english +
                  c.english_object() + "?"};
    case 4:  // er macht die Tür nicht auf
      return {
          s + " " + c.finite() + " " + o + " nicht" + c.behind() + ".",
          e + (c.subject.third() ? " does not " : " do not ") + c.verb->english + c.english_object() + "."};
    case 5: {  // er macht die Tür auf, weil sie den Ball sucht
      const Clause why = clause(d);
      return {s + " " + c.finite() + " " + o + c.behind() + ", weil " + why.verb_last() + ".",
              c.english() + " because " + why.english() + "."};
    }
    case 6: {  // Anna glaubt, dass er die Tür aufmacht
      const std::string who = d.pick(kNames);
      return {who + " glaubt, dass " + c.verb_last() + ".", who + " thinks that " + c.english() + "."};
    }
    default:  // er macht die Tür auf
      return {s + " " + c.finite() + " " + o + c.behind() + ".", c.english() + "."};
  }
}

void capital(std::string& s) {
  if (s[0] >= 'a' && s[0] <= 'z') s[0] = static_cast<char>(s[0] - 'a' + 'A');
}
}  // namespace

std::vector<Pair> grammar_pairs(int count, uint32_t seed) {
  RUM_CHECK(count >= 0 && count <= 100'000, "grammar_pairs: {} pairs, at most 100,000", count);
  std::vector<Pair> out;
  std::unordered_set<std::string> seen;
  for (uint32_t n = 0; static_cast<int>(out.size()) < count; ++n) {
    Dice dice(seed, n);
    Pair t = sentence(dice);
    capital(t.source), capital(t.target);
    if (seen.insert(t.source).second) out.push_back(std::move(t));
  }
  return out;
}
}  // namespace rum
