// Devices to test on.
#pragma once

#include <cstdlib>
#include <memory>

#include "easel/backend/devices.h"

namespace easel::testing {

// What the tests of a program compute on: the CPU with two threads or, if EASEL_TEST_DEVICE names one, another device
// in f32.
inline const Device& cpu_device() {
  static const std::shared_ptr<const Device> device = [] {
    const char* const name = std::getenv("EASEL_TEST_DEVICE");
    return open_device({.name = name == nullptr ? "cpu" : name, .threads = 2, .activation_type = DType::f32});
  }();
  return *device;
}

}  // namespace easel::testing
