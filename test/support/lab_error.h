// How the laboratory fails: by an exception, which ends the one test case that needs it and says
// why. Code under test never sees one; with values in place of it every line of every topology
// would be a check.
#pragma once

#include <stdexcept>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace sinew::lab {

class LabError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The value of a Result, or a LabError.
template <typename T>
T must(Result<T> result) {
  if (!result) throw LabError(result.error().message);
  return release_value(std::move(result));
}

}  // namespace sinew::lab
