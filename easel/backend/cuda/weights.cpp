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

enum class Layout { plain, convolution };

// Of all forms of a weight; the numbers below 100 belong to the processor.
int number_of(Layout layout, DType type) { return 100 + 16 * static_cast<int>(layout) + static_cast<int>(type); }

const Tensor& tensor_of(const PackedWeight& weight) { return static_cast<const CardWeight&>(weight).tensor(); }

}  // namespace

WeightUploader::Slot::~Slot() {
  if (pinned != nullptr) cudaFreeHost(pinned);
}

void WeightUploader::make_room(Slot& slot, uint64_t bytes, const Device& device) {
  if (bytes <= slot.bytes) return;
  check(cudaStreamSynchronize(copies_), "copy weights");
  slot.bytes = 0;
  slot.packed.reset();
  if (slot.pinned != nullptr) check(cudaFreeHost(slot.pinned), "give memory back");
  slot.pinned = nullptr;
  void* pinned = nullptr;
  if (cudaMallocHost(&pinned, bytes) != cudaSuccess) {
    cudaGetLastError();
    throw Error(ErrorCode::out_of_memory,
                "there are no {} of memory that the card can read weights from; close other programs",
                format_bytes(bytes));
  }
  slot.pinned = static_cast<std::byte*>(pinned);
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
  slot.copied.wait();
  if (readable) {
    std::memcpy(slot.pinned, weight.bytes().data(), bytes);
  } else {
    convert_to_f32(weight.dtype(), weight.bytes(),
                   {reinterpret_cast<float*>(slot.pinned), static_cast<size_t>(weight.shape().count())});
  }
  weight.finish_use();
  slot.unpacked.hold_back(copies_);
  std::byte* const packed = slot.packed->address();
  check(cudaMemcpyAsync(packed, slot.pinned, bytes, cudaMemcpyHostToDevice, copies_), "copy weights");
  slot.copied.record(copies_);
  slot.copied.hold_back(context_->stream());
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

}  // namespace easel::cuda
