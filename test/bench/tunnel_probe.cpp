// tunnel_probe: the traffic of the tunnel benchmark (tunnel.py) that needs exact times or exact
// bytes. One program, both ends:
//
//   tunnel_probe serve ADDRESS               echoes, counts and verifies, until it is ended
//   tunnel_probe echo ENDPOINT SECONDS MICROSECONDS
//                                            round trips: MICROSECONDS apart whether answers come
//                                            or not, or 0: the next as soon as one is answered
//   tunnel_probe flood ENDPOINT SECONDS BYTES
//                                            datagrams of BYTES, one system call each, as many as
//                                            go
//   tunnel_probe transfer ENDPOINT MEBIBYTES a TCP stream whose every byte the server knows
//
// Each client prints one line of JSON. The server takes datagrams on kDatagramPort and streams on
// kStreamPort. Its answers to strangers are not bounded: it belongs into a namespace of its own.
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ip.h"
#include "os/clock.h"
#include "os/error.h"
#include "os/fd.h"
#include "os/poll.h"
#include "os/socket.h"

namespace {

using namespace sinew;

constexpr std::uint16_t kDatagramPort = 9998;
constexpr std::uint16_t kStreamPort = 9999;
constexpr std::size_t kEchoSize = 64;          // bytes of a round trip's datagram
constexpr std::size_t kBlockSize = 64 * 1024;  // of a verified stream
constexpr Duration kAnswerPatience = 500ms;    // then a round trip counts as lost
constexpr Duration kWarmUp = 100ms;            // round trips that are not noted
constexpr int kReportAttempts = 50;
constexpr std::size_t kReportSize = 16;  // datagrams that arrived, nanoseconds first to last
constexpr unsigned kBatch = 64;          // datagrams the server takes with one call
constexpr int kSocketBuffer = 8 << 20;

// A datagram begins with what it is, the run it belongs to and its number within the run.
enum class Kind : std::uint64_t { kEcho = 1, kFlood = 2, kReport = 3 };
struct Header {
  static constexpr std::size_t kSize = 24;
  Kind kind;
  std::uint64_t run;
  std::uint64_t number;

  void write(ByteSpan to) const {
    ByteWriter writer(to);
    writer.le(static_cast<std::uint64_t>(kind));
    writer.le(run);
    writer.le(number);
  }
  static Header read(ByteView bytes) {
    ByteReader reader(bytes);
    const auto kind = static_cast<Kind>(reader.le<std::uint64_t>());
    const auto run = reader.le<std::uint64_t>();
    return {kind, run, reader.le<std::uint64_t>()};
  }
};

// The bytes of a verified stream (xorshift64): cheap, and no two places look alike.
class Stream {
 public:
  explicit Stream(std::uint64_t seed) : state_(seed | 1) {}
  void fill(ByteSpan out) {
    for (std::size_t at = 0; at + 8 <= out.size(); at += 8) {
      state_ ^= state_ << 13;
      state_ ^= state_ >> 7;
      state_ ^= state_ << 17;
      store_le(out.data() + at, state_);
    }
  }

 private:
  std::uint64_t state_;
};

MonoTime now() {
  return os::SystemClock().now();
}

Result<os::Fd> blocking(Result<os::Fd> socket) {
  if (socket) TRY(os::set_non_blocking(*socket, false));
  return socket;
}

bool read_exactly(const os::Fd& socket, ByteSpan out) {
  while (!out.empty()) {
    const auto got = os::read_some(socket, out);
    if (!got || !*got || **got == 0) return false;
    out = out.subspan(**got);
  }
  return true;
}

// ---- the server ---------------------------------------------------------------------------------

// What arrived of a flood.
struct Tally {
  std::uint64_t run = 0;
  std::uint64_t arrived = 0;
  MonoTime first;
  MonoTime last;
};

class DatagramServer {
 public:
  explicit DatagramServer(os::Fd socket) : socket_(std::move(socket)) {
    for (unsigned i = 0; i < kBatch; ++i) {
      parts_[i] = {.iov_base = buffers_[i].data(), .iov_len = buffers_[i].size()};
      messages_[i].msg_hdr = {.msg_name = from_[i].get(),
                              .msg_namelen = from_[i].size,
                              .msg_iov = &parts_[i],
                              .msg_iovlen = 1,
                              .msg_control = nullptr,
                              .msg_controllen = 0,
                              .msg_flags = 0};
    }
  }

  void serve() {
    while (true) {
      for (unsigned i = 0; i < kBatch; ++i)
        messages_[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage);
      const int count =
          ::recvmmsg(socket_.get(), messages_.data(), kBatch, MSG_WAITFORONE, nullptr);
      const MonoTime arrival = now();
      for (int i = 0; i < count; ++i)
        take(static_cast<unsigned>(i), arrival);
    }
  }

 private:
  void take(unsigned index, MonoTime arrival) {
    const ByteSpan datagram = ByteSpan(buffers_[index]).first(messages_[index].msg_len);
    const Header header = Header::read(datagram);
    if (header.kind == Kind::kEcho) answer(index, datagram);
    if (header.kind == Kind::kFlood) count(header, arrival);
    if (header.kind == Kind::kReport) report(index, header);
  }

  void count(const Header& header, MonoTime arrival) {
    if (header.run != tally_.run) tally_ = {.run = header.run, .first = arrival, .last = arrival};
    ++tally_.arrived;
    tally_.last = arrival;
  }

  void report(unsigned index, const Header& header) {
    if (header.run != tally_.run) tally_ = {.run = header.run, .first = {}, .last = {}};
    std::array<std::uint8_t, kReportSize> bytes;
    store_le(bytes.data(), tally_.arrived);
    store_le(bytes.data() + 8, static_cast<std::uint64_t>((tally_.last - tally_.first).count()));
    answer(index, bytes);
  }

  void answer(unsigned index, ByteView bytes) {
    const msghdr& header = messages_[index].msg_hdr;
    ::sendto(socket_.get(), bytes.data(), bytes.size(), 0, from_[index].get(), header.msg_namelen);
  }

  os::Fd socket_;
  Tally tally_;
  std::array<std::array<std::uint8_t, 2048>, kBatch> buffers_;
  std::array<os::SocketAddress, kBatch> from_;
  std::array<iovec, kBatch> parts_;
  std::array<mmsghdr, kBatch> messages_{};
};

// Whether all of a stream arrived as it was sent: seed and size, then the bytes.
bool is_intact(const os::Fd& connection) {
  std::array<std::uint8_t, 16> head;
  if (!read_exactly(connection, head)) return false;
  Stream stream(load_le<std::uint64_t>(head.data()));
  Bytes got(kBlockSize);
  Bytes expected(kBlockSize);
  bool is_same = true;
  for (std::uint64_t left = load_le<std::uint64_t>(head.data() + 8); left >= kBlockSize;
       left -= kBlockSize) {
    if (!read_exactly(connection, got)) return false;
    stream.fill(expected);
    is_same = is_same && got == expected;
  }
  return is_same;
}

void serve_streams(const os::Fd& listener) {
  while (true) {
    const os::Fd connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection.is_open()) continue;
    const std::uint8_t verdict = is_intact(connection) ? 1 : 0;
    ::send(connection.get(), &verdict, 1, MSG_NOSIGNAL);
  }
}

Result<> serve(const IpAddress& address) {
  os::Fd datagrams = TRY(blocking(os::bind_udp({address, kDatagramPort})));
  const os::Fd listener = TRY(blocking(os::listen_tcp({address, kStreamPort})));
  ::setsockopt(datagrams.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer);
  std::printf("ready\n");
  std::fflush(stdout);
  const std::jthread streams([&] { serve_streams(listener); });
  DatagramServer(std::move(datagrams)).serve();
  return {};
}

// ---- the clients --------------------------------------------------------------------------------

Result<os::Fd> connect_udp(const Endpoint& server) {
  const auto any = server.address.is_v4() ? IpAddress::any_v4() : IpAddress::any_v6();
  os::Fd socket = TRY(blocking(os::bind_udp({any, 0})));
  const auto address = TRY(os::to_socket_address(server, os::family_of(socket)));
  if (::connect(socket.get(), address.get(), address.size) != 0)
    return os::system_error("connect to " + server.to_string());
  return socket;
}

Result<os::Fd> connect_tcp(const Endpoint& server) {
  os::Fd socket = TRY(os::start_connect_tcp(server));
  pollfd writable{.fd = socket.get(), .events = POLLOUT, .revents = 0};
  TRY(os::poll_until({&writable, 1}, now() + 5s));
  TRY(os::finish_connect(socket, server));
  TRY(os::set_non_blocking(socket, false));
  return socket;
}

// Round trips of one run. Every number is sent once; its time of sending is kept until it comes
// back.
class Echo {
 public:
  Echo(os::Fd socket, Duration interval)
      : socket_(std::move(socket)), interval_(interval), is_closed_loop_(interval == 0s) {}

  void run(Duration length) {
    const MonoTime begin = now();
    note_from_ = begin + kWarmUp;
    const MonoTime end = note_from_ + length;
    for (MonoTime next = begin; now() < end;) {
      send();
      next = is_closed_loop_ ? now() + kAnswerPatience : next + interval_;
      take_until(next, is_closed_loop_);
    }
    take_until(now() + kAnswerPatience, true);
  }

  void print() const {
    fmt::print("{{\"sent\": {}, \"microseconds\": [", counted_);
    for (std::size_t i = 0; i < microseconds_.size(); ++i)
      fmt::print("{}{:.2f}", i == 0 ? "" : ",", microseconds_[i]);
    fmt::print("]}}\n");
  }

 private:
  void send() {
    std::array<std::uint8_t, kEchoSize> datagram{};
    Header{Kind::kEcho, 0, sent_.size()}.write(datagram);
    const MonoTime time = now();
    sent_.push_back(time);
    if (time >= note_from_) ++counted_;
    // A refusal of the network is a loss like any other.
    ::send(socket_.get(), datagram.data(), datagram.size(), 0);
  }

  // A closed loop waits for the last one sent, others for all.
  bool is_answered() const {
    return is_closed_loop_ ? sent_.back() == MonoTime::never() : microseconds_.size() == counted_;
  }

  void take_until(MonoTime deadline, bool ends_when_answered) {
    pollfd readable{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    while (!(ends_when_answered && is_answered())) {
      if (!os::poll_until({&readable, 1}, deadline).value_or(false)) return;
      take();
    }
  }

  void take() {
    std::array<std::uint8_t, kEchoSize> datagram;
    const auto size = ::recv(socket_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT);
    const MonoTime arrival = now();
    if (size != static_cast<ssize_t>(kEchoSize)) return;
    const std::uint64_t number = Header::read(datagram).number;
    if (number >= sent_.size() || sent_[number] == MonoTime::never()) return;
    const MonoTime began = std::exchange(sent_[number], MonoTime::never());
    if (began >= note_from_)
      microseconds_.push_back(std::chrono::duration<double, std::micro>(arrival - began).count());
  }

  os::Fd socket_;
  Duration interval_;
  bool is_closed_loop_;
  MonoTime note_from_;
  std::vector<MonoTime> sent_;  // by number; never() once it came back
  std::vector<double> microseconds_;
  std::size_t counted_ = 0;  // sent and to be noted
};

Result<> echo(const Endpoint& server, Duration length, Duration interval) {
  Echo run(TRY(connect_udp(server)), interval);
  run.run(length);
  run.print();
  return {};
}

Result<> flood(const Endpoint& server, Duration length, std::size_t size) {
  const os::Fd socket = TRY(connect_udp(server));
  Bytes datagram(std::max(size, Header::kSize));
  const auto run = static_cast<std::uint64_t>(now().since_start().count());
  std::uint64_t sent = 0;
  for (const MonoTime end = now() + length; now() < end; ++sent) {
    Header{Kind::kFlood, run, sent}.write(datagram);
    ::send(socket.get(), datagram.data(), datagram.size(), 0);
  }
  // The question waits in the same queues, so its answer counts all that arrived before it.
  for (int i = 0; i < kReportAttempts; ++i) {
    Header{Kind::kReport, run, 0}.write(datagram);
    ::send(socket.get(), datagram.data(), Header::kSize, 0);
    pollfd readable{.fd = socket.get(), .events = POLLIN, .revents = 0};
    if (!TRY(os::poll_until({&readable, 1}, now() + kAnswerPatience))) continue;
    std::array<std::uint8_t, kReportSize> answer{};
    if (::recv(socket.get(), answer.data(), answer.size(), MSG_DONTWAIT) <= 0) continue;
    fmt::print("{{\"sent\": {}, \"arrived\": {}, \"nanoseconds\": {}}}\n", sent,
               load_le<std::uint64_t>(answer.data()), load_le<std::uint64_t>(answer.data() + 8));
    return {};
  }
  return Error{ErrorKind::kTimeout, "flood: the server did not say what arrived"};
}

Result<> transfer(const Endpoint& server, std::uint64_t mebibytes) {
  const os::Fd socket = TRY(connect_tcp(server));
  const auto seed = static_cast<std::uint64_t>(now().since_start().count());
  std::array<std::uint8_t, 16> head;
  store_le(head.data(), seed);
  store_le(head.data() + 8, mebibytes << 20);
  TRY(os::write_all(socket, head));
  Stream stream(seed);
  Bytes block(kBlockSize);
  for (std::uint64_t i = 0; i < (mebibytes << 20) / kBlockSize; ++i) {
    stream.fill(block);
    TRY(os::write_all(socket, block));
  }
  std::array<std::uint8_t, 1> verdict{};
  const bool has_answer = read_exactly(socket, verdict);
  fmt::print("{{\"intact\": {}}}\n", has_answer && verdict[0] == 1);
  return {};
}

// ---- the command line ---------------------------------------------------------------------------

Result<std::uint32_t> number(std::string_view text) {
  const auto value = parse_decimal(text, 1'000'000'000);
  if (!value) return Error{ErrorKind::kInvalid, "not a number: " + std::string(text)};
  return *value;
}

Result<> run(const std::vector<std::string>& words) {
  const std::string verb = words.empty() ? "" : words[0];
  if (verb == "serve" && words.size() == 2) return serve(TRY(IpAddress::parse(words[1])));
  if (verb == "transfer" && words.size() == 3)
    return transfer(TRY(Endpoint::parse(words[1])), TRY(number(words[2])));
  if ((verb == "echo" || verb == "flood") && words.size() == 4) {
    const Endpoint server = TRY(Endpoint::parse(words[1]));
    const Duration length = std::chrono::seconds(TRY(number(words[2])));
    const std::uint32_t last = TRY(number(words[3]));
    return verb == "echo" ? echo(server, length, std::chrono::microseconds(last))
                          : flood(server, length, last);
  }
  return Error{ErrorKind::kInvalid, "usage: tunnel_probe serve|echo|flood|transfer ..."};
}

}  // namespace

int main(int count, char** words) {
  const auto result = run(std::vector<std::string>(words + 1, words + count));
  if (result) return 0;
  fmt::print(stderr, "tunnel_probe: {}\n", result.error().message);
  return 1;
}
