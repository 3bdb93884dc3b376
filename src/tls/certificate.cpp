#include "tls/certificate.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "base/verify.h"
#include "tls/openssl.h"

namespace sinew::tls {
namespace {

using ExtensionPtr = std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>>;

constexpr int kVersion3 = 2;                // as it is numbered on the wire
constexpr std::size_t kMaxCommonName = 64;  // characters, RFC 5280 appendix A
constexpr std::size_t kMaxName = 253;       // of DNS
constexpr std::string_view kFirstMoment = "700101000000Z";
constexpr std::string_view kLastMoment = "99991231235959Z";  // no end: RFC 5280 section 4.1.2.5

Error library_failed(std::string_view what) {
  return {ErrorKind::kInternal, std::string(what) + ": " + take_library_error()};
}

bool is_plain_name(std::string_view name) {
  const auto is_plain = [](char c) { return c > ' ' && c < 0x7f; };
  return !name.empty() && name.size() <= kMaxName && std::ranges::all_of(name, is_plain);
}

GENERAL_NAME* make_name(const std::string& name) {
  GENERAL_NAME* entry = GENERAL_NAME_new();
  VERIFY(entry != nullptr);
  if (ASN1_OCTET_STRING* address = a2i_IPADDRESS(name.c_str()); address != nullptr) {
    GENERAL_NAME_set0_value(entry, GEN_IPADD, address);
  } else {
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    VERIFY(text != nullptr && ASN1_STRING_set(text, name.data(), static_cast<int>(name.size())));
    GENERAL_NAME_set0_value(entry, GEN_DNS, text);
  }
  return entry;
}

bool add_alternative_names(X509& certificate, std::span<const std::string> names) {
  const NamesPtr entries(GENERAL_NAMES_new());
  for (const std::string& name : names) {
    if (sk_GENERAL_NAME_push(entries.get(), make_name(name)) == 0) return false;
  }
  return X509_add1_ext_i2d(&certificate, NID_subject_alt_name, entries.get(), 0, 0) == 1;
}

bool add_extension(X509& certificate, int kind, const char* value) {
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, nullptr, kind, value));
  return extension != nullptr && X509_add_ext(&certificate, extension.get(), -1) == 1;
}

bool set_subject(X509& certificate, const std::string& name) {
  const std::string common = name.substr(0, kMaxCommonName);
  X509_NAME* subject = X509_get_subject_name(&certificate);
  return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, as_bytes(common).data(),
                                    static_cast<int>(common.size()), -1, 0) == 1 &&
         X509_set_issuer_name(&certificate, subject) == 1;
}

bool set_serial(X509& certificate) {
  constexpr int kSerialBits = 127;  // positive in 16 bytes
  const std::unique_ptr<BIGNUM, FreeWith<BN_free>> serial(BN_new());
  return BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(&certificate)) != nullptr;
}

bool set_validity(X509& certificate) {
  return ASN1_TIME_set_string(X509_getm_notBefore(&certificate), kFirstMoment.data()) == 1 &&
         ASN1_TIME_set_string(X509_getm_notAfter(&certificate), kLastMoment.data()) == 1;
}

// An authority of its own, so that it can be given to others as one (Trust::authorities).
bool fill(X509& certificate, EVP_PKEY& key, std::span<const std::string> names) {
  return X509_set_version(&certificate, kVersion3) == 1 && set_serial(certificate) &&
         set_validity(certificate) && set_subject(certificate, names.front()) &&
         X509_set_pubkey(&certificate, &key) == 1 && add_alternative_names(certificate, names) &&
         add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
         X509_sign(&certificate, &key, EVP_sha256()) > 0;
}

ByteView contents(BIO& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(&bio, &data);
  return as_bytes({data, static_cast<std::size_t>(size)});
}

}  // namespace

Result<CertificateAndKey> make_self_signed(std::span<const std::string> names) {
  VERIFY(!names.empty());
  for (const std::string& name : names) {
    if (!is_plain_name(name)) return Error{ErrorKind::kInvalid, "not a name for a certificate"};
  }
  const KeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return library_failed("make a key");
  const CertificatePtr certificate(X509_new());
  if (certificate == nullptr || !fill(*certificate, *key, names))
    return library_failed("make a certificate");
  const BioPtr certificate_pem(BIO_new(BIO_s_mem()));
  const BioPtr key_pem(BIO_new(BIO_s_secmem()));  // wipes itself
  const bool is_written = PEM_write_bio_X509(certificate_pem.get(), certificate.get()) == 1 &&
                          PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0,
                                                   nullptr, nullptr) == 1;
  if (!is_written) return library_failed("write a certificate");
  return CertificateAndKey{.certificate = std::string(as_text(contents(*certificate_pem))),
                           .key = SecretBytes(contents(*key_pem))};
}

Result<Fingerprint> fingerprint(std::string_view certificate_pem) {
  const BioPtr text = open_text(certificate_pem);
  const CertificatePtr certificate = TRY(next_certificate(*text));
  return fingerprint_of(*certificate);
}

}  // namespace sinew::tls
