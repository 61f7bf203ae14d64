#include "easel/tensor/parameter.h"

#include "easel/base/error.h"

namespace easel {

Parameter::Parameter(WeightData data, Residency residency) : state_(std::make_shared<State>()) {
  EASEL_ASSERT(static_cast<int64_t>(data.bytes.size()) == bytes_of(data.dtype, data.shape.count()));
  state_->data = std::move(data);
  state_->residency = residency;
}

std::vector<float> Parameter::values() const {
  std::vector<float> out(static_cast<size_t>(shape().count()));
  convert_to_f32(dtype(), bytes(), out);
  return out;
}

Parameter Parameter::rows(int64_t begin, int64_t end) const {
  const WeightData& whole = state_->data;
  EASEL_ASSERT(0 <= begin && begin < end && end <= whole.shape.dim(0));
  const auto row_bytes = static_cast<size_t>(bytes_of(whole.dtype, whole.shape.count() / whole.shape.dim(0)));
  std::vector<int64_t> dims(whole.shape.dims().begin(), whole.shape.dims().end());
  dims[0] = end - begin;
  WeightData part = whole;
  part.shape = Shape(dims);
  part.bytes =
      whole.bytes.subspan(static_cast<size_t>(begin) * row_bytes, static_cast<size_t>(end - begin) * row_bytes);
  return Parameter(std::move(part), state_->residency);
}

void Parameter::release_file_pages() const {
  if (state_->data.mapping != nullptr) state_->data.mapping->release_pages(state_->data.bytes);
}

void Parameter::finish_use() const {
  if (state_->residency == Residency::streamed) release_file_pages();
}

std::shared_ptr<const PackedWeight> Parameter::packed(int layout, const Pack& pack) const {
  const auto pack_once = [&] {
    auto weight = pack();
    release_file_pages();
    return weight;
  };
  if (state_->residency == Residency::streamed) return pack_once();
  const std::lock_guard lock(state_->mutex);
  for (const auto& [kept_layout, weight] : state_->kept) {
    if (kept_layout == layout) return weight;
  }
  return state_->kept.emplace_back(layout, pack_once()).second;
}

}  // namespace easel
