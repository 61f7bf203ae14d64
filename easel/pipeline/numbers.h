// Numbers that people write. Private to easel/pipeline.
#pragma once

#include <string>
#include <type_traits>

#include "easel/base/error.h"
#include "easel/base/text.h"

namespace easel {

// T: int64_t, uint64_t, double. Throws Error invalid_request: "'ten' is no whole number".
template <typename T>
T require_number(const std::string& text) {
  if (const auto number = parse_number<T>(text)) return *number;
  throw Error(ErrorCode::invalid_request, "'{}' is no {}", text,
              std::is_floating_point_v<T> ? "number"
              : std::is_unsigned_v<T>     ? "whole number from 0 on"
                                          : "whole number");
}

}  // namespace easel
