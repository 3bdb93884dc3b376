#include "os/exec.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/verify.h"

namespace sinew::os {
namespace {

constexpr int kFirstPrivateFd = 3;

[[noreturn]] void fail(const ExecPlan& plan, ExecStep step) {
  const ExecFailure failure{step, errno};
  // A report that cannot be written leaves nothing to do; the parent then sees exit code 127.
  if (::write(plan.report, &failure, sizeof failure) < 0) ::_exit(127);
  ::_exit(127);
}

bool enter_group(const ExecPlan& plan) {
  if (plan.controlling_terminal) return ::setsid() >= 0;
  if (plan.own_group) return ::setpgid(0, 0) == 0;
  return true;
}

bool set_limits(const ExecPlan& plan) {
  for (const ResourceLimit& limit : plan.limits) {
    const rlimit both{limit.value, limit.value};
    // The glibc prototype takes an enum in C++ and an int elsewhere; the call itself takes numbers.
    if (::syscall(SYS_prlimit64, 0, limit.resource, &both, nullptr) != 0) return false;
  }
  return true;
}

// Sources are moved out of the way first: one of them may itself be numbered 0, 1 or 2.
bool place_stdio(const ExecPlan& plan) {
  int moved[3];
  for (int i = 0; i < 3; ++i) {
    moved[i] = ::fcntl(plan.stdio[i], F_DUPFD_CLOEXEC, kFirstPrivateFd);
    if (moved[i] < 0) return false;
  }
  for (int i = 0; i < 3; ++i) {
    if (::dup2(moved[i], i) < 0) return false;
  }
  return true;
}

// The kernel takes them away from who was root. A service without root that holds some, ambient
// ones above all, would hand them on.
bool clear_capabilities() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  return ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 &&
         ::syscall(SYS_capset, &header, none) == 0;
}

// Raw system calls: the glibc functions try to change every thread of the program we were.
bool change_credentials(const ExecPlan& plan) {
  const Credentials& who = *plan.credentials;
  if (::syscall(SYS_setgroups, who.groups.size(), who.groups.data()) != 0) return false;
  if (::syscall(SYS_setresgid, who.gid, who.gid, who.gid) != 0) return false;
  if (::syscall(SYS_setresuid, who.uid, who.uid, who.uid) != 0) return false;
  if (who.uid != 0 && !clear_capabilities()) return false;
  return plan.may_gain_privileges || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

bool set_death_signal(const ExecPlan& plan) {
  if (::prctl(PR_SET_PDEATHSIG, plan.death_signal) != 0) return false;
  if (::getppid() == plan.parent) return true;
  errno = ESRCH;  // the parent died before the kernel knew that we care
  return false;
}

// What the program ignored, such as SIGPIPE, would stay ignored across exec.
void reset_signals() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number)
    ::sigaction(number, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

std::string_view name_of(ExecStep step) {
  switch (step) {
    case ExecStep::kGroup: return "make a process group";
    case ExecStep::kTerminal: return "take the terminal";
    case ExecStep::kNamespace: return "enter the network namespace";
    case ExecStep::kLimits: return "set resource limits";
    case ExecStep::kStdio: return "set up standard input and output";
    case ExecStep::kCredentials: return "change user";
    case ExecStep::kDirectory: return "enter the working directory";
    case ExecStep::kDeathSignal: return "follow the parent";
    case ExecStep::kExec: return "execute";
  }
  VERIFY_NOT_REACHED();
}

void become_program(const ExecPlan& plan) {
  if (!enter_group(plan)) fail(plan, ExecStep::kGroup);
  if (plan.network_namespace >= 0 && ::setns(plan.network_namespace, CLONE_NEWNET) != 0) {
    fail(plan, ExecStep::kNamespace);
  }
  if (!set_limits(plan)) fail(plan, ExecStep::kLimits);
  if (!place_stdio(plan)) fail(plan, ExecStep::kStdio);
  if (plan.controlling_terminal && ::ioctl(0, TIOCSCTTY, 0) != 0) fail(plan, ExecStep::kTerminal);
  if (plan.credentials != nullptr && !change_credentials(plan)) {
    fail(plan, ExecStep::kCredentials);
  }
  // As the new user, who may not see what we see.
  if (plan.directory != nullptr && ::chdir(plan.directory) != 0) fail(plan, ExecStep::kDirectory);
  // Behind the change of user, which clears it.
  if (plan.death_signal != 0 && !set_death_signal(plan)) fail(plan, ExecStep::kDeathSignal);
  // Ours are close-on-exec already; this is for descriptors opened inside libraries. Kernels before
  // 5.11 refuse the flag, and then those stay.
  ::syscall(SYS_close_range, kFirstPrivateFd, ~0U, CLOSE_RANGE_CLOEXEC);
  reset_signals();
  ::execve(plan.program, plan.argv, plan.environment);
  fail(plan, ExecStep::kExec);
}

}  // namespace sinew::os
