// The values of Jinja templates and what can be done with them: operators, methods, tests, filters, calls, as
// Python and Jinja have them. jinja.cc reads the template.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "text/json.h"

namespace rum::jinja {
constexpr size_t kMostText = size_t{1} << 18;  // of a template, and of what it writes
constexpr size_t kMostLinks = 1000;            // of an expression; whole numbers that filters take
constexpr int64_t kMostSteps = 1000000;
constexpr const char* kLoopMark = "loop.";  // a field that only `loop` has: no template can name it

struct Value;
using List = std::vector<Value>;
using Dict = std::vector<std::pair<std::string, Value>>;
struct Undefined {
  std::string name;
  bool function = false;  // one of Jinja's or transformers': defined, but no value to work with
};
struct Range;      // what range() gives
struct Generator;  // what selectattr gives
struct Namespace;  // the one value that changes; no other value holds one, so that none holds itself
struct Value {
  std::variant<Undefined, std::nullptr_t, bool, int64_t, std::string, std::shared_ptr<List>,
               std::shared_ptr<Dict>, std::shared_ptr<Namespace>, std::shared_ptr<Range>,
               std::shared_ptr<Generator>>
      is;
  Value() = default;
  template <class T>
  Value(T x) : is(std::move(x)) {}
  const std::string* text() const { return std::get_if<std::string>(&is); }
  const int64_t* whole() const { return std::get_if<int64_t>(&is); }
  const List* list() const;  // of a range its numbers
  bool range() const { return std::holds_alternative<std::shared_ptr<Range>>(is); }
  const Dict* dict() const {
    const auto* p = std::get_if<std::shared_ptr<Dict>>(&is);
    return p ? p->get() : nullptr;
  }
  Namespace* space() const {
    const auto* p = std::get_if<std::shared_ptr<Namespace>>(&is);
    return p ? p->get() : nullptr;
  }
  Generator* generator() const {
    const auto* p = std::get_if<std::shared_ptr<Generator>>(&is);
    return p ? p->get() : nullptr;
  }
  bool defined() const { return is.index() != 0 || function(); }
  bool function() const { return is.index() == 0 && std::get<Undefined>(is).function; }
  bool none() const { return is.index() == 1; }
  bool simple() const { return !list() && !dict() && !space() && !generator(); }
};
// Python's: read like a list, and equal to none.
struct Range {
  List items;
};
inline const List* Value::list() const {
  if (range()) return &std::get<std::shared_ptr<Range>>(is)->items;
  const auto* p = std::get_if<std::shared_ptr<List>>(&is);
  return p ? p->get() : nullptr;
}
// Python's: always true, without a length, and walked through once.
struct Generator {
  List items;
  bool used = false;
};
struct Namespace {
  Dict fields;
};
bool known_function(std::string_view name);

// Names while a template runs, innermost last, and what the run has cost.
class Scope {
 public:
  std::vector<Dict> frames{1};
  Value get(const std::string& name) const {
    for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame)
      for (const auto& [n, v] : *frame)
        if (n == name) return v;
    return Undefined{name, known_function(name)};
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

// These throw Error, a sentence about the template ("it ..."), for what is not known here, or too long.
Value list_of(List);
Value from_json(const Json&);
bool truth(const Value&);
bool same(const Value&, const Value&);
const Value* field(const Value& of, std::string_view name);  // of an object or a namespace; null: it has none
std::string shown(const Value&);                             // as Python's str() has it
std::string joined(std::string, const std::string&);

// The texts and lists that a filter or a loop goes through: characters, items, keys.
List items_of(const Value&, Scope&);
bool contains(const Value& in, const Value& what);
Value computed(const std::string& sign, const Value&, const Value&);
Value item(const Value& of, const Value& which);            // of[which]
Value attribute(const Value& of, const std::string& name);  // of.name
Value slice(const Value& of, const Value& from, const Value& to);
Value method(const Value& of, const std::string& name, const List& args);
bool tested(const Value&, const std::string& name, const List& args);
Value filtered(const Value&, const std::string& name, const List& args, const Dict& named, Scope&);
Value called(const Value& what, const List& args, const Dict& named);
}  // namespace rum::jinja
