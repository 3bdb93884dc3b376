#include "os/error.h"

#include <cctype>
#include <cstring>

namespace sinew::os {

ErrorKind kind_of_errno(int number) {
  switch (number) {
    case EACCES:
    case EPERM:
    case EROFS: return ErrorKind::kDenied;
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case ENXIO: return ErrorKind::kNotFound;
    case EEXIST:
    case EADDRINUSE:
    case EBUSY:
    case ENOTEMPTY:
    case ETXTBSY: return ErrorKind::kConflict;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case ENOSPC:
    case EDQUOT: return ErrorKind::kOverloaded;
    case ETIMEDOUT: return ErrorKind::kTimeout;
    case EAGAIN:
    case EIO:
    case EPIPE:
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL: return ErrorKind::kUnavailable;
    case ENOSYS:
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case ENOPROTOOPT: return ErrorKind::kUnsupported;
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case EXDEV:
    case EMSGSIZE:
    case EFBIG:
    case E2BIG:
    case ENOEXEC: return ErrorKind::kInvalid;
    default: return ErrorKind::kInternal;
  }
}

std::string describe_errno(int number) {
  const char* known = ::strerrordesc_np(number);
  if (known == nullptr) return "error " + std::to_string(number);
  std::string text = known;
  // "RFS specific error" keeps its capitals.
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

Error system_error(std::string_view what, int number) {
  return {kind_of_errno(number), std::string(what) + ": " + describe_errno(number)};
}

}  // namespace sinew::os
