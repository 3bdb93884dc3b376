#include "os/child.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/verify.h"
#include "os/clock.h"
#include "os/error.h"
#include "os/exec.h"
#include "os/poll.h"

namespace sinew::os {
namespace {

// glibc 2.36 declares it without C linkage. The kernel sets close-on-exec by itself.
int pidfd_open(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

Result<std::string> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = ::getenv("PATH");
  std::string_view rest = path == nullptr ? "/usr/bin:/bin" : path;
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    if (!folder.starts_with('/')) continue;  // "." and "" would depend on where we stand
    const std::string candidate = std::string(folder) + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return Error{ErrorKind::kNotFound, "not found in PATH"};
}

// The null-terminated array that exec takes. Points into `strings`.
std::vector<char*> pointers_to(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& string : strings) {
    // tidy: allow banned-calls (exec takes char*, and does not write)
    pointers.push_back(const_cast<char*>(string.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

// One standard descriptor: the child's end, and ours when it is a pipe.
struct StdioEnds {
  Fd opened;  // keeps `theirs` open where we made it
  int theirs = -1;
  Fd ours;
};

Result<StdioEnds> open_stdio(const Stdio& wanted, int number) {
  StdioEnds ends;
  switch (wanted.kind()) {
    case Stdio::Kind::kInherit: ends.theirs = number; return ends;
    case Stdio::Kind::kBorrowed: ends.theirs = wanted.borrowed(); return ends;
    case Stdio::Kind::kNull: ends.opened = TRY(open_file("/dev/null", O_RDWR)); break;
    case Stdio::Kind::kPipe: {
      Pipe pipe = TRY(open_pipe());
      const bool we_write = number == STDIN_FILENO;
      ends.opened = std::move(we_write ? pipe.read_end : pipe.write_end);
      ends.ours = std::move(we_write ? pipe.write_end : pipe.read_end);
      break;
    }
  }
  ends.theirs = ends.opened.get();
  return ends;
}

// The write end lies above the three standard numbers, which the child fills.
Result<Pipe> open_report_pipe() {
  Pipe pipe = TRY(open_pipe());
  Fd above(::fcntl(pipe.write_end.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!above.is_open()) return system_error("duplicate a descriptor");
  pipe.write_end = std::move(above);
  return pipe;
}

// No handler of ours may run in the child, where its world no longer exists.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    VERIFY(::pthread_sigmask(SIG_SETMASK, &all, &before_) == 0);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { VERIFY(::pthread_sigmask(SIG_SETMASK, &before_, nullptr) == 0); }

 private:
  sigset_t before_;
};

Result<pid_t> fork_into(const ExecPlan& plan) {
  const SignalsBlocked blocked;
  const pid_t pid = ::fork();
  if (pid == 0) become_program(plan);
  if (pid < 0) return system_error("fork");
  return pid;
}

// Waits for the child's exec. The pipe's end without a word means that it happened.
Result<> read_report(const Fd& report) {
  ExecFailure failure;
  const ByteSpan room(reinterpret_cast<std::uint8_t*>(&failure), sizeof failure);
  const std::optional<std::size_t> size = TRY(read_some(report, room));
  if (size == 0) return {};
  VERIFY(size == sizeof failure);
  if (failure.step == ExecStep::kExec) {
    return Error{kind_of_errno(failure.error), describe_errno(failure.error)};
  }
  return system_error(name_of(failure.step), failure.error);
}

}  // namespace

std::string ExitStatus::to_string() const {
  if (signal == 0) return "exited with " + std::to_string(code);
  const char* name = ::sigabbrev_np(signal);
  return "killed by " +
         (name == nullptr ? "signal " + std::to_string(signal) : "SIG" + std::string(name));
}

Result<Child> Child::spawn(const ChildOptions& options) {
  VERIFY(!options.argv.empty());
  auto child = start(options);
  if (!child) return std::move(child).error().while_doing("start " + options.argv[0]);
  return child;
}

Result<Child> Child::start(const ChildOptions& options) {
  const std::string program = TRY(find_program(options.argv[0]));
  const std::vector<char*> argv = pointers_to(options.argv);
  std::vector<char*> environment;
  if (options.environment) environment = pointers_to(*options.environment);
  StdioEnds in = TRY(open_stdio(options.in, STDIN_FILENO));
  StdioEnds out = TRY(open_stdio(options.out, STDOUT_FILENO));
  StdioEnds err = TRY(open_stdio(options.err, STDERR_FILENO));
  Pipe report = TRY(open_report_pipe());

  const std::string& folder = options.working_directory;
  const ExecPlan plan{
      .program = program.c_str(),
      .argv = argv.data(),
      .environment = options.environment ? environment.data() : ::environ,
      .directory = folder.empty() ? nullptr : folder.c_str(),
      .stdio = {in.theirs, out.theirs, err.theirs},
      .report = report.write_end.get(),
      .own_group = options.own_group,
      .controlling_terminal = options.controlling_terminal,
      .network_namespace = options.network_namespace,
      .limits = options.limits,
      .credentials = options.credentials ? &*options.credentials : nullptr,
      .may_gain_privileges = options.may_gain_privileges,
      .death_signal = options.death_signal.value_or(0),
      .parent = ::getpid(),
  };
  Child child(TRY(fork_into(plan)), options.own_group || options.controlling_terminal);
  report.write_end.close();
  TRY(read_report(report.read_end));
  child.pidfd_ = Fd(pidfd_open(child.pid_));
  if (!child.pidfd_.is_open()) return system_error("open a process descriptor");
  child.in_ = std::move(in.ours);
  child.out_ = std::move(out.ours);
  child.err_ = std::move(err.ours);
  return child;
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      own_group_(other.own_group_),
      pidfd_(std::move(other.pidfd_)),
      in_(std::move(other.in_)),
      out_(std::move(other.out_)),
      err_(std::move(other.err_)) {}

Child& Child::operator=(Child&& other) noexcept {
  if (this == &other) return *this;
  end();
  pid_ = std::exchange(other.pid_, -1);
  own_group_ = other.own_group_;
  pidfd_ = std::move(other.pidfd_);
  in_ = std::move(other.in_);
  out_ = std::move(other.out_);
  err_ = std::move(other.err_);
  return *this;
}

Child::~Child() {
  end();
}

Result<ExitStatus> Child::wait(Duration limit) {
  pollfd ended{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  if (!TRY(poll_until({&ended, 1}, SystemClock().now() + limit))) {
    return Error{ErrorKind::kTimeout, "wait for a program: still running"};
  }
  // WNOWAIT leaves the zombie: as long as it is there its number, and its group's, stay ours.
  siginfo_t info{};
  const int waited = retry_interrupted(
      [&] { return ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOWAIT); });
  if (waited != 0) return system_error("wait for a program");
  if (info.si_code == CLD_EXITED) return ExitStatus{.code = info.si_status};
  return ExitStatus{.signal = info.si_status};
}

Result<> Child::signal(int number) {
  if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0) == 0 || errno == ESRCH)
    return {};
  return system_error("signal a program");
}

Result<> Child::signal_group(int number) {
  if (!own_group_) return signal(number);
  if (::kill(-pid_, number) == 0 || errno == ESRCH) return {};
  return system_error("signal a process group");
}

// SIGKILL cannot fail for a child of ours, except one that changed its user; that one is waited
// for as long as it takes.
void Child::end() {
  if (pid_ < 0) return;
  if (own_group_) ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);  // also when it moved to another group
  retry_interrupted([this] { return ::waitpid(pid_, nullptr, 0); });
  pid_ = -1;
}

}  // namespace sinew::os
