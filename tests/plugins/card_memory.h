// The memory of the test card: that of the host, which nobody else can touch.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "easel/tensor/allocator.h"
#include "tests/plugins/card_tape.h"

namespace easel::testing {

// Addresses are such that no program has; behind each block lie bytes of the host.
class CardMemory : public Allocator {
 public:
  CardMemory(uint64_t limit_bytes, std::shared_ptr<CardTape> tape)
      : limit_bytes_(limit_bytes), tape_(std::move(tape)) {}

  std::byte* allocate(uint64_t bytes) override {
    const std::lock_guard lock(mutex_);
    if (in_use_ + bytes > limit_bytes_) {
      throw Error(ErrorCode::out_of_memory, "the card needs {} more bytes, {} of {} are in use", bytes, in_use_,
                  limit_bytes_);
    }
    const uint64_t address = next_address_;
    next_address_ += bytes + kGap;
    blocks_.emplace(address, std::vector<std::byte>(bytes, std::byte{0xFF}));  // NaN, if anybody reads it as it is
    in_use_ += bytes;
    peak_ = std::max(peak_, in_use_);
    return reinterpret_cast<std::byte*>(address);
  }
  void release(std::byte* address, uint64_t bytes) override {
    const std::lock_guard lock(mutex_);
    EASEL_ASSERT(blocks_.erase(reinterpret_cast<uint64_t>(address)) == 1);
    in_use_ -= bytes;
  }
  uint64_t bytes_in_use() const override {
    const std::lock_guard lock(mutex_);
    return in_use_;
  }
  uint64_t peak_bytes() const override {
    const std::lock_guard lock(mutex_);
    return peak_;
  }
  void set_budget(std::optional<uint64_t> /*bytes*/) override {}
  std::optional<uint64_t> available_bytes() const override { return limit_bytes_ - bytes_in_use(); }
  bool is_host() const override { return false; }
  void write(std::byte* to, std::span<const std::byte> host) override {
    tape_->require_time();
    if (!host.empty()) std::memcpy(at(to, host.size()), host.data(), host.size());
  }
  void read(const std::byte* from, std::span<std::byte> host) override {
    tape_->require_time();
    if (!host.empty()) std::memcpy(host.data(), at(from, host.size()), host.size());
  }
  void copy(const std::byte* from, std::byte* to, uint64_t bytes) override {
    if (bytes > 0) tape_->put([=, this] { std::memmove(at(to, bytes), at(from, bytes), bytes); });
  }

 private:
  static constexpr uint64_t kGap = 4096;

  std::byte* at(const std::byte* address, uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    auto block = blocks_.upper_bound(reinterpret_cast<uint64_t>(address));
    EASEL_ASSERT(block != blocks_.begin());
    --block;
    const uint64_t offset = reinterpret_cast<uint64_t>(address) - block->first;
    EASEL_ASSERT(offset + bytes <= block->second.size());
    return block->second.data() + offset;
  }

  const uint64_t limit_bytes_;
  std::shared_ptr<CardTape> tape_;
  mutable std::mutex mutex_;
  std::map<uint64_t, std::vector<std::byte>> blocks_;
  uint64_t next_address_ = uint64_t{1} << 62;
  uint64_t in_use_ = 0;
  uint64_t peak_ = 0;
};

}  // namespace easel::testing
