// A connection between two processes over TCP. What is sent either arrives whole, or the other
// end is told why not.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "base/error.h"

namespace rum {
// Another process of the same training has failed, with its sentence; or it has ended without one.
struct RankFailed : Error {
  RankFailed(const std::string& sentence, int silent) : Error(sentence), silent(silent) {}
  int silent;  // the rank that ended without a sentence, if this process is the one that noticed; else -1
};

class Link {
 public:
  Link() = default;  // to nobody
  Link(int socket, int rank);
  Link(Link&& o) noexcept : socket_(std::exchange(o.socket_, -1)), rank_(o.rank_) {}
  Link& operator=(Link&& o) noexcept {
    std::swap(socket_, o.socket_);
    std::swap(rank_, o.rank_);
    return *this;
  }
  ~Link();
  explicit operator bool() const { return socket_ != -1; }
  int rank() const { return rank_; }  // of the other end
  // Both wait as long as the other end takes. RankFailed.
  void send(const void* from, size_t bytes);
  void receive(void* to, size_t bytes);  // as many as were sent at once
  // RankFailed if the other end has failed or gone. Does not wait, and takes nothing of what was sent.
  void check();
  // Waits until something has come, or the other end has gone. False: neither by seconds_now() >= until.
  bool wait(double until);
  // For the end: what is the matter, instead of what the other end waits for. It throws nothing, and nor does
  // waiting for the other end to go.
  void send_failure(const std::string& sentence);
  void wait_for_end(int seconds);

 private:
  struct Head {
    uint32_t failure, bytes;  // failure: a sentence follows
  };
  bool write_all(const void* from, size_t bytes, bool wait = true);
  bool read_all(void* to, size_t bytes);
  bool ready(short events);
  // All three throw RankFailed: without a sentence, with that of this head, or with one after what was sent.
  [[noreturn]] void ended();
  [[noreturn]] void fail_with(const Head&);
  [[noreturn]] void say_why_it_ended();
  int socket_ = -1, rank_ = -1;
};

// ---- how they find each other ----
// Waits for others on a port; 0: a free one. Only for this machine when `host`, the machine of rank 0, is
// "localhost" or 127.*. A name that this machine gives such an address may be its own (Debian's 127.0.1.1),
// by which other machines know it as well.
class Listener {
 public:
  Listener(const std::string& host, uint16_t port);  // Error
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  uint16_t port() const;
  int accept(double until);  // a socket, or -1 when it is seconds_now() >= until

 private:
  int socket_;
};
uint32_t address_of(const std::string& host);                   // IPv4, in the order of this machine; Error
bool is_loopback(uint32_t address);                             // 127.*: of the machine that asks
uint32_t other_end(int socket);                                 // its address
int connect_to(uint32_t address, uint16_t port, double until);  // a socket, tried again until then; or -1
}  // namespace rum
