// OpenSSL's objects with one owner, and its errors as text. Internal to tls.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "tls/certificate.h"

namespace sinew::tls {

template <auto kFree>
struct FreeWith {
  void operator()(auto* object) const { kFree(object); }
};
using BioPtr = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, FreeWith<X509_free>>;

// The reasons that OpenSSL has noted for its last failure, and forgets with it: the most telling
// one. OpenSSL keeps them for each thread.
std::string take_library_error();

// Text that is read in place.
BioPtr open_text(std::string_view text);

Result<CertificatePtr> next_certificate(BIO& pem);
Fingerprint fingerprint_of(const X509& certificate);

}  // namespace sinew::tls
