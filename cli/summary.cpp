#include "cli/summary.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "easel/base/error.h"
#include "easel/base/system.h"
#include "easel/base/text.h"

namespace easel::cli {
namespace {

using Json = nlohmann::ordered_json;

double seconds_per_step(const StageTimes& times) {
  return times.network_steps == 0 ? 0.0 : times.sampling.count() / static_cast<double>(times.network_steps);
}

Json images_json(const Result& result, const SavedFiles& files) {
  Json images = Json::array();
  for (size_t i = 0; i < result.images.size(); ++i) {
    const GeneratedImage& image = result.images[i];
    Json entry;
    if (i < files.images.size()) entry["file"] = files.images[i].string();
    entry["seed"] = image.seed;
    entry["prompt"] = image.prompt;
    entry["watermark"] = image.watermarked;
    images.push_back(std::move(entry));
  }
  return images;
}

}  // namespace

std::string summary_text(const Result& result, Seconds total) {
  const Request& request = result.request;
  const bool watermarked = std::any_of(result.images.begin(), result.images.end(),
                                       [](const GeneratedImage& image) { return image.watermarked; });
  return fmt::format("seed {}: {}x{}, {} steps of {}, {:.1f} s ({:.2f} s/step), peak memory {} of {} planned, {}",
                     *request.seed, *request.width_px, *request.height_px, *request.steps, *request.sampler,
                     total.count(), seconds_per_step(result.times), format_bytes(peak_resident_bytes()),
                     format_bytes(result.planned_bytes), watermarked ? "watermarked" : "no watermark");
}

std::vector<std::pair<std::string, double>> stage_seconds(const StageTimes& times, Seconds total) {
  return {{"open", times.open.count()},         {"text", times.text.count()},
          {"encoding", times.encoding.count()}, {"sampling", times.sampling.count()},
          {"decoding", times.decoding.count()}, {"total", total.count()}};
}

std::string summary_json(const Result& result, const ModelDescription& model, const SavedFiles& files, Seconds total,
                         const std::optional<ProfileReport>& profile) {
  const StageTimes& times = result.times;
  Json json;
  json["seed"] = *result.request.seed;
  json["images"] = images_json(result, files);
  for (const auto& file : files.intermediates) json["intermediates"].push_back(file.string());
  if (files.grid) json["grid"] = files.grid->string();
  if (files.plot) json["plot"] = files.plot->string();
  json["request"] = Json::parse(to_json(without_images(result.request)));
  json["model"] = {{"file", model.file},
                   {"name", model.name},
                   {"hash", model.hash},
                   {"family", model.family},
                   {"prediction", model.prediction}};
  for (const auto& [stage, seconds] : stage_seconds(times, total)) json["seconds"][stage] = seconds;
  json["steps_done"] = times.network_steps;
  json["seconds_per_step"] = seconds_per_step(times);
  json["planned_rss_bytes"] = result.planned_bytes;
  json["peak_rss_bytes"] = peak_resident_bytes();
  json["peak_tensor_bytes"] = result.peak_tensor_bytes;
  json["warnings"] = result.warnings;
  if (profile) json["profile"] = Json::parse(to_json(*profile));
  return json.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace easel::cli
