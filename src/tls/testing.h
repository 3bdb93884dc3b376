// What the tests of this module share: identities, and a peer made of bare OpenSSL that does what
// ours never would.
#pragma once

#include <doctest/doctest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tls/context.h"
#include "tls/engine.h"
#include "tls/openssl.h"

namespace sinew::tls {

// The same one for every test.
inline const CertificateAndKey& identity() {
  static const std::vector<std::string> kNames = {"relay.example", "10.1.2.3"};
  static const CertificateAndKey kIdentity = make_self_signed(kNames).value();
  return kIdentity;
}
inline Fingerprint pin() {
  return fingerprint(identity().certificate).value();
}

// An identity whose dates are all in the past.
inline CertificateAndKey expired_identity() {
  const BioPtr text = open_text(identity().certificate);
  const CertificatePtr certificate = next_certificate(*text).value();
  const BioPtr key_text = open_text(identity().key.expose_text());
  const KeyPtr key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
  REQUIRE(ASN1_TIME_set_string(X509_getm_notAfter(certificate.get()), "710101000000Z") == 1);
  REQUIRE(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
  const BioPtr out(BIO_new(BIO_s_mem()));
  REQUIRE(PEM_write_bio_X509(out.get(), certificate.get()) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return {.certificate = std::string(data, static_cast<std::size_t>(size)),
          .key = identity().key.clone()};
}

// A client or server of bare OpenSSL, as permissive as it can be made.
class BarePeer {
 public:
  enum class Role { kClient, kServer };

  BarePeer(Role role, int highest_version, const char* ciphers = "ALL:@SECLEVEL=0")
      : context_(SSL_CTX_new(TLS_method())) {
    SSL_CTX_set_security_level(context_.get(), 0);
    REQUIRE(SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION) == 1);
    REQUIRE(SSL_CTX_set_max_proto_version(context_.get(), highest_version) == 1);
    REQUIRE(SSL_CTX_set_cipher_list(context_.get(), ciphers) == 1);
    if (role == Role::kServer) use_identity();
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    BIO_set_mem_eof_return(SSL_get_rbio(ssl_.get()), -1);
    if (role == Role::kServer) {
      SSL_set_accept_state(ssl_.get());
    } else {
      SSL_set_connect_state(ssl_.get());
    }
  }

  SSL* ssl() { return ssl_.get(); }

  void feed(ByteView wire) {
    BIO_write(SSL_get_rbio(ssl_.get()), wire.data(), static_cast<int>(wire.size()));
  }
  Bytes take_output() {
    BIO* wire = SSL_get_wbio(ssl_.get());
    Bytes out(BIO_ctrl_pending(wire));
    if (!out.empty()) BIO_read(wire, out.data(), static_cast<int>(out.size()));
    return out;
  }

  // Until neither side has anything to say; the engine's error, if it had one.
  Result<> shake_hands(Engine& engine, Bytes& plaintext) {
    for (int turn = 0; turn < 10; ++turn) {
      ERR_clear_error();
      SSL_do_handshake(ssl_.get());
      const Result<> fed = engine.feed(take_output(), plaintext);
      feed(engine.take_output());
      if (!fed) return fed;
    }
    return {};
  }
  std::string read() {
    char room[1000];
    ERR_clear_error();
    const int size = SSL_read(ssl_.get(), room, sizeof room);
    return size > 0 ? std::string(room, static_cast<std::size_t>(size)) : std::string();
  }

 private:
  void use_identity() {
    const BioPtr text = open_text(identity().certificate);
    const CertificatePtr certificate = next_certificate(*text).value();
    const BioPtr key_text = open_text(identity().key.expose_text());
    const KeyPtr key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
    REQUIRE(SSL_CTX_use_certificate(context_.get(), certificate.get()) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(context_.get(), key.get()) == 1);
  }

  std::unique_ptr<SSL_CTX, FreeWith<SSL_CTX_free>> context_;
  std::unique_ptr<SSL, FreeWith<SSL_free>> ssl_;
};

}  // namespace sinew::tls
