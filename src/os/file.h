// Whole files. Any thread; blocks on the disk.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sinew::os {

// The whole file; kOverloaded when it is larger than `limit` bytes.
Result<std::string> read_file(const std::string& path, std::size_t limit);

// Replaces the file, or makes it, in one step: whoever reads it, also after a crash or a power cut,
// sees the old content or the new, whole. On any error, such as a full disk, the old content stays
// and nothing is left behind. The new content is on the disk when this returns. The file has
// exactly `mode`, whatever the umask. A crash on the way leaves PATH.<16 hexadecimal digits>.tmp.
Result<> write_file(const std::string& path, std::string_view content, mode_t mode);

}  // namespace sinew::os
