// Memory for tensors, counted and limited.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <optional>

namespace easel {

class Allocator {
 public:
  virtual ~Allocator() = default;

  // At least `bytes` bytes, aligned to 64. Throws Error out_of_memory that says how much was wanted and is in use.
  virtual std::byte* allocate(uint64_t bytes) = 0;
  virtual void release(std::byte* address, uint64_t bytes) = 0;  // with the `bytes` of its allocation

  virtual uint64_t bytes_in_use() const = 0;
  virtual uint64_t peak_bytes() const = 0;

  // From now on blocks that are not in use are given back as soon as all blocks would take more than `bytes`. What is
  // in use may take more: that is what the limit is for. Nothing: as many are kept as pay.
  virtual void set_budget(std::optional<uint64_t> bytes) = 0;
};

// Host memory. Freed blocks are kept for the next tensor of about that size, so that a network's steps touch the same
// pages again and again. Thread-safe.
class HostAllocator : public Allocator {
 public:
  explicit HostAllocator(uint64_t limit_bytes = std::numeric_limits<uint64_t>::max()) : limit_bytes_(limit_bytes) {}
  HostAllocator(const HostAllocator&) = delete;
  HostAllocator& operator=(const HostAllocator&) = delete;
  ~HostAllocator() override { HostAllocator::trim(); }

  std::byte* allocate(uint64_t bytes) override;
  void release(std::byte* address, uint64_t bytes) override;
  uint64_t bytes_in_use() const override;
  uint64_t peak_bytes() const override;
  void set_budget(std::optional<uint64_t> bytes) override;

  void trim();                  // gives all unused blocks back to the system
  uint64_t held_bytes() const;  // in use and kept for later

 protected:
  // Where blocks come from: nullptr if there is none.
  virtual std::byte* map(uint64_t bytes);
  virtual void unmap(std::byte* address, uint64_t bytes);

 private:
  std::byte* take_cached(uint64_t block_bytes);
  void trim_locked(uint64_t keep_bytes);
  void keep_within(uint64_t bytes, uint64_t wanted);

  const uint64_t limit_bytes_;
  std::optional<uint64_t> budget_bytes_;
  mutable std::mutex mutex_;
  std::multimap<uint64_t, std::byte*> cached_;  // block size -> block
  std::map<std::byte*, uint64_t> blocks_;       // block in use -> its size
  uint64_t cached_bytes_ = 0;
  uint64_t in_use_bytes_ = 0;
  uint64_t peak_bytes_ = 0;
};

}  // namespace easel
