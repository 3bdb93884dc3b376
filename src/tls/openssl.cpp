#include "tls/openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/verify.h"

namespace sinew::tls {

std::string take_library_error() {
  // The first is the cause, later ones tell who passed it on.
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "unknown reason";
}

BioPtr open_text(std::string_view text) {
  const char* data = text.empty() ? "" : text.data();  // it takes no null pointer
  BioPtr bio(BIO_new_mem_buf(data, static_cast<int>(text.size())));
  VERIFY(bio != nullptr);
  return bio;
}

Result<CertificatePtr> next_certificate(BIO& pem) {
  ERR_clear_error();
  CertificatePtr certificate(PEM_read_bio_X509(&pem, nullptr, nullptr, nullptr));
  if (certificate == nullptr)
    return Error{ErrorKind::kInvalid, "certificate: " + take_library_error()};
  return certificate;
}

Fingerprint fingerprint_of(const X509& certificate) {
  Fingerprint fingerprint;
  unsigned size = 0;
  VERIFY(X509_digest(&certificate, EVP_sha256(), fingerprint.data(), &size) == 1);
  VERIFY(size == fingerprint.size());
  return fingerprint;
}

}  // namespace sinew::tls
