// LoRAs named in a prompt as the AUTOMATIC1111 web UI reads them: <lora:name:0.8>, <lora:name:0.5:0.8> with a weight
// for the text encoder and one for the UNet.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace easel {

struct LoraTag {
  std::string name;
  double text_encoder_weight;
  double unet_weight;

  bool operator==(const LoraTag&) const = default;
};

struct TaggedPrompt {
  std::string text;  // without the tags
  std::vector<LoraTag> loras;
};

inline constexpr double kMaxLoraWeight = 100.0;

// Throws Error invalid_request: a weight that is no number or out of range, no name, a hypernetwork.
TaggedPrompt take_lora_tags(std::string_view prompt);

}  // namespace easel
