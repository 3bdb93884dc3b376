#include "app/cleanup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/verify.h"
#include "os/error.h"

namespace sinew::app {
namespace {

// NAME.0123456789abcdef.tmp, as os::write_file names what it has not finished.
bool is_half_written(std::string_view name) {
  constexpr std::string_view kEnd = ".tmp";
  constexpr std::size_t kDigits = 16;
  if (!name.ends_with(kEnd)) return false;
  name.remove_suffix(kEnd.size());
  if (name.size() <= kDigits + 1 || name[name.size() - kDigits - 1] != '.') return false;
  return std::ranges::all_of(name.substr(name.size() - kDigits), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

bool is_socket(const std::string& path) {
  struct stat facts{};
  return ::lstat(path.c_str(), &facts) == 0 && S_ISSOCK(facts.st_mode);
}

Result<std::vector<std::string>> names_in(const std::string& folder) {
  std::error_code fault;
  std::vector<std::string> names;
  for (auto entry = std::filesystem::directory_iterator(folder, fault);
       !fault && entry != std::filesystem::directory_iterator(); entry.increment(fault)) {
    names.push_back(entry->path().filename().string());
  }
  if (fault) return os::system_error("read " + folder, fault.value());
  std::ranges::sort(names);
  return names;
}

}  // namespace

Result<std::vector<std::string>> remove_leftovers(const node::StateFolder& folder,
                                                  const os::Fd& lock) {
  VERIFY(lock.is_open());
  std::vector<std::string> removed;
  for (const std::string& place : {folder.path(), folder.file("nucleus")}) {
    const auto names = names_in(place);
    if (!names && names.error().kind == ErrorKind::kNotFound) continue;
    if (!names) return names.error();
    for (const std::string& name : *names) {
      const std::string path = place + "/" + name;
      const bool is_leftover =
          is_half_written(name) || (path == folder.control_socket() && is_socket(path));
      if (!is_leftover) continue;
      if (::unlink(path.c_str()) != 0) return os::system_error("remove " + path);
      removed.push_back(path);
    }
  }
  return removed;
}

}  // namespace sinew::app
