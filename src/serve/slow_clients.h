// Cuts off clients that take too long to send a request; otherwise a few of them could occupy the whole
// server. The HTTP library limits only the wait for each byte, and does not give access to its sockets, so
// they are found by port.
#pragma once
#include <dirent.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace rum::serve {
class SlowClients {
 public:
  using Clock = std::chrono::steady_clock;
  // FileError: the process cannot see which files it has open.
  SlowClients(int port, std::chrono::seconds most);
  void reading(const std::string& address, int port);    // the head of a request has arrived
  void answering(const std::string& address, int port);  // all of it
  void answered(const std::string& address, int port);
  // Call regularly: cuts off clients whose request head has been awaited for longer than `most`.
  void look(Clock::time_point now = Clock::now());
  void accepted(Clock::time_point now = Clock::now());  // one more connection, which may have to wait
  // Call repeatedly while a connection waits for a place: cuts off the client whose request has been awaited
  // the longest, if for at least a second.
  void make_room(Clock::time_point now = Clock::now());
  void cut_all();  // when the server stops

 private:
  enum class Does : uint8_t { nothing, sends, listens };
  struct Client {
    Clock::time_point since;
    Does does = Does::nothing;
    bool cut = false;
    int64_t number = 0;  // of the connection, as they were accepted
  };
  Client& client(const std::string& name, Clock::time_point now);
  void each_connection(const std::function<void(int file, const std::string& client)>& use);
  void each_waiting(Clock::time_point now, const std::function<void(int file, Client&)>& use);
  const int port_;
  const std::chrono::seconds most_;
  // Of the open files: held open, so that it can be read when no more files can be opened.
  std::unique_ptr<DIR, int (*)(DIR*)> files_;
  std::mutex mutex_;
  std::map<std::string, Client> clients_;  // by address and port
  int64_t connections_ = 0;
};
}  // namespace rum::serve
