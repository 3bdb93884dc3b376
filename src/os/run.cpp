#include "os/run.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "os/clock.h"
#include "os/poll.h"

namespace sinew::os {
namespace {

constexpr std::size_t kReadSize = 16 << 10;
// More than a pipe holds. What the program wrote is in the pipe when it ends; only somebody it left
// behind can go on writing.
constexpr int kReadsAfterEnd = 64;

// One output: its pipe until the end is seen, and what came out of it.
struct Capture {
  Fd& pipe;
  std::string& text;
  std::size_t limit;
  bool& is_cut;

  // Takes one piece; false when there is none now or ever.
  Result<bool> read() {
    std::array<std::uint8_t, kReadSize> room;
    if (!pipe.is_open()) return false;
    const std::optional<std::size_t> size = TRY(read_some(pipe, room));
    if (size == 0) pipe.close();
    if (size.value_or(0) == 0) return false;
    const std::size_t kept = std::min(*size, limit - text.size());
    text += as_text(ByteView(room).first(kept));
    if (kept < *size) is_cut = true;
    return true;
  }

  Result<> read_rest() {
    for (int i = 0; i < kReadsAfterEnd && TRY(read()); ++i)
      continue;
    return {};
  }
};

// A program may well end or close its input without reading all of it.
void feed(Fd& pipe, std::string_view& input) {
  const auto size = write_some(pipe, as_bytes(input));
  if (size) input.remove_prefix(size->value_or(0));
  if (!size || input.empty()) pipe.close();
}

Result<> exchange(Child& child, std::string_view input, Capture& out, Capture& err,
                  MonoTime deadline) {
  while (true) {
    // poll skips negative descriptors, which is what a closed one has.
    std::array<pollfd, 4> fds{{{child.in().get(), POLLOUT, 0},
                               {child.out().get(), POLLIN, 0},
                               {child.err().get(), POLLIN, 0},
                               {child.pidfd().get(), POLLIN, 0}}};
    TRY(poll_until(fds, deadline));
    if (fds[3].revents != 0) break;
    // Asked of the clock: a program that always has something to say is never waited for.
    if (SystemClock().now() >= deadline) {
      return Error{ErrorKind::kTimeout, "still running at its time limit"};
    }
    if (fds[0].revents != 0) feed(child.in(), input);
    if (fds[1].revents != 0) TRY(out.read());
    if (fds[2].revents != 0) TRY(err.read());
  }
  TRY(out.read_rest());
  return err.read_rest();
}

Result<RunOutcome> run_child(Child child, std::string_view input, RunLimits limits) {
  const MonoTime deadline = SystemClock().now() + limits.time;
  RunOutcome outcome;
  Capture out{child.out(), outcome.out, limits.out_size, outcome.is_cut};
  Capture err{child.err(), outcome.err, limits.err_size, outcome.is_cut};
  for (Fd* fd : {&child.in(), &child.out(), &child.err()}) {
    if (fd->is_open()) TRY(set_non_blocking(*fd));
  }
  TRY(exchange(child, input, out, err, deadline));
  outcome.status = TRY(child.wait(Duration::zero()));
  return outcome;
}

}  // namespace

Result<RunOutcome> run(ChildOptions options, std::string_view input, RunLimits limits) {
  options.in = input.empty() ? Stdio::null() : Stdio::pipe();
  options.out = Stdio::pipe();
  options.err = Stdio::pipe();
  Child child = TRY(Child::spawn(options));
  auto outcome = run_child(std::move(child), input, limits);
  if (!outcome) return std::move(outcome).error().while_doing("run " + options.argv[0]);
  return outcome;
}

Result<std::string> run_checked(ChildOptions options, std::string_view input, RunLimits limits) {
  const std::string name = options.argv.front();
  RunOutcome outcome = TRY(run(std::move(options), input, limits));
  if (outcome.status.succeeded()) return std::move(outcome.out);
  std::string message = "run " + name + ": " + outcome.status.to_string();
  const std::string first_line = outcome.err.substr(0, outcome.err.find('\n'));
  if (!first_line.empty()) message += ": " + escape_for_terminal(first_line);
  return Error{ErrorKind::kUnavailable, std::move(message)};
}

}  // namespace sinew::os
