// Plug-ins: libraries beside the program that bring devices of their own.
//
// A plug-in is built from the same sources as the program and takes what it needs of easel/base and easel/tensor from
// it. It exports two C functions, which EASEL_EXPORT_DEVICES defines:
//   const char* easel_plugin_interface()   EASEL_PLUGIN_INTERFACE as it was when the plug-in was built
//   easel::DevicePlugin* easel_plugin()    called only if that is what the program has
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "easel/backend/backend.h"
#include "easel/backend/reduced_products.h"
#include "easel/tensor/allocator.h"

namespace easel {

// A card as it is found, opened or not.
struct CardInfo {
  std::string name;     // "NVIDIA H100 80GB HBM3"
  std::string details;  // "compute capability 9.0, 132 multiprocessors"
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;            // if it was opened
  std::string unusable_because = {};  // empty if it can be opened
};

struct CardOptions {
  int index = 0;                                        // in cards()
  std::optional<DType> activation_type = std::nullopt;  // nothing: what the card is best at
  uint64_t memory_limit_bytes = 0;
  ReducedProducts reduced = {};  // of 8-bit numbers: linear layers and pointwise convolutions only
};

// What was recorded, to be computed as a whole.
class Recording {
 public:
  virtual ~Recording() = default;
  virtual void run() = 0;  // does not wait
};

// Records what the backend is asked to compute and the allocator to copy.
class Recorder {
 public:
  virtual ~Recorder() = default;

  // From now on operations and copies on the card are recorded and not computed. What waits for the card, or copies
  // from or to the host, throws Error device_failure.
  virtual void begin() = 0;
  // Ends that. Throws Error device_failure if something could not be recorded.
  virtual std::unique_ptr<Recording> finish() = 0;
  virtual void abandon() noexcept = 0;  // ends it too; what was recorded is forgotten
};

struct OpenedCard {
  std::unique_ptr<Allocator> allocator;
  std::shared_ptr<Backend> backend;
  std::unique_ptr<Recorder> recorder = nullptr;  // if the card has one
};

class DevicePlugin {
 public:
  virtual ~DevicePlugin() = default;

  // opens: every card, to see whether it works and what memory is free. Some of that stays taken as long as the program
  // runs. Throws Error device_failure if the driver or library refuses.
  virtual std::vector<CardInfo> cards(bool opens) const = 0;
  // Throws Error device_failure, out_of_memory, or invalid_request for a type that the card does not compute in.
  virtual OpenedCard open(const CardOptions& options) const = 0;
};

// The library of CUDA devices, looked for in the folder that EASEL_PLUGINS names or, without that, beside the program
// and in ../lib/easel. Throws Error device_failure that says where it was looked for or what is wrong with it, and the
// cure.
const DevicePlugin& cuda_plugin();

}  // namespace easel

#define EASEL_EXPORT_DEVICES(Plugin)                                                 \
  extern "C" const char* easel_plugin_interface();                                   \
  extern "C" const easel::DevicePlugin* easel_plugin();                              \
  extern "C" const char* easel_plugin_interface() { return EASEL_PLUGIN_INTERFACE; } \
  extern "C" const easel::DevicePlugin* easel_plugin() {                             \
    static const Plugin plugin;                                                      \
    return &plugin;                                                                  \
  }
