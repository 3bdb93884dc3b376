// UDP sockets beside WireGuard's own, which the path engine opens to get through a NAT that chooses
// another port for each destination. They are few at a time, live for seconds, and one of them may
// stay to carry a peer's packets. One thread.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "aio/datagram.h"
#include "aio/runtime.h"
#include "aio/task_group.h"
#include "base/ip.h"
#include "path/agent.h"

namespace sinew::node {

class SideSockets {
 public:
  class Listener {
   public:
    virtual void take_side_datagram(ByteView datagram, const path::Direct& from) = 0;

   protected:
    ~Listener() = default;
  };

  SideSockets(aio::Runtime& runtime, Listener& listener);
  ~SideSockets();

  // One that cannot be opened is left out.
  void open(const path::SocketsWanted& wanted);
  void close(const path::SocketsReleased& released);
  // At once; lost where there is no such socket, or no room.
  void send(const path::Direct& to, ByteView datagram);
  std::size_t size() const { return sockets_.size(); }
  aio::Task<> stop();

 private:
  struct Socket;

  aio::Task<> receive_all(std::unique_ptr<Socket> socket);

  aio::Runtime& runtime_;
  Listener& listener_;
  std::map<path::SocketNumber, Socket*> sockets_;  // of the tasks that receive from them
  Bytes room_;  // for what is being received, whichever socket it comes from
  aio::TaskGroup tasks_;
};

}  // namespace sinew::node
