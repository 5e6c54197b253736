// `ruminate serve`: a model behind HTTP, with OpenAI's protocol and a page for people. Only server.cc
// includes cpp-httplib.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "base/stop.h"
#include "serve/api.h"

namespace rum::serve {
struct ServerConfig {
  std::string host = "127.0.0.1";
  int64_t port = 8080;                   // 0: any that is free
  std::string key;                       // what clients send as a bearer token; empty: no key is required
  int64_t most_body = int64_t{1} << 20;  // bytes of a request's body
  int64_t clients = 128;                 // simultaneous connections; for one more a slow one is cut off
  int64_t waiting = 256;                 // requests that wait for the model; more are refused with status 429
  int64_t batch = 16;                    // texts generated in one batch
  // Seconds that the server waits for a client's next bytes, and for requests in progress when it stops.
  int64_t patience = 10;
};
class Server {
 public:
  // Binds the port. Error: it is not available.
  Server(const LoadedRun&, ServedModel, const ServerConfig&);
  ~Server();
  int port() const;
  // Serves until it is asked to stop: then it accepts no more requests, finishes what it can of those in
  // progress within the patience; the others fail.
  void run(const Stop&);

 private:
  struct State;
  std::unique_ptr<State> state_;
};
}  // namespace rum::serve
