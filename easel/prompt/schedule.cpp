#include "easel/prompt/schedule.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "easel/base/error.h"
#include "easel/prompt/numbers.h"
#include "easel/prompt/schedule_grammar.h"
#include "easel/prompt/unicode.h"

namespace easel {
namespace {

// The last step of an edit's first text, at most `steps`; below 1 the edit has happened from the start.
int64_t boundary_step(std::string_view when, SchedulePass pass) {
  const double number = parse_number(when).value();
  const bool fraction = when.find('.') != std::string_view::npos;
  const auto first_pass_steps = static_cast<double>(pass.steps);
  const auto steps = static_cast<double>(pass.second_pass_steps.value_or(pass.steps));
  const double offset = !pass.second_pass_steps ? 0.0 : fraction ? 1.0 : first_pass_steps;
  const double step = (number - offset) * (fraction ? steps : 1.0);
  return static_cast<int64_t>(std::clamp(step, 0.0, steps));
}

class Scheduler {
 public:
  Scheduler(const ScheduleGrammar& grammar, SchedulePass pass)
      : grammar_(grammar), steps_(pass.second_pass_steps.value_or(pass.steps)) {
    for (const ScheduleGrammar::Edit& edit : grammar.edits) {
      boundaries_.push_back(edit.alternates ? 0 : boundary_step(edit.when, pass));
    }
  }

  std::vector<ScheduledText> run() const {
    std::vector<ScheduledText> schedule;
    size_t total_bytes = 0;
    for (const int64_t step : end_steps()) {
      schedule.push_back({step, text_at(step)});
      total_bytes += schedule.back().text.size();
      if (total_bytes > kMaxScheduleBytes) {
        throw Error(
            ErrorCode::invalid_request,
            "the prompt is too long to change at every step: {} steps of {} bytes; shorten it or take fewer steps",
            steps_, schedule.back().text.size());
      }
    }
    return schedule;
  }

 private:
  std::set<int64_t> end_steps() const {
    std::set<int64_t> ends{steps_};
    const auto alternates = [](const ScheduleGrammar::Edit& edit) { return edit.alternates; };
    if (std::ranges::any_of(grammar_.edits, alternates)) {
      for (int64_t step = 1; step <= steps_; ++step) ends.insert(ends.end(), step);
    }
    for (const int64_t boundary : boundaries_) {
      if (boundary >= 1) ends.insert(boundary);
    }
    return ends;
  }

  size_t option_at(size_t edit_index, int64_t step) const {
    const ScheduleGrammar::Edit& edit = grammar_.edits[edit_index];
    if (edit.alternates) return static_cast<size_t>(step - 1) % edit.options.size();
    return step <= boundaries_[edit_index] ? 0 : 1;
  }

  // Runs through the pieces in text order; an edit jumps to the option of this step, whose end jumps behind the edit.
  std::string text_at(int64_t step) const {
    struct Return {
      size_t from;
      size_t to;
    };
    std::string text;
    std::vector<Return> returns;
    for (size_t at = 0;;) {
      if (!returns.empty() && at == returns.back().from) {
        at = returns.back().to;
        returns.pop_back();
      } else if (at == grammar_.pieces.size()) {
        return text;
      } else if (const auto& piece = grammar_.pieces[at]; piece.edit) {
        const ScheduleGrammar::Edit& edit = grammar_.edits[*piece.edit];
        const ScheduleGrammar::Option option = edit.options[option_at(*piece.edit, step)];
        returns.push_back({option.end, edit.end});
        at = option.begin;
      } else {
        text += piece.text;
        ++at;
      }
    }
  }

  const ScheduleGrammar& grammar_;
  int64_t steps_;
  std::vector<int64_t> boundaries_;  // [edit]
};

}  // namespace

std::vector<ScheduledText> schedule_prompt(std::string_view prompt, SchedulePass pass) {
  EASEL_ASSERT(pass.steps >= 1 && pass.second_pass_steps.value_or(1) >= 1);
  require_utf8(prompt);
  const std::optional<ScheduleGrammar> grammar = parse_schedule(prompt);
  if (!grammar) return {{pass.second_pass_steps.value_or(pass.steps), std::string(prompt)}};
  return Scheduler(*grammar, pass).run();
}

const std::string& text_at_step(const std::vector<ScheduledText>& schedule, int64_t step) {
  const auto found = std::ranges::lower_bound(schedule, step, {}, &ScheduledText::end_step);
  return found == schedule.end() ? schedule.back().text : found->text;
}

}  // namespace easel
