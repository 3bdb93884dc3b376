#include "relayd/server.h"

#include <utility>

#include "relayd/loop.h"

namespace sinew::relayd {

Result<std::unique_ptr<Server>> Server::start(Options options, crypto::X25519PrivateKey key,
                                              tls::Context context, relay::Admission admission,
                                              const Clock& clock, const Log& log) {
  auto loop = TRY(Loop::create(std::move(options), std::move(key), std::move(context),
                               std::move(admission), clock, log));
  TRY(loop->start());
  return std::unique_ptr<Server>(new Server(std::move(loop)));
}

Server::Server(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
Server::~Server() = default;

std::optional<Endpoint> Server::tcp_endpoint() const {
  return loop_->tcp_endpoint();
}
std::optional<Endpoint> Server::udp_endpoint() const {
  return loop_->udp_endpoint();
}
const relay::NodeKey& Server::public_key() const {
  return loop_->public_key();
}

bool Server::adopt(os::Fd connection, const Endpoint& peer) {
  return loop_->post(Loop::Adopt{.connection = std::move(connection), .peer = peer});
}
bool Server::take_datagram(ByteView datagram, const Endpoint& from) {
  return loop_->post(
      Loop::Datagram{.bytes = Bytes(datagram.begin(), datagram.end()), .from = from});
}
bool Server::send_to_guest_stream(StreamId stream, Bytes bytes) {
  return loop_->post(Loop::GuestBytes{.stream = stream, .bytes = std::move(bytes)});
}
bool Server::close_guest_stream(StreamId stream) {
  return loop_->post(Loop::GuestClose{stream});
}
bool Server::set_admission(relay::Admission admission) {
  return loop_->post(std::move(admission));
}

Counters Server::counters() const {
  return loop_->counters();
}

void Server::stop() {
  loop_->stop();
}

}  // namespace sinew::relayd
