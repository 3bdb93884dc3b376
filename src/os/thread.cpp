#include "os/thread.h"

#include <system_error>
#include <utility>

#include "os/error.h"

namespace sinew::os {

Result<std::thread> start_thread(std::function<void()> body) {
  try {
    return std::thread(std::move(body));
  } catch (const std::system_error& error) {
    return system_error("start a thread", error.code().value());
  }
}

}  // namespace sinew::os
