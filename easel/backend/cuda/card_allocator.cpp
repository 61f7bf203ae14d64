#include "easel/backend/cuda/card_allocator.h"

#include <algorithm>
#include <cstring>

namespace easel::cuda {
namespace {

// Blocks that wait for the next tensor stay, unless they are in the way: giving them back makes the card wait.
constexpr uint64_t kMaxCachedBytes = uint64_t{1} << 62;
// What the sampler's numbers for a step fit in.
constexpr uint64_t kSmallBytes = 1 << 20;

}  // namespace

CardAllocator::CardAllocator(std::shared_ptr<const Context> context, uint64_t limit_bytes)
    : HostAllocator(limit_bytes, kMaxCachedBytes), context_(std::move(context)), limit_bytes_(limit_bytes) {}

void CardAllocator::write(std::byte* to, std::span<const std::byte> host) {
  if (host.empty()) return;
  context_->refuse_while_recording("copy to the card");
  context_->activate();
  const auto put = [&](const std::byte* from) {
    check(cudaMemcpyAsync(to, from, host.size(), cudaMemcpyHostToDevice, context_->stream()), "copy to the card");
  };
  if (host.size() > kSmallBytes) {
    put(host.data());
    return context_->wait();
  }
  std::unique_ptr<PinnedBuffer>& buffer = sent_[next_sent_];
  next_sent_ = (next_sent_ + 1) % sent_.size();
  if (!buffer) buffer = std::make_unique<PinnedBuffer>(kSmallBytes);
  buffer->copied().wait();
  std::memcpy(buffer->data(), host.data(), host.size());
  put(buffer->data());
  buffer->copied().record(context_->stream());
}

void CardAllocator::read(const std::byte* from, std::span<std::byte> host) {
  if (host.empty()) return;
  context_->refuse_while_recording("copy from the card");
  context_->activate();
  check(cudaMemcpyAsync(host.data(), from, host.size(), cudaMemcpyDeviceToHost, context_->stream()),
        "copy from the card");
  context_->wait();
}

std::shared_ptr<PinnedBuffer> CardAllocator::idle_buffer() {
  const auto idle = std::ranges::find_if(received_, [](const auto& buffer) { return buffer.use_count() == 1; });
  if (idle != received_.end()) return *idle;
  return received_.emplace_back(std::make_shared<PinnedBuffer>(kSmallBytes));
}

std::function<void()> CardAllocator::start_read(const std::byte* from, std::span<std::byte> host) {
  if (host.size() > kSmallBytes) {
    read(from, host);
    return [] {};
  }
  context_->refuse_while_recording("copy from the card");
  context_->activate();
  auto buffer = idle_buffer();
  check(cudaMemcpyAsync(buffer->data(), from, host.size(), cudaMemcpyDeviceToHost, context_->stream()),
        "copy from the card");
  buffer->copied().record(context_->stream());
  return [context = context_, buffer = std::move(buffer), host] {
    context->activate();
    buffer->copied().wait();
    std::ranges::copy(std::span(buffer->data(), host.size()), host.begin());
  };
}

void CardAllocator::copy(const std::byte* from, std::byte* to, uint64_t bytes) {
  if (bytes == 0) return;
  context_->activate();
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, context_->stream()), "copy on the card");
}

std::optional<uint64_t> CardAllocator::available_bytes() const {
  context_->activate();
  size_t free = 0;
  size_t total = 0;
  check(cudaMemGetInfo(&free, &total), "ask for free memory");
  const uint64_t in_use = bytes_in_use();
  const uint64_t kept = held_bytes() - std::min(held_bytes(), in_use);
  const uint64_t allowed = limit_bytes_ - std::min(limit_bytes_, in_use);
  return std::min<uint64_t>(free + kept, allowed);
}

std::byte* CardAllocator::map(uint64_t bytes) {
  context_->activate();
  void* address = nullptr;
  const cudaError_t status = cudaMalloc(&address, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // it is told by nullptr, not by the next launch
    return nullptr;
  }
  check(status, "give memory");
  return static_cast<std::byte*>(address);
}

// Waits until the card is done with the block. A failure here belongs to what was computed before and is told there.
void CardAllocator::unmap(std::byte* address, uint64_t /*bytes*/) {
  static_cast<void>(cudaSetDevice(context_->index()));
  static_cast<void>(cudaFree(address));
}

}  // namespace easel::cuda
