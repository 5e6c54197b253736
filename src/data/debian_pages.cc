// Pages of LibreOffice's help: html to paragraphs, paragraphs to pairs. Declared in debian.h.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/number.h"
#include "data/debian.h"
#include "text/unicode.h"

namespace rum {
namespace {
// Resolves the entity at text[at] == '&' and returns where it ends; an unknown one is kept as it stands.
size_t entity(std::string_view text, size_t at, std::string& out) {
  const size_t end = text.substr(at, 12).find(';');
  const std::string_view name = end == std::string_view::npos ? "" : text.substr(at + 1, end - 1);
  constexpr std::pair<std::string_view, std::string_view> known[] = {
      {"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"apos", "'"}, {"nbsp", " "}};
  for (const auto& [key, value] : known)
    if (name == key) {
      out += value;
      return at + end + 1;
    }
  if (name.size() > 1 && name[0] == '#') {
    const bool hex = name[1] == 'x' || name[1] == 'X';
    const auto c = number_in<uint32_t>(name.substr(hex ? 2 : 1), hex ? 16 : 10);
    if (c && *c > 0 && *c < 0x110000 && (*c < 0xD800 || *c > 0xDFFF)) {
      append_utf8(out, *c);
      return at + end + 1;
    }
  }
  out += '&';
  return at + 1;
}

struct Tag {
  std::string_view name, inside;  // inside: all between < and >
  bool closes = false;
  bool has(std::string_view text) const { return inside.find(text) != std::string_view::npos; }
  std::string_view attribute(std::string_view key) const {  // key with `="`
    const size_t at = inside.find(key);
    if (at == std::string_view::npos) return {};
    const size_t from = at + key.size(), to = inside.find('"', from);
    return to == std::string_view::npos ? std::string_view() : inside.substr(from, to - from);
  }
};

class Page {
 public:
  std::vector<Paragraph> read(std::string_view html) {
    const size_t area = html.find("id=\"DisplayArea\"");
    if (area != std::string_view::npos) {
      html = html.substr(std::min(html.find('>', area), html.size() - 1) + 1);
      html = html.substr(0, html.find("<div id=\"SearchFrame\""));
    }
    for (size_t at = 0; at < html.size();) {
      if (html[at] == '<') {
        const size_t end = html.find('>', at);
        if (end == std::string_view::npos) break;
        at = tag(html, at, end + 1);
      } else if (html[at] == '&') {
        at = entity(html, at, text_);
      } else {
        text_ += html_space(html[at]) ? ' ' : html[at];
        ++at;
      }
    }
    flush();
    return std::move(out_);
  }

 private:
  // Handles html[at .. after), a tag, and returns where to continue.
  size_t tag(std::string_view html, size_t at, size_t after) {
    if (html.substr(at).starts_with("<!--")) {
      const size_t end = html.find("-->", at);
      return end == std::string_view::npos ? html.size() : end + 3;
    }
    Tag t{{}, html.substr(at + 1, after - at - 2), false};
    if (t.inside.starts_with("/")) {
      t.closes = true;
      t.inside.remove_prefix(1);
    }
    t.name = t.inside.substr(0, t.inside.find_first_of(" \t\n\r/"));
    for (std::string_view hidden : {"script", "style", "pre", "head"})
      if (t.name == hidden && !t.closes) {
        flush();
        return past(html, after, hidden);
      }
    if (t.name == "br") {
      text_ += '\n';
    } else if (t.name == "span") {
      return span(t, html, after);
    } else if (block(t.name)) {
      flush();
      if (!t.closes) {
        id_ = t.attribute("id=\"");
        code_ = t.attribute("class=\"").starts_with("code");
      }
    }
    return after;
  }
  // Text for other systems is there in several variants: the first stays that is not the Mac's.
  size_t span(const Tag& t, std::string_view html, size_t after) {
    if (t.closes) {
      if (!spans_.empty()) spans_.pop_back();
      return after;
    }
    const bool variant = t.has("hidden=\"true\"");
    if (variant && !spans_.empty() && (t.has("class=\"MAC\"") || spans_.back() > 0))
      return past_span(html, after);
    if (variant && !spans_.empty()) ++spans_.back();
    spans_.push_back(0);
    return after;
  }
  static size_t past(std::string_view html, size_t at, std::string_view name) {
    const size_t end = html.find("</" + std::string(name), at);
    return end == std::string_view::npos ? html.size() : std::min(html.find('>', end), html.size() - 1) + 1;
  }
  static size_t past_span(std::string_view html, size_t at) {
    for (int depth = 1; depth > 0;) {
      at = html.find('<', at);
      if (at == std::string_view::npos) return html.size();
      if (html.substr(at).starts_with("<span")) ++depth;
      if (html.substr(at).starts_with("</span")) --depth;
      ++at;
    }
    return std::min(html.find('>', at), html.size() - 1) + 1;
  }
  static bool block(std::string_view name) {
    constexpr std::string_view all[] = {"p",  "h1", "h2", "h3", "h4", "h5",    "h6",    "li",
                                        "td", "th", "dt", "dd", "ul", "table", "title", "div"};
    return std::find(std::begin(all), std::end(all), name) != std::end(all);
  }
  void flush() {
    std::string tidy;
    for (char c : text_) {
      if (c == '\n') {
        while (!tidy.empty() && tidy.back() == ' ') tidy.pop_back();
        if (!tidy.empty() && tidy.back() != '\n') tidy += '\n';
      } else if (c != ' ' || (!tidy.empty() && tidy.back() != ' ' && tidy.back() != '\n')) {
        tidy += c;
      }
    }
    while (!tidy.empty() && html_space(tidy.back())) tidy.pop_back();
    if (!tidy.empty() && !code_) out_.push_back({std::string(id_), std::move(tidy)});
    text_.clear();
    id_ = {};
    code_ = false;
  }
  std::vector<Paragraph> out_;
  std::string text_;
  std::string_view id_;
  bool code_ = false;
  std::vector<int> spans_;  // open ones: how many variants each showed
};

// A paragraph with an id and those without one that follow it: the unit in which two pages are compared.
using Run = std::vector<Paragraph>;
std::vector<Run> runs(std::vector<Paragraph> page) {
  std::vector<Run> out;
  for (Paragraph& p : page) {
    if (out.empty() || !p.id.empty()) out.emplace_back();
    out.back().push_back(std::move(p));
  }
  return out;
}
}  // namespace

std::vector<Paragraph> html_paragraphs(std::string_view html) { return Page().read(html); }

std::vector<Pair> pair_pages(std::string_view german_html, std::string_view english_html) {
  const auto de = runs(html_paragraphs(german_html)), en = runs(html_paragraphs(english_html));
  std::unordered_map<std::string_view, const Run*> by_id;
  std::unordered_set<std::string_view> twice;
  for (const Run& r : en)
    if (!by_id.try_emplace(r[0].id, &r).second) twice.insert(r[0].id);
  for (std::unordered_set<std::string_view> seen; const Run& r : de)
    if (!seen.insert(r[0].id).second) twice.insert(r[0].id);
  std::vector<Pair> out;
  for (const Run& a : de) {
    const auto found = by_id.find(a[0].id);
    if (found == by_id.end() || twice.count(a[0].id)) continue;
    const Run& b = *found->second;
    const size_t paired = a.size() == b.size() ? a.size() : 1;
    for (size_t i = a[0].id.empty() && paired == 1 ? 1 : 0; i < paired; ++i)
      add_pair(a[i].text, b[i].text, out);
  }
  return out;
}
}  // namespace rum
