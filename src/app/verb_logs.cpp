#include <poll.h>
#include <unistd.h>

#include "app/log_file.h"
#include "app/node_client.h"
#include "app/verbs.h"
#include "base/ip.h"
#include "node/state_folder.h"

namespace sinew::app {
namespace {

constexpr std::uint32_t kUsualLines = 50;
constexpr std::uint32_t kMostLines = 1'000'000;
constexpr int kFollowMs = 200;

Result<std::uint32_t> count_of(const Invocation& invocation) {
  const auto given = invocation.value("lines");
  if (!given) return kUsualLines;
  if (const auto count = parse_decimal(*given, kMostLines)) return *count;
  return Error{ErrorKind::kInvalid,
               "not a number of lines from 0 to 1000000: " + std::string(*given)};
}

std::string shown(const std::vector<std::string>& lines, Format format) {
  std::string out;
  for (const std::string& line : lines) {
    out += format == Format::kJson ? log_line_for_programs(line) : log_line_for_people(line);
    out += '\n';
  }
  return out;
}

// Who reads standard output has gone, although nothing was written to it.
bool is_reader_gone() {
  pollfd output{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
  return ::poll(&output, 1, 0) > 0 && (output.revents & (POLLERR | POLLHUP)) != 0;
}

Outcome follow(LogReader& reader, const Invocation& invocation) {
  while (!is_reader_gone()) {
    ::poll(nullptr, 0, kFollowMs);
    const std::vector<std::string> lines = TRY(reader.new_lines());
    if (lines.empty()) continue;
    if (!invocation.console().write(shown(lines, invocation.format()))) break;
  }
  return Answer{.value = {}, .is_written = true};
}

Failure explain(Error error) {
  if (error.kind == ErrorKind::kNotFound) {
    return {.error = std::move(error),
            .next_step =
                "A node keeps a log here once 'sinew start' has put it into the background; "
                "what systemd started logs to 'journalctl -u sinew'."};
  }
  if (error.kind == ErrorKind::kDenied) {
    return {.error = std::move(error),
            .next_step = "Read it as the user the node runs as, or as root."};
  }
  return {.error = std::move(error)};
}

Outcome run(const Invocation& invocation) {
  const std::uint32_t count = TRY(count_of(invocation));
  auto reader = LogReader::open(state_folder_of(invocation) + "/log.json");
  if (!reader) return explain(std::move(reader).error());
  const std::vector<std::string> lines = TRY(reader->last_lines(count));
  if (!invocation.console().write(shown(lines, invocation.format())))
    return Answer{.value = {}, .is_written = true};
  if (invocation.has("follow")) return follow(*reader, invocation);
  return Answer{.value = {}, .is_written = true};
}

}  // namespace

Verb logs_verb() {
  return {
      .name = "logs",
      .summary = "Show what the node wrote to its log",
      .description =
          "The last lines of the log that a node in the background keeps, as text; with -o json as "
          "they stand there, an object a line. A log of 8 MiB becomes log.json.1, and a new one "
          "begins.",
      .options = {{.name = "follow",
                   .letter = 'f',
                   .summary = "Then show what is written from now on, until Ctrl-C"},
                  {.name = "lines",
                   .letter = 'n',
                   .value = "N",
                   .summary = "How many of the last lines; 50 by default"},
                  state_folder_option()},
      .examples = {{"sinew logs", "What happened lately"},
                   {"sinew logs -f -n 0", "What happens now"},
                   {"sinew logs -o json | jq 'select(.level == \"error\")'", "For programs"}},
      .run = run,
  };
}

}  // namespace sinew::app
