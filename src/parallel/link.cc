#include "parallel/link.h"

#include <arpa/inet.h>
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

#include "base/clock.h"

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
void set(int socket, int level, int option, int value) {
  ::setsockopt(socket, level, option, &value, sizeof value);
}
}  // namespace

// A machine that vanishes is noticed within about 90 s: while nothing is under way by TCP's keep-alive
// probes, otherwise by ready().
Link::Link(int socket, int rank) : socket_(socket), rank_(rank) {
  set(socket_, IPPROTO_TCP, TCP_NODELAY, 1);
  set(socket_, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(socket_, IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set(socket_, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(socket_, IPPROTO_TCP, TCP_KEEPCNT, 6);
}
Link::~Link() {
  if (socket_ != -1) ::close(socket_);
}
// Waits until one of them is possible, or an error is to be had. False: the other machine has acknowledged
// nothing for about a minute, where TCP alone would try for a quarter of an hour. TCP_USER_TIMEOUT would also
// end a connection whose other end is well, but busy for as long.
bool Link::ready(short events) {
  constexpr int kUnanswered = 8;  // repetitions, after .2, .4, .8, ... s: 51 s
  for (pollfd p{socket_, events, 0}; ::poll(&p, 1, 5000) <= 0;) {
    tcp_info info{};
    socklen_t size = sizeof info;
    ::getsockopt(socket_, IPPROTO_TCP, TCP_INFO, &info, &size);
    if (std::max(info.tcpi_retransmits, info.tcpi_probes) >= kUnanswered) return false;
  }
  return true;
}
bool Link::write_all(const void* from, size_t bytes, bool wait) {
  for (auto* at = static_cast<const char*>(from); bytes > 0;) {
    if (wait && !ready(POLLOUT)) return false;
    const ssize_t n = ::send(socket_, at, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n == -1 && (errno == EINTR || (wait && errno == EAGAIN))) continue;
    if (n <= 0) return false;
    at += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}
bool Link::read_all(void* to, size_t bytes) {
  for (auto* at = static_cast<char*>(to); bytes > 0;) {
    if (!ready(POLLIN)) return false;
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
void Link::fail_with(const Head& head) {
  std::string text(std::min(head.bytes, kLongestSentence), ' ');
  if (!read_all(text.data(), text.size())) ended();
  throw RankFailed(text, -1);
}
void Link::say_why_it_ended() {
  std::string passed_over;
  for (Head said; read_all(&said, sizeof said);) {
    if (said.failure != 0) fail_with(said);
    passed_over.resize(said.bytes);
    if (!read_all(passed_over.data(), passed_over.size())) break;
  }
  ended();
}
bool Link::wait(double until) {
  pollfd p{socket_, POLLIN, 0};
  while (::poll(&p, 1, 100) <= 0)
    if (seconds_now() >= until) return false;
  return true;
}
void Link::check() {
  if (socket_ == -1) return;
  pollfd p{socket_, POLLIN | POLLRDHUP, 0};
  if (::poll(&p, 1, 0) <= 0) return;
  Head head{};
  const bool whole = ::recv(socket_, &head, sizeof head, MSG_PEEK | MSG_DONTWAIT) == ssize_t{sizeof head};
  if ((whole && head.failure != 0) || (p.revents & ~POLLIN) != 0) say_why_it_ended();
}
void Link::send(const void* from, size_t bytes) {
  const Head head{0, static_cast<uint32_t>(bytes)};
  if (!write_all(&head, sizeof head) || !write_all(from, bytes)) say_why_it_ended();
}
void Link::receive(void* to, size_t bytes) {
  Head head;
  if (!read_all(&head, sizeof head)) ended();
  if (head.failure != 0) fail_with(head);
  RUM_CHECK(head.bytes == bytes,
            "rank {} sent {} bytes where {} were expected: is it another build of the program?", rank_,
            head.bytes, bytes);
  if (!read_all(to, bytes)) ended();
}
void Link::send_failure(const std::string& sentence) {
  if (socket_ == -1) return;
  const Head head{1, static_cast<uint32_t>(std::min<size_t>(sentence.size(), kLongestSentence))};
  // What is full, as it may be in the middle of a step, is not waited for.
  if (write_all(&head, sizeof head, false)) write_all(sentence.data(), head.bytes, false);
}
void Link::wait_for_end(int seconds) {
  if (socket_ == -1) return;
  const timeval most{seconds, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
  char passed_over[4096];
  while (::recv(socket_, passed_over, sizeof passed_over, 0) > 0) {
  }
}

Listener::Listener(const std::string& host, uint16_t port) : socket_(tcp_socket()) {
  set(socket_, SOL_SOCKET, SO_REUSEADDR, 1);
  in_addr number{};
  const bool loopback = host == "localhost" || (::inet_pton(AF_INET, host.c_str(), &number) == 1 &&
                                                is_loopback(ntohl(number.s_addr)));
  const sockaddr_in at = place(loopback ? address_of(host) : INADDR_ANY, port);
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
