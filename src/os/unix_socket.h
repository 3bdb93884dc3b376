// Local sockets with a name in the file system. Who may connect is decided by the mode of the
// socket file; who did connect is told by the kernel. Any thread.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "os/fd.h"

namespace sinew::os {

// The process on the other side of a connection, as it was when it connected.
struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

// A listening stream socket whose file has exactly `mode`, such as 0600 or 0660. A file left behind
// by a process that is gone is replaced; kConflict when somebody listens there, or when the file is
// not a socket. The file stays when the descriptor is closed; the owner unlinks it. The umask of
// the process changes for a moment, so this is called before threads make files. Of two processes
// that replace the same file at the same moment the later one wins and the earlier one is cut off;
// who may be started twice holds a lock of its own.
Result<Fd> listen_unix(const std::string& path, mode_t mode);

// Never waits: kOverloaded when the listener's queue is full, kNotFound without a file,
// kUnavailable without a listener.
Result<Fd> connect_unix(const std::string& path);

Result<PeerCredentials> peer_credentials(const Fd& connection);

}  // namespace sinew::os
