// Module relay: how packets go through a third machine when two cannot reach each other. Its wire
// format is that of DERP, version 2, and a few frames of our own beside it, which others skip
// (docs/protocol/relay.md). All of it is without I/O: http.h is what is said before the first
// frame, login.h who somebody is, server.h the machine in the middle, client.h and udp.h its ends.
// What is relayed is ciphertext to it.
//
// This header: frames. A frame is a type, the length of what follows, and a payload; integers are
// big endian. A frame of unknown type is skipped by its length. A known one may be longer than what
// it is known to hold: the rest is reserved and dropped without being kept.
//
//     ServerKey    01  S->C  magic 8 | server key 32
//     ClientInfo   02  C->S  client key 32 | nonce 24 | box of JSON
//     ServerInfo   03  S->C  nonce 24 | box of JSON
//     SendPacket   04  C->S  destination key 32 | packet
//     RecvPacket   05  S->C  source key 32 | packet
//     KeepAlive    06  S->C
//     NotePreferred 07 C->S  1 or 0
//     PeerGone     08  S->C  key 32 | reason 1
//     Ping, Pong   12, 13    data 8
//     Health       14  S->C  text
//     Restarting   15  S->C  reconnect in ms 4 | try for ms 4
//     UdpOpen      e0  C->S
//     UdpGrant     e1  S->C  session 8 | secret 32 | port 2
//     UdpAsk       e2  C->S  key 32
//     UdpNumber    e3  S->C  key 32 | number 4
//
// Pure; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "crypto/x25519.h"

namespace sinew::relay {

using NodeKey = crypto::X25519PublicKey;

enum class FrameType : std::uint8_t {
  kServerKey = 0x01,
  kClientInfo = 0x02,
  kServerInfo = 0x03,
  kSendPacket = 0x04,
  kReceivedPacket = 0x05,
  kKeepAlive = 0x06,
  kNotePreferred = 0x07,
  kPeerGone = 0x08,
  kPeerPresent = 0x09,    // of mesh clients, which we have none of
  kForwardPacket = 0x0a,  // the same
  kWatchConnections = 0x10,
  kClosePeer = 0x11,
  kPing = 0x12,
  kPong = 0x13,
  kHealth = 0x14,
  kRestarting = 0x15,
  kUdpOpen = 0xe0,
  kUdpGrant = 0xe1,
  kUdpAsk = 0xe2,
  kUdpNumber = 0xe3,
};

enum class GoneReason : std::uint8_t { kDisconnected = 0, kNotHere = 1 };

inline constexpr unsigned kVersion = 2;
inline constexpr std::array<std::uint8_t, 8> kMagic = {0x44, 0x45, 0x52, 0x50,
                                                       0xf0, 0x9f, 0x94, 0x91};
inline constexpr std::size_t kFrameHeaderSize = 5;
inline constexpr std::size_t kKeySize = NodeKey::kSize;
inline constexpr std::size_t kMaxPacketBytes = 64 << 10;
// Of a ClientInfo or ServerInfo. The protocol names a megabyte; who sends one has not proven
// anything yet, and a few hundred bytes are what is sent.
inline constexpr std::size_t kMaxLoginBytes = 16 << 10;
// Of all other frames: what is behind it is dropped.
inline constexpr std::size_t kMaxSmallBytes = 1 << 10;
inline constexpr std::size_t kPingSize = 8;
inline constexpr std::size_t kUdpSessionSize = 8;
inline constexpr std::size_t kUdpSecretSize = 32;

struct Frame {
  FrameType type;
  ByteView payload;
};

// How much of a frame's payload is kept; the rest is dropped. None when a frame of that length is a
// reason to end the connection.
std::optional<std::size_t> kept_bytes(FrameType type, std::size_t length);

// Appends a frame whose payload is `parts` behind one another.
void append_frame(Bytes& out, FrameType type, std::initializer_list<ByteView> parts);

// A packet of somebody's path discovery rather than of his traffic: ours, or that of other clients
// of the protocol. Small, rare, and worth more than the rest, so it goes first.
bool is_disco(ByteView packet);

// Cuts a stream of bytes into frames. Frames that are whole in what is fed are handed over where
// they lie; at most one frame is kept besides, and nothing between frames.
class FrameReader {
 public:
  // Calls on_frame(const Frame&) for each frame that is complete, for as long as it returns true;
  // the payload is valid during the call. False when on_frame said so, or when a frame is longer
  // than its type may be: no byte behind that means anything, the stream is to be closed.
  template <typename Handler>
  bool feed(ByteView bytes, Handler&& on_frame) {
    while (!bytes.empty() && !is_broken_) {
      const std::optional<Frame> frame = next(bytes);
      if (!frame) continue;
      is_broken_ = !on_frame(*frame);
      forget();
    }
    return !is_broken_;
  }

  std::size_t buffered() const { return partial_.size(); }

 private:
  // The next whole frame, and `bytes` moves behind it; without one all of `bytes` was taken.
  std::optional<Frame> next(ByteView& bytes);
  bool take_header(ByteView header);
  void forget();

  Bytes partial_;  // header and the part of the payload that is here
  FrameType type_ = {};
  std::size_t kept_ = 0;     // of the payload
  std::size_t surplus_ = 0;  // bytes to be dropped before the next header
  bool is_broken_ = false;
};

}  // namespace sinew::relay
