// What crypto reads from text: keys have exactly one spelling, and a stored password whose cost is
// taken for ours is one that needs no new hash at that cost. (Verifying would take the memory it
// names; its tests do that.)
#include "base/bytes.h"
#include "base/encoding.h"
#include "base/verify.h"
#include "crypto/ed25519.h"
#include "crypto/password.h"
#include "crypto/x25519.h"

using namespace sinew;
using namespace sinew::crypto;

namespace {

template <typename Key>
void check_key(std::string_view text) {
  const auto key = Key::parse(text);
  if (!key) {
    VERIFY(!key.error().message.empty());
    return;
  }
  VERIFY(key->to_string() == text);
  VERIFY(from_base64(text)->size() == 32);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  check_key<X25519PublicKey>(text);
  check_key<Ed25519VerifyKey>(text);
  const PasswordCost usual;
  const PasswordCost cheapest = kMinPasswordCost;
  // No string was made at two costs.
  VERIFY(needs_rehash(text, usual) || needs_rehash(text, cheapest));
  return 0;
}
