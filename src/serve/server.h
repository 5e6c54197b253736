// `ruminate serve`: a model behind HTTP, with OpenAI's protocol and a page for people. server.cc is the one
// file that includes cpp-httplib.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "serve/api.h"

namespace rum::serve {
struct ServerConfig {
  std::string host = "127.0.0.1";
  int64_t port = 8080;                   // 0: any that is free
  std::string key;                       // what clients send as a bearer token; empty: nothing is asked for
  int64_t most_body = int64_t{1} << 20;  // bytes of a request
  int64_t clients = 128;  // connections at a time; a next one waits for a slow one to be cut off
  int64_t waiting = 256;  // requests that wait for the model; more are sent away with status 429
  int64_t batch = 16;     // texts that are written side by side
  // Seconds that a client may let the server wait for the next bytes, and that requests have left once
  // the server ends.
  int64_t patience = 10;
};
class Server {
 public:
  // Binds the port. Error: it cannot be had.
  Server(const LoadedRun&, ServedModel, const ServerConfig&);
  ~Server();
  int port() const;
  // Answers until `interrupted` says so: then no more are accepted, and those that are being answered end.
  void run(const std::function<bool()>& interrupted);

 private:
  struct State;
  std::unique_ptr<State> state_;
};
}  // namespace rum::serve
