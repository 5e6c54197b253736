#include "serve/slow_clients.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>

#include "base/error.h"

namespace rum::serve {
namespace {
constexpr auto kLeast = std::chrono::seconds(1);  // a request of an honest client is whole by then

// Without "%eth0", which inet_ntop() leaves out of a link-local address and the HTTP library does not.
std::string name_of(const std::string& address, int port) {
  return address.substr(0, address.find('%')) + " " + std::to_string(port);
}

struct End {
  std::string address;
  int port = -1;
};
End end_of(int file, int (*ask)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  if (ask(file, reinterpret_cast<sockaddr*>(&at), &size) != 0) return {};
  char text[INET6_ADDRSTRLEN] = "";
  if (at.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(at);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return {text, ntohs(v4.sin_port)};
  }
  if (at.ss_family != AF_INET6) return {};
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(at);
  inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  return {text, ntohs(v6.sin6_port)};
}
}  // namespace

SlowClients::SlowClients(int port, std::chrono::seconds most)
    : port_(port),
      most_(most),
      files_(opendir("/proc/self/fd"), closedir) {
  if (!files_)
    throw FileError(
        fmt::format("/proc/self/fd: {}; clients that are too slow are found there", strerror(errno)));
}
// Calls `use` for every connection of this process whose local port is this one.
void SlowClients::each_connection(const std::function<void(int, const std::string&)>& use) {
  rewinddir(files_.get());
  while (const dirent* entry = readdir(files_.get())) {
    const int file = std::atoi(entry->d_name);  // of "." and "..": 0, which is no connection
    int listens = 0;
    socklen_t size = sizeof listens;
    if (getsockopt(file, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens != 0) continue;
    if (end_of(file, getsockname).port != port_) continue;
    const End client = end_of(file, getpeername);
    if (client.port > 0) use(file, name_of(client.address, client.port));
  }
}
SlowClients::Client& SlowClients::client(const std::string& name, Clock::time_point now) {
  const auto [at, is_new] = clients_.try_emplace(name, Client{now});
  if (is_new) at->second.number = ++connections_;
  return at->second;
}
void SlowClients::reading(const std::string& address, int port) {
  const std::lock_guard lock(mutex_);
  client(name_of(address, port), Clock::now()).does = Does::sends;
}
void SlowClients::answering(const std::string& address, int port) {
  const std::lock_guard lock(mutex_);
  client(name_of(address, port), Clock::now()).does = Does::listens;
}
void SlowClients::answered(const std::string& address, int port) {
  const std::lock_guard lock(mutex_);
  Client& c = client(name_of(address, port), Clock::now());
  c.since = Clock::now();
  c.does = Does::nothing;
}
// Calls `use` for each client whose request is not yet complete, and forgets those that have left.
void SlowClients::each_waiting(Clock::time_point now, const std::function<void(int, Client&)>& use) {
  std::set<std::string> here;
  each_connection([&](int file, const std::string& name) {
    here.insert(name);
    Client& c = client(name, now);
    if (c.does != Does::listens) use(file, c);
  });
  std::erase_if(clients_, [&](const auto& c) { return here.count(c.first) == 0; });
}
void SlowClients::look(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  each_waiting(now, [&](int file, const Client& c) {
    if (c.does == Does::nothing && now - c.since > most_) shutdown(file, SHUT_RDWR);
  });
}
void SlowClients::accepted(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  each_waiting(now, [](int, const Client&) {});
}
void SlowClients::make_room(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  int slowest = -1;
  Client* found = nullptr;
  each_waiting(now, [&](int file, Client& c) {
    if (c.cut || c.number == connections_ || now - c.since < kLeast || (found && c.since >= found->since))
      return;
    slowest = file;
    found = &c;
  });
  if (!found) return;
  found->cut = true;
  shutdown(slowest, SHUT_RDWR);
}
void SlowClients::cut_all() {
  const std::lock_guard lock(mutex_);
  each_connection([](int file, const std::string&) { shutdown(file, SHUT_RDWR); });
}
}  // namespace rum::serve
