#include "tls/certificate.h"

#include <doctest/doctest.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "tls/testing.h"

namespace sinew::tls {
namespace {

CertificatePtr parsed(const CertificateAndKey& identity) {
  const BioPtr text = open_text(identity.certificate);
  return next_certificate(*text).value();
}

TEST_CASE("a self-signed certificate is valid whatever the clock says") {
  const CertificatePtr certificate = parsed(identity());
  std::time_t earliest = 0;
  std::time_t latest = 253'402'300'798;  // a second before the last one of 9999
  CHECK(X509_cmp_time(X509_get0_notBefore(certificate.get()), &earliest) < 0);
  CHECK(X509_cmp_time(X509_get0_notAfter(certificate.get()), &latest) > 0);
}

TEST_CASE("a self-signed certificate is for its names, addresses among them") {
  const CertificatePtr certificate = parsed(identity());
  const auto is_for = [&](const char* name) {
    return X509_check_host(certificate.get(), name, 0, 0, nullptr) == 1;
  };
  CHECK(is_for("relay.example"));
  CHECK_FALSE(is_for("relay.example.org"));
  CHECK(X509_check_ip_asc(certificate.get(), "10.1.2.3", 0) == 1);
  CHECK(X509_check_ip_asc(certificate.get(), "10.1.2.4", 0) == 0);
}

TEST_CASE("two self-signed certificates have nothing in common") {
  const std::vector<std::string> names = {"a"};
  const CertificateAndKey first = make_self_signed(names).value();
  const CertificateAndKey second = make_self_signed(names).value();
  CHECK(fingerprint(first.certificate).value() != fingerprint(second.certificate).value());
  CHECK(first.key.expose_text() != second.key.expose_text());
}

TEST_CASE("a certificate is made for IPv6 and for long names") {
  const std::vector<std::string> names = {std::string(253, 'a'), "fd00::1"};
  const CertificatePtr certificate = parsed(make_self_signed(names).value());
  CHECK(X509_check_ip_asc(certificate.get(), "fd00:0::1", 0) == 1);
}

TEST_CASE("what is no name is not put into a certificate") {
  for (const std::string& name :
       {std::string(), std::string("a b"), std::string("a\0b", 3), std::string(254, 'a')}) {
    const Result<CertificateAndKey> made = make_self_signed({&name, 1});
    REQUIRE_FALSE(made);
    CHECK(made.error().kind == ErrorKind::kInvalid);
  }
}

TEST_CASE("the fingerprint is that of the first certificate") {
  const std::vector<std::string> names = {"other"};
  const std::string other = make_self_signed(names)->certificate;
  CHECK(fingerprint(identity().certificate + other).value() == pin());
  CHECK(fingerprint(other + identity().certificate).value() != pin());
}

TEST_CASE("a text without a certificate has no fingerprint") {
  CHECK_FALSE(fingerprint(""));
  CHECK_FALSE(fingerprint("nonsense"));
  CHECK_FALSE(fingerprint(identity().key.expose_text()));
  CHECK_FALSE(fingerprint(std::string_view(identity().certificate).substr(0, 300)));
}

}  // namespace
}  // namespace sinew::tls
