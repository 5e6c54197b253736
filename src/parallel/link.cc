#include "parallel/link.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/progress.h"

namespace rum {
namespace {
constexpr uint32_t kLongestSentence = 1 << 16;

int tcp_socket() {
  const int s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  RUM_CHECK(s != -1, "no socket for training in several processes: {}",
            std::generic_category().message(errno));
  return s;
}
sockaddr_in place(uint32_t address, uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = htonl(address);
  out.sin_port = htons(port);
  return out;
}
}  // namespace

Link::Link(int socket, int rank) : socket_(socket), rank_(rank) {
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(socket_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);  // a machine that vanishes is noticed
}
Link::~Link() {
  if (socket_ != -1) ::close(socket_);
}
bool Link::write_all(const void* from, size_t bytes) {
  for (auto* at = static_cast<const char*>(from); bytes > 0;) {
    const ssize_t n = ::send(socket_, at, bytes, MSG_NOSIGNAL);
    if (n == -1 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}
bool Link::read_all(void* to, size_t bytes) {
  for (auto* at = static_cast<char*>(to); bytes > 0;) {
    const ssize_t n = ::recv(socket_, at, bytes, 0);
    if (n == -1 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}
void Link::ended() {
  throw RankFailed(fmt::format("the process of rank {} has ended without saying why", rank_), rank_);
}
void Link::send(const void* from, size_t bytes) {
  const Head head{0, static_cast<uint32_t>(bytes)};
  if (write_all(&head, sizeof head) && write_all(from, bytes)) return;
  for (Head said; read_all(&said, sizeof said);) {  // why it does not listen any more
    std::string text(std::min(said.bytes, kLongestSentence), ' ');
    if (!read_all(text.data(), text.size())) break;
    if (said.failure != 0) throw RankFailed(text, -1);
  }
  ended();
}
void Link::receive(void* to, size_t bytes) {
  Head head;
  if (!read_all(&head, sizeof head)) ended();
  if (head.failure != 0) {
    std::string text(std::min(head.bytes, kLongestSentence), ' ');
    if (!read_all(text.data(), text.size())) ended();
    throw RankFailed(text, -1);
  }
  RUM_CHECK(head.bytes == bytes,
            "rank {} sent {} bytes where {} were expected: is it another build of the program?", rank_,
            head.bytes, bytes);
  if (!read_all(to, bytes)) ended();
}
void Link::send_failure(const std::string& sentence) {
  if (socket_ == -1) return;
  const Head head{1, static_cast<uint32_t>(std::min<size_t>(sentence.size(), kLongestSentence))};
  const int flags = ::fcntl(socket_, F_GETFL);  // full, as it may be in the middle of a step: not forever
  ::fcntl(socket_, F_SETFL, flags | O_NONBLOCK);
  if (write_all(&head, sizeof head)) write_all(sentence.data(), head.bytes);
  ::fcntl(socket_, F_SETFL, flags);
}
void Link::wait_for_end(int seconds) {
  if (socket_ == -1) return;
  const timeval most{seconds, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
  char passed_over[4096];
  while (::recv(socket_, passed_over, sizeof passed_over, 0) > 0) {
  }
}

Listener::Listener(uint32_t address, uint16_t port) : socket_(tcp_socket()) {
  const int on = 1;
  ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in at = place(is_loopback(address) ? address : INADDR_ANY, port);
  if (::bind(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0 &&
      ::listen(socket_, SOMAXCONN) == 0)
    return;
  const std::string why = std::generic_category().message(errno);
  ::close(socket_);
  fail(
      fmt::format("port {} of this machine, where rank 0 waits for the others: {}; set MASTER_PORT to a free "
                  "one",
                  port, why));
}
Listener::~Listener() { ::close(socket_); }
uint16_t Listener::port() const {
  sockaddr_in at{};
  socklen_t size = sizeof at;
  ::getsockname(socket_, reinterpret_cast<sockaddr*>(&at), &size);
  return ntohs(at.sin_port);
}
int Listener::accept(double until) {
  for (double left; (left = until - seconds_now()) > 0;) {
    pollfd p{socket_, POLLIN, 0};
    if (::poll(&p, 1, static_cast<int>(left * 1000) + 1) <= 0) continue;
    const int s = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (s != -1) return s;
  }
  return -1;
}

uint32_t address_of(const std::string& host) {
  if (host == "localhost")
    return INADDR_LOOPBACK;  // always this machine (RFC 6761), also where no resolver knows it
  addrinfo wish{}, *found = nullptr;
  wish.ai_family = AF_INET;
  wish.ai_socktype = SOCK_STREAM;
  const int bad = ::getaddrinfo(host.c_str(), nullptr, &wish, &found);
  RUM_CHECK(bad == 0 && found != nullptr, "the machine of rank 0, \"{}\": {}; set MASTER_ADDR to its name",
            host, ::gai_strerror(bad));
  const uint32_t out = ntohl(reinterpret_cast<const sockaddr_in*>(found->ai_addr)->sin_addr.s_addr);
  ::freeaddrinfo(found);
  return out;
}
bool is_loopback(uint32_t address) { return address >> 24 == 127; }
uint32_t other_end(int socket) {
  sockaddr_in at{};
  socklen_t size = sizeof at;
  ::getpeername(socket, reinterpret_cast<sockaddr*>(&at), &size);
  return ntohl(at.sin_addr.s_addr);
}
int connect_to(uint32_t address, uint16_t port, double until) {
  const sockaddr_in at = place(address, port);
  while (seconds_now() < until) {
    const int s = tcp_socket();
    sockaddr_in own{};
    socklen_t size = sizeof own;
    // A socket that nobody waits for may, by chance, be connected to itself.
    if (::connect(s, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0 &&
        ::getsockname(s, reinterpret_cast<sockaddr*>(&own), &size) == 0 && own.sin_port != at.sin_port)
      return s;
    ::close(s);
    ::usleep(20'000);  // it is not there yet
  }
  return -1;
}
}  // namespace rum
