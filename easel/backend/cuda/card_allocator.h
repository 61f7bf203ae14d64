// Memory of a card, in blocks that are kept and counted as the host's are.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "easel/backend/cuda/context.h"
#include "easel/backend/cuda/pinned.h"
#include "easel/tensor/allocator.h"

namespace easel::cuda {

// A block that is given back may be handed out at once although the card has yet to compute with it: everything that
// touches memory of this allocator does so in the order of the context's stream.
class CardAllocator : public HostAllocator {
 public:
  CardAllocator(std::shared_ptr<const Context> context, uint64_t limit_bytes);
  ~CardAllocator() override { trim(); }

  bool is_host() const override { return false; }
  void write(std::byte* to, std::span<const std::byte> host) override;
  void read(const std::byte* from, std::span<std::byte> host) override;
  void copy(const std::byte* from, std::byte* to, uint64_t bytes) override;
  std::function<void()> start_read(const std::byte* from, std::span<std::byte> host) override;
  std::optional<uint64_t> available_bytes() const override;

 protected:
  std::byte* map(uint64_t bytes) override;
  void unmap(std::byte* address, uint64_t bytes) override;
  const char* owner() const override { return "the card"; }

 private:
  std::shared_ptr<PinnedBuffer> idle_buffer();

  std::shared_ptr<const Context> context_;
  uint64_t limit_bytes_;
  // Small writes are copied from here in turn, so that nobody waits for them.
  std::array<std::unique_ptr<PinnedBuffer>, 4> sent_;
  size_t next_sent_ = 0;
  std::vector<std::shared_ptr<PinnedBuffer>> received_;  // small reads arrive here; who waits for one holds it
};

}  // namespace easel::cuda
