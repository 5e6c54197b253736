// Connections whose client takes too long to say what it wants: they are cut off, or a few of them would hold
// all of a server. The HTTP library bounds the wait for each byte alone, and does not hand out its sockets:
// they are found by the port.
#pragma once
#include <chrono>
#include <map>
#include <mutex>
#include <string>

namespace rum::serve {
class SlowClients {
 public:
  using Clock = std::chrono::steady_clock;
  SlowClients(int port, std::chrono::seconds most) : port_(port), most_(most) {}
  void answering(const std::string& address, int port);  // the head of a request has arrived
  void answered(const std::string& address, int port);
  // Now and then: cuts off who has been asked for a request for longer than `most`.
  void look(Clock::time_point now = Clock::now());
  void cut_all();  // at the end

 private:
  struct Client {
    Clock::time_point since;
    bool answering = false;
  };
  const int port_;
  const std::chrono::seconds most_;
  std::mutex mutex_;
  std::map<std::string, Client> clients_;  // by address and port
};
}  // namespace rum::serve
