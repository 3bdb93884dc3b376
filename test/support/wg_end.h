// One end of a WireGuard tunnel in a laboratory: a node with an interface that some program serves,
// configured by Debian's wg(8), as its users would. The program is ours or a third party's.
//
//     WgEnd alice(lab, alice_node, WgProgram::kSinew, {"10.9.0.1/24"});
//     WgEnd bob(lab, bob_node, WgProgram::kWireguardGo, {"10.9.0.2/24"});
//     alice.add_peer(bob, {.allowed_ips = "10.9.0.2/32", .endpoint = "192.0.2.2:51820"});
//     bob.add_peer(alice, {.allowed_ips = "10.9.0.1/32"});
//     CHECK(alice.node().can_ping("10.9.0.2"));
//
// One thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/lab.h"

namespace sinew::lab {

enum class WgProgram { kSinew, kWireguardGo };

class WgEnd {
 public:
  static constexpr int kPort = 51'820;

  struct Options {
    int mtu = 1420;
    std::vector<std::string> arguments = {};  // of our program, beside -f and the interface
  };
  struct PeerOptions {
    std::string allowed_ips;
    std::string endpoint = {};       // none: it is to call us
    std::string preshared_key = {};  // base64
    int keepalive = 0;               // seconds
  };

  // Starts the program, gives the interface its addresses and brings it up.
  WgEnd(Lab& lab, Node& node, WgProgram program, const Addresses& addresses,
        const Options& options);
  WgEnd(Lab& lab, Node& node, WgProgram program, const Addresses& addresses)
      : WgEnd(lab, node, program, addresses, Options{}) {}

  WgEnd(const WgEnd&) = delete;
  WgEnd& operator=(const WgEnd&) = delete;
  // Asks our program to end; that it does not end well, which includes what a sanitizer found in
  // it, fails the test.
  ~WgEnd();

  Node& node() { return *node_; }
  Process& program() { return program_; }
  const std::string& interface() const { return interface_; }
  const std::string& public_key() const { return public_key_; }
  // The path of a file with our private key.
  const std::string& key_file() const { return key_file_; }

  void set_private_key(const std::string& key);  // base64
  void add_peer(const WgEnd& peer, const PeerOptions& options);
  // `wg set INTERFACE <words>`, `wg show INTERFACE <words>`. What fails is a LabError.
  void set(const std::vector<std::string>& words);
  std::string show(const std::vector<std::string>& words = {});
  // The second column of `wg show INTERFACE <field>` for this peer.
  std::string peer_field(std::string_view field, const WgEnd& peer);
  // The counters of our program.
  std::uint64_t counter(std::string_view name);

 private:
  std::string wg(const std::vector<std::string>& words);
  std::string write_file(std::string_view name, std::string_view content);

  std::string folder_;
  Node* node_;
  std::string interface_;
  std::string public_key_;
  std::string key_file_;
  bool is_ours_;
  Process program_;
};

// A fresh base64 key, private or preshared.
std::string new_wg_key();
// The public key of a private one, both in base64.
std::string public_key_of(const std::string& private_key);

}  // namespace sinew::lab
