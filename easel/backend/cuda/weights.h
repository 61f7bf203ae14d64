// Weights on the card: as they lie in the file they are copied, and unpacked there.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "easel/backend/cuda/context.h"
#include "easel/backend/cuda/kernels/quantize_kernels.h"
#include "easel/backend/cuda/kernels/weight_kernels.h"
#include "easel/backend/cuda/pinned.h"
#include "easel/tensor/parameter.h"
#include "easel/tensor/tensor.h"

namespace easel::cuda {

// A matrix as codes of 8 bits, each row with a scale (quantize_kernels.h).
struct RowCodes {
  Tensor codes;   // u8 [rows, width]
  Tensor scales;  // f32 [rows]
};

class WeightUploader {
 public:
  explicit WeightUploader(std::shared_ptr<const Context> context) : context_(std::move(context)) {}

  // The weight as it is, [...] -> [count]: kept on the card, or for this use, as its residency says.
  Tensor plain(const Parameter& weight, DType type, const Device& device);
  // [o, i, kh, kw] -> [o_out, kh, kw, i_out], the added channels zero.
  Tensor convolution(const Parameter& weight, int64_t o_out, int64_t i_out, DType type, const Device& device);
  // [d_out, ...] -> rows of d_out, one for each output channel.
  RowCodes codes(const Parameter& weight, EightBits numbers, const Device& device);

 private:
  // Two, so that one is filled while the card unpacks the other.
  struct Slot {
    std::unique_ptr<PinnedBuffer> pinned = nullptr;  // on the host; filled again when it is copied
    std::optional<Tensor> packed = {};
    uint64_t bytes = 0;
    Event unpacked = {};  // on the card: `packed` may be filled again
  };

  // The bytes of a weight on the card, and the type they are of: the file's, or f16 where the card cannot read that.
  struct Uploaded {
    const std::byte* bytes;
    DType type;
    Slot& slot;
  };
  Uploaded upload(const Parameter& weight, const Device& device);
  void make_room(Slot& slot, uint64_t bytes, const Device& device);

  std::shared_ptr<const Context> context_;
  OwnedStream copies_;
  std::array<Slot, 2> slots_;
  size_t next_ = 0;
};

}  // namespace easel::cuda
