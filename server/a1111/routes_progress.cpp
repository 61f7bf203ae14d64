#include <fmt/chrono.h>

#include <nlohmann/json.hpp>

#include "server/a1111/routes.h"
#include "server/http/image_text.h"
#include "server/json/fields.h"

namespace easel::server {
namespace {

using Json = nlohmann::ordered_json;

std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// A1111 runs one job at a time. Of several, the first that came by its API is meant, or else the first of all.
std::optional<Job> running_job(const Services& services) {
  std::optional<Job> first;
  for (const JobId id : services.queue.running()) {
    std::optional<Job> job = services.queue.find(id);
    if (job && job->origin == Origin::a1111) return job;
    if (!first) first = std::move(job);
  }
  return first;
}

// The newest one; a newer one is asked for.
std::shared_ptr<const Image> look(const Services& services, const std::optional<Job>& job) {
  if (!job) return nullptr;
  services.queue.ask_for_preview(job->id);
  return services.queue.preview(job->id);
}

Json state_json(const std::optional<Job>& job) {
  const RunProgress run = job && job->progress ? *job->progress : RunProgress{.batches = 0};
  const std::string name = job && job->task_id.empty() ? "scripts_txt2img" : (job ? job->task_id : "");
  const std::time_t started = job && job->started ? std::chrono::system_clock::to_time_t(*job->started) : 0;
  return {{"skipped", false},
          {"interrupted", false},
          {"stopping_generation", false},
          {"job", name},
          {"device", job && !job->device.empty() ? Json(job->device) : Json(nullptr)},
          {"job_count", run.batches},
          {"job_timestamp", started == 0 ? "0" : fmt::format("{:%Y%m%d%H%M%S}", fmt::gmtime(started))},
          {"job_no", run.batch},
          {"sampling_step", run.stage == "sampling" ? run.step : 0},
          {"sampling_steps", run.stage == "sampling" ? run.steps : 0}};
}

HttpResponse progress(const Services& services, const HttpRequest& request) {
  const std::optional<Job> job = running_job(services);
  const auto skip = request.query.find("skip_current_image");
  const bool wants_image = skip == request.query.end() || (skip->second != "true" && skip->second != "1");
  const auto preview = wants_image ? look(services, job) : nullptr;
  const bool is_running = job && job->progress;
  const double left = is_running && job->progress->time_left ? job->progress->time_left->count() : 0.0;
  return {.body = dumped({{"progress", is_running ? job->progress->fraction : 0.0},
                          {"eta_relative", left},
                          {"state", state_json(job)},
                          {"current_image", preview ? Json(base64_image(*preview)) : Json(nullptr)},
                          {"textinfo", nullptr}})};
}

// POST /internal/progress {"id_task": "task(...)", "id_live_preview": 3, "live_preview": true}
HttpResponse task_progress(const Services& services, const HttpRequest& request) {
  Fields fields = Fields::parse(request.body);
  const std::string task = fields.required_text("id_task");
  const int64_t seen = fields.integer("id_live_preview", {-1, INT64_MAX}).value_or(-1);
  const bool wants_preview = fields.flag("live_preview").value_or(true);
  const std::optional<JobId> id = services.queue.find_task(task);
  const std::optional<Job> job = id ? services.queue.find(*id) : std::nullopt;
  const bool is_active = job && job->state == JobState::running && job->progress;
  const bool is_queued = job && job->state == JobState::queued;

  Json body{{"active", is_active}, {"queued", is_queued}, {"completed", !is_active && !is_queued}};
  body["progress"] = is_active ? Json(job->progress->fraction) : Json(nullptr);
  const bool has_estimate = is_active && job->progress->time_left;
  body["eta"] = has_estimate ? Json(job->progress->time_left->count()) : Json(nullptr);
  const int64_t version = is_active ? job->progress->preview_version : 0;
  const auto preview = is_active && wants_preview ? look(services, job) : nullptr;
  const bool has_news = preview && version > 0 && version != seen;
  body["live_preview"] = has_news ? Json("data:image/png;base64," + base64_image(*preview)) : Json(nullptr);
  body["id_live_preview"] = has_news ? version : seen;
  body["textinfo"] = is_queued ? Json(fmt::format("in queue: {} before it", job->position.value_or(0))) : Json(nullptr);
  return {.body = dumped(body)};
}

HttpResponse stop_running_job(const Services& services) {
  if (const auto job = running_job(services)) services.queue.cancel(job->id);
  return {.body = "{}"};
}

HttpResponse skip_batch(const Services& services) {
  if (const auto job = running_job(services)) services.queue.skip(job->id);
  return {.body = "{}"};
}

}  // namespace

void add_a1111_progress_routes(Router& router, const Services& services) {
  router.get("/sdapi/v1/progress", [services](const HttpRequest& request) { return progress(services, request); });
  router.post("/internal/progress",
              [services](const HttpRequest& request) { return task_progress(services, request); });
  router.post("/sdapi/v1/interrupt", [services](const HttpRequest&) { return stop_running_job(services); });
  router.post("/sdapi/v1/skip", [services](const HttpRequest&) { return skip_batch(services); });
  router.get("/internal/ping", [](const HttpRequest&) -> HttpResponse { return {.body = "{}"}; });
}

}  // namespace easel::server
