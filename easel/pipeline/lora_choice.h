// Which LoRAs a job uses. Private to easel/pipeline, but for LoraChoice, which is part of a Request.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace easel {

struct LoraChoice {
  std::string name;  // of a file in a folder for LoRAs, without its ending
  double unet_weight = 1.0;
  double text_encoder_weight = 1.0;

  bool operator==(const LoraChoice&) const = default;
};

inline constexpr size_t kMaxLoras = 64;

struct Request;

// "name", "name:0.8", "name:0.5:0.8" (text encoder, UNet). Throws Error invalid_request.
LoraChoice parse_lora_choice(std::string_view text);
std::string to_text(const LoraChoice& choice);  // what parse_lora_choice() reads

// Those that the request lists and those that its prompts name with <lora:name:weight>. Throws Error invalid_request:
// a tag that cannot be read, prompts of one job that name different ones, a tag in the negative prompt, too many.
std::vector<LoraChoice> loras_of(const Request& request);

// The prompt as it is read: without such tags, unless it is plain.
std::string without_lora_tags(const Request& request, const std::string& prompt);

}  // namespace easel
