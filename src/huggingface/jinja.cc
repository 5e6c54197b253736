#include "huggingface/jinja.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <memory>
#include <optional>

#include "base/error.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum {
namespace {
constexpr int kMostDepth = 100;
constexpr size_t kMostLinks = 1000;
constexpr size_t kMostText = size_t{1} << 18, kMostWords = 2000;  // of a template; of one tag
constexpr int64_t kMostSteps = 1000000;

// ---- values
struct Value;
using List = std::vector<Value>;
using Dict = std::vector<std::pair<std::string, Value>>;
struct Undefined {
  std::string name;
};
struct Namespace;  // the one value that changes; no other value holds one, so that none holds itself
struct Value {
  std::variant<Undefined, std::nullptr_t, bool, int64_t, std::string, std::shared_ptr<List>,
               std::shared_ptr<Dict>, std::shared_ptr<Namespace>>
      is;
  Value() = default;
  template <class T>
  Value(T x) : is(std::move(x)) {}
  const std::string* text() const { return std::get_if<std::string>(&is); }
  const int64_t* whole() const { return std::get_if<int64_t>(&is); }
  const List* list() const {
    const auto* p = std::get_if<std::shared_ptr<List>>(&is);
    return p ? p->get() : nullptr;
  }
  const Dict* dict() const;  // or the fields of a namespace
  Namespace* space() const {
    const auto* p = std::get_if<std::shared_ptr<Namespace>>(&is);
    return p ? p->get() : nullptr;
  }
  bool defined() const { return is.index() != 0; }
  bool none() const { return is.index() == 1; }
  bool simple() const { return !list() && !dict(); }
};
struct Namespace {
  Dict fields;
};
const Dict* Value::dict() const {
  if (const Namespace* n = space()) return &n->fields;
  const auto* p = std::get_if<std::shared_ptr<Dict>>(&is);
  return p ? p->get() : nullptr;
}
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
bool truth(const Value& v) {
  if (const auto* b = std::get_if<bool>(&v.is)) return *b;
  if (v.whole()) return *v.whole() != 0;
  if (v.text()) return !v.text()->empty();
  if (v.list()) return !v.list()->empty();
  return v.dict() && !v.dict()->empty();
}
bool same(const Value& a, const Value& b) {
  if (a.is.index() != b.is.index()) return false;
  if (a.list())
    return std::equal(a.list()->begin(), a.list()->end(), b.list()->begin(), b.list()->end(), same);
  if (a.dict())
    return std::equal(
        a.dict()->begin(), a.dict()->end(), b.dict()->begin(), b.dict()->end(),
        [](const auto& x, const auto& y) { return x.first == y.first && same(x.second, y.second); });
  if (a.text()) return *a.text() == *b.text();
  if (a.whole()) return *a.whole() == *b.whole();
  return truth(a) == truth(b);
}
const Value* field(const Value& of, std::string_view name) {
  if (const Dict* fields = of.dict())
    for (const auto& [n, v] : *fields)
      if (n == name) return &v;
  return nullptr;
}
std::string shown(const Value& v) {  // as Python's str() has it
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

// ---- running
class Scope {
 public:
  std::vector<Dict> frames{1};
  Value get(const std::string& name) const {
    for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame)
      for (const auto& [n, v] : *frame)
        if (n == name) return v;
    return Undefined{name};
  }
  void set(const std::string& name, Value v) {
    for (auto& [n, old] : frames.back())
      if (n == name) return void(old = std::move(v));
    frames.back().emplace_back(name, std::move(v));
  }
  void step(size_t cost = 1) {
    steps_ += static_cast<int64_t>(cost);
    RUM_CHECK(steps_ <= kMostSteps, "it takes more than {} steps", kMostSteps);
  }
  Value paid(Value v) {  // large values cost more
    step();
    if (v.text()) step(v.text()->size() / 64);
    if (v.list()) step(v.list()->size());
    return v;
  }

 private:
  int64_t steps_ = 0;
};
using Expression = std::function<Value(Scope&)>;
using Body = std::function<void(Scope&, std::string&)>;

// ---- words of what stands between {{ and }}, or {% and %}
struct Word {
  enum Kind : uint8_t { name, text, number, sign, end } kind = end;
  std::string is;
};
int64_t hex(std::string_view s, size_t at, size_t digits) {
  int64_t code = 0;
  const auto [end, bad] = std::from_chars(s.data() + std::min(at, s.size()),
                                          s.data() + std::min(at + digits, s.size()), code, 16);
  RUM_CHECK(bad == std::errc() && end == s.data() + at + digits, "a text holds a broken \\ sequence");
  return code;
}
std::string quoted(std::string_view s, size_t& at) {
  const char quote = s[at++];
  std::string out;
  for (; at < s.size() && s[at] != quote; ++at) {
    if (s[at] != '\\' || at + 1 == s.size()) {
      out += s[at];
      continue;
    }
    const char c = s[++at];
    const std::string_view known = "ntr\\'\"0abfv", means = std::string_view("\n\t\r\\'\"\0\a\b\f\v", 11);
    const size_t code_kind = std::string_view("xuU").find(c);
    const size_t digits = code_kind == std::string_view::npos ? 0 : size_t{2} << code_kind;
    if (digits > 0) {
      const int64_t code = hex(s, at + 1, digits);
      RUM_CHECK(code < 0x110000 && (code & 0x1FF800) != 0xD800, "a text holds a broken \\ sequence");
      append_utf8(out, static_cast<char32_t>(code));
      at += digits;
    } else if (const size_t i = known.find(c); i != std::string_view::npos) {
      out += means[i];
    } else if (c != '\n') {
      out += '\\';
      out += c;
    }
  }
  RUM_CHECK(at < s.size(), "a text in it has no end");
  ++at;
  return out;
}
bool letter(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
// From `at` to the end of the tag, behind which `at` is then.
std::vector<Word> words_of_tag(std::string_view s, size_t& at, std::string_view close, bool& strips,
                               bool& trims) {
  std::vector<Word> out;
  int open = 0;
  for (;;) {
    while (at < s.size() && std::isspace(static_cast<unsigned char>(s[at]))) ++at;
    RUM_CHECK(at < s.size() && out.size() < kMostWords, "a tag in it has no end, or more than {} words",
              kMostWords);
    const std::string_view rest = s.substr(at);
    strips = rest.starts_with('-') && rest.substr(1).starts_with(close);
    const bool kept = rest.starts_with('+') && rest.substr(1).starts_with(close);
    if (open == 0 && (strips || kept || rest.starts_with(close))) {
      at += close.size() + (strips || kept);
      trims = close == "%}" && !kept;
      out.emplace_back();
      return out;
    }
    const char c = s[at];
    if (c == '\'' || c == '"') {
      out.push_back({Word::text, quoted(s, at)});
    } else if (letter(c)) {
      const size_t begin = at;
      while (at < s.size() && letter(s[at])) ++at;
      out.push_back(
          {c >= '0' && c <= '9' ? Word::number : Word::name, std::string(s.substr(begin, at - begin))});
    } else {
      size_t n = 1;
      for (const char* two : {"==", "!=", "<=", ">=", "//", "**"})
        if (rest.starts_with(two)) n = 2;
      open += c == '(' || c == '[' || c == '{';
      open -= c == ')' || c == ']' || c == '}';
      out.push_back({Word::sign, std::string(rest.substr(0, n))});
      at += n;
    }
  }
}

// ---- what is called
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
  if (name == "sequence" || name == "iterable") return v.text() || v.list() || v.dict();
  if (name == "boolean") return std::holds_alternative<bool>(v.is);
  if (name == "true") return std::holds_alternative<bool>(v.is) && truth(v);
  if (name == "false") return std::holds_alternative<bool>(v.is) && !truth(v);
  if (name == "number" || name == "integer") return v.whole() != nullptr;
  if ((name == "equalto" || name == "eq" || name == "==") && args.size() == 1) return same(v, args[0]);
  fail(fmt::format("it uses the test \"is {}\", which is not known here", name));
}
// The texts and lists that a filter or a loop goes through: characters, items, keys.
List items_of(const Value& v, Scope& s) {
  if (v.list()) return *v.list();
  List out;
  if (v.text()) {
    each_character(*v.text(),
                   [&](char32_t, std::string_view bytes) { out.emplace_back(std::string(bytes)); });
  } else if (v.dict() && !v.space()) {
    for (const auto& [name, one] : *v.dict()) out.emplace_back(name);
  } else {
    RUM_CHECK(!v.defined(), "it walks through what is no list");
  }
  s.step(out.size());
  return out;
}
int64_t length(const Value& v) {
  if (v.list()) return static_cast<int64_t>(v.list()->size());
  if (v.dict() && !v.space()) return static_cast<int64_t>(v.dict()->size());
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
    if (v.list() || (v.dict() && !v.space())) return write_all(v);
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
      {"safe", {}},
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
Value chosen(const Value& v, const std::string& filter, const List& args) {
  RUM_CHECK(v.list() && !args.empty() && args[0].text() && (args.size() == 1 || args[1].text()),
            "it uses the filter {} in a way that is not known here", filter);
  const List more(args.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(2, args.size())), args.end());
  List kept;
  for (const Value& one : *v.list()) {
    const Value* const found = field(one, *args[0].text());
    const Value is = found ? *found : Value(Undefined{*args[0].text()});
    if ((args.size() == 1 ? truth(is) : tested(is, *args[1].text(), more)) == (filter == "selectattr"))
      kept.push_back(one);
  }
  return list_of(std::move(kept));
}
std::string join(const List& items, const std::string& between) {
  std::string out;
  for (size_t i = 0; i < items.size(); ++i)
    out = joined(std::move(out), i > 0 ? between + shown(items[i]) : shown(items[i]));
  return out;
}
Value filtered(const Value& v, const std::string& name, const List& args, const Dict& named, Scope& s) {
  if (named.empty() && (name == "selectattr" || name == "rejectattr")) return chosen(v, name, args);
  const Given given = in_order(name, args, named);
  if (name == "default" || name == "d") {
    const bool by_truth = given[1] && truth(*given[1]);
    if (by_truth ? truth(v) : v.defined()) return v;
    return given[0] ? *given[0] : Value(std::string());
  }
  if (name == "list") return v.list() ? v : list_of(items_of(v, s));
  if (name == "length" || name == "count") return length(v);
  if (name == "join") return join(items_of(v, s), given[0] ? shown(*given[0]) : "");
  if (name == "first" || name == "last") {
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
  return in_case(text, name).value_or(text);  // string and safe write it as it is
}
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
  return list_of(std::move(out));
}
Value called(const Value& what, const List& args, const Dict& named) {
  const auto* unknown = std::get_if<Undefined>(&what.is);
  RUM_CHECK(unknown, "it calls what is no function");
  if (unknown->name == "raise_exception")
    fail(fmt::format("it refuses: {}", args.empty() ? std::string() : shown(args[0])));
  if (unknown->name == "namespace") {
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
  if (sign == "in") return contains(b, a);
  if (sign == "~") return joined(shown(a), shown(b));
  if (sign == "+" && a.text() && b.text()) return joined(*a.text(), *b.text());
  if (sign == "+" && a.list() && b.list()) {
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
Value item(const Value& of, const Value& which) {
  RUM_CHECK(of.defined(), "it looks into \"{}\", which is not defined", std::get<Undefined>(of.is).name);
  if (which.text()) {
    const Value* found = field(of, *which.text());
    return found ? *found : Value(Undefined{*which.text()});
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
  return list_of(List(of.list()->begin() + begin, of.list()->begin() + end));
}

// ---- from words to what runs
class JinjaParser {
 public:
  explicit JinjaParser(std::string_view source) : s_(source) {}
  Body all() {
    std::string ended;
    Body b = body({}, ended);
    return b;
  }

 private:
  // -- expressions, from what binds least to what binds most
  struct Deeper {
    explicit Deeper(int& d) : depth(d) { RUM_CHECK(++depth <= kMostDepth, "it is nested too deeply"); }
    ~Deeper() { --depth; }
    int& depth;
  };
  const Word& word() const { return words_[at_]; }
  bool is(Word::Kind kind, std::string_view text) const { return word().kind == kind && word().is == text; }
  bool take(std::string_view text) {
    const bool here = (word().kind == Word::sign || word().kind == Word::name) && word().is == text;
    at_ += here;
    return here;
  }
  void need(std::string_view text) {
    RUM_CHECK(take(text), "expected \"{}\", found \"{}\"", text, word().is);
  }
  std::string need_name() {
    RUM_CHECK(word().kind == Word::name, "expected a name, found \"{}\"", word().is);
    return words_[at_++].is;
  }
  void link() {
    RUM_CHECK(++links_ <= kMostLinks, "an expression in it is longer than {} parts", kMostLinks);
  }
  Expression expression() {
    const Deeper deeper(depth_);
    Expression yes = either();
    if (!take("if")) return yes;
    Expression condition = either();
    Expression no = [](Scope&) -> Value { return Undefined{"else"}; };
    if (take("else")) no = expression();
    return [=](Scope& s) { return truth(condition(s)) ? yes(s) : no(s); };
  }
  Expression either() { return short_circuit("or", true, &JinjaParser::both); }
  Expression both() { return short_circuit("and", false, &JinjaParser::negation); }
  // The first value that is `enough`, else the last one.
  Expression short_circuit(const char* joins, bool enough, Expression (JinjaParser::*part)()) {
    Expression a = (this->*part)();
    while (take(joins)) {
      link();
      Expression b = (this->*part)();
      a = [=](Scope& s) {
        Value v = a(s);
        return truth(v) == enough ? v : b(s);
      };
    }
    return a;
  }
  Expression negation() {
    const Deeper deeper(depth_);
    if (!take("not")) return comparison();
    Expression a = negation();
    return [=](Scope& s) -> Value { return !truth(a(s)); };
  }
  static Expression of_two(const std::string& sign, const Expression& a, const Expression& b) {
    return [=](Scope& s) {
      const Value left = a(s);
      return s.paid(computed(sign, left, b(s)));
    };
  }
  Expression comparison() {
    Expression a = two(0);
    for (;;) {
      link();
      if (is(Word::name, "not") && words_[at_ + 1].is == "in") {
        at_ += 2;
        Expression in = of_two("in", a, two(0));
        a = [=](Scope& s) -> Value { return !truth(in(s)); };
        continue;
      }
      std::string sign;
      for (const char* known : {"==", "!=", "<", ">", "<=", ">=", "in"})
        if (sign.empty() && take(known)) sign = known;
      if (sign.empty()) return a;
      a = of_two(sign, a, two(0));
    }
  }
  Expression two(size_t level) {
    static const std::vector<std::string> signs[] = {{"+", "-"}, {"~"}, {"*", "//", "%"}};
    if (level == std::size(signs)) return one();
    Expression a = two(level + 1);
    for (;;) {
      link();
      std::string sign;
      for (const std::string& known : signs[level])
        if (sign.empty() && word().kind == Word::sign && take(known)) sign = known;
      if (sign.empty()) return a;
      a = of_two(sign, a, two(level + 1));
    }
  }
  Expression one() {
    const Deeper deeper(depth_);
    if (take("-")) {
      Expression a = one();
      return of_two(
          "-", [](Scope&) -> Value { return int64_t{0}; }, a);
    }
    Expression a = primary();
    for (;;) {
      link();
      if (take(".")) {
        a = dotted(a);
      } else if (take("[")) {
        a = subscript(a);
      } else if (take("(")) {
        const Arguments with = arguments();
        a = [=](Scope& s) { return s.paid(called(a(s), with.values(s), with.named_values(s))); };
      } else if (take("|")) {
        const std::string name = need_name();
        const Arguments with = take("(") ? arguments() : Arguments{};
        a = [=](Scope& s) {
          const Value v = a(s);
          return s.paid(filtered(v, name, with.values(s), with.named_values(s), s));
        };
      } else if (take("is")) {
        a = test(a);
      } else {
        return a;
      }
    }
  }
  struct Arguments {
    std::vector<Expression> all;
    std::vector<std::pair<std::string, Expression>> named;
    List values(Scope& s) const {
      s.step();
      List out;
      for (const Expression& e : all) out.push_back(e(s));
      return out;
    }
    Dict named_values(Scope& s) const {
      Dict out;
      for (const auto& [name, e] : named) out.emplace_back(name, e(s));
      return out;
    }
  };
  Arguments arguments() {  // behind the (
    Arguments out;
    while (!take(")")) {
      if (word().kind == Word::name && words_[at_ + 1].is == "=") {
        const std::string name = need_name();
        need("=");
        out.named.emplace_back(name, expression());
      } else {
        out.all.push_back(expression());
      }
      if (!is(Word::sign, ")")) need(",");
    }
    return out;
  }
  Expression dotted(const Expression& a) {
    const std::string name = need_name();
    if (!take("(")) return [=](Scope& s) { return s.paid(item(a(s), name)); };
    const Arguments with = arguments();
    RUM_CHECK(with.named.empty(), "it calls .{}() with named values, which are not known here", name);
    return [=](Scope& s) { return s.paid(method(a(s), name, with.values(s))); };
  }
  Expression subscript(const Expression& a) {
    const Expression nothing = [](Scope&) -> Value { return nullptr; };
    const Expression from = is(Word::sign, ":") ? nothing : expression();
    if (take("]"))
      return [=](Scope& s) {
        const Value of = a(s);
        return s.paid(item(of, from(s)));
      };
    need(":");
    const Expression to = is(Word::sign, "]") ? nothing : expression();
    need("]");
    return [=](Scope& s) { return s.paid(slice(a(s), from(s), to(s))); };
  }
  Expression test(const Expression& a) {
    const bool negated = take("not");
    const std::string name = need_name();
    const Arguments with = take("(") ? arguments() : Arguments{};
    RUM_CHECK(with.named.empty(), "it uses the test \"is {}\" with named values, which are not known here",
              name);
    return [=](Scope& s) -> Value { return tested(a(s), name, with.values(s)) != negated; };
  }
  Expression primary() {
    const Deeper deeper(depth_);
    if (take("(")) {
      Expression inner = expression();
      need(")");
      return inner;
    }
    if (take("[")) {
      Arguments items;
      while (!take("]")) {
        items.all.push_back(expression());
        if (!is(Word::sign, "]")) need(",");
      }
      return [=](Scope& s) {
        List all = items.values(s);
        for (const Value& v : all) RUM_CHECK(v.simple(), "it makes a list of lists or objects");
        return list_of(std::move(all));
      };
    }
    const Word w = word();
    RUM_CHECK(w.kind == Word::name || w.kind == Word::text || w.kind == Word::number,
              "expected a value, found \"{}\"", w.is);
    ++at_;
    if (w.kind == Word::text) {
      std::string text = w.is;
      for (; word().kind == Word::text; ++at_) text += word().is;
      return [text](Scope&) -> Value { return text; };
    }
    if (w.kind == Word::number) {
      int64_t number = 0;
      const auto [end, bad] = std::from_chars(w.is.data(), w.is.data() + w.is.size(), number);
      RUM_CHECK(bad == std::errc() && end == w.is.data() + w.is.size(), "{} is no whole number", w.is);
      return [number](Scope&) -> Value { return number; };
    }
    for (const bool b : {true, false})
      if (w.is == (b ? "true" : "false") || w.is == (b ? "True" : "False"))
        return [b](Scope&) -> Value { return b; };
    if (w.is == "none" || w.is == "None") return [](Scope&) -> Value { return nullptr; };
    return [name = w.is](Scope& s) { return s.paid(s.get(name)); };
  }

  // -- statements
  // Up to a tag that begins with one of these names; its first word is `ended`, and the others are at at_.
  Body body(const std::vector<std::string>& until, std::string& ended) {
    const Deeper deeper(depth_);
    std::vector<Body> parts;
    for (;;) {
      if (std::string text = text_before_tag(); !text.empty())
        parts.push_back([text](Scope&, std::string& out) { out = joined(std::move(out), text); });
      if (place_ == s_.size()) {
        RUM_CHECK(until.empty(), "expected {{% {} %}}, found its end", until.empty() ? "" : until.back());
        break;
      }
      const bool writes = s_[place_ + 1] == '{';
      place_ += 2;
      if (s_.substr(place_).starts_with('-') || s_.substr(place_).starts_with('+')) ++place_;
      words_ = words_of_tag(s_, place_, writes ? "}}" : "%}", strip_next_, trim_next_);
      at_ = links_ = 0;
      if (writes) {
        Expression e = expression();
        check_end();
        parts.push_back([e](Scope& s, std::string& out) { out = joined(std::move(out), shown(e(s))); });
        continue;
      }
      const std::string name = need_name();
      if (std::find(until.begin(), until.end(), name) != until.end()) {
        ended = name;
        break;
      }
      parts.push_back(statement(name));
    }
    return [parts](Scope& s, std::string& out) {
      for (const Body& part : parts) {
        s.step();
        part(s, out);
      }
    };
  }
  void check_end() const { RUM_CHECK(word().kind == Word::end, "\"{}\" is one word too many", word().is); }
  // The text up to the next tag, comments left out.
  std::string text_before_tag() {
    std::string out;
    for (;;) {
      size_t open = place_;
      while ((open = std::min(s_.find('{', open), s_.size())) < s_.size() && open + 1 < s_.size() &&
             std::string_view("{%#").find(s_[open + 1]) == std::string_view::npos)
        ++open;
      if (open + 1 >= s_.size()) open = s_.size();
      std::string_view text = s_.substr(place_, open - place_);
      const char kind = open < s_.size() ? s_[open + 1] : ' ',
                 mark = open + 2 < s_.size() ? s_[open + 2] : ' ';
      bool fresh = place_ == 0;  // does it begin a line?
      if (strip_next_) text.remove_prefix(std::min(text.find_first_not_of(" \t\n\r\f\v"), text.size()));
      if (!strip_next_ && trim_next_ && text.starts_with('\n')) {
        text.remove_prefix(1);
        fresh = true;
      }
      if (open < s_.size() && mark == '-')
        text = text.substr(0, text.find_last_not_of(" \t\n\r\f\v") + 1);
      else if ((kind == '%' || kind == '#') && mark != '+')
        text = without_indent(text, fresh);
      strip_next_ = trim_next_ = false;
      out += text;
      place_ = open;
      if (kind != '#') return out;
      const size_t end = s_.find("#}", open + 2);
      RUM_CHECK(end != std::string_view::npos, "a comment in it has no end");
      strip_next_ = s_[end - 1] == '-' && end - 1 > open + 1;
      trim_next_ = true;
      place_ = end + 2;
    }
  }
  // Without the blanks between the beginning of a line and a tag. `fresh`: the text begins a line.
  static std::string_view without_indent(std::string_view text, bool fresh) {
    const size_t last = text.find_last_not_of(" \t");
    if (last == std::string_view::npos) return fresh ? std::string_view() : text;
    return text[last] == '\n' ? text.substr(0, last + 1) : text;
  }
  Body statement(const std::string& name) {
    if (name == "if") return condition();
    if (name == "for") return loop();
    if (name == "set") return assignment();
    if (name == "generation" || name == "endgeneration")  // transformers marks by it what is learned
      return [](Scope&, std::string&) {};
    if (name != "macro") fail(fmt::format("{{% {} %}} is not known here", name));
    std::string ended;
    body({"endmacro"}, ended);  // who calls it is refused
    return [](Scope&, std::string&) {};
  }
  Body condition() {
    const Deeper deeper(depth_);
    Expression e = expression();
    check_end();
    std::string ended;
    Body yes = body({"elif", "else", "endif"}, ended), no;
    if (ended == "elif")
      no = condition();
    else if (ended == "else")
      no = body({"endif"}, ended);
    return [=](Scope& s, std::string& out) {
      if (truth(e(s)))
        yes(s, out);
      else if (no)
        no(s, out);
    };
  }
  static Dict named(const std::vector<std::string>& names, const Value& item) {
    if (names.size() == 1) return {{names[0], item}};
    RUM_CHECK(item.list() && item.list()->size() == names.size(),
              "it gives {} names to another number of values", names.size());
    Dict out;
    for (size_t i = 0; i < names.size(); ++i) out.emplace_back(names[i], (*item.list())[i]);
    return out;
  }
  Body loop() {
    std::vector<std::string> names{need_name()};
    while (take(",")) names.push_back(need_name());
    need("in");
    Expression over = either(), only = nullptr;
    if (take("if")) only = expression();
    check_end();
    std::string ended;
    Body inside = body({"else", "endfor"}, ended), otherwise;
    if (ended == "else") otherwise = body({"endfor"}, ended);
    return [=](Scope& s, std::string& out) {
      const Value all = over(s);
      List items;
      s.frames.emplace_back();
      for (const Value& one : items_of(all, s)) {
        s.frames.back() = named(names, one);
        if (!only || truth(only(s))) items.push_back(one);
      }
      const auto n = static_cast<int64_t>(items.size());
      for (int64_t i = 0; i < n; ++i) {
        s.step();
        const auto k = static_cast<size_t>(i);
        Dict place{{"index0", i}, {"index", i + 1}, {"first", i == 0}, {"last", i + 1 == n}, {"length", n}};
        if (i > 0) place.emplace_back("previtem", items[k - 1]);
        if (i + 1 < n) place.emplace_back("nextitem", items[k + 1]);
        s.frames.back() = named(names, items[k]);
        s.frames.back().emplace_back("loop", std::make_shared<Dict>(std::move(place)));
        inside(s, out);
      }
      s.frames.pop_back();
      if (n == 0 && otherwise) otherwise(s, out);
    };
  }
  Body assignment() {
    const std::string name = need_name(), part = take(".") ? need_name() : "";
    if (part.empty() && word().kind == Word::end) {  // what the body writes
      std::string ended;
      Body inside = body({"endset"}, ended);
      return [=](Scope& s, std::string&) {
        std::string text;
        inside(s, text);
        s.set(name, std::move(text));
      };
    }
    need("=");
    Expression e = expression();
    check_end();
    return [=](Scope& s, std::string&) {
      Value v = e(s);
      if (part.empty()) return s.set(name, std::move(v));
      const Value of = s.get(name);
      RUM_CHECK(of.space() && !v.space(), "it sets {}.{}, but {} is no namespace, or the value is one", name,
                part, name);
      for (auto& [n, old] : of.space()->fields)
        if (n == part) return void(old = std::move(v));
      of.space()->fields.emplace_back(part, std::move(v));
    };
  }

  const std::string_view s_;
  size_t place_ = 0, at_ = 0, links_ = 0;
  int depth_ = 0;
  bool strip_next_ = false, trim_next_ = false;
  std::vector<Word> words_;
};
}  // namespace

std::string render_jinja(std::string_view source, const Json& variables) {
  RUM_CHECK(source.size() <= kMostText, "it is longer than {} bytes", kMostText);
  std::string text;
  for (size_t i = 0; i < source.size(); ++i)
    if (!source.substr(i).starts_with("\r\n")) text += source[i];
  if (text.ends_with('\n')) text.pop_back();
  const Body body = JinjaParser(text).all();
  Scope scope;
  RUM_CHECK(variables.object(), "the variables of a template are an object");
  for (const auto& [name, v] : *variables.object()) scope.set(name, from_json(v));
  scope.frames.emplace_back();
  std::string out;
  body(scope, out);
  return out;
}
}  // namespace rum
