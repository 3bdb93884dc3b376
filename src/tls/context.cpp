#include "tls/context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <unistd.h>

#include <algorithm>

#include "base/verify.h"
#include "tls/openssl.h"
#include "tls/settings.h"

namespace sinew::tls {
namespace {

// TLS 1.2: forward secrecy and authenticated encryption only. All of TLS 1.3 has both.
constexpr const char* kCiphersOfTls12 = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr std::uint64_t kOff = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE;
constexpr int kSecurityLevel = 2;           // RSA from 2048 bits, curves from 224
constexpr long kMaxChainBytes = 32 * 1024;  // of certificates that a server sends
constexpr std::size_t kMaxProtocolBytes = 255;

// Where distributions keep the authorities. OpenSSL knows the place of the one it was built for.
constexpr const char* kAuthorityFiles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
};

Error library_failed(ErrorKind kind, std::string_view what) {
  return {kind, std::string(what) + ": " + take_library_error()};
}

Result<> restrict(SSL_CTX& context) {
  SSL_CTX_set_options(&context, kOff);
  // A connection that is idle holds no buffers, which are 33 KiB otherwise.
  SSL_CTX_set_mode(&context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(&context, kMaxChainBytes);
  SSL_CTX_set_security_level(&context, kSecurityLevel);
  const bool is_done = SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION) == 1 &&
                       SSL_CTX_set_cipher_list(&context, kCiphersOfTls12) == 1 &&
                       SSL_CTX_set_num_tickets(&context, 0) == 1 &&
                       SSL_CTX_set_max_early_data(&context, 0) == 1;
  if (!is_done) return library_failed(ErrorKind::kInternal, "set up TLS");
  return {};
}

Result<Bytes> on_the_wire(const Protocols& protocols) {
  Bytes out;
  for (const std::string& protocol : protocols) {
    if (protocol.empty() || protocol.size() > kMaxProtocolBytes)
      return Error{ErrorKind::kInvalid, "name of a protocol: 1 to 255 bytes"};
    out.push_back(static_cast<std::uint8_t>(protocol.size()));
    const ByteView name = as_bytes(protocol);
    out.insert(out.end(), name.begin(), name.end());
  }
  return out;
}

// Our first protocol that the client speaks; without one, nothing is said.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned offered_size, void* wire) {
  const Bytes& ours = *static_cast<const Bytes*>(wire);
  unsigned char* out = nullptr;
  const int outcome = SSL_select_next_proto(
      &out, size, ours.data(), static_cast<unsigned>(ours.size()), offered, offered_size);
  if (outcome != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *chosen = out;
  return SSL_TLSEXT_ERR_OK;
}

// No password is ever asked for at a terminal.
int refuse_password(char*, int, int, void*) {
  return -1;
}

Result<> use_identity(SSL_CTX& context, const CertificateAndKey& identity) {
  const BioPtr certificates = open_text(identity.certificate);
  const CertificatePtr leaf = TRY(next_certificate(*certificates));
  ERR_clear_error();
  if (SSL_CTX_use_certificate(&context, leaf.get()) != 1)
    return library_failed(ErrorKind::kInvalid, "certificate");
  while (const Result<CertificatePtr> further = next_certificate(*certificates)) {
    if (SSL_CTX_add1_chain_cert(&context, further->get()) != 1)
      return library_failed(ErrorKind::kInvalid, "certificate of an authority");
  }
  const BioPtr text = open_text(identity.key.expose_text());
  const KeyPtr key(PEM_read_bio_PrivateKey(text.get(), nullptr, refuse_password, nullptr));
  if (key == nullptr) return library_failed(ErrorKind::kInvalid, "private key");
  if (SSL_CTX_use_PrivateKey(&context, key.get()) != 1)
    return library_failed(ErrorKind::kInvalid, "private key");
  return {};
}

// Without any authority every connection is refused, with a reason that says so.
void trust_public(SSL_CTX& context) {
  SSL_CTX_set_default_verify_paths(&context);
  for (const char* file : kAuthorityFiles) {
    if (::access(file, R_OK) == 0 && SSL_CTX_load_verify_file(&context, file) == 1) break;
  }
  ERR_clear_error();
}

Result<> trust_these(SSL_CTX& context, const std::string& pem) {
  const BioPtr text = open_text(pem);
  Result<CertificatePtr> authority = next_certificate(*text);
  if (!authority) return authority.error();
  for (; authority; authority = next_certificate(*text)) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(&context), authority->get()) != 1)
      return library_failed(ErrorKind::kInvalid, "certificate of an authority");
  }
  return {};
}

// Whether the certificate is one we trust. That the server holds its key is proven apart from this,
// by a signature over the handshake.
int verify_server(X509_STORE_CTX* chain, void* argument) {
  const Trust& trust = *static_cast<const Trust*>(argument);
  if (trust.kind() == Trust::Kind::kAnyone) return 1;
  if (trust.kind() != Trust::Kind::kPinned) return X509_verify_cert(chain);
  const X509* certificate = X509_STORE_CTX_get0_cert(chain);
  if (certificate != nullptr && fingerprint_of(*certificate) == trust.pin()) return 1;
  X509_STORE_CTX_set_error(chain, X509_V_ERR_CERT_REJECTED);
  return 0;
}

}  // namespace

Trust Trust::authorities(std::string pem) {
  Trust trust(Kind::kAuthorities);
  trust.pem_ = std::move(pem);
  return trust;
}

Trust Trust::pinned(const Fingerprint& fingerprint) {
  Trust trust(Kind::kPinned);
  trust.pin_ = fingerprint;
  return trust;
}

void Context::Free::operator()(ssl_ctx_st* context) const {
  SSL_CTX_free(context);
}

Result<Context> Context::create(Settings settings) {
  ERR_clear_error();
  Context context;
  context.library_.reset(SSL_CTX_new(TLS_method()));
  if (context.library_ == nullptr) return library_failed(ErrorKind::kInternal, "set up TLS");
  TRY(restrict(*context.library_));
  context.settings_ = std::make_shared<Settings>(std::move(settings));
  return context;
}

Result<Context> Context::server(const CertificateAndKey& identity, const Protocols& protocols) {
  Settings settings{.is_server = true, .protocols = TRY(on_the_wire(protocols))};
  Context context = TRY(create(std::move(settings)));
  SSL_CTX& library = *context.library_;
  TRY(use_identity(library, identity));
  Bytes* wire = &context.settings_->protocols;
  if (!wire->empty()) SSL_CTX_set_alpn_select_cb(&library, choose_protocol, wire);
  return context;
}

Result<Context> Context::client(const Trust& trust, const Protocols& protocols) {
  Settings settings{.trust = trust, .protocols = TRY(on_the_wire(protocols))};
  Context context = TRY(create(std::move(settings)));
  SSL_CTX& library = *context.library_;
  SSL_CTX_set_verify(&library, SSL_VERIFY_PEER, nullptr);
  if (trust.kind() == Trust::Kind::kPublic) trust_public(library);
  if (trust.kind() == Trust::Kind::kAuthorities) TRY(trust_these(library, trust.pem()));
  SSL_CTX_set_cert_verify_callback(&library, verify_server, &context.settings_->trust);
  return context;
}

}  // namespace sinew::tls
