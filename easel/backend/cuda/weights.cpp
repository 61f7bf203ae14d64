#include "easel/backend/cuda/weights.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "easel/base/error.h"
#include "easel/base/text.h"

namespace easel::cuda {
namespace {

class CardWeight : public PackedWeight {
 public:
  explicit CardWeight(Tensor tensor) : tensor_(std::move(tensor)) {}
  const Tensor& tensor() const { return tensor_; }

 private:
  Tensor tensor_;
};

class CardCodes : public PackedWeight {
 public:
  explicit CardCodes(RowCodes weight) : weight_(std::move(weight)) {}
  const RowCodes& weight() const { return weight_; }

 private:
  RowCodes weight_;
};

enum class Layout { plain, convolution, int8, e4m3 };

// Of all forms of a weight; the numbers below 100 belong to the processor.
int number_of(Layout layout, DType type) { return 100 + 16 * static_cast<int>(layout) + static_cast<int>(type); }

const Tensor& tensor_of(const PackedWeight& weight) { return static_cast<const CardWeight&>(weight).tensor(); }

}  // namespace

void WeightUploader::make_room(Slot& slot, uint64_t bytes, const Device& device) {
  if (bytes <= slot.bytes) return;
  check(cudaStreamSynchronize(copies_), "copy weights");
  slot.bytes = 0;
  slot.packed.reset();
  slot.pinned.reset();
  slot.pinned = std::make_unique<PinnedBuffer>(bytes);
  slot.packed = Tensor::empty(device, {static_cast<int64_t>(bytes)}, DType::u8);
  slot.bytes = bytes;
  slot.unpacked.record(context_->stream());  // the block may have been a tensor's until now
}

WeightUploader::Uploaded WeightUploader::upload(const Parameter& weight, const Device& device) {
  context_->refuse_while_recording("fetch a weight from the host");
  Slot& slot = slots_[next_];
  next_ = (next_ + 1) % slots_.size();
  const bool readable = can_unpack(weight.dtype());
  const uint64_t bytes =
      readable ? weight.bytes().size() : static_cast<uint64_t>(weight.shape().count()) * sizeof(float);
  make_room(slot, bytes, device);
  slot.pinned->copied().wait();
  if (readable) {
    std::memcpy(slot.pinned->data(), weight.bytes().data(), bytes);
  } else {
    convert_to_f32(weight.dtype(), weight.bytes(),
                   {reinterpret_cast<float*>(slot.pinned->data()), static_cast<size_t>(weight.shape().count())});
  }
  weight.finish_use();
  slot.unpacked.hold_back(copies_);
  std::byte* const packed = slot.packed->address();
  check(cudaMemcpyAsync(packed, slot.pinned->data(), bytes, cudaMemcpyHostToDevice, copies_), "copy weights");
  slot.pinned->copied().record(copies_);
  slot.pinned->copied().hold_back(context_->stream());
  return {.bytes = packed, .type = readable ? weight.dtype() : DType::f32, .slot = slot};
}

Tensor WeightUploader::plain(const Parameter& weight, DType type, const Device& device) {
  const auto pack = [&]() -> std::shared_ptr<const PackedWeight> {
    Tensor out = Tensor::empty(device, {weight.shape().count()}, type);
    const Uploaded uploaded = upload(weight, device);
    unpack(uploaded.bytes, uploaded.type, out.count(), {out.address(), type}, context_->stream());
    check_launch("unpack a weight");
    uploaded.slot.unpacked.record(context_->stream());
    return std::make_shared<CardWeight>(out);
  };
  return tensor_of(*weight.packed(number_of(Layout::plain, type), pack));
}

Tensor WeightUploader::convolution(const Parameter& weight, int64_t o_out, int64_t i_out, DType type,
                                   const Device& device) {
  const Shape& shape = weight.shape();
  EASEL_ASSERT(o_out >= shape[0] && i_out >= shape[1]);
  const auto pack = [&]() -> std::shared_ptr<const PackedWeight> {
    Tensor out = Tensor::empty(device, {o_out, shape[2], shape[3], i_out}, type);
    const int64_t row = shape[2] * shape[3] * i_out;
    if (o_out > shape[0]) {
      check(cudaMemsetAsync(out.address() + shape[0] * row * size_of(type), 0,
                            static_cast<size_t>((o_out - shape[0]) * row * size_of(type)), context_->stream()),
            "fill up a weight");
    }
    const Uploaded uploaded = upload(weight, device);
    unpack_conv_weight(uploaded.bytes, uploaded.type, {.o = shape[0], .i = shape[1], .kh = shape[2], .kw = shape[3]},
                       i_out, {out.address(), type}, context_->stream());
    check_launch("unpack a weight");
    uploaded.slot.unpacked.record(context_->stream());
    return std::make_shared<CardWeight>(out);
  };
  return tensor_of(*weight.packed(number_of(Layout::convolution, type), pack));
}

RowCodes WeightUploader::codes(const Parameter& weight, EightBits numbers, const Device& device) {
  const int64_t d_out = weight.shape()[0];
  const int64_t d_in = weight.shape().count() / d_out;
  const auto pack = [&]() -> std::shared_ptr<const PackedWeight> {
    RowCodes out{.codes = Tensor::empty(device, {d_out, d_in}, DType::u8), .scales = Tensor::empty(device, {d_out})};
    const Uploaded uploaded = upload(weight, device);
    quantize_weight(uploaded.bytes, uploaded.type, d_out, d_in, numbers, out.codes.address(),
                    reinterpret_cast<float*>(out.scales.address()), context_->stream());
    check_launch("round a weight to 8 bits");
    uploaded.slot.unpacked.record(context_->stream());
    return std::make_shared<CardCodes>(std::move(out));
  };
  const Layout layout = numbers == EightBits::int8 ? Layout::int8 : Layout::e4m3;
  return static_cast<const CardCodes&>(*weight.packed(number_of(layout, DType::u8), pack)).weight();
}

}  // namespace easel::cuda
