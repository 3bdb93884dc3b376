// libsodium, set up once. Internal to this module.
#pragma once

namespace sinew::crypto {

// Lets libsodium choose its fastest code for this processor. Before that it computes the same,
// slower. Cheap after the first call; from any thread.
void init_sodium();

}  // namespace sinew::crypto
