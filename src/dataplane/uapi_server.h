// The configuration socket of the cross-platform WireGuard implementations,
// /var/run/wireguard/IFNAME.sock, which wg(8) and wg-quick(8) look for. It carries requests to a
// handler and answers back; what they mean is wg/uapi.h.
//
// The folder and the socket belong to their owner alone (0700, 0600), so whoever connects may
// configure the interface. What passes through is wiped, because it holds keys. One thread: that of
// the Poller it is served by.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret_text.h"
#include "os/file_watch.h"
#include "os/poller.h"

namespace sinew::dataplane {

class UapiServer {
 public:
  static constexpr std::size_t kMaxConnections = 8;

  // One request, up to and including its empty line, to the answer that is written back.
  using Handler = std::function<SecretText(std::string_view request)>;

  // The tokens first_token ... first_token + kMaxConnections + 1 are used in `poller`, which
  // outlives this. kConflict when another process serves the interface.
  static Result<UapiServer> open(const std::string& folder, const std::string& interface,
                                 os::Poller& poller, std::uint64_t first_token, Handler handler);
  UapiServer(UapiServer&&) noexcept = default;
  UapiServer& operator=(UapiServer&&) = delete;
  // Removes the socket file.
  ~UapiServer();

  bool owns(std::uint64_t token) const {
    return token >= first_token_ && token <= first_token_ + kMaxConnections + 1;
  }
  void handle(const os::Poller::Event& event);
  // Somebody took the socket file away, which is how wg-quick(8) ends what serves an interface
  // where interfaces cannot be deleted. Never on a machine that has no inotify left.
  bool is_removed() const { return is_removed_; }

 private:
  struct Connection {
    os::Fd fd;
    SecretText request;  // what was read and not answered
    SecretText answer;   // what is being written
    std::size_t written = 0;
  };

  UapiServer(os::Fd listener, os::Fd reserve, std::string path, os::Poller& poller,
             std::uint64_t first_token, Handler handler);

  void watch();
  void look_at_file();
  void accept();
  void make_way();
  void serve(Connection& connection, std::uint64_t token);
  // False when the connection is done for.
  bool read_request(Connection& connection);
  bool write_answer(Connection& connection);
  void answer_request(Connection& connection);
  void close(Connection& connection);

  os::Fd listener_;
  os::Fd reserve_;
  std::string path_;
  os::Poller* poller_;
  std::uint64_t first_token_;
  Handler handler_;
  std::optional<os::FileWatch> watch_;
  bool is_removed_ = false;
  std::array<Connection, kMaxConnections> connections_;
};

}  // namespace sinew::dataplane
