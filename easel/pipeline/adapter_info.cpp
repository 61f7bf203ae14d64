#include "easel/pipeline/adapter_info.h"

#include <algorithm>

#include "easel/adapter/control_file.h"
#include "easel/adapter/embedding_file.h"
#include "easel/adapter/lora.h"
#include "easel/base/error.h"
#include "easel/checkpoint/family.h"
#include "easel/control/control_net.h"

namespace easel {
namespace {

std::string for_width(int64_t width) {
  switch (width) {
    case 768: return " for SD 1.x";
    case 1024: return " for SD 2.x";
    default: return fmt::format(" for a text encoder of width {}", width);
  }
}

// The width of the text encoder shows where the UNet looks at the prompt, and in the text encoder itself.
std::string family_of(const Lora& lora) {
  for (const LoraLayer& layer : lora.layers()) {
    const bool reads_prompt = layer.key.ends_with("attn2_to_k") || layer.key.ends_with("attn2_to_v");
    const bool in_text_encoder = layer.key.find("self_attn_") != std::string::npos;
    if (reads_prompt || in_text_encoder) return for_width(layer.down->shape.dim(1));
  }
  return "";
}

std::string ranks_of(const Lora& lora) {
  const auto [least, most] = std::ranges::minmax_element(lora.layers(), {}, &LoraLayer::rank);
  return least->rank() == most->rank() ? std::to_string(most->rank())
                                       : fmt::format("{} to {}", least->rank(), most->rank());
}

std::string describe_lora(const Checkpoint& checkpoint) {
  // A handle without ownership: the LoRA does not outlive this function.
  const Lora lora(std::shared_ptr<const Checkpoint>(std::shared_ptr<const Checkpoint>(), &checkpoint));
  const auto in_text_encoder = std::ranges::count(lora.layers(), LoraPart::text_encoder, &LoraLayer::part);
  const auto layers = std::ssize(lora.layers());
  return fmt::format("a LoRA of rank {}{}: {} layers of the UNet, {} of the text encoder", ranks_of(lora),
                     family_of(lora), layers - in_text_encoder, in_text_encoder);
}

std::string describe_embedding(const Checkpoint& checkpoint) {
  const EmbeddingFile embedding = EmbeddingFile::from(checkpoint);
  return fmt::format("a textual-inversion embedding{}: {} vector{} of {} numbers", for_width(embedding.width),
                     embedding.count, embedding.count == 1 ? "" : "s", embedding.width);
}

std::string describe_control_net(const Checkpoint& checkpoint) {
  const std::shared_ptr<const Checkpoint> handle(std::shared_ptr<const Checkpoint>(), &checkpoint);
  const ControlNetConfig config = ControlNetConfig::from(control_weights(handle));
  return fmt::format("a ControlNet{}: it steers {} blocks of a UNet", for_width(config.half.context_width),
                     config.out_channels.size());
}

// What is wrong with an adapter is an answer here, not a failure.
template <typename Describe>
std::string told(const Checkpoint& checkpoint, const Describe& describe) {
  try {
    return describe(checkpoint);
  } catch (const Error& reason) {
    return reason.what();
  }
}

}  // namespace

std::optional<AdapterInfo> describe_adapter(const Checkpoint& checkpoint) {
  const auto kind = foreign_kind(checkpoint);
  if (!kind) return std::nullopt;
  if (kind->starts_with("a LoRA")) return AdapterInfo{AdapterKind::lora, told(checkpoint, describe_lora)};
  if (kind == "a textual-inversion embedding") {
    return AdapterInfo{AdapterKind::embedding, told(checkpoint, describe_embedding)};
  }
  if (kind == "a ControlNet") return AdapterInfo{AdapterKind::control_net, told(checkpoint, describe_control_net)};
  return std::nullopt;
}

}  // namespace easel
