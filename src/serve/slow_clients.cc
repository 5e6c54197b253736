#include "serve/slow_clients.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <filesystem>
#include <functional>
#include <set>
#include <system_error>

namespace rum::serve {
namespace {
std::string name_of(const std::string& address, int port) { return address + " " + std::to_string(port); }

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
// Every connection of this process whose own end is this port.
void each_connection(int port, const std::function<void(int file, const std::string& client)>& use) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", ignored)) {
    const int file = std::atoi(entry.path().filename().c_str());
    int listens = 0;
    socklen_t size = sizeof listens;
    if (getsockopt(file, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens != 0) continue;
    if (end_of(file, getsockname).port != port) continue;
    const End client = end_of(file, getpeername);
    if (client.port > 0) use(file, name_of(client.address, client.port));
  }
}
}  // namespace

void SlowClients::answering(const std::string& address, int port) {
  const std::lock_guard lock(mutex_);
  clients_[name_of(address, port)] = {Clock::now(), true};
}
void SlowClients::answered(const std::string& address, int port) {
  const std::lock_guard lock(mutex_);
  clients_[name_of(address, port)] = {Clock::now(), false};
}
void SlowClients::look(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  std::set<std::string> here;
  each_connection(port_, [&](int file, const std::string& name) {
    here.insert(name);
    const Client& c = clients_.try_emplace(name, Client{now}).first->second;
    if (!c.answering && now - c.since > most_) shutdown(file, SHUT_RDWR);
  });
  std::erase_if(clients_, [&](const auto& c) { return here.count(c.first) == 0; });
}
void SlowClients::cut_all() {
  each_connection(port_, [](int file, const std::string&) { shutdown(file, SHUT_RDWR); });
}
}  // namespace rum::serve
