// Users of this machine, and becoming one of them for good. Lookups may block on the network when
// the machine has such a user directory. Any thread, except drop_privileges().
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace sinew::os {

// Who a process is to the kernel.
struct Credentials {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary

  friend bool operator==(const Credentials&, const Credentials&) = default;
};

struct User {
  std::string name;
  std::string home;
  std::string shell;
  Credentials credentials;
};

// kNotFound when there is no such user.
Result<User> find_user(const std::string& name);
Result<User> find_user(uid_t uid);
// The number of a group, for the owner of a socket.
Result<gid_t> find_group(const std::string& name);

// Turns this whole process into `who`, for good: real, effective and saved ids, groups, no
// capabilities, no_new_privs. Checks afterwards that there is no way back. After an error the
// process is neither one nor the other and has to end. kInvalid, before anything has changed, when
// the user or one of the groups is root's.
Result<> drop_privileges(const Credentials& who);

}  // namespace sinew::os
