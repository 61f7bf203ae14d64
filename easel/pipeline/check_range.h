// Private to easel/pipeline.
#pragma once

#include <string_view>
#include <type_traits>

#include "easel/base/error.h"

namespace easel {

// Throws Error invalid_request unless low <= value <= high; NaN is out of every range.
template <typename Number>
void check_range(std::string_view name, Number value, std::type_identity_t<Number> low,
                 std::type_identity_t<Number> high) {
  if (!(value >= low && value <= high)) {
    throw Error(ErrorCode::invalid_request, "{} is {}, expected {} to {}", name, value, low, high);
  }
}

}  // namespace easel
