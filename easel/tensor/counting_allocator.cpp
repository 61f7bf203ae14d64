#include "easel/tensor/counting_allocator.h"

#include <algorithm>

#include "easel/base/error.h"
#include "easel/base/pages.h"

namespace easel {
namespace {

constexpr uint64_t kLargestRealBytes = 8 << 20;

}  // namespace

void CountingAllocator::hold(int64_t bytes) {
  held_ = static_cast<uint64_t>(static_cast<int64_t>(held_) + bytes);
  peak_held_bytes_ = std::max(peak_held_bytes_, held_);
}

std::byte* CountingAllocator::map(uint64_t bytes) {
  blocks_ += bytes;
  peak_block_bytes_ = std::max(peak_block_bytes_, blocks_);
  hold(static_cast<int64_t>(bytes));
  if (bytes <= kLargestRealBytes) return map_pages(bytes);
  const uint64_t address = next_address_;
  next_address_ += bytes;
  return reinterpret_cast<std::byte*>(address);
}

void CountingAllocator::unmap(std::byte* address, uint64_t bytes) {
  blocks_ -= bytes;
  hold(-static_cast<int64_t>(bytes));
  if (bytes <= kLargestRealBytes) unmap_pages(address, bytes);
}

}  // namespace easel
