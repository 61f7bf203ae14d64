// CountingAllocator: what a computation would take, found by going through it without memory.
#pragma once

#include "easel/tensor/allocator.h"

namespace easel {

// Hands out blocks as HostAllocator does, and counts them. Large ones are addresses that nobody may touch; small ones
// are real, so that layers can write numbers of their own into them. For one thread.
class CountingAllocator : public HostAllocator {
 public:
  CountingAllocator() = default;
  ~CountingAllocator() override { trim(); }

  // Other memory that is taken (or, below zero, given back) meanwhile: pages of files.
  void hold(int64_t bytes);

  uint64_t peak_held_bytes() const {
    return peak_held_bytes_;
  }  // blocks in use and kept for later, and the other memory
  uint64_t peak_block_bytes() const { return peak_block_bytes_; }  // the blocks alone

 protected:
  std::byte* map(uint64_t bytes) override;
  void unmap(std::byte* address, uint64_t bytes) override;

 private:
  uint64_t held_ = 0;
  uint64_t peak_held_bytes_ = 0;
  uint64_t blocks_ = 0;
  uint64_t peak_block_bytes_ = 0;
  uint64_t next_address_ = uint64_t{1} << 62;  // beyond what any process has
};

}  // namespace easel
