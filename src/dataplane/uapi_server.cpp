#include "dataplane/uapi_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "base/secret.h"
#include "os/error.h"
#include "os/unix_socket.h"
#include "wg/uapi.h"

namespace sinew::dataplane {
namespace {

constexpr std::size_t kReadBytes = 64 << 10;
constexpr mode_t kFolderMode = 0700;
constexpr mode_t kSocketMode = 0600;

Result<> make_folder(const std::string& folder) {
  if (::mkdir(folder.c_str(), kFolderMode) == 0) return {};
  if (errno != EEXIST) return os::system_error("make the folder " + folder);
  // One that others may write to would let them put a socket of their own in the place of ours, and
  // be sent the private key.
  struct stat info{};
  if (::lstat(folder.c_str(), &info) != 0) return os::system_error("look at the folder " + folder);
  const bool is_ours = info.st_uid == ::geteuid() || info.st_uid == 0;
  if (S_ISDIR(info.st_mode) && is_ours && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0) return {};
  return Error{ErrorKind::kDenied,
               folder + " is not a folder that only its owner, root or this user, may write to"};
}

}  // namespace

Result<UapiServer> UapiServer::open(const std::string& folder, const std::string& interface,
                                    os::Poller& poller, std::uint64_t first_token,
                                    Handler handler) {
  TRY(make_folder(folder));
  std::string path = folder + "/" + interface + ".sock";
  os::Fd listener = TRY(os::listen_unix(path, kSocketMode));
  os::Fd reserve = TRY(os::open_file("/dev/null", O_RDONLY));
  TRY(poller.add(listener, os::Poller::Interest::kRead, first_token));
  UapiServer server(std::move(listener), std::move(reserve), std::move(path), poller, first_token,
                    std::move(handler));
  server.watch();
  return server;
}

UapiServer::UapiServer(os::Fd listener, os::Fd reserve, std::string path, os::Poller& poller,
                       std::uint64_t first_token, Handler handler)
    : listener_(std::move(listener)),
      reserve_(std::move(reserve)),
      path_(std::move(path)),
      poller_(&poller),
      first_token_(first_token),
      handler_(std::move(handler)) {}

UapiServer::~UapiServer() {
  if (!listener_.is_open()) return;
  for (Connection& connection : connections_)
    close(connection);
  if (!watch_ || !watch_->is_gone()) ::unlink(path_.c_str());
}

void UapiServer::watch() {
  auto watch = os::FileWatch::open(path_);
  if (!watch) return;
  const std::uint64_t token = first_token_ + kMaxConnections + 1;
  if (poller_->add(watch->fd(), os::Poller::Interest::kRead, token)) watch_ = *std::move(watch);
}

void UapiServer::look_at_file() {
  watch_->clear();
  is_removed_ = watch_->is_gone();
}

void UapiServer::handle(const os::Poller::Event& event) {
  if (event.token == first_token_) return accept();
  if (event.token == first_token_ + kMaxConnections + 1) return look_at_file();
  Connection& connection = connections_[event.token - first_token_ - 1];
  if (connection.fd.is_open()) serve(connection, event.token);
}

void UapiServer::accept() {
  os::Fd fd(os::retry_interrupted(
      [&] { return ::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC); }));
  if (!fd.is_open()) return make_way();
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    if (connections_[i].fd.is_open()) continue;
    const std::uint64_t token = first_token_ + 1 + i;
    if (!poller_->add(fd, os::Poller::Interest::kRead, token)) return;
    connections_[i].fd = std::move(fd);
    return;
  }
}

// No descriptor is left for who knocks. The one kept for this lets him in, and out again: he would
// keep the listener readable for ever.
void UapiServer::make_way() {
  reserve_.close();
  os::Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (auto reserve = os::open_file("/dev/null", O_RDONLY)) reserve_ = *std::move(reserve);
}

void UapiServer::serve(Connection& connection, std::uint64_t token) {
  const bool had_answer = !connection.answer.is_empty();
  if (!had_answer && !read_request(connection)) return close(connection);
  do {
    if (!write_answer(connection)) return close(connection);
    if (!connection.answer.is_empty()) break;
    answer_request(connection);
  } while (!connection.answer.is_empty());
  const bool has_answer = !connection.answer.is_empty();
  if (has_answer == had_answer) return;
  const auto interest = has_answer ? os::Poller::Interest::kWrite : os::Poller::Interest::kRead;
  if (!poller_->modify(connection.fd, interest, token)) close(connection);
}

bool UapiServer::read_request(Connection& connection) {
  std::array<std::uint8_t, kReadBytes> bytes;
  const auto size = os::read_some(connection.fd, bytes);
  if (!size) return false;
  if (!size->has_value()) return true;
  if (**size == 0 || connection.request.size() + **size > wg::uapi::kMaxRequestSize) return false;
  connection.request.append(as_text(ByteView(bytes).first(**size)));
  wipe(ByteSpan(bytes).first(**size));
  return true;
}

// The first complete request; the rest of what was read waits until its answer is written.
void UapiServer::answer_request(Connection& connection) {
  const auto size = wg::uapi::request_size(connection.request.expose());
  if (!size) return;
  connection.answer = handler_(connection.request.expose().substr(0, *size));
  connection.written = 0;
  connection.request.remove_prefix(*size);
}

bool UapiServer::write_answer(Connection& connection) {
  while (connection.written < connection.answer.size()) {
    const auto rest = as_bytes(connection.answer.expose()).subspan(connection.written);
    const auto size = os::write_some(connection.fd, rest);
    if (!size) return false;
    if (!size->has_value()) return true;
    connection.written += **size;
  }
  connection.answer.clear();
  return true;
}

void UapiServer::close(Connection& connection) {
  if (!connection.fd.is_open()) return;
  static_cast<void>(poller_->remove(connection.fd));
  connection = {};
}

}  // namespace sinew::dataplane
