#include "server/a1111/draw_order.h"

#include <functional>

#include "easel/pipeline/catalogue.h"
#include "server/a1111/foreign_fields.h"
#include "server/a1111/image_fields.h"
#include "server/a1111/sampler_names.h"
#include "server/errors.h"

namespace easel::server {
namespace {

// -1 means a random one.
std::optional<uint64_t> read_seed(Fields& fields, const char* key) {
  const auto seed = fields.integer(key, {-1, INT64_MAX});
  if (!seed || *seed < 0) return std::nullopt;
  return static_cast<uint64_t>(*seed);
}

void read_variation(Fields& fields, Request& request) {
  const double strength = fields.number("subseed_strength", {0.0, 1.0}).value_or(0.0);
  if (strength == 0.0) return;
  request.variation_strength = strength;
  request.variation_seed = read_seed(fields, "subseed");
}

void read_request(Fields& fields, Request& request) {
  request.prompt = fields.text("prompt").value_or("");
  request.negative_prompt = fields.text("negative_prompt").value_or("");
  request.width_px = fields.integer("width", {kSizeMultiplePx, kMaxSidePx});
  request.height_px = fields.integer("height", {kSizeMultiplePx, kMaxSidePx});
  request.steps = fields.integer("steps", {1, kMaxSteps});
  request.guidance_scale = fields.number("cfg_scale", {-kMaxGuidanceScale, kMaxGuidanceScale});
  request.batch_size = fields.integer("batch_size", {1, kMaxBatchSize}).value_or(1);
  request.batch_count = fields.integer("n_iter", {1, kMaxBatchCount}).value_or(1);
  request.eta = fields.number("eta", {0.0, 1.0});
  request.seed = read_seed(fields, "seed");
  request.tiling = fields.flag("tiling").value_or(false);
  read_variation(fields, request);
  auto sampler = fields.text("sampler_name");
  if (!sampler) sampler = fields.text("sampler_index");  // the older name of the field
  choose_sampler(sampler, fields.text("scheduler"), request);
}

// "None" resizes as "Lanczos" does, in A1111 too.
std::string read_hires_upscaler(Fields& fields, const ModelCatalog& models) {
  const std::string name = fields.text("hr_upscaler").value_or("Latent");
  if (name == "None" || name.empty()) return std::string(kLanczosUpscaler);
  try {
    return models.resolve_hires_upscaler(name);
  } catch (const Error& error) {
    throw FieldError("hr_upscaler", "value_error", error.what());
  }
}

// The factor, or the size that stands for it.
double read_hires_scale(Fields& fields, const Request& request) {
  const double scale = fields.number("hr_scale", {1.0, kMaxHiresScale}).value_or(2.0);
  const auto width = fields.integer("hr_resize_x", {0, kMaxSidePx}).value_or(0);
  const auto height = fields.integer("hr_resize_y", {0, kMaxSidePx}).value_or(0);
  if (width == 0 && height == 0) return scale;
  if (!request.width_px || !request.height_px) {
    throw FieldError("hr_resize_x", "value_error", "\"hr_resize_x\" and \"hr_resize_y\" need \"width\" and \"height\"");
  }
  const double by_width = static_cast<double>(width) / static_cast<double>(*request.width_px);
  const double by_height = static_cast<double>(height) / static_cast<double>(*request.height_px);
  if (width != 0 && height != 0 && by_width != by_height) {
    throw FieldError("hr_resize_x", "value_error", "\"hr_resize_x\" and \"hr_resize_y\" change the shape of the image");
  }
  return width != 0 ? by_width : by_height;
}

void read_hires(Fields& fields, const ModelCatalog& models, Request& request) {
  if (!fields.flag("enable_hr").value_or(false)) return;
  request.hires_scale = read_hires_scale(fields, request);
  request.hires_upscaler = read_hires_upscaler(fields, models);
  const auto steps = fields.integer("hr_second_pass_steps", {0, kMaxSteps}).value_or(0);
  if (steps > 0) request.hires_steps = steps;
  request.hires_strength = fields.number("denoising_strength", {0.0, 1.0}).value_or(0.75);
}

// Clients send it whatever the sampler.
void forget_useless_eta(Request& request, std::vector<std::string>& warnings) {
  if (!request.sampler || request.eta.value_or(0.0) == 0.0 || takes_eta(*request.sampler)) return;
  request.eta.reset();
  warnings.push_back("\"eta\" has no meaning with this sampler and changed nothing");
}

bool sees_depth_alone(const ModelUse& use) { return use.tasks == std::vector{Task::depth2img}; }

DrawOrder parse(Fields& fields, const A1111Settings& settings,
                const std::function<void(Request&, std::vector<std::string>&)>& read_task) {
  DrawOrder order{.job = {.origin = Origin::a1111}};
  Request request;
  read_request(fields, request);
  read_task(request, order.warnings);
  SettingsValues values = settings.values();
  if (auto overrides = fields.object("override_settings")) {
    values = settings.changed(values, *overrides, order.warnings);
  }
  if (request.task == Task::img2img && sees_depth_alone(settings.models().use_of(values.model))) {
    request.task = Task::depth2img;  // as A1111 does without being asked
  }
  forget_useless_eta(request, order.warnings);
  if (values.clip_skip > 1) request.clip_skip = values.clip_skip;
  request.rng = values.random_numbers == "CPU" ? "cpu" : "gpu";
  order.job.model = values.model;
  order.job.vae = values.vae;
  order.job.task_id = fields.text("force_task_id").value_or("");
  order.job.keep_images = fields.flag("save_images").value_or(false);
  order.send_images = fields.flag("send_images").value_or(true);
  order.parameters = fields.json();
  if (request.init_image && !fields.flag("include_init_images").value_or(false)) {
    order.parameters = fields.json_without({"init_images", "mask"});
  }
  warn_of_foreign_fields(fields, order.warnings);
  check(request);
  order.job.request = std::move(request);
  return order;
}

}  // namespace

DrawOrder parse_txt2img(const std::string& body, const A1111Settings& settings) {
  Fields fields = Fields::parse(body);
  return parse(fields, settings,
               [&](Request& request, std::vector<std::string>&) { read_hires(fields, settings.models(), request); });
}

DrawOrder parse_img2img(const std::string& body, const A1111Settings& settings) {
  Fields fields = Fields::parse(body);
  return parse(fields, settings, [&](Request& request, std::vector<std::string>& warnings) {
    read_image_fields(fields, request, warnings);
  });
}

}  // namespace easel::server
