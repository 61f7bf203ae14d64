#include "easel/pipeline/tasks.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "easel/base/error.h"
#include "easel/pipeline/request_names.h"

namespace easel {
namespace {

constexpr bool starts_from_image(Task task) { return task != Task::txt2img; }
constexpr bool is_txt2img(Task task) { return task == Task::txt2img; }
constexpr bool is_inpaint(Task task) { return task == Task::inpaint; }
constexpr bool is_depth2img(Task task) { return task == Task::depth2img; }

struct Setting {
  std::string_view name;
  bool is_given;
  bool (*applies)(Task task);
  std::string_view purpose;
};

std::vector<Setting> settings_of(const Request& request) {
  const auto image = [&](std::string_view name, bool given) {
    return Setting{name, given, starts_from_image, "an initial image"};
  };
  const auto mask = [&](std::string_view name, bool given) { return Setting{name, given, is_inpaint, "inpainting"}; };
  const auto hires = [&](std::string_view name, bool given) {
    return Setting{name, given, is_txt2img, "txt2img's second pass"};
  };
  return {image("init image", request.init_image.has_value()),
          image("resize mode", request.resize_mode.has_value()),
          image("strength", request.strength.has_value()),
          image("strength mode", request.strength_mode.has_value()),
          image("image seed", request.image_seed.has_value()),
          mask("mask", request.mask.has_value()),
          mask("invert mask", request.invert_mask),
          mask("mask blur", request.mask_blur_px.has_value()),
          mask("mask fill", request.mask_fill.has_value()),
          mask("only masked", request.only_masked),
          mask("mask padding", request.mask_padding_px.has_value()),
          mask("margins", request.margins.any()),
          mask("no composite", !request.composite),
          {"depth map", request.depth_map.has_value(), is_depth2img, "depth2img"},
          hires("hires scale", request.hires_scale.has_value()),
          hires("hires upscaler", request.hires_upscaler.has_value()),
          hires("hires steps", request.hires_steps.has_value()),
          hires("hires strength", request.hires_strength.has_value())};
}

void require(bool holds, std::string_view given, std::string_view needed) {
  if (!holds) throw Error(ErrorCode::invalid_request, "{} is given, but it takes {}", given, needed);
}

void check_mask(const Request& request) {
  if (request.mask && request.mask->size() != request.init_image->size()) {
    throw Error(ErrorCode::invalid_request, "the mask has {}x{} pixels, expected {}x{} as the initial image",
                request.mask->width_px(), request.mask->height_px(), request.init_image->width_px(),
                request.init_image->height_px());
  }
  if (!request.mask && !request.margins.any()) {
    throw Error(ErrorCode::invalid_request,
                "inpainting needs a mask, white where the image is to be drawn anew, or margins by which it grows");
  }
  require(!request.invert_mask || request.mask, "invert mask", "a mask");
  require(!request.mask_padding_px || request.only_masked, "mask padding", "only masked");
  if (request.only_masked && request.resize_mode) {
    throw Error(ErrorCode::invalid_request,
                "only masked brings the masked part to the full size; leave resize mode out");
  }
}

struct Use {
  Task task;
  std::vector<Family> families;
};

const std::vector<Use>& uses() {
  static const std::vector<Use> all = {
      {Task::txt2img, {Family::sd1, Family::sd2}},
      {Task::img2img, {Family::sd1, Family::sd2}},
      {Task::inpaint, {Family::sd1_inpaint, Family::sd2_inpaint, Family::sd1, Family::sd2}},
      {Task::depth2img, {Family::sd2_depth}}};
  return all;
}

bool contains(const std::vector<Family>& families, Family family) {
  return std::find(families.begin(), families.end(), family) != families.end();
}

}  // namespace

void check_task(const Request& request) {
  for (const Setting& setting : settings_of(request)) {
    if (!setting.is_given || setting.applies(request.task)) continue;
    throw Error(ErrorCode::invalid_request, "{} is given, but it is for {}, not for {}", setting.name, setting.purpose,
                choice_name(request.task));
  }
  if (starts_from_image(request.task) && !request.init_image) {
    throw Error(ErrorCode::invalid_request, "{} needs an initial image", choice_name(request.task));
  }
  if (request.task == Task::inpaint) check_mask(request);
  require(request.hires_scale || !(request.hires_upscaler || request.hires_steps || request.hires_strength),
          "a setting of the second pass", "a hires scale");
  require(request.variation_strength || !request.variation_seed, "variation seed", "a variation strength");
}

void check_family(Task task, Family family, const std::string& checkpoint) {
  std::vector<std::string> commands;
  for (const Task usable : tasks_of(family)) {
    if (usable == task) return;
    commands.push_back(fmt::format("'easel {}'", choice_name(usable)));
  }
  std::vector<std::string_view> expected;
  for (const Use& use : uses()) {
    if (use.task != task) continue;
    for (const Family usable : use.families) expected.push_back(name_of(usable));
  }
  throw Error(ErrorCode::invalid_request, "{} is a checkpoint of {}, which is for {}; {} needs one of {}", checkpoint,
              name_of(family), fmt::join(commands, ", "), choice_name(task), fmt::join(expected, ", "));
}

std::vector<Task> tasks_of(Family family) {
  std::vector<Task> tasks;
  for (const Use& use : uses()) {
    if (contains(use.families, family)) tasks.push_back(use.task);
  }
  return tasks;
}

double default_strength(Task task, Family family) {
  if (task == Task::depth2img) return 0.9;
  const bool inpaint_network = family == Family::sd1_inpaint || family == Family::sd2_inpaint;
  return task == Task::inpaint && inpaint_network ? 1.0 : 0.75;
}

}  // namespace easel
