#include "easel/backend/cuda/pinned.h"

#include "easel/base/error.h"
#include "easel/base/text.h"

namespace easel::cuda {

PinnedBuffer::PinnedBuffer(uint64_t bytes) {
  void* data = nullptr;
  if (cudaMallocHost(&data, bytes) != cudaSuccess) {
    cudaGetLastError();
    throw Error(ErrorCode::out_of_memory,
                "there are no {} of memory that the card can read and write; close other programs",
                format_bytes(bytes));
  }
  data_ = static_cast<std::byte*>(data);
}

}  // namespace easel::cuda
