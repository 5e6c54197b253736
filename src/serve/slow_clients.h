// Connections whose client takes too long to say what it wants: they are cut off, or a few of them would hold
// all of a server. The HTTP library bounds the wait for each byte alone, and does not hand out its sockets:
// they are found by the port.
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace rum::serve {
class SlowClients {
 public:
  using Clock = std::chrono::steady_clock;
  SlowClients(int port, std::chrono::seconds most) : port_(port), most_(most) {}
  void reading(const std::string& address, int port);    // the head of a request has arrived
  void answering(const std::string& address, int port);  // all of it
  void answered(const std::string& address, int port);
  // Now and then: cuts off who has been asked for the head of a request for longer than `most`.
  void look(Clock::time_point now = Clock::now());
  void accepted(Clock::time_point now = Clock::now());  // one more connection, which may have to wait
  // It waits for a place: cuts off another client, the one that has been asked for a request the longest, and
  // for at least a second. Now and then, until there is a place.
  void make_room(Clock::time_point now = Clock::now());
  void cut_all();  // at the end

 private:
  enum class Does : uint8_t { nothing, sends, listens };
  struct Client {
    Clock::time_point since;
    Does does = Does::nothing;
    bool cut = false;
    int64_t number = 0;  // of the connection, as they were accepted
  };
  Client& client(const std::string& name, Clock::time_point now);
  void each_waiting(Clock::time_point now, const std::function<void(int file, Client&)>& use);
  const int port_;
  const std::chrono::seconds most_;
  std::mutex mutex_;
  std::map<std::string, Client> clients_;  // by address and port
  int64_t connections_ = 0;
};
}  // namespace rum::serve
