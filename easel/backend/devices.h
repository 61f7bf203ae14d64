// Opens the devices of this machine.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "easel/backend/profile.h"
#include "easel/tensor/device.h"

namespace easel {

struct DeviceOptions {
  std::string name = "cpu";
  int threads = 0;  // 0: all processors of the machine
  uint64_t memory_limit_bytes = std::numeric_limits<uint64_t>::max();
  std::shared_ptr<Profile> profile = nullptr;  // where every operation is written down, if given
};

// Throws Error invalid_request for an unknown name or a thread count out of 1..1024.
std::shared_ptr<const Device> open_device(const DeviceOptions& options = {});

}  // namespace easel
