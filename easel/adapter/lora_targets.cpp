#include "easel/adapter/lora_targets.h"

#include <algorithm>
#include <array>
#include <utility>

#include "easel/adapter/layer_names.h"
#include "easel/base/error.h"
#include "easel/base/text.h"

namespace easel {
namespace {

constexpr std::string_view kUnet = "model.diffusion_model.";
constexpr std::string_view kClip = "cond_stage_model.transformer.";
constexpr std::string_view kOpenClip = "cond_stage_model.model.transformer.resblocks.";
constexpr std::string_view kWeight = ".weight";

// "clip" names of the layers that OpenCLIP names otherwise.
constexpr std::array kOpenClipLayers = {std::pair{"attn.out_proj.weight", "self_attn.out_proj"},
                                        std::pair{"mlp.c_fc.weight", "mlp.fc1"},
                                        std::pair{"mlp.c_proj.weight", "mlp.fc2"}};
constexpr std::array kFused = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"};

LoraTarget whole(const WeightData& tensor) {
  const int64_t rows = tensor.shape.dim(0);
  return {.tensor = tensor.name,
          .row_begin = 0,
          .row_count = rows,
          .columns = rows == 0 ? 0 : tensor.shape.count() / rows,
          .shape = tensor.shape};
}

// height and width of a convolution's window, 1 x 1 for a linear layer
std::pair<int64_t, int64_t> window_of(const Shape& shape) {
  return shape.rank() == 4 ? std::pair{shape.dim(2), shape.dim(3)} : std::pair<int64_t, int64_t>{1, 1};
}

std::string describe(const LoraLayer& layer) {
  return fmt::format("{} (down {}, up {}{})", layer.name, layer.down->shape, layer.up->shape,
                     layer.mid != nullptr ? fmt::format(", mid {}", layer.mid->shape) : "");
}

}  // namespace

bool LoraTarget::fits(const LoraLayer& layer) const {
  const Shape& down = layer.down->shape;
  const auto window = window_of(layer.mid != nullptr ? layer.mid->shape : down);
  return layer.up->shape.dim(0) == row_count && window == window_of(shape) &&
         down.dim(1) * window.first * window.second == columns;
}

LoraTargets::LoraTargets(const Checkpoint& model) : model_(model.file()) {
  add_unet(model);
  add_text_encoder(model);
}

void LoraTargets::add(LoraPart part, std::string name, const LoraTarget& target) {
  std::replace(name.begin(), name.end(), '.', '_');
  (part == LoraPart::unet ? unet_ : text_encoder_).emplace(std::move(name), target);
}

void LoraTargets::add_unet(const Checkpoint& model) {
  const int64_t res_blocks = count_res_blocks(model, kUnet);
  for (const WeightData& tensor : model.tensors()) {
    const std::string_view name = tensor.name;
    if (!name.starts_with(kUnet) || !name.ends_with(kWeight) || tensor.shape.rank() < 2 || !is_floating(tensor.dtype)) {
      continue;
    }
    const std::string layer(name.substr(kUnet.size(), name.size() - kUnet.size() - kWeight.size()));
    add(LoraPart::unet, layer, whole(tensor));
    if (const auto diffusers = diffusers_unet_name(layer, res_blocks)) add(LoraPart::unet, *diffusers, whole(tensor));
  }
}

void LoraTargets::add_text_encoder(const Checkpoint& model) {
  for (const WeightData& tensor : model.tensors()) {
    std::string_view name = tensor.name;
    if (tensor.shape.rank() != 2 || !is_floating(tensor.dtype)) continue;
    if (name.starts_with(kClip) && name.ends_with(kWeight)) {
      name = name.substr(kClip.size(), name.size() - kClip.size() - kWeight.size());
      add(LoraPart::text_encoder, std::string(name), whole(tensor));
      continue;
    }
    if (!name.starts_with(kOpenClip)) continue;
    name.remove_prefix(kOpenClip.size());
    const std::string_view number = name.substr(0, name.find('.'));
    const std::string_view layer = name.substr(std::min(number.size() + 1, name.size()));
    const std::string as_clip = fmt::format("text_model.encoder.layers.{}.", number);
    for (const auto& [own, clip] : kOpenClipLayers) {
      if (layer == own) add(LoraPart::text_encoder, as_clip + clip, whole(tensor));
    }
    const bool fused = layer == "attn.in_proj_weight" && tensor.shape.dim(0) % 3 == 0;
    for (size_t i = 0; fused && i < kFused.size(); ++i) {
      LoraTarget rows = whole(tensor);
      rows.row_count /= 3;
      rows.row_begin = static_cast<int64_t>(i) * rows.row_count;
      add(LoraPart::text_encoder, as_clip + kFused[i], rows);
    }
  }
}

const LoraTarget* LoraTargets::find(const LoraLayer& layer) const {
  const auto in = [&](const std::map<std::string, LoraTarget>& targets) -> const LoraTarget* {
    const auto at = targets.find(layer.key);
    return at == targets.end() ? nullptr : &at->second;
  };
  if (layer.part == LoraPart::text_encoder) return in(text_encoder_);
  const LoraTarget* target = in(unet_);
  return target == nullptr && layer.part == LoraPart::unknown ? in(text_encoder_) : target;
}

void LoraTargets::require_fit(const Lora& lora) const {
  std::vector<std::string> absent, wrong;
  for (const LoraLayer& layer : lora.layers()) {
    const LoraTarget* target = find(layer);
    if (target == nullptr) absent.push_back(describe(layer));
    if (target != nullptr && !target->fits(layer)) {
      wrong.push_back(fmt::format("{} on {} {}", describe(layer), target->tensor, target->shape));
    }
  }
  if (absent.empty() && wrong.empty()) return;
  std::string list;
  if (!absent.empty()) list += fmt::format("; the model has no layer for {}", fmt::join(absent, ", "));
  if (!wrong.empty()) list += fmt::format("; of another shape are {}", fmt::join(wrong, ", "));
  throw Error(ErrorCode::bad_checkpoint,
              "{}: {} of its {} layers do not fit {}; was it made for another family of models?{}", lora.file(),
              absent.size() + wrong.size(), lora.layers().size(), model_, list);
}

}  // namespace easel
