#include "easel/adapter/lora_merge.h"

#include <algorithm>
#include <cmath>

#include "easel/base/error.h"
#include "easel/ops/ops.h"

namespace easel {
namespace {

DType merged_type(DType dtype) { return dtype == DType::f16 || is_quantized(dtype) ? DType::f16 : DType::f32; }

std::vector<float> values_of(const WeightData& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.shape.count()));
  convert_to_f32(tensor.dtype, tensor.bytes, values);
  return values;
}

// down [rank, in], or mid @ down [rank, in, kh, kw] as Kronecker-free CP decomposition: sum over r of mid[p, r, y, x] *
// down[r, i]. Transposed -> [in * kh * kw, rank], as ops::linear() wants it.
std::vector<float> transposed_down(const LoraLayer& layer) {
  const std::vector<float> down = values_of(*layer.down);
  const auto rank = static_cast<size_t>(layer.rank());
  const size_t width = down.size() / rank;
  if (layer.mid == nullptr) {
    std::vector<float> out(down.size());
    for (size_t r = 0; r < rank; ++r) {
      for (size_t i = 0; i < width; ++i) out[i * rank + r] = down[r * width + i];
    }
    return out;
  }
  const std::vector<float> mid = values_of(*layer.mid);
  const size_t window = mid.size() / (rank * rank);
  std::vector<float> out(width * window * rank, 0.0f);
  for (size_t p = 0; p < rank; ++p) {
    for (size_t r = 0; r < rank; ++r) {
      for (size_t k = 0; k < window; ++k) {
        const float factor = mid[(p * rank + r) * window + k];
        for (size_t i = 0; i < width; ++i) out[(i * window + k) * rank + p] += factor * down[r * width + i];
      }
    }
  }
  return out;
}

// rows of W, f32 [row_count, columns] -> the same with factor * up @ down added
Tensor changed_rows(const Tensor& rows, const LoraLayer& layer, double factor, const Device& device) {
  std::vector<float> up = values_of(*layer.up);
  for (float& value : up) value = static_cast<float>(value * factor);
  const auto down = std::make_shared<const std::vector<float>>(transposed_down(layer));
  const Parameter weight({.name = layer.name,
                          .shape = {rows.dim(1), layer.rank()},
                          .dtype = DType::f32,
                          .bytes = std::as_bytes(std::span(*down)),
                          .owner = down});
  return ops::linear(Tensor::from(device, {rows.dim(0), layer.rank()}, std::span<const float>(up)), weight,
                     std::nullopt, {.residual = rows});
}

void require_finite(const WeightData& weight, std::span<const float> values, bool as_f16) {
  constexpr float kLargestF16 = 65504.0f;
  const float limit = as_f16 ? kLargestF16 : std::numeric_limits<float>::max();
  if (std::all_of(values.begin(), values.end(), [&](float value) { return std::abs(value) <= limit; })) return;
  throw Error(
      ErrorCode::bad_checkpoint,
      "{}: with the LoRA it holds numbers that are not finite; use a smaller weight, or download the LoRA again",
      weight.name);
}

}  // namespace

LoraMerger::LoraMerger(std::shared_ptr<const Checkpoint> model) : model_(std::move(model)), targets_(*model_) {}

LoraMerger::Plan LoraMerger::plan(const std::vector<LoraUse>& uses) const {
  Plan plan;
  for (const LoraUse& use : uses) {
    require_fit(*use.lora);
    for (const LoraLayer& layer : use.lora->layers()) {
      const LoraTarget& target = *targets_.find(layer);
      const bool in_unet = target.tensor.starts_with("model.diffusion_model.");
      const double weight = in_unet ? use.unet_weight : use.text_encoder_weight;
      if (weight == 0.0) continue;
      plan[target.tensor].push_back({use.lora, &layer, target, weight * layer.scale});
    }
  }
  return plan;
}

LoraMerger::Need LoraMerger::need(const std::vector<LoraUse>& uses) const {
  Need need;
  for (const auto& [name, changes] : plan(uses)) {
    const WeightData& weight = *model_->find(name);
    const auto count = static_cast<uint64_t>(weight.shape.count());
    need.kept_bytes += count * static_cast<uint64_t>(size_of(merged_type(weight.dtype)));
    need.replaced_bytes += weight.bytes.size();
    need.working_bytes = std::max(need.working_bytes, 3 * count * sizeof(float));  // before, after, and on the way
  }
  return need;
}

std::shared_ptr<const Checkpoint> LoraMerger::merge(const std::vector<LoraUse>& uses, const Device& device,
                                                    const std::function<void()>& pulse) {
  const Plan wanted = plan(uses);
  merged_last_ = 0;
  std::erase_if(kept_, [&](const auto& kept) {
    const auto at = wanted.find(kept.first);
    return at == wanted.end() || !(at->second == kept.second.changes);
  });
  if (wanted.empty()) return model_;
  for (const auto& [name, changes] : wanted) {
    if (kept_.contains(name)) continue;
    if (pulse) pulse();
    kept_.emplace(name, Merged{changes, merged(*model_->find(name), changes, device)});
    ++merged_last_;
  }
  std::vector<WeightData> tensors(model_->tensors().begin(), model_->tensors().end());
  for (WeightData& tensor : tensors) {
    if (const auto at = kept_.find(tensor.name); at != kept_.end()) tensor = at->second.data;
  }
  return Checkpoint::from_tensors(model_->file(), std::move(tensors), model_->metadata());
}

WeightData LoraMerger::merged(const WeightData& weight, const std::vector<Change>& changes,
                              const Device& device) const {
  const int64_t rows = weight.shape.dim(0);
  Tensor all = Tensor::empty(device, {rows, weight.shape.count() / rows});
  convert_to_f32(weight.dtype, weight.bytes, all.data());
  if (weight.mapping != nullptr) weight.mapping->release_pages(weight.bytes);
  for (const Change& change : changes) {
    const int64_t begin = change.target.row_begin, end = begin + change.target.row_count;
    Tensor part = all.slice(begin, end);
    const Tensor changed = changed_rows(part, *change.layer, change.factor, device);
    if (changed.count() == all.count()) {
      all = changed;
    } else {
      std::ranges::copy(changed.data(), part.data().begin());
    }
  }
  const bool as_f16 = merged_type(weight.dtype) == DType::f16;
  require_finite(weight, all.data(), as_f16);
  WeightData out{
      .name = weight.name, .shape = weight.shape, .dtype = merged_type(weight.dtype), .bytes = {}, .owner = {}};
  const auto kept = std::make_shared<Tensor>(as_f16 ? Tensor::empty(device, all.shape(), DType::f16) : all);
  if (as_f16) convert_to_f16(all.data(), kept->data<uint16_t>());
  out.bytes = as_f16 ? std::as_bytes(kept->data<uint16_t>()) : std::as_bytes(kept->data<float>());
  out.owner = kept;
  return out;
}

}  // namespace easel
