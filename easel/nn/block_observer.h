// A look at a network's blocks while it runs.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string_view>

#include "easel/tensor/tensor.h"

namespace easel {

// Told the output of each block, under the block's name in the checkpoint, as soon as it is computed: for tests, and to
// stop a long run between blocks by throwing.
using BlockObserver = std::function<void(std::string_view block, const Tensor& output)>;

// Passes `output` on, after showing it to the observer if there is one.
template <typename... Args>
Tensor observed(const BlockObserver& observe, Tensor output, fmt::format_string<Args...> block, Args&&... args) {
  if (observe) observe(fmt::format(block, std::forward<Args>(args)...), output);
  return output;
}

}  // namespace easel
