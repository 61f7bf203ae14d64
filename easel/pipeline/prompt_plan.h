// What a prompt says at each step of a run. Private to easel/pipeline.
#pragma once

#include <string>
#include <vector>

#include "easel/pipeline/request.h"
#include "easel/prompt/schedule.h"

namespace easel {

// One of the prompts that AND joins.
struct PromptPart {
  std::vector<ScheduledText> texts;
  double weight;

  const std::string& text_at(int64_t step) const { return text_at_step(texts, step); }  // step from 1
};

// Throw Error invalid_request for weights that cannot be read. A plain prompt is one part that never changes; a
// negative prompt always is one part.
std::vector<PromptPart> plan_prompt(const Request& request, const std::string& prompt, SchedulePass pass);
PromptPart plan_negative_prompt(const Request& request, SchedulePass pass);

// How many times the network runs for an image at each step: for the unconditional half, and for each part.
int64_t network_rows(const Request& request, const std::vector<PromptPart>& parts);
bool needs_unconditional(const Request& request, const std::vector<PromptPart>& parts);

// Every text that the prompt, or the negative one if it is needed, has at some step of one of the passes.
std::vector<std::string> texts_of(const Request& request, const std::string& prompt,
                                  const std::vector<SchedulePass>& passes);

// The words of a text without brackets and weights.
std::string words_of(const Request& request, const std::string& text);

}  // namespace easel
