#include "server/device_memory.h"

#include <algorithm>

namespace easel::server {

std::vector<DeviceInfo> infos_of(const std::vector<WorkerStatus>& workers) {
  const std::vector<DeviceInfo> all = list_devices().devices;
  std::vector<DeviceInfo> infos;
  for (const WorkerStatus& worker : workers) {
    const auto found = std::ranges::find(all, worker.device, &DeviceInfo::name);
    infos.push_back(found == all.end() ? DeviceInfo{} : *found);
    infos.back().name = worker.device;
  }
  return infos;
}

}  // namespace easel::server
