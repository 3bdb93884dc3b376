// One TCP connection between two nodes whose both ends the test itself holds, so that things can be
// done to the network in the middle of a transfer. Every byte that arrives is compared. One thread.
#pragma once

#include <cstdint>
#include <string>

#include "support/lab.h"

namespace sinew::lab {

class TcpFlow {
 public:
  static constexpr Duration kPatience = 40s;

  // Connects `from` to an address of `to`.
  TcpFlow(Node& from, Node& to, const std::string& address, std::uint16_t port = 7000);

  // Writes at `from` until so many more bytes have arrived at `to`. False when the connection
  // breaks, patience ends or a byte is wrong.
  bool carry(std::size_t bytes);

 private:
  bool write_more();
  bool read_more();

  os::Fd writer_;
  os::Fd reader_;
  std::uint64_t to_write_ = 0;
  std::uint64_t written_ = 0;
  std::uint64_t arrived_ = 0;
};

}  // namespace sinew::lab
