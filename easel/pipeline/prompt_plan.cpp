#include "easel/pipeline/prompt_plan.h"

#include "easel/prompt/attention.h"
#include "easel/prompt/composition.h"
#include "easel/sampling/denoiser.h"

namespace easel {
namespace {

std::vector<ScheduledText> plan_text(const Request& request, const std::string& text, SchedulePass pass) {
  if (!request.plain_prompt) return schedule_prompt(text, pass);
  return {{.end_step = pass.second_pass_steps.value_or(pass.steps), .text = text}};
}

}  // namespace

std::vector<PromptPart> plan_prompt(const Request& request, const std::string& prompt, SchedulePass pass) {
  if (request.plain_prompt) return {{.texts = plan_text(request, prompt, pass), .weight = 1.0}};
  std::vector<PromptPart> parts;
  for (const Subprompt& part : split_composition(without_lora_tags(request, prompt))) {
    parts.push_back({.texts = plan_text(request, part.text, pass), .weight = part.weight});
  }
  return parts;
}

PromptPart plan_negative_prompt(const Request& request, SchedulePass pass) {
  return {.texts = plan_text(request, request.negative_prompt, pass), .weight = 1.0};
}

bool needs_unconditional(const Request& request, const std::vector<PromptPart>& parts) {
  return needs_unconditional(*request.guidance_scale) || parts.size() > 1 || parts.front().weight != 1.0;
}

int64_t network_rows(const Request& request, const std::vector<PromptPart>& parts) {
  return static_cast<int64_t>(parts.size()) + (needs_unconditional(request, parts) ? 1 : 0);
}

std::vector<std::string> texts_of(const Request& request, const std::string& prompt,
                                  const std::vector<SchedulePass>& passes) {
  std::vector<std::string> texts;
  for (const SchedulePass& pass : passes) {
    std::vector<PromptPart> parts = plan_prompt(request, prompt, pass);
    if (needs_unconditional(request, parts)) parts.push_back(plan_negative_prompt(request, pass));
    for (const PromptPart& part : parts) {
      for (const ScheduledText& scheduled : part.texts) texts.push_back(scheduled.text);
    }
  }
  return texts;
}

std::string words_of(const Request& request, const std::string& text) {
  if (request.plain_prompt) return text;
  std::string words;
  for (const WeightedText& part : parse_attention(text)) {
    if (!is_break(part)) words += part.text + " ";
  }
  return words;
}

}  // namespace easel
