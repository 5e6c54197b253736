#include "parallel/ranks.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "tensor/simd.h"

namespace rum {
namespace {
constexpr double kPatience = 180;                // seconds until all must have come
constexpr uint64_t kMagic = 0x72756d316b6e6172;  // of the first bytes between two processes
constexpr int64_t kSlice = 1 << 16;  // numbers that travel at once: while one adds, the next sends

struct Hello {
  uint64_t magic, job, machine;
  int32_t rank, size;
  uint32_t port;  // where it waits for its upper neighbour
};
struct Welcome {
  uint32_t address, port;  // of the lower neighbour; no address: rank 0's
  int32_t local_rank, local_size;
};
uint64_t this_machine() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return hash64(name);
}
// The first bytes of whoever has connected; false: not one of ours, or too slow.
bool read_hello(int socket, const Launch& launch, Hello& hello) {
  const timeval most{5, 0}, any{0, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
  const ssize_t n = ::recv(socket, &hello, sizeof hello, MSG_WAITALL);
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &any, sizeof any);
  return n == ssize_t{sizeof hello} && hello.magic == kMagic && hello.job == launch.job;
}

// Rank 0 waits for all and tells each where its lower neighbour is.
class Reception {
 public:
  explicit Reception(const Launch& launch)
      : launch_(launch),
        guests_(static_cast<size_t>(launch.size)),
        listener_(launch.address, launch.port) {
    guests_[0].hello.machine = this_machine();
  }
  void wait_for_all(double until) try {
    for (int come = 1; come < launch_.size;) {
      const int socket = listener_.accept(until);
      RUM_CHECK(socket != -1, "{} of {} processes have connected to port {} of rank 0 within {} s", come,
                launch_.size, launch_.port, kPatience);
      Hello hello{};
      if (!read_hello(socket, launch_, hello)) {
        ::close(socket);
        continue;
      }
      Guest guest{Link(socket, hello.rank), other_end(socket), hello};
      if (hello.size != launch_.size || hello.rank <= 0 || hello.rank >= launch_.size ||
          guests_[static_cast<size_t>(hello.rank)].link) {
        guests_.push_back(std::move(guest));  // is told as well
        fail(fmt::format(
            "port {} of rank 0: a process says that it is rank {} of {}, but this job has {} and each once",
            launch_.port, hello.rank, hello.size, launch_.size));
      }
      guests_[static_cast<size_t>(hello.rank)] = std::move(guest);
      ++come;
    }
  } catch (const Error& e) {
    for (Guest& guest : guests_) guest.link.send_failure(e.what());
    throw;
  }
  // Its own is returned, and the link to rank 1 is moved to `upper`.
  Welcome welcome_all(Link& upper) {
    for (size_t r = 1; r < guests_.size(); ++r) {
      const Guest& neighbour = guests_[r - 1];
      Welcome w = local_place(r);
      w.address = is_loopback(neighbour.address) ? 0 : neighbour.address;
      w.port = neighbour.hello.port;
      guests_[r].link.send(&w, sizeof w);
    }
    upper = std::move(guests_[1].link);
    return local_place(0);
  }

 private:
  struct Guest {
    Link link;
    uint32_t address = 0;
    Hello hello{};
  };
  Welcome local_place(size_t rank) const {
    Welcome w{0, 0, 0, 0};
    for (size_t r = 0; r < guests_.size(); ++r) {
      if (guests_[r].hello.machine != guests_[rank].hello.machine) continue;
      ++w.local_size;
      if (r < rank) ++w.local_rank;
    }
    return w;
  }
  const Launch& launch_;
  std::vector<Guest> guests_;
  Listener listener_;
};
}  // namespace

Ranks& Ranks::alone() {
  static Ranks one;
  return one;
}
Ranks::Ranks(const Launch& launch) : rank_(launch.rank), size_(launch.size) {
  if (size_ > 1) meet(launch);
}
void Ranks::meet(const Launch& launch) {
  const double until = seconds_now() + kPatience;
  const uint32_t address = address_of(launch.address);
  Welcome mine{};
  if (first()) {
    Reception reception(launch);
    reception.wait_for_all(until);
    mine = reception.welcome_all(upper_);
  } else {
    Listener listener(launch.address, 0);
    const Hello hello{kMagic, launch.job, this_machine(), rank_, size_, listener.port()};
    const auto reach = [&](uint32_t at, uint16_t port, int rank) {
      const int socket = connect_to(at, port, until);
      RUM_CHECK(socket != -1, "rank {} could not reach rank {}, on port {}, within {} s", rank_, rank, port,
                kPatience);
      RUM_CHECK(::send(socket, &hello, sizeof hello, MSG_NOSIGNAL) == ssize_t{sizeof hello},
                "rank {} lost rank {} as they met", rank_, rank);
      return Link(socket, rank);
    };
    lower_ = reach(address, launch.port, 0);
    RUM_CHECK(lower_.wait(seconds_now() + kPatience),
              "port {} of {} was answered, but not by rank 0 within {} s: another program may have it",
              launch.port, launch.address, kPatience);
    lower_.receive(&mine, sizeof mine);
    if (rank_ > 1)
      lower_ = reach(mine.address == 0 ? address : mine.address, static_cast<uint16_t>(mine.port), rank_ - 1);
    while (rank_ + 1 < size_ && !upper_) {
      const int socket = listener.accept(until);
      RUM_CHECK(socket != -1, "rank {} waited for rank {}, which did not come", rank_, rank_ + 1);
      Hello theirs{};
      Link link(socket, rank_ + 1);
      if (read_hello(socket, launch, theirs) && theirs.rank == rank_ + 1) upper_ = std::move(link);
    }
  }
  local_rank_ = mine.local_rank;
  local_size_ = mine.local_size;
}

void Ranks::check_same(uint64_t value, const std::string& what) {
  RUM_CHECK(from_first(value) == value, "{} is not what rank 0 has", what);
  if (upper_) upper_.receive(&value, sizeof value);
  if (lower_) lower_.send(&value, sizeof value);
}

bool Ranks::end(const std::exception& e) noexcept try {
  const auto* const other = dynamic_cast<const RankFailed*>(&e);
  const std::string sentence =
      other != nullptr || first() ? std::string(e.what()) : fmt::format("rank {}: {}", rank_, e.what());
  lower_.send_failure(sentence);
  upper_.send_failure(sentence);
  lower_.wait_for_end(10);
  return first() || (other != nullptr && other->silent == 0);
} catch (...) {
  return true;
}

namespace {
// In row: each adds its part to what its neighbour sends, and sends it on. The total then comes
// back the same way.
void sum_parts(Ranks& ranks, const Tensor& block, Tensor& held, Round round) {
  RUM_CHECK(block.dtype() == DType::f32, "parts of a step are summed in f32");
  const bool up = round.number % 2 == 0, last = round.number + 1 == round.of;
  Link &from = up ? ranks.lower() : ranks.upper(), &to = up ? ranks.upper() : ranks.lower();
  if (!held && !last && !to) held = Tensor::like(block);
  std::vector<float> arrived(static_cast<size_t>(std::min(kSlice, from ? block.size() : 0)));
  const auto each_slice = [&](auto f) {
    for (int64_t i = 0; i < block.size(); i += kSlice) {
      const int64_t n = std::min(kSlice, block.size() - i);
      f(i, block.data<float>() + i, n, static_cast<size_t>(n) * sizeof(float));
    }
  };
  each_slice([&](int64_t i, float* at, int64_t n, size_t bytes) {
    const float* before = round.number > 0 && !from ? held.data<float>() + i : nullptr;
    if (from) {
      from.receive(arrived.data(), bytes);
      before = arrived.data();
    }
    if (before != nullptr)
      simd::each_in_parallel<float>(n, [&](int64_t j, auto lanes) {
        simd::put(at + j, simd::get(before + j, lanes) + simd::get(at + j, lanes), lanes);
      });
    if (to)
      to.send(at, bytes);
    else if (!last)
      std::copy(at, at + n, held.data<float>() + i);
  });
  if (!last) return;
  each_slice([&](int64_t, float* at, int64_t, size_t bytes) {
    if (to) to.receive(at, bytes);
    if (from) from.send(at, bytes);
  });
}
const bool provided = kernels::sum_parts.provide(DeviceKind::cpu, sum_parts);
}  // namespace
}  // namespace rum
