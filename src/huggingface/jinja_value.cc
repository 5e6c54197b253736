#include "huggingface/jinja_value.h"

#include <algorithm>
#include <optional>

#include "text/unicode.h"
#include "text/words.h"

namespace rum::jinja {
Value list_of(List items) { return std::make_shared<List>(std::move(items)); }
Value from_json(const Json& j) {
  int64_t whole = 0;
  if (j.is_null()) return nullptr;
  if (j.boolean()) return *j.boolean();
  if (j.text()) return *j.text();
  if (j.whole(whole)) return whole;
  if (j.array()) {
    List items;
    for (const Json& one : *j.array()) items.push_back(from_json(one));
    return list_of(std::move(items));
  }
  RUM_CHECK(j.object(), "a variable of a template is a fraction");
  Dict fields;
  for (const auto& [name, one] : *j.object()) fields.emplace_back(name, from_json(one));
  return std::make_shared<Dict>(std::move(fields));
}
bool known_function(std::string_view name) {  // strftime_now is not: the clock is not read
  for (const char* known : {"range", "namespace", "raise_exception", "dict", "lipsum", "cycler", "joiner"})
    if (name == known) return true;
  return false;
}
bool truth(const Value& v) {
  if (v.function() || v.space() || v.generator()) return true;
  if (const auto* b = std::get_if<bool>(&v.is)) return *b;
  if (v.whole()) return *v.whole() != 0;
  if (v.text()) return !v.text()->empty();
  if (v.list()) return !v.list()->empty();
  return v.dict() && !v.dict()->empty();
}
namespace {
const std::string& name_of(const Value& v) { return std::get<Undefined>(v.is).name; }
const int64_t* number(const Value& v) {  // Python's true is 1
  static const int64_t bits[] = {0, 1};
  const auto* b = std::get_if<bool>(&v.is);
  return b ? &bits[*b] : v.whole();
}
}  // namespace
bool same(const Value& a, const Value& b) {
  if (number(a) && number(b)) return *number(a) == *number(b);
  if (a.is.index() != b.is.index()) return false;
  if (a.function() || b.function()) return a.function() && b.function() && name_of(a) == name_of(b);
  if (a.list())
    return std::equal(a.list()->begin(), a.list()->end(), b.list()->begin(), b.list()->end(), same);
  if (a.dict())
    return a.dict()->size() == b.dict()->size() &&
           std::all_of(a.dict()->begin(), a.dict()->end(), [&](const auto& of_a) {
             const Value* const of_b = field(b, of_a.first);
             return of_b && same(of_a.second, *of_b);
           });
  if (a.text()) return *a.text() == *b.text();
  return a.space() == b.space() && a.generator() == b.generator();  // none and undefined have neither
}
const Value* field(const Value& of, std::string_view name) {
  if (const Dict* fields = of.space() ? &of.space()->fields : of.dict())
    for (const auto& [n, v] : *fields)
      if (n == name) return &v;
  return nullptr;
}
std::string shown(const Value& v) {
  if (v.text()) return *v.text();
  if (v.whole()) return std::to_string(*v.whole());
  if (v.none()) return "None";
  if (!v.defined()) return "";
  const auto* b = std::get_if<bool>(&v.is);
  RUM_CHECK(b, "it writes a list or an object as a text");
  return *b ? "True" : "False";
}
std::string joined(std::string a, const std::string& b) {
  RUM_CHECK(a.size() + b.size() <= kMostText, "it writes more than {} bytes", kMostText);
  return std::move(a += b);
}

namespace {
Value strip(const std::string& s, const std::string& how) {
  const std::string_view right = without_trailing_blanks(s), both = without_outer_blanks(s);
  if (how == "rstrip") return std::string(right);
  if (how == "lstrip")
    return both.empty() ? std::string() : s.substr(static_cast<size_t>(both.data() - s.data()));
  return std::string(both);
}
std::optional<std::string> in_case(const std::string& text, const std::string& how) {
  if (how == "upper") return upper_case(text);
  if (how == "lower") return lower_case(text);
  if (how == "capitalize") return sentence_case(text);
  return std::nullopt;
}
std::string replaced(const std::string& text, const std::string& from, const std::string& to, int64_t most) {
  RUM_CHECK(!from.empty(), "it replaces an empty text, which is not known here");
  std::string out;
  size_t begin = 0;
  for (size_t at; most != 0 && (at = text.find(from, begin)) != std::string::npos; --most) {
    out = joined(std::move(out), text.substr(begin, at - begin) + to);
    begin = at + from.size();
  }
  return joined(std::move(out), text.substr(begin));
}
}  // namespace
Value method(const Value& of, const std::string& name, const List& args) {
  const std::string* const s = of.text();
  const std::string* const first = args.empty() ? nullptr : args[0].text();
  if (s && args.empty() && (name == "strip" || name == "lstrip" || name == "rstrip")) return strip(*s, name);
  if (s && first && args.size() == 1 && name == "startswith") return s->starts_with(*first);
  if (s && first && args.size() == 1 && name == "endswith") return s->ends_with(*first);
  if (s && first && args.size() == 1 && name == "split" && !first->empty()) {
    List parts;
    size_t from = 0;
    for (size_t at; (at = s->find(*first, from)) != std::string::npos; from = at + first->size())
      parts.emplace_back(s->substr(from, at - from));
    parts.emplace_back(s->substr(from));
    return list_of(std::move(parts));
  }
  if (s && args.empty())
    if (const auto text = in_case(*s, name)) return *text;
  if (s && first && name == "replace" && args.size() == 2 && args[1].text())
    return replaced(*s, *first, *args[1].text(), -1);
  if (of.dict() && first && name == "get") {
    if (const Value* found = field(of, *first)) return *found;
    return args.size() > 1 ? args[1] : Value(nullptr);
  }
  fail(fmt::format("it calls .{}(), which is not known here", name));
}
bool tested(const Value& v, const std::string& name, const List& args) {
  if (name == "defined") return v.defined();
  if (name == "undefined") return !v.defined();
  if (name == "none") return v.none();
  if (name == "string") return v.text() != nullptr;
  if (name == "mapping") return v.dict() != nullptr;
  if (name == "iterable" && v.generator()) return true;
  if (name == "sequence" || name == "iterable") return v.text() || v.list() || v.dict() || !v.defined();
  if (name == "boolean") return std::holds_alternative<bool>(v.is);
  if (name == "true") return std::holds_alternative<bool>(v.is) && truth(v);
  if (name == "false") return std::holds_alternative<bool>(v.is) && !truth(v);
  if (name == "number") return number(v) != nullptr;
  if (name == "integer") return v.whole() != nullptr;
  if ((name == "equalto" || name == "eq" || name == "==") && args.size() == 1) return same(v, args[0]);
  fail(fmt::format("it uses the test \"is {}\", which is not known here", name));
}
List items_of(const Value& v, Scope& s) {
  if (v.list()) return *v.list();
  List out;
  if (Generator* const g = v.generator()) {
    RUM_CHECK(!std::exchange(g->used, true),
              "it walks twice through what selectattr gives; \"| list\" is missing");
    out = std::move(g->items);
  } else if (v.text()) {
    each_character(*v.text(),
                   [&](char32_t, std::string_view bytes) { out.emplace_back(std::string(bytes)); });
  } else if (v.dict()) {
    for (const auto& [name, one] : *v.dict()) out.emplace_back(name);
  } else {
    RUM_CHECK(!v.defined(), "it walks through what is no list");
  }
  s.step(out.size());
  return out;
}
namespace {
int64_t length(const Value& v) {
  if (v.list()) return static_cast<int64_t>(v.list()->size());
  if (v.dict()) return static_cast<int64_t>(v.dict()->size());
  RUM_CHECK(v.text() || !v.defined(), "it asks for the length of what has none");
  int64_t characters = 0;
  if (v.text()) each_character(*v.text(), [&](char32_t, std::string_view) { ++characters; });
  return characters;
}
// Jinja's: a word begins behind blanks, a hyphen and opening brackets, which is not what Python's title() does.
std::string titled(const std::string& text) {
  std::string out, word;
  const auto write_word = [&] {
    if (word.empty()) return;
    const auto first = static_cast<size_t>(decode_utf8(word.data(), word.data() + word.size()).bytes);
    out += upper_case(word.substr(0, first)) + lower_case(word.substr(first));
    word.clear();
  };
  each_character(text, [&](char32_t code, std::string_view bytes) {
    if (is_blank(code) || std::u32string_view(U"-({[<").find(code) != std::u32string_view::npos) {
      write_word();
      out += bytes;
    } else {
      word += bytes;
    }
  });
  write_word();
  return out;
}
// As Python's json.dumps(ensure_ascii=False) has it. `indent` < 0: one line.
class JsonWriter {
 public:
  explicit JsonWriter(int64_t indent) : indent_(indent) {}
  void write(const Value& v) {
    if ((v.list() && !v.range()) || v.dict()) return write_all(v);
    RUM_CHECK(v.defined() && !v.space(), "it writes what is not defined, or a namespace, as JSON");
    const auto* b = std::get_if<bool>(&v.is);
    if (v.none()) return add("null");
    if (b) return add(*b ? "true" : "false");
    add(v.text() ? to_json(Json(*v.text())) : shown(v));
  }
  std::string text;

 private:
  void add(const std::string& more) { text = joined(std::move(text), more); }
  void new_line() {
    if (indent_ >= 0) add("\n" + std::string(static_cast<size_t>(indent_ * depth_), ' '));
  }
  void write_all(const Value& v) {
    const bool object = v.dict() != nullptr;
    add(object ? "{" : "[");
    ++depth_;
    for (int64_t i = 0; i < length(v); ++i) {
      if (i > 0) add(indent_ < 0 ? ", " : ",");
      new_line();
      const auto at = static_cast<size_t>(i);
      if (object) add(to_json(Json((*v.dict())[at].first)) + ": ");
      write(object ? (*v.dict())[at].second : (*v.list())[at]);
    }
    --depth_;
    if (length(v) > 0) new_line();
    add(object ? "}" : "]");
  }
  int64_t indent_, depth_ = 0;
};
// What a call gives for each parameter, by place or by name; null where it gives nothing.
using Given = std::vector<const Value*>;
Given in_order(const std::string& filter, const List& args, const Dict& named) {
  using Names = std::vector<std::string_view>;
  static const std::vector<std::pair<std::string_view, Names>> known = {
      {"capitalize", {}},
      {"count", {}},
      {"d", {"default_value", "boolean"}},
      {"default", {"default_value", "boolean"}},
      {"first", {}},
      {"join", {"d"}},
      {"last", {}},
      {"length", {}},
      {"list", {}},
      {"lower", {}},
      {"replace", {"old", "new", "count"}},
      {"string", {}},
      {"title", {}},
      {"tojson", {"ensure_ascii", "indent"}},
      {"trim", {}},
      {"upper", {}}};
  const auto found =
      std::find_if(known.begin(), known.end(), [&](const auto& k) { return k.first == filter; });
  RUM_CHECK(found != known.end(), "it uses the filter {}, which is not known here", filter);
  const Names& names = found->second;
  RUM_CHECK(args.size() <= names.size(),
            "it uses the filter {} with {} values, of which at most {} are known here", filter, args.size(),
            names.size());
  Given out(names.size());
  for (size_t i = 0; i < args.size(); ++i) out[i] = &args[i];
  for (const auto& [name, v] : named) {
    const auto at = static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
    RUM_CHECK(at >= args.size() && at < names.size(),
              "it uses the filter {} with {} =, which is not known here or given twice", filter, name);
    out[at] = &v;
  }
  return out;
}
// The whole number that is given, `otherwise` where none is.
int64_t whole_of(const Value* given, const std::string& filter, int64_t otherwise) {
  if (!given || given->none()) return otherwise;
  RUM_CHECK(given->whole() && std::abs(*given->whole()) <= int64_t{kMostLinks},
            "it uses the filter {} with \"{}\", where a whole number up to {} is known here", filter,
            shown(*given), kMostLinks);
  return *given->whole();
}
Value chosen(const Value& v, const std::string& filter, const List& args, Scope& s) {
  const std::string* const name = args.empty() ? nullptr : args[0].text();
  RUM_CHECK(name && name->find('.') == std::string::npos && (args.size() == 1 || args[1].text()),
            "it uses the filter {} in a way that is not known here", filter);
  const List more(args.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(2, args.size())), args.end());
  List kept;
  for (const Value& one : items_of(v, s)) {
    const Value is = item(one, *name);
    if ((args.size() == 1 ? truth(is) : tested(is, *args[1].text(), more)) == (filter == "selectattr"))
      kept.push_back(one);
  }
  return std::make_shared<Generator>(Generator{std::move(kept)});
}
std::string join(const List& items, const std::string& between) {
  std::string out;
  for (size_t i = 0; i < items.size(); ++i)
    out = joined(std::move(out), i > 0 ? between + shown(items[i]) : shown(items[i]));
  return out;
}
}  // namespace
Value filtered(const Value& v, const std::string& name, const List& args, const Dict& named, Scope& s) {
  if (named.empty() && (name == "selectattr" || name == "rejectattr")) return chosen(v, name, args, s);
  const Given given = in_order(name, args, named);
  if (name == "default" || name == "d") {
    const bool by_truth = given[1] && truth(*given[1]);
    if (by_truth ? truth(v) : v.defined()) return v;
    return given[0] ? *given[0] : Value(std::string());
  }
  if (name == "list") return list_of(items_of(v, s));
  if (name == "length" || name == "count") return length(v);
  if (name == "join") return join(items_of(v, s), given[0] ? shown(*given[0]) : "");
  if (name == "first" || name == "last") {
    RUM_CHECK(name == "first" || !v.generator(),
              "it asks for the last of what selectattr gives; \"| list\" is missing");
    const List items = items_of(v, s);
    if (items.empty()) return Undefined{name};
    return name == "first" ? items.front() : items.back();
  }
  if (name == "tojson") {
    RUM_CHECK(!given[0] || !truth(*given[0]),
              "it uses the filter tojson with ensure_ascii, which is not known here");
    const bool in_lines = given[1] && !given[1]->none();
    JsonWriter writer(in_lines ? std::max<int64_t>(0, whole_of(given[1], name, 0)) : -1);
    writer.write(v);
    return writer.text;
  }
  const std::string text = shown(v);
  if (name == "trim") return strip(text, name);
  if (name == "title") return titled(text);
  if (name == "replace") {
    RUM_CHECK(given[0] && given[1], "it uses the filter replace without what to replace, or by what");
    return replaced(text, shown(*given[0]), shown(*given[1]), whole_of(given[2], name, -1));
  }
  return in_case(text, name).value_or(text);  // string writes it as it is
}
namespace {
// Jinja's sandbox has no longer ranges either.
Value range(const List& args) {
  RUM_CHECK(!args.empty() && args.size() <= 3, "it calls range() with {} values; 1 to 3 are expected",
            args.size());
  constexpr int64_t kMost = 100000, kFar = int64_t{1} << 30;
  for (const Value& v : args)
    RUM_CHECK(v.whole() && std::abs(*v.whole()) <= kFar,
              "it calls range() with what is no whole number up to {}", kFar);
  const int64_t begin = args.size() > 1 ? *args[0].whole() : 0, end = *args[args.size() > 1 ? 1 : 0].whole(),
                step = args.size() > 2 ? *args[2].whole() : 1;
  RUM_CHECK(step != 0, "it calls range() with steps of 0");
  List out;
  for (int64_t i = begin; step > 0 ? i < end : i > end; i += step) {
    RUM_CHECK(out.size() < kMost, "it calls range() for more than {} numbers", kMost);
    out.emplace_back(i);
  }
  return std::make_shared<Range>(Range{std::move(out)});
}
}  // namespace
Value called(const Value& what, const List& args, const Dict& named) {
  const auto* unknown = std::get_if<Undefined>(&what.is);
  RUM_CHECK(unknown, "it calls what is no function");
  if (!unknown->function) fail(fmt::format("it calls {}(), which is not known here", unknown->name));
  if (unknown->name == "raise_exception")
    fail(fmt::format("it refuses: {}", args.empty() ? std::string() : shown(args[0])));
  if (unknown->name == "namespace") {
    RUM_CHECK(args.empty(), "it calls namespace() with a value without a name, which is not known here");
    for (const auto& [name, v] : named) RUM_CHECK(!v.space(), "it puts a namespace into another");
    return std::make_shared<Namespace>(Namespace{named});
  }
  if (unknown->name == "range" && named.empty()) return range(args);
  fail(fmt::format("it calls {}(), which is not known here", unknown->name));
}
bool contains(const Value& in, const Value& what) {
  if (in.text() && what.text()) return in.text()->find(*what.text()) != std::string::npos;
  if (in.dict()) return what.text() && field(in, *what.text());
  RUM_CHECK(in.list(), "it looks for something in what is no list");
  return std::any_of(in.list()->begin(), in.list()->end(), [&](const Value& one) { return same(one, what); });
}
Value computed(const std::string& sign, const Value& a, const Value& b) {
  if (sign == "==") return same(a, b);
  if (sign == "!=") return !same(a, b);
  if (sign == "in" || sign == "not in") return contains(b, a) == (sign == "in");
  if (sign == "~") return joined(shown(a), shown(b));
  if (sign == "+" && a.text() && b.text()) return joined(*a.text(), *b.text());
  if (sign == "+" && a.list() && b.list() && !a.range() && !b.range()) {
    List both = *a.list();
    both.insert(both.end(), b.list()->begin(), b.list()->end());
    RUM_CHECK(both.size() <= kMostText, "it makes a list of more than {} items", kMostText);
    return list_of(std::move(both));
  }
  RUM_CHECK(a.whole() && b.whole(), "it computes \"{}\" of values that are not known here for that", sign);
  const int64_t x = *a.whole(), y = *b.whole(), most = int64_t{1} << 30;
  RUM_CHECK(std::max(std::abs(x), std::abs(y)) <= most, "it computes with numbers beyond {}", most);
  if (sign == "+") return x + y;
  if (sign == "-") return x - y;
  if (sign == "*") return x * y;
  if (sign == "<") return x < y;
  if (sign == ">") return x > y;
  if (sign == "<=") return x <= y;
  if (sign == ">=") return x >= y;
  RUM_CHECK(y > 0 && (sign == "%" || sign == "//"), "it computes \"{}\", which is not known here", sign);
  const int64_t rest = (x % y + y) % y;
  return sign == "%" ? rest : (x - rest) / y;
}
namespace {
// Python has its methods there, as values.
void refuse_method(const Value& of, const std::string& name) {
  constexpr std::string_view
      objects = " clear copy fromkeys get items keys pop popitem setdefault update values ",
      lists = " append clear copy count extend index insert pop remove reverse sort ",
      ranges = " count index start step stop ",
      texts =
          " capitalize casefold center count encode endswith expandtabs find format format_map index"
          " isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace"
          " istitle isupper join ljust lower lstrip maketrans partition removeprefix removesuffix replace"
          " rfind rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title"
          " translate upper zfill ";
  const std::string_view all = of.dict()    ? objects
                               : of.range() ? ranges
                               : of.list()  ? lists
                               : of.text()  ? texts
                                            : "";
  RUM_CHECK(all.find(" " + name + " ") == std::string_view::npos,
            "it asks for .{} without calling it, which is not known here", name);
}
}  // namespace
Value attribute(const Value& of, const std::string& name) {
  refuse_method(of, name);  // even where an object has such a key
  return item(of, name);
}
Value item(const Value& of, const Value& which) {
  RUM_CHECK(of.is.index() != 0, "it looks into \"{}\", which is not defined", name_of(of));
  if (which.text()) {
    const Value* found = field(of, *which.text());
    RUM_CHECK(found || !field(of, kLoopMark), "it asks for loop.{}, which is not known here", *which.text());
    if (found) return *found;
    refuse_method(of, *which.text());
    return Undefined{*which.text()};
  }
  RUM_CHECK(which.whole() && of.list(), "it looks into a value in a way that is not known here");
  const auto n = static_cast<int64_t>(of.list()->size()), i = *which.whole() + (*which.whole() < 0 ? n : 0);
  return i >= 0 && i < n ? (*of.list())[static_cast<size_t>(i)] : Value(Undefined{"item"});
}
Value slice(const Value& of, const Value& from, const Value& to) {
  RUM_CHECK(of.list(), "it cuts a part out of what is no list");
  const auto n = static_cast<int64_t>(of.list()->size());
  const auto place = [&](const Value& v, int64_t otherwise) {
    RUM_CHECK(v.whole() || v.none(), "it cuts a list at what is no number");
    return v.none() ? otherwise : std::clamp<int64_t>(*v.whole() + (*v.whole() < 0 ? n : 0), 0, n);
  };
  const int64_t begin = place(from, 0), end = std::max(begin, place(to, n));
  List part(of.list()->begin() + begin, of.list()->begin() + end);
  return of.range() ? Value(std::make_shared<Range>(Range{std::move(part)})) : list_of(std::move(part));
}
}  // namespace rum::jinja
