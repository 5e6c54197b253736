// Chat templates: what the part of Jinja that is known here writes (as Python's jinja2 3.1 does, set up as
// transformers sets it up), and which form of conversation is read from a template and written as one.
#include <gtest/gtest.h>

#include "base/file.h"
#include "error_of.h"
#include "generate/chat_template.h"
#include "huggingface/jinja.h"
#include "huggingface/turns.h"
#include "scratch.h"

namespace rum::template_test {
namespace {
using Tokens = std::vector<Token>;
Json message(const char* role, const char* content) {
  return Json::Object{{"role", role}, {"content", content}};
}
std::string rendered(std::string_view jinja) {
  return render_jinja(jinja, Json::Object{{"messages", Json::Array{message("system", " be brief\n"),
                                                                   message("user", "\u3000Hi "),
                                                                   message("assistant", "yes")}},
                                          {"tools", Json()},
                                          {"add_generation_prompt", true},
                                          {"bos_token", "<s>"},
                                          {"n", 7}});
}
TEST(Jinja, WritesAsPythonDoes) {
  const struct {
    const char *jinja, *written;
  } cases[] = {
      {"{% for m in messages %}{{ m.role + ':' + m['content'] | trim }}{% if not loop.last %}, {% endif %}"
       "{% endfor %}",
       "system:be brief, user:Hi, assistant:yes"},
      {"  {% if tools is none %}\n  a\n  {%- else %}\n  b\n  {% endif %}\nc\n", "  ac"},
      {"x\n   {% set a = 'q' %}\n   {{ a }}\n   {# comment #}\n y {#- other -#}   z\n\n", "x\n   q\n yz\n"},
      {"{%- set ns = namespace(i=0, s='') -%}\n{%- for m in messages[1:] %}{% set ns.i = ns.i + 1 %}"
       "{% set ns.s = ns.s ~ loop.index0 ~ m.role %}{% endfor %} {{ ns.i }}{{ ns.s }}",
       " 20user1assistant"},
      {"{% set x = 1 %}{% for m in messages %}{% set x = x + 1 %}{% endfor %}{{ x }}{{ y is defined }}"
       "{{ tools is not none }}{{ 'role' in messages[0] }}{{ 'tool_calls' not in messages[0] }}",
       "1FalseFalseTrueTrue"},
      {"{% if custom is defined and custom.a %}1{% elif messages | length == 3 and messages[-1].role != "
       "'user' "
       "%}2{% else %}3{% endif %}",
       "2"},
      {"{{ 'a' if tools else 'b' }}{{ (n % 2 == 1) != (n // 2 == 3) }}{{ -n + 2 * 3 - 1 }}{{ n >= 7 and n < "
       "8 "
       "or false }}",
       "bFalse-2True"},
      {R"({{ 'tab\t\'q\' \u00e4\x41 \d' "two" }}{{ 'a,b,,c'.split(',')[2:] | length }}{{ ' x '.strip() }}|)"
       R"({{ ' x '.lstrip() }}|{{ ' x '.rstrip() }}|{{ 'xy'.startswith('x') }})",
       "tab\t'q' äA \\dtwo2x|x | x|True"},
      {"{% for m in messages if m.role == 'user' %}{{ loop.first }}{{ loop.length }}{{ m.content }}{% else %}"
       "none{% endfor %}{% for m in messages if m.role == 'tool' %}x{% else %}none{% endfor %}",
       "True1\u3000Hi none"},
      {"{{ (messages | selectattr('role', 'equalto', 'user') | list | length) }}{{ (messages | "
       "rejectattr('role', 'equalto', 'user') | list)[-1].content }}{{ messages[0] == messages[0] }}",
       "1yesTrue"},
      {"{{ missing }}{{ none }}{{ true }}{{ missing | default('d') }}{{ messages[7] is defined }}"
       "{{ not missing }}{{ ['a', 'b'] | length }}{{ 'b' in ['a', 'b'] }}",
       "NoneTruedFalseTrue2True"},
      {"{%+ if true %}  kept{% endif +%}\n  {%- if true -%}\n  gone  {%- endif -%}\n end", "  keptgoneend"},
      {"{{ '}}' }}{{ \"%}\" }} { %} {{- ' a' -}}   b {{ '{{' }}\n", "}}%} { %} ab {{"},
      {"{{ messages[0].get('name', 'no') }}{{ messages[0].get('role') }}{{ loop is defined }}{% for m in "
       "messages %}{{ loop.previtem.role if loop.previtem is defined else '-' }}{% endfor %}",
       "nosystemFalse-systemuser"},
  };
  for (const auto& c : cases) EXPECT_EQ(rendered(c.jinja), c.written) << c.jinja;
}
TEST(Jinja, KnowsWhatPythonDefines) {
  const struct {
    const char *jinja, *written;
  } cases[] = {
      {"{% for m in messages %}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.depth }}{{ loop.depth0 }} {% "
       "endfor %}",
       "3210 2110 1010 "},
      {"{{ range is defined }}{{ namespace is defined }}{{ dict is defined }}{{ messages[0].range is defined "
       "}}{{ 'f' if range else 't' }}{{ raise_exception is undefined }}{{ range | default('x') is defined }}",
       "TrueTrueTrueFalsefFalseTrue"},
      {"{{ true == 1 }}{{ false == 0 }}{{ true == 2 }}{{ 1 in [true] }}{{ true is number }}{{ true is "
       "integer "
       "}}{{ false != 0 }}{{ true == 'x' }}{{ none == false }}{{ 1 is eq(true) }}{{ none == 0 }}",
       "TrueTrueFalseTrueTrueFalseFalseFalseFalseTrueFalse"},
      {"{{ missing is sequence }}{{ missing is iterable }}{{ none is iterable}}", "TrueTrueFalse"},
  };
  for (const auto& c : cases) EXPECT_EQ(rendered(c.jinja), c.written) << c.jinja;
}
TEST(Jinja, FiltersAndRangesWriteAsPythonDoes) {
  const struct {
    const char *jinja, *written;
  } cases[] = {
      {"{% for i in range(3) %}{{ i }}{{ loop.last }} {% endfor %}|{% for i in range(2, 9, 3) %}{{ i }},{% "
       "endfor %}|{% for i in range(5, 0, -2) %}{{ i }},{% endfor %}|{% for i in range(3, 1) %}x{% else "
       "%}none{% endfor %}",
       "0False 1False 2True |2,5,8,|5,3,1,|none"},
      {"{{ range(n) | length }}{{ range(n) | last }}{{ 3 in range(4) }}{{ range(-2) | first is defined }}{{ "
       "range(1, n - 3) | join('-') }}{{ (range(0, 10, 3) | list)[-1] }}",
       "76TrueFalse1-2-39"},
      {"{{ range(100000)|length }}", "100000"},
      {"{{ range(3) == [0, 1, 2] }}{{ range(3) != [0, 1, 2] }}{{ range(3) == range(0, 3) }}{{ range(0, 3, 2) "
       "== range(0, 4, 2) }}{{ [0, 1, 2] == range(3) | list }}",
       "FalseTrueTrueTrueTrue"},
      {"{{ range(5)[1:3] == range(1, 3) }}{{ range(5)[1:3] == [1, 2] }}{{ range(0) == range(2, 2) }}{{ "
       "range(3)[-1] }}{{ range(3) is sequence }}{{ 'x' if range(0) }}",
       "TrueFalseTrue2True"},
      {"{{ 'straße ΑΣ ŉ ﬁ' | upper }}|{{ 'STRASSE İI ΑΣ Σ' | lower }}|{{ n | upper }}{{ none | lower }}{{ "
       "missing | upper }}",
       "STRASSE ΑΣ ʼN FI|strasse i̇i ας σ|7none"},
      {"{{ \"hello wORLD-foo (bar) it's [x] <y> {z} ΑΣΣ a\u3000b ßs ǆx\" | title }}",
       "Hello World-Foo (Bar) It's [X] <Y> {Z} Ασς A\u3000B SSs Ǆx"},
      {"{{ 'fOO bAR ΑΣ' | capitalize }}|{{ 'ß' | capitalize }}|{{ 'ǆ' | capitalize }}|{{ 'İI' | capitalize "
       "}}|{{ '' | capitalize }}{{ missing | capitalize }}{{ 'ﬁN' | capitalize }}{{ '1ab' | capitalize }}{{ "
       "'Σας' | capitalize}}",
       "Foo bar ας|Ss|ǅ|İi|Fin1abΣας"},
      {"{{ '' | title }}{{ missing | title }}{{ n | title}}{{ none|title }}", "7None"},
      {"{{ n | trim }}{{ missing | trim }}{{ '\u3000x ' | trim }}", "7x"},
      {"{{ 'ä日x' | length }}{{ missing | length }}{{ '' | count }}{{ messages[0] | length }}", "3002"},
      {"{{ ['a', 1, none, true] | join(', ') }}|{{ 'äbc' | join('-') }}|{{ messages[0] | join(' ') }}|{{ "
       "missing | join }}|{{ [] | join('x') }}|{{ [1, 2] | join }}|{{ [1,2]|join(d='+') }}|{{[1,2]|join(3)}}",
       "a, 1, None, True|ä-b-c|role content|||12|1+2|132"},
      {"{{ 'äbc' | first }}{{ 'äbc日' | last }}{{ messages[0] | first }}{{ messages[0] | last }}{{ '' | "
       "first is defined }}{{ missing | first is defined }}{{ [] | last }}",
       "ä日rolecontentFalseFalse"},
      {"{{ missing|last is defined }}", "False"},
      {"{{ 'aXbXc' | replace('X', '--') }}{{ 'aaaa' | replace('a', 'b', 2) }}{{ n | replace(7, 'seven') }}{{ "
       "missing | replace('a', 'b') }}{{ 'aaa' | replace('aa', 'b') }}{{ 'a' | replace('a', 'b', 0) }}{{ 'a' "
       "| replace('b', 'x') }}{{ 'aa' | replace('a', '', count=1) }}{{ 'aa' | replace('a','b',-1)}}",
       "a--b--cbbaasevenbaaaabb"},
      {"{{'aXb'.replace('X', '-')}}{{'Straße'.upper()}}{{'ÄΣ'.lower()}}{{'hELLO wORLD'.capitalize()}}",
       "a-bSTRASSEäςHello world"},
      {"{{ missing | default }}|{{ missing | default('d') }}|{{ '' | default('d') }}|{{ '' | default('d', "
       "true) }}|{{ none | default('d') }}|{{ none | default('d', boolean=true) }}|{{ 0 | default('d', "
       "false) }}|{{ n | default('d', true) }}|{{ missing | d('e') }}|{{ missing | "
       "default(default_value='k') }}",
       "|d||d|None|d|0|7|e|k"},
      {"{{ messages | tojson }}|{{ 'a\"\\\\\\n\\t\\x01ä\\x7f日</b>&' | tojson }}|{{ [1, -2, none, true, "
       "false, 's'] | tojson }}|{{ [] | tojson }}|{{ n | tojson }}",
       "[{\"role\": \"system\", \"content\": \" be brief\\n\"}, {\"role\": \"user\", \"content\": \"\u3000Hi "
       "\"}, {\"role\": \"assistant\", \"content\": \"yes\"}]|\"a\\\"\\\\\\n\\t\\u0001ä\x7f"
       "日</b>&\"|[1, -2, null, true, false, \"s\"]|[]|7"},
      {"{{ messages | tojson(indent=2) }}|{{ [] | tojson(indent=4) }}|{{ [1, 'a'] | tojson(indent=1) }}|{{ "
       "n|tojson(indent=3)}}|{{[1]|tojson(indent=-1)}}|{{[1,2]|tojson(indent=none)}}",
       "[\n  {\n    \"role\": \"system\",\n    \"content\": \" be brief\\n\"\n  },\n  {\n    \"role\": "
       "\"user\",\n    \"content\": \"\u3000Hi \"\n  },\n  {\n    \"role\": \"assistant\",\n    \"content\": "
       "\"yes\"\n  }\n]|[]|[\n 1,\n \"a\"\n]|7|[\n1\n]|[1, 2]"},
      {"{% for c in 'äb' %}{{ c }}.{% endfor %}{% for k in messages[1] %}{{ k }},{% endfor %}{% for k in "
       "missing %}x{% else %}none{% endfor %}",
       "ä.b.role,content,none"},
      {"{{ 'ab' | list | length }}{{ messages[0] | list | last }}{{missing|list|length}}", "2content0"},
      {"{{ 'x' | trim | upper ~ 'y' }}", "Xy"},
      {"{{ messages | selectattr('role', 'equalto', 'user') | first is mapping }}", "True"},
  };
  for (const auto& c : cases) EXPECT_EQ(rendered(c.jinja), c.written) << c.jinja;
}
TEST(Jinja, ReadsWhatIsRareAsPythonDoes) {
  const struct {
    const char *jinja, *written;
  } cases[] = {
      {"{{ 2 == 2 == 2 }}{{ 1 < 2 < 3 }}{{ 3 > 2 > 2 }}{{ 1 != 2 != 1 }}{{ 'a' in 'abc' == true }}"
       "{{ not 'a' in 'abc' == false }}{{ 'b' not in 'a' in 'ab' }}",
       "TrueTrueFalseTrueFalseTrueTrue"},
      {"{% if messages | selectattr('role', 'equalto', 'tool') %}yes{% endif %}{% set users = messages | "
       "selectattr('role', 'equalto', 'user') %}{{ users is iterable }}{{ users is sequence }}"
       "{{ users is mapping }}{{ users == users }}{% for m in users | selectattr('content') %}{{ m.role }}"
       "{% endfor %}",
       "yesTrueFalseFalseTrueuser"},
      {R"({{ '\033[0m|\0|\18|\777|\8' | tojson }})", R"("\u001b[0m|\u0000|\u00018|ǿ|\\8")"},
      {"{% set z %}{% set q = 5 %}{{ q }}{% endset %}{{ z }}{{ q is defined }}{% for m in [] %}{% else %}"
       "{% set q = 6 %}{{ q }}{% endfor %}{{ q is defined }}",
       "5False6False"},
      {"a\u00a0{%- if true %}b{% endif %}\n\u3000{# c #}d{% if true -%}\u00a0\u3000e{% endif %}|x{# kept "
       "+#}\ny",
       "abde|x\ny"},
      {"a\rb\r\nc{{ 'd\re' }}\r", "a\nb\ncd\ne"},
      {"{% set ns = namespace(items='i') %}{% set empty = namespace() %}{{ 'yes' if empty else 'no' }}"
       "{{ ns is mapping }}{{ ns is iterable }}{{ ns == ns }}{{ ns == namespace(items='i') }}{{ ns.items }}"
       "{{ ns.keys is defined }}",
       "yesFalseFalseTrueFalseiFalse"},
      {"{{ messages.role is defined }}{{ 'x'.y is defined }}{{ messages[0].name is defined }}",
       "FalseFalseFalse"},
  };
  for (const auto& c : cases) EXPECT_EQ(rendered(c.jinja), c.written) << c.jinja;
}
TEST(Jinja, IsBoundedAndSaysWhatItDoesNotKnow) {
  std::string deep, wide = "{{ 'a'", nested;
  for (int i = 0; i < 5000; ++i) deep += "{% if true %}", nested += "(";
  for (int i = 0; i < 900; ++i) wide += " + 'a'";
  const std::string half(200000, 'a');
  const std::pair<std::string, const char*> cases[] = {
      {"{{ raise_exception('no ' + 'system') }}", "it refuses: no system"},
      {"{{ strftime_now('%d') }}", "it calls strftime_now(), which is not known here"},
      {"{{ dict(a=1) }}", "it calls dict(), which is not known here"},
      {"{{ messages[0]['range'](3) }}", "it calls range(), which is not known here"},
      {"{% for m in messages %}{% if loop.changed is defined %}{% endif %}{% endfor %}",
       "it asks for loop.changed, which is not known here"},
      {"{{ messages | groupby('role') }}", "the filter groupby, which is not known here"},
      {"{{ range(100001) }}", "range() for more than 100000 numbers"},
      {"{{ range(0, -1000000000, -1) }}", "range() for more than 100000 numbers"},
      {"{{ range(0, 9, 0) }}", "range() with steps of 0"},
      {"{{ range('a') }}", "range() with what is no whole number"},
      {"{{ range() }}", "range() with 0 values"},
      {"{{ range(3) + [3] }}", "it computes \"+\" of values that are not known here for that"},
      {"{{ range(3) | tojson }}", "it writes a list or an object as a text"},
      {"{{ range(3).start }}", "it asks for .start without calling it"},
      {"{% for i in range(20) %}{{ range(100000) | first }}{% endfor %}", "steps"},
      {"{% for i in range(1000) %}{{ 'aaaaaaaaaa' | replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') "
       "}}{% endfor "
       "%}",
       "it writes more than"},
      {"{{ 'ab' | replace('', '-') }}", "it replaces an empty text"},
      {"{{ 'ab' | replace('a') }}", "the filter replace without"},
      {"{{ n | length }}", "the length of what has none"},
      {"{{ none | join }}", "it walks through what is no list"},
      {"{{ n | trim('7') }}", "the filter trim with 1 values, of which at most 0"},
      {"{{ messages | join(', ', attribute='role') }}", "the filter join with attribute ="},
      {"{{ 'a' | default('b', default_value='c') }}", "the filter default with default_value ="},
      {"{{ n | tojson(sort_keys=true) }}", "the filter tojson with sort_keys ="},
      {"{{ n | tojson(true) }}", "the filter tojson with ensure_ascii"},
      {"{{ n | tojson(indent='a') }}", "the filter tojson with \"a\""},
      {"{{ missing | tojson }}", "what is not defined"},
      {"{{ namespace(a=1) | tojson }}", "a namespace"},
      {"{{ 'a'.split(sep='a') }}", ".split() with named values"},
      {"{{ messages[0].content.strip is defined }}", ".strip without calling it"},  // jinja2 writes True
      {"{{ messages[0]['items'] is defined }}", ".items without calling it"},       // the same
      {"{{ '\\N{DEGREE SIGN}' }}", "a \\ sequence that is not known here"},
      {"{{ '\\ä' }}", "a \\ sequence that is not known here"},  // jinja2 writes \xe4
      {"{{ '\\x-1' }}", "a broken \\ sequence"},
      {"{{ ('a' | safe) + '<b>' }}", "the filter safe, which is not known here"},  // a&lt;b&gt;
      {"{{ namespace(messages[0]).role }}", "namespace() with a value without a name"},
      {"{% set u = messages | selectattr('role') %}{{ u | list | length }}{{ u | list | length }}",  // 30
       "it walks twice through what selectattr gives"},
      {"{{ messages | selectattr('role') | length }}", "the length of what has none"},
      {"{{ messages | selectattr('role') | last }}", "the last of what selectattr gives"},
      {"{{ messages | selectattr('a.b', 'undefined') | list }}", "selectattr in a way that is not known"},
      {"{% include 'x' %}", "{% include %} is not known here"},
      {"{% if true %}x", "expected {% endif %}, found its end"},
      {"{{ 'x", "a text in it has no end"},
      {"{{ x", "a tag in it has no end"},
      {"{{ x y }}", "\"y\" is one word too many"},
      {"{{ missing.x }}", "\"missing\", which is not defined"},
      {deep, "nested too deeply"},
      {wide + " }}", "longer than 1000 parts"},
      {"{{ " + nested + " }}", "2000 words"},
      {half + "{% for m in messages %}{{ '" + half.substr(0, 50000) + "' }}{% endfor %}",
       "it writes more than"},
      {"{% set ns = namespace(s='aaaaaaaaaaaaaaaaaaaaaaaa') %}{% for a in messages %}{% for b in messages %}"
       "{% for c in messages %}{% set ns.s = ns.s + ns.s %}{% endfor %}{% endfor %}{% endfor %}",
       "it writes more than"},
      {"{% set ns = namespace(l=[1]) %}{% for a in messages %}{% for b in messages %}{% for c in messages %}"
       "{% set ns.l = ns.l + ns.l %}{% endfor %}{% endfor %}{% endfor %}",
       "it "},
      {"{% set ns = namespace() %}{% set ns.me = ns %}", "or the value is one"},
      {std::string(300000, 'a'), "it is longer than"},
  };
  for (const auto& [jinja, part] : cases)
    EXPECT_NE(error_of([&] { rendered(jinja); }).find(part), std::string::npos)
        << jinja.substr(0, 80) << ": " << error_of([&] { rendered(jinja); });
}

// The texts are those that transformers 5.24 gives for templates of these kinds, cut where tokens are.
Tokenizer with(std::vector<std::string> special) {
  TokenizerConfig c;
  c.vocab = 300, c.special = std::move(special), c.special.push_back("</s>");
  const std::string_view texts[] = {"the user says hello to the assistant, and the assistant translates"};
  Tokenizer t = Tokenizer::train(texts, c);
  t.frame("", "</s>");
  return t;
}
Tokens joined(const Tokenizer& t, const std::vector<std::string>& parts) {  // "<...>" is special
  Tokens out;
  for (const std::string& p : parts)
    if (p[0] == '<')
      out.push_back(t.special(p));
    else
      t.encode(p, out);
  return out;
}
const std::vector<Message> kHi{{"user", " hi "}}, kBrief{{"system", " be brief "}, {"user", " hi "}};
Tokens ids(const Tokenizer& t, const std::vector<Message>& talk, const ChatForm& form) {
  return chat_prompt(t, talk, form)->prompt.tokens;
}
constexpr const char* kLoop =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
TEST(Template, ADefaultOfTheSystemIsRead) {
  const Tokenizer t = with({"<|im_start|>", "<|im_end|>"});
  const std::string jinja =
      std::string(
          "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\\nYou are Q,\\n\"here\"."
          "<|im_end|>\\n' }}{% endif %}") +
      kLoop;
  const ReadTemplate read = read_template({jinja, "", "</s>"}, t);
  EXPECT_EQ(read.note, "");
  EXPECT_EQ(read.form, (ChatForm{Turns::tokens, "", "You are Q,\n\"here\"."}));
  EXPECT_EQ(ids(t, kHi, read.form),
            joined(t, {"<|im_start|>", "system\nYou are Q,\n\"here\".", "<|im_end|>", "\n", "<|im_start|>",
                       "user\n hi ", "<|im_end|>", "\n", "<|im_start|>", "assistant\n"}));
  EXPECT_EQ(ids(t, kBrief, read.form),
            joined(t, {"<|im_start|>", "system\n be brief ", "<|im_end|>", "\n", "<|im_start|>", "user\n hi ",
                       "<|im_end|>", "\n", "<|im_start|>", "assistant\n"}));
  EXPECT_EQ(read_template({kLoop, "", "</s>"}, t).form, ChatForm{});
}
// A generator is true, whatever it holds: jinja2 never writes this default.
TEST(Template, ADefaultThatIsNeverWrittenIsNone) {
  const std::string jinja =
      std::string(
          "{% if not messages | selectattr('role', 'equalto', 'system') %}{{ '<|im_start|>system\\nYou are Q."
          "<|im_end|>\\n' }}{% endif %}") +
      kLoop;
  const ReadTemplate read = read_template({jinja, "", "</s>"}, with({"<|im_start|>", "<|im_end|>"}));
  EXPECT_EQ(read.note, "");
  EXPECT_EQ(read.form, ChatForm{});
}
// What a template does where a token is defined is part of what it writes.
TEST(Template, TheOtherSpecialTokensAreThere) {
  const Tokenizer t = with({"<|im_start|>", "<|im_end|>"});
  Scratch folder;
  const auto note = [&](const char* condition) {
    Disk::real().replace_text(
        folder.path + "/tokenizer_config.json",
        R"({"pad_token": {"content": "<pad>"}, "unk_token": "<unk>", "mask_token": null,)"
        R"("additional_special_tokens": ["<|im_end|>"], "image_token": "<image>", "add_bos_token": true,)"
        R"("extra_special_tokens": {"audio_token": {"content": "<audio>"}}})");
    Disk::real().replace_text(
        folder.path + "/chat_template.jinja",
        "{% if " + std::string(condition) + " %}{{ 'Hello' }}{% endif %}" + std::string(kLoop));
    return read_template(*template_of_folder(folder.path, t), t).note;
  };
  for (const char* there :
       {"pad_token == '<pad>'", "unk_token is defined", "additional_special_tokens[0] == '<|im_end|>'",
        "mask_token is not defined", "bos_token is not defined", "add_bos_token is not defined",
        "image_token + audio_token == '<image><audio>'"})
    EXPECT_NE(note(there).find("it writes \"Hello"), std::string::npos) << there;
  EXPECT_EQ(note("sep_token is defined"), "");
}
TEST(Template, WhatStandsBeforeTheSystemIsRead) {
  const Tokenizer t = with({"<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"});
  const std::string body =
      "{%- if messages[0].role == 'system' %}{% set said = messages[0].content | trim %}{% set messages = "
      "messages[1:] %}{% else %}{% set said = '' %}{% endif %}"
      "{{- bos_token + '<|start_header_id|>system<|end_header_id|>\\n\\nIt is ' + date + '\\n\\n' + said + "
      "'<|eot_id|>' }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + "
      "m.content | trim + '<|eot_id|>' }}{% endfor %}{{ "
      "'<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}";
  const std::string fixed = "{% if not date is defined %}{% set date = 'May 1' %}{% endif %}" + body;
  const std::string clock =
      "{% if strftime_now is defined %}{% set date = strftime_now('%d') %}{% else %}{% set date = 'May 1' %}"
      "{% endif %}" +
      body;
  const ChatForm form{Turns::tokens, "It is May 1\n\n", ""};
  const ReadTemplate read = read_template({fixed, "<|begin_of_text|>", ""}, t);
  EXPECT_EQ(read.form, form);
  EXPECT_EQ(read.note, "");
  const ReadTemplate today = read_template({clock, "<|begin_of_text|>", ""}, t);
  EXPECT_EQ(today.form, form);
  EXPECT_NE(today.note.find("today's date (strftime_now)"), std::string::npos) << today.note;
  EXPECT_NE(read_template({"{% set date = strftime_now('%d') %}" + body, "<|begin_of_text|>", ""}, t)
                .note.find("it calls strftime_now(), which is not known here"),
            std::string::npos);
  const std::vector<std::string> end{
      "<|start_header_id|>", "user",      "<|end_header_id|>", "\n\nhi", "<|eot_id|>",
      "<|start_header_id|>", "assistant", "<|end_header_id|>", "\n\n"};
  std::vector<std::string> alone{"<|begin_of_text|>", "<|start_header_id|>", "system",
                                 "<|end_header_id|>", "\n\nIt is May 1\n\n", "<|eot_id|>"};
  std::vector<std::string> brief = alone;
  brief[4] += "be brief";
  alone.insert(alone.end(), end.begin(), end.end()), brief.insert(brief.end(), end.begin(), end.end());
  EXPECT_EQ(ids(t, kHi, form), joined(t, alone));
  EXPECT_EQ(ids(t, kBrief, form), joined(t, brief));
}
TEST(Template, TextsOfSeveralLinesStandInTheConfig) {
  RunConfig c;
  c.chat = {Turns::tokens, "a\nb\t\\n", "\"c\"\r\n"};
  EXPECT_EQ(parse_config(to_toml(c), "c").chat, c.chat);
  set_key(c, "tokenizer.system", "d\\n\\\\");
  EXPECT_EQ(c.chat.system, "d\n\\");
  EXPECT_NE(error_of([&] { set_key(c, "tokenizer.system", "d\\x"); }).find("behind each backslash"),
            std::string::npos);
}
TEST(Template, WhatCannotBeRepresentedIsSaid) {
  const Tokenizer t = with({"<|im_start|>", "<|im_end|>"});
  const auto note = [&](const std::string& jinja) { return read_template({jinja, "", "</s>"}, t).note; };
  EXPECT_NE(note("{{ 'Hello\\n' }}" + std::string(kLoop)).find("it writes \"Hello\\n<|im_start|>user\\n W"),
            std::string::npos)
      << note("{{ 'Hello\\n' }}" + std::string(kLoop));
  EXPECT_NE(note(std::string(kLoop) + "{% if messages[0].role == 'system' %}!{% endif %}")
                .find("after what the system says it writes"),
            std::string::npos);
  EXPECT_NE(note("{{ '<|im_start|>' + messages | pprint }}").find("the filter pprint"), std::string::npos);
  EXPECT_NE(note("{{ broken").find("has no end"), std::string::npos);
}
// The way back, for each form: the template writes what a conversation here is.
TEST(Template, IsWrittenForEachForm) {
  const std::vector<Message> talk{
      {"system", " it's\\so\n"}, {"user", " hello "}, {"assistant", " yes\n"}, {"user", "go"}};
  const auto written = [&](const std::string& jinja, size_t from) {
    Json::Array messages;
    for (size_t i = from; i < talk.size(); ++i)
      messages.push_back(message(talk[i].role.c_str(), talk[i].content.c_str()));
    return render_jinja(jinja, Json::Object{{"messages", messages}, {"add_generation_prompt", true}});
  };
  const Tokenizer qwen = with({"<|im_start|>", "<|im_end|>"}),
                  llama =
                      with({"<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}),
                  mistral = with({"<s>", "[INST]", "[/INST]"}), words = with({"<s>"});
  const std::tuple<const Tokenizer*, ChatForm> cases[] = {{&qwen, {}},
                                                          {&qwen, {Turns::tokens, "", "I'm \"Q\"\n\\"}},
                                                          {&llama, {}},
                                                          {&llama, {Turns::tokens, "It is May 1\n\n", ""}},
                                                          {&mistral, {}},
                                                          {&words, {Turns::llama2, "", "You help."}},
                                                          {&words, {Turns::mistral01, "", ""}},
                                                          {&words, {Turns::mistral02, "", ""}},
                                                          {&words, {Turns::mistral, "", ""}}};
  for (const auto& [t, form] : cases) {
    const std::string jinja = template_for(form, *t);
    EXPECT_NE(jinja, "") << static_cast<int>(form.turns);
    const bool system = form.turns != Turns::mistral01 && form.turns != Turns::mistral02;
    EXPECT_EQ(written(jinja, 1), chat_prompt(*t, std::span(talk).subspan(1), form)->text) << jinja;
    if (system) {
      EXPECT_EQ(written(jinja, 0), chat_prompt(*t, talk, form)->text) << jinja;
    } else {
      EXPECT_NE(error_of([&] { written(jinja, 0); }).find("no system message"), std::string::npos);
    }
  }
  EXPECT_EQ(template_for({}, words), "");
}
}  // namespace
}  // namespace rum::template_test
