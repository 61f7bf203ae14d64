#include "server/a1111/draw_reply.h"

#include <fmt/chrono.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "easel/image/infotext.h"
#include "easel/pipeline/pipeline.h"
#include "server/a1111/sampler_names.h"
#include "server/api/file_response.h"
#include "server/sync_job.h"

namespace easel::server {
namespace {

using Json = nlohmann::ordered_json;

template <typename T, typename Get>
Json each(const std::vector<T>& items, const Get& get) {
  Json list = Json::array();
  for (const T& item : items) list.push_back(get(item));
  return list;
}

// settings: of /api/v1
Json settings_json(const Json& settings) {
  return {{"width", settings.value("width", 0)},
          {"height", settings.value("height", 0)},
          {"sampler_name", a1111_sampler_label(settings.value("sampler", ""))},
          {"cfg_scale", settings.value("cfg_scale", 0.0)},
          {"steps", settings.value("steps", 0)},
          {"batch_size", settings.value("batch_size", 1)},
          {"denoising_strength", settings.contains("strength") ? settings["strength"] : Json(nullptr)},
          {"subseed_strength", settings.value("variation_strength", 0.0)}};
}

// The seed of the variation of an image, else its seed.
uint64_t subseed_of(const StoredImage& image) {
  const auto seed = parse_infotext(image.parameters).find("Variation seed");
  uint64_t value = image.seed;
  if (seed) std::from_chars(seed->data(), seed->data() + seed->size(), value);
  return value;
}

std::string info_json(const Job& job, const DrawOrder& order) {
  const Json settings = Json::parse(job.settings ? *job.settings : job.request);
  const std::string negative_prompt = settings.value("negative_prompt", "");
  const auto& images = job.images;
  std::vector<std::string> warnings = order.warnings;
  warnings.insert(warnings.end(), job.warnings.begin(), job.warnings.end());
  if (job.fault) warnings.push_back(job.fault->message);

  Json info{{"prompt", settings.value("prompt", "")},
            {"all_prompts", each(images, [](const StoredImage& image) { return image.prompt; })},
            {"negative_prompt", negative_prompt},
            {"all_negative_prompts", each(images, [&](const StoredImage&) { return negative_prompt; })},
            {"seed", images.empty() ? settings.value("seed", uint64_t{0}) : images.front().seed},
            {"all_seeds", each(images, [](const StoredImage& image) { return image.seed; })},
            {"subseed", images.empty() ? 0 : subseed_of(images.front())},
            {"all_subseeds", each(images, subseed_of)}};
  info.update(settings_json(settings));
  info.update({{"restore_faces", false},
               {"face_restoration_model", nullptr},
               {"sd_model_name", job.model.stem().string()},
               {"sd_model_hash", nullptr},
               {"sd_vae_name", job.vae.empty() ? Json(nullptr) : Json(job.vae.filename().string())},
               {"sd_vae_hash", nullptr},
               {"seed_resize_from_w", -1},
               {"seed_resize_from_h", -1},
               {"extra_generation_params", Json::object()},
               {"index_of_first_image", 0},
               {"infotexts", each(images, [](const StoredImage& image) { return image.parameters; })},
               {"styles", Json::array()},
               {"job_timestamp",
                fmt::format("{:%Y%m%d%H%M%S}", fmt::gmtime(std::chrono::system_clock::to_time_t(job.created)))},
               {"clip_skip", settings.value("clip_skip", 1)},
               {"is_using_inpainting_conditioning", false},
               {"version", program_version()},
               {"warnings", warnings}});
  return info.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

HttpResponse draw_reply(const Job& job, const DrawOrder& order) {
  if (job.state != JobState::cancelled) require_done(job);
  Json images = Json::array();
  if (order.send_images) {
    images = each(job.images, [](const StoredImage& image) { return read_base64(image.file); });
  }
  const Json body{
      {"images", std::move(images)}, {"parameters", Json::parse(order.parameters)}, {"info", info_json(job, order)}};
  return {.body = body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

}  // namespace easel::server
