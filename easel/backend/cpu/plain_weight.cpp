#include "easel/backend/cpu/plain_weight.h"

namespace easel::cpu {
namespace {

class PlainWeight : public PackedWeight {
 public:
  explicit PlainWeight(Tensor values) : values_(std::move(values)) {}
  const Tensor& values() const { return values_; }

 private:
  Tensor values_;
};

}  // namespace

Tensor unpack(const Parameter& parameter, const Device& device) {
  Tensor values = Tensor::empty(device, parameter.shape());
  convert_to_f32(parameter.dtype(), parameter.bytes(), values.data());
  return values;
}

Tensor plain_values(const Parameter& parameter, const Device& device) {
  const auto packed =
      parameter.packed(kPlainLayout, [&] { return std::make_shared<PlainWeight>(unpack(parameter, device)); });
  return static_cast<const PlainWeight&>(*packed).values();
}

}  // namespace easel::cpu
