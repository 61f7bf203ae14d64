// Where tensors live and who computes on them.
#pragma once

#include <memory>
#include <string>

#include "easel/tensor/allocator.h"

namespace easel {

class Backend;  // easel/backend/backend.h

enum class DeviceKind { cpu, cuda };

// Opened by open_device() (easel/backend/devices.h); must outlive its tensors.
class Device {
 public:
  Device(DeviceKind kind, std::string name, std::unique_ptr<Allocator> allocator, std::shared_ptr<Backend> backend)
      : kind_(kind), name_(std::move(name)), allocator_(std::move(allocator)), backend_(std::move(backend)) {}
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  DeviceKind kind() const { return kind_; }
  const std::string& name() const { return name_; }
  Allocator& allocator() const { return *allocator_; }
  Backend& backend() const { return *backend_; }

 private:
  DeviceKind kind_;
  std::string name_;
  std::unique_ptr<Allocator> allocator_;
  std::shared_ptr<Backend> backend_;
};

}  // namespace easel
