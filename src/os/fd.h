// Module os: what the Linux kernel offers, as owners and values. Every call that can fail returns a
// Result that says what failed and why; EINTR and partial writes end here. It decides nothing: no
// retries, no defaults that belong to the configuration, no threads of its own. Only this module
// reads clocks, randomness and the machine's identity.
//
// This header: file descriptors with one owner, and the few calls every user of one needs. Every
// descriptor the program opens is close-on-exec from its first moment, so that no child inherits
// one by accident.
//
// A write to a pipe or socket whose reader is gone reports EPIPE and raises SIGPIPE; the program
// ignores that signal (os/signal_fd.h). Any thread; one Fd belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"

namespace sinew::os {

class Fd {
 public:
  Fd() = default;
  // Takes over a descriptor just made by a system call; -1 means none.
  explicit Fd(int number) : number_(number) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  Fd(Fd&& other) noexcept : number_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      close();
      number_ = other.release();
    }
    return *this;
  }
  ~Fd() { close(); }

  bool is_open() const { return number_ >= 0; }
  int get() const { return number_; }
  // Hands the descriptor to a caller who closes it.
  int release() { return std::exchange(number_, -1); }
  void close();

  // A second descriptor for the same open file.
  Result<Fd> duplicate() const;

 private:
  int number_ = -1;
};

struct Pipe {
  Fd read_end;
  Fd write_end;
};
Result<Pipe> open_pipe();

// open(2) with O_CLOEXEC. For our own configured paths; names that come from someone else go
// through os/path.h.
Result<Fd> open_file(const char* path, int flags, unsigned mode = 0);

Result<> set_non_blocking(const Fd& fd, bool on = true);

// Reads what is there, at most out.size() bytes: 0 is the end of the file, nothing means that a
// non-blocking descriptor has none now.
Result<std::optional<std::size_t>> read_some(const Fd& fd, ByteSpan out);

// Writes what the descriptor takes now; nothing means that a non-blocking one takes none.
Result<std::optional<std::size_t>> write_some(const Fd& fd, ByteView bytes);

// Writes everything to a blocking descriptor.
Result<> write_all(const Fd& fd, ByteView bytes);

}  // namespace sinew::os
