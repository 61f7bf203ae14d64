// Devices to test on.
#pragma once

#include <memory>

#include "easel/backend/devices.h"

namespace easel::testing {

// A CPU device with two threads, shared by all tests of a program.
inline const Device& cpu_device() {
  static const std::shared_ptr<const Device> device = open_device({.name = "cpu", .threads = 2});
  return *device;
}

}  // namespace easel::testing
