#include "app/relay_files.h"

#include <array>
#include <functional>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "os/file.h"

namespace sinew::app {
namespace {

constexpr std::size_t kMaxKeyFileBytes = 64 << 10;
constexpr mode_t kSecretMode = 0600;
constexpr mode_t kPublicMode = 0644;

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

Result<SecretArray<32>> parse_secret(std::string_view text) {
  const std::optional<Bytes> bytes = from_base64(text);
  if (!bytes || bytes->size() != SecretArray<32>::kSize)
    return Error{ErrorKind::kInvalid, "expected a key: 44 characters of base64"};
  return SecretArray<32>(std::span<const std::uint8_t, 32>(*bytes));
}

bool is_missing(const Error& error) {
  return error.kind == ErrorKind::kNotFound;
}

Result<> for_each_line(std::string_view text,
                       const std::function<Result<>(std::string_view)>& take) {
  unsigned number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with('#')) continue;
    if (auto taken = take(line); !taken)
      return std::move(taken).error().while_doing("line " + std::to_string(number));
  }
  return {};
}

}  // namespace

Result<crypto::X25519PrivateKey> load_relay_key(const std::string& folder, Rng& rng) {
  const std::string path = folder + "/relay.key";
  auto text = os::read_file(path, kMaxKeyFileBytes);
  if (text) {
    auto key = parse_secret(trim(*text));
    if (!key) return std::move(key).error().while_doing("read " + path);
    return crypto::X25519PrivateKey(key->expose());
  }
  if (!is_missing(text.error())) return std::move(text).error();
  auto key = crypto::X25519PrivateKey::generate(rng);
  TRY(os::write_file(path, to_base64(key.expose()) + "\n", kSecretMode));
  return key;
}

Result<tls::CertificateAndKey> load_relay_certificate(const std::string& folder) {
  const std::string certificate = folder + "/relay.crt";
  const std::string key = certificate + ".key";
  auto found = read_certificate(certificate, key);
  if (found || !is_missing(found.error())) return found;
  const std::array<std::string, 1> names = {"sinew-relay"};
  tls::CertificateAndKey made = TRY(tls::make_self_signed(names));
  TRY(os::write_file(key, made.key.expose_text(), kSecretMode));
  TRY(os::write_file(certificate, made.certificate, kPublicMode));
  return made;
}

Result<tls::CertificateAndKey> read_certificate(const std::string& certificate_file,
                                                const std::string& key_file) {
  tls::CertificateAndKey read;
  read.certificate = TRY(os::read_file(certificate_file, kMaxKeyFileBytes));
  read.key = SecretBytes(std::string_view(TRY(os::read_file(key_file, kMaxKeyFileBytes))));
  return read;
}

Result<std::set<relay::NodeKey>> parse_node_keys(std::string_view text) {
  std::set<relay::NodeKey> keys;
  TRY(for_each_line(text, [&](std::string_view line) -> Result<> {
    keys.insert(TRY(relay::NodeKey::parse(line)));
    return {};
  }));
  return keys;
}

}  // namespace sinew::app
