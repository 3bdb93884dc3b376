// Streams over sockets of the kernel, TCP or local.
#pragma once

#include <memory>
#include <string>

#include "aio/runtime.h"
#include "aio/stream.h"
#include "base/ip.h"
#include "os/fd.h"

namespace sinew::aio {

// A Stream over a connected socket, which it owns from now on.
Result<std::unique_ptr<Stream>> adopt_socket(Runtime& runtime, os::Fd socket);

// The error names the endpoint. There is no time limit but the kernel's, of minutes: see
// with_timeout.
Task<Result<std::unique_ptr<Stream>>> connect_tcp(Runtime& runtime, Endpoint remote);
Task<Result<std::unique_ptr<Stream>>> connect_unix(Runtime& runtime, std::string path);

}  // namespace sinew::aio
