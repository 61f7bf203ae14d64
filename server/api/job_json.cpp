#include "server/api/job_json.h"

#include <fmt/chrono.h>

#include <nlohmann/json.hpp>

namespace easel::server {
namespace {

using Json = nlohmann::ordered_json;

std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json to_json(const std::optional<Time>& time) { return time ? Json(iso_time(*time)) : Json(nullptr); }

Json to_json(const StoredImage& image) {
  return {{"id", image.id},
          {"job", image.job},
          {"number", image.number},
          {"url", image_path(image.id)},
          {"seed", image.seed},
          {"prompt", image.prompt},
          {"parameters", image.parameters},
          {"width", image.width_px},
          {"height", image.height_px},
          {"watermark", image.watermarked},
          {"created", iso_time(image.created)}};
}

Json to_json(JobId id, const RunProgress& progress) {
  Json json{{"stage", progress.stage}, {"step", progress.step},        {"steps", progress.steps},
            {"batch", progress.batch}, {"batches", progress.batches},  {"tile", progress.tile},
            {"tiles", progress.tiles}, {"fraction", progress.fraction}};
  json["seconds_left"] = progress.time_left ? Json(progress.time_left->count()) : Json(nullptr);
  json["preview"] = progress.preview_version == 0
                        ? Json(nullptr)
                        : Json(fmt::format("/api/v1/jobs/{}/preview?version={}", id, progress.preview_version));
  return json;
}

Json to_json(const std::vector<StoredImage>& images) {
  Json json = Json::array();
  for (const StoredImage& image : images) json.push_back(to_json(image));
  return json;
}

// A request or settings, with the upscaler's name where there is one.
Json request_json(const std::string& text, const Job& job) {
  Json json = Json::parse(text);
  if (json.value("task", "") == kUpscaleTask) {
    json["upscaler"] = job.model.empty() ? std::string(name_of(UpscalerKind::lanczos)) : job.model.stem().string();
  }
  return json;
}

Json to_json(const Job& job) {
  Json json{{"id", job.id}, {"state", name_of(job.state)}, {"origin", name_of(job.origin)}};
  if (!job.task_id.empty()) json["task_id"] = job.task_id;
  json["model"] = job.model.filename().string();
  if (!job.vae.empty()) json["vae"] = job.vae.stem().string();
  json["request"] = request_json(job.request, job);
  json["inputs"] = Json::object();
  for (const std::string& name : job.inputs) {
    json["inputs"][name] = fmt::format("/api/v1/jobs/{}/inputs/{}", job.id, name);
  }
  json["settings"] = job.settings ? request_json(*job.settings, job) : Json(nullptr);
  json["created"] = iso_time(job.created);
  json["started"] = to_json(job.started);
  json["ended"] = to_json(job.ended);
  json["device"] = job.device.empty() ? Json(nullptr) : Json(job.device);
  json["position"] = job.position ? Json(*job.position) : Json(nullptr);
  json["progress"] = job.progress ? to_json(job.id, *job.progress) : Json(nullptr);
  json["images"] = to_json(job.images);
  json["warnings"] = job.warnings;
  json["error"] = job.fault ? Json{{"code", job.fault->code}, {"message", job.fault->message}} : Json(nullptr);
  return json;
}

Json to_json(const std::optional<int64_t>& next) { return next ? Json(*next) : Json(nullptr); }

}  // namespace

std::string iso_time(Time time) {
  const auto milliseconds = time.time_since_epoch().count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(time)),
                     milliseconds);
}

std::string image_path(ImageId id) { return fmt::format("/api/v1/images/{}/file", id); }

std::string job_json(const Job& job) { return dumped(to_json(job)); }

std::string jobs_json(const std::vector<Job>& jobs, std::optional<int64_t> next) {
  Json list = Json::array();
  for (const Job& job : jobs) list.push_back(to_json(job));
  return dumped({{"jobs", std::move(list)}, {"next", to_json(next)}});
}

std::string image_json(const StoredImage& image) { return dumped(to_json(image)); }

std::string images_json(const std::vector<StoredImage>& images, std::optional<int64_t> next) {
  return dumped({{"images", to_json(images)}, {"next", to_json(next)}});
}

}  // namespace easel::server
