// Memory for tensors, counted and limited.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <span>

namespace easel {

class Allocator {
 public:
  virtual ~Allocator() = default;

  // At least `bytes` bytes, aligned to 64. Throws Error out_of_memory that says how much was wanted and is in use.
  virtual std::byte* allocate(uint64_t bytes) = 0;
  virtual void release(std::byte* address, uint64_t bytes) = 0;  // with the `bytes` of its allocation

  virtual uint64_t bytes_in_use() const = 0;
  virtual uint64_t peak_bytes() const = 0;

  // What the device itself could still give, if its memory is not the machine's.
  virtual std::optional<uint64_t> available_bytes() const { return std::nullopt; }

  // Whether programs may touch this memory. If not, they reach it by the three functions below, which take their turn
  // after everything that the device was asked to compute before; the first two return when they are done.
  virtual bool is_host() const = 0;
  virtual void write(std::byte* to, std::span<const std::byte> host) = 0;
  virtual void read(const std::byte* from, std::span<std::byte> host) = 0;
  virtual void copy(const std::byte* from, std::byte* to, uint64_t bytes) = 0;  // both of this allocator
  // As read(), but a device may go on meanwhile: what it returns is to be called before `host` is looked at, and
  // `host` stays until then.
  virtual std::function<void()> start_read(const std::byte* from, std::span<std::byte> host) {
    read(from, host);
    return [] {};
  }

  // From now on blocks that are not in use are given back as soon as all blocks would take more than `bytes`. What is
  // in use may take more: that is what the limit is for. Nothing: as many are kept as pay.
  virtual void set_budget(std::optional<uint64_t> bytes) = 0;
};

// Host memory. Freed blocks are kept for the next tensor of about that size, so that a network's steps touch the same
// pages again and again. Thread-safe.
class HostAllocator : public Allocator {
 public:
  // max_cached_bytes: of blocks that are kept for later
  explicit HostAllocator(uint64_t limit_bytes = std::numeric_limits<uint64_t>::max(),
                         uint64_t max_cached_bytes = 768 << 20)
      : limit_bytes_(limit_bytes), max_cached_bytes_(max_cached_bytes) {}
  HostAllocator(const HostAllocator&) = delete;
  HostAllocator& operator=(const HostAllocator&) = delete;
  ~HostAllocator() override { HostAllocator::trim(); }

  std::byte* allocate(uint64_t bytes) override;
  void release(std::byte* address, uint64_t bytes) override;
  uint64_t bytes_in_use() const override;
  uint64_t peak_bytes() const override;
  void set_budget(std::optional<uint64_t> bytes) override;
  bool is_host() const override { return true; }
  void write(std::byte* to, std::span<const std::byte> host) override;
  void read(const std::byte* from, std::span<std::byte> host) override;
  void copy(const std::byte* from, std::byte* to, uint64_t bytes) override;

  void trim();                  // gives all unused blocks back to the system
  uint64_t held_bytes() const;  // in use and kept for later

 protected:
  // Where blocks come from: nullptr if there is none.
  virtual std::byte* map(uint64_t bytes);
  virtual void unmap(std::byte* address, uint64_t bytes);
  virtual const char* owner() const { return "the system"; }  // who refuses them

 private:
  std::byte* take_cached(uint64_t block_bytes);
  void trim_locked(uint64_t keep_bytes);
  void keep_within(uint64_t bytes, uint64_t wanted);

  const uint64_t limit_bytes_;
  const uint64_t max_cached_bytes_;
  std::optional<uint64_t> budget_bytes_;
  mutable std::mutex mutex_;
  std::multimap<uint64_t, std::byte*> cached_;  // block size -> block
  std::map<std::byte*, uint64_t> blocks_;       // block in use -> its size
  uint64_t cached_bytes_ = 0;
  uint64_t in_use_bytes_ = 0;
  uint64_t peak_bytes_ = 0;
};

}  // namespace easel
