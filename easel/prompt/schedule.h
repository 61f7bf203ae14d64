// Prompts that change while the image is made, as the AUTOMATIC1111 web UI reads them: [from:to:when], [to:when],
// [from::when], [one|other|third].
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace easel {

struct ScheduledText {
  int64_t end_step;  // the last step, counted from 1, that uses `text`
  std::string text;

  bool operator==(const ScheduledText&) const = default;
};

// In a second pass fractions go on from 1.0 and step numbers from the last step of the first pass.
struct SchedulePass {
  int64_t steps;
  std::optional<int64_t> second_pass_steps = std::nullopt;  // set: the schedule of the second pass is wanted
};

inline constexpr size_t kMaxScheduleBytes = size_t{1} << 26;

// The texts for step 1 to the last one, in order; never empty. A prompt that does not follow the grammar (a `|` outside
// of brackets, a trailing backslash) is its own only text. `when` is a fraction of the steps if it contains a point.
// Throws Error invalid_request: not UTF-8, or the texts of all steps need more than kMaxScheduleBytes.
std::vector<ScheduledText> schedule_prompt(std::string_view prompt, SchedulePass pass);

// The text for `step`, counted from 1.
const std::string& text_at_step(const std::vector<ScheduledText>& schedule, int64_t step);

}  // namespace easel
