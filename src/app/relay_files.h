// The files of `sinew relay`: its key and certificate, which it makes when they are missing, and
// the lists of whom it admits. One thread; blocks on the disk.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/rng.h"
#include "crypto/x25519.h"
#include "relay/frames.h"
#include "tls/certificate.h"

namespace sinew::app {

// FOLDER/relay.key: the private key in base64. Made on the first start; a damaged one is an error,
// because clients know the relay by it.
Result<crypto::X25519PrivateKey> load_relay_key(const std::string& folder, Rng& rng);

// FOLDER/relay.crt and relay.crt.key: made on the first start.
Result<tls::CertificateAndKey> load_relay_certificate(const std::string& folder);
Result<tls::CertificateAndKey> read_certificate(const std::string& certificate_file,
                                                const std::string& key_file);

// A node's key a line, in base64; empty lines and those that begin with # are skipped.
Result<std::set<relay::NodeKey>> parse_node_keys(std::string_view text);

}  // namespace sinew::app
