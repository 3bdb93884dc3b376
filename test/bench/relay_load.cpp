// What `./dev bench relay` measures with: one flow through a relay that runs, as fast as it goes,
// and many clients that say nothing.
//
//     relay_load PID PORT [CLIENTS [SECONDS]]
//
// PID is the relay's process, whose processor time and memory are read from /proc.
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/ip.h"
#include "os/file.h"
#include "os/signal_fd.h"
#include "relayd/test_client.h"

using namespace sinew;
using namespace sinew::relayd::test;

namespace {

constexpr std::size_t kPacketBytes = 1'400;
constexpr std::size_t kClientsAtOnce = 50;
constexpr Duration kPace = 6ms;  // a client; the relay takes 200 a second from one address

struct Target {
  std::string pid;
  Endpoint endpoint;
};

std::string read(const std::string& path) {
  return os::read_file(path, 1 << 16).value();
}

Duration processor_time(const Target& target) {
  const std::string stat = read("/proc/" + target.pid + "/stat");
  // Behind the name, which is in brackets: fields 14 and 15 of the line, in ticks.
  std::string_view rest = std::string_view(stat).substr(stat.rfind(')') + 2);
  std::uint64_t ticks = 0;
  for (int field = 3; field <= 15; ++field) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    if (field >= 14) ticks += std::strtoull(std::string(rest.substr(0, end)).c_str(), nullptr, 10);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return ticks * Duration(1s) / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
}

double resident_mib(const Target& target) {
  const std::string status = read("/proc/" + target.pid + "/status");
  const std::size_t at = status.find("VmRSS:");
  return static_cast<double>(std::strtoull(status.c_str() + at + 6, nullptr, 10)) / 1024;
}

relay::Client::Config config() {
  os::SystemRng rng;
  return {.key = crypto::X25519PrivateKey::generate(rng), .host = "relay"};
}

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

void measure_flow(const Target& target, const tls::Context& context, Duration span) {
  TestClient sender(context, target.endpoint, config());
  TestClient receiver(context, target.endpoint, config());
  if (!sender.log_in() || !receiver.log_in()) {
    fmt::print(stderr, "relay_load: cannot log in\n");
    std::exit(1);
  }
  std::atomic<bool> is_over = false;
  std::thread reading([&] {
    while (!is_over)
      receiver.pump(5ms);
  });
  const os::SystemClock clock;
  const Bytes packet(kPacketBytes, 7);
  const MonoTime start = clock.now();
  const Duration busy_before = processor_time(target);
  while (clock.now() < start + span) {
    if (sender.socket.unsent() < (128U << 10)) {
      for (int i = 0; i < 40; ++i)
        static_cast<void>(sender.client.send(receiver.key, packet));
    }
    sender.pump(0ms);
  }
  const Duration took = clock.now() - start;
  const Duration busy = processor_time(target) - busy_before;
  is_over = true;
  reading.join();
  const double bits = static_cast<double>(receiver.bytes) * 8;
  fmt::print("flow      {:.2f} Gb/s arrived, {:.0f} % of one core of the relay\n",
             bits / seconds(took) / 1e9, 100 * seconds(busy) / seconds(took));
  fmt::print("capacity  {:.2f} Gb/s for each core the relay fully uses\n",
             bits / seconds(busy) / 1e9);
}

void measure_idle(const Target& target, const tls::Context& context, std::size_t count) {
  const double before = resident_mib(target);
  const os::SystemClock clock;
  std::vector<std::unique_ptr<TestClient>> clients;
  std::size_t ready = 0;
  MonoTime next = clock.now();
  while (ready < count) {
    while (clients.size() < count && clients.size() < ready + kClientsAtOnce &&
           clock.now() >= next) {
      clients.push_back(std::make_unique<TestClient>(context, target.endpoint, config()));
      next = clock.now() + kPace;
    }
    for (std::size_t i = ready; i < clients.size(); ++i)
      clients[i]->pump(1ms);
    while (ready < clients.size() && clients[ready]->client.is_ready())
      ++ready;
  }
  const double after = resident_mib(target);
  fmt::print("idle      {} clients: {:.0f} MiB resident, {:.1f} KiB each\n", count, after,
             (after - before) * 1024 / static_cast<double>(count));
}

}  // namespace

int main(int count, char** words) {
  const std::span<char*> arguments(words, static_cast<std::size_t>(count));
  if (arguments.size() < 3) return 2;
  os::ignore_broken_pipes();
  const auto number = [&](std::size_t at, unsigned long otherwise) {
    return arguments.size() > at ? std::strtoul(arguments[at], nullptr, 10) : otherwise;
  };
  const Target target{.pid = arguments[1],
                      .endpoint = {.address = IpAddress::v4(127, 0, 0, 1),
                                   .port = static_cast<std::uint16_t>(number(2, 0))}};
  const auto context = tls::Context::client(tls::Trust::anyone());
  if (!context) return 1;
  measure_flow(target, *context, std::chrono::seconds(number(4, 5)));
  measure_idle(target, *context, number(3, 5'000));
  return 0;
}
