// The program `sinew`: streams and signals around run_program().
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/program.h"
#include "app/secret_words.h"

namespace {

using sinew::app::ExitCode;

// A closed standard stream would hand its number to the next file that is opened, and output would
// land in that file. Whoever closed it wants to see nothing.
void fill_standard_streams() {
  int fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO)
    fd = ::open("/dev/null", O_RDWR);
  if (fd >= 0) ::close(fd);
}

bool shows_colour(int fd) {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool is_refused = no_colour != nullptr && *no_colour != '\0';
  const bool is_dumb = terminal == nullptr || std::strcmp(terminal, "dumb") == 0;
  return !is_refused && !is_dumb && ::isatty(fd) != 0;
}

// Whoever shares a standard stream with us may have made it non-blocking.
void wait_for_room(int fd) {
  pollfd room{.fd = fd, .events = POLLOUT, .revents = 0};
  ::poll(&room, 1, -1);
}

// Zero, or why not all could be written.
int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
    if (written >= 0 || errno == EINTR) continue;
    if (errno != EAGAIN) return errno;
    wait_for_room(fd);
  }
  return 0;
}

// Steps are for people: a program that reads standard error wants errors alone.
class TerminalConsole final : public sinew::app::Console {
 public:
  void note(std::string_view line) override {
    if (::isatty(STDERR_FILENO) != 0) write_all(STDERR_FILENO, std::string(line) + "\n");
  }
  sinew::Result<> write(std::string_view text) override {
    const int fault = write_all(STDOUT_FILENO, text);
    if (fault == 0) return {};
    return sinew::Error{sinew::ErrorKind::kUnavailable, std::strerror(fault)};
  }
  bool is_terminal() const override { return shows_colour(STDOUT_FILENO); }
};

// A reader that has seen enough is not an error, and no reason to die by a signal.
ExitCode write_output(const sinew::app::Finished& finished) {
  const int fault = write_all(STDOUT_FILENO, finished.output);
  if (fault == 0 || fault == EPIPE) return finished.code;
  write_all(STDERR_FILENO, "sinew: write the answer: " + std::string(std::strerror(fault)) +
                               "\nMake room where standard output goes, or send it elsewhere.\n");
  return ExitCode::kFailed;
}

// The verb that the program's name stands for, where only a name can be given: wg-quick starts
// what is called sinew-wg, or wireguard-go where that is what the machine used before.
std::vector<std::string_view> words_of(std::vector<std::string_view> words) {
  if (words.empty()) return words;
  const std::string_view name = words[0].substr(words[0].rfind('/') + 1);
  if (name == "sinew-wg" || name == "wireguard-go") {
    words[0] = "wg";
  } else {
    words.erase(words.begin());
  }
  return words;
}

}  // namespace

int main(int argc, char** argv) {
  fill_standard_streams();
  std::signal(SIGPIPE, SIG_IGN);
  const sinew::app::SecretWords secrets(std::span(argv, static_cast<std::size_t>(argc)));
  const std::vector<std::string_view> words = words_of(secrets.words());
  TerminalConsole console;
  const auto finished = sinew::app::run_program(sinew::app::VerbTable::of_program(), words,
                                                {.colours_output = shows_colour(STDOUT_FILENO),
                                                 .colours_errors = shows_colour(STDERR_FILENO),
                                                 .console = &console});
  write_all(STDERR_FILENO, finished.errors);
  return static_cast<int>(write_output(finished));
}
