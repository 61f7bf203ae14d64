#include "easel/pipeline/lora_choice.h"

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/pipeline/check_range.h"
#include "easel/pipeline/request.h"
#include "easel/prompt/lora_tags.h"

namespace easel {
namespace {

std::vector<LoraChoice> choices_from(const std::vector<LoraTag>& tags) {
  std::vector<LoraChoice> choices;
  for (const LoraTag& tag : tags) choices.push_back({tag.name, tag.unet_weight, tag.text_encoder_weight});
  return choices;
}

std::string list(const std::vector<LoraChoice>& choices) {
  std::vector<std::string> names;
  for (const LoraChoice& choice : choices) names.push_back(to_text(choice));
  return names.empty() ? "none" : join_shortened(names, 4);
}

// All images of a job are drawn by the same weights.
std::vector<LoraChoice> tagged(const Request& request) {
  if (request.prompts.empty()) return choices_from(take_lora_tags(request.prompt).loras);
  const std::vector<LoraChoice> first = choices_from(take_lora_tags(request.prompts.front()).loras);
  for (const std::string& prompt : request.prompts) {
    const std::vector<LoraChoice> others = choices_from(take_lora_tags(prompt).loras);
    if (others == first) continue;
    throw Error(ErrorCode::invalid_request,
                "the prompts of one job name different LoRAs: {} and {}; draw them in separate jobs", list(first),
                list(others));
  }
  return first;
}

}  // namespace

LoraChoice parse_lora_choice(std::string_view text) {
  const std::vector<std::string> parts = split(text, ':');
  if (parts.front().empty() || parts.size() > 3) {
    throw Error(ErrorCode::invalid_request,
                "the LoRA '{}' is not understood; expected NAME, NAME:WEIGHT or "
                "NAME:TEXT_ENCODER_WEIGHT:UNET_WEIGHT",
                text);
  }
  const auto number = [&](const std::string& part) {
    const auto weight = parse_number<double>(part);
    if (!weight)
      throw Error(ErrorCode::invalid_request, "the LoRA '{}': '{}' is no weight; expected a number such as 0.8", text,
                  part);
    return *weight;
  };
  LoraChoice choice{.name = parts.front()};
  if (parts.size() > 1) choice.unet_weight = choice.text_encoder_weight = number(parts[1]);
  if (parts.size() > 2) choice.unet_weight = number(parts[2]);
  return choice;
}

std::string to_text(const LoraChoice& choice) {
  if (choice.unet_weight == choice.text_encoder_weight) return fmt::format("{}:{}", choice.name, choice.unet_weight);
  return fmt::format("{}:{}:{}", choice.name, choice.text_encoder_weight, choice.unet_weight);
}

std::vector<LoraChoice> loras_of(const Request& request) {
  std::vector<LoraChoice> all = request.loras;
  if (!request.plain_prompt) {
    for (LoraChoice& choice : tagged(request)) all.push_back(std::move(choice));
    if (!take_lora_tags(request.negative_prompt).loras.empty()) {
      throw Error(ErrorCode::invalid_request,
                  "the negative prompt names a LoRA, which changes the whole image; put it into the prompt");
    }
  }
  if (all.size() > kMaxLoras) {
    throw Error(ErrorCode::invalid_request, "{} LoRAs, expected at most {}", all.size(), kMaxLoras);
  }
  for (const LoraChoice& choice : all) {
    if (choice.name.empty()) throw Error(ErrorCode::invalid_request, "a LoRA has no name");
    check_range(fmt::format("the weight of the LoRA {}", choice.name), choice.unet_weight, -kMaxLoraWeight,
                kMaxLoraWeight);
    check_range(fmt::format("the text encoder's weight of the LoRA {}", choice.name), choice.text_encoder_weight,
                -kMaxLoraWeight, kMaxLoraWeight);
  }
  return all;
}

std::string without_lora_tags(const Request& request, const std::string& prompt) {
  return request.plain_prompt ? prompt : take_lora_tags(prompt).text;
}

}  // namespace easel
