// Makes a text fit to be given to strangers. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/ip.h"

namespace sinew::app {

// Whatever looks like a key, 32 bytes in base64 or hexadecimal, becomes "(key)". Public ones too:
// nobody can see which is which.
std::string without_keys(std::string_view text);
// Every place where `secret` stands becomes "(secret)". Nothing for an empty one.
std::string without_secret(std::string_view text, std::string_view secret);

// Puts the same stand-in, "address-1", in the place of the same address everywhere, so that a text
// still tells which is which. Loopback and unspecified addresses stay: they say nothing of anybody.
// Ports and prefix lengths stay.
class AddressRedactor {
 public:
  std::string redact(std::string_view text);
  std::size_t count() const { return names_.size(); }

 private:
  std::string name_of(const IpAddress& address);
  std::string redact_word(std::string_view word);

  std::map<IpAddress, std::string> names_;
};

}  // namespace sinew::app
