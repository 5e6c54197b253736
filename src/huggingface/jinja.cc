#include "huggingface/jinja.h"

#include <algorithm>
#include <cctype>
#include <functional>

#include "base/error.h"
#include "base/number.h"
#include "huggingface/jinja_value.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum {
namespace {
using namespace jinja;
constexpr int kMostDepth = 100;
constexpr size_t kMostWords = 2000;  // of one tag
using Expression = std::function<Value(Scope&)>;
using Body = std::function<void(Scope&, std::string&)>;

// ---- words of what stands between {{ and }}, or {% and %}
struct Word {
  enum Kind : uint8_t { name, text, number, sign, end } kind = end;
  std::string is;
};
bool is_octal(char c) { return c >= '0' && c <= '7'; }
// Behind a backslash: \x1b, \u00e4, \U0001f600, octal \033. `at` is then at the last of its characters.
void add_code(std::string_view s, size_t& at, std::string& out) {
  const bool octal = is_octal(s[at]);
  size_t digits = octal ? 1 : size_t{2} << std::string_view("xuU").find(s[at]);
  at += !octal;
  while (octal && digits < 3 && at + digits < s.size() && is_octal(s[at + digits])) ++digits;
  const std::string_view given = s.substr(std::min(at, s.size()), digits);
  const auto code = number_in<uint32_t>(given, octal ? 8 : 16);
  RUM_CHECK(code && given.size() == digits && *code < 0x110000 && (*code & 0x1FF800) != 0xD800,
            "a text holds a broken \\ sequence");
  append_utf8(out, *code);
  at += digits - 1;
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
    RUM_CHECK(c != 'N' && static_cast<uint8_t>(c) < 0x80,
              "a text holds a \\ sequence that is not known here");
    const std::string_view known = "ntr\\'\"abfv", means = "\n\t\r\\'\"\a\b\f\v";
    if (is_octal(c) || std::string_view("xuU").find(c) != std::string_view::npos) {
      add_code(s, at, out);
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
  // a < b <= c is a < b and b <= c, as in Python.
  Expression comparison() {
    const Expression first = two(0);
    std::vector<std::pair<std::string, Expression>> others;
    for (;;) {
      link();
      std::string sign;
      if (is(Word::name, "not") && words_[at_ + 1].is == "in") sign = "not in", at_ += 2;
      for (const char* known : {"==", "!=", "<", ">", "<=", ">=", "in"})
        if (sign.empty() && take(known)) sign = known;
      if (sign.empty()) break;
      others.emplace_back(sign, two(0));
    }
    if (others.empty()) return first;
    return [=](Scope& s) -> Value {
      Value left = first(s);
      for (const auto& [sign, other] : others) {
        Value right = other(s);
        if (!truth(s.paid(computed(sign, left, right)))) return false;
        left = std::move(right);
      }
      return true;
    };
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
    if (!take("(")) return [=](Scope& s) { return s.paid(attribute(a(s), name)); };
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
      const auto number = number_in<int64_t>(w.is);
      RUM_CHECK(number, "{} is no whole number", w.is);
      return [n = *number](Scope&) -> Value { return n; };
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
      if (strip_next_) text = without_leading_blanks(text);
      if (!strip_next_ && trim_next_ && text.starts_with('\n')) {
        text.remove_prefix(1);
        fresh = true;
      }
      if (open < s_.size() && mark == '-')
        text = without_trailing_blanks(text);
      else if ((kind == '%' || kind == '#') && mark != '+')
        text = without_indent(text, fresh);
      strip_next_ = trim_next_ = false;
      out += text;
      place_ = open;
      if (kind != '#') return out;
      const size_t end = s_.find("#}", open + 2);
      RUM_CHECK(end != std::string_view::npos, "a comment in it has no end");
      const char last = end > open + 2 ? s_[end - 1] : ' ';
      strip_next_ = last == '-';
      trim_next_ = last != '+';
      place_ = end + 2;
    }
  }
  // Without the blanks between the beginning of a line and a tag. `fresh`: the text begins a line.
  static std::string_view without_indent(std::string_view text, bool fresh) {
    const size_t line = text.rfind('\n') + 1;  // 0: there is no line end
    return (fresh || line > 0) && without_outer_blanks(text.substr(line)).empty() ? text.substr(0, line)
                                                                                  : text;
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
  // What is set in it is gone behind it.
  static void in_frame(const Body& b, Scope& s, std::string& out) {
    s.frames.emplace_back();
    b(s, out);
    s.frames.pop_back();
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
        Dict place{{"index0", i},
                   {"index", i + 1},
                   {"revindex0", n - i - 1},
                   {"revindex", n - i},
                   {"first", i == 0},
                   {"last", i + 1 == n},
                   {"length", n},
                   {"depth0", int64_t{0}},  // loops that call themselves are not known here
                   {"depth", int64_t{1}},
                   {"previtem", i > 0 ? items[k - 1] : Value(Undefined{"previtem"})},
                   {"nextitem", i + 1 < n ? items[k + 1] : Value(Undefined{"nextitem"})},
                   {kLoopMark, true}};
        s.frames.back() = named(names, items[k]);
        s.frames.back().emplace_back("loop", std::make_shared<Dict>(std::move(place)));
        inside(s, out);
      }
      s.frames.pop_back();
      if (n == 0 && otherwise) in_frame(otherwise, s, out);
    };
  }
  Body assignment() {
    const std::string name = need_name(), part = take(".") ? need_name() : "";
    if (part.empty() && word().kind == Word::end) {  // what the body writes
      std::string ended;
      Body inside = body({"endset"}, ended);
      return [=](Scope& s, std::string&) {
        std::string text;
        in_frame(inside, s, text);
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
    if (!source.substr(i).starts_with("\r\n")) text += source[i] == '\r' ? '\n' : source[i];
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
