// How the connections of one kind are secured: made once, shared by many.
//
// TLS 1.3, or 1.2 with an ephemeral key exchange and an authenticated cipher. No compression, no
// renegotiation, no resumption and no early data: what is off cannot be attacked, and a session
// costs no memory after its end. Servers do not ask for certificates; our protocols prove who the
// client is by its key inside.
//
// Any thread may use a Context once it is made; connections may outlive it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tls/certificate.h"

struct ssl_ctx_st;

namespace sinew::tls {

// Whose certificate a client accepts.
class Trust {
 public:
  // Signed by an authority that this machine trusts, valid now, and for the server's name.
  static Trust public_authorities() { return Trust(Kind::kPublic); }
  // The same with authorities of our own, as PEM.
  static Trust authorities(std::string pem);
  // This one certificate, whatever its names and dates say.
  static Trust pinned(const Fingerprint& fingerprint);
  // Any. Only for protocols that prove inside whom they talk to: it keeps watchers out, not
  // somebody in the middle.
  static Trust anyone() { return Trust(Kind::kAnyone); }

  enum class Kind { kPublic, kAuthorities, kPinned, kAnyone };
  Kind kind() const { return kind_; }
  const Fingerprint& pin() const { return pin_; }
  const std::string& pem() const { return pem_; }

 private:
  explicit Trust(Kind kind) : kind_(kind) {}

  Kind kind_;
  Fingerprint pin_{};
  std::string pem_;
};

// What is spoken inside (ALPN, RFC 7301), the best first, such as "http/1.1". Empty: not said.
using Protocols = std::vector<std::string>;

class Context {
 public:
  // kInvalid when the texts are no certificate and the key for it.
  static Result<Context> server(const CertificateAndKey& identity, const Protocols& protocols = {});
  static Result<Context> client(const Trust& trust, const Protocols& protocols = {});

  Context(Context&&) noexcept = default;
  Context& operator=(Context&&) noexcept = default;
  ~Context() = default;

 private:
  friend class Engine;
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  struct Settings;  // what connections go on to need

  Context() = default;
  static Result<Context> create(Settings settings);

  std::unique_ptr<ssl_ctx_st, Free> library_;
  std::shared_ptr<Settings> settings_;  // not changed once the Context is made
};

}  // namespace sinew::tls
