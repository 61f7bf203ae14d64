// The devices of this machine, as people are told of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace easel {

// Where nobody names a device: what the environment variable EASEL_DEVICE says, or "cpu".
std::string default_device();

// What there is to compute with.
struct DeviceInfo {
  std::string name;     // "cpu", "cuda:0": what open_device() takes
  std::string title;    // "NVIDIA H100 80GB HBM3"
  std::string details;  // processors and instruction sets, or what a card has of such things
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;
  std::string unusable_because = {};  // empty: it can be used
};
struct DeviceList {
  std::vector<DeviceInfo> devices;
  std::string no_cards_because = {};  // empty if there are cards, usable or not
};

// What can be found out without opening one; never throws because a card cannot be used.
DeviceList list_devices();

}  // namespace easel
