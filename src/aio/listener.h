// Accepts connections.
//
// When the program runs out of descriptors the listener still has one in reserve: it uses it to
// take the connection and drop it at once, so that the caller learns quickly and the loop does not
// spin on a connection it can never take. Such drops are counted.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "aio/readiness.h"
#include "aio/runtime.h"
#include "aio/stream.h"
#include "base/ip.h"
#include "os/unix_socket.h"

namespace sinew::aio {

struct Accepted {
  std::unique_ptr<Stream> stream;
  Endpoint peer;                               // TCP
  std::optional<os::PeerCredentials> process;  // local
};

class Listener {
 public:
  // Port 0 lets the kernel choose; "::" takes IPv4 too.
  static Result<Listener> listen_tcp(Runtime& runtime, const Endpoint& local);
  // `path` as in os::listen_unix; the file is not removed at the end.
  static Result<Listener> listen_unix(Runtime& runtime, const std::string& path, mode_t mode);
  // A listening socket that was made elsewhere.
  static Result<Listener> adopt(Runtime& runtime, os::Fd socket);

  Result<Endpoint> local() const;

  // The next connection. Errors end the listening: cancelled(), closed(), or a broken socket.
  // Failures of a single connection do not come out.
  Task<Result<Accepted>> accept();
  void close();

  std::uint64_t dropped() const { return dropped_; }

 private:
  Listener(Runtime& runtime, os::Fd socket, os::Fd reserve, Readiness readiness);
  bool drop_one();

  Runtime* runtime_;
  os::Fd socket_;
  os::Fd reserve_;
  Readiness readiness_;  // dies before its descriptor
  std::uint64_t dropped_ = 0;
};

}  // namespace sinew::aio
