#include "udp/kernel_rules.h"

#include <sys/utsname.h>

#include <array>
#include <charconv>

#include "base/verify.h"

namespace sinew::udp {

KernelVersion parse_kernel_release(std::string_view release) {
  std::array<unsigned, 3> numbers{};
  const char* at = release.data();
  const char* const end = at + release.size();
  for (unsigned& number : numbers) {
    const auto [behind, error] = std::from_chars(at, end, number);
    if (error != std::errc() || behind == end || *behind != '.') break;
    at = behind + 1;
  }
  return {.series = numbers[0], .minor_number = numbers[1], .patch = numbers[2]};
}

KernelVersion running_kernel() {
  utsname names{};
  VERIFY(::uname(&names) == 0);
  return parse_kernel_release(names.release);
}

bool has_sound_coalescing(const KernelVersion& version) {
  return version >= KernelVersion{5, 12, 0};
}

bool has_sound_segmentation(const KernelVersion& version) {
  return version < KernelVersion{7, 0, 0} || version >= KernelVersion{7, 1, 5};
}

}  // namespace sinew::udp
