// A program running in the background of a test, its output in a log file. Any thread; one Process
// belongs to one thread at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "os/child.h"

namespace sinew::lab {

// Ends with SIGKILL, with its process group, when it is destroyed.
class Process {
 public:
  // Both outputs go to `log_path`. The functions that wait throw LabError with the end of the log
  // when they waited in vain.
  static Process start(std::vector<std::string> argv, int network_namespace, std::string log_path);

  pid_t pid() const { return child_.pid(); }
  bool is_running();
  std::string output() const;
  // Until `text` stands in the output. Fails as soon as the program ends without it.
  void wait_for_output(std::string_view text, Duration limit = 10s);
  os::ExitStatus wait(Duration limit = 10s);
  void signal(int number);
  // Asks with SIGTERM and waits.
  os::ExitStatus stop(Duration limit = 10s);

 private:
  Process(os::Child child, std::string name, std::string log_path)
      : child_(std::move(child)), name_(std::move(name)), log_path_(std::move(log_path)) {}
  [[noreturn]] void fail(std::string_view what) const;

  os::Child child_;
  std::string name_;
  std::string log_path_;
};

}  // namespace sinew::lab
