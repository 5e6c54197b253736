#include "serve/serve_page.h"

#include <fmt/format.h>

#include "page/page.h"

namespace rum::serve {
namespace {
// The form sends the text to /look and shows the HTML that comes back, which the server has escaped.
constexpr const char* kScript = R"(<script>
const form = document.forms[0], out = document.getElementById("out"), key = sessionStorage;
form.onsubmit = async event => {
  event.preventDefault();
  form.go.disabled = true;
  out.setAttribute("aria-busy", "true");
  try {
    const headers = {"Content-Type": "text/plain"};
    if (key.token) headers.Authorization = "Bearer " + key.token;
    const reply = await fetch("look", {method: "POST", headers, body: form.text.value});
    const body = await reply.text();
    if (reply.ok) out.innerHTML = body;
    else out.textContent = JSON.parse(body).error.message;
    if (reply.status == 401) {
      const token = prompt("This server requires a key");
      if (token) key.token = token;
    }
  } catch (e) {
    out.textContent = "No answer: " + e.message;
  }
  out.removeAttribute("aria-busy");
  form.go.disabled = false;
};
form.text.onkeydown = e => { if (e.key == "Enter" && !e.shiftKey) { e.preventDefault(); form.requestSubmit(); } };
</script>
)";
constexpr const char* kFormStyle = R"(<style>
form{display:flex;gap:.6rem;align-items:flex-end;flex-wrap:wrap;margin:1rem 0}label{font:.85rem system-ui,sans-serif;color:var(--soft);flex-basis:100%}
textarea{flex:1 1 20rem;min-height:4.2rem;font:inherit;padding:.5rem .6rem;border:1px solid var(--rule);border-radius:.4rem;background:var(--shade);color:inherit}
button{font:600 1rem system-ui,sans-serif;padding:.6rem 1.1rem;border:0;border-radius:.4rem;background:var(--c0);color:var(--paper);cursor:pointer}button:disabled{opacity:.5}
.written{font-size:1.25rem;border-left:4px solid var(--c0);padding:.3rem .9rem;white-space:pre-wrap}[aria-busy]{opacity:.5}
</style>
)";
}  // namespace

std::string serve_page(const std::string& model, bool translation) {
  const char *label = "The beginning of a text", *verb = "Continue";
  if (translation) {
    label = "A sentence to translate";
    verb = "Translate";
  }
  const std::string body = fmt::format(
      "<p class=\"soft\">Programs can use this model under <code>/v1/completions</code> and "
      "<code>/v1/chat/completions</code>, as they would OpenAI&rsquo;s.</p>\n<form><label for=\"text\">{}"
      "</label><textarea id=\"text\" name=\"text\" required autofocus></textarea><button name=\"go\">{}"
      "</button></form>\n<div id=\"out\" aria-live=\"polite\"></div>\n{}",
      label, verb, kScript);
  return page::html_document(model, body, kFormStyle);
}
}  // namespace rum::serve
