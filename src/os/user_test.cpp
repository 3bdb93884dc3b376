#include "os/user.h"

#include <doctest/doctest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/skip.h"

namespace sinew::os {
namespace {

TEST_CASE("users and groups are found by name and by number") {
  const auto root = find_user("root");
  REQUIRE(root);
  CHECK(root->credentials.uid == 0);
  CHECK(root->home == "/root");
  CHECK(find_user(uid_t{0}).value().name == "root");
  CHECK(find_group("root").value() == 0);
  CHECK(find_user("no-such-user").error() ==
        Error{ErrorKind::kNotFound, "look up user no-such-user: unknown"});
  CHECK(find_group("no-such-group").error().kind == ErrorKind::kNotFound);
  CHECK(find_user(uid_t{3'999'999'999}).error().kind == ErrorKind::kNotFound);
}

// Runs in a process of its own; the exit code says which check failed.
int drop_and_try_to_return() {
  const Credentials who{.uid = 65534, .gid = 65533, .groups = {100}};
  if (!drop_privileges(who)) return 1;
  if (::geteuid() != 65534 || ::getegid() != 65533) return 2;
  gid_t group = 0;
  if (::getgroups(1, &group) != 1 || group != 100) return 3;
  if (::seteuid(0) == 0 || ::setegid(0) == 0) return 4;
  if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 5;
  if (::access("/etc/shadow", R_OK) == 0) return 6;
  return 0;
}

TEST_CASE("root is nobody to drop privileges to") {
  for (const Credentials& who : {Credentials{.uid = 0, .gid = 65533, .groups = {}},
                                 Credentials{.uid = 65534, .gid = 0, .groups = {}},
                                 Credentials{.uid = 65534, .gid = 65533, .groups = {100, 0}}}) {
    CHECK(drop_privileges(who).error() ==
          Error{ErrorKind::kInvalid, "drop privileges: the user or a group of it is root"});
  }
}

TEST_CASE("dropped privileges do not come back") {
  if (!test::is_root("dropping privileges")) return;
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(drop_and_try_to_return());
  int status = -1;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace sinew::os
