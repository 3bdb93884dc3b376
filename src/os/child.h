// Child processes. A Child is a running program that cannot get lost: whoever holds it can wait for
// it with a time limit, signal it without hitting a stranger, and when the Child dies its whole
// process group is killed and reaped. Nothing outlives it and no zombie stays, except what left the
// group on purpose, with setsid(2) or as a background job of an interactive shell.
//
// Programs are started from an argument list, never through a shell. Everything special about the
// new process is data in ChildOptions; the code between fork and exec only makes async-signal-safe
// calls, so that spawning from a program with threads is sound. A failure on the way, up to exec
// itself, is the Result of spawn() and names the step: "start /bin/x: enter network namespace:
// operation not permitted".
//
// The new process gets descriptors 0, 1 and 2 and no other, default signal handling and an empty
// signal mask. Any thread; one Child belongs to one thread at a time.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "os/fd.h"
#include "os/user.h"

namespace sinew::os {

// How a process ended: by itself with `code`, or by `signal` when that is not 0.
struct ExitStatus {
  int code = 0;
  int signal = 0;

  bool succeeded() const { return code == 0 && signal == 0; }
  std::string to_string() const;  // "exited with 3", "killed by SIGKILL"

  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

// Where one of the three standard descriptors leads.
class Stdio {
 public:
  static Stdio null() { return Stdio(Kind::kNull); }        // /dev/null
  static Stdio inherit() { return Stdio(Kind::kInherit); }  // ours
  static Stdio pipe() { return Stdio(Kind::kPipe); }        // Child holds the other end
  // A descriptor the caller keeps open until spawn() returns.
  static Stdio borrow(const Fd& fd) { return Stdio(Kind::kBorrowed, fd.get()); }

  enum class Kind { kNull, kInherit, kPipe, kBorrowed };
  Kind kind() const { return kind_; }
  int borrowed() const { return fd_; }

 private:
  explicit Stdio(Kind kind, int fd = -1) : kind_(kind), fd_(fd) {}

  Kind kind_;
  int fd_;
};

struct ResourceLimit {
  int resource;  // RLIMIT_...
  rlim_t value;  // soft and hard
};

struct ChildOptions {
  // The program and its arguments. A program without a slash is looked up in our PATH.
  std::vector<std::string> argv;
  // "NAME=value"; nothing means a copy of ours.
  std::optional<std::vector<std::string>> environment;
  std::string working_directory;  // empty: ours
  Stdio in = Stdio::null();
  Stdio out = Stdio::inherit();
  Stdio err = Stdio::inherit();

  // Without a group of its own the child gets our terminal's signals, and only itself is killed.
  bool own_group = true;
  // A session of its own with `in`, a terminal, as controlling terminal (os/pty.h).
  bool controlling_terminal = false;
  // setns(2) target, such as an open /run/netns/x; borrowed until spawn() returns.
  int network_namespace = -1;
  std::vector<ResourceLimit> limits;
  // Runs as somebody else, and without capabilities when that is not root.
  std::optional<Credentials> credentials;
  // Whether that somebody may rise again with setuid programs such as sudo: a login needs it,
  // nothing else should.
  bool may_gain_privileges = false;
  // Sent by the kernel when the *thread* that called spawn() ends, so that a crash leaves no
  // orphan.
  std::optional<int> death_signal;
};

class Child {
 public:
  // Returns when the program runs or has failed to start.
  static Result<Child> spawn(const ChildOptions& options);

  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  ~Child();

  // Valid for the life of the Child: the process is only reaped by the destructor.
  pid_t pid() const { return pid_; }
  // Becomes readable when the program ends.
  const Fd& pidfd() const { return pidfd_; }

  // Our ends of the descriptors that were asked for as pipes; blocking, closed by the caller.
  Fd& in() { return in_; }
  Fd& out() { return out_; }
  Fd& err() { return err_; }

  // The status once the program has ended; kTimeout when it has not within `limit`. May be called
  // again.
  Result<ExitStatus> wait(Duration limit);

  // To the program alone, and to its group. No error when it has ended already.
  Result<> signal(int number);
  Result<> signal_group(int number);

 private:
  Child(pid_t pid, bool own_group) : pid_(pid), own_group_(own_group) {}
  static Result<Child> start(const ChildOptions& options);
  void end();

  pid_t pid_;  // -1 when moved from
  bool own_group_;
  Fd pidfd_;
  Fd in_;
  Fd out_;
  Fd err_;
};

}  // namespace sinew::os
