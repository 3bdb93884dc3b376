#include "os/user.h"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/verify.h"
#include "os/error.h"

namespace sinew::os {
namespace {

// More than any entry needs; a directory that sends more is broken.
constexpr std::size_t kEntrySize = 64 << 10;
constexpr std::size_t kMaxGroups = 4096;

Result<std::vector<gid_t>> groups_of(const char* name, gid_t primary) {
  std::vector<gid_t> groups(kMaxGroups);
  int count = static_cast<int>(groups.size());
  if (::getgrouplist(name, primary, groups.data(), &count) < 0) {
    return Error{ErrorKind::kOverloaded, "look up groups of " + std::string(name) + ": more than " +
                                             std::to_string(kMaxGroups)};
  }
  groups.resize(static_cast<std::size_t>(count));
  return groups;
}

// `lookup` is getpwnam_r or getpwuid_r with its key filled in.
template <typename Lookup>
Result<User> look_up(const std::string& key, Lookup lookup) {
  std::vector<char> room(kEntrySize);
  passwd entry;
  passwd* found = nullptr;
  if (const int number = lookup(&entry, room.data(), room.size(), &found); number != 0) {
    return system_error("look up user " + key, number);
  }
  if (found == nullptr) return Error{ErrorKind::kNotFound, "look up user " + key + ": unknown"};
  return User{.name = found->pw_name,
              .home = found->pw_dir,
              .shell = found->pw_shell,
              .credentials = {.uid = found->pw_uid,
                              .gid = found->pw_gid,
                              .groups = TRY(groups_of(found->pw_name, found->pw_gid))}};
}

bool is_now(const Credentials& who) {
  std::array<uid_t, 3> uids;
  std::array<gid_t, 3> gids;
  VERIFY(::getresuid(&uids[0], &uids[1], &uids[2]) == 0);
  VERIFY(::getresgid(&gids[0], &gids[1], &gids[2]) == 0);
  return std::ranges::all_of(uids, [&](uid_t uid) { return uid == who.uid; }) &&
         std::ranges::all_of(gids, [&](gid_t gid) { return gid == who.gid; });
}

}  // namespace

Result<User> find_user(const std::string& name) {
  return look_up(name, [&](passwd* entry, char* room, std::size_t size, passwd** found) {
    return ::getpwnam_r(name.c_str(), entry, room, size, found);
  });
}

Result<User> find_user(uid_t uid) {
  return look_up(std::to_string(uid),
                 [&](passwd* entry, char* room, std::size_t size, passwd** found) {
                   return ::getpwuid_r(uid, entry, room, size, found);
                 });
}

Result<gid_t> find_group(const std::string& name) {
  std::vector<char> room(kEntrySize);
  group entry;
  group* found = nullptr;
  const int number = ::getgrnam_r(name.c_str(), &entry, room.data(), room.size(), &found);
  if (number != 0) return system_error("look up group " + name, number);
  if (found == nullptr) return Error{ErrorKind::kNotFound, "look up group " + name + ": unknown"};
  return found->gr_gid;
}

Result<> drop_privileges(const Credentials& who) {
  if (who.uid == 0 || who.gid == 0 || std::ranges::count(who.groups, gid_t{0}) > 0) {
    return Error{ErrorKind::kInvalid, "drop privileges: the user or a group of it is root"};
  }
  // In this order: without the user id of root none of the others may be changed.
  if (::setgroups(who.groups.size(), who.groups.data()) != 0) return system_error("set groups");
  if (::setresgid(who.gid, who.gid, who.gid) != 0) return system_error("change group");
  if (::setresuid(who.uid, who.uid, who.uid) != 0) return system_error("change user");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return system_error("set no_new_privs");
  if (!is_now(who) || ::setresuid(0, 0, 0) == 0 || ::setresgid(0, 0, 0) == 0) {
    return Error{ErrorKind::kInternal, "drop privileges: there is a way back"};
  }
  return {};
}

}  // namespace sinew::os
