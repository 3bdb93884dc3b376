// The child's side of Child::spawn: what happens between fork and exec. Everything here was
// prepared before the fork, because the child of a program with threads may neither allocate nor
// lock. Internal to os.
#pragma once

#include <span>

#include "os/child.h"

namespace sinew::os {

enum class ExecStep : int {
  kGroup,
  kTerminal,
  kNamespace,
  kLimits,
  kStdio,
  kCredentials,
  kDirectory,
  kDeathSignal,
  kExec,
};

std::string_view name_of(ExecStep step);

// What the child writes to `report` when it cannot become the program.
struct ExecFailure {
  ExecStep step;
  int error;
};

struct ExecPlan {
  const char* program;
  char* const* argv;
  char* const* environment;
  const char* directory;  // null: stay
  int stdio[3];
  int report;  // close-on-exec: the parent sees its end when exec succeeds
  bool own_group;
  bool controlling_terminal;
  int network_namespace;  // -1: stay
  std::span<const ResourceLimit> limits;
  const Credentials* credentials;  // null: stay
  bool may_gain_privileges;
  int death_signal;  // 0: none
  pid_t parent;
};

// Entered with all signals blocked. Ends in the program or in _exit after a report.
[[noreturn]] void become_program(const ExecPlan& plan);

}  // namespace sinew::os
