// Module igd: a UDP port kept open on the gateway by UPnP (IGD 1 and 2), through libminiupnpc,
// which blocks; so all of it happens on a thread of its own. The owner gives orders and waits for
// the descriptor to become readable:
//
//     auto igd = Igd::open();  igd->map({gateway, own, port});
//     ... readable(igd->fd()) ...  for (const News& news : igd->take_news()) ...
//
// A mapping is renewed at half of its lease, and what failed is tried again after kRetryPause, each
// time from the search on. A gateway that only gives leases without end is asked for one; it is
// taken back by unmap() and when the Igd ends. A port that somebody else holds is replaced by
// another one, by chance, up to kPortTries times.
//
// What an attacker on the local network can do (L33): answer the search. A device counts only if
// its description and its control address are plain http URLs at the gateway's very address, so
// that nothing is fetched from or ordered at another machine; and an outside address that nobody
// can have, or that is private, is refused. A gateway itself can lie about all of it, and can make
// its answers last as long as it likes: then orders wait, and so does the end of an Igd, which
// joins its thread. With an honest gateway, or none, that is the time of one search and a few
// exchanges.
//
// One owner thread. Orders are bounded by kMaxOrders; news too, of which the newest are dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/ip.h"
#include "base/result.h"
#include "os/fd.h"

namespace sinew::igd {

inline constexpr std::size_t kMaxOrders = 16;
inline constexpr std::size_t kMaxNews = 64;
inline constexpr std::uint32_t kLease = 3600;  // s
inline constexpr Duration kSearchTime = 1s;    // for each of two kinds of device
inline constexpr Duration kRetryPause = 10min;
inline constexpr unsigned kPortTries = 3;

struct Target {
  IpAddress gateway;
  IpAddress own;  // our address towards it
  std::uint16_t port = 0;

  friend bool operator==(const Target&, const Target&) = default;
};

struct News {
  enum class Kind : std::uint8_t {
    kMapped,       // `external` is open; also said again when it was renewed
    kUnavailable,  // nothing is open, for the reason in `why`
    kReleased,     // the port was given back, or there was none
  };
  Kind kind = Kind::kUnavailable;
  Endpoint external = {};
  std::string why = {};
};

class Igd {
 public:
  static Result<std::unique_ptr<Igd>> open();
  Igd(const Igd&) = delete;
  Igd& operator=(const Igd&) = delete;
  // Gives back what is mapped.
  ~Igd();

  // False when too many orders wait. A new target replaces the old one, whose port is given back.
  bool map(const Target& target);
  bool unmap();

  // Readable while there is news.
  const os::Fd& fd() const;
  // Valid until the next call.
  std::span<News> take_news();

 private:
  struct Shared;
  explicit Igd(std::unique_ptr<Shared> shared);

  std::unique_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace sinew::igd
