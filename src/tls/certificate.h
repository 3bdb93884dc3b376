// Certificates that a machine makes for itself, and the fingerprints by which others know them.
//
// Nobody vouches for such a certificate, so its names and dates prove nothing and are not looked at
// by who pins it: it is valid from 1970 to 9999, so that no wrong clock is in the way. What counts
// is the key, which stays as long as the file does. Pure computation; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace sinew::tls {

// SHA-256 of a certificate as it goes over the wire (DER).
using Fingerprint = std::array<std::uint8_t, 32>;

// Both as PEM. The certificate may be followed by those that lead to a known authority.
struct CertificateAndKey {
  std::string certificate;
  SecretBytes key;
};

// A key on the curve P-256 and a certificate for it, for at least one name; a name that is an
// IP address is entered as one. The library draws the key itself, as it does for connections.
Result<CertificateAndKey> make_self_signed(std::span<const std::string> names);

// Of the first certificate in the text.
Result<Fingerprint> fingerprint(std::string_view certificate_pem);

}  // namespace sinew::tls
