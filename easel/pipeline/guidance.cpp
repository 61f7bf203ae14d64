#include "easel/pipeline/guidance.h"

#include <algorithm>

#include "easel/ops/arithmetic.h"
#include "easel/ops/ops.h"

namespace easel {
namespace {

// at(0), at(1), ... one after the other.
template <typename At>
Tensor joined(size_t count, const At& at) {
  Tensor all = at(0);
  for (size_t i = 1; i < count; ++i) all = ops::concat_batch(all, at(i));
  return all;
}

Tensor image_of(const Tensor& x, int64_t image) { return x.slice(image, image + 1); }

}  // namespace

PromptGuidance::PromptGuidance(const LatentTask& task, BlockObserver observe)
    : task_(task), observe_(std::move(observe)) {
  const int64_t steps = *task.request.steps;
  SchedulePass pass{.steps = steps};
  if (task.first_pass_steps) pass = {.steps = *task.first_pass_steps, .second_pass_steps = steps};
  for (const PlannedImage& image : task.batch) parts_.push_back(plan_prompt(task.request, image.prompt, pass));
  negative_ = plan_negative_prompt(task.request, pass);
}

// All unconditional rows first, as the reference implementations order them.
std::vector<PromptGuidance::Row> PromptGuidance::rows_at(int64_t step) const {
  std::vector<Row> rows;
  for (size_t image = 0; image < parts_.size(); ++image) {
    if (!needs_unconditional(task_.request, parts_[image])) continue;
    rows.push_back({static_cast<int64_t>(image), &task_.prompts[negative_.text_at(step + 1)]});
  }
  for (size_t image = 0; image < parts_.size(); ++image) {
    for (const PromptPart& part : parts_[image]) {
      rows.push_back({static_cast<int64_t>(image), &task_.prompts[part.text_at(step + 1)]});
    }
  }
  return rows;
}

// The network takes contexts of one length at a time; what it makes of them is kept while they stay the same.
void PromptGuidance::regroup(const std::vector<Row>& rows) {
  std::vector<const Tensor*> contexts;
  for (const Row& row : rows) contexts.push_back(row.context);
  if (contexts == contexts_) return;
  contexts_ = contexts;
  groups_.clear();
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto takes = [&](const Group& group) {
      const bool has_room = task_.rows_at_once == 0 || static_cast<int64_t>(group.rows.size()) < task_.rows_at_once;
      return has_room && group.contexts.front()->dim(1) == rows[i].context->dim(1);
    };
    auto group = std::find_if(groups_.begin(), groups_.end(), takes);
    if (group == groups_.end()) group = groups_.insert(groups_.end(), Group{});
    group->rows.push_back(i);
    group->contexts.push_back(rows[i].context);
  }
  for (Group& group : groups_) {
    const size_t count = group.rows.size();
    const Tensor context = joined(count, [&](size_t i) { return *group.contexts[i]; });
    group.conditioning = task_.model.unet().condition(context);
    for (const Control& control : task_.controls) group.controls.push_back(control.network().condition(context));
    if (!task_.start.companion) continue;
    group.companion =
        joined(count, [&](size_t i) { return image_of(*task_.start.companion, rows[group.rows[i]].image); });
  }
}

// Each `cache_interval`th call is a full one, and so is the first with other prompts or other ControlNets, since the
// feature holds what they did; samplers that call the network more than once in a step are counted by calls.
void PromptGuidance::forget_old_features() {
  const int64_t interval = task_.request.cache_interval.value_or(1);
  if (interval == 1) return;
  const auto is_new = [](const Group& group) { return !group.deep; };
  const bool is_outdated = acts_anew_ || std::any_of(groups_.begin(), groups_.end(), is_new);
  if (++calls_since_full_ < interval && !is_outdated) return;
  calls_since_full_ = 0;
  for (Group& group : groups_) {
    group.deep = {.branch = task_.request.cache_branch.value_or(0), .feature = std::nullopt};
  }
}

// -> the prediction of each row [1, h, w, c]
std::vector<Tensor> PromptGuidance::run(const Tensor& x, const Level& level, const std::vector<Row>& rows) {
  std::vector<Tensor> predictions(rows.size(), x);
  for (size_t index = 0; index < groups_.size(); ++index) {
    Group& group = groups_[index];
    const size_t count = group.rows.size();
    const Tensor noised = joined(count, [&](size_t i) { return image_of(x, rows[group.rows[i]].image); });
    const std::vector<float> timesteps(count, static_cast<float>(level.timestep));
    const bool is_reused = group.deep && group.deep->feature;
    std::optional<UNetShortcuts::DeepFeature> deep;
    const auto predict = [&](std::span<const Tensor> inputs) {
      deep = group.deep;
      Tensor input = inputs.front();
      const auto skips = is_reused ? std::optional(deep->branch + 1) : std::nullopt;
      const std::vector<Tensor> steered =
          steering(task_.controls, group.controls, acting_, input, timesteps, skips, observe_);
      if (group.companion) input = ops::concat_channels(input, *group.companion);
      return task_.model.unet()(
          input, timesteps, *group.conditioning, observe_,
          {.token_merging_ratio = task_.request.token_merging_ratio.value_or(0.0), .deep = deep ? &*deep : nullptr},
          steered);
    };
    const Tensor output = x.device().backend().replayable(2 * index + (is_reused ? 1 : 0), {&noised, 1}, predict);
    group.deep = std::move(deep);
    for (size_t i = 0; i < count; ++i) predictions[group.rows[i]] = image_of(output, static_cast<int64_t>(i));
  }
  return predictions;
}

Tensor PromptGuidance::operator()(const Tensor& x, const Level& level, int64_t step) {
  const std::vector<Row> rows = rows_at(step);
  regroup(rows);
  std::vector<size_t> acting = acting_controls(task_.controls, step, *task_.request.steps);
  acts_anew_ = acting != acting_;
  acting_ = std::move(acting);
  forget_old_features();
  const std::vector<Tensor> predictions = run(x, level, rows);
  const auto unconditional_rows = static_cast<size_t>(std::count_if(
      parts_.begin(), parts_.end(), [&](const auto& parts) { return needs_unconditional(task_.request, parts); }));
  size_t next_unconditional = 0, next = unconditional_rows;
  const float scale = static_cast<float>(*task_.request.guidance_scale);
  return joined(parts_.size(), [&](size_t image) {
    if (!needs_unconditional(task_.request, parts_[image])) return predictions[next++];
    const Tensor& unconditional = predictions[next_unconditional++];
    Tensor guided = unconditional;
    for (const PromptPart& part : parts_[image]) {
      guided = guided + (predictions[next++] - unconditional) * (scale * static_cast<float>(part.weight));
    }
    return guided;
  });
}

}  // namespace easel
