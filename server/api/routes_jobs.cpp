#include <algorithm>

#include "easel/base/error.h"
#include "easel/image/codec.h"
#include "server/api/file_response.h"
#include "server/api/job_events.h"
#include "server/api/job_json.h"
#include "server/api/routes.h"
#include "server/json/fields.h"

namespace easel::server {
namespace {

Job require_job(const Services& services, const HttpRequest& request) {
  const int64_t id = parse_id(request.captures.at(0));
  if (auto job = services.queue.find(id)) return *job;
  throw Error(ErrorCode::not_found, "there is no job {}", id);
}

JobOrder parse_upscale_order(const Services& services, Fields& fields) {
  const UpscalerEntry upscaler = services.models.resolve_upscaler(fields.text("upscaler"));
  const UpscaleRequest request = parse_upscale_request(fields.json_without({"upscaler"}));
  check(request, upscaler.kind, upscaler.scale);
  return {.request = request, .model = upscaler.file, .origin = Origin::jobs};
}

// The body is a request as parse_request() or parse_upscale_request() read it, and may name a model or an upscaler.
JobOrder parse_order(const Services& services, const std::string& body) {
  Fields fields = Fields::parse(body);
  if (fields.has("task") && fields.text("task") == kUpscaleTask) return parse_upscale_order(services, fields);
  const auto vae = fields.text("vae");
  Request request = parse_request(fields.json_without({"model", "vae"}));
  if (auto& upscaler = request.hires_upscaler) upscaler = services.models.resolve_hires_upscaler(*upscaler);
  return {.request = std::move(request),
          .model = services.models.resolve(fields.text("model")),
          .vae = vae ? services.models.resolve_vae(*vae) : std::filesystem::path(),
          .origin = Origin::jobs};
}

// ?previews=true: the client shows them.
bool wants_previews(const HttpRequest& request) {
  const auto at = request.query.find("previews");
  if (at == request.query.end() || at->second == "false") return false;
  if (at->second == "true") return true;
  throw Error(ErrorCode::invalid_request, "previews is '{}', expected true or false", at->second);
}

HttpResponse submit(const Services& services, const HttpRequest& request) {
  const std::optional<JobId> id = services.queue.submit(parse_order(services, request.body));
  if (!id) throw queue_is_full();
  return {.status = 201,
          .headers = {{"Location", fmt::format("/api/v1/jobs/{}", *id)}},
          .body = job_json(*services.queue.find(*id))};
}

// The records, with the newest news of those that have not ended.
HttpResponse list(const Services& services, const HttpRequest& request) {
  const Page page = parse_page(request);
  std::optional<JobState> state;
  if (const auto at = request.query.find("state"); at != request.query.end()) state = parse_job_state(at->second);
  std::vector<Job> jobs = services.store.list(page, state);
  for (Job& job : jobs) {
    if (is_ended(job.state)) continue;
    if (auto current = services.queue.find(job.id)) job = std::move(*current);
  }
  const bool is_full = static_cast<int64_t>(jobs.size()) == page.limit;
  const auto next = is_full ? std::optional(jobs.back().id) : std::nullopt;
  return {.body = jobs_json(jobs, next)};
}

HttpResponse cancel(const Services& services, const HttpRequest& request) {
  const Job job = require_job(services, request);
  services.queue.cancel(job.id);
  return {.body = job_json(*services.queue.find(job.id))};
}

HttpResponse show(const Services& services, const HttpRequest& request) {
  const Job job = require_job(services, request);
  if (wants_previews(request)) services.queue.ask_for_preview(job.id);
  return {.body = job_json(job)};
}

HttpResponse events(const Services& services, const HttpRequest& request) {
  return {.content_type = "text/event-stream",
          .stream = job_events(services.queue, require_job(services, request).id, wants_previews(request))};
}

HttpResponse preview(const Services& services, const HttpRequest& request) {
  const Job job = require_job(services, request);
  services.queue.ask_for_preview(job.id);
  const auto image = services.queue.preview(job.id);
  if (!image) {
    throw Error(ErrorCode::not_found, "there is no preview{}",
                is_ended(job.state) ? ": the job has ended" : " yet; ask again after a step");
  }
  return bytes_response("image/png", encode_image(*image));
}

HttpResponse image_of_job(const Services& services, const HttpRequest& request) {
  const Job job = require_job(services, request);
  const int64_t number = parse_id(request.captures.at(1));
  const auto has_number = [number](const StoredImage& image) { return image.number == number; };
  const auto image = std::find_if(job.images.begin(), job.images.end(), has_number);
  if (image == job.images.end()) {
    throw Error(ErrorCode::not_found, "job {} has no image {}; it has {}", job.id, number, job.images.size());
  }
  return image_file_response(image->file);
}

HttpResponse input_of_job(const Services& services, const HttpRequest& request) {
  const Job job = require_job(services, request);
  const std::string& name = request.captures.at(1);
  if (std::find(job.inputs.begin(), job.inputs.end(), name) == job.inputs.end()) {
    throw Error(ErrorCode::not_found, "job {} came with no {}", job.id, name);
  }
  return image_file_response(services.store.input_file(job.id, name));
}

}  // namespace

void add_job_routes(Router& router, const Services& services) {
  router.set_error_shape("/api/v1", api_error);
  router.post("/api/v1/jobs", [services](const HttpRequest& request) { return submit(services, request); });
  router.get("/api/v1/jobs", [services](const HttpRequest& request) { return list(services, request); });
  router.get("/api/v1/jobs/{id}", [services](const HttpRequest& request) { return show(services, request); });
  router.remove("/api/v1/jobs/{id}", [services](const HttpRequest& request) { return cancel(services, request); });
  router.get("/api/v1/jobs/{id}/events", [services](const HttpRequest& request) { return events(services, request); });
  router.get("/api/v1/jobs/{id}/preview",
             [services](const HttpRequest& request) { return preview(services, request); });
  router.get("/api/v1/jobs/{id}/images/{number}",
             [services](const HttpRequest& request) { return image_of_job(services, request); });
  router.get("/api/v1/jobs/{id}/inputs/{name}",
             [services](const HttpRequest& request) { return input_of_job(services, request); });
  router.get("/api/v1/queue", [services](const HttpRequest&) -> HttpResponse {
    return {.body = jobs_json(services.queue.active(), std::nullopt)};
  });
}

}  // namespace easel::server
