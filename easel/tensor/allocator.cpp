#include "easel/tensor/allocator.h"

#include <algorithm>

#include "easel/base/error.h"
#include "easel/base/pages.h"
#include "easel/base/text.h"

namespace easel {
namespace {

constexpr uint64_t kMaxBlockBytes = uint64_t{1} << 56;  // beyond any address space; sums stay in 64 bits

// Sizes are rounded up so that nearly equal tensors share blocks: whole pages, and 1/8 of the leading power of two.
uint64_t block_size(uint64_t bytes) {
  uint64_t step = 4096;
  while (step * 16 <= bytes) step *= 2;
  return (std::max<uint64_t>(bytes, 1) + step - 1) / step * step;
}

}  // namespace

std::byte* HostAllocator::take_cached(uint64_t block_bytes) {
  const auto found = cached_.lower_bound(block_bytes);
  if (found == cached_.end() || found->first > block_bytes + block_bytes / 4) return nullptr;
  std::byte* block = found->second;
  blocks_.emplace(block, found->first);
  cached_bytes_ -= found->first;
  in_use_bytes_ += found->first;
  cached_.erase(found);
  return block;
}

std::byte* HostAllocator::allocate(uint64_t bytes) {
  const uint64_t wanted = block_size(std::min(bytes, kMaxBlockBytes));
  const std::lock_guard lock(mutex_);
  std::byte* block = take_cached(wanted);
  if (block == nullptr) {
    keep_within(std::min(limit_bytes_, budget_bytes_.value_or(limit_bytes_)), wanted);
    if (in_use_bytes_ + wanted > limit_bytes_) {
      throw Error(ErrorCode::out_of_memory,
                  "tensors need {} more memory, {} are in use and the limit is {}; use a smaller size, a smaller batch "
                  "or a higher --memory-limit",
                  format_bytes(wanted), format_bytes(in_use_bytes_), format_bytes(limit_bytes_));
    }
    block = map(wanted);
    if (block == nullptr) {
      trim_locked(0);
      block = map(wanted);
    }
    if (block == nullptr) {
      throw Error(ErrorCode::out_of_memory,
                  "{} refuses {} more memory for tensors, {} are in use; use a smaller size or batch, or close other "
                  "programs",
                  owner(), format_bytes(wanted), format_bytes(in_use_bytes_));
    }
    blocks_.emplace(block, wanted);
    in_use_bytes_ += wanted;
  }
  peak_bytes_ = std::max(peak_bytes_, in_use_bytes_);
  return block;
}

void HostAllocator::release(std::byte* address, uint64_t /*bytes*/) {
  const std::lock_guard lock(mutex_);
  const auto found = blocks_.find(address);
  EASEL_ASSERT(found != blocks_.end());
  in_use_bytes_ -= found->second;
  cached_bytes_ += found->second;
  cached_.emplace(found->second, address);
  blocks_.erase(found);
  if (cached_bytes_ > max_cached_bytes_) trim_locked(max_cached_bytes_);
  if (budget_bytes_) keep_within(*budget_bytes_, 0);
}

// Makes room for `wanted` more bytes, as far as unused blocks give it.
void HostAllocator::keep_within(uint64_t bytes, uint64_t wanted) {
  const uint64_t taken = in_use_bytes_ + wanted;
  trim_locked(bytes > taken ? bytes - taken : 0);
}

void HostAllocator::trim_locked(uint64_t keep_bytes) {
  while (cached_bytes_ > keep_bytes && !cached_.empty()) {
    const auto largest = std::prev(cached_.end());
    unmap(largest->second, largest->first);
    cached_bytes_ -= largest->first;
    cached_.erase(largest);
  }
}

void HostAllocator::trim() {
  const std::lock_guard lock(mutex_);
  trim_locked(0);
}

void HostAllocator::set_budget(std::optional<uint64_t> bytes) {
  const std::lock_guard lock(mutex_);
  budget_bytes_ = bytes;
  if (bytes) keep_within(*bytes, 0);
}

uint64_t HostAllocator::held_bytes() const {
  const std::lock_guard lock(mutex_);
  return in_use_bytes_ + cached_bytes_;
}

std::byte* HostAllocator::map(uint64_t bytes) { return map_pages(bytes); }

void HostAllocator::unmap(std::byte* address, uint64_t bytes) { unmap_pages(address, bytes); }

void HostAllocator::write(std::byte* to, std::span<const std::byte> host) { std::ranges::copy(host, to); }

void HostAllocator::read(const std::byte* from, std::span<std::byte> host) {
  std::copy_n(from, host.size(), host.begin());
}

void HostAllocator::copy(const std::byte* from, std::byte* to, uint64_t bytes) { std::copy_n(from, bytes, to); }

uint64_t HostAllocator::bytes_in_use() const {
  const std::lock_guard lock(mutex_);
  return in_use_bytes_;
}

uint64_t HostAllocator::peak_bytes() const {
  const std::lock_guard lock(mutex_);
  return peak_bytes_;
}

}  // namespace easel
