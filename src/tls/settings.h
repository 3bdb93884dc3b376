// What a Context keeps for its connections beside what OpenSSL keeps. Internal to tls.
#pragma once

#include "base/bytes.h"
#include "tls/context.h"

namespace sinew::tls {

struct Context::Settings {
  bool is_server = false;
  Trust trust = Trust::anyone();  // of a client
  Bytes protocols;                // as they go over the wire: each behind its length
};

}  // namespace sinew::tls
