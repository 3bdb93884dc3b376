#include "wg/messages.h"

#include "base/verify.h"

namespace sinew::wg {
namespace {

constexpr std::size_t kMacsSize = 2 * kMacSize;

void write_type(ByteWriter& writer, Kind kind) {
  writer.le(std::uint32_t{static_cast<std::uint8_t>(kind)});
}

// A reader behind the type, of a message that passed the gate.
ByteReader read_behind_type(ByteView message, Kind kind) {
  VERIFY(kind_of(message) == kind);
  ByteReader reader(message);
  reader.skip(4);
  return reader;
}

SessionIndex read_index(ByteReader& reader) {
  return SessionIndex(reader.le<std::uint32_t>());
}

}  // namespace

Initiation Initiation::decode(ByteView message) {
  ByteReader reader = read_behind_type(message, Kind::kInitiation);
  Initiation out;
  out.sender = read_index(reader);
  out.ephemeral = reader.array<32>();
  out.sealed_static = reader.array<32 + kTagSize>();
  out.sealed_timestamp = reader.array<kTimestampSize + kTagSize>();
  return out;
}

void Initiation::encode(std::span<std::uint8_t, kSize> out) const {
  ByteWriter writer(out);
  write_type(writer, Kind::kInitiation);
  writer.le(sender.value());
  writer.bytes(ephemeral);
  writer.bytes(sealed_static);
  writer.bytes(sealed_timestamp);
  writer.zeros(kMacsSize);
  VERIFY(writer.written().size() == kSize);
}

Response Response::decode(ByteView message) {
  ByteReader reader = read_behind_type(message, Kind::kResponse);
  Response out;
  out.sender = read_index(reader);
  out.receiver = read_index(reader);
  out.ephemeral = reader.array<32>();
  out.sealed_nothing = reader.array<kTagSize>();
  return out;
}

void Response::encode(std::span<std::uint8_t, kSize> out) const {
  ByteWriter writer(out);
  write_type(writer, Kind::kResponse);
  writer.le(sender.value());
  writer.le(receiver.value());
  writer.bytes(ephemeral);
  writer.bytes(sealed_nothing);
  writer.zeros(kMacsSize);
  VERIFY(writer.written().size() == kSize);
}

CookieReply CookieReply::decode(ByteView message) {
  ByteReader reader = read_behind_type(message, Kind::kCookie);
  CookieReply out;
  out.receiver = read_index(reader);
  out.nonce = reader.array<24>();
  out.sealed_cookie = reader.array<kMacSize + kTagSize>();
  return out;
}

void CookieReply::encode(std::span<std::uint8_t, kSize> out) const {
  ByteWriter writer(out);
  write_type(writer, Kind::kCookie);
  writer.le(receiver.value());
  writer.bytes(nonce);
  writer.bytes(sealed_cookie);
  VERIFY(writer.written().size() == kSize);
}

}  // namespace sinew::wg
