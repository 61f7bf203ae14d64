// What the devices of workers are, and how much of their memory is free now.
#pragma once

#include <vector>

#include "server/jobs/worker.h"

namespace easel::server {

// Of each worker's device, in their order; of one that cannot be looked at any more the name alone.
std::vector<DeviceInfo> infos_of(const std::vector<WorkerStatus>& workers);

}  // namespace easel::server
