#include "huggingface/turns.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "generate/chat_template.h"
#include "huggingface/jinja.h"
#include "huggingface/tokenizer_config.h"
#include "text/json.h"

namespace rum {
namespace {
using Talk = std::vector<Message>;
// What no template writes itself; blanks around show what it trims.
constexpr const char *kAsked = " Wörter?\u3000", *kAnswered = " zwei ", *kAskedAgain = "und 3\n",
                     *kSystem = " Sei kurz. \n", *kMark = "qzXQ7";
const Talk kQuestion{{"user", kAsked}},
    kAll{{"user", kAsked}, {"assistant", kAnswered}, {"user", kAskedAgain}};
Talk with_system(Talk talk, const char* system = kSystem) {
  talk.insert(talk.begin(), {"system", system});
  return talk;
}

// What the template writes for a conversation that goes on with an answer.
std::string written(const Template& of, const Talk& talk) {
  Json::Array messages;
  for (const Message& m : talk) messages.push_back(Json::Object{{"role", m.role}, {"content", m.content}});
  Json::Object variables{{"messages", std::move(messages)},
                         {"tools", Json()},
                         {"documents", Json()},
                         {"add_generation_prompt", true}};
  // A token that is not there is not defined.
  if (!of.begin.empty()) variables.emplace_back("bos_token", of.begin);
  if (!of.end.empty()) variables.emplace_back("eos_token", of.end);
  variables.insert(variables.end(), of.others.begin(), of.others.end());
  return render_jinja(of.jinja, std::move(variables));
}
std::vector<Token> ids_of(const std::string& text, const Tokenizer& t) {  // without the tokenizer's own frame
  std::vector<Token> ids = t.encode_with_special(text);
  if (t.encode_with_special("a").size() > t.encode("a").size()) ids.erase(ids.begin());
  return ids;
}

class Reader {
 public:
  Reader(const Template& of, const Tokenizer& t) : of_(of), t_(t) {}
  // "" where the form says the same; else both, from where they part. What either refuses of the system is no
  // difference.
  std::string difference(const ChatForm& form, const Talk& talk) const {
    std::string theirs;
    std::optional<ChatPrompt> ours;
    try {
      theirs = written(of_, talk);
      ours = chat_prompt(t_, talk, form);
    } catch (const Error& e) {
      if (talk[0].role == "system") return "";
      if (theirs.empty()) return fmt::format("nothing ({})", e.what());
    }
    if (ours && ours->prompt.tokens == ids_of(theirs, t_)) return "";
    if (!ours) return fmt::format("\"{}\" where this program has no form", cut(theirs, 0));
    const std::string& mine = ours->text;
    const auto at = static_cast<size_t>(
        std::mismatch(theirs.begin(), theirs.end(), mine.begin(), mine.end()).first - theirs.begin());
    return fmt::format("{} where this program has {}", cut(theirs, at), cut(mine, at));
  }
  // The form with the system's words that the template has; without them where they cannot be found.
  ChatForm filled(ChatForm form) const try {
    const Talk marked = with_system(kQuestion, kMark);
    const auto ours = chat_prompt(t_, marked, form);
    if (difference(form, kQuestion).empty() || !ours) return form;
    const std::string open = ours->text.substr(0, ours->text.find(kMark)),
                      close = ours->text.substr(open.size() + std::string_view(kMark).size());
    const auto between = [&](const std::string& all, const std::string& end) {
      if (all.size() < open.size() + end.size() || !all.starts_with(open) || !all.ends_with(end))
        fail("something else stands around it");
      return all.substr(open.size(), all.size() - open.size() - end.size());
    };
    form.before = between(written(of_, marked), kMark + close);
    const std::string alone = between(written(of_, kQuestion), close);
    const auto control = [](char c) { return (c & 0xE0) == 0 && c != '\n' && c != '\t' && c != '\r'; };
    if (!alone.starts_with(form.before) || std::any_of(alone.begin(), alone.end(), control))
      return {form.turns, "", ""};
    form.system = alone.substr(form.before.size());
    return form;
  } catch (const Error&) {
    return {form.turns, "", ""};
  }

 private:
  // From `at` on, at most 40 bytes, in quotation marks, whole characters.
  static std::string cut(const std::string& text, size_t at) {
    constexpr size_t kMost = 40;
    at -= unfinished_character(std::string_view(text).substr(0, at));
    return to_json(Json(shortened(std::string_view(text).substr(at), kMost)));
  }
  const Template& of_;
  const Tokenizer& t_;
};
constexpr Turns kTurns[] = {Turns::tokens, Turns::llama2, Turns::mistral01, Turns::mistral02, Turns::mistral};
}  // namespace

ReadTemplate read_template(const Template& of, const Tokenizer& t) {
  constexpr const char* kOwn =
      "conversations are put as the tokenizer's tokens for turns say, and refused where it has none";
  try {
    written(of, kQuestion);
  } catch (const Error& e) {
    return {{}, fmt::format("chat template: {}; {}", e.what(), kOwn)};
  }
  const Reader reader(of, t);
  std::string clock;
  if (of.jinja.find("strftime_now") != std::string_view::npos)
    clock =
        "chat template: it writes today's date (strftime_now); here it writes the one that it has for "
        "programs without a clock, so that results do not depend on the day";
  for (const Turns turns : kTurns) {
    const ChatForm form = reader.filled({turns, "", ""});
    if (!reader.difference(form, kQuestion).empty() || !reader.difference(form, kAll).empty()) continue;
    for (const Talk& talk : {with_system(kQuestion), with_system(kAll)})
      if (const std::string d = reader.difference(form, talk); !d.empty())
        return {form, "chat template: after what the system says it writes " + d};
    return {form, clock};
  }
  for (const Talk& talk : {kQuestion, kAll})
    if (const std::string d = reader.difference({}, talk); !d.empty())
      return {{}, fmt::format("chat template: it writes {}; {}", d, kOwn)};
  return {};
}

namespace {
// A literal, which Jinja writes as JSON does.
std::string jinja_text(const std::string& text) { return to_json(Json(text)); }
std::string opening(const ChatForm& form, const std::string& begin, const char* trimmed) {
  const bool some = !form.before.empty() || !form.system.empty();
  return fmt::format(
      "{{%- if messages[0]['role'] == 'system' %}}\n"
      "    {{%- set system = {} + messages[0]['content']{} %}}\n"
      "    {{%- set talk = messages[1:] %}}\n"
      "{{%- else %}}\n"
      "    {{%- set system = {} %}}\n"
      "    {{%- set talk = messages %}}\n"
      "{{%- endif %}}\n"
      "{{{{- {} }}}}\n",
      jinja_text(form.before), trimmed, some ? jinja_text(form.before + form.system) : "none",
      jinja_text(begin));
}
// Each turn is said to be whose it is.
std::string named_turns(const ChatForm& form, const char* begin, const char* open, const char* opened,
                        const char* close, const char* trimmed) {
  return opening(form, begin, trimmed) +
         fmt::format(
             "{{%- if system is not none %}}{{{{- {} + 'system' + {} + system + {} }}}}{{%- endif %}}\n"
             "{{%- for m in talk %}}\n"
             "    {{{{- {} + m['role'] + {} + m['content']{} + {} }}}}\n"
             "{{%- endfor %}}\n"
             "{{%- if add_generation_prompt %}}{{{{- {} + 'assistant' + {} }}}}{{%- endif %}}\n",
             jinja_text(open), jinja_text(opened), jinja_text(close), jinja_text(open), jinja_text(opened),
             trimmed, jinja_text(close), jinja_text(open), jinja_text(opened));
}
// Questions and answers in turn. What the system says stands in the first question or the last one.
struct Around {
  TurnWords words;
  std::string begin, end;  // of a text
  const char *where = "loop.first", *system = "", *after = "\n\n", *question_trimmed = "",
             *answer_trimmed = "";
  bool begins_each = false, alternate = true, no_system = false;
};
std::string questions(const ChatForm& form, const Around& a) {
  std::string out = opening(form, a.begins_each ? "" : a.begin, "");
  if (a.no_system)
    out +=
        "{%- if system is not none %}\n"
        "    {{- raise_exception('this model was taught no system message') }}\n"
        "{%- endif %}\n";
  out += "{%- for m in talk %}\n";
  if (a.alternate)
    out +=
        "    {%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}\n"
        "        {{- raise_exception('questions and answers must take turns') }}\n"
        "    {%- endif %}\n";
  return out +
         fmt::format(
             "    {{%- set said = m['content'] %}}\n"
             "    {{%- if system is not none and {} %}}{{%- set said = {} + system + {} + said %}}{{%- endif "
             "%}}\n"
             "    {{%- if m['role'] == 'user' %}}\n"
             "        {{{{- {} + said{} + {} }}}}\n"
             "    {{%- else %}}\n"
             "        {{{{- {} + said{} + {} }}}}\n"
             "    {{%- endif %}}\n"
             "{{%- endfor %}}\n",
             a.where, jinja_text(a.system), jinja_text(a.after),
             jinja_text((a.begins_each ? a.begin : "") + a.words.ask), a.question_trimmed,
             jinja_text(a.words.asked), jinja_text(a.words.answer), a.answer_trimmed,
             jinja_text(a.words.answered + a.end + a.words.next));
}
std::vector<std::string> candidates(const ChatForm& form, const Template& names) {
  constexpr const char* kTrim = " | trim";
  const std::string begin = names.begin.empty() ? "<s>" : names.begin,
                    end = names.end.empty() ? "</s>" : names.end;
  Around a{words_of(form.turns), begin, end};
  a.no_system = form.turns == Turns::mistral01 || form.turns == Turns::mistral02;
  if (form.turns == Turns::llama2) {
    a.system = "<<SYS>>\n", a.after = "\n<</SYS>>\n\n", a.question_trimmed = a.answer_trimmed = kTrim;
    a.begins_each = true;
  }
  if (form.turns != Turns::tokens) return {questions(form, a)};
  std::vector<std::string> out{named_turns(form, "", "<|im_start|>", "\n", "<|im_end|>\n", ""),
                               named_turns(form, "<|begin_of_text|>", "<|start_header_id|>",
                                           "<|end_header_id|>\n\n", "<|eot_id|>", kTrim)};
  // With a blank where the tokenizer marks words.
  for (const auto& [ask, answer] : {std::pair{"[INST]", ""}, std::pair{"[INST] ", " "}}) {
    a = {{ask, "[/INST]", answer, "", ""}, "<s>", "</s>"};
    a.where = "loop.last", a.alternate = false;
    if (*answer) a.answer_trimmed = kTrim;
    out.push_back(questions(form, a));
  }
  return out;
}
Template named(const Tokenizer& t) {
  const auto name = [&](Token token) { return token < 0 ? std::string() : t.name(token); };
  return {"", name(t.begin()), name(t.end())};
}
[[noreturn]] void refuse_template(const Json& found, const std::string& path) {
  constexpr const char* kExpected =
      "a text, or a list of objects with the texts \"name\" and \"template\", is expected";
  throw FileError(
      fmt::format("{}: chat_template: {}, found {}", path, kExpected, shortened(to_json(found), 100)));
}
// The text that stands in tokenizer_config.json, or the one of several that is named "default"; else "".
std::string default_template(const Json& of, const std::string& path) {
  if (of.text()) return *of.text();
  if (!of.array()) refuse_template(of, path);
  std::string out;
  for (const Json& one : *of.array()) {
    const Json *name = one.find("name"), *text = one.find("template");
    if (!name || !name->text() || !text || !text->text()) refuse_template(one, path);
    if (*name->text() == "default") out = *text->text();
  }
  return out;
}
}  // namespace

std::string template_for(const ChatForm& form, const Tokenizer& t) {
  const Message hello{"user", "a"};
  Template out = named(t);
  try {
    if (!chat_prompt(t, {&hello, 1}, form)) return "";
  } catch (const Error&) {  // there are no tokens for the form
    return "";
  }
  for (std::string& jinja : candidates(form, out)) {
    out.jinja = std::move(jinja);
    const Reader reader(out, t);
    bool same = true;
    for (const Talk& talk : {kQuestion, kAll, with_system(kQuestion), with_system(kAll)})
      same = same && reader.difference(form, talk).empty();
    if (same) return out.jinja;
  }
  return "";
}

std::optional<Template> template_of_folder(const std::string& folder, const Tokenizer& t) {
  Template out = named(t);
  const Json root = read_tokenizer_config(folder);
  const std::string jinja = folder + "/chat_template.jinja";
  for (const auto& [key, to] : {std::pair{"bos_token", &out.begin}, std::pair{"eos_token", &out.end}})
    if (std::string name = token_text(root.find(key)); !name.empty()) *to = std::move(name);
  const auto add = [&](const std::string& use, const Json& token) {
    if (std::string name = token_text(&token); !name.empty()) out.others.emplace_back(use, std::move(name));
  };
  for (const auto& [key, token] : *root.object())
    if (key.ends_with("_token") && key != "bos_token" && key != "eos_token") add(key, token);
  for (const char* key : {"extra_special_tokens", "model_specific_special_tokens"})
    if (const Json* more = root.find(key); more && more->object())
      for (const auto& [use, token] : *more->object()) add(use, token);
  if (const Json* more = root.find("additional_special_tokens"); more && more->array()) {
    Json::Array names;
    for (const Json& token : *more->array()) names.emplace_back(token_text(&token));
    if (!names.empty()) out.others.emplace_back("additional_special_tokens", std::move(names));
  }
  const Json* found = root.find("chat_template");
  if (Disk::real().exists(jinja))
    out.jinja = Disk::real().read(jinja);
  else if (found && !found->is_null())
    out.jinja = default_template(*found, folder + "/tokenizer_config.json");
  return out.jinja.empty() ? std::nullopt : std::optional(std::move(out));
}
}  // namespace rum
