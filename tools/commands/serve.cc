// `ruminate serve`: a run behind HTTP, for programs and for people.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <system_error>

#include "base/error.h"
#include "base/say.h"
#include "run/provenance.h"
#include "serve/server.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/options.h"

namespace rum::serve_command {
namespace {
int serve(int argc, char** argv) {
  std::string folder, key_variable, device = "auto", dtype = "auto";
  serve::ServerConfig c;
  serve::ServedModel model;
  Flags flags(
      "serve",
      "Answers requests with OpenAI's protocol (/v1/completions, /v1/chat/completions, /v1/models), and "
      "serves a page at / for trying sentences. Ctrl-C or SIGTERM stops it.");
  flags.add("run", folder, "a run folder, a checkpoint or a model file in one", true)
      .add("--host", c.host, "the address to listen on; 0.0.0.0: all, so that other machines can connect")
      .add("--port", c.port, "port; 0: any free one; the first line says which", 0, 65535)
      .add("--name", model.name, "what clients call the model; by default the run's name")
      .add("--key-from", key_variable,
           "the environment variable with a key that clients must send; none: open to all")
      .add("--max-prompt", model.most_prompt, "longest prompt, in tokens", 1)
      .add("--max-tokens", model.most_answer,
           "longest answer, in tokens: the default when a client names no limit, and the most that it may "
           "name",
           1)
      .add("--max-body", c.most_body, "largest request, in bytes", 64, int64_t{1} << 30)
      .add("--clients", c.clients, "simultaneous connections; more must wait", 1, 4096)
      .add("--waiting", c.waiting, "requests queued for the model; more are told to retry after a second", 1,
           1 << 16)
      .add("--batch", c.batch, "texts generated side by side", 1, 4096)
      .add("--patience", c.patience, "seconds to wait for a client's next bytes, and for answers at the end",
           1, 3600)
      .add("--device", device, "auto: a GPU where there is one; cpu; cuda; cuda:1: the second GPU")
      .choice("--dtype", dtype, "type of the products; auto: int8 for a run of `ruminate quantize`, else f32",
              {"auto", "f32", "bf16", "int8"});
  if (const auto status = flags.parse(argc, argv)) return *status;
  if (flags.given("--key-from")) c.key = key_from(key_variable);
  const auto run = load_run(folder, device, dtype);
  if (model.name.empty()) model.name = run_name(*run);
  model.created = std::time(nullptr);
  serve::Server server(*run, model, c);
  const bool ipv6 = c.host.find(':') != std::string::npos;
  fmt::print("http://{}:{}/ answers with {}{}\n", ipv6 ? "[" + c.host + "]" : c.host, server.port(),
             run->source, type_note(*run));
  errno = 0;
  if (std::fflush(stdout) != 0 && c.port == 0)  // nobody would find it
    throw std::system_error(errno, std::generic_category());
  listen_for_interrupts();
  server.run(interrupted);
  say("ended");
  return 0;
}
const Command command{"serve", "answer requests over HTTP, and show a page to try the model", serve};
}  // namespace
}  // namespace rum::serve_command
