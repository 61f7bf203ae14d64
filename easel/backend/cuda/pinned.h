// Pinned memory of the host, which a card copies to and from while the host goes on.
#pragma once

#include <cstdint>

#include "easel/backend/cuda/context.h"

namespace easel::cuda {

class PinnedBuffer {
 public:
  // Throws Error out_of_memory.
  explicit PinnedBuffer(uint64_t bytes);
  ~PinnedBuffer() { cudaFreeHost(data_); }
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;

  std::byte* data() const { return data_; }
  // Of the last copy to or from it.
  Event& copied() { return copied_; }

 private:
  std::byte* data_ = nullptr;
  Event copied_;
};

}  // namespace easel::cuda
