#include "tls/engine.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/verify.h"
#include "tls/openssl.h"
#include "tls/settings.h"

namespace sinew::tls {
namespace {

constexpr std::size_t kRecordBytes = 16 * 1024;   // of plaintext at most
constexpr std::size_t kMaxNameBytes = 253;        // of DNS
constexpr std::size_t kMaxSentBytes = 64 * 1024;  // kept in front of what is still to be sent

using SslPtr = std::unique_ptr<SSL, FreeWith<SSL_free>>;

// The two ends of the wire, from which OpenSSL reads and to which it writes.
struct Wire {
  ByteView incoming;  // what OpenSSL has not taken yet
  Bytes output;
  std::size_t sent = 0;  // of output
};

int read_wire(BIO* bio, char* out, std::size_t room, std::size_t* size) {
  Wire& wire = *static_cast<Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *size = std::min(room, wire.incoming.size());
  if (*size == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  std::memcpy(out, wire.incoming.data(), *size);
  wire.incoming = wire.incoming.subspan(*size);
  return 1;
}

int write_wire(BIO* bio, const char* data, std::size_t size, std::size_t* taken) {
  Wire& wire = *static_cast<Wire*>(BIO_get_data(bio));
  const ByteView bytes = as_bytes({data, size});
  wire.output.insert(wire.output.end(), bytes.begin(), bytes.end());
  *taken = size;
  return 1;
}

long control_wire(BIO*, int request, long, void*) {
  return request == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* make_wire_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "wire");
  VERIFY(method != nullptr);
  BIO_meth_set_read_ex(method, read_wire);
  BIO_meth_set_write_ex(method, write_wire);
  BIO_meth_set_ctrl(method, control_wire);
  return method;
}

// `wire` outlives the result.
BIO* open_wire(Wire& wire) {
  static const BIO_METHOD* const kMethod = make_wire_method();
  BIO* bio = BIO_new(kMethod);
  VERIFY(bio != nullptr);
  BIO_set_data(bio, &wire);
  BIO_set_init(bio, 1);
  return bio;
}

Error bad_name(std::string_view what) {
  return {ErrorKind::kInvalid, "tls: name of the server: " + std::string(what)};
}

// Whom the certificate has to be for, where Trust asks; and what the server is told, which may have
// several.
Result<> set_name(SSL& ssl, const std::string& name, bool is_needed) {
  if (name.empty()) return is_needed ? Result<>(bad_name("missing")) : Result<>();
  if (name.size() > kMaxNameBytes || name.contains('\0')) return bad_name("not a name");
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(&ssl), name.c_str()) == 1) return {};
  ERR_clear_error();
  SSL_set_hostflags(&ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const bool is_set =
      SSL_set1_host(&ssl, name.c_str()) == 1 && SSL_set_tlsext_host_name(&ssl, name.c_str()) == 1;
  return is_set ? Result<>() : Result<>(bad_name(take_library_error()));
}

}  // namespace

struct Engine::State {
  std::shared_ptr<const Context::Settings> settings;
  Wire wire;
  SslPtr ssl;               // refers to wire
  std::size_t answers = 0;  // bytes that the other side has caused since all was sent
  bool is_established = false;
  bool has_ended = false;
  bool has_said_end = false;
  std::optional<Error> failure;

  Result<> shake_hands();
  Result<> open_records(Bytes& plaintext);
  Result<> count_answers(std::size_t size);
  Error fail(ErrorKind kind, std::string message);
  Error fail_by_library();
};

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Result<Engine> Engine::create(const Context& context) {
  auto state = std::make_unique<State>();
  state->settings = context.settings_;
  state->ssl.reset(SSL_new(context.library_.get()));
  if (state->ssl == nullptr) return Error{ErrorKind::kInternal, "tls: " + take_library_error()};
  BIO* wire = open_wire(state->wire);
  SSL_set_bio(state->ssl.get(), wire, wire);
  return Engine(std::move(state));
}

Result<Engine> Engine::client(const Context& context, const std::string& server_name) {
  VERIFY(!context.settings_->is_server);
  Engine engine = TRY(create(context));
  State& state = *engine.state_;
  SSL& ssl = *state.ssl;
  const Trust::Kind trust = state.settings->trust.kind();
  const bool needs_name = trust == Trust::Kind::kPublic || trust == Trust::Kind::kAuthorities;
  TRY(set_name(ssl, server_name, needs_name));
  const Bytes& protocols = state.settings->protocols;
  // 0 is success here, unlike elsewhere in OpenSSL.
  if (!protocols.empty() &&
      SSL_set_alpn_protos(&ssl, protocols.data(), static_cast<unsigned>(protocols.size())) != 0)
    return Error{ErrorKind::kInternal, "tls: " + take_library_error()};
  SSL_set_connect_state(&ssl);
  TRY(state.shake_hands());
  return engine;
}

Result<Engine> Engine::server(const Context& context) {
  VERIFY(context.settings_->is_server);
  Engine engine = TRY(create(context));
  SSL_set_accept_state(engine.state_->ssl.get());
  return engine;
}

Result<> Engine::feed(ByteView wire, Bytes& plaintext) {
  State& state = *state_;
  if (state.failure) return *state.failure;
  const std::size_t before = state.wire.output.size();
  state.wire.incoming = wire;
  if (!state.is_established) TRY(state.shake_hands());
  if (state.is_established) TRY(state.open_records(plaintext));
  const bool is_read = state.wire.incoming.empty() || state.has_ended;  // nothing counts behind it
  state.wire.incoming = {};
  if (!is_read) return state.fail(ErrorKind::kInternal, "bytes were left over");
  return state.count_answers(state.wire.output.size() - before);
}

Result<> Engine::feed_end() {
  State& state = *state_;
  if (state.failure) return *state.failure;
  if (state.has_ended) return {};
  if (!state.is_established)
    return state.fail(ErrorKind::kUnavailable, "the connection ended during the handshake");
  return state.fail(ErrorKind::kUnavailable, "the connection was cut off");
}

bool Engine::is_established() const {
  return state_->is_established;
}

bool Engine::has_ended() const {
  return state_->has_ended;
}

Result<> Engine::write(ByteView plaintext) {
  State& state = *state_;
  if (state.failure) return *state.failure;
  VERIFY(state.is_established && !state.has_said_end);
  if (plaintext.empty()) return {};
  ERR_clear_error();
  std::size_t taken = 0;
  const int outcome = SSL_write_ex(state.ssl.get(), plaintext.data(), plaintext.size(), &taken);
  if (outcome != 1 || taken != plaintext.size()) return state.fail_by_library();
  return {};
}

void Engine::end() {
  State& state = *state_;
  if (state.failure || state.has_said_end) return;
  VERIFY(state.is_established);
  state.has_said_end = true;
  ERR_clear_error();
  SSL_shutdown(state.ssl.get());
  ERR_clear_error();
}

ByteView Engine::output() const {
  return ByteView(state_->wire.output).subspan(state_->wire.sent);
}

void Engine::consume_output(std::size_t size) {
  Wire& wire = state_->wire;
  VERIFY(size <= wire.output.size() - wire.sent);
  wire.sent += size;
  if (wire.sent == wire.output.size()) {
    static_cast<void>(take_output());
  } else if (wire.sent >= kMaxSentBytes) {
    wire.output.erase(wire.output.begin(),
                      wire.output.begin() + static_cast<std::ptrdiff_t>(wire.sent));
    wire.sent = 0;
  }
}

Bytes Engine::take_output() {
  Wire& wire = state_->wire;
  Bytes output = std::exchange(wire.output, {});
  output.erase(output.begin(), output.begin() + static_cast<std::ptrdiff_t>(wire.sent));
  wire.sent = 0;
  state_->answers = 0;
  return output;
}

std::string_view Engine::version() const {
  return SSL_get_version(state_->ssl.get());
}

std::string_view Engine::protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(state_->ssl.get(), &name, &size);
  return as_text({name, size});
}

std::optional<Fingerprint> Engine::peer_fingerprint() const {
  const X509* certificate = SSL_get0_peer_certificate(state_->ssl.get());
  if (!is_established() || certificate == nullptr) return {};
  return fingerprint_of(*certificate);
}

Error Engine::State::fail(ErrorKind kind, std::string message) {
  failure = Error{kind, "tls: " + std::move(message)};
  return *failure;
}

Error Engine::State::fail_by_library() {
  const std::string reason = take_library_error();
  const long verified = SSL_get_verify_result(ssl.get());
  if (settings->is_server || is_established || verified == X509_V_OK)
    return fail(ErrorKind::kInvalid, reason);
  if (settings->trust.kind() == Trust::Kind::kPinned)
    return fail(ErrorKind::kDenied, "the server's certificate is not the pinned one");
  return fail(ErrorKind::kDenied,
              std::string("the server's certificate: ") + X509_verify_cert_error_string(verified));
}

Result<> Engine::State::shake_hands() {
  ERR_clear_error();
  const int outcome = SSL_do_handshake(ssl.get());
  is_established = outcome == 1;
  if (is_established || SSL_get_error(ssl.get(), outcome) == SSL_ERROR_WANT_READ) return {};
  return fail_by_library();
}

Result<> Engine::State::open_records(Bytes& plaintext) {
  std::array<std::uint8_t, kRecordBytes> room;
  while (!has_ended) {
    ERR_clear_error();
    std::size_t size = 0;
    const int outcome = SSL_read_ex(ssl.get(), room.data(), room.size(), &size);
    if (outcome == 1) {
      plaintext.insert(plaintext.end(), room.begin(),
                       room.begin() + static_cast<std::ptrdiff_t>(size));
      continue;
    }
    const int reason = SSL_get_error(ssl.get(), outcome);
    if (reason == SSL_ERROR_WANT_READ) break;
    if (reason != SSL_ERROR_ZERO_RETURN) return fail_by_library();
    has_ended = true;
  }
  return {};
}

// Key updates ask for an answer of their own size, and cost the other side nothing to ask.
Result<> Engine::State::count_answers(std::size_t size) {
  answers += size;
  if (answers <= kMaxAnswerBytes) return {};
  return fail(ErrorKind::kOverloaded, "the other side asks for answers and takes none");
}

}  // namespace sinew::tls
