// A pseudo-terminal: what a shell needs to believe that a person sits in front of it.
//
//     Pty pty = TRY(Pty::open({.rows = 24, .columns = 80}));
//     options.in = options.out = options.err = Stdio::borrow(pty.terminal());
//     options.controlling_terminal = true;
//     Child shell = TRY(Child::spawn(options));
//     pty.close_terminal();
//
// One thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/result.h"
#include "os/fd.h"

namespace sinew::os {

struct WindowSize {
  std::uint16_t rows = 24;
  std::uint16_t columns = 80;

  friend bool operator==(const WindowSize&, const WindowSize&) = default;
};

class Pty {
 public:
  static Result<Pty> open(WindowSize size);

  // Our side: what is written here is typed, what is read here was printed. Reading reports EIO
  // (kUnavailable) instead of an end once the last program has closed the terminal.
  const Fd& controller() const { return controller_; }
  // The program's side, to be closed here once the program has it: while we hold it, the end is not
  // seen.
  const Fd& terminal() const { return terminal_; }
  void close_terminal() { terminal_.close(); }
  const std::string& name() const { return name_; }  // "/dev/pts/3"

  // Tells the program in the foreground with SIGWINCH.
  Result<> resize(WindowSize size);

 private:
  Pty(Fd controller, Fd terminal, std::string name)
      : controller_(std::move(controller)),
        terminal_(std::move(terminal)),
        name_(std::move(name)) {}

  Fd controller_;
  Fd terminal_;
  std::string name_;
};

}  // namespace sinew::os
