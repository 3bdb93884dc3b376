// What a verb says while it is still working: steps for people, and output that cannot wait for the
// end. One thread.
#pragma once

#include <string_view>

#include "base/result.h"

namespace sinew::app {

class Console {
 public:
  virtual ~Console() = default;
  // A step of long work, as a line on standard error. Left out where nobody looks.
  virtual void note(std::string_view line) = 0;
  // A part of the answer, on standard output, at once. Text from elsewhere has been made harmless.
  // An error when nobody reads on: then the verb ends well.
  virtual Result<> write(std::string_view text) = 0;
  // Whether standard output is a terminal that takes control sequences.
  virtual bool is_terminal() const = 0;
};

// For tests, and for what has nothing to say.
class SilentConsole final : public Console {
 public:
  void note(std::string_view) override {}
  Result<> write(std::string_view) override { return {}; }
  bool is_terminal() const override { return false; }
};

}  // namespace sinew::app
