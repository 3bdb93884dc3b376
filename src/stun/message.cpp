#include "stun/message.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/verify.h"

namespace sinew::stun {

namespace {

constexpr std::uint16_t kBindingMethod = 1;
constexpr std::size_t kAttributeHeaderSize = 4;
constexpr std::uint32_t kFingerprintMask = 0x5354'554e;
constexpr std::uint32_t kChangeAddressFlag = 4;
constexpr std::uint32_t kChangePortFlag = 2;
constexpr std::uint8_t kFamilyV4 = 1;
constexpr std::uint8_t kFamilyV6 = 2;
constexpr std::string_view kSoftware = "sinew";

enum Attribute : std::uint16_t {
  kMappedAddress = 0x0001,
  kChangeRequest = kChangeRequestAttribute,
  kUsername = 0x0006,
  kMessageIntegrity = 0x0008,
  kErrorCode = 0x0009,
  kUnknownAttributes = 0x000a,
  kXorMappedAddress = 0x0020,
  kPadding = 0x0026,
  kSoftwareAttribute = 0x8022,
  kFingerprint = 0x8028,
  kResponseOrigin = 0x802b,
  kOtherAddress = 0x802c,
};

// Attributes below this have to be understood by who reads them (RFC 8489 section 14).
constexpr std::uint16_t kFirstOptionalAttribute = 0x8000;

constexpr std::array<std::uint32_t, 256> kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit)
      value = (value & 1) != 0 ? value >> 1 ^ 0xedb8'8320 : value >> 1;
    table[i] = value;
  }
  return table;
}();

// CRC-32 of ITU V.42, of what precedes the FINGERPRINT.
std::uint32_t fingerprint_of(ByteView bytes) {
  std::uint32_t crc = 0xffff'ffff;
  for (const std::uint8_t byte : bytes)
    crc = crc >> 8 ^ kCrcTable[(crc ^ byte) & 0xff];
  return ~crc ^ kFingerprintMask;
}

std::size_t padded(std::size_t size) {
  return (size + 3) / 4 * 4;
}

// The bits of class and method are interleaved (RFC 8489 section 5).
std::uint16_t type_of(Class kind) {
  const auto bits = static_cast<std::uint16_t>(kind);
  return static_cast<std::uint16_t>(kBindingMethod | (bits & 1) << 4 | (bits & 2) << 7);
}

// What XOR-MAPPED-ADDRESS is covered with: the cookie and the transaction.
std::array<std::uint8_t, 16> cover_of(const TransactionId& transaction) {
  std::array<std::uint8_t, 16> cover;
  store_be(cover.data(), kCookie);
  std::ranges::copy(transaction, cover.begin() + 4);
  return cover;
}

std::optional<Endpoint> read_address(ByteView value, const std::array<std::uint8_t, 16>& cover) {
  ByteReader reader(value);
  reader.skip(1);
  const std::uint8_t family = reader.u8();
  const auto port =
      static_cast<std::uint16_t>(reader.be<std::uint16_t>() ^ load_be<std::uint16_t>(cover.data()));
  std::array<std::uint8_t, 16> bytes{};
  const std::size_t size = family == kFamilyV4 ? 4 : 16;
  const ByteView given = reader.take(size);
  if (!reader.finished() || (family != kFamilyV4 && family != kFamilyV6)) return std::nullopt;
  for (std::size_t i = 0; i < given.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(given[i] ^ cover[i]);
  if (family == kFamilyV6) return Endpoint{IpAddress::v6(bytes), port};
  return Endpoint{IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3]), port};
}

Error invalid(std::string_view why) {
  return {ErrorKind::kInvalid, "STUN message: " + std::string(why)};
}

// Reads the attributes of one message into it.
class AttributeReader {
 public:
  AttributeReader(ByteView datagram, Message& message)
      : datagram_(datagram),
        reader_(datagram.subspan(kHeaderSize)),
        message_(message),
        cover_(cover_of(message.transaction)) {}

  Result<void> read_all() {
    for (std::size_t count = 0; reader_.remaining() > 0; ++count) {
      if (count == kMaxAttributes) return invalid("too many attributes");
      if (message_.has_fingerprint) return invalid("something behind the fingerprint");
      const std::size_t start = datagram_.size() - reader_.remaining();
      const auto type = reader_.be<std::uint16_t>();
      const std::size_t size = reader_.be<std::uint16_t>();
      const ByteView value = reader_.take(size);
      reader_.skip(padded(size) - size);
      if (reader_.failed()) return invalid("an attribute is cut");
      TRY(read(type, value, datagram_.first(start)));
    }
    if (!message_.mapped) message_.mapped = plain_mapped_;
    return {};
  }

 private:
  Result<void> read(std::uint16_t type, ByteView value, ByteView before) {
    switch (type) {
      case kXorMappedAddress: return read_into(message_.mapped, value, cover_);
      case kMappedAddress: return read_into(plain_mapped_, value, {});
      case kResponseOrigin: return read_into(message_.response_origin, value, {});
      case kOtherAddress: return read_into(message_.other_address, value, {});
      case kChangeRequest: return read_change_request(value);
      case kErrorCode: return read_error_code(value);
      case kFingerprint: return read_fingerprint(value, before);
      // Credentials mean nothing here: nothing of ours is given for them.
      case kUsername:
      case kMessageIntegrity:
      case kUnknownAttributes:
      case kPadding: return {};
      default:
        if (type < kFirstOptionalAttribute && !message_.unknown_attribute)
          message_.unknown_attribute = type;
        return {};
    }
  }

  Result<void> read_into(std::optional<Endpoint>& to, ByteView value,
                         const std::array<std::uint8_t, 16>& cover) {
    const std::optional<Endpoint> endpoint = read_address(value, cover);
    if (!endpoint) return invalid("an address of a wrong length or family");
    if (!to) to = endpoint;
    return {};
  }

  Result<void> read_change_request(ByteView value) {
    ByteReader reader(value);
    const auto flags = reader.be<std::uint32_t>();
    if (!reader.finished()) return invalid("CHANGE-REQUEST of a wrong length");
    message_.changes_address = (flags & kChangeAddressFlag) != 0;
    message_.changes_port = (flags & kChangePortFlag) != 0;
    return {};
  }

  Result<void> read_error_code(ByteView value) {
    ByteReader reader(value);
    reader.skip(2);
    const unsigned hundreds = reader.u8() & 7U;
    const unsigned rest = reader.u8();
    if (reader.failed() || hundreds < 3 || hundreds > 6 || rest > 99)
      return invalid("ERROR-CODE is none");
    if (!message_.error_code)
      message_.error_code = static_cast<std::uint16_t>(hundreds * 100 + rest);
    return {};
  }

  Result<void> read_fingerprint(ByteView value, ByteView before) {
    ByteReader reader(value);
    const auto claimed = reader.be<std::uint32_t>();
    if (!reader.finished() || claimed != fingerprint_of(before))
      return invalid("wrong fingerprint");
    message_.has_fingerprint = true;
    return {};
  }

  ByteView datagram_;
  ByteReader reader_;
  Message& message_;
  std::array<std::uint8_t, 16> cover_;
  std::optional<Endpoint> plain_mapped_;
};

class MessageWriter {
 public:
  MessageWriter(Class kind, const TransactionId& transaction, ByteSpan room)
      : room_(room), writer_(room) {
    writer_.be(type_of(kind));
    writer_.be(std::uint16_t{0});  // the length, filled in at the end
    writer_.be(kCookie);
    writer_.bytes(transaction);
  }

  bool has_room(std::size_t value_size) const {
    return writer_.room() >= kAttributeHeaderSize + padded(value_size);
  }
  ByteWriter& attribute(Attribute type, std::size_t size) {
    writer_.be(static_cast<std::uint16_t>(type));
    writer_.be(static_cast<std::uint16_t>(size));
    return writer_;
  }

  // The address, if there is room for it. The cover is zeros for all but XOR-MAPPED-ADDRESS.
  bool address(Attribute type, const Endpoint& endpoint,
               const std::array<std::uint8_t, 16>& cover = {}) {
    const ByteView bytes = endpoint.address.bytes();
    const std::size_t size = 4 + bytes.size();
    if (!has_room(size)) return false;
    attribute(type, size);
    writer_.u8(0);
    writer_.u8(endpoint.address.is_v4() ? kFamilyV4 : kFamilyV6);
    writer_.be(static_cast<std::uint16_t>(endpoint.port ^ load_be<std::uint16_t>(cover.data())));
    for (std::size_t i = 0; i < bytes.size(); ++i)
      writer_.u8(static_cast<std::uint8_t>(bytes[i] ^ cover[i]));
    return true;
  }

  // Is computed with a length that counts it already (RFC 8489 section 14.7).
  void fingerprint() {
    constexpr std::size_t kSize = 4;
    if (!has_room(kSize)) return;
    store_length(writer_.size() + kAttributeHeaderSize + kSize);
    const std::uint32_t value = fingerprint_of(writer_.written());
    attribute(kFingerprint, kSize).be(value);
  }

  ByteView finish() {
    if (!writer_.failed()) store_length(writer_.size());
    return writer_.written();
  }

 private:
  void store_length(std::size_t total) {
    store_be(room_.data() + 2, static_cast<std::uint16_t>(total - kHeaderSize));
  }

  ByteSpan room_;
  ByteWriter writer_;
};

}  // namespace

bool is_stun(ByteView datagram) {
  return datagram.size() >= kHeaderSize && (datagram[0] & 0xc0) == 0 &&
         load_be<std::uint32_t>(datagram.data() + 4) == kCookie;
}

Result<Message> parse(ByteView datagram) {
  if (!is_stun(datagram)) return invalid("no header");
  ByteReader header(datagram.first(kHeaderSize));
  const auto type = header.be<std::uint16_t>();
  const std::size_t length = header.be<std::uint16_t>();
  header.skip(4);
  if (length != datagram.size() - kHeaderSize || length % 4 != 0) return invalid("wrong length");

  Message message;
  message.kind = static_cast<Class>((type >> 4 & 1) | (type >> 7 & 2));
  if (type != type_of(message.kind))
    return Error{ErrorKind::kUnsupported, "STUN message: of another method"};
  message.transaction = header.array<12>();
  TRY(AttributeReader(datagram, message).read_all());
  return message;
}

std::array<std::uint8_t, kRequestSize> encode_request(const TransactionId& transaction,
                                                      const RequestOptions& options) {
  std::array<std::uint8_t, kRequestSize> out;
  MessageWriter writer(Class::kRequest, transaction, out);
  std::size_t filled = kRequestSize - kHeaderSize - 2 * kAttributeHeaderSize - 4;
  if (options.changes_address || options.changes_port) {
    constexpr std::size_t kSize = 4;
    writer.attribute(kChangeRequest, kSize)
        .be((options.changes_address ? kChangeAddressFlag : 0U) |
            (options.changes_port ? kChangePortFlag : 0U));
    filled -= kAttributeHeaderSize + kSize;
  }
  ByteWriter& software = writer.attribute(kSoftwareAttribute, filled);
  software.bytes(as_bytes(kSoftware));
  for (std::size_t i = kSoftware.size(); i < filled; ++i)
    software.u8(' ');
  writer.fingerprint();
  VERIFY(writer.finish().size() == kRequestSize);
  return out;
}

ByteView encode_answer(const TransactionId& transaction, const Answer& answer, ByteSpan room) {
  if (room.size() < kHeaderSize) return {};
  MessageWriter writer(Class::kSuccess, transaction, room);
  if (!writer.address(kXorMappedAddress, answer.mapped, cover_of(transaction))) return {};
  if (answer.response_origin) writer.address(kResponseOrigin, *answer.response_origin);
  if (answer.other_address) writer.address(kOtherAddress, *answer.other_address);
  if (answer.has_fingerprint) writer.fingerprint();
  return writer.finish();
}

ByteView encode_unknown_attribute(const TransactionId& transaction, std::uint16_t attribute,
                                  ByteSpan room) {
  constexpr std::size_t kErrorSize = 4;
  constexpr std::size_t kListSize = 2;
  if (room.size() < kHeaderSize) return {};
  MessageWriter writer(Class::kError, transaction, room);
  ByteWriter& error = writer.attribute(kErrorCode, kErrorSize);
  error.be(std::uint16_t{0});
  error.u8(kUnknownAttribute / 100);
  error.u8(kUnknownAttribute % 100);
  ByteWriter& list = writer.attribute(kUnknownAttributes, kListSize);
  list.be(attribute);
  list.zeros(padded(kListSize) - kListSize);
  return writer.finish();
}

}  // namespace sinew::stun
